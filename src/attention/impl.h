/* Private to attention: what its source files share. */
#ifndef CHORALE_ATTENTION_IMPL_H
#define CHORALE_ATTENTION_IMPL_H

#include <chorale/attention.h>

#include "attention/panel.h"

/* One row per type; see types[] in attention.c. */
typedef struct {
  const char *name, *formula;
  PetscReal
      rate; /* default weights: the kernel is e^{rate beta (<x,y> - 1)} up to a constant; 0 for no attention at all */
  PetscBool normalized; /* divided by S0 */
  PetscBool distance;   /* logits are -|Qx-Ky|^2, not <Qx,Ky> */
} AttentionType;

/* One head of general weights. Logits are <query x, y> + bias(y): a part that depends on x alone does not matter where
 * they are normalised. */
typedef struct {
  double *query; /* K^T Q, or 2 K^T Q with distances; d x d row-major like all */
  double *key;   /* K with distances, bias(y) = -|Ky|^2; else NULL */
  double *value; /* V */
} AttentionHead;

/* Kernel sums of the direct engine, kept while the tokens stay as they are. */
typedef struct {
  PetscInt64 *fixed; /* packs of the own blocks, (S, S0) in multiples of 2^-61 */
  PetscObjectId id;  /* of the positions' Vec; 0 when there are no sums */
  PetscObjectState state;
  double *weights; /* [owned * B] */
} AttentionSums;

struct _p_Attention {
  const AttentionType *type;
  PetscReal beta, value;
  char file[PETSC_MAX_PATH_LEN]; /* attention_weights or empty */
  PetscInt heads;
  AttentionHead *head;
  TokensLayout layout;
  TileShape shape;
  size_t length; /* numbers per pack */
  Panels panels;
  AttentionSums sums;
};

/* direct.c: sums->fixed for the kernel e^{exponent (<x,y> - 1)}, every pair of blocks once. Collective. */
PetscErrorCode AttentionDirectSums(Attention attention, Tokens tokens, PetscReal exponent);
/* 2^61 sum_ij w_i w_j e^{exponent (<x_i,x_j> - 1)}. Collective. */
PetscErrorCode AttentionDirectEnergy(Attention attention, Tokens tokens, PetscReal exponent, PetscInt64 *total);

/* online.c: drift <- value x sum over heads of the field with general weights; without heads, default weights with the
 * kernel e^{exponent <x,y>}. Any logits: softmax with a running maximum. Collective. */
PetscErrorCode AttentionOnline(Attention attention, Tokens tokens, PetscReal exponent, Vec drift);

/* heads.c: reads attention->file. Collective. */
PetscErrorCode AttentionHeadsRead(Attention attention);
PetscErrorCode AttentionHeadsDestroy(Attention attention);

#endif
