/* Kernel sums of one pair of token blocks: the inner loops of attention.
 *
 * A block is handed over as a pack: groups of 8 tokens, component-major inside a group, pack[(t / 8 * n + c) * 8 + t %
 * 8] for token t < B and component c < n = d + 1. Two packs belong to a block: x, whose components are the coordinates
 * and, last, the weight, and wx, the coordinates times the weight and, last, the weight. Sums are packs too: S in the
 * components c < d and S0 in the last. Packs are aligned to 64 bytes.
 *
 * The value of a sum depends on the contents of the two blocks in the order given, on nothing else. */
#ifndef CHORALE_ATTENTION_DIRECT_TILE_H
#define CHORALE_ATTENTION_DIRECT_TILE_H

#include <petscsys.h>

#define PACK_GROUP 8 /* tokens that lie side by side */

typedef struct {
  PetscInt block; /* B, a multiple of 8 */
  PetscInt dim;   /* d */
} TileShape;

typedef struct {
  const double *x, *wx;
} TilePack;

/* sum_a += sum_{j in b} e^{rate (<x_i,x_j> - 1)} w_j (x_j, 1) for all i in a, and sum_b += the same with a and b
 * exchanged, from one evaluation of the kernel; not for sum_b = NULL. For 0 <= rate the kernel is in (0,1]; below
 * 1e-270 it is 1e-270. */
void TileSumPair(TileShape shape, double rate, TilePack a, TilePack b, double *sum_a, double *sum_b);
/* The same for a = b: every i and j of one block, those j <= i alone if `causal`. */
void TileSumSelf(TileShape shape, double rate, TilePack a, PetscBool causal, double *sum);
/* sum_{i in a, j in b} w_i w_j e^{rate (<x_i,x_j> - 1)}. */
double TileEnergy(TileShape shape, double rate, TilePack a, TilePack b);

/* A bias that keys without weight (padding, too) get, so that they never have the largest logit. */
#define TILE_NEVER (-1e300)

/* Softmax with unbounded logits <q_i,k_j> + bias_j, in shape.dim dimensions: queries and keys are packs of the q_i and
 * the k_j (last component unused), values[width + 1] a pack of what is summed: numbers times the weight and, last, the
 * weight. maximum[B] holds the largest logit that query i has seen and sum[width + 1] the sums with the kernel
 * e^{logit - maximum}; both are brought up to date. Starts from maximum = -DBL_MAX, sum = 0. If `causal`, query i sees
 * the keys j <= i alone. */
void TileSumOnline(TileShape shape, const double *queries, const double *keys, const double *bias, PetscBool causal,
                   PetscInt width, const double *values, double *maximum, double *sum);

/* For logits as in TileSumOnline, without TILE_NEVER: sum[2][B] holds, at each query, the sums over the keys it has
 * seen of e^{l - maximum} and e^{l - maximum} (l - maximum). Starts from maximum = -DBL_MAX, sum = 0. */
void TileSumEntropy(TileShape shape, const double *queries, const double *keys, const double *bias, PetscBool causal,
                    double *maximum, double *sum);

/* fixed[i] += round(2^61 sum[i]), sum[i] = 0, for i < n, n a multiple of 8: the order-free sum of chorale/sum.h for
 * numbers of at most 1. */
void TileRound(size_t n, double *sum, PetscInt64 *fixed);

#endif
