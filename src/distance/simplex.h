/* Transport between two finite measures on the circle, exactly. */
#ifndef CHORALE_DISTANCE_SIMPLEX_H
#define CHORALE_DISTANCE_SIMPLEX_H

#include <petscsys.h>

/* Points (x, y) of a measure and their masses > 0, integers. */
typedef struct {
  PetscInt n;
  double *x, *y;
  PetscInt64 *mass;
} SimplexSide;

PetscErrorCode SimplexSideCreate(PetscInt n, SimplexSide *side);
PetscErrorCode SimplexSideDestroy(SimplexSide *side);

/* *cost <- the least of sum over pairs of (mass moved / total mass) |from - to|^2, |point| = 1, by the network simplex
 * method, within 1e-12. Masses add up to the same total. Starts from the plan that joins the points in their order. */
PetscErrorCode SimplexSolve(const SimplexSide *from, const SimplexSide *to, PetscReal *cost);

#endif
