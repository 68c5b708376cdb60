/* A fixed MLP as a part of the drift, W sigma(U x + b) + c of THEORY.md (1.11), whose weights come with those of
 * attention. Not the random one of the noise. */
#include <stdlib.h>

#include "attention/impl.h"

static PetscErrorCode ReadActivation(Attention attention, Hdf hdf, const char *group, AttentionMlp *mlp) {
  char name[64];
  PetscBool found;

  PetscFunctionBeginUser;
  PetscCall(HdfReadAttribute(hdf, group, "activation", sizeof(name), name, &found));
  mlp->activation = ActivationFind(found ? name : "relu");
  PetscCheck(mlp->activation, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: activation = %s of '%s' is none of those of mlp_activation", attention->file,
             name, group);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionMlpRead(Attention attention, Hdf hdf, const char *group, AttentionMlp *mlp) {
  static const char *const known[] = {"U", "W", "b", "c", NULL};
  const PetscInt d = attention->layout.dim;

  PetscFunctionBeginUser;
  PetscCall(AttentionCheckNames(attention, hdf, group, known));
  mlp->up = (AttentionMap){.columns = d};
  PetscCall(AttentionArrayRead(attention, hdf, group, "U", &mlp->up.rows, d, &mlp->up.matrix));
  PetscCall(AttentionVectorRead(attention, hdf, group, "b", mlp->up.rows, &mlp->up.bias));
  mlp->down = (AttentionMap){.rows = d, .columns = mlp->up.rows};
  PetscCall(AttentionArrayRead(attention, hdf, group, "W", &mlp->down.rows, mlp->down.columns, &mlp->down.matrix));
  PetscCall(AttentionVectorRead(attention, hdf, group, "c", d, &mlp->down.bias));
  PetscCall(ReadActivation(attention, hdf, group, mlp));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionMlpDestroy(AttentionMlp *mlp) {
  PetscFunctionBeginUser;
  PetscCall(AttentionMapDestroy(&mlp->up));
  PetscCall(AttentionMapDestroy(&mlp->down));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionHasMlp(Attention attention, PetscBool *has) {
  PetscFunctionBeginUser;
  *has = attention->layers > 0 && attention->layer[0].mlp.activation ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* Packs of a block: positions, hidden units, output. */
typedef struct {
  double *x, *hidden, *out;
} Packs;

static PetscErrorCode PacksCreate(const TokensLayout *layout, PetscInt width, Packs *packs) {
  PetscFunctionBeginUser;
  PetscCall(PackAllocate((size_t)layout->block * (size_t)(layout->dim + 1), &packs->x));
  PetscCall(PackAllocate((size_t)layout->block * (size_t)(width + 1), &packs->hidden));
  PetscCall(PackAllocate((size_t)layout->block * (size_t)(layout->dim + 1), &packs->out));
  PetscFunctionReturn(0);
}

static void PacksDestroy(Packs *packs) {
  free(packs->x);
  free(packs->hidden);
  free(packs->out);
}

/* y[d][B] <- (clear ? 0 : y) + scale F(x) for the positions x[d][B] of a block; 0 at the padding. */
static void AddBlock(const AttentionMlp *mlp, const TokensLayout *layout, PetscInt filled, PetscBool clear,
                     PetscReal scale, const double *x, const Packs *packs, double *y) {
  const PetscInt B = layout->block, d = layout->dim;

  PackPositions(d, B, x, packs->x);
  AttentionMapPack(&mlp->up, B, packs->x, packs->hidden);
  mlp->activation->apply(B * (mlp->up.rows + 1), packs->hidden, packs->hidden);
  AttentionMapPack(&mlp->down, B, packs->hidden, packs->out);
  for (PetscInt c = 0; c < d; c++) {
    for (PetscInt t = 0; t < B; t++) {
      const double F = t < filled ? packs->out[((t / PACK_GROUP) * (d + 1) + c) * PACK_GROUP + t % PACK_GROUP] : 0;
      y[c * B + t] = (clear ? 0 : y[c * B + t]) + scale * F;
    }
  }
}

PetscErrorCode AttentionAddMlp(Attention attention, Tokens tokens, PetscBool clear, PetscReal scale, Vec y) {
  const AttentionMlp *mlp = &attention->layer[attention->now].mlp;
  const PetscInt length = attention->layout.block * attention->layout.dim;
  const double *x;
  double *out;
  Packs packs;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(PacksCreate(&attention->layout, mlp->up.rows, &packs));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArray(y, &out));
  for (PetscInt b = 0; b < attention->layout.owned; b++)
    AddBlock(mlp, &attention->layout, TokensFilled(&attention->layout, b), clear, scale, x + b * length, &packs,
             out + b * length);
  PetscCall(VecRestoreArray(y, &out));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PacksDestroy(&packs);
  PetscFunctionReturn(0);
}
