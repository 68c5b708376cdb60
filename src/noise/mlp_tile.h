/* The inner loops of the MLP: both products and the activation between them, for one chunk of hidden units and one
 * block of tokens. Private to the folder. */
#ifndef CHORALE_NOISE_MLP_TILE_H
#define CHORALE_NOISE_MLP_TILE_H

#include <chorale/activation.h>

/* Hidden units of a chunk, and the distance of the rows of its weights: not a multiple of a large power of two, or all
 * components of one unit would fall on a few lines of the cache. */
#define MLP_CHUNK 128
#define MLP_PITCH (MLP_CHUNK + 8)

/* A run of `count` hidden units of one layer. The unit is the fast index; what lies beyond count has no meaning. */
typedef struct {
  PetscInt count; /* at most MLP_CHUNK */
  double *U;      /* [d][MLP_PITCH]: rows of U as columns, N(0,1) */
  double *W;      /* [d][MLP_PITCH]: W, mean 0 and variance 1 */
  double *bias_u; /* [MLP_CHUNK]: b_U, N(0, sigma_U^2) */
} MlpUnits;

/* G += out W sigma(in U x + b_U) over these units, for the B tokens of a block, B a multiple of 8; X[d][B] and G[d][B].
 * A token's value depends on its x and the units alone. */
void MlpTile(const MlpUnits *units, const Activation *activation, PetscInt d, PetscInt B, double in, double out,
             const double *X, double *G);

#endif
