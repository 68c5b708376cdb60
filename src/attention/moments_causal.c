/* Causal attention by moments, NEIGHBOURS.md (11.3): O(N K + N P), P = MOMENTS_PIECE.
 *
 * Tokens come in pieces of P. The moments of all tokens before a piece, a running sum of integers, give the kernel sums
 * over them; those over the tokens of the piece itself are made from the positions. Ranks own consecutive tokens, so
 * that what comes before the first piece of a rank is the sum of the integers of the ranks before it: the same for any
 * number of ranks. */
#include <chorale/sum.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention/moments.h"
#include "base/plan.h"

struct _p_MomentsCausal {
  double *sums;              /* [owned][d + 1][B], S and, last, S0 */
  double *x, *f, *s;         /* of a piece: [d][n] positions, [d + 1][n] functions and sums of all before */
  double *pack, *wide, *own; /* packs: the piece, and the sums over itself */
};

/* Some consecutive tokens of one block. */
typedef struct {
  PetscInt first, n; /* within the block; n a multiple of 8 */
  const double *w;   /* [n] */
} Piece;

static PetscErrorCode Create(Attention attention) {
  const PetscInt d = attention->layout.dim;
  MomentsCausal causal;
  Moments *moments;

  PetscFunctionBeginUser;
  PetscCall(MomentsCreate(attention));
  PetscCall(PetscNew(&causal));
  PetscCall(PackAllocate(attention->length * attention->layout.owned, &causal->sums));
  PetscCall(PackAllocate((size_t)MOMENTS_PIECE * d, &causal->x));
  PetscCall(PackAllocate((size_t)MOMENTS_PIECE * (d + 1), &causal->f));
  PetscCall(PackAllocate((size_t)MOMENTS_PIECE * (d + 1), &causal->s));
  PetscCall(PackAllocate((size_t)MOMENTS_PIECE * (d + 1), &causal->pack));
  PetscCall(PackAllocate((size_t)MOMENTS_PIECE * (d + 1), &causal->wide));
  PetscCall(PackAllocate((size_t)MOMENTS_PIECE * (d + 1), &causal->own));
  moments = attention->data;
  moments->causal = causal;
  attention->small = 0; /* lost sums are marked, see Store */
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Attention attention) {
  Moments *moments = attention->data;
  MomentsCausal causal = moments->causal;

  PetscFunctionBeginUser;
  free(causal->sums);
  free(causal->x);
  free(causal->f);
  free(causal->s);
  free(causal->pack);
  free(causal->wide);
  free(causal->own);
  PetscCall(PetscFree(causal));
  PetscCall(MomentsDestroy(attention));
  PetscFunctionReturn(0);
}

/* The functions w x_c and w whose moments the piece adds; x are the positions of its block. */
static void Load(Attention attention, const Piece *piece, const double *x, MomentsCausal causal) {
  const PetscInt d = attention->layout.dim, n = piece->n;

  for (PetscInt c = 0; c < d; c++) {
    memcpy(causal->x + c * n, x + c * attention->layout.block + piece->first, n * sizeof(double));
    for (PetscInt t = 0; t < n; t++) causal->f[c * n + t] = piece->w[t] * causal->x[c * n + t];
  }
  memcpy(causal->f + d * n, piece->w, n * sizeof(double));
}

/* The weight of the piece in multiples of 2^-61. */
static PetscInt64 Weight(const Piece *piece) {
  const PetscReal scale = SumScale(1.0);
  PetscInt64 sum = 0;

  for (PetscInt t = 0; t < piece->n; t++) sum += SumRound(piece->w[t], scale);
  return sum;
}

/* sums[d + 1][B] of the block <- those over all tokens before the piece and those over itself. Sums that have lost
 * their digits are marked by S0 = -1: the former are off by the error of the kernel times the weight before, and by the
 * rounding of moments. */
static void Store(Attention attention, const Piece *piece, PetscReal before, MomentsCausal causal, double *sums) {
  const PetscInt d = attention->layout.dim, B = attention->layout.block, n = piece->n;
  const double error = (attention->truncation.tail + MOMENTS_ROUNDING) * before,
               small = fmax(16 * error, ATTENTION_SMALL);

  for (PetscInt c = 0; c <= d; c++) {
    double *to = sums + c * B + piece->first;
    for (PetscInt t = 0; t < n; t++)
      to[t] = causal->s[c * n + t] + causal->own[((size_t)(t / 8) * (d + 1) + c) * 8 + t % 8];
    for (PetscInt t = 0; c == d && before > 0 && t < n; t++) to[t] = to[t] < small ? -1 : to[t];
  }
}

/* The sums of one piece; then its moments go into those of all tokens before the next, and its weight into *before. */
static PetscErrorCode SumPiece(Attention attention, const Piece *piece, const double *x, PetscInt64 *before,
                               double *sums) {
  const TileShape shape = {piece->n, attention->layout.dim};
  const size_t length = (size_t)piece->n * (shape.dim + 1);
  const PetscInt n = shape.dim + 1;
  Moments *moments = attention->data;
  MomentsCausal causal = moments->causal;

  PetscFunctionBeginUser;
  Load(attention, piece, x, causal);
  PackBlock(shape.dim, piece->n, causal->x, piece->w, NULL, causal->pack, causal->wide);
  memset(causal->own, 0, length * sizeof(double));
  TileSumSelf(shape, attention->exponent, (TilePack){causal->pack, causal->wide}, PETSC_TRUE, causal->own);
  memset(causal->s, 0, length * sizeof(double));
  if (*before > 0) {
    MomentsGet(moments, &moments->basis, n, moments->moments);
    MomentsCoefficients(moments, n);
    PetscCall(SynthesisEvaluate(moments->sums, 1, piece->n, causal->x, causal->s));
  }
  Store(attention, piece, (PetscReal)*before / SumScale(1.0), causal, sums);
  if (!AttentionIsIdle(piece->n, piece->w))
    PetscCall(MomentsAdd(moments, &moments->basis, piece->n, causal->x, n, causal->f));
  *before += Weight(piece);
  PetscFunctionReturn(0);
}

/* The t-th token of own block b and what follows it. */
static Piece GetPiece(Attention attention, const double *weights, PetscInt b, PetscInt t) {
  const PetscInt B = attention->layout.block;

  return (Piece){t, PetscMin(MOMENTS_PIECE, B - t), weights + b * B + t};
}

/* The moments (Moments.fixed) and the weight of all tokens of the ranks before this one. */
static PetscErrorCode Before(Attention attention, const double *x, const double *weights, PetscInt64 *before) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  Moments *moments = attention->data;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  *before = 0;
  PetscCall(PetscArrayzero(moments->fixed, (size_t)(d + 1) * moments->basis.K));
  PetscCall(PlanSize(attention->layout.comm, &size));
  if (size == 1) PetscFunctionReturn(0);
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    for (PetscInt t = 0; t < B; t += MOMENTS_PIECE) {
      const Piece piece = GetPiece(attention, weights, b, t);
      if (AttentionIsIdle(piece.n, piece.w)) continue;
      Load(attention, &piece, x + b * d * B, moments->causal);
      PetscCall(MomentsAdd(moments, &moments->basis, piece.n, moments->causal->x, d + 1, moments->causal->f));
      *before += Weight(&piece);
    }
  }
  PetscCall(SumExscan(attention->layout.comm, (d + 1) * moments->basis.K, moments->fixed));
  PetscCall(SumExscan(attention->layout.comm, 1, before));
  PetscFunctionReturn(0);
}

static PetscErrorCode Sum(Attention attention, Tokens tokens, const double *factors, PetscBool scalar) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  Moments *moments = attention->data;
  const double *x, *weights;
  PetscInt64 before;
  Vec positions;

  PetscFunctionBeginUser;
  (void)factors, (void)scalar;                                      /* sinkhorn's */
  PetscCall(SynthesisSet(moments->sums, 0, moments->coefficients)); /* no table for the few tokens of a piece */
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(Before(attention, x, weights, &before));
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    for (PetscInt t = 0; t < B; t += MOMENTS_PIECE) {
      const Piece piece = GetPiece(attention, weights, b, t);
      PetscCall(SumPiece(attention, &piece, x + b * d * B, &before, moments->causal->sums + b * attention->length));
    }
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscFunctionReturn(0);
}

static PetscErrorCode Get(Attention attention, PetscInt b, const double *x, PetscBool scalar, double *s) {
  const Moments *moments = attention->data;

  PetscFunctionBeginUser;
  (void)x, (void)scalar;
  PetscCall(PetscArraycpy(s, moments->causal->sums + b * attention->length, attention->length));
  PetscFunctionReturn(0);
}

static void Cost(Attention attention, double *travel, double *memory) {
  MomentsCost(attention, travel, memory);
  *memory += (double)sizeof(double) * (double)attention->length * attention->layout.owned;
}

const AttentionEngine AttentionMomentsCausal = {"moments", PETSC_FALSE, Create,        Destroy, Sum,
                                                Get,       NULL,        MomentsEnergy, Cost};
