/* Clusters of tokens and their moments: weights, means and covariances, in one pass and one sum over the ranks.
 *
 * Of a block each cluster's tokens are gathered, relative to its centre and halved, so that with weights of sum 1 all
 * sums are at most 1: blocks are rounded to fixed point and added as integers (chorale/sum.h). */
#include "attention/mixture.h"

#include <chorale/sum.h>
#include <petscblaslapack.h>

/* LAPACK's Cholesky with complete pivoting, which PETSc does not declare. */
extern void dpstrf_(const char *uplo, const PetscBLASInt *n, double *a, const PetscBLASInt *lda, PetscBLASInt *pivots,
                    PetscBLASInt *rank, const double *tol, double *work, PetscBLASInt *info);

#define ROUNDING 1e-15 /* of a covariance whose diagonal is at most 1 */

PetscErrorCode MixtureClustersCreate(PetscInt d, PetscInt count, const double *centre, MixtureClusters *clusters) {
  const size_t n = (size_t)count * (size_t)d;

  PetscFunctionBeginUser;
  *clusters = (MixtureClusters){.count = count, .dim = d};
  PetscCall(PetscMalloc5(n, &clusters->centre, count, &clusters->weight, n, &clusters->mean, n * (size_t)d,
                         &clusters->square, count, &clusters->rank));
  PetscCall(PetscArraycpy(clusters->centre, centre, n));
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureClustersDestroy(MixtureClusters *clusters) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree5(clusters->centre, clusters->weight, clusters->mean, clusters->square, clusters->rank));
  *clusters = (MixtureClusters){.count = 0};
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureAssign(const MixtureClusters *clusters, PetscInt block, const double *x, double *scores,
                             PetscInt *label) {
  const double one = 1, zero = 0;
  PetscBLASInt B, d, k;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(label, block));
  if (clusters->count == 1) PetscFunctionReturn(0);
  PetscCall(PetscBLASIntCast(block, &B));
  PetscCall(PetscBLASIntCast(clusters->dim, &d));
  PetscCall(PetscBLASIntCast(clusters->count, &k));
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &B, &k, &d, &one, x, &B, clusters->centre, &d, &zero, scores, &B));
  for (PetscInt a = 0; a < k; a++) {
    const double *centre = clusters->centre + (size_t)a * (size_t)d;
    double half = 0;

    for (PetscInt c = 0; c < d; c++) half += 0.5 * centre[c] * centre[c];
    for (PetscInt t = 0; t < B; t++) {
      scores[a * B + t] -= half;
      if (scores[a * B + t] > scores[label[t] * B + t]) label[t] = a;
    }
  }
  PetscFunctionReturn(0);
}

/* Room for the sums of a block. */
typedef struct {
  size_t length;  /* numbers of a cluster: weight, mean, upper triangle */
  double *scores; /* [count][B] */
  PetscInt *label, *token;
  double *z, *root; /* [d][B], [B] of a cluster's tokens in the block */
  double *square, *part;
  PetscInt64 *fixed; /* [count][length] */
} Room;

static PetscErrorCode RoomCreate(const MixtureClusters *clusters, PetscInt B, Room *room) {
  const size_t d = (size_t)clusters->dim;

  PetscFunctionBeginUser;
  room->length = (1 + d + d * (d + 1) / 2 + 7) / 8 * 8;
  PetscCall(PetscMalloc6((size_t)clusters->count * (size_t)B, &room->scores, B, &room->label, B, &room->token,
                         d * (size_t)B, &room->z, B, &room->root, d * d, &room->square));
  PetscCall(PackAllocate(room->length, &room->part));
  PetscCall(PackAllocate(room->length * (size_t)clusters->count, &room->fixed));
  PetscFunctionReturn(0);
}

static PetscErrorCode RoomDestroy(Room *room) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree6(room->scores, room->label, room->token, room->z, room->root, room->square));
  free(room->part);
  free(room->fixed);
  PetscFunctionReturn(0);
}

/* z and root <- the tokens of weight of cluster a in the block, (x - centre)/2 and the roots of their weights, both
 * times that root; returns their number. */
static PetscInt Gather(const MixtureClusters *clusters, PetscInt a, PetscInt B, const double *x, const double *w,
                       const double *factors, Room *room) {
  const PetscInt d = clusters->dim;
  PetscInt n = 0;

  for (PetscInt t = 0; t < B; t++) {
    const double weight = w[t] * (factors ? factors[t] : 1);

    if (room->label[t] != a || weight <= 0) continue;
    room->root[n] = sqrt(weight);
    room->token[n++] = t;
  }
  for (PetscInt c = 0; c < d; c++) {
    const double centre = clusters->centre[(size_t)a * (size_t)d + c];
    const double *restrict from = x + c * B;
    double *restrict z = room->z + c * B;

    for (PetscInt i = 0; n == B && i < B; i++) z[i] = 0.5 * room->root[i] * (from[i] - centre);
    for (PetscInt i = 0; n < B && i < n; i++) z[i] = 0.5 * room->root[i] * (from[room->token[i]] - centre);
  }
  return n;
}

/* Adds what the gathered tokens are to the sums of cluster a. */
static PetscErrorCode AddTokens(const MixtureClusters *clusters, PetscInt a, PetscInt B, PetscInt count, Room *room) {
  const double one = 1, zero = 0;
  double *part = room->part;
  PetscBLASInt n, d, b;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(count, &n));
  PetscCall(PetscBLASIntCast(clusters->dim, &d));
  PetscCall(PetscBLASIntCast(B, &b));
  PetscCallBLAS("BLASsyrk", BLASsyrk_("U", "T", &d, &n, &one, room->z, &b, &zero, room->square, &d));
  for (PetscInt t = 0; t < n; t++) part[0] += room->root[t] * room->root[t];
  for (PetscInt c = 0; c < d; c++) {
    double sum = 0;

#pragma omp simd reduction(+ : sum)
    for (PetscInt t = 0; t < n; t++) sum += room->root[t] * room->z[c * B + t];
    part[1 + c] = sum;
  }
  part += 1 + d;
  for (PetscInt c = 0; c < d; c++) {
    for (PetscInt e = 0; e <= c; e++) *part++ = room->square[(size_t)c * (size_t)d + e];
  }
  TileRound(room->length, room->part, room->fixed + (size_t)a * room->length);
  PetscFunctionReturn(0);
}

/* The covariance's factor, where the products with it are cheaper than with the whole. */
static PetscErrorCode Factor(MixtureClusters *clusters, PetscInt a) {
  const PetscInt d = clusters->dim;
  double *square = clusters->square + (size_t)a * (size_t)d * (size_t)d, *factor, *work, largest = 0;
  PetscBLASInt n, rank = 0, info = 0, *pivots;

  PetscFunctionBeginUser;
  clusters->rank[a] = d;
  for (PetscInt c = 0; c < d; c++) largest = PetscMax(largest, square[c * (d + 1)]);
  if (largest > ROUNDING) {
    const double tol = ROUNDING * d;
    PetscCall(PetscBLASIntCast(d, &n));
    PetscCall(PetscMalloc3(d * d, &factor, 2 * d, &work, d, &pivots));
    PetscCall(PetscArraycpy(factor, square, (size_t)d * (size_t)d));
    PetscCallBLAS("LAPACKpstrf", dpstrf_("L", &n, factor, &n, pivots, &rank, &tol, work, &info));
    PetscCheck(info >= 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "LAPACK dpstrf failed with info = %d", (int)info);
    for (PetscInt r = 0; 2 * rank < d && r < rank; r++)
      for (PetscInt c = 0; c < d; c++) square[r * d + pivots[c] - 1] = c < r ? 0 : factor[r * d + c];
    PetscCall(PetscFree3(factor, work, pivots));
  }
  if (2 * rank < d) clusters->rank[a] = rank;
  PetscFunctionReturn(0);
}

/* Moments of cluster a from its sums. */
static PetscErrorCode Finish(MixtureClusters *clusters, PetscInt a, const PetscInt64 *fixed) {
  const PetscInt d = clusters->dim;
  const double unit = 1 / SumScale(1.0), W = unit * (double)fixed[0];
  const double *centre = clusters->centre + (size_t)a * (size_t)d;
  double *mean = clusters->mean + (size_t)a * (size_t)d, *square = clusters->square + (size_t)a * (size_t)d * (size_t)d;
  const PetscInt64 *second = fixed + 1 + d;

  PetscFunctionBeginUser;
  clusters->weight[a] = W;
  if (W <= 0) PetscFunctionReturn(0);
  for (PetscInt c = 0; c < d; c++) mean[c] = 2 * unit * (double)fixed[1 + c] / W; /* from the centre, so far */
  for (PetscInt c = 0; c < d; c++) {
    for (PetscInt e = 0; e <= c; e++)
      square[c * d + e] = square[e * d + c] = 4 * unit * (double)*second++ / W - mean[c] * mean[e];
  }
  for (PetscInt c = 0; c < d; c++) mean[c] += centre[c];
  PetscCall(Factor(clusters, a));
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureSum(Attention attention, Tokens tokens, const double *factors, MixtureClusters *clusters) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  const double *x, *weights;
  Vec positions;
  Room room;

  PetscFunctionBeginUser;
  PetscCall(RoomCreate(clusters, B, &room));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    PetscCall(MixtureAssign(clusters, B, x + b * d * B, room.scores, room.label));
    for (PetscInt a = 0; a < clusters->count; a++) {
      const PetscInt n =
          Gather(clusters, a, B, x + b * d * B, weights + b * B, factors ? factors + b * B : NULL, &room);
      if (n) PetscCall(AddTokens(clusters, a, B, n, &room));
    }
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(AttentionReduce(attention, (PetscInt)room.length * clusters->count, room.fixed));
  for (PetscInt a = 0; a < clusters->count; a++) PetscCall(Finish(clusters, a, room.fixed + (size_t)a * room.length));
  PetscCall(RoomDestroy(&room));
  PetscFunctionReturn(0);
}
