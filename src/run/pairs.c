#include "run/pairs.h"

#include <chorale/observables.h>
#include <petscblaslapack.h>

#include "run/forest.h"

#define MAX_BLOCK 256

struct _p_Pairs {
  TokensLayout layout;
  PetscMPIInt rank, size;
  PetscInt n, blocks;
  Vec tokens;       /* whose array x is, on a single shard */
  const double *x;  /* [blocks][d][B] */
  double *gathered; /* x on several shards */
};

/* How much of `each` numbers per block every shard has of the first `blocks` blocks. */
static PetscErrorCode GatherCounts(Pairs pairs, PetscInt each, PetscMPIInt **counts, PetscMPIInt **starts) {
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(pairs->size, counts, pairs->size, starts));
  for (PetscMPIInt s = 0; s < pairs->size; s++) {
    const PetscInt first = PetscMin(pairs->blocks, TokensFirstBlock(pairs->layout.blocks, s, pairs->size));
    const PetscInt end = PetscMin(pairs->blocks, TokensFirstBlock(pairs->layout.blocks, s + 1, pairs->size));
    (*starts)[s] = (PetscMPIInt)(first * each);
    (*counts)[s] = (PetscMPIInt)((end - first) * each);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode PairsCreate(Tokens tokens, Pairs *pairs) {
  PetscMPIInt *counts, *starts;
  Pairs p;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&p));
  PetscCall(TokensGetLayout(tokens, &p->layout));
  PetscCall(TokensGetVec(tokens, &p->tokens));
  PetscCallMPI(MPI_Comm_rank(p->layout.comm, &p->rank));
  PetscCallMPI(MPI_Comm_size(p->layout.comm, &p->size));
  p->n = (PetscInt)PetscMin(p->layout.count, OBSERVE_SUBSET);
  p->blocks = (p->n + p->layout.block - 1) / p->layout.block;
  PetscCall(VecGetArrayRead(p->tokens, &p->x));
  if (p->size > 1) {
    const PetscInt each = p->layout.dim * p->layout.block;
    PetscCall(PetscMalloc1(p->blocks * each, &p->gathered));
    PetscCall(GatherCounts(p, each, &counts, &starts));
    PetscCallMPI(
        MPI_Allgatherv(p->x, counts[p->rank], MPI_DOUBLE, p->gathered, counts, starts, MPI_DOUBLE, p->layout.comm));
    PetscCall(PetscFree2(counts, starts));
    PetscCall(VecRestoreArrayRead(p->tokens, &p->x));
    p->x = p->gathered;
  }
  *pairs = p;
  PetscFunctionReturn(0);
}

PetscErrorCode PairsDestroy(Pairs *pairs) {
  PetscFunctionBeginUser;
  if (!*pairs) PetscFunctionReturn(0);
  if (!(*pairs)->gathered) PetscCall(VecRestoreArrayRead((*pairs)->tokens, &(*pairs)->x));
  PetscCall(PetscFree((*pairs)->gathered));
  PetscCall(PetscFree(*pairs));
  PetscFunctionReturn(0);
}

PetscInt64 PairsNumber(Pairs pairs) {
  return (PetscInt64)pairs->n * (pairs->n - 1) / 2;
}

PetscErrorCode PairsTile(const TokensLayout *layout, const double *x, const double *y, double *cosine) {
  const double one = 1, zero = 0;
  PetscBLASInt B, d;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(layout->block, &B));
  PetscCall(PetscBLASIntCast(layout->dim, &d));
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "T", &B, &B, &d, &one, x, &B, y, &B, &zero, cosine, &B));
  PetscFunctionReturn(0);
}

/* Of blocks bi and bj. */
static PetscErrorCode Tile(Pairs pairs, PetscInt bi, PetscInt bj, double *cosine) {
  const size_t each = (size_t)pairs->layout.dim * (size_t)pairs->layout.block;

  PetscFunctionBeginUser;
  PetscCall(PairsTile(&pairs->layout, pairs->x + (size_t)bi * each, pairs->x + (size_t)bj * each, cosine));
  PetscFunctionReturn(0);
}

/* Four copies of the counts: in a cluster all pairs hit one bin, and adding to one address over and over is slow. */
typedef struct {
  PetscInt bins;
  PetscInt64 count[4][MAX_BLOCK];
} Histogram;

/* Adds n cosines to the histogram; true when some are above the threshold. */
static PetscBool CountColumn(PetscInt n, const double *cosine, double threshold, Histogram *histogram) {
  const double half = 0.5 * histogram->bins, last = histogram->bins - 1;
  unsigned char bin[MAX_BLOCK];
  int above = 0;

#pragma omp simd reduction(+ : above)
  for (PetscInt i = 0; i < n; i++) {
    const double b = (cosine[i] + 1) * half; /* rounding may carry a cosine past 1 */
    bin[i] = (unsigned char)(b < 0 ? 0 : b > last ? last : b);
    above += cosine[i] > threshold;
  }
  for (PetscInt i = 0; i < n; i++) histogram->count[i & 3][bin[i]]++;
  return above ? PETSC_TRUE : PETSC_FALSE;
}

/* The pairs i < j of one tile. */
static void CountTile(Pairs pairs, PetscInt bi, PetscInt bj, const double *cosine, double threshold,
                      Histogram *histogram, PetscInt parent[]) {
  const PetscInt B = pairs->layout.block, rows = PetscMin(B, pairs->n - bi * B),
                 columns = PetscMin(B, pairs->n - bj * B);

  for (PetscInt j = 0; j < columns; j++) {
    const PetscInt n = bi == bj ? j : rows;
    const double *column = cosine + (size_t)j * (size_t)B;
    if (!CountColumn(n, column, threshold, histogram)) continue;
    PetscInt root = ForestRoot(parent, bj * B + j);
    for (PetscInt i = 0; i < n; i++)
      if (column[i] > threshold && parent[bi * B + i] != root) root = ForestJoin(parent, root, bi * B + i);
  }
}

PetscErrorCode PairsCount(Pairs pairs, PetscInt bins, PetscReal threshold, PetscInt64 counts[], PetscInt *clusters) {
  const PetscInt B = pairs->layout.block;
  Histogram histogram = {.bins = bins};
  PetscInt *parent, turn = 0;
  double *cosine;

  PetscFunctionBeginUser;
  PetscCheck(bins <= MAX_BLOCK, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "at most %d bins", MAX_BLOCK);
  PetscCall(PetscMalloc2((size_t)B * (size_t)B, &cosine, pairs->n, &parent));
  for (PetscInt i = 0; i < pairs->n; i++) parent[i] = i;
  for (PetscInt bj = 0; bj < pairs->blocks; bj++)
    for (PetscInt bi = 0; bi <= bj; bi++) {
      if (turn++ % pairs->size != pairs->rank) continue; /* tiles go round the shards */
      PetscCall(Tile(pairs, bi, bj, cosine));
      CountTile(pairs, bi, bj, cosine, threshold, &histogram, parent);
    }
  for (PetscInt b = 0; b < bins; b++)
    counts[b] = histogram.count[0][b] + histogram.count[1][b] + histogram.count[2][b] + histogram.count[3][b];
  PetscCall(ForestMerge(pairs->layout.comm, pairs->n, parent));
  *clusters = 0;
  for (PetscInt i = 0; i < pairs->n; i++) *clusters += parent[i] == i;
  PetscCall(PetscFree2(cosine, parent));
  PetscFunctionReturn(0);
}

/* The weights of all tokens, block by block, on rank 0. */
static PetscErrorCode GatherWeights(Pairs pairs, Tokens tokens, double *all) {
  PetscMPIInt *counts, *starts;
  const double *weights;

  PetscFunctionBeginUser;
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(GatherCounts(pairs, pairs->layout.block, &counts, &starts));
  PetscCallMPI(
      MPI_Gatherv(weights, counts[pairs->rank], MPI_DOUBLE, all, counts, starts, MPI_DOUBLE, 0, pairs->layout.comm));
  PetscCall(PetscFree2(counts, starts));
  PetscFunctionReturn(0);
}

PetscErrorCode PairsGram(Pairs pairs, Tokens tokens, PetscInt *n, double **matrix) {
  const PetscInt B = pairs->layout.block, N = pairs->blocks * B;
  double *weights, *cosine, *a;

  PetscFunctionBeginUser;
  *n = N;
  *matrix = NULL;
  PetscCall(PetscMalloc2(N, &weights, (size_t)B * (size_t)B, &cosine));
  PetscCall(GatherWeights(pairs, tokens, weights));
  if (!pairs->rank) {
    PetscCall(PetscMalloc1((size_t)N * (size_t)N, &a));
    for (PetscInt i = 0; i < N; i++) weights[i] = PetscSqrtReal(weights[i]);
    for (PetscInt bj = 0; bj < pairs->blocks; bj++)
      for (PetscInt bi = 0; bi <= bj; bi++) { /* the upper triangle is all that LAPACK reads */
        PetscCall(Tile(pairs, bi, bj, cosine));
        for (PetscInt j = 0; j < B; j++)
          for (PetscInt i = 0; i < B; i++)
            a[(size_t)(bi * B + i) + (size_t)(bj * B + j) * (size_t)N] =
                weights[bi * B + i] * weights[bj * B + j] * cosine[i + j * B];
      }
    *matrix = a;
  }
  PetscCall(PetscFree2(weights, cosine));
  PetscFunctionReturn(0);
}
