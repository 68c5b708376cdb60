#include "run/forest.h"

/* The components of the union of two graphs. */
static void Merge(void *in, void *inout, int *len, MPI_Datatype *type) {
  const PetscInt *other = in;
  PetscInt *parent = inout;
  int bytes;

  (void)len; /* one forest */
  MPI_Type_size(*type, &bytes);
  for (PetscInt i = 0; i < bytes / (int)sizeof(PetscInt); i++) (void)ForestJoin(parent, i, other[i]);
}

PetscErrorCode ForestMerge(MPI_Comm comm, PetscInt n, PetscInt parent[]) {
  PetscMPIInt size, length;
  MPI_Datatype forest;
  MPI_Op merge;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(comm, &size));
  if (size == 1) PetscFunctionReturn(0);
  PetscCall(PetscMPIIntCast(n, &length));
  PetscCallMPI(MPI_Type_contiguous(length, MPIU_INT, &forest));
  PetscCallMPI(MPI_Type_commit(&forest));
  PetscCallMPI(MPI_Op_create(Merge, 1, &merge));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, parent, 1, forest, merge, comm));
  PetscCallMPI(MPI_Op_free(&merge));
  PetscCallMPI(MPI_Type_free(&forest));
  PetscFunctionReturn(0);
}
