/* Where and when a run writes checkpoints, and what it goes on from, in words. */
#include "run/checkpoint_impl.h"

PetscErrorCode CheckpointBrief(Checkpoint checkpoint, size_t room, char text[]) {
  const CheckpointOptions *o = &checkpoint->options;
  char every[64] = "", interval[64] = "", wall[64] = "";

  PetscFunctionBeginUser;
  if (o->every) PetscCall(PetscSNPrintf(every, sizeof(every), ", every %" PetscInt64_FMT " steps", o->every));
  if (o->interval > 0) PetscCall(PetscSNPrintf(interval, sizeof(interval), ", every %.6g s", (double)o->interval));
  if (o->wall > 0) PetscCall(PetscSNPrintf(wall, sizeof(wall), ", before %.6g s are over", (double)o->wall));
  PetscCall(PetscSNPrintf(text, room, "%s%s%s%s%s%s", checkpoint->file, every, interval, wall,
                          o->stop_file[0] ? ", on the file " : "", o->stop_file));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointViewOrigin(Checkpoint checkpoint) {
  PetscInt done = 0, begun = 0;

  PetscFunctionBeginUser;
  if (!checkpoint->source[0] && !checkpoint->earlier.realizations) PetscFunctionReturn(0);
  for (PetscInt r = 0; r < checkpoint->layout.realizations; r++) {
    const PetscInt steps = CheckpointCellOf(checkpoint, r)->steps;
    done += checkpoint->step[r] == steps;
    begun += checkpoint->step[r] > 0 && checkpoint->step[r] < steps;
  }
  PetscCall(PetscPrintf(checkpoint->layout.world,
                        "resume     goes on from %s: %" PetscInt_FMT " of %" PetscInt_FMT
                        " realizations done, %" PetscInt_FMT " begun\n",
                        checkpoint->source[0] ? checkpoint->source : checkpoint->output->file, done,
                        checkpoint->layout.realizations, begun));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointView(Checkpoint checkpoint) {
  char text[3 * PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(CheckpointBrief(checkpoint, sizeof(text), text));
  PetscCall(PetscPrintf(checkpoint->layout.world, "checkpoint %s, on a signal\n", text));
  PetscCall(CheckpointViewOrigin(checkpoint));
  PetscFunctionReturn(0);
}
