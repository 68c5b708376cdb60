/* What a checkpoint keeps. */
#include "run/checkpoint_impl.h"

static PetscErrorCode NewEntry(Checkpoint checkpoint, const char *name, CheckpointEntry **entry) {
  PetscFunctionBeginUser;
  PetscCheck(checkpoint->count < CHECKPOINT_ENTRIES, checkpoint->layout.world, PETSC_ERR_ARG_OUTOFRANGE,
             "too many parts of a checkpoint");
  if (checkpoint->count == checkpoint->room) {
    checkpoint->room = checkpoint->room ? 2 * checkpoint->room : 16;
    PetscCall(PetscRealloc((size_t)checkpoint->room * sizeof(*checkpoint->entries), &checkpoint->entries));
  }
  *entry = &checkpoint->entries[checkpoint->count++];
  PetscCall(PetscArrayzero(*entry, 1));
  PetscCall(PetscStrncpy((*entry)->name, name, CHECKPOINT_NAME));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddTokens(Checkpoint checkpoint, const char *name, Tokens tokens) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewEntry(checkpoint, name, &entry));
  entry->type = CHECKPOINT_TOKENS;
  entry->tokens = tokens;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddReals(Checkpoint checkpoint, const char *name, PetscInt n, PetscReal values[]) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewEntry(checkpoint, name, &entry));
  entry->type = CHECKPOINT_REALS;
  entry->n = n;
  entry->values = values;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddRows(Checkpoint checkpoint, const char *name, PetscInt n, PetscReal mine[]) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewEntry(checkpoint, name, &entry));
  entry->type = CHECKPOINT_ROWS;
  entry->n = n;
  entry->values = mine;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddFrames(Checkpoint checkpoint, const char *name, PetscInt frames, const PetscInt64 step[],
                                   PetscInt columns, PetscInt n, PetscReal mine[]) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(CheckpointAddRows(checkpoint, name, n, mine));
  entry = &checkpoint->entries[checkpoint->count - 1];
  entry->frames = frames;
  entry->columns = columns;
  entry->step = step;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddShared(Checkpoint checkpoint, const char *name, PetscInt n, PetscReal values[]) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewEntry(checkpoint, name, &entry));
  entry->type = CHECKPOINT_SHARED;
  entry->n = n;
  entry->values = values;
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
