#include "distance/impl.h"

PetscErrorCode DistanceCheck(Tokens mu, Tokens nu) {
  TokensLayout a, b;
  int relation;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(mu, &a));
  PetscCall(TokensGetLayout(nu, &b));
  PetscCallMPI(MPI_Comm_compare(a.comm, b.comm, &relation));
  PetscCheck(a.dim == b.dim && (relation == MPI_IDENT || relation == MPI_CONGRUENT), PETSC_COMM_SELF,
             PETSC_ERR_ARG_INCOMP,
             "measures on spheres of dimension %" PetscInt_FMT " and %" PetscInt_FMT
             ", or of different ranks, have no distance",
             a.dim, b.dim);
  PetscFunctionReturn(0);
}
