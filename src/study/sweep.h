/* The cells of a sweep: who does which, and what is said of them. Private to the driver. */
#ifndef CHORALE_STUDY_SWEEP_H
#define CHORALE_STUDY_SWEEP_H

#include <petscsys.h>

/* Shares n cells of so many realizations each out over groups: order of the cells, most work first, and for each cell
 * the group of its realization 0, whose next ones go to the next groups. The same on all ranks. */
PetscErrorCode SweepShare(PetscInt n, const PetscReal work[], PetscInt realizations, PetscInt groups, PetscInt order[],
                          PetscInt first[]);
/* The axes, how many cells share what a layer draws (1: none), and the cell that is told of, on stdout of rank 0. */
PetscErrorCode SweepView(PetscInt together, PetscInt cell);

#endif
