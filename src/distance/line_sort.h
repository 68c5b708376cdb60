/* Sorting atoms by place over all ranks. */
#ifndef CHORALE_DISTANCE_LINE_SORT_H
#define CHORALE_DISTANCE_LINE_SORT_H

#include "distance/line.h"

/* Sorts the atoms of all ranks: afterwards this rank has the n-th part of the one order that is ascending in place and,
 * among equals, as it was. *atoms comes from PetscMalloc1 and is replaced. Collective. */
PetscErrorCode AtomsSort(MPI_Comm comm, PetscInt64 *n, Atom **atoms);

/* An MPI type of one atom; the caller frees it. */
PetscErrorCode AtomsType(MPI_Datatype *type);

#endif
