/* The weights of the random MLP, one chunk of hidden units at a time. Private to the folder; tests export whole layers.
 */
#ifndef CHORALE_NOISE_MLP_H
#define CHORALE_NOISE_MLP_H

#include <chorale/noise.h>

/* All weights of the layer (realization, step) as THEORY.md (1.3) writes them, row-major: U[m][d], bias_u[m],
 * W[d][m], bias_w[d]. The noise must be of type mlp. Not collective. */
PetscErrorCode NoiseMlpWeights(Noise noise, PetscInt realization, PetscInt step, double U[], double bias_u[],
                               double W[], double bias_w[]);

#endif
