/* Tokens: N weighted points on S^{d-1}, an empirical measure mu = sum_i w_i delta_{x_i}, split over the ranks of a
 * communicator.
 *
 * Tokens lie in blocks of B = TOKENS_BLOCK (for fewer tokens one block of N rounded up to a multiple of 8), so the
 * block size depends on N alone. A block is component-major, x[c * B + t] for component c < d and token t < B: a GEMM
 * panel (B x d, column-major) and a SIMD array. A rank owns whole contiguous blocks. The padding of the last block
 * holds e_1 with weight 0. State is a PETSc Vec. Tokens of a residual stream that is not normalised (NEIGHBOURS.md
 * (13.1)) are vectors r_i x_i: they have a radius r_i each, beside the x_i, which stay on the sphere. */
#ifndef CHORALE_TOKENS_H
#define CHORALE_TOKENS_H

#include <chorale/rng.h>
#include <petscvec.h>

typedef struct _p_Tokens *Tokens;

#define TOKENS_BLOCK 256

typedef struct {
  MPI_Comm comm;    /* the shards */
  PetscInt64 count; /* N over all ranks */
  PetscInt dim;     /* d >= 2 */
  PetscInt block;   /* B: tokens per block, a multiple of 8 */
  PetscInt blocks;  /* over all ranks */
  PetscInt first;   /* first block of this rank */
  PetscInt owned;   /* blocks of this rank, may be 0 */
} TokensLayout;

/* Number of blocks that N tokens make, and the tokens per block. Pure. */
PetscInt TokensBlockSize(PetscInt64 count);
PetscInt TokensBlockCount(PetscInt64 count);
/* First block of a shard: shard s of S owns [TokensFirstBlock(blocks,s,S), TokensFirstBlock(blocks,s+1,S)). Pure. */
PetscInt TokensFirstBlock(PetscInt blocks, PetscInt shard, PetscInt shards);
/* Number of tokens in this rank's block b (0 <= b < owned) that are not padding; they come first in the block. Pure. */
PetscInt TokensFilled(const TokensLayout *layout, PetscInt b);

/* This rank's tokens are rows first .. first + n - 1 of an array [N] or [N][d], padding left out. Pure. */
void TokensOwnRows(const TokensLayout *layout, PetscInt64 *first, PetscInt64 *n);

/* All tokens at e_1, weights 1/N. Refuses N * d beyond PetscInt (user input). Collective. */
PetscErrorCode TokensCreate(MPI_Comm comm, PetscInt64 count, PetscInt dim, Tokens *tokens);
/* Same layout, positions, weights and radii. Collective. */
PetscErrorCode TokensDuplicate(Tokens tokens, Tokens *copy);
/* copy <- positions, weights and radii, if any, of tokens of the same layout. Collective. */
PetscErrorCode TokensCopy(Tokens tokens, Tokens copy);
PetscErrorCode TokensDestroy(Tokens *tokens);
PetscErrorCode TokensGetLayout(Tokens tokens, TokensLayout *layout);

/* The positions, owned by tokens; local size owned * d * B. Get arrays with VecGetArrayRead; or with
 * VecGetArray, on all ranks or on none, since whether sums over the tokens are new is asked of the object state of this
 * vector, on each rank for itself. Not collective. */
PetscErrorCode TokensGetVec(Tokens tokens, Vec *x);
/* A new vector of the same layout, zeroed: drifts, noise values. The caller destroys it. Collective. */
PetscErrorCode TokensCreateVec(Tokens tokens, Vec *v);
/* Local weights [owned * B], owned by tokens; padding is 0; they add up to 1 over all ranks. Not collective. */
PetscErrorCode TokensGetWeights(Tokens tokens, const double **weights);
/* Replaces the weights of this rank's tokens: weights[owned * B], any positive scale; they are normalised (order-free)
 * unless they add up to 1 up to rounding, and padding is set to 0. Counts as a change of the positions' Vec: its
 * object state increases. Collective.
 */
PetscErrorCode TokensSetWeights(Tokens tokens, const double *weights);

/* From now on each token has a radius, which is 1: also to set all of them to 1 again. Not collective. */
PetscErrorCode TokensKeepRadius(Tokens tokens);
/* Local radii [owned * B], owned by tokens, NULL when they have none; the first ones are those of TokensOwnRows. Not
 * collective. */
PetscErrorCode TokensGetRadius(Tokens tokens, double **radius);

/* x_i <- LN(x_i + scale g_i) with LN(v) = v/|v| (THEORY.md (1.1)); g may be NULL for plain normalization. Tokens with
 * a radius move in R^d: z_i = r_i x_i + scale g_i, r_i <- |z_i|, x_i <- LN(z_i). The result has | |x|-1 | <= 1e-15 or
 * so. A vector of norm 0 or not finite is a run-time failure. Padding stays e_1. Collective on errors. */
PetscErrorCode TokensMove(Tokens tokens, PetscReal scale, Vec g);
/* x_i <- LN((1 - radial) x_i + P_{x_i} (scale_a a_i + scale_b b_i)) in one pass, radial < 1; a or b may be NULL, not
 * both. A radius stays. Otherwise as TokensMove. */
PetscErrorCode TokensMoveTangent(Tokens tokens, PetscReal radial, PetscReal scale_a, Vec a, PetscReal scale_b, Vec b);
/* The same for own blocks first .. first + blocks - 1 alone, with a[blocks][d][B] and b alike, or NULL. Tokens that
 * were moved have left the cache when a Vec of all is full; those of a few blocks have not. */
PetscErrorCode TokensMoveTangentPiece(Tokens tokens, PetscInt first, PetscInt blocks, PetscReal radial,
                                      PetscReal scale_a, const double *a, PetscReal scale_b, const double *b);
/* v_i = P_{x_i} (scale_a a_i + scale_b b_i); v may be a or b, which may be NULL, not both. Values on the padding have
 * no meaning. Not collective. */
PetscErrorCode TokensTangent(Tokens tokens, PetscReal scale_a, Vec a, PetscReal scale_b, Vec b, Vec v);

/* Each token takes a step of a Brownian motion of its own on the sphere, of variance > 0 in every direction (2 kappa
 * t), exactly for d = 2 and else of weak order 2 (NEIGHBOURS.md (14.3)). Token i is number first + i of the stream. Not
 * collective. */
PetscErrorCode TokensDiffuse(Tokens tokens, PetscReal variance, RngStream stream, PetscInt64 first);

/* Positions of this rank's tokens as rows [n][d], see TokensOwnRows; for files. Not collective. */
PetscErrorCode TokensGetRows(Tokens tokens, PetscInt64 *first, PetscInt64 *n, double *rows);
/* The inverse, bit for bit; for checkpoints. Not collective. */
PetscErrorCode TokensSetRows(Tokens tokens, const double *rows);
/* rows[N][d] <- the vectors v_i of all tokens, on every rank, in the order of tokens; and back, padding 0. v is a Vec
 * of the tokens' layout, TokensGetVec's included. Gather is collective. */
PetscErrorCode TokensGather(Tokens tokens, Vec v, double *rows);
PetscErrorCode TokensScatter(Tokens tokens, const double *rows, Vec v);
/* rows[m][n] <- n numbers of each of m tokens, numbers i N/m for i = 0 .. m - 1, on the first rank alone, m <= N.
 * values[owned][n][block] are this rank's, as arrays of positions (n = d) and of weights (n = 1) are. Collective. */
PetscErrorCode TokensGatherSome(Tokens tokens, PetscInt64 m, PetscInt n, const double *values, double *rows);

/* to <- the positions of tokens first .. first + count(to) - 1 of `from`, which lie on the same communicator; the
 * weights of `to` stay as they are. Collective. */
PetscErrorCode TokensExtract(Tokens from, PetscInt64 first, Tokens to);
/* *mean <- the mean of |a_i - b_i|^2 over tokens of one layout: with the weights of a, or all alike. The same for any
 * number of ranks. Collective. */
PetscErrorCode TokensMeanSquare(Tokens a, Tokens b, PetscBool weighted, PetscReal *mean);

/* *most <- the largest |a_i - b_i| over tokens of one layout; with radii the largest |r_i a_i - s_i b_i|/r_i. The same
 * for any number of ranks. Collective. */
PetscErrorCode TokensMostDistance(Tokens a, Tokens b, PetscReal *most);

/* All |x_i| within 1e-12 of 1 and finite, weights finite and adding up to 1, padding as documented. Collective. */
PetscErrorCode TokensIsValid(Tokens tokens, PetscBool *valid);
/* Same count, dim, positions and weights, bit for bit. Collective. */
PetscErrorCode TokensIsEqual(Tokens a, Tokens b, PetscBool *equal);
/* A number that depends on all bits of positions and weights, not on the number of ranks. Collective. */
PetscErrorCode TokensChecksum(Tokens tokens, uint64_t *checksum);
/* One line: N, d, blocks, memory per rank. Collective. */
PetscErrorCode TokensView(Tokens tokens);

#endif
