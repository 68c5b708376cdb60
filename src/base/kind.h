/* What the bits of results may depend on beside the deck: the instructions of the ranks. */
#ifndef CHORALE_BASE_KIND_H
#define CHORALE_BASE_KIND_H

#include <petscsys.h>

/* Warns in one line where ranks run other instructions than rank 0: other builds, processors, or kernels of BLAS.
 * Collective on comm. */
PetscErrorCode KindCompare(MPI_Comm comm);

#endif
