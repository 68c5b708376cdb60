/* What study limits compares: its lists, checked. */
#include <chorale/deck.h>

#include <stdlib.h>
#include <string.h>

#include "study/limits/limits.h"

/* A key as the user or the table gives it, for messages. */
static PetscErrorCode Text(const char *key, char *text, size_t room) {
  char *storage;
  const char *items[LIMITS_LIST];
  PetscInt n = LIMITS_LIST;

  PetscFunctionBeginUser;
  PetscCall(DeckGetStringList(key, &n, items, &storage));
  text[0] = '\0';
  for (PetscInt i = 0; i < n; i++) {
    if (i) PetscCall(PetscStrlcat(text, ",", room));
    PetscCall(PetscStrlcat(text, items[i], room));
  }
  PetscCall(PetscFree(storage));
  PetscFunctionReturn(0);
}

static PetscErrorCode RefuseRepeated(const char *key, PetscInt n, const PetscInt64 values[]) {
  char text[512];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < n; i++)
    for (PetscInt j = 0; j < i; j++) {
      if (values[i] != values[j]) continue;
      PetscCall(Text(key, text, sizeof(text)));
      SETERRQ(PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s: each value once, in any order", key, text);
    }
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadWidths(LimitsGrid *grid) {
  const char *items[LIMITS_LIST];
  PetscInt64 values[LIMITS_LIST];
  char *storage;

  PetscFunctionBeginUser;
  grid->widths = LIMITS_LIST;
  PetscCall(DeckGetStringList("mlp_width", &grid->widths, items, &storage));
  for (PetscInt k = 0; k < grid->widths; k++) {
    values[k] = strcmp(items[k], "inf") ? atoll(items[k]) : 0; /* checked by the deck */
    grid->width[k] = (PetscInt)values[k];
    if (values[k] > 0) grid->coupled = PETSC_TRUE;
  }
  PetscCall(PetscFree(storage));
  PetscCall(RefuseRepeated("mlp_width", grid->widths, values));
  PetscFunctionReturn(0);
}

/* The number of tokens: a list, unless a file brings its own. Smaller systems start with the first tokens of the
 * largest, which has no meaning for the nodes of a quadrature. */
static PetscErrorCode ReadCounts(LimitsGrid *grid) {
  char init[PETSC_MAX_PATH_LEN], text[512];
  PetscInt64 dim;

  PetscFunctionBeginUser;
  grid->counts = LIMITS_LIST;
  PetscCall(DeckGetIntList("tokens_count", &grid->counts, grid->count));
  PetscCall(DeckGetInt("tokens_dim", &dim));
  PetscCall(DeckGetString("tokens_init", init));
  grid->dim = (PetscInt)dim;
  PetscCall(RefuseRepeated("tokens_count", grid->counts, grid->count));
  PetscCall(Text("tokens_count", text, sizeof(text)));
  PetscCheck(
      grid->counts == 1 || strcmp(init, "quadrature"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
      "tokens_count = %s: a list needs tokens_init uniform, vmf, clusters or file, whose first tokens are a start",
      text);
  for (PetscInt i = 0; i < grid->counts; i++) grid->most = PetscMax(grid->most, grid->count[i]);
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadDepths(LimitsGrid *grid) {
  PetscFunctionBeginUser;
  grid->depths = LIMITS_LIST;
  PetscCall(DeckGetIntList("layers_depth", &grid->depths, grid->depth));
  PetscCall(RefuseRepeated("layers_depth", grid->depths, grid->depth));
  PetscCall(DeckGetInt("limits_reference", &grid->reference));
  for (PetscInt j = 0; j < grid->depths; j++)
    PetscCheck(grid->reference % grid->depth[j] == 0, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "layers_depth = %" PetscInt64_FMT ": must divide the limits_reference = %" PetscInt64_FMT
               " steps of the limit SDE",
               grid->depth[j], grid->reference);
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsGridRead(LimitsGrid *grid) {
  char scheme[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(PetscMemzero(grid, sizeof(*grid)));
  PetscCall(ReadCounts(grid));
  PetscCall(ReadDepths(grid));
  PetscCall(ReadWidths(grid));
  PetscCall(DeckGetReal("layers_horizon", &grid->horizon));
  grid->cells = grid->counts * grid->depths * grid->widths;
  PetscCall(DeckGetString("scheme_type", scheme));
  PetscCheck(
      strcmp(scheme, "layer"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
      "scheme_type = layer: the limit SDE takes euler, heun or flow (the transformers take layer by themselves)");
  PetscFunctionReturn(0);
}
