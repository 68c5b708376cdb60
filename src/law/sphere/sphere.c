#include <chorale/sphere.h>
#include <math.h>

PetscReal SphereArea(PetscInt d) {
  const PetscReal half = 0.5 * (PetscReal)d;

  /* tgamma keeps full precision; beyond its range only the logarithm is representable. */
  if (d <= 300) return 2.0 * pow(PETSC_PI, half) / tgamma(half);
  return 2.0 * exp(half * log(PETSC_PI) - lgamma(half));
}

PetscReal SphereHarmonicCount(PetscInt d, PetscInt n) {
  if (n == 0) return 1.0;
  if (d == 2) return 2.0;
  /* dim(n) = (2n+d-2)/(d-2) C(n+d-3, d-3). Every partial product is a binomial coefficient, so it is exact while it
   * fits. */
  const PetscInt steps = PetscMin(n, d - 3), other = PetscMax(n, d - 3);
  PetscReal binomial = 1.0;
  for (PetscInt i = 1; i <= steps; i++) binomial = binomial * (PetscReal)(other + i) / (PetscReal)i;
  return binomial * (PetscReal)(2 * (PetscInt64)n + d - 2) / (PetscReal)(d - 2);
}

void SpherePolynomials(PetscInt d, PetscInt degree, PetscReal u, PetscReal values[]) {
  values[0] = 1.0;
  if (degree >= 1) values[1] = u;
  /* (n+d-2) P_{n+1} = (2n+d-2) u P_n - n P_{n-1}, stable upwards on [-1,1]. */
  for (PetscInt n = 1; n < degree; n++) {
    const PetscReal down = (PetscReal)n, up = (PetscReal)(n + d - 2);
    values[n + 1] = ((down + up) * u * values[n] - down * values[n - 1]) / up;
  }
}
