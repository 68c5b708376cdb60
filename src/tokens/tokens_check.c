/* Validity, equality and checksum of tokens: what a debugger, a test and a checkpoint ask. */
#include <math.h>
#include <string.h>

#include <chorale/sum.h>
#include <chorale/tokens.h>

#include "base/plan.h"

/* Weights and positions of this rank's block b; false at the first thing that is not as documented. */
static PetscBool BlockIsValid(const TokensLayout *layout, PetscInt b, const double *x, const double *weights) {
  const PetscInt filled = TokensFilled(layout, b);

  for (PetscInt t = 0; t < layout->block; t++) {
    double square = 0;

    for (PetscInt c = 0; c < layout->dim; c++) {
      const double v = x[c * layout->block + t];

      if (t >= filled && v != (c == 0)) return PETSC_FALSE;
      square += v * v;
    }
    if (!(fabs(sqrt(square) - 1) <= 1e-12)) return PETSC_FALSE; /* NaN does not pass */
    if (t < filled ? !(weights[t] >= 0 && weights[t] <= 1 + 1e-12) : weights[t] != 0) return PETSC_FALSE;
  }
  return PETSC_TRUE;
}

PetscErrorCode TokensIsValid(Tokens tokens, PetscBool *valid) {
  TokensLayout layout;
  Vec v;
  const double *x, *weights;
  PetscInt64 total[2] = {0, 0}; /* blocks that are not valid, weight in fixed point */

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &v));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(v, &x));
  const PetscReal scale = SumScale(2.0 * layout.blocks); /* a valid block weighs at most 1 up to rounding */
  for (PetscInt b = 0; b < layout.owned; b++) {
    double sum = 0;

    if (!BlockIsValid(&layout, b, x + b * layout.dim * layout.block, weights + b * layout.block)) total[0]++;
    for (PetscInt t = 0; t < layout.block; t++) sum += weights[b * layout.block + t];
    if (sum >= 0 && sum < 2)
      total[1] += SumRound(sum, scale);
    else
      total[0]++;
  }
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscCall(SumAllreduce(layout.comm, 2, total));
  *valid = total[0] == 0 && fabs((double)total[1] / scale - 1) <= 1e-12 ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

PetscErrorCode TokensIsEqual(Tokens tokens, Tokens b, PetscBool *equal) {
  TokensLayout la, lb;
  Vec va, vb;
  const double *xa, *xb, *wa, *wb;
  PetscMPIInt same;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &la));
  PetscCall(TokensGetLayout(b, &lb));
  PetscCall(TokensGetVec(tokens, &va));
  PetscCall(TokensGetVec(b, &vb));
  PetscCall(TokensGetWeights(tokens, &wa));
  PetscCall(TokensGetWeights(b, &wb));
  PetscCall(VecGetArrayRead(va, &xa));
  PetscCall(VecGetArrayRead(vb, &xb));
  same = la.count == lb.count && la.dim == lb.dim && la.first == lb.first && la.owned == lb.owned;
  if (same && la.owned > 0) {
    const size_t n = (size_t)la.owned * (size_t)la.block;

    same = memcmp(wa, wb, n * sizeof(double)) == 0 && memcmp(xa, xb, n * (size_t)la.dim * sizeof(double)) == 0;
  }
  PetscCall(VecRestoreArrayRead(va, &xa));
  PetscCall(VecRestoreArrayRead(vb, &xb));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &same, 1, MPI_INT, MPI_LAND, la.comm));
  *equal = same ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014): every input bit flips every output bit with probability near
 * 1/2. */
static uint64_t Mix(uint64_t z) {
  z += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

/* The number at a place (token x (dim + 1) + component; the weight is component dim), hashed. */
static uint64_t HashAt(uint64_t place, double value) {
  uint64_t bits;

  memcpy(&bits, &value, sizeof(bits));
  return Mix(bits ^ Mix(place));
}

PetscErrorCode TokensChecksum(Tokens tokens, uint64_t *checksum) {
  TokensLayout layout;
  Vec v;
  const double *x, *weights;
  uint64_t sum = 0; /* modulo 2^64: adding commutes, so neither order nor ranks matter */

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &v));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(v, &x));
  const uint64_t columns = (uint64_t)layout.dim + 1;
  for (PetscInt b = 0; b < layout.owned; b++) {
    const double *panel = x + b * layout.dim * layout.block;
    const uint64_t first = (uint64_t)(layout.first + b) * (uint64_t)layout.block;
    const PetscInt filled = TokensFilled(&layout, b);

    for (PetscInt c = 0; c < layout.dim; c++)
      for (PetscInt t = 0; t < filled; t++)
        sum += HashAt((first + (uint64_t)t) * columns + (uint64_t)c, panel[c * layout.block + t]);
    for (PetscInt t = 0; t < filled; t++)
      sum += HashAt((first + (uint64_t)t + 1) * columns - 1, weights[b * layout.block + t]);
  }
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, layout.comm));
  *checksum = Mix(sum + Mix((uint64_t)layout.count) + columns);
  PetscFunctionReturn(0);
}

PetscErrorCode TokensView(Tokens tokens) {
  TokensLayout layout;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(PlanSize(layout.comm, &size));
  const PetscInt most = (layout.blocks + size - 1) / size;
  const double bytes = (double)most * layout.block * (layout.dim + 1) * sizeof(double);
  PetscCall(PetscPrintf(layout.comm,
                        "tokens     N = %" PetscInt64_FMT " in R^%" PetscInt_FMT ": %" PetscInt_FMT
                        " block%s of %" PetscInt_FMT ", at most %" PetscInt_FMT " per rank (%.3g MB)\n",
                        layout.count, layout.dim, layout.blocks, layout.blocks == 1 ? "" : "s", layout.block, most,
                        bytes / 1e6));
  PetscFunctionReturn(0);
}
