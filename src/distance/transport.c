/* W2^2 by the best method for the measures in hand. */
#include <math.h>

#include <chorale/distance.h>

#include "distance/impl.h"

const char *DistanceTransportMethod(PetscInt dim) {
  return dim == 2 ? "circle" : "auction";
}

/* Fits to runs; searches in high dimensions look at all pairs, and lots of unequal masses break into pieces. */
PetscReal DistanceTransportSeconds(PetscInt dim, PetscInt64 N, PetscInt64 M, PetscBool equal, PetscReal tol) {
  const PetscReal pieces = equal ? 1 : 5, n = (PetscReal)PetscMax(N, M),
                  pairs = 5e-9 * dim * (PetscReal)N * (PetscReal)M;

  if (dim == 2) return 2e-7 * n;
  return pieces * PetscMin(1.3e-6 * exp(0.42 * dim) * pow(n, 1.2), pairs) * (1 + 0.1 * PetscMax(0, log10(1e-4 / tol)));
}

PetscErrorCode DistanceTransport(Tokens mu, Tokens nu, PetscReal tol, PetscReal *low, PetscReal *high) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(DistanceCheck(mu, nu));
  PetscCall(TokensGetLayout(mu, &layout));
  if (layout.dim == 2)
    PetscCall(DistanceCircleTransport(mu, nu, low, high));
  else
    PetscCall(DistanceAuction(mu, nu, tol, low, high));
  PetscFunctionReturn(0);
}
