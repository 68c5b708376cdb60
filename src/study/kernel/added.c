#include "study/kernel/added.h"

#include <chorale/twopoint.h>
#include <math.h>

#include "law/sphere/zonal.h"

PetscErrorCode AddedRead(const Laws *laws, Added *added) {
  KernelOptions options;
  AttentionOptions attention;
  PetscBool moments;
  PetscInt64 most = 0;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(KernelKeys, &options));
  PetscCall(AttentionOptionsRead(&attention));
  for (PetscInt i = 0; i < laws->dims; i++) most = PetscMax(most, laws->dim[i]);
  *added = (Added){.degrees = (PetscInt)options.growth, .value = attention.value, .values = options.values};
  if (options.spectrum) added->exponents = (PetscInt)most - 1;
  PetscCall(DeckHas("kernel_moments", &moments));
  if (moments) {
    added->moments = LAWS_LIST;
    PetscCall(DeckGetRealList("kernel_moments", &added->moments, added->p));
  }
  PetscFunctionReturn(0);
}

PetscInt AddedCount(const Added *added) {
  return added->exponents + (added->moments ? added->moments + 1 : 0) + (added->degrees ? 2 * added->degrees + 1 : 0) +
         (added->values ? 2 : 0);
}

static PetscErrorCode Name(size_t room, char columns[], const char *name, PetscReal number) {
  char text[ADDED_NAME];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(text, sizeof(text), ",%s%.9g", name, (double)number));
  PetscCall(PetscStrlcat(columns, text, room));
  PetscFunctionReturn(0);
}

PetscErrorCode AddedNames(const Added *added, size_t room, char columns[]) {
  PetscFunctionBeginUser;
  for (PetscInt j = 2; j <= added->exponents; j++) PetscCall(Name(room, columns, "lambda", j));
  if (added->exponents) PetscCall(PetscStrlcat(columns, ",kaplan_yorke", room));
  for (PetscInt i = 0; i < added->moments; i++) PetscCall(Name(room, columns, "moment_", added->p[i]));
  if (added->moments) PetscCall(PetscStrlcat(columns, ",pstar", room));
  for (PetscInt n = 1; n <= added->degrees; n++) PetscCall(Name(room, columns, "growth", n));
  for (PetscInt n = 1; n <= added->degrees; n++) PetscCall(Name(room, columns, "gamma", n));
  if (added->degrees) PetscCall(PetscStrlcat(columns, ",fastest", room));
  if (added->values) PetscCall(PetscStrlcat(columns, ",lambda_opposite,opposite", room));
  PetscFunctionReturn(0);
}

static PetscErrorCode Spectrum(PetscInt exponents, Kernel kernel, PetscInt dim, PetscReal values[]) {
  PetscReal *lambda;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(dim - 1, &lambda));
  PetscCall(KernelSpectrum(kernel, lambda));
  for (PetscInt j = 2; j <= exponents; j++) values[j - 2] = j < dim ? lambda[j - 1] : NAN;
  values[exponents - 1] = KaplanYorke(dim - 1, lambda);
  PetscCall(PetscFree(lambda));
  PetscFunctionReturn(0);
}

/* NEIGHBOURS.md (16.2) and (16.3), and the degree that grows fastest by attention alone. */
static PetscErrorCode Growth(const Added *added, Kernel kernel, PetscInt dim, PetscReal beta, PetscReal values[]) {
  const PetscInt most = added->degrees;
  PetscReal *ratio, k1, kp1;
  PetscInt fastest = 1;

  PetscFunctionBeginUser;
  PetscCall(KernelAtOne(kernel, &k1, &kp1));
  PetscCall(PetscMalloc1(most + 1, &ratio));
  PetscCall(ZonalBesselRatios(dim, beta, most, ratio));
  for (PetscInt n = 1; n <= most; n++) {
    const PetscReal laplace = (PetscReal)n * (PetscReal)(n + dim - 2);
    values[n - 1] = laplace * added->value * ratio[n] / beta;
    values[most + n - 1] = values[n - 1] - 0.5 * k1 * laplace;
    if (values[n - 1] > values[fastest - 1]) fastest = n;
  }
  values[2 * most] = (PetscReal)fastest;
  PetscCall(PetscFree(ratio));
  PetscFunctionReturn(0);
}

PetscErrorCode AddedCompute(const Added *added, Kernel kernel, PetscInt dim, PetscReal beta, PetscReal values[]) {
  PetscFunctionBeginUser;
  if (added->exponents) PetscCall(Spectrum(added->exponents, kernel, dim, values));
  values += added->exponents;
  for (PetscInt i = 0; i < added->moments; i++) PetscCall(KernelMomentExponent(kernel, added->p[i], &values[i]));
  if (added->moments) {
    PetscCall(KernelMomentRoot(kernel, &values[added->moments]));
    values += added->moments + 1;
  }
  if (added->degrees) {
    PetscCall(Growth(added, kernel, dim, beta, values));
    values += 2 * added->degrees + 1;
  }
  if (added->values) PetscCall(TwoPointOpposite(dim, beta, &values[0], &values[1]));
  PetscFunctionReturn(0);
}
