#include "base/plan.h"

#include <stdint.h>

static PetscMPIInt planned;                    /* ranks, 0 without a plan */
static PetscMPIInt share = MPI_KEYVAL_INVALID; /* attribute of communicators: the ranks that they stand for */

PetscErrorCode PlanSet(PetscInt64 ranks) {
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCheck(!ranks || size == 1, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "dry_ranks = %" PetscInt64_FMT ": is planned by one rank, not by %d", ranks, size);
  planned = (PetscMPIInt)ranks;
  if (planned && share == MPI_KEYVAL_INVALID)
    PetscCallMPI(MPI_Comm_create_keyval(MPI_COMM_DUP_FN, MPI_COMM_NULL_DELETE_FN, &share, NULL));
  PetscFunctionReturn(0);
}

PetscErrorCode PlanRanks(PetscMPIInt *ranks) {
  PetscFunctionBeginUser;
  if (planned)
    *ranks = planned;
  else
    PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, ranks));
  PetscFunctionReturn(0);
}

PetscErrorCode PlanShare(MPI_Comm comm, PetscInt ranks) {
  PetscFunctionBeginUser;
  if (planned) PetscCallMPI(MPI_Comm_set_attr(comm, share, (void *)(intptr_t)ranks));
  PetscFunctionReturn(0);
}

/* 0 for a communicator that stands for itself. */
static PetscErrorCode Planned(MPI_Comm comm, PetscMPIInt *size) {
  void *value = NULL;
  int found = 0;

  PetscFunctionBeginUser;
  if (planned) PetscCallMPI(MPI_Comm_get_attr(comm, share, &value, &found));
  *size = found ? (PetscMPIInt)(intptr_t)value : 0;
  PetscFunctionReturn(0);
}

PetscErrorCode PlanSize(MPI_Comm comm, PetscMPIInt *size) {
  PetscFunctionBeginUser;
  PetscCall(Planned(comm, size));
  if (!*size) PetscCallMPI(MPI_Comm_size(comm, size));
  PetscFunctionReturn(0);
}

PetscErrorCode PlanRank(MPI_Comm comm, PetscMPIInt *rank) {
  PetscMPIInt size = 0;

  PetscFunctionBeginUser;
  PetscCall(Planned(comm, &size));
  *rank = size - 1;
  if (!size) PetscCallMPI(MPI_Comm_rank(comm, rank));
  PetscFunctionReturn(0);
}

PetscErrorCode PlanIsPart(MPI_Comm comm, PetscBool *part) {
  PetscMPIInt size = 0;

  PetscFunctionBeginUser;
  PetscCall(Planned(comm, &size));
  *part = size > 1 ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}
