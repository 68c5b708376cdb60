/* The points of a measure with integer masses, whole on every rank, near ones near each other. */
#ifndef CHORALE_DISTANCE_POINTS_H
#define CHORALE_DISTANCE_POINTS_H

#include <chorale/tokens.h>

#define POINTS_LEAF 16 /* points of a leaf: whole vectors */

typedef struct {
  PetscInt dim, n;
  double *x; /* [n][dim] */
  PetscInt64 *mass;
} Points;

/* The tokens with weight > 0. Both get the same total mass: equal weights the least integers, others multiples of
 * 2^-60. Collective. */
PetscErrorCode PointsCreate(Tokens mu, Tokens nu, Points points[2]);
PetscErrorCode PointsDestroy(Points *points);
/* Subtracts the mean, which does not depend on the order of points. *square <- the largest |x|^2 then. */
PetscErrorCode PointsCentre(Points *points, PetscReal mean[], PetscReal *square);
/* Puts them in the order of a balanced tree, which halves the points across their widest side until POINTS_LEAF are
 * left. Left halves are full: 2^k leaves. */
PetscErrorCode PointsSort(Points *points);
/* The centres of groups of `size` points in a row, *spread <- mean square distance from them. */
PetscErrorCode PointsCoarsen(const Points *fine, PetscInt size, Points *coarse, PetscReal *spread);

#endif
