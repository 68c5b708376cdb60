/* The weights of one layer of the random MLP, drawn a few chunks of hidden units at a time. Private to the folder. */
#ifndef CHORALE_NOISE_MLP_LAYER_H
#define CHORALE_NOISE_MLP_LAYER_H

#include "noise/impl.h"
#include "noise/mlp_tile.h"

typedef struct _p_MlpLayer *MlpLayer;

/* Of so many hidden units, with room for the chunks that are drawn at a time. Not collective, as all that follow. */
PetscErrorCode MlpLayerCreate(PetscInt dim, PetscInt width, MlpLayer *layer);
PetscErrorCode MlpLayerDestroy(MlpLayer *layer);
/* Makes *layer another name of `other`, of the same size, which keeps all its chunks from now on, until another
 * layer that does is drawn; *shared is false, and nothing happens, where they are too large. */
PetscErrorCode MlpLayerShare(MlpLayer *layer, MlpLayer other, PetscBool *shared);
/* Chunks that are drawn at a time; those of a layer; memory where they are held. Pure. */
PetscInt MlpLayerAtOnce(MlpLayer layer);
PetscInt MlpLayerChunks(MlpLayer layer);
PetscReal MlpLayerBytes(MlpLayer layer);
/* Chunks first .. first + count - 1 of layer (realization, step), count at most MlpLayerAtOnce: drawn from the streams
 * of the noise unless they are there. All noises that share a layer draw the same. units stays the layer's and is good
 * until the next call. */
PetscErrorCode MlpLayerDraw(MlpLayer layer, Noise noise, PetscInt realization, PetscInt step, PetscInt first,
                            PetscInt count, const MlpUnits **units);

#endif
