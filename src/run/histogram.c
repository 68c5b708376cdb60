#include <chorale/histogram.h>

#include <chorale/sum.h>

#include "run/pairs.h"

static PetscInt Bin(double value, PetscInt bins) {
  const double bin = (value + 1) * 0.5 * (double)bins; /* rounding may carry a cosine past 1 */

  return bin > 0 ? (PetscInt)PetscMin(bin, (double)(bins - 1)) : 0;
}

/* Adds the cosines of blocks b <= J, whose positions are x and y, without padding. */
static PetscErrorCode AddTile(const TokensLayout *l, PetscInt b, const double *x, PetscInt J, const double *y,
                              PetscInt bins, double *cosine, PetscInt64 *counts) {
  const PetscInt n = TokensFilled(l, b - l->first), m = TokensFilled(l, J - l->first);

  PetscFunctionBeginUser;
  PetscCall(PairsTile(l, x, y, cosine));
  for (PetscInt j = 0; j < m; j++)
    for (PetscInt i = 0; i < (b == J ? j : n); i++) counts[Bin(cosine[i + j * l->block], bins)]++;
  PetscFunctionReturn(0);
}

/* The pairs of this rank's blocks with block J. Of two blocks on two ranks the one with the odd or even sum of indices
 * takes the pair: both have about half of them. */
static PetscErrorCode AddPanel(const TokensLayout *l, const double *x, const double *panel, PetscInt J, PetscInt bins,
                               double *cosine, PetscInt64 *counts) {
  const PetscInt length = l->dim * l->block;

  PetscFunctionBeginUser;
  for (PetscInt b = 0; b < l->owned; b++) {
    const PetscInt i = l->first + b;
    const double *own = x + (size_t)b * (size_t)length;
    if (i <= J && (i + J) % 2 == 0)
      PetscCall(AddTile(l, i, own, J, panel, bins, cosine, counts));
    else if (i > J && (i + J) % 2 == 1)
      PetscCall(AddTile(l, J, panel, i, own, bins, cosine, counts));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode HistogramPairs(Tokens tokens, PetscInt bins, PetscReal share[]) {
  PetscMPIInt rank, size, length, owner = 0;
  double *panel, *cosine;
  PetscInt64 *counts;
  const double *x;
  TokensLayout l;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &l));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCallMPI(MPI_Comm_rank(l.comm, &rank));
  PetscCallMPI(MPI_Comm_size(l.comm, &size));
  PetscCall(PetscMPIIntCast(l.dim * l.block, &length));
  PetscCall(PetscMalloc2(length, &panel, (size_t)l.block * (size_t)l.block, &cosine));
  PetscCall(PetscCalloc1(bins, &counts));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt J = 0; J < l.blocks; J++) {
    while (TokensFirstBlock(l.blocks, owner + 1, size) <= J) owner++;
    if (owner == rank) PetscCall(PetscArraycpy(panel, x + (size_t)(J - l.first) * (size_t)length, length));
    PetscCallMPI(MPI_Bcast(panel, length, MPI_DOUBLE, owner, l.comm));
    PetscCall(AddPanel(&l, x, panel, J, bins, cosine, counts));
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(SumAllreduce(l.comm, bins, counts));
  const PetscReal pairs = 0.5 * (PetscReal)l.count * (PetscReal)(l.count - 1);
  for (PetscInt b = 0; b < bins; b++) share[b] = l.count == 1 ? 0 : (PetscReal)counts[b] / pairs;
  PetscCall(PetscFree(counts));
  PetscCall(PetscFree2(panel, cosine));
  PetscFunctionReturn(0);
}

PetscErrorCode HistogramCoordinates(Tokens tokens, PetscInt bins, PetscReal mass[]) {
  const PetscReal scale = SumScale(1);
  const double *x, *weights;
  PetscInt64 *sums;
  TokensLayout l;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &l));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(PetscCalloc1(l.dim * bins, &sums));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < l.owned; b++)
    for (PetscInt c = 0; c < l.dim; c++)
      for (PetscInt t = 0; t < TokensFilled(&l, b); t++)
        sums[c * bins + Bin(x[(b * l.dim + c) * l.block + t], bins)] += SumRound(weights[b * l.block + t], scale);
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(SumAllreduce(l.comm, l.dim * bins, sums));
  for (PetscInt i = 0; i < l.dim * bins; i++) mass[i] = (PetscReal)sums[i] / scale;
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(0);
}
