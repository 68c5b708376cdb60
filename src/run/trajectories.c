#include "run/trajectories.h"

#include <stdio.h>

#include "base/plan.h"
#include "run/output.h"

struct _p_Trajectories {
  EnsembleLayout ensemble;
  Tokens tokens;
  TokensLayout layout;
  const Frames *frames;
  Output output;
  PetscInt count;
  PetscBool single;
  Trajectory current; /* of the realization in progress */
};

PetscErrorCode TrajectoriesCreate(Output output, Ensemble ensemble, Tokens tokens, const Frames *frames,
                                  Trajectories *trajectories) {
  Trajectories new;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&new));
  PetscCall(EnsembleGetLayout(ensemble, &new->ensemble));
  PetscCall(TokensGetLayout(tokens, &new->layout));
  new->tokens = tokens;
  new->frames = frames;
  new->output = output;
  PetscCheck(output->options.trajectories <= new->ensemble.realizations, new->ensemble.world, PETSC_ERR_USER_INPUT,
             "output_trajectories = %" PetscInt64_FMT ": must be at most ensemble_realizations = %" PetscInt_FMT,
             output->options.trajectories, new->ensemble.realizations);
  new->count = (PetscInt)output->options.trajectories;
  PetscCall(PetscStrcmp(output->options.precision, "single", &new->single));
  *trajectories = new;
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoriesDestroy(Trajectories *trajectories) {
  PetscFunctionBeginUser;
  if (!*trajectories) PetscFunctionReturn(0);
  PetscCall(TrajectoryDestroy(&(*trajectories)->current));
  PetscCall(PetscFree(*trajectories));
  PetscFunctionReturn(0);
}

PetscInt TrajectoriesCount(Trajectories trajectories) {
  return trajectories ? trajectories->count : 0;
}

PetscErrorCode TrajectoriesGetBytes(Trajectories trajectories, PetscReal *bytes) {
  const TokensLayout *l = &trajectories->layout;
  PetscMPIInt shards;

  PetscFunctionBeginUser;
  PetscCall(PlanSize(l->comm, &shards));
  const PetscReal numbers = (PetscReal)((l->blocks + shards - 1) / shards) * l->block * l->dim; /* of a rank's tokens */
  *bytes =
      trajectories->count ? (trajectories->single ? 12 : 8) * numbers + 16 * (PetscReal)trajectories->frames->count : 0;
  PetscFunctionReturn(0);
}

/* Of one file. */
static PetscReal FileBytes(Trajectories trajectories) {
  const TokensLayout *l = &trajectories->layout;

  return (trajectories->single ? 4.0 : 8.0) * (PetscReal)l->count * l->dim * trajectories->frames->count;
}

PetscReal TrajectoriesDisk(Trajectories trajectories) {
  return trajectories ? trajectories->count * FileBytes(trajectories) : 0;
}

PetscErrorCode TrajectoriesView(Trajectories trajectories) {
  PetscFunctionBeginUser;
  if (!trajectories->count) PetscFunctionReturn(0);
  PetscCall(PetscPrintf(trajectories->ensemble.world, "           %" PetscInt_FMT " %s in %s (%.3g MB each%s)\n",
                        trajectories->count, trajectories->count == 1 ? "trajectory" : "trajectories",
                        trajectories->output->trajectories, 1e-6 * FileBytes(trajectories),
                        trajectories->output->options.compress ? " before compression" : ""));
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoriesWrite(Trajectories trajectories, PetscInt r, PetscInt f) {
  const Frames *frames = trajectories->frames;
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  if (r >= trajectories->count) PetscFunctionReturn(0);
  if (f == 0) {
    PetscCall(OutputMakeDirectory(trajectories->layout.comm, trajectories->output));
    PetscCall(OutputTrajectory(trajectories->output, r, PETSC_FALSE, path));
    PetscCall(TrajectoryCreate(trajectories->tokens, path, frames->count, trajectories->single,
                               (PetscInt)trajectories->output->options.compress, &trajectories->current));
  }
  PetscCall(TrajectoryWrite(trajectories->current, (PetscInt)frames->step[f], frames->time[f], trajectories->tokens));
  if (f == frames->count - 1) PetscCall(TrajectoryDestroy(&trajectories->current));
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoriesResume(Trajectories trajectories, PetscInt r, PetscInt frames, PetscBool *lost) {
  char path[PETSC_MAX_PATH_LEN];
  PetscMPIInt shard;

  PetscFunctionBeginUser;
  *lost = PETSC_FALSE;
  if (r >= trajectories->count) PetscFunctionReturn(0);
  PetscCall(OutputTrajectory(trajectories->output, r, PETSC_FALSE, path));
  PetscCall(TrajectoryOpen(trajectories->tokens, path, trajectories->frames->count, frames, trajectories->single,
                           &trajectories->current));
  /* those of a longer horizon may be rounded otherwise */
  if (trajectories->current) PetscCall(TrajectorySetTimes(trajectories->current, trajectories->frames->time));
  if (trajectories->current) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_rank(trajectories->layout.comm, &shard));
  if (!shard) fprintf(stderr, "chorale: warning: %s: cannot be continued; realization %d begins again\n", path, (int)r);
  *lost = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoriesFlush(Trajectories trajectories) {
  PetscFunctionBeginUser;
  if (trajectories->current) PetscCall(TrajectoryFlush(trajectories->current));
  PetscFunctionReturn(0);
}
