/* Zonal coefficients of one hidden unit, u -> sigma(r u + b) on the cosine u to its direction (Funk-Hecke):
 *
 *     f_n = E[sigma(r u + b) P_n(u)],   u = <X,e>, X uniform on S^{d-1},
 *
 * so that sigma(r <x,e> + b) = sum_n f_n |S^{d-1}| sum_j Y_nj(x) Y_nj(e). Pure functions, no MPI. */
#ifndef CHORALE_LAW_KERNEL_RIDGE_H
#define CHORALE_LAW_KERNEL_RIDGE_H

#include <chorale/activation.h>

typedef struct _p_Ridge *Ridge;

/* dim >= 2, degree >= 0. */
PetscErrorCode RidgeCreate(const Activation *activation, PetscInt dim, PetscInt degree, Ridge *ridge);
PetscErrorCode RidgeDestroy(Ridge *ridge);
/* f[0..degree] for r > 0, to rounding for r and |b| up to about 10. Successive calls with the same b/r are cheaper. */
PetscErrorCode RidgeProject(Ridge ridge, PetscReal r, PetscReal b, PetscReal f[]);

#endif
