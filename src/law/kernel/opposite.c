/* Where two tokens under random values at barycentres end, NEIGHBOURS.md (12.8) to (12.10). In z = log tan(theta/2),
 * u = -tanh z, the scale function is S_z = exp((d-2) int sech(beta x) dz) sin(theta) with x = 1 - u, and uniform pairs
 * have the density sin^{d-1} theta. Midpoints up to |z| = FAR; beyond, S decays like e^{-(1 - (d-2) sech(2 beta)) z}.
 */
#include <chorale/twopoint.h>
#include <math.h>

#define FAR   20.0
#define STEPS 40000

/* The logarithm of sin theta. */
static PetscReal LogSine(PetscReal z) {
  return M_LN2 - fabs(z) - log1p(exp(-2.0 * fabs(z)));
}

PetscErrorCode TwoPointOpposite(PetscInt dim, PetscReal beta, PetscReal *lambda, PetscReal *share) {
  const PetscReal d = (PetscReal)dim, step = 2.0 * FAR / STEPS, end = 1.0 / cosh(2.0 * PetscMin(beta, 300.0));
  PetscReal most = -PETSC_MAX_REAL, scale = 0.0, weight = 0.0, sum = 0.0, last = 0.0;

  PetscFunctionBeginUser;
  *lambda = ((d - 1.0) * end / (1.0 + end) - 1.0) / d; /* sech^2(beta)/2 = end/(1 + end) */
  *share = 0.0;
  if ((d - 2.0) * end >= 1.0) PetscFunctionReturn(0);
  for (int pass = 0; pass < 2; pass++) { /* the first finds the largest slope of S, by which all is divided */
    PetscReal exponent = 0.0;
    for (PetscInt i = 0; i < STEPS; i++) {
      const PetscReal z = -FAR + ((PetscReal)i + 0.5) * step;
      const PetscReal rise = (d - 2.0) / cosh(PetscMin(700.0, beta * (1.0 + tanh(z)))) * step;
      const PetscReal slope = exponent + 0.5 * rise + LogSine(z), density = exp((d - 1.0) * LogSine(z));
      exponent += rise;
      if (!pass) {
        most = PetscMax(most, slope);
        continue;
      }
      last = exp(slope - most);
      sum += density * (scale + 0.5 * last * step);
      scale += last * step;
      weight += density;
    }
  }
  *share = sum / weight / (scale + last / (1.0 - (d - 2.0) * end));
  PetscFunctionReturn(0);
}
