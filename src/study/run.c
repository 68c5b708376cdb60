/* What a study asks of its run: ensemble, steps and frames, results. */
#include <chorale/observables.h>
#include <limits.h>

#include "study/run_impl.h"

PetscErrorCode RunCreateEnsemble(Run run, const EnsembleOptions *options, PetscInt blocks, EnsembleLayout *layout) {
  static const EnsembleOptions single = {.realizations = 1, .groups = 1};

  Cells *cells = run->cells;
  EnsembleOptions all = options ? *options : single;

  PetscFunctionBeginUser;
  const PetscInt realizations = (PetscInt)all.realizations;
  cells->blocks = PetscMax(cells->blocks, options ? blocks : 1);
  PetscCheck(realizations <= INT_MAX / cells->count, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "ensemble_realizations = %" PetscInt_FMT ": must be at most %" PetscInt_FMT " in a sweep of %" PetscInt_FMT
             " cells",
             realizations, INT_MAX / cells->count, cells->count);
  all.realizations *= cells->count;
  if (!cells->ensemble) PetscCall(EnsembleCreate(&all, cells->blocks, &cells->ensemble));
  PetscCall(EnsembleCreatePart(cells->ensemble, realizations, &run->ensemble));
  PetscCall(EnsembleGetLayout(run->ensemble, &run->layout));
  *layout = run->layout;
  PetscFunctionReturn(0);
}

const EnsembleLayout *RunGetLayout(Run run) {
  return &run->layout;
}

PetscErrorCode RunSetSteps(Run run, PetscInt steps) {
  PetscFunctionBeginUser;
  run->steps = steps;
  PetscFunctionReturn(0);
}

PetscErrorCode RunSetFrames(Run run, PetscInt steps, PetscReal horizon, FramesRounding rounding) {
  PetscFunctionBeginUser;
  run->steps = steps;
  PetscCall(FramesCreate(steps, run->output_options.every, run->output_options.log, horizon, rounding, &run->frames));
  PetscFunctionReturn(0);
}

PetscErrorCode RunSetFrameList(Run run, PetscInt count, const PetscInt64 step[], const PetscReal time[]) {
  PetscFunctionBeginUser;
  run->steps = count;
  PetscCall(FramesCreateList(count, step, time, &run->frames));
  PetscFunctionReturn(0);
}

const Frames *RunGetFrames(Run run) {
  return &run->frames;
}

Results RunGetResults(Run run) {
  return run->results;
}

PetscErrorCode RunDeclareObservables(Run run, PetscReal beta) {
  PetscFunctionBeginUser;
  for (int o = 0; o < OBSERVABLES; o++) {
    Quantity quantity = *ObservableGetQuantity((Observable)o);
    if (o == OBSERVE_ENERGY) quantity.unit = AttentionEnergyUnit(beta);
    PetscCall(ResultsDeclare(run->results, &quantity));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode RunSetTrajectories(Run run, Tokens tokens) {
  PetscFunctionBeginUser;
  PetscCall(TrajectoriesCreate(run->output, run->ensemble, tokens, &run->frames, &run->trajectories));
  PetscFunctionReturn(0);
}

PetscErrorCode RunSetStride(Run run, PetscInt stride) {
  PetscFunctionBeginUser;
  run->stride = stride;
  PetscFunctionReturn(0);
}

PetscReal *RunGetTail(Run run) {
  return ResultsTail(run->results, run->current);
}

void RunClearTail(Run run) {
  PetscReal *tail = RunGetTail(run);

  for (PetscInt i = 0; i < ResultsWidth(run->results) - run->frames.count * ResultsColumns(run->results); i++)
    tail[i] = NAN;
}

PetscErrorCode RunGetBytes(Run run, PetscReal checkpoint, PetscReal *bytes) {
  PetscReal more = 0;

  PetscFunctionBeginUser;
  PetscCall(ResultsGetBytes(run->results, bytes));
  if (run->trajectories) PetscCall(TrajectoriesGetBytes(run->trajectories, &more));
  *bytes += PetscMax(more, checkpoint);
  PetscFunctionReturn(0);
}

PetscReal RunResultsDisk(Run run) {
  return sizeof(PetscReal) * (PetscReal)ResultsWidth(run->results) * (PetscReal)(run->layout.realizations + 2);
}

PetscErrorCode RunGetWork(Run run, PetscReal *work) {
  PetscFunctionBeginUser;
  *work = 1;
  if (run->study->cost && !run->reader) PetscCall(run->study->cost(run->state, work));
  *work *= run->steps;
  PetscFunctionReturn(0);
}

PetscErrorCode RunFix(Run run, const char *realizations, const char *horizon) {
  CheckpointOptions *options = &run->cells->run[0]->checkpoint_options; /* all cells have one checkpoint */

  PetscFunctionBeginUser;
  if (realizations) options->fixed_realizations = realizations;
  if (horizon) options->fixed_horizon = horizon;
  PetscFunctionReturn(0);
}

PetscErrorCode RunSetReader(Run run, RunReader reader, void *context) {
  PetscFunctionBeginUser;
  run->reader = reader;
  run->context = context;
  PetscFunctionReturn(0);
}

PetscBool RunReads(Run run) {
  return run->reader != NULL ? PETSC_TRUE : PETSC_FALSE;
}
