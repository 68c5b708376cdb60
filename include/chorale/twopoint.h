/* Two tokens under the common noise (THEORY.md (6.1), (6.4)): u_t = <X,Y> is a one-dimensional diffusion
 * with generator
 *
 *     A = (G0(u) + 2 v (1-u^2) e^{beta u}/(e^beta + e^{beta u})) d_u + (1-u^2)(k(1) - u k(u)) d_u^2
 *
 * (v = 0: noise only, any number of tokens; v != 0: N = 2 with softmax attention; with noise of each token's own,
 * NEIGHBOURS.md section 14, A gains 2 kappa ((1-u^2) d_u^2 - (d-1) u d_u)). f_t(u) = E[e^{beta (u_t - 1)} | u_0
 * = u] solves f' = A f. Piecewise Chebyshev collocation, refined until f in [0,1] changes by less than 1e-9: for any
 * kernel, d <= 4096, beta <= 1e4, |v| <= 1 and t <= 20 in at most a few seconds. Beyond that it may end in
 * PETSC_ERR_CONV_FAILED, which tells the accuracy reached. Pure functions, no MPI. */
#ifndef CHORALE_TWOPOINT_H
#define CHORALE_TWOPOINT_H

#include <chorale/kernel.h>

typedef struct _p_TwoPoint *TwoPoint;

/* The kernel must outlive the object. beta >= 0; value v. */
PetscErrorCode TwoPointCreate(Kernel kernel, PetscReal beta, PetscReal value, TwoPoint *twopoint);
/* Random values at barycentres, V m(x) with V of N(0,1/d) entries: the other diffusion of NEIGHBOURS.md (12.7), for
 * N = 2; value is that of softmax attention beside them. dim >= 2. */
PetscErrorCode TwoPointCreateValues(PetscInt dim, PetscReal beta, PetscReal value, TwoPoint *twopoint);
/* From now on f is E[e^{beta (u_t - 1)} | u_0 = u] with another beta >= 0 than that of attention. */
PetscErrorCode TwoPointMeasureEnergy(TwoPoint twopoint, PetscReal beta);
/* From now on f is the mean cosine E[u_t | u_0 = u]. */
PetscErrorCode TwoPointMeasureCosine(TwoPoint twopoint);
/* kappa >= 0 of the tokens' own noise; 0 unless set. */
PetscErrorCode TwoPointSetIndependent(TwoPoint twopoint, PetscReal kappa);
/* Where these pairs end without attention, dim >= 2: *lambda, the exponent of their distance from opposite points,
 * attracts when it is negative; *share of uniform pairs ends there, the others meet. To 1e-6. */
PetscErrorCode TwoPointOpposite(PetscInt dim, PetscReal beta, PetscReal *lambda, PetscReal *share);
PetscErrorCode TwoPointDestroy(TwoPoint *twopoint);
/* E e^{beta (u_t - 1)} for u_0 = u[i], i < n, at time t >= 0. */
PetscErrorCode TwoPointEvaluate(TwoPoint twopoint, PetscReal t, PetscInt n, const PetscReal u[], PetscReal f[]);
/* The same for two independent uniform tokens at time 0. */
PetscErrorCode TwoPointUniform(TwoPoint twopoint, PetscReal t, PetscReal *f);

#endif
