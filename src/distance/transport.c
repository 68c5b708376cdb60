/* W2^2 by the best method for the measures in hand. */
#include <string.h>

#include <chorale/distance.h>

#include "distance/impl.h"

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
