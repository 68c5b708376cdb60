/* The sphere S^{d-1} in R^d. Pure functions, no MPI. */
#ifndef CHORALE_SPHERE_H
#define CHORALE_SPHERE_H

#include <petscsys.h>

/* Surface measure |S^{d-1}| = 2 pi^{d/2} / Gamma(d/2), d >= 2. */
PetscReal SphereArea(PetscInt d);
/* dim(n) = C(n+d-1,n) - C(n+d-3,n-2): number of orthonormal harmonics of degree n, as a real since it may be huge.
 * THEORY.md (2.4). */
PetscReal SphereHarmonicCount(PetscInt d, PetscInt n);
/* P_0(u) .. P_degree(u), the Gegenbauer polynomials with P_n(1) = 1 (d = 2: cos n theta, d = 3: Legendre), for u in
 * [-1,1]. */
void SpherePolynomials(PetscInt d, PetscInt degree, PetscReal u, PetscReal values[]);

#endif
