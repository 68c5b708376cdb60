/* The driver of every study. */
#include <chorale/study.h>

#include <chorale/observables.h>
#include <chorale/progress.h>
#include <signal.h>

#include "io/provenance.h"
#include "run/output.h"
#include "run/target.h"
#include "run/trajectories.h"
#include "study/options.h"

struct _p_Run {
  const Study *study;
  RunOptions options;
  OutputOptions output_options;
  CheckpointOptions checkpoint_options;
  ProgressOptions progress_options;
  void *state;
  Output output;
  Ensemble ensemble;
  EnsembleLayout layout;
  PetscInt steps, stride;
  Frames frames;
  Results results;
  Trajectories trajectories;
  Checkpoint checkpoint;
  Progress progress;
  Target target;    /* NULL: all realizations that are asked for */
  PetscInt current; /* realization in progress, among those of the group */
  RunReader reader;
  void *context;
};

PetscErrorCode RunCreateEnsemble(Run run, const EnsembleOptions *options, PetscInt blocks, EnsembleLayout *layout) {
  static const EnsembleOptions single = {.realizations = 1, .groups = 1};

  PetscFunctionBeginUser;
  PetscCall(EnsembleCreate(options ? options : &single, options ? blocks : 1, &run->ensemble));
  PetscCall(EnsembleGetLayout(run->ensemble, &run->layout));
  *layout = run->layout;
  PetscFunctionReturn(0);
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

PetscErrorCode RunGetBytes(Run run, PetscReal *bytes) {
  PetscReal more = 0;

  PetscFunctionBeginUser;
  PetscCall(ResultsGetBytes(run->results, bytes));
  if (run->trajectories) PetscCall(TrajectoriesGetBytes(run->trajectories, &more));
  *bytes += more;
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

/* What the deck says of any run; the study reads the rest. */
static PetscErrorCode ReadOptions(Run run) {
  PetscFunctionBeginUser;
  PetscCall(DeckRead(RunKeys, &run->options));
  PetscCall(DeckRead(OutputKeys, &run->output_options));
  PetscCall(DeckRead(CheckpointKeys, &run->checkpoint_options));
  PetscCall(DeckRead(ProgressKeys, &run->progress_options));
  PetscFunctionReturn(0);
}

/* All objects, checked, before anything runs. */
static PetscErrorCode Create(Run run) {
  const Study *study = run->study;
  ResultsForm form = study->form;

  PetscFunctionBeginUser;
  form.study = study->name;
  run->stride = 1;
  PetscCall(
      OutputCreate(PETSC_COMM_WORLD, study->name, &run->output_options, run->checkpoint_options.resume, &run->output));
  PetscCall(ResultsCreate(&form, &run->results));
  PetscCall(PetscCalloc(study->size, &run->state));
  PetscCall(study->create(run->state, run));
  PetscCall(ResultsSetUp(run->results, run->ensemble, &run->frames, run->output, TrajectoriesCount(run->trajectories)));
  if (!run->reader) PetscCall(TargetCreate(run->results, run->ensemble, &run->output_options, &run->target));
  if (!run->options.dry && !study->form.only_table) PetscCall(OutputLock(run->output, study->checkpoints));
  if (!study->checkpoints) PetscFunctionReturn(0);
  PetscCall(CheckpointCreate(&run->checkpoint_options, run->output, run->ensemble, run->steps, &run->checkpoint));
  if (study->keep) PetscCall(study->keep(run->state, run->checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Run run) {
  PetscFunctionBeginUser;
  PetscCall(CheckpointDestroy(&run->checkpoint));
  PetscCall(TrajectoriesDestroy(&run->trajectories));
  PetscCall(TargetDestroy(&run->target));
  if (run->study->destroy) PetscCall(run->study->destroy(run->state));
  PetscCall(PetscFree(run->state));
  PetscCall(ResultsDestroy(&run->results));
  PetscCall(OutputDestroy(&run->output));
  PetscCall(FramesDestroy(&run->frames));
  PetscCall(EnsembleDestroy(&run->ensemble));
  PetscCall(PetscFree(run->context));
  PetscCall(PetscFree(run));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Run run) {
  PetscFunctionBeginUser;
  if (!run->study->quiet) PetscCall(EnsembleView(run->ensemble));
  if (run->study->view) PetscCall(run->study->view(run->state));
  PetscCall(ResultsView(run->results));
  if (run->trajectories) PetscCall(TrajectoriesView(run->trajectories));
  PetscCall(TargetView(run->target));
  if (run->checkpoint && !run->study->quiet && !run->reader) PetscCall(CheckpointView(run->checkpoint));
  PetscFunctionReturn(0);
}

/* The results so far or, complete, all of them: file first, then what may fail without loss. */
static PetscErrorCode Publish(Run run, PetscBool complete) {
  Samples *samples;

  PetscFunctionBeginUser;
  PetscCall(ResultsBegin(run->results, complete, &samples));
  if (samples->all && run->checkpoint && !run->reader)
    PetscCall(CheckpointKeepDone(run->checkpoint, samples->width, samples->all, &samples->realizations));
  if (run->study->report) PetscCall(run->study->report(run->state, samples, run->results));
  if (complete) PetscCall(TargetReport(run->target, run->results));
  PetscCall(ResultsCommit(run->results));
  if (!complete) PetscFunctionReturn(0);
  if (run->checkpoint) PetscCall(CheckpointRemove(run->checkpoint));
  OutputUnlock(run->output); /* what is left is words */
  PetscCall(ResultsTell(run->results));
  PetscFunctionReturn(0);
}

static PetscErrorCode PublishPartial(void *run) {
  PetscFunctionBeginUser;
  PetscCall(Publish((Run)run, PETSC_FALSE));
  PetscFunctionReturn(0);
}

/* Before a checkpoint: the frames it counts on are on disk. */
static PetscErrorCode Flush(void *run) {
  PetscFunctionBeginUser;
  if (((Run)run)->trajectories) PetscCall(TrajectoriesFlush(((Run)run)->trajectories));
  PetscFunctionReturn(0);
}

/* What a checkpoint keeps of the numbers, and what goes with it. */
static PetscErrorCode KeepNumbers(Run run) {
  const PetscBool thins = run->study->thins;

  PetscFunctionBeginUser;
  PetscCall(CheckpointAddRows(run->checkpoint, "samples", thins ? run->frames.count : 0, run->frames.step,
                              ResultsColumns(run->results), ResultsWidth(run->results),
                              ResultsFrame(run->results, 0, 0)));
  PetscCall(CheckpointSetActions(run->checkpoint, Flush, PublishPartial, run));
  PetscFunctionReturn(0);
}

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

/* Realization r at its start, or where a checkpoint left it: *l steps are done. */
static PetscErrorCode Begin(Run run, PetscInt r, PetscInt *l) {
  const Study *study = run->study;
  PetscBool lost = PETSC_FALSE;

  PetscFunctionBeginUser;
  *l = 0;
  if (study->start) PetscCall(study->start(run->state, r));
  if (run->checkpoint) PetscCall(CheckpointResume(run->checkpoint, r, l));
  if (*l == run->steps) PetscFunctionReturn(0);
  if (*l && run->trajectories)
    PetscCall(TrajectoriesResume(run->trajectories, r, FramesSoFar(&run->frames, *l), &lost));
  if (lost) {
    *l = 0;
    PetscCall(study->start(run->state, r));
  }
  if (!*l) {
    PetscReal *tail = RunGetTail(run);
    for (PetscInt i = 0; i < ResultsWidth(run->results) - run->frames.count * ResultsColumns(run->results); i++)
      tail[i] = NAN;
    PetscCall(Frame(run, r, 0));
  } else if (study->resume)
    PetscCall(study->resume(run->state, r, *l));
  PetscFunctionReturn(0);
}

static PetscErrorCode Realize(Run run, PetscInt r, PetscBool *stopped) {
  const PetscInt64 before = (PetscInt64)run->current * run->steps;
  PetscBool ended = PETSC_FALSE;
  PetscInt l;

  PetscFunctionBeginUser;
  PetscCall(Begin(run, r, &l));
  while (l < run->steps && !*stopped) {
    if (run->study->step) PetscCall(run->study->step(run->state, r, l, &ended));
    l = ended ? run->steps : l + 1;
    if (!ended) PetscCall(Frame(run, r, l));
    if (run->progress) PetscCall(ProgressUpdate(run->progress, before + l));
    if (run->study->checkpoints && l % run->stride == 0) PetscCall(CheckpointStep(run->checkpoint, r, l, stopped));
  }
  PetscFunctionReturn(0);
}

/* All realizations of this group that are asked for by now. */
static PetscErrorCode Batch(Run run, PetscBool *stopped) {
  PetscInt r;

  PetscFunctionBeginUser;
  while (!*stopped && EnsembleNext(run->ensemble, &r)) {
    run->current = r / run->layout.groups;
    PetscCall(Realize(run, r, stopped));
  }
  if (run->study->checkpoints) PetscCall(CheckpointFinish(run->checkpoint, stopped));
  PetscFunctionReturn(0);
}

/* Batch after batch until the target is met or nothing is left. */
static PetscErrorCode Approach(Run run, PetscBool *stopped) {
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
    PetscCall(Batch(run, stopped));
    if (!*stopped) PetscCall(TargetNext(run->target, &more));
    if (!*stopped && more && run->checkpoint) PetscCall(CheckpointGoOn(run->checkpoint));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Loop(Run run, PetscBool *stopped) {
  const PetscInt64 steps = (PetscInt64)run->layout.owned * run->steps;

  PetscFunctionBeginUser;
  if (!run->study->quiet)
    PetscCall(ProgressCreate(run->layout.world, &run->progress_options, run->study->name, steps, &run->progress));
  if (run->target)
    PetscCall(Approach(run, stopped));
  else
    PetscCall(Batch(run, stopped));
  PetscCall(ProgressDestroy(&run->progress));
  PetscFunctionReturn(0);
}

static PetscErrorCode Go(Run run, PetscBool *stopped) {
  PetscFunctionBeginUser;
  if (run->study->prepare) PetscCall(run->study->prepare(run->state));
  PetscCall(ResultsAllocate(run->results));
  if (run->reader)
    PetscCall(run->reader(run->context, run->results, run->checkpoint, &run->layout));
  else {
    if (run->checkpoint) PetscCall(KeepNumbers(run));
    PetscCall(Loop(run, stopped));
  }
  if (!*stopped) PetscCall(Publish(run, PETSC_TRUE));
  PetscFunctionReturn(0);
}

PetscErrorCode StudyRun(const Study *study, StudyFinder find, StudyLister tables) {
  const Study *const named = study;
  PetscBool complete = PETSC_FALSE, stopped = PETSC_FALSE;
  Run run;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&run));
  if (study->select) PetscCall(study->select(run, find, &study));
  if (study->options != named->options) {
    PetscCall(DeckUse(tables, study->name));
    if (study->select) PetscCall(study->select(run, find, &study)); /* of one that reads: what its deck asks for */
  }
  run->study = study;
  (void)signal(SIGPIPE, SIG_IGN); /* a closed stdout is a failed print, told when the results are safe */
  if (study->checkpoints) PetscCall(CheckpointCatchSignals());
  PetscCall(ProvenanceReadInputs());
  PetscCall(ReadOptions(run));
  PetscCall(Create(run));
  const PetscBool dry = run->options.dry;
  if (dry) PetscCall(DeckView());
  if (dry || !(study->quiet || run->reader)) PetscCall(View(run));
  if (run->checkpoint) PetscCall(CheckpointIsComplete(run->checkpoint, &complete));
  if (complete && !dry) PetscCall(CheckpointRemove(run->checkpoint)); /* of a run that was killed before it did so */
  if (!dry && !complete) PetscCall(Go(run, &stopped));
  const PetscErrorCode code = stopped ? CheckpointStopped(run->checkpoint) : 0;
  PetscCall(Destroy(run));
  PetscFunctionReturn(code);
}
