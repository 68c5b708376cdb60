/* W2^2 by the best method for the measures in hand. */
#include <math.h>

#include <chorale/distance.h>

#include "distance/impl.h"

const char *DistanceTransportMethod(PetscInt dim) {
  return dim == 2 ? "circle" : "auction";
}

PetscReal DistanceTransportSeconds(PetscInt dim, PetscInt64 N, PetscInt64 M, PetscReal tol) {
  (void)tol;
  return dim == 2 ? 1e-7 * (PetscReal)(N + M) : 1e-5 * PetscPowReal((PetscReal)PetscMax(N, M), 1.2);
}

PetscErrorCode DistanceTransport(Tokens mu, Tokens nu, PetscReal tol, PetscReal *low, PetscReal *high,
                                 const char **method) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(DistanceCheck(mu, nu));
  PetscCall(TokensGetLayout(mu, &layout));
  *method = DistanceTransportMethod(layout.dim);
  if (layout.dim == 2)
    PetscCall(DistanceCircleTransport(mu, nu, low, high));
  else
    PetscCall(DistanceAuction(mu, nu, tol, low, high));
  PetscFunctionReturn(0);
}
