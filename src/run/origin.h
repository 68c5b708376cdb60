/* Where a file comes from: /parameters and /provenance of results files and checkpoints. */
#ifndef CHORALE_RUN_ORIGIN_H
#define CHORALE_RUN_ORIGIN_H

#include <chorale/h5.h>

/* /parameters, with the deck as text, and /provenance of an open file; complete: nothing is to come. Collective on
 * comm, that of the file. */
PETSC_INTERN PetscErrorCode OriginWrite(MPI_Comm comm, const char *study, PetscBool complete, H5 h5);

#endif
