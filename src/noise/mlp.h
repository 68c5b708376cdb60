/* The weights of the random MLP, one chunk of hidden units at a time. Private to the folder; tests export whole layers.
 */
#ifndef CHORALE_NOISE_MLP_H
#define CHORALE_NOISE_MLP_H

#include <chorale/noise.h>

/* A run of `count` hidden units of one layer. The unit is the fast index, so U and W are column-major stride x d
 * matrices; stride is count rounded up to a whole group of draws, and what lies beyond count has no meaning. */
typedef struct {
  PetscInt count, stride;
  double *U;      /* [d][stride]: rows of U as columns, N(0,1) */
  double *W;      /* [d][stride]: W, N(0,1) */
  double *bias_u; /* [stride]: b_U, N(0, sigma_U^2) */
} MlpUnits;

/* All weights of the layer (realization, step) as PAPER.md section 1 writes them, row-major: U[m][d], bias_u[m],
 * W[d][m], bias_w[d]. The noise must be of type mlp. Not collective. */
PetscErrorCode NoiseMlpWeights(Noise noise, PetscInt realization, PetscInt step, double U[], double bias_u[],
                               double W[], double bias_w[]);

/* Products for small d, where a general dgemm spends its time on packing: MLP_LANES tokens at a time, so that the
 * hidden values of a chunk stay in the L1 cache. X and G point at the first token of the group inside a block of B
 * tokens. hidden has room for a whole stride of units. */
#define MLP_LANES 8
/* hidden[u][lane] = scale (U x)_u + bias_u[u] for all units, rounded up to a multiple of 4 of them. */
void MlpSmallHidden(const MlpUnits *units, PetscInt d, PetscInt B, double scale, const double *X, double *hidden);
/* G += scale W hidden. */
void MlpSmallOutput(const MlpUnits *units, PetscInt d, PetscInt B, double scale, const double *hidden, double *G);

#endif
