/* Steps and frames of all realizations of all cells. */
#include "study/loop.h"

#include "base/patience.h"

/* The frame that is due after l steps of realization r, if one is. */
static PetscErrorCode Frame(Run run, PetscInt r, PetscInt l) {
  const PetscInt f = FramesAt(&run->frames, l);

  PetscFunctionBeginUser;
  if (f < 0) PetscFunctionReturn(0);
  PetscCall(run->study->frame(run->state, r, f, ResultsFrame(run->results, run->current, f)));
  if (run->trajectories) PetscCall(TrajectoriesWrite(run->trajectories, r, f));
  PetscFunctionReturn(0);
}

/* Frames up to step l, which is that of a frame or not. */
static PetscInt FramesSoFar(const Frames *frames, PetscInt l) {
  PetscInt count = 0;

  while (count < frames->count && frames->step[count] <= l) count++;
  return count;
}

/* The number of realization r among those of all cells, which a checkpoint knows it by. */
static PetscInt Number(Run run, PetscInt r) {
  return run->cell * run->layout.realizations + r;
}

/* Realization r at its start, or where a checkpoint left it. */
static PetscErrorCode Begin(Run run, PetscInt r) {
  const Study *study = run->study;
  PetscInt *const l = &run->done;
  PetscBool lost = PETSC_FALSE;

  PetscFunctionBeginUser;
  *l = 0;
  if (study->start) PetscCall(study->start(run->state, r));
  if (run->checkpoint) PetscCall(CheckpointResume(run->checkpoint, Number(run, r), l));
  if (*l == run->steps) PetscFunctionReturn(0);
  if (*l && run->trajectories)
    PetscCall(TrajectoriesResume(run->trajectories, r, FramesSoFar(&run->frames, *l), &lost));
  if (lost) {
    *l = 0;
    PetscCall(study->start(run->state, r));
  }
  if (!*l) {
    RunClearTail(run);
    PetscCall(Frame(run, r, 0));
  } else if (study->resume)
    PetscCall(study->resume(run->state, r, *l));
  PetscFunctionReturn(0);
}

/* Realization r by one step. */
static PetscErrorCode Advance(Run run, PetscInt r, PetscBool *stopped) {
  const PetscInt before = run->done;
  PetscBool ended = PETSC_FALSE;

  PetscFunctionBeginUser;
  if (run->study->step) PetscCall(run->study->step(run->state, r, before, &ended));
  run->done = ended ? run->steps : before + 1;
  run->cells->done += run->done - before;
  if (!ended) PetscCall(Frame(run, r, run->done));
  if (run->progress) PetscCall(ProgressUpdate(run->progress, run->cells->done));
  if (run->study->checkpoints && run->done % run->stride == 0)
    PetscCall(CheckpointStep(run->checkpoint, Number(run, r), run->done, stopped));
  PetscFunctionReturn(0);
}

/* Realization r of n cells of a team, step by step: those that have done least, which a checkpoint may have left
 * between two others, go first. */
static PetscErrorCode Realize(PetscInt n, const Run runs[], PetscInt r, PetscBool *stopped) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < n; i++) {
    runs[i]->current = r / runs[i]->layout.groups;
    PetscCall(Begin(runs[i], r));
    runs[i]->cells->done += runs[i]->done;
  }
  while (!*stopped) {
    PetscInt least = PETSC_MAX_INT;
    for (PetscInt i = 0; i < n; i++)
      if (runs[i]->done < runs[i]->steps) least = PetscMin(least, runs[i]->done);
    if (least == PETSC_MAX_INT) break;
    for (PetscInt i = 0; i < n && !*stopped; i++)
      if (runs[i]->done == least && least < runs[i]->steps) PetscCall(Advance(runs[i], r, stopped));
  }
  PetscFunctionReturn(0);
}

/* The groups of a study without checkpoints come together. */
static PetscErrorCode Meet(Run run) {
  PetscFunctionBeginUser;
  (void)PatienceAcross(1);
  if (run->layout.groups > 1) PetscCallMPI(MPI_Barrier(run->layout.world));
  (void)PatienceAcross(0);
  PetscFunctionReturn(0);
}

/* The next realization of this group in a cell, PETSC_MAX_INT behind the last. */
static void FindNext(Run run) {
  if (!EnsembleNext(run->ensemble, &run->next)) run->next = PETSC_MAX_INT;
}

/* The realizations of a team in the order of their numbers, those of one number together. */
static PetscErrorCode RealizeTeam(const Cells *cells, PetscInt n, const PetscInt team[], PetscBool *stopped) {
  Run *runs;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &runs));
  for (PetscInt i = 0; i < n; i++) FindNext(cells->run[team[i]]);
  while (!*stopped) {
    PetscInt r = PETSC_MAX_INT, count = 0;
    for (PetscInt i = 0; i < n; i++) r = PetscMin(r, cells->run[team[i]]->next);
    if (r == PETSC_MAX_INT) break;
    for (PetscInt i = 0; i < n; i++)
      if (cells->run[team[i]]->next == r) runs[count++] = cells->run[team[i]];
    PetscCall(Realize(count, runs, r, stopped));
    for (PetscInt i = 0; i < count; i++) FindNext(runs[i]);
  }
  PetscCall(PetscFree(runs));
  PetscFunctionReturn(0);
}

/* All realizations of this group that are asked for by now. */
static PetscErrorCode Batch(Cells *cells, PetscBool *stopped) {
  const Run first = cells->run[0];

  PetscFunctionBeginUser;
  for (PetscInt i = 0, end = 0; i < cells->count && !*stopped; i = end) {
    while (end < cells->count && cells->run[cells->order[end]]->team == cells->run[cells->order[i]]->team) end++;
    PetscCall(RealizeTeam(cells, end - i, cells->order + i, stopped));
  }
  PetscCall(first->checkpoint ? CheckpointFinish(first->checkpoint, stopped) : Meet(first));
  PetscFunctionReturn(0);
}

/* Batch after batch until the target is met or nothing is left. */
static PetscErrorCode Approach(Cells *cells, PetscBool *stopped) {
  const Run run = cells->run[0];
  EnsembleLayout layout;
  PetscBool more = PETSC_TRUE;
  char note[64];

  PetscFunctionBeginUser;
  PetscCall(TargetBegin(run->target));
  while (more && !*stopped) {
    PetscCall(EnsembleGetLayout(run->ensemble, &layout));
    PetscCall(PetscSNPrintf(note, sizeof(note), "%" PetscInt_FMT "/%" PetscInt_FMT, layout.realizations,
                            run->layout.realizations));
    if (run->progress) PetscCall(ProgressSetStage(run->progress, (PetscInt64)layout.owned * run->steps, note));
    PetscCall(Batch(cells, stopped));
    if (!*stopped) PetscCall(TargetNext(run->target, &more));
    if (!*stopped && more && run->checkpoint) PetscCall(CheckpointGoOn(run->checkpoint));
  }
  if (!*stopped && run->checkpoint) PetscCall(CheckpointCheckCount(run->checkpoint, layout.realizations));
  PetscFunctionReturn(0);
}

PetscErrorCode LoopRun(Cells *cells, PetscBool *stopped) {
  const Run first = cells->run[0];
  PetscInt64 steps = 0;
  Progress progress = NULL;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < cells->count; c++) steps += (PetscInt64)cells->run[c]->layout.owned * cells->run[c]->steps;
  if (!first->study->quiet)
    PetscCall(ProgressCreate(first->layout.world, &first->progress_options, first->study->name, steps, &progress));
  for (PetscInt c = 0; c < cells->count; c++) cells->run[c]->progress = progress;
  if (first->target)
    PetscCall(Approach(cells, stopped));
  else
    PetscCall(Batch(cells, stopped));
  PetscCall(ProgressDestroy(&progress));
  PetscFunctionReturn(0);
}
