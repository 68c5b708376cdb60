#include "base/vmath.h"

#include "distance/cloud.h"

/* Of `units` of `each` numbers, which the ranks share evenly, those of this rank to all. */
static PetscErrorCode Gather(MPI_Comm comm, PetscInt units, PetscInt each, const double *mine, double *all) {
  PetscMPIInt rank, size, *counts, *starts;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc2(size, &counts, size + 1, &starts));
  for (PetscMPIInt r = 0; r <= size; r++)
    PetscCall(PetscMPIIntCast(TokensFirstBlock(units, r, size) * each, &starts[r]));
  for (PetscMPIInt r = 0; r < size; r++) counts[r] = starts[r + 1] - starts[r];
  PetscCallMPI(MPI_Allgatherv(mine, counts[rank], MPI_DOUBLE, all, counts, starts, MPI_DOUBLE, comm));
  PetscCall(PetscFree2(counts, starts));
  PetscFunctionReturn(0);
}

PetscErrorCode CloudCreate(Tokens tokens, Cloud *cloud) {
  const double *x, *weights;
  TokensLayout layout;
  PetscMPIInt rank, size;
  PetscInt length;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCallMPI(MPI_Comm_rank(layout.comm, &rank));
  PetscCallMPI(MPI_Comm_size(layout.comm, &size));
  length = layout.dim * layout.block;
  *cloud = (Cloud){.comm = layout.comm, .dim = layout.dim, .block = layout.block, .blocks = layout.blocks};
  cloud->count = layout.count;
  cloud->rows = layout.blocks * layout.block;
  cloud->from = 8 * TokensFirstBlock(cloud->rows / 8, rank, size);
  cloud->to = 8 * TokensFirstBlock(cloud->rows / 8, rank + 1, size);
  PetscCall(PetscMalloc2(layout.blocks * length, &cloud->x, cloud->rows, &cloud->weights));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(Gather(layout.comm, layout.blocks, length, x, cloud->x));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(Gather(layout.comm, layout.blocks, layout.block, weights, cloud->weights));
  PetscFunctionReturn(0);
}

PetscErrorCode CloudDestroy(Cloud *cloud) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree2(cloud->x, cloud->weights));
  PetscFunctionReturn(0);
}

PetscErrorCode CloudShare(const Cloud *cloud, double *values) {
  double *mine;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(cloud->to - cloud->from, &mine));
  PetscCall(PetscArraycpy(mine, values + cloud->from, cloud->to - cloud->from));
  PetscCall(Gather(cloud->comm, cloud->rows / 8, 8, mine, values));
  PetscCall(PetscFree(mine));
  PetscFunctionReturn(0);
}

void CloudToken(const Cloud *cloud, PetscInt row, double *x) {
  const double *from = cloud->x + (size_t)(row / cloud->block) * cloud->dim * cloud->block + row % cloud->block;

  for (PetscInt c = 0; c < cloud->dim; c++) x[c] = from[c * cloud->block];
}

VMATH(Exp, vexp(t))

/* sum_j w_j e^{...} over a block of b, for the row with components x (stride apart). */
static double BlockSum(const Cloud *b, PetscInt block, PetscReal rate, const double *x, PetscInt stride) {
  const PetscInt B = b->block;
  const double *restrict y = b->x + (size_t)block * b->dim * B, *restrict w = b->weights + (size_t)block * B;
  double exponent[TOKENS_BLOCK] = {0}, sum = 0;

  /* |x - y|^2 = sum of squares: exact zeros on the diagonal and no cancellation between near tokens. */
  for (PetscInt c = 0; c < b->dim; c++) {
    const double *restrict yc = y + c * B;
    const double xc = x[c * stride];
#pragma omp simd
    for (PetscInt t = 0; t < B; t++) exponent[t] += (xc - yc[t]) * (xc - yc[t]);
  }
#pragma omp simd
  for (PetscInt t = 0; t < B; t++) {
    const double e = -rate * exponent[t];
    exponent[t] = w[t] > 0 ? (e > -700 ? e : -700) : 0; /* below, vectors of exponentials are slow */
  }
  Exp(B, exponent, exponent);
#pragma omp simd reduction(+ : sum)
  for (PetscInt t = 0; t < B; t++) sum += w[t] * exponent[t];
  return sum;
}

void CloudSums(const Cloud *a, const Cloud *b, PetscReal rate, double *sums) {
  for (PetscInt i = a->from; i < a->to; i++) {
    const double *x = a->x + (size_t)(i / a->block) * a->dim * a->block + i % a->block;

    sums[i] = 0;
    for (PetscInt block = 0; block < b->blocks; block++) sums[i] += BlockSum(b, block, rate, x, a->block);
  }
}
