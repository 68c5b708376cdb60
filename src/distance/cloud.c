#include "base/vmath.h"

#include "distance/cloud.h"

static PetscErrorCode Gather(MPI_Comm comm, const double *mine, PetscInt n, PetscInt from, double *all) {
  PetscMPIInt size, *counts, *starts, place[2];

  PetscFunctionBeginUser;
  PetscCall(PetscMPIIntCast(n, &place[0]));
  PetscCall(PetscMPIIntCast(from, &place[1]));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(PetscMalloc2(size, &counts, size, &starts));
  PetscCallMPI(MPI_Allgather(&place[0], 1, MPI_INT, counts, 1, MPI_INT, comm));
  PetscCallMPI(MPI_Allgather(&place[1], 1, MPI_INT, starts, 1, MPI_INT, comm));
  PetscCallMPI(MPI_Allgatherv(mine, place[0], MPI_DOUBLE, all, counts, starts, MPI_DOUBLE, comm));
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
  PetscCall(Gather(layout.comm, x, layout.owned * length, layout.first * length, cloud->x));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(Gather(layout.comm, weights, layout.owned * layout.block, layout.first * layout.block, cloud->weights));
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
  PetscCall(Gather(cloud->comm, mine, cloud->to - cloud->from, cloud->from, values));
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
