/* Where a file comes from: /parameters and /provenance of results files and checkpoints. */
#ifndef CHORALE_RUN_ORIGIN_H
#define CHORALE_RUN_ORIGIN_H

#include "io/hdf.h"

/* The keys of the deck as attributes of /parameters of an open file. Collective on the file. */
PETSC_INTERN PetscErrorCode OriginWriteKeys(Hdf hdf);
/* These, with the deck as text, and /provenance; complete: nothing is to come. Collective on comm, that of the file. */
PETSC_INTERN PetscErrorCode OriginWrite(MPI_Comm comm, PetscBool complete, Hdf hdf);

#endif
