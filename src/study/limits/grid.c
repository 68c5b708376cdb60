/* What study limits compares: its lists, checked. */
#include <string.h>

#include "study/limits/limits.h"

static PetscErrorCode ReadList(const char *key, PetscInt *n, PetscInt64 values[]) {
  const char *items[LIMITS_LIST];
  char *storage;

  PetscFunctionBeginUser;
  *n = LIMITS_LIST;
  PetscCall(DeckGetIntList(key, n, values));
  PetscCall(DeckGetStringList(key, n, items, &storage));
  for (PetscInt i = 0; i < *n; i++)
    for (PetscInt j = 0; j < i; j++)
      PetscCheck(values[i] != values[j], PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
                 "%s = ...,%s,...: each value once, in any order", key, items[i]);
  PetscCall(PetscFree(storage));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsGridRead(const ModelOptions *model, LimitsGrid *grid) {
  LimitsOptions options;

  PetscFunctionBeginUser;
  PetscCheck(
      strcmp(model->scheme.type, "layer"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
      "scheme_type = layer: the limit SDE takes euler, heun or flow (the transformers take layer by themselves)");
  PetscCall(DeckRead(LimitsKeys, &options));
  *grid = (LimitsGrid){.reference = options.reference, .horizon = model->layers.horizon};
  grid->all = strcmp(options.supremum, "all") ? PETSC_FALSE : PETSC_TRUE;
  PetscCall(ReadList("tokens_count", &grid->counts, grid->count));
  PetscCall(ReadList("layers_depth", &grid->depths, grid->depth));
  PetscCall(ReadList("mlp_width", &grid->widths, grid->width));
  grid->cells = grid->counts * grid->depths * grid->widths;
  for (PetscInt i = 0; i < grid->counts; i++) grid->most = PetscMax(grid->most, grid->count[i]);
  for (PetscInt k = 0; k < grid->widths; k++) grid->finite += grid->width[k] != LIMITS_INFINITE;
  /* Smaller systems start with the first tokens of the largest, which has no meaning for the nodes of a quadrature. */
  PetscCheck(grid->counts == 1 || strcmp(model->start.init, "quadrature"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT ",%" PetscInt64_FMT
             ",...: a list needs tokens_init uniform, vmf, clusters or file, whose first tokens are a start",
             grid->count[0], grid->count[1]);
  for (PetscInt j = 0; j < grid->depths; j++)
    PetscCheck(grid->reference % grid->depth[j] == 0, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "layers_depth = %" PetscInt64_FMT ": must divide the limits_reference = %" PetscInt64_FMT
               " steps of the limit SDE",
               grid->depth[j], grid->reference);
  if (!grid->all) PetscFunctionReturn(0);
  PetscCheck(grid->reference <= LIMITS_BRIDGED, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "limits_reference = %" PetscInt64_FMT ": must be at most %d for limits_supremum all", grid->reference,
             LIMITS_BRIDGED);
  for (PetscInt j = 0; j < grid->depths; j++)
    PetscCheck(grid->depth[j] >= 3, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "layers_depth = %" PetscInt64_FMT
               ": must be at least 3 for limits_supremum all: (log L)/L does not fall "
               "before",
               grid->depth[j]);
  PetscFunctionReturn(0);
}
