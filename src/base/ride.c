#include "base/ride.h"

#include "base/traffic.h"

#define LONGEST 8192 /* numbers of a sum that takes a word along: they are copied */

static struct {
  PetscErrorCode (*ask)(void *context, PetscInt64 *word); /* NULL: none is booked, or it has arrived */
  void *context;
  MPI_Comm comm;
  PetscBool arrived;
  PetscInt64 word;
} ride;

PetscErrorCode RideBook(MPI_Comm comm, PetscErrorCode (*ask)(void *context, PetscInt64 *word), void *context) {
  PetscFunctionBeginUser;
  ride.ask = ask;
  ride.context = context;
  ride.comm = comm;
  ride.arrived = PETSC_FALSE;
  PetscFunctionReturn(0);
}

PetscBool RideEnd(PetscInt64 *word) {
  const PetscBool arrived = ride.arrived;

  *word = ride.word;
  ride.ask = NULL;
  ride.arrived = PETSC_FALSE;
  return arrived;
}

PetscErrorCode RideAlong(MPI_Comm comm, PetscMPIInt n, PetscInt64 values[], PetscBool *taken) {
  static PetscInt64 all[LONGEST + 1];
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  if (n <= LONGEST) TrafficRide();
  *taken = ride.ask && comm == ride.comm && n <= LONGEST ? PETSC_TRUE : PETSC_FALSE;
  if (!*taken) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(PetscArraycpy(all, values, n));
  all[n] = 0;
  if (!rank) PetscCall(ride.ask(ride.context, &all[n]));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, all, n + 1, MPIU_INT64, MPI_SUM, comm));
  PetscCall(PetscArraycpy(values, all, n));
  ride.word = all[n];
  ride.arrived = PETSC_TRUE;
  ride.ask = NULL;
  PetscFunctionReturn(0);
}
