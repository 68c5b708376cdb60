/* What is measured on the tokens beside the observables: how attention alone changes the energy, how far pairs are
 * apart, and how the tokens divide between two antipodal caps. Sums are order-free (chorale/sum.h). */
#include <chorale/sum.h>
#include <math.h>

#include "base/traffic.h"
#include "study/sync/sync.h"

#define CAP_COSINE 0.99
#define ITERATIONS 64 /* of the power method */

/* product_t = <a_t, b_t> for the tokens of a block. */
static void Products(PetscInt dim, PetscInt block, const double *a, const double *b, double *restrict product) {
  for (PetscInt t = 0; t < block; t++) product[t] = 0;
  for (PetscInt c = 0; c < dim; c++) {
    const double *restrict u = a + c * block, *restrict v = b + c * block;
#pragma omp simd
    for (PetscInt t = 0; t < block; t++) product[t] += u[t] * v[t];
  }
}

/* sum <- sum_i w_i <a_i, b_i>: weights add up to 1, so the largest product bounds it. */
static PetscErrorCode WeightedProduct(const TokensLayout *layout, const double *weights, const double *a,
                                      const double *b, PetscReal *sum) {
  const PetscInt B = layout->block, length = layout->dim * B;
  PetscReal most = 0;
  PetscInt64 total = 0;
  double *product;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(layout->owned * B, &product));
  for (PetscInt k = 0; k < layout->owned; k++) {
    Products(layout->dim, B, a + k * length, b + k * length, product + k * B);
    for (PetscInt t = 0; t < TokensFilled(layout, k); t++) most = PetscMax(most, fabs(product[k * B + t]));
  }
  TrafficSum(1);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPIU_REAL, MPIU_MAX, layout->comm));
  *sum = 0;
  if (most > 0) {
    const PetscReal scale = SumScale(most);
    for (PetscInt k = 0; k < layout->owned; k++) {
      PetscReal part = 0;
      for (PetscInt t = 0; t < TokensFilled(layout, k); t++) part += weights[k * B + t] * product[k * B + t];
      total += SumRound(part, scale);
    }
    PetscCall(SumAllreduce(layout->comm, 1, &total));
    *sum = (PetscReal)total / scale;
  }
  PetscCall(PetscFree(product));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncPush(Attention attention, Tokens set, Vec drift, Vec gradient, PetscReal *push) {
  TokensLayout layout;
  const double *weights, *a, *b;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(set, &layout));
  PetscCall(TokensGetWeights(set, &weights));
  PetscCall(AttentionEvaluate(attention, set, drift));
  PetscCall(AttentionEnergyGradient(attention, set, gradient));
  PetscCall(TokensTangent(set, 1, drift, 0, NULL, drift));
  PetscCall(VecGetArrayRead(drift, &a));
  PetscCall(VecGetArrayRead(gradient, &b));
  PetscCall(WeightedProduct(&layout, weights, a, b, push));
  PetscCall(VecRestoreArrayRead(gradient, &b));
  PetscCall(VecRestoreArrayRead(drift, &a));
  PetscFunctionReturn(0);
}

/* out <- x - sum_i w_i x_i. */
static PetscErrorCode Centre(const TokensLayout *layout, const double *weights, const double *x, double *out) {
  const PetscInt B = layout->block, d = layout->dim;
  const PetscReal scale = SumScale(1);
  PetscInt64 *sums;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(d, &sums));
  for (PetscInt k = 0; k < layout->owned; k++)
    for (PetscInt c = 0; c < d; c++) {
      PetscReal part = 0;
      for (PetscInt t = 0; t < TokensFilled(layout, k); t++) part += weights[k * B + t] * x[(k * d + c) * B + t];
      sums[c] += SumRound(part, scale);
    }
  PetscCall(SumAllreduce(layout->comm, d, sums));
  for (PetscInt k = 0; k < layout->owned; k++)
    for (PetscInt c = 0; c < d; c++)
      for (PetscInt t = 0; t < B; t++) out[(k * d + c) * B + t] = x[(k * d + c) * B + t] - (PetscReal)sums[c] / scale;
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(0);
}

/* Twice the variance. */
PetscErrorCode SyncPairs(Tokens set, Vec work, PetscReal *square) {
  TokensLayout layout;
  const double *weights, *x;
  double *centred;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(set, &layout));
  PetscCall(TokensGetWeights(set, &weights));
  PetscCall(TokensGetVec(set, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArrayWrite(work, &centred));
  PetscCall(Centre(&layout, weights, x, centred));
  PetscCall(WeightedProduct(&layout, weights, centred, centred, square));
  *square *= 2;
  PetscCall(VecRestoreArrayWrite(work, &centred));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscFunctionReturn(0);
}

/* matrix[d][d] <- sum_i w_i x_i x_i^T, of the tokens of all ranks. */
static PetscErrorCode SecondMoment(const TokensLayout *layout, const double *weights, const double *x, double *matrix) {
  const PetscInt B = layout->block, d = layout->dim, n = d * (d + 1) / 2;
  const PetscReal scale = SumScale(1);
  PetscInt64 *sums; /* of the lower triangle */

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(n, &sums));
  for (PetscInt k = 0; k < layout->owned; k++, weights += B)
    for (PetscInt c = 0, i = 0; c < d; c++)
      for (PetscInt e = 0; e <= c; e++, i++) {
        const double *a = x + (k * d + c) * B, *b = x + (k * d + e) * B;
        PetscReal part = 0;
        for (PetscInt t = 0; t < B; t++) part += weights[t] * a[t] * b[t];
        sums[i] += SumRound(part, scale);
      }
  PetscCall(SumAllreduce(layout->comm, n, sums));
  for (PetscInt c = 0, i = 0; c < d; c++)
    for (PetscInt e = 0; e <= c; e++, i++) matrix[c * d + e] = matrix[e * d + c] = (PetscReal)sums[i] / scale;
  PetscCall(PetscFree(sums));
  PetscFunctionReturn(0);
}

/* axis <- normalized matrix axis, one step towards the top eigenvector; next[d] is room. */
static void ImproveAxis(PetscInt d, const double *matrix, double *axis, double *next) {
  PetscReal square = 0;

  for (PetscInt c = 0; c < d; c++) {
    next[c] = 0;
    for (PetscInt e = 0; e < d; e++) next[c] += matrix[c * d + e] * axis[e];
    square += PetscSqr(next[c]);
  }
  for (PetscInt c = 0; square > 0 && c < d; c++) axis[c] = next[c] / sqrt(square);
}

/* The first token, on every rank: every other rank adds zeros, so the sum is exact. */
static PetscErrorCode FirstToken(const TokensLayout *layout, const double *x, double *axis) {
  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < layout->dim; c++)
    axis[c] = layout->first == 0 && layout->owned > 0 ? x[c * layout->block] : 0;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, axis, layout->dim, MPI_DOUBLE, MPI_SUM, layout->comm));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncSplit(Tokens set, PetscReal caps[]) {
  const PetscReal scale = SumScale(1);
  PetscInt64 shares[2] = {0, 0};
  TokensLayout layout;
  const double *weights, *x;
  double *axis, *next, *matrix;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(set, &layout));
  PetscCall(TokensGetWeights(set, &weights));
  PetscCall(TokensGetVec(set, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(PetscMalloc3(layout.dim, &axis, layout.dim, &next, (size_t)layout.dim * (size_t)layout.dim, &matrix));
  PetscCall(FirstToken(&layout, x, axis));
  PetscCall(SecondMoment(&layout, weights, x, matrix));
  for (int i = 0; i < ITERATIONS; i++) ImproveAxis(layout.dim, matrix, axis, next);
  for (PetscInt k = 0; k < layout.owned; k++) {
    PetscReal part[2] = {0, 0};
    for (PetscInt t = 0; t < TokensFilled(&layout, k); t++) {
      PetscReal u = 0;
      for (PetscInt c = 0; c < layout.dim; c++) u += axis[c] * x[(k * layout.dim + c) * layout.block + t];
      if (fabs(u) > CAP_COSINE) part[u < 0] += weights[k * layout.block + t];
    }
    for (int i = 0; i < 2; i++) shares[i] += SumRound(part[i], scale);
  }
  PetscCall(SumAllreduce(layout.comm, 2, shares));
  caps[SYNC_CAP_LARGE] = (PetscReal)PetscMax(shares[0], shares[1]) / scale;
  caps[SYNC_CAP_SMALL] = (PetscReal)PetscMin(shares[0], shares[1]) / scale;
  caps[SYNC_CAP_NONE] = (PetscReal)((PetscInt64)scale - shares[0] - shares[1]) / scale;
  PetscCall(PetscFree3(axis, next, matrix));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscFunctionReturn(0);
}
