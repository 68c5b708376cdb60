#include "run/impl.h"

#include <chorale/deck.h>
#include <chorale/table.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TABLE_ROWS 20          /* printed; the CSV has all */
#define CLOCK      "step,time" /* the first columns */

const char *RecordColumn(Record record, PetscInt quantity) {
  switch (quantity) {
  case OBSERVE_ENERGY:
  case OBSERVE_ORDER:
    return record->quantity[quantity].name;
  case OBSERVE_COSINE_MEAN:
    return "cosine";
  default: /* numbers that a study adds */
    return quantity >= OBSERVABLES && record->quantity[quantity].size == 1 ? record->quantity[quantity].name : NULL;
  }
}

PetscBool RecordDue(Record record, PetscInt step) {
  return step % record->every == 0 || step == record->steps ? PETSC_TRUE : PETSC_FALSE;
}

static PetscErrorCode ReadDeck(Record x) {
  char precision[PETSC_MAX_PATH_LEN];
  PetscInt64 value;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("output_every", &value));
  x->every = (PetscInt)PetscMin(value, x->steps);
  PetscCall(DeckGetInt("output_trajectories", &value));
  PetscCheck(value <= x->ensemble.realizations, x->ensemble.world, PETSC_ERR_USER_INPUT,
             "output_trajectories = %" PetscInt64_FMT ": must be at most ensemble_realizations = %" PetscInt_FMT, value,
             x->ensemble.realizations);
  x->trajectories = (PetscInt)value;
  PetscCall(DeckGetInt("output_compress", &value));
  x->compress = (PetscInt)value;
  PetscCall(DeckGetString("output_precision", precision));
  PetscCall(PetscStrcmp(precision, "single", &x->single));
  PetscFunctionReturn(0);
}

/* The object with the observables as its quantities. */
static PetscErrorCode New(const char *study, Ensemble ensemble, Tokens tokens, Record *record) {
  Record x;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&x));
  PetscCall(PetscStrncpy(x->study, study, sizeof(x->study)));
  PetscCall(EnsembleGetLayout(ensemble, &x->ensemble));
  PetscCall(TokensGetLayout(tokens, &x->tokens));
  PetscCallMPI(MPI_Comm_rank(x->ensemble.world, &x->rank));
  PetscCallMPI(MPI_Comm_rank(x->ensemble.shards, &x->shard));
  for (int o = 0; o < OBSERVABLES; o++) x->quantity[o] = *ObservableGetInfo((Observable)o);
  x->quantities = OBSERVABLES;
  x->width = OBSERVE_VALUES;
  *record = x;
  PetscFunctionReturn(0);
}

static PetscErrorCode CheckOutput(Record x) {
  const PetscInt64 numbers = (PetscInt64)x->frames * x->width; /* of a realization: a row of checkpoints */
  const char *key = x->every ? "output_every" : "analyze_every";
  PetscInt64 every;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt(key, &every));
  PetscCheck(numbers <= INT_MAX, x->ensemble.world, PETSC_ERR_USER_INPUT,
             "%s = %" PetscInt64_FMT ": %" PetscInt_FMT " frames are too many, at most %d can be recorded", key, every,
             x->frames, INT_MAX / (int)x->width);
  PetscCall(OutputCreate(x->ensemble.world, x->study, x->trajectories, &x->output));
  PetscCall(TableCheckOutput(x->ensemble.world, CLOCK));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordCreate(const char *study, Ensemble ensemble, Tokens tokens, PetscInt steps, PetscReal horizon,
                            Record *record) {
  Record x;

  PetscFunctionBeginUser;
  PetscCall(New(study, ensemble, tokens, &x));
  x->steps = steps;
  PetscCall(ReadDeck(x));
  /* Frames are step 0, every output_every steps, and step L. */
  x->frames = steps / x->every + 1 + (steps % x->every != 0);
  PetscCall(PetscMalloc2(x->frames, &x->step, x->frames, &x->time));
  for (PetscInt t = 0; t < x->frames; t++) {
    x->step[t] = PetscMin(steps, (PetscInt64)t * x->every);
    x->time[t] = horizon * ((PetscReal)x->step[t] / (PetscReal)steps);
  }
  PetscCall(CheckOutput(x));
  *record = x;
  PetscFunctionReturn(0);
}

PetscErrorCode RecordCreateFrames(const char *study, Ensemble ensemble, Tokens tokens, PetscInt frames,
                                  const PetscInt64 step[], const PetscReal time[], PetscInt count,
                                  const ObservableInfo quantity[], Record *record) {
  Record x;

  PetscFunctionBeginUser;
  PetscCall(New(study, ensemble, tokens, &x));
  PetscCheck(OBSERVABLES + count <= RECORD_QUANTITIES, PETSC_COMM_SELF, PETSC_ERR_PLIB, "raise RECORD_QUANTITIES");
  for (PetscInt q = 0; q < count; q++) {
    x->quantity[OBSERVABLES + q] = quantity[q];
    x->quantity[OBSERVABLES + q].first = x->width;
    x->width += quantity[q].size;
  }
  x->quantities += count;
  x->frames = frames;
  PetscCall(PetscMalloc2(frames, &x->step, frames, &x->time));
  PetscCall(PetscArraycpy(x->step, step, frames));
  PetscCall(PetscArraycpy(x->time, time, frames));
  PetscCall(CheckOutput(x));
  *record = x;
  PetscFunctionReturn(0);
}

PetscErrorCode RecordDestroy(Record *record) {
  PetscFunctionBeginUser;
  if (!*record) PetscFunctionReturn(0);
  PetscCall(TrajectoryDestroy(&(*record)->trajectory));
  PetscCall(PetscFree((*record)->values));
  for (PetscInt i = 0; i < (*record)->texts; i++) {
    PetscCall(PetscFree((*record)->text[i][0]));
    PetscCall(PetscFree((*record)->text[i][1]));
  }
  PetscCall(PetscFree2((*record)->step, (*record)->time));
  PetscCall(PetscFree(*record));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordText(Record record, const char *key, const char *value) {
  char **text = record->text[record->texts];

  PetscFunctionBeginUser;
  PetscCheck(record->texts < RECORD_TEXTS, record->ensemble.world, PETSC_ERR_ARG_SIZ, "too many texts");
  PetscCall(PetscStrallocpy(key, &text[0]));
  PetscCall(PetscStrallocpy(value, &text[1]));
  record->texts++;
  PetscFunctionReturn(0);
}

PetscErrorCode RecordView(Record record) {
  const EnsembleLayout *e = &record->ensemble;
  const PetscReal frame = 8.0 * record->width * record->frames, MB = 1e-6;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(e->world,
                        "record     %" PetscInt_FMT " frames of %" PetscInt_FMT
                        " realizations, %s (%.3g MB, %.3g MB in memory per group)\n",
                        record->frames, e->realizations, record->output.file, MB * frame * (e->realizations + 2),
                        MB * frame * e->owned));
  if (record->trajectories)
    PetscCall(PetscPrintf(e->world, "           %" PetscInt_FMT " trajectories in %s (%.3g MB each%s)\n",
                          record->trajectories, record->output.trajectories,
                          MB * (record->single ? 4 : 8) * (PetscReal)record->tokens.count * record->tokens.dim *
                              record->frames,
                          record->compress ? " before compression" : ""));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordGetBytes(Record record, PetscReal *bytes) {
  const EnsembleLayout *e = &record->ensemble;
  const TokensLayout *l = &record->tokens;
  const PetscReal frames = record->frames, width = record->width;
  const PetscReal owned = (e->realizations - 1) / e->groups + 1; /* of the first group, which has most */
  PetscInt widest = 0;
  PetscMPIInt shards;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(l->comm, &shards));
  const PetscReal numbers = (PetscReal)((l->blocks + shards - 1) / shards) * l->block * l->dim; /* of a rank's tokens */
  for (PetscInt q = 0; q < record->quantities; q++) widest = PetscMax(widest, record->quantity[q].size);
  *bytes = 8 * owned * frames * (width + widest); /* the values, and those of one observable on their way to the file */
  *bytes += 8 * (2 * frames * width + e->realizations * width); /* their statistics */
  *bytes += 8 * numbers;                                        /* what goes to a checkpoint */
  if (record->trajectories) *bytes += (record->single ? 12 : 8) * numbers + 16 * frames;
  PetscFunctionReturn(0);
}

/* Room for the frames of this group's realizations, all NaN: not recorded yet. */
static PetscErrorCode Allocate(Record x) {
  const size_t length = x->shard ? 0 : (size_t)x->ensemble.owned * (size_t)x->frames * (size_t)x->width;

  PetscFunctionBeginUser;
  if (x->values) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(length + 1, &x->values));
  for (size_t i = 0; i < length; i++) x->values[i] = NAN;
  PetscFunctionReturn(0);
}

/* One more frame of this realization's trajectory, which lives from its first frame to its last. */
static PetscErrorCode WritePositions(Record x, PetscInt r, PetscInt frame, Tokens tokens) {
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  if (frame == 0) {
    PetscCall(OutputMakeDirectory(x->tokens.comm, &x->output));
    PetscCall(OutputTrajectory(&x->output, r, PETSC_FALSE, path));
    PetscCall(TrajectoryCreate(tokens, path, x->frames, x->single, x->compress, &x->trajectory));
  }
  PetscCall(TrajectoryWrite(x->trajectory, (PetscInt)x->step[frame], x->time[frame], tokens));
  if (frame == x->frames - 1) PetscCall(TrajectoryDestroy(&x->trajectory));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordValues(Record record, PetscInt r, PetscInt frame, const PetscReal values[]) {
  const size_t i = (size_t)((r - record->ensemble.group) / record->ensemble.groups);

  PetscFunctionBeginUser;
  PetscCall(Allocate(record));
  if (!record->shard)
    memcpy(record->values + (i * (size_t)record->frames + (size_t)frame) * (size_t)record->width, values,
           (size_t)record->width * sizeof(*values));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordFrame(Record record, PetscInt r, PetscInt step, Tokens tokens, Attention attention) {
  PetscReal values[OBSERVE_VALUES];
  PetscInt frame;

  PetscFunctionBeginUser;
  PetscCheck(RecordDue(record, step), record->tokens.comm, PETSC_ERR_ARG_OUTOFRANGE,
             "no frame is due after step %" PetscInt_FMT, step);
  frame = step == record->steps ? record->frames - 1 : step / record->every;
  PetscCall(ObservablesEvaluate(tokens, attention, values));
  PetscCall(RecordValues(record, r, frame, values));
  if (r < record->trajectories) PetscCall(WritePositions(record, r, frame, tokens));
  PetscFunctionReturn(0);
}

/* step,time and NAME_mean,NAME_sem of every quantity that has columns; cells without a value are empty. */
static PetscErrorCode PrintTable(Record x, const double *mean, const double *sem) {
  char columns[512] = CLOCK;
  Table table;

  PetscFunctionBeginUser;
  for (PetscInt q = 0; q < x->quantities; q++) {
    const size_t length = strlen(columns);
    const char *name = RecordColumn(x, q);
    if (name) PetscCall(PetscSNPrintf(columns + length, sizeof(columns) - length, ",%s_mean,%s_sem", name, name));
  }
  PetscCall(TableCreate(x->ensemble.world, columns, &table));
  for (PetscInt t = 0; t < x->frames && !x->rank; t++) {
    PetscCall(TableAddInt(table, x->step[t]));
    PetscCall(TableAddReal(table, x->time[t]));
    for (PetscInt q = 0; q < x->quantities; q++) {
      const size_t at = (size_t)t * (size_t)x->width + (size_t)x->quantity[q].first;
      if (!RecordColumn(x, q)) continue;
      PetscCall(PetscIsNanReal(mean[at]) ? TableAddEmpty(table) : TableAddReal(table, mean[at]));
      PetscCall(PetscIsNanReal(sem[at]) ? TableAddEmpty(table) : TableAddReal(table, sem[at]));
    }
  }
  PetscCall(TableFinish(table, TABLE_ROWS));
  PetscCall(TableDestroy(&table));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteFiles(Record x, PetscBool complete, const double *mean, const double *sem) {
  PetscErrorCode failed;

  PetscFunctionBeginUser;
  failed = ResultsWrite(x, x->output.temporary, complete, mean, sem);
  if (!failed) failed = OutputCommit(x->ensemble.world, &x->output);
  if (failed && !x->rank) (void)unlink(x->output.temporary);
  PetscCall(failed);
  PetscFunctionReturn(0);
}

/* The results so far or, complete, all of them, with the table. */
static PetscErrorCode Finish(Record x, PetscBool complete) {
  const size_t length = x->rank ? 0 : (size_t)x->frames * (size_t)x->width;
  double *mean, *sem;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(length, &mean, length, &sem));
  PetscCall(Allocate(x));
  PetscCall(ResultsStatistics(x, mean, sem));
  /* The table first: results that are complete say that nothing is left to do. */
  if (complete) PetscCall(PrintTable(x, mean, sem));
  PetscCall(WriteFiles(x, complete, mean, sem));
  PetscCall(PetscFree2(mean, sem));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordFinish(Record record) {
  PetscFunctionBeginUser;
  PetscCall(Finish(record, PETSC_TRUE));
  PetscFunctionReturn(0);
}

/* Before a checkpoint: the frames it counts on are on disk. */
static PetscErrorCode FlushTrajectory(void *context) {
  Record record = (Record)context;

  PetscFunctionBeginUser;
  if (record->trajectory) PetscCall(TrajectoryFlush(record->trajectory));
  PetscFunctionReturn(0);
}

static PetscErrorCode Publish(void *context) {
  PetscFunctionBeginUser;
  PetscCall(Finish((Record)context, PETSC_FALSE));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordSetCheckpoint(Record record, Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  PetscCall(Allocate(record));
  PetscCall(CheckpointAddFrames(checkpoint, "observables", record->frames, record->step, record->width,
                                record->frames * record->width, record->values));
  PetscCall(CheckpointSetFlush(checkpoint, FlushTrajectory, record));
  PetscCall(CheckpointSetPublish(checkpoint, Publish, record));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordResume(Record record, PetscInt r, Tokens tokens, PetscInt *step) {
  const PetscInt done = *step == record->steps ? record->frames : *step / record->every + 1;
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  if (r >= record->trajectories || *step == 0 || *step == record->steps) PetscFunctionReturn(0);
  PetscCall(OutputTrajectory(&record->output, r, PETSC_FALSE, path));
  PetscCall(TrajectoryOpen(tokens, path, record->frames, done, record->single, &record->trajectory));
  if (record->trajectory) PetscFunctionReturn(0);
  if (!record->shard)
    fprintf(stderr, "chorale: warning: %s: cannot be continued; realization %d begins again\n", path, (int)r);
  *step = 0;
  PetscFunctionReturn(0);
}
