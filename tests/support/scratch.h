/* A directory of a test's own. */
#ifndef CHORALE_SCRATCH_H
#define CHORALE_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

static char scratch[32];

/* Made by rank 0, named on all ranks: a setup of cmocka's. */
static inline int ScratchMake(void **state) {
  PetscMPIInt rank;
  (void)state;
  strcpy(scratch, "/tmp/chorale-test-XXXXXX");
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  int made = rank || mkdtemp(scratch);
  OK(MPI_Bcast(&made, 1, MPI_INT, 0, PETSC_COMM_WORLD));
  OK(MPI_Bcast(scratch, sizeof(scratch), MPI_CHAR, 0, PETSC_COMM_WORLD));
  return !made;
}

/* Away with all that is in it: a teardown. */
static inline int ScratchRemove(void **state) {
  char command[64];
  PetscMPIInt rank;
  (void)state;
  OK(MPI_Barrier(PETSC_COMM_WORLD));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  snprintf(command, sizeof(command), "rm -r %s", scratch);
  return rank ? 0 : system(command);
}

#endif
