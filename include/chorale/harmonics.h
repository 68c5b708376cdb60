/* Orthonormal real spherical harmonics on S^{d-1} up to a degree, on blocks of tokens: one basis for attention, noise
 * and the SPDE.
 *
 * Index k = 0 .. K-1 runs over the pairs (degree n, member j) in an order of the basis' own choice; HarmonicsDegrees
 * tells the degree of each. integral Y_k Y_l dS = delta_kl over the surface measure |S^{d-1}|. Addition theorem: sum_j
 * Y_nj(x) Y_nj(y) = dim(n)/|S^{d-1}| P_n(<x,y>). d = 2: Fourier by Chebyshev recurrence from (x,y), no trigonometry; d
 * = 3: normalised Legendre recurrences in Cartesian form, stable at the poles and to degree 1024; d >= 4: recursion
 * over dimension. Pure functions, no MPI. Results for a block depend on the block alone. */
#ifndef CHORALE_HARMONICS_H
#define CHORALE_HARMONICS_H

#include <petscsys.h>

typedef struct _p_Harmonics *Harmonics;

#define HARMONICS_BUDGET 2200000 /* largest K of any basis; attention and noise have smaller budgets of their own */
#define HARMONICS_DIM    300     /* largest d: beyond it |S^{d-1}| < 1e-185 and soon is no double precision number */

/* K of all degrees <= degree, as a real since it may be huge. */
PetscReal HarmonicsCount(PetscInt dim, PetscInt degree);
/* 2 <= dim <= HARMONICS_DIM, degree >= 0, K <= HARMONICS_BUDGET. */
PetscErrorCode HarmonicsCreate(PetscInt dim, PetscInt degree, Harmonics *harmonics);
PetscErrorCode HarmonicsDestroy(Harmonics *harmonics);
/* K and, owned by the object, the degree of each index [K]. */
PetscErrorCode HarmonicsGetSize(Harmonics harmonics, PetscInt *count, const PetscInt **degrees);

/* A block is x[d][B], component-major, |x_t| = 1, B a multiple of 8 and at most HARMONICS_BLOCK. */
#define HARMONICS_BLOCK 256
/* Y[K][B]: the slow obvious kind, for tests and small work. */
PetscErrorCode HarmonicsEvaluate(Harmonics harmonics, PetscInt B, const double *x, double *Y);
/* moments[n][K] = sum_t f[c][t] Y_k(x_t) for the n <= 16 functions f[n][B] at the tokens. */
PetscErrorCode HarmonicsAnalyze(Harmonics harmonics, PetscInt B, const double *x, PetscInt n, const double *f,
                                double *moments);
/* out[n][B] = sum_k coefficients[c][k] Y_k(x_t) for n functions. */
PetscErrorCode HarmonicsSynthesize(Harmonics harmonics, PetscInt B, const double *x, PetscInt n,
                                   const double *coefficients, double *out);

/* Flops per token of an analysis and of a synthesis of n functions, for cost models. */
PetscReal HarmonicsFlops(Harmonics harmonics, PetscInt n);

#endif
