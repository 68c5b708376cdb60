/* What a rank asks of the network in the steps of a run, counted where it asks, for dry runs. */
#ifndef CHORALE_BASE_TRAFFIC_H
#define CHORALE_BASE_TRAFFIC_H

#include <petscsys.h>

typedef struct {
  PetscReal calls; /* that wait for all ranks of a group */
  PetscReal waits; /* one for a way from one rank to all or back, two for there and back */
  PetscReal bytes; /* that pass a rank, in all ways */
  PetscReal rides; /* sums that would have taken a word along (ride.h) */
} Traffic;

/* A call by which every rank gets n numbers of 8 bytes that are made of those of all. */
PETSC_INTERN void TrafficSum(PetscInt64 n);
/* One that takes n numbers from one rank to all or from all to one. */
PETSC_INTERN void TrafficWay(PetscInt64 n);
/* One by which every rank gets n numbers, those of all ranks. */
PETSC_INTERN void TrafficGather(PetscInt64 n);
/* One by which this rank gets n numbers, from each of so many ranks those that are for it: a message to each. */
PETSC_INTERN void TrafficExchange(PetscMPIInt ranks, PetscInt64 n);
/* n numbers from some other ranks and to them, for which no rank waits that has no part in them. */
PETSC_INTERN void TrafficMessages(PetscInt64 n);
/* Of a sum that was counted: it is short enough, and the word comes along. */
PETSC_INTERN void TrafficRide(void);
/* Since the start. */
PETSC_INTERN Traffic TrafficGet(void);

#endif
