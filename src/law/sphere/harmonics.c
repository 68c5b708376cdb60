#include "law/sphere/impl.h"

#include <petscblaslapack.h>

#include <chorale/sphere.h>

/* The recursion over dimension: each harmonic in R^d of degree at most n gives one in R^{d+1} of degree n. */
PetscReal HarmonicsCount(PetscInt dim, PetscInt degree) {
  return SphereHarmonicCount(dim + 1, degree);
}

PetscErrorCode HarmonicsCreate(PetscInt dim, PetscInt degree, Harmonics *handle) {
  const PetscReal count = HarmonicsCount(dim, degree);
  Harmonics harmonics;

  PetscFunctionBeginUser;
  PetscCheck(dim >= 2 && degree >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "harmonics of degree %d at d = %d",
             (int)degree, (int)dim);
  PetscCheck(dim <= HARMONICS_DIM, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_dim = %d: must be at most %d for harmonics", (int)dim, HARMONICS_DIM);
  PetscCheck(count <= HARMONICS_BUDGET, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "harmonics up to degree %d at d = %d are %.6g functions, more than the budget of %d", (int)degree,
             (int)dim, (double)count, HARMONICS_BUDGET);
  PetscCall(PetscNew(&harmonics));
  harmonics->dim = dim;
  harmonics->degree = degree;
  harmonics->count = (PetscInt)count;
  PetscCall(PetscMalloc1(harmonics->count, &harmonics->degrees));
  PetscCall(HarmonicsTowerSetUp(harmonics));
  PetscCall(HarmonicsTowerDegrees(harmonics));
  if (dim == 2) PetscCall(HarmonicsCircleSetUp(harmonics));
  if (dim == 3) PetscCall(HarmonicsSphereSetUp(harmonics));
  *handle = harmonics;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsDestroy(Harmonics *handle) {
  Harmonics harmonics = *handle;

  PetscFunctionBeginUser;
  if (!harmonics) PetscFunctionReturn(0);
  PetscCall(HarmonicsCircleDestroy(harmonics));
  PetscCall(HarmonicsSphereDestroy(harmonics));
  PetscCall(PetscFree3(harmonics->steps, harmonics->seeds, harmonics->tails));
  PetscCall(PetscFree(harmonics->degrees));
  PetscCall(PetscFree(harmonics));
  *handle = NULL;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsGetSize(Harmonics harmonics, PetscInt *count, const PetscInt **degrees) {
  PetscFunctionBeginUser;
  if (count) *count = harmonics->count;
  if (degrees) *degrees = harmonics->degrees;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsEvaluate(Harmonics harmonics, PetscInt B, const double *x, double *Y) {
  PetscFunctionBeginUser;
  PetscCall(HarmonicsTower(harmonics, B, x, harmonics->count, Y, NULL, NULL));
  PetscFunctionReturn(0);
}

/* The functions f of an analysis or a synthesis, [n][B], and their coefficients, [n][K]. */
typedef struct {
  PetscInt n, count;
  const double *f_in, *c_in;
  double *f_out, *c_out;
} Functions;

static PetscErrorCode AnalyzeSlice(const HarmonicsSlice *slice, void *context) {
  const Functions *functions = context;
  const double one = 1.0, zero = 0.0;
  PetscBLASInt B, rows, n, K;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(slice->B, &B));
  PetscCall(PetscBLASIntCast(slice->count, &rows));
  PetscCall(PetscBLASIntCast(functions->n, &n));
  PetscCall(PetscBLASIntCast(functions->count, &K));
  PetscCallBLAS("BLASgemm", BLASgemm_("T", "N", &rows, &n, &B, &one, slice->Y, &B, functions->f_in, &B, &zero,
                                      functions->c_out + slice->first, &K));
  PetscFunctionReturn(0);
}

static PetscErrorCode SynthesizeSlice(const HarmonicsSlice *slice, void *context) {
  const Functions *functions = context;
  const double one = 1.0, keep = slice->first ? 1.0 : 0.0;
  PetscBLASInt B, rows, n, K;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(slice->B, &B));
  PetscCall(PetscBLASIntCast(slice->count, &rows));
  PetscCall(PetscBLASIntCast(functions->n, &n));
  PetscCall(PetscBLASIntCast(functions->count, &K));
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &B, &n, &rows, &one, slice->Y, &B, functions->c_in + slice->first, &K,
                                      &keep, functions->f_out, &B));
  PetscFunctionReturn(0);
}

/* Rows of a slice: half of a usual second-level cache at 256 tokens. */
#define SLICE 128

static PetscErrorCode Slices(Harmonics harmonics, PetscInt B, const double *x, HarmonicsUse use, Functions *functions) {
  const PetscInt room = PetscMax(SLICE, harmonics->degree + 1);
  double *Y;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)room * (size_t)B, &Y));
  PetscCall(HarmonicsTower(harmonics, B, x, room, Y, use, functions));
  PetscCall(PetscFree(Y));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsAnalyze(Harmonics harmonics, PetscInt B, const double *x, PetscInt n, const double *f,
                                double *moments) {
  Functions functions = {.n = n, .count = harmonics->count, .f_in = f, .c_out = moments};

  PetscFunctionBeginUser;
  if (harmonics->circle)
    PetscCall(HarmonicsCircleAnalyze(harmonics, B, x, n, f, moments));
  else if (harmonics->sphere)
    PetscCall(HarmonicsSphereAnalyze(harmonics, B, x, n, f, moments));
  else
    PetscCall(Slices(harmonics, B, x, AnalyzeSlice, &functions));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsSynthesize(Harmonics harmonics, PetscInt B, const double *x, PetscInt n,
                                   const double *coefficients, double *out) {
  Functions functions = {.n = n, .count = harmonics->count, .c_in = coefficients, .f_out = out};

  PetscFunctionBeginUser;
  if (harmonics->circle)
    PetscCall(HarmonicsCircleSynthesize(harmonics, B, x, n, coefficients, out));
  else if (harmonics->sphere)
    PetscCall(HarmonicsSphereSynthesize(harmonics, B, x, n, coefficients, out));
  else
    PetscCall(Slices(harmonics, B, x, SynthesizeSlice, &functions));
  PetscFunctionReturn(0);
}

PetscReal HarmonicsFlops(Harmonics harmonics, PetscInt n) {
  const PetscReal products = 2.0 * (PetscReal)n * (PetscReal)harmonics->count;

  if (harmonics->circle) return HarmonicsCircleFlops(harmonics, n);
  if (harmonics->sphere) return HarmonicsSphereFlops(harmonics, n);
  return products + 5.0 * (PetscReal)harmonics->count;
}
