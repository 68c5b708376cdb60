/* What a checkpoint keeps. */
#include "run/checkpoint_impl.h"

static PetscErrorCode Add(Checkpoint checkpoint, const char *name, CheckpointEntry entry) {
  PetscFunctionBeginUser;
  if (checkpoint->count == checkpoint->room) {
    checkpoint->room = checkpoint->room ? 2 * checkpoint->room : 16;
    PetscCall(PetscRealloc((size_t)checkpoint->room * sizeof(entry), &checkpoint->entries));
  }
  PetscCall(PetscStrncpy(entry.name, name, CHECKPOINT_NAME));
  checkpoint->entries[checkpoint->count++] = entry;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddTokens(Checkpoint checkpoint, const char *name, Tokens tokens) {
  char radius_name[CHECKPOINT_NAME];
  double *radius;

  PetscFunctionBeginUser;
  PetscCall(Add(checkpoint, name, (CheckpointEntry){.type = CHECKPOINT_TOKENS, .tokens = tokens}));
  PetscCall(TokensGetRadius(tokens, &radius));
  PetscCall(PetscSNPrintf(radius_name, sizeof(radius_name), "%s_radius", name));
  if (radius) PetscCall(Add(checkpoint, radius_name, (CheckpointEntry){.type = CHECKPOINT_RADIUS, .tokens = tokens}));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddReals(Checkpoint checkpoint, const char *name, PetscInt n, PetscReal values[]) {
  PetscFunctionBeginUser;
  PetscCall(Add(checkpoint, name, (CheckpointEntry){.type = CHECKPOINT_REALS, .n = n, .values = values}));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddRows(Checkpoint checkpoint, const char *name, PetscInt frames, const PetscInt64 step[],
                                 PetscInt columns, PetscInt n, PetscReal mine[]) {
  PetscFunctionBeginUser;
  PetscCall(
      Add(checkpoint, name,
          (CheckpointEntry){
              .type = CHECKPOINT_ROWS, .n = n, .frames = frames, .columns = columns, .step = step, .values = mine}));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddShared(Checkpoint checkpoint, const char *name, PetscInt n, PetscReal values[]) {
  PetscFunctionBeginUser;
  PetscCall(Add(checkpoint, name, (CheckpointEntry){.type = CHECKPOINT_SHARED, .n = n, .values = values}));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointGetShared(Checkpoint checkpoint, PetscInt i, const char **name, PetscInt *n,
                                   PetscReal **values) {
  PetscFunctionBeginUser;
  *name = NULL;
  for (PetscInt e = 0; e < checkpoint->count && !*name; e++) {
    if (checkpoint->entries[e].type != CHECKPOINT_SHARED || i--) continue;
    *name = checkpoint->entries[e].name;
    *n = checkpoint->entries[e].n;
    *values = checkpoint->entries[e].values;
  }
  PetscFunctionReturn(0);
}
