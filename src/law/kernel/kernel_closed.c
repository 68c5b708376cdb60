/* E[sigma(Z1) sigma(Z2)] in closed form for centred Gaussians of variance v and covariance c. */
#include "law/kernel/impl.h"
#include <math.h>
#include <string.h>

static PetscReal ClosedIdentity(PetscReal v, PetscReal c, PetscReal gap) {
  (void)v, (void)gap;
  return c;
}

/* arcsin(1 - x). */
static PetscReal ArcsineBelowOne(PetscReal x) {
  return 0.5 * PETSC_PI - 2.0 * asin(sqrt(0.5 * x));
}

/* The arcsine kernel (Williams 1997), 2/pi arcsin(2c/(1+2v)). */
static PetscReal ClosedErf(PetscReal v, PetscReal c, PetscReal gap) {
  (void)c;
  return 2.0 / PETSC_PI * ArcsineBelowOne((1.0 + 2.0 * gap) / (1.0 + 2.0 * v));
}

/* e^{-v} sinh(c). */
static PetscReal ClosedSin(PetscReal v, PetscReal c, PetscReal gap) {
  (void)v;
  return 0.5 * exp(-gap) * -expm1(-2.0 * c);
}

/* sigma(z) = z Phi(z): Gaussian integration by parts leaves E[Phi Phi] = 1/4 + arcsin(c/(1+v))/(2 pi) and
 * E[phi phi] = 1/(2 pi sqrt((1+v)^2 - c^2)). */
static PetscReal ClosedGelu(PetscReal v, PetscReal c, PetscReal gap) {
  const PetscReal w = 1.0 + v;
  const PetscReal distribution = 0.25 + ArcsineBelowOne((1.0 + gap) / w) / (2.0 * PETSC_PI);
  const PetscReal density = 1.0 / (2.0 * PETSC_PI * sqrt((1.0 + gap) * (w + c)));
  return c * distribution + density * (v * v + c * c * (1.0 - v) / w);
}

KernelClosed KernelClosedFind(const char *activation) {
  static const struct {
    const char *name;
    KernelClosed function;
  } table[] = {{"identity", ClosedIdentity}, {"erf", ClosedErf}, {"sin", ClosedSin}, {"gelu", ClosedGelu}};

  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
    if (!strcmp(table[i].name, activation)) return table[i].function;
  return NULL;
}
