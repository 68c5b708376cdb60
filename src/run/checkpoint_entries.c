/* What a checkpoint keeps. */
#include "run/checkpoint_impl.h"

PetscErrorCode CheckpointSetCell(Checkpoint checkpoint, PetscInt cell) {
  PetscFunctionBeginUser;
  checkpoint->cell = cell;
  PetscFunctionReturn(0);
}

CheckpointCell *CheckpointCellOf(Checkpoint checkpoint, PetscInt r) {
  return &checkpoint->cells[r / checkpoint->cells[0].layout.realizations];
}

PetscBool CheckpointIsMine(Checkpoint checkpoint, PetscInt r) {
  const CheckpointCell *cell = CheckpointCellOf(checkpoint, r);

  return (r - cell->first) % cell->layout.groups == cell->layout.group ? PETSC_TRUE : PETSC_FALSE;
}

PetscErrorCode CheckpointPath(Checkpoint checkpoint, const CheckpointEntry *entry, const char *group, size_t room,
                              char *path) {
  PetscFunctionBeginUser;
  if (checkpoint->cell_count > 1)
    PetscCall(PetscSNPrintf(path, room, "/%s/cell_%05d/%s", group, (int)entry->cell, entry->name));
  else
    PetscCall(PetscSNPrintf(path, room, "/%s/%s", group, entry->name));
  PetscFunctionReturn(0);
}

static PetscErrorCode Add(Checkpoint checkpoint, const char *name, CheckpointEntry entry) {
  PetscFunctionBeginUser;
  if (checkpoint->count == checkpoint->room) {
    checkpoint->room = checkpoint->room ? 2 * checkpoint->room : 16;
    PetscCall(PetscRealloc((size_t)checkpoint->room * sizeof(entry), &checkpoint->entries));
  }
  PetscCall(PetscStrncpy(entry.name, name, CHECKPOINT_NAME));
  entry.cell = checkpoint->cell;
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
    if (checkpoint->entries[e].type != CHECKPOINT_SHARED || checkpoint->entries[e].cell != checkpoint->cell || i--)
      continue;
    *name = checkpoint->entries[e].name;
    *n = checkpoint->entries[e].n;
    *values = checkpoint->entries[e].values;
  }
  PetscFunctionReturn(0);
}
