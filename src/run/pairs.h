/* Pairs of tokens: the cosines <x_i,x_j> of the first min(N, 4096) tokens, tile by tile, and what is read off them.
 * Private to run. */
#ifndef CHORALE_RUN_PAIRS_H
#define CHORALE_RUN_PAIRS_H

#include <chorale/tokens.h>

/* cosine[i + j * B] = <x_i, y_j> for two blocks of such tokens: whole blocks, so that the bits depend on the pair
 * alone.
 */
PetscErrorCode PairsTile(const TokensLayout *layout, const double *x, const double *y, double *cosine);

typedef struct _p_Pairs *Pairs;

/* Makes the blocks of those tokens available on every shard: memory min(N, 4096) * d. The tokens must not move until
 * PairsDestroy. Collective. */
PetscErrorCode PairsCreate(Tokens tokens, Pairs *pairs);
PetscErrorCode PairsDestroy(Pairs *pairs);
/* Number of pairs i < j. */
PetscInt64 PairsNumber(Pairs pairs);
/* This shard's part of the histogram of cosines in `bins` (a power of two, at most 256) equal bins of [-1,1]: add it up
 * over the shards. clusters: the connected components of the graph with an edge where cosine > threshold. Collective.
 */
PetscErrorCode PairsCount(Pairs pairs, PetscInt bins, PetscReal threshold, PetscInt64 counts[], PetscInt *clusters);
/* On rank 0 of the shards: the matrix sqrt(w_i w_j) <x_i,x_j> of all tokens, whose eigenvalues other than 0 are those
 * of sum_i w_i x_i x_i^T; n x n, to be freed by the caller, NULL on other ranks. Only for N <= 4096. Collective. */
PetscErrorCode PairsGram(Pairs pairs, Tokens tokens, PetscInt *n, double **matrix);

#endif
