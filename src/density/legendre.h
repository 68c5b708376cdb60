/* The transform between the coefficients of order m on a sphere and Fourier modes e^{i m phi} on rings of latitude:
 * sums over degrees of the normalised Legendre functions P_n^m, integral over [-1,1] of (P_n^m)^2 = 1, P positive near
 * the pole z = 1 as in chorale/harmonics.h. Rings lie at Gauss nodes z_i, ascending, an even number: north and south
 * share the sums over even and odd n - m. Orders are dealt out to the ranks: that is where the work is, and no sum is
 * split. */
#ifndef CHORALE_DENSITY_LEGENDRE_H
#define CHORALE_DENSITY_LEGENDRE_H

#include <petscsys.h>

typedef struct _p_Legendre *Legendre;

/* Orders up to `degree`, functions of degree up to degree + 1. Collective. */
PetscErrorCode LegendreCreate(MPI_Comm comm, PetscInt degree, PetscInt rings, Legendre *legendre);
PetscErrorCode LegendreDestroy(Legendre *legendre);
/* z and weights [rings] of the Gauss rule on [-1,1]. */
PetscErrorCode LegendreGetRule(Legendre legendre, const PetscReal **z, const PetscReal **weights);
PetscReal LegendreBytes(Legendre legendre);
/* Where the coefficients of order m begin in the order of chorale/harmonics.h: those of cos(m phi), degrees m ..
 * degree, and then, for m > 0, those of sin(m phi). Pure. */
PetscInt LegendreOffset(PetscInt degree, PetscInt m);

/* modes[m][rings] (complex, interleaved) for m <= most of f = sum_k factor[n] c_k Y_k, degrees up to most, and, unless
 * `slope` is NULL, slope the same for (1 - z^2) df/dz. factor may be NULL for 1. Collective. */
PetscErrorCode LegendreSynthesize(Legendre legendre, PetscInt most, const PetscReal *factor, const double *c,
                                  double *modes, double *slope);
/* out_k = integral of (G_theta, G_phi)/sin(theta) . grad Y_k for all k, from the modes [m][rings] of both components,
 * with weights [rings] for the integral over a ring's height. Collective. */
PetscErrorCode LegendreDivergence(Legendre legendre, const PetscReal *weights, const double *theta, const double *phi,
                                  double *out);

#endif
