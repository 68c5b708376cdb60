/* Where a file comes from: /parameters and /provenance of results files and checkpoints. */
#ifndef CHORALE_RUN_ORIGIN_H
#define CHORALE_RUN_ORIGIN_H

#include "io/hdf.h"

/* /parameters, with the deck as text, and /provenance of an open file; complete: nothing is to come. Collective on
 * comm, that of the file. */
PETSC_INTERN PetscErrorCode OriginWrite(MPI_Comm comm, PetscBool complete, Hdf hdf);

#endif
