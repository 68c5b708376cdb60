/* Control variates: numbers less what others of mean zero explain of them, NUMERICS.md (9.20). Pure functions, no MPI:
 * every rank computes the same numbers. */
#ifndef CHORALE_LAW_STATS_CONTROLLED_H
#define CHORALE_LAW_STATS_CONTROLLED_H

#include <petscsys.h>

/* x[R], numbers of independent realizations, becomes x_r - c_r . controls[r][K], where c_r is the least-squares fit of
 * x to a constant and the controls in all realizations but r. Controls of mean zero leave the mean of x where it is,
 * for any R. Those that depend linearly on others before them are left out; x stays as it is where a realization alone
 * decides on a coefficient, as for R <= K + 1. */
PetscErrorCode ControlledNumbers(PetscInt R, PetscInt K, const PetscReal controls[], PetscReal x[]);

#endif
