/* The driver of every study. */
#include <signal.h>

#include "base/kind.h"
#include "base/patience.h"
#include "base/plan.h"
#include "io/provenance.h"
#include "run/results_read.h"
#include "study/brief.h"
#include "study/estimate.h"
#include "study/loop.h"
#include "study/run_impl.h"
#include "study/sweep.h"

/* What the deck says of any run; the study reads the rest. */
static PetscErrorCode ReadOptions(Run run) {
  PetscFunctionBeginUser;
  PetscCall(DeckRead(RunKeys, &run->options));
  PetscCall(PlanSet(run->options.ranks));
  PetscCall(DeckRead(OutputKeys, &run->output_options));
  PetscCall(DeckRead(CheckpointKeys, &run->checkpoint_options));
  PetscCall(DeckRead(ProgressKeys, &run->progress_options));
  PatienceSet(run->checkpoint_options.patience);
  PetscFunctionReturn(0);
}

/* The objects of a cell. */
static PetscErrorCode CreateCell(Run run) {
  const Study *study = run->study;
  ResultsForm form = study->form;

  PetscFunctionBeginUser;
  form.study = study->name;
  run->stride = 1;
  PetscCall(DeckSelect(run->cell));
  PetscCall(ResultsCreateCell(&form, run->cells->count > 1 ? run->cell : -1, &run->results));
  PetscCall(PetscCalloc(study->size, &run->state));
  PetscCall(study->create(run->state, run));
  PetscFunctionReturn(0);
}

static PetscErrorCode DestroyCell(Run run) {
  PetscFunctionBeginUser;
  PetscCall(TrajectoriesDestroy(&run->trajectories));
  PetscCall(TargetDestroy(&run->target));
  if (run->study->destroy && run->state) PetscCall(run->study->destroy(run->state));
  PetscCall(PetscFree(run->state));
  PetscCall(ResultsDestroy(&run->results));
  PetscCall(FramesDestroy(&run->frames));
  PetscCall(EnsembleDestroy(&run->ensemble));
  PetscFunctionReturn(0);
}

/* Cells of more tokens than the first may ask for other groups: then all are made again. */
static PetscErrorCode CreateCells(Cells *cells) {
  PetscInt blocks;

  PetscFunctionBeginUser;
  do {
    blocks = cells->blocks;
    for (PetscInt c = 0; c < cells->count && cells->ensemble; c++) PetscCall(DestroyCell(cells->run[c]));
    if (cells->ensemble) PetscCall(EnsembleDestroy(&cells->ensemble));
    for (PetscInt c = 0; c < cells->count; c++) {
      PetscCall(CreateCell(cells->run[c]));
      if (!c) blocks = PetscMax(blocks, cells->blocks);
    }
  } while (cells->blocks > blocks);
  PetscFunctionReturn(0);
}

/* How many times as long as another a step of a sweep may take. */
static void FindSpread(const Cells *cells, const PetscReal work[]) {
  PetscReal least = PETSC_MAX_REAL, most = 0;

  for (PetscInt c = 0; c < cells->count; c++) {
    const PetscReal step = work[c] / PetscMax(1, cells->run[c]->steps);
    least = PetscMin(least, step);
    most = PetscMax(most, step);
  }
  PatienceSpread(least > 0 ? most / least : 1);
}

/* Shares the realizations of all cells out over the groups. */
static PetscErrorCode ShareOut(Cells *cells) {
  PetscReal *work;
  PetscInt *first;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(cells->count, &work, cells->count, &first));
  for (PetscInt c = 0; c < cells->count; c++) PetscCall(RunGetWork(cells->run[c], &work[c]));
  FindSpread(cells, work);
  const EnsembleLayout *layout = &cells->run[0]->layout;
  PetscCall(SweepShare(cells->count, work, layout->realizations, layout->groups, cells->order, first));
  for (PetscInt c = 0; c < cells->count; c++) {
    Run run = cells->run[c];
    PetscCall(EnsembleTurn(run->ensemble, first[c]));
    PetscCall(EnsembleGetLayout(run->ensemble, &run->layout));
  }
  PetscCall(PetscFree2(work, first));
  PetscFunctionReturn(0);
}

/* Cells that share what a layer draws become one team, and stand side by side in the order of the first of each. */
static PetscErrorCode FormTeams(Cells *cells) {
  PetscInt *order, *leader, n = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(cells->count, &order, cells->count, &leader));
  for (PetscInt i = 0; i < cells->count; i++) {
    Run run = cells->run[cells->order[i]];
    PetscBool shared = PETSC_FALSE;
    for (run->team = 0; run->team < n && !shared; run->team++) {
      if (!run->study->share || run->reader) continue;
      PetscCall(run->study->share(run->state, cells->run[leader[run->team]]->state, &shared));
    }
    if (shared)
      run->team--;
    else
      leader[n++] = run->cell;
  }
  PetscCall(PetscArraycpy(order, cells->order, cells->count));
  for (PetscInt team = 0, to = 0; team < n; team++)
    for (PetscInt i = 0; i < cells->count; i++)
      if (cells->run[order[i]]->team == team) cells->order[to++] = order[i];
  PetscCall(PetscFree2(order, leader));
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateCheckpoint(Cells *cells) {
  const Run first = cells->run[0];
  Ensemble *ensembles;
  PetscInt *steps;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(cells->count, &ensembles, cells->count, &steps));
  for (PetscInt c = 0; c < cells->count; c++) ensembles[c] = cells->run[c]->ensemble, steps[c] = cells->run[c]->steps;
  first->checkpoint_options.grows = first->study->grows;
  PetscCall(CheckpointCreateCells(&first->checkpoint_options, first->output, cells->ensemble, cells->count, ensembles,
                                  steps, &first->checkpoint));
  PetscCall(PetscFree2(ensembles, steps));
  for (PetscInt c = 0; c < cells->count; c++) {
    Run run = cells->run[c];
    run->checkpoint = first->checkpoint;
    PetscCall(CheckpointSetCell(run->checkpoint, c));
    if (run->study->keep) PetscCall(run->study->keep(run->state, run->checkpoint));
  }
  PetscCall(CheckpointCheckEnds(first->checkpoint));
  PetscFunctionReturn(0);
}

/* Results are written beside those before; a study that only computes a table writes little. */
static PetscErrorCode CheckRoom(Cells *cells) {
  PetscReal bytes = TrajectoriesDisk(cells->run[0]->trajectories);

  PetscFunctionBeginUser;
  if (cells->run[0]->study->form.only_table) PetscFunctionReturn(0);
  for (PetscInt c = 0; c < cells->count; c++) bytes += 2 * RunResultsDisk(cells->run[c]);
  PetscCall(OutputCheckRoom(cells->run[0]->output, bytes));
  PetscFunctionReturn(0);
}

/* All objects, checked, before anything runs. */
static PetscErrorCode Create(Cells *cells) {
  const Run first = cells->run[0];
  const Study *study = first->study;

  PetscFunctionBeginUser;
  PetscCheck(cells->count == 1 || !first->output_options.trajectories, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "output_trajectories = %" PetscInt64_FMT ": must be 0 in a sweep", first->output_options.trajectories);
  PetscCheck(cells->count == 1 || !first->checkpoint_options.keep, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "checkpoint_keep = true: must be false in a sweep, which goes on with more realizations only");
  PetscCall(OutputCreate(PETSC_COMM_WORLD, study->name, &first->output_options, first->checkpoint_options.resume,
                         &first->output));
  for (PetscInt c = 1; c < cells->count; c++) cells->run[c]->output = first->output;
  PetscCall(CreateCells(cells));
  PetscCall(ShareOut(cells));
  PetscCall(FormTeams(cells));
  for (PetscInt c = 0; c < cells->count; c++) {
    Run run = cells->run[c];
    PetscCall(DeckSelect(c));
    PetscCall(
        ResultsSetUp(run->results, run->ensemble, &run->frames, run->output, TrajectoriesCount(run->trajectories)));
    PetscCall(ResultsCheckCell(first->results, run->results));
  }
  PetscCall(DeckSelect(DECK_WHOLE));
  if (!first->reader) PetscCall(TargetCreate(first->results, first->ensemble, &first->output_options, &first->target));
  if (first->target) PetscCall(RunFix(first, NULL, "ensemble_target"));
  if (!study->form.only_table) PetscCall(OutputLock(first->output, study->checkpoints, first->options.dry));
  if (study->checkpoints) PetscCall(CreateCheckpoint(cells));
  PetscCall(CheckRoom(cells));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Cells *cells) {
  const Run first = cells->run[0];

  PetscFunctionBeginUser;
  PetscCall(CheckpointDestroy(&first->checkpoint));
  for (PetscInt c = 0; c < cells->count; c++) PetscCall(DestroyCell(cells->run[c]));
  PetscCall(OutputDestroy(&first->output));
  PetscCall(EnsembleDestroy(&cells->ensemble));
  PetscCall(PetscFree(first->context));
  for (PetscInt c = 0; c < cells->count; c++) PetscCall(PetscFree(cells->run[c]));
  PetscCall(PetscFree2(cells->run, cells->order));
  PetscFunctionReturn(0);
}

/* Cells of the largest team. */
static PetscInt LargestTeam(const Cells *cells) {
  PetscInt most = 0, size = 0;

  for (PetscInt i = 0; i < cells->count; i++) {
    size = i && cells->run[cells->order[i]]->team == cells->run[cells->order[i - 1]]->team ? size + 1 : 1;
    most = PetscMax(most, size);
  }
  return most;
}

/* Of a sweep, the cell with the most work. */
static PetscErrorCode View(Cells *cells) {
  const Run run = cells->run[cells->order[0]];

  PetscFunctionBeginUser;
  if (!run->study->quiet) PetscCall(EnsembleView(cells->ensemble));
  if (cells->count > 1) PetscCall(SweepView(LargestTeam(cells), run->cell));
  PetscCall(DeckSelect(run->cell));
  if (run->study->view) PetscCall(run->study->view(run->state));
  PetscCall(ResultsView(run->results));
  PetscCall(DeckSelect(DECK_WHOLE));
  if (run->trajectories) PetscCall(TrajectoriesView(run->trajectories));
  PetscCall(TargetView(run->target));
  if (run->checkpoint && !run->study->quiet && !run->reader) PetscCall(CheckpointView(run->checkpoint));
  PetscFunctionReturn(0);
}

/* What is done of a cell, and what its report says of it. */
static PetscErrorCode Fill(Run run, PetscBool complete) {
  Samples *samples;

  PetscFunctionBeginUser;
  PetscCall(ResultsBegin(run->results, complete, &samples));
  if (samples->all && run->checkpoint && !run->reader) {
    PetscCall(CheckpointSetCell(run->checkpoint, run->cell));
    PetscCall(CheckpointKeepDone(run->checkpoint, samples->width, samples->all, &samples->realizations));
  }
  if (run->study->report) PetscCall(run->study->report(run->state, samples, run->results));
  if (complete) PetscCall(TargetReport(run->target, run->results));
  if (run->checkpoint && CheckpointContinued(run->checkpoint)[0])
    PetscCall(ResultsSetOrigin(run->results, "/provenance", "continued", CheckpointContinued(run->checkpoint)));
  PetscFunctionReturn(0);
}

typedef struct {
  Cells *cells;
  PetscBool complete;
} Publication;

static PetscErrorCode FillCell(void *context, PetscInt cell) {
  const Publication *publication = context;

  PetscFunctionBeginUser;
  PetscCall(DeckSelect(cell));
  PetscCall(Fill(publication->cells->run[cell], publication->complete));
  PetscCall(DeckSelect(DECK_WHOLE)); /* that is what the file is to say */
  PetscFunctionReturn(0);
}

/* The results so far or, complete, all of them: file first, then what may fail without loss. */
static PetscErrorCode Publish(Cells *cells, PetscBool complete) {
  const Run first = cells->run[0];
  Publication publication = {cells, complete};
  Results *results;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(cells->count, &results));
  for (PetscInt c = 0; c < cells->count; c++) results[c] = cells->run[c]->results;
  if (cells->count > 1)
    PetscCall(ResultsCommitCells(cells->count, results, FillCell, &publication));
  else {
    PetscCall(Fill(first, complete));
    PetscCall(ResultsCommit(first->results));
  }
  if (complete && first->checkpoint) PetscCall(CheckpointRemove(first->checkpoint));
  if (complete) OutputUnlock(first->output); /* what is left is words */
  if (complete) PetscCall(cells->count > 1 ? ResultsTellCells(cells->count, results) : ResultsTell(first->results));
  PetscCall(PetscFree(results));
  PetscFunctionReturn(0);
}

static PetscErrorCode PublishPartial(void *cells) {
  PetscFunctionBeginUser;
  PetscCall(Publish((Cells *)cells, PETSC_FALSE));
  PetscFunctionReturn(0);
}

/* Before a checkpoint: the frames it counts on are on disk. */
static PetscErrorCode Flush(void *cells) {
  const Run first = ((Cells *)cells)->run[0];

  PetscFunctionBeginUser;
  if (first->trajectories) PetscCall(TrajectoriesFlush(first->trajectories));
  PetscFunctionReturn(0);
}

/* What a checkpoint keeps of the numbers, and what goes with it. */
static PetscErrorCode KeepNumbers(Run run) {
  const PetscBool thins = run->study->thins;

  PetscFunctionBeginUser;
  PetscCall(CheckpointSetCell(run->checkpoint, run->cell));
  PetscCall(CheckpointAddRows(run->checkpoint, "samples", thins ? run->frames.count : 0, run->frames.step,
                              ResultsColumns(run->results), ResultsWidth(run->results),
                              ResultsFrame(run->results, 0, 0)));
  PetscCall(CheckpointSetActions(run->checkpoint, Flush, PublishPartial, run->cells));
  PetscFunctionReturn(0);
}

static PetscErrorCode Go(Cells *cells, PetscBool *stopped) {
  const Run first = cells->run[0];

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < cells->count; c++) {
    Run run = cells->run[c];
    PetscCall(DeckSelect(c));
    if (run->study->prepare) PetscCall(run->study->prepare(run->state));
    PetscCall(ResultsAllocate(run->results, PETSC_TRUE));
    if (!run->checkpoint || run->reader) continue;
    PetscCall(KeepNumbers(run));
    PetscCall(ResultsReadEarlier(run->results, run->checkpoint));
  }
  PetscCall(DeckSelect(DECK_WHOLE));
  if (first->reader)
    PetscCall(first->reader(first->context, first->results, first->checkpoint, &first->layout));
  else
    PetscCall(LoopRun(cells, stopped));
  if (!*stopped) PetscCall(Publish(cells, PETSC_TRUE));
  PetscFunctionReturn(0);
}

/* The study that runs: a sweep must not go over keys that choose it. */
static PetscErrorCode Select(Run run, StudyFinder find, const Study *named, const Study **study) {
  PetscFunctionBeginUser;
  *study = named;
  for (PetscInt c = 0; c < DeckCells() && named->select; c++) {
    const Study *other = named;
    PetscCall(DeckSelect(c));
    PetscCall(named->select(run, find, &other));
    if (!c) *study = other;
    PetscCheck(other == *study, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "%s: the cells of a sweep must be of one kind of this study", named->name);
  }
  PetscCall(DeckSelect(DECK_WHOLE));
  PetscFunctionReturn(0);
}

/* A run for each cell, the first of which is there. */
static PetscErrorCode MakeRuns(Cells *cells, Run first) {
  PetscFunctionBeginUser;
  cells->count = DeckCells();
  PetscCall(PetscMalloc2(cells->count, &cells->run, cells->count, &cells->order));
  for (PetscInt c = 0; c < cells->count; c++) {
    cells->run[c] = first;
    if (!c) continue;
    PetscCall(PetscNew(&cells->run[c]));
    *cells->run[c] = *first;
    cells->run[c]->cell = c;
  }
  PetscFunctionReturn(0);
}

PetscErrorCode StudyRun(const Study *study, StudyFinder find, StudyLister tables) {
  const Study *const named = study;
  PetscBool complete = PETSC_FALSE, stopped = PETSC_FALSE;
  Cells cells = {0};
  Run run;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&run));
  run->cells = &cells;
  PetscCall(Select(run, find, named, &study));
  if (study->options != named->options) {
    PetscCall(DeckUse(tables, study->name));
    if (study->select) PetscCall(study->select(run, find, &study)); /* of one that reads: what its deck asks for */
  }
  run->study = study;
  (void)signal(SIGPIPE, SIG_IGN); /* a closed stdout is a failed print, told when the results are safe */
  if (study->checkpoints) PetscCall(CheckpointCatchSignals());
  PetscCall(ProvenanceReadInputs());
  PetscCall(ReadOptions(run));
  PetscCall(KindCompare(PETSC_COMM_WORLD));
  PetscCall(MakeRuns(&cells, run));
  PetscCall(Create(&cells));
  const PetscBool dry = run->options.dry;
  if (dry) PetscCall(DeckView());
  if (dry || (run->options.verbose && !study->quiet && !run->reader))
    PetscCall(View(&cells));
  else if (!study->quiet && !run->reader)
    PetscCall(BriefView(&cells));
  if (dry) PetscCall(EstimateView(&cells));
  if (run->checkpoint) PetscCall(CheckpointIsComplete(run->checkpoint, &complete));
  if (complete && !dry) PetscCall(CheckpointRemove(run->checkpoint)); /* of a run that was killed before it did so */
  if (!dry && !complete) PetscCall(Go(&cells, &stopped));
  const PetscErrorCode code = stopped ? CheckpointStopped(run->checkpoint) : 0;
  PetscCall(Destroy(&cells));
  PetscFunctionReturn(code);
}
