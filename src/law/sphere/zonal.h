/* Zonal expansions f(u) = sum_n f_n P_n(u), P_n(1) = 1, and what truncation costs. Pure functions, no MPI. */
#ifndef CHORALE_LAW_SPHERE_ZONAL_H
#define CHORALE_LAW_SPHERE_ZONAL_H

#include <petscsys.h>

/* e^{beta (u-1)} = sum_n e_n P_n(u) on S^{d-1}: e[0..degree], all >= 0, adding up to 1 over all n (maximum 1 at u = 1).
 * Bessel-type, computed in scaled form: relative accuracy 1e-14 or absolute 1e-300, beta from 0 to 1e4, d >= 2. */
PetscErrorCode ZonalExponential(PetscInt dim, PetscReal beta, PetscInt degree, PetscReal e[]);
/* The smallest degree whose tail sum_{n > degree} e_n <= tol, and that tail: a certified bound of |e^{beta(u-1)} -
 * truncated| for all u, since |P_n| <= 1. tol >= 1e-15. */
PetscErrorCode ZonalExponentialDegree(PetscInt dim, PetscReal beta, PetscReal tol, PetscInt *degree, PetscReal *tail);
/* ratio[n] = I_{n+nu}(beta) / I_nu(beta) with nu = d/2 - 1, n = 0 .. degree, beta from 0 to 1e9; to 1e-14. */
PetscErrorCode ZonalBesselRatios(PetscInt dim, PetscReal beta, PetscInt degree, PetscReal ratio[]);
/* sum_n f_n P_n(u) and its derivative (either may be NULL) by recurrence. */
void ZonalEvaluate(PetscInt dim, PetscInt degree, const PetscReal f[], PetscReal u, PetscReal *value,
                   PetscReal *derivative);

#endif
