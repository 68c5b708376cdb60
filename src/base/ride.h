/* A word of a communicator's first rank that goes along with a sum which its ranks make anyway, so that it costs no
 * collective call of its own. One at a time. */
#ifndef CHORALE_BASE_RIDE_H
#define CHORALE_BASE_RIDE_H

#include <petscsys.h>

/* The next SumAllreduce over comm, unless it is a long one, takes a word along, for which it asks the first rank. What
 * was booked before and has not left is forgotten. Collective. */
PETSC_INTERN PetscErrorCode RideBook(MPI_Comm comm, PetscErrorCode (*ask)(void *context, PetscInt64 *word),
                                     void *context);
/* Has it come along? Alike on all ranks; ends the booking. */
PETSC_INTERN PetscBool RideEnd(PetscInt64 *word);
/* For SumAllreduce: *taken: values[n] are those of all ranks now. Collective. */
PETSC_INTERN PetscErrorCode RideAlong(MPI_Comm comm, PetscMPIInt n, PetscInt64 values[], PetscBool *taken);

#endif
