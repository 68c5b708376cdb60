/* How far two sets of tokens are apart, token by token. */
#include <chorale/sum.h>
#include <chorale/tokens.h>

#include "base/traffic.h"

/* Files keep the bits of either: a mean of all tokens alike is divided by their number once. */
static PetscReal AddBlock(const TokensLayout *layout, const double *x, const double *y, const double *weights) {
  PetscReal sum = 0;

  if (!weights) { /* padding adds 0: it is e_1 in both */
    for (PetscInt i = 0; i < layout->dim * layout->block; i++) sum += (x[i] - y[i]) * (x[i] - y[i]);
    return sum / (PetscReal)layout->count;
  }
  for (PetscInt c = 0; c < layout->dim; c++)
    for (PetscInt t = 0; t < layout->block; t++) {
      const PetscInt i = c * layout->block + t;
      sum += weights[t] * PetscSqr(x[i] - y[i]);
    }
  return sum;
}

PetscErrorCode TokensMeanSquare(Tokens a, Tokens b, PetscBool weighted, PetscReal *mean) {
  const PetscReal scale = SumScale(4); /* |x - y| <= 2 */
  const double *x, *y, *weights;
  TokensLayout layout;
  PetscInt64 total = 0;
  Vec vx, vy;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(a, &layout));
  PetscCall(TokensGetWeights(a, &weights));
  PetscCall(TokensGetVec(a, &vx));
  PetscCall(TokensGetVec(b, &vy));
  PetscCall(VecGetArrayRead(vx, &x));
  PetscCall(VecGetArrayRead(vy, &y));
  for (PetscInt k = 0; k < layout.owned; k++) {
    const PetscInt at = k * layout.dim * layout.block;
    total += SumRound(AddBlock(&layout, x + at, y + at, weighted ? weights + k * layout.block : NULL), scale);
  }
  PetscCall(VecRestoreArrayRead(vy, &y));
  PetscCall(VecRestoreArrayRead(vx, &x));
  PetscCall(SumAllreduce(layout.comm, 1, &total));
  *mean = (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

/* The largest square of a distance in a block; r and s are radii or NULL. */
static PetscReal MostOfBlock(const TokensLayout *layout, const double *x, const double *y, const double *r,
                             const double *s) {
  PetscReal most = 0;

  for (PetscInt t = 0; t < layout->block; t++) {
    const double ratio = r ? s[t] / r[t] : 1;
    PetscReal square = 0;

    for (PetscInt c = 0; c < layout->dim; c++)
      square += PetscSqr(x[c * layout->block + t] - ratio * y[c * layout->block + t]);
    most = PetscMax(most, square); /* of padding 0 */
  }
  return most;
}

PetscErrorCode TokensMostDistance(Tokens a, Tokens b, PetscReal *most) {
  double *r, *s, square = 0;
  const double *x, *y;
  TokensLayout layout;
  Vec vx, vy;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(a, &layout));
  PetscCall(TokensGetRadius(a, &r));
  PetscCall(TokensGetRadius(b, &s));
  PetscCall(TokensGetVec(a, &vx));
  PetscCall(TokensGetVec(b, &vy));
  PetscCall(VecGetArrayRead(vx, &x));
  PetscCall(VecGetArrayRead(vy, &y));
  for (PetscInt k = 0; k < layout.owned; k++) {
    const PetscInt at = k * layout.dim * layout.block, token = k * layout.block;
    const PetscReal here = MostOfBlock(&layout, x + at, y + at, r ? r + token : NULL, s ? s + token : NULL);

    square = PetscMax(square, here);
  }
  PetscCall(VecRestoreArrayRead(vy, &y));
  PetscCall(VecRestoreArrayRead(vx, &x));
  TrafficSum(1);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &square, 1, MPI_DOUBLE, MPI_MAX, layout.comm));
  *most = PetscSqrtReal(square);
  PetscFunctionReturn(0);
}
