#include <string.h>

#include <chorale/distance.h>

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

PetscErrorCode DistanceTransportMethod(Tokens mu, Tokens nu, const char **method) {
  TokensLayout layout;
  PetscBool assignable;

  PetscFunctionBeginUser;
  PetscCall(DistanceCheck(mu, nu));
  PetscCall(TokensGetLayout(mu, &layout));
  PetscCall(DistanceAssignable(mu, nu, &assignable));
  *method = layout.dim == 2 ? "circle" : assignable ? "assignment" : "sinkhorn";
  PetscFunctionReturn(0);
}

PetscErrorCode DistanceTransport(Tokens mu, Tokens nu, PetscReal *w2sq, const char **method) {
  PetscReal low;

  PetscFunctionBeginUser;
  PetscCall(DistanceTransportMethod(mu, nu, method));
  if (!strcmp(*method, "circle"))
    PetscCall(DistanceCircleTransport(mu, nu, &low, w2sq));
  else if (!strcmp(*method, "assignment"))
    PetscCall(DistanceAssignment(mu, nu, w2sq));
  else
    PetscCall(DistanceSinkhorn(mu, nu, DISTANCE_SINKHORN_TOL, w2sq));
  PetscFunctionReturn(0);
}
