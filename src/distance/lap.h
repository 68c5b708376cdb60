/* The linear assignment problem. */
#ifndef CHORALE_DISTANCE_LAP_H
#define CHORALE_DISTANCE_LAP_H

#include <petscsys.h>

#define LAP_GROUP 64 /* columns are padded to a multiple of it */

/* columns[n] <- the permutation with the least sum of cost[i][columns[i]]. cost is n rows of n numbers >= 0, padded
 * with PETSC_INFINITY to `stride`, the next multiple of LAP_GROUP. */
PetscErrorCode LapSolve(PetscInt n, PetscInt stride, const double *cost, PetscInt *columns);

#endif
