/* Moments of coordinates from moments: an analysis of w alone instead of w and w x_1 .. w x_d.
 *
 * Times a coordinate, a harmonic of degree n is one of degree n + 1 and one of degree n - 1. So the moments
 * M_k[w x_c] = sum_j w_j x_jc Y_k(x_j) up to a degree follow exactly from M_k[w] up to one degree more: they are those
 * of the density W = sum_k M_k[w] Y_k of that degree, whose integrals a quadrature rule of the sphere makes exactly,
 * from far fewer points than there are tokens. */
#ifndef CHORALE_ATTENTION_MOMENTS_GRID_H
#define CHORALE_ATTENTION_MOMENTS_GRID_H

#include <chorale/harmonics.h>

typedef struct _p_MomentsGrid *MomentsGrid;

/* Points of the rule; 0 beyond three dimensions, where a product rule is no gain. Pure. */
PetscInt64 MomentsGridPoints(PetscInt dim, PetscInt degree);
/* harmonics: up to `degree`, those of the result, kept by the caller; wide: up to degree + 1, those of the moments that
 * the grid takes. Not collective. */
PetscErrorCode MomentsGridCreate(PetscInt dim, PetscInt degree, Harmonics harmonics, Harmonics wide, MomentsGrid *grid);
PetscErrorCode MomentsGridDestroy(MomentsGrid *grid);
/* M_k[w] to moments[d + 1][K], M_k[w x_c] and, last, M_k[w]. Not collective. */
PetscErrorCode MomentsGridApply(MomentsGrid grid, const double *wide, double *moments);

#endif
