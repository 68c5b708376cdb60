/* Gauss rules. Pure functions, no MPI. Nodes ascend; arrays have n entries and belong to the caller. */
#ifndef CHORALE_LAW_SPHERE_QUADRATURE_H
#define CHORALE_LAW_SPHERE_QUADRATURE_H

#include <petscsys.h>

/* Integral over [a,b] of f(x) dx (Gauss-Legendre). */
PetscErrorCode QuadratureLegendre(PetscInt n, PetscReal a, PetscReal b, PetscReal x[], PetscReal w[]);
/* Expectation E f(Z), Z standard normal (Gauss-Hermite, probabilists'); weights add up to 1. */
PetscErrorCode QuadratureNormal(PetscInt n, PetscReal x[], PetscReal w[]);
/* Expectation of f(u) for u = <X,e>, X uniform on S^{d-1}: density proportional to (1-u^2)^{(d-3)/2}; weights add up
 * to 1. */
PetscErrorCode QuadratureSphere(PetscInt d, PetscInt n, PetscReal u[], PetscReal w[]);

#endif
