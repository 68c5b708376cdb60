#include "record/impl.h"

#include <chorale/deck.h>
#include <chorale/table.h>
#include <string.h>
#include <unistd.h>

#define COLUMNS    "step,time,energy_mean,energy_sem,order_mean,order_sem,cosine_mean,cosine_sem"
#define TABLE_ROWS 20 /* printed; the CSV has all */

/* Frames are step 0, every output_every steps, and step L. */
PetscInt RecordStep(Record record, PetscInt frame) {
  return PetscMin(record->steps, frame * record->every);
}

PetscReal RecordTime(Record record, PetscInt frame) {
  return record->horizon * ((PetscReal)RecordStep(record, frame) / (PetscReal)record->steps);
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
  x->frames = x->steps / x->every + 1 + (x->steps % x->every != 0);
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

PetscErrorCode RecordCreate(const char *study, Ensemble ensemble, Tokens tokens, PetscInt steps, PetscReal horizon,
                            Record *record) {
  Record x;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&x));
  PetscCall(PetscStrncpy(x->study, study, sizeof(x->study)));
  PetscCall(EnsembleGetLayout(ensemble, &x->ensemble));
  PetscCall(TokensGetLayout(tokens, &x->tokens));
  PetscCallMPI(MPI_Comm_rank(x->ensemble.world, &x->rank));
  PetscCallMPI(MPI_Comm_rank(x->ensemble.shards, &x->shard));
  x->steps = steps;
  x->horizon = horizon;
  PetscCall(ReadDeck(x));
  PetscCall(OutputCreate(x->ensemble.world, study, x->trajectories, &x->output));
  PetscCall(TableCheckOutput(x->ensemble.world));
  *record = x;
  PetscFunctionReturn(0);
}

PetscErrorCode RecordDestroy(Record *record) {
  PetscFunctionBeginUser;
  if (!*record) PetscFunctionReturn(0);
  PetscCall(TrajectoryDestroy(&(*record)->trajectory));
  PetscCall(PetscFree((*record)->values));
  PetscCall(PetscFree(*record));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordView(Record record) {
  const EnsembleLayout *e = &record->ensemble;
  const PetscReal frame = 8.0 * OBSERVE_VALUES * record->frames, MB = 1e-6;

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

/* One more frame of this realization's trajectory, which lives from its first frame to its last. */
static PetscErrorCode WritePositions(Record x, PetscInt r, PetscInt frame, Tokens tokens) {
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  if (frame == 0) {
    PetscCall(OutputMakeDirectory(x->tokens.comm, &x->output));
    PetscCall(OutputTrajectory(&x->output, r, PETSC_FALSE, path));
    PetscCall(TrajectoryCreate(tokens, path, x->frames, x->single, x->compress, &x->trajectory));
  }
  PetscCall(TrajectoryWrite(x->trajectory, RecordStep(x, frame), RecordTime(x, frame), tokens));
  if (frame == x->frames - 1) PetscCall(TrajectoryDestroy(&x->trajectory));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordFrame(Record record, PetscInt r, PetscInt step, Tokens tokens, Attention attention) {
  const size_t length = (size_t)record->ensemble.owned * (size_t)record->frames * OBSERVE_VALUES;
  PetscReal values[OBSERVE_VALUES];
  PetscInt i, frame;

  PetscFunctionBeginUser;
  PetscCheck(RecordDue(record, step), record->tokens.comm, PETSC_ERR_ARG_OUTOFRANGE,
             "no frame is due after step %" PetscInt_FMT, step);
  frame = step == record->steps ? record->frames - 1 : step / record->every;
  i = (r - record->ensemble.group) / record->ensemble.groups;
  PetscCall(ObservablesEvaluate(tokens, attention, values));
  if (!record->shard) {
    if (!record->values) PetscCall(PetscCalloc1(length, &record->values));
    memcpy(record->values + ((size_t)i * (size_t)record->frames + (size_t)frame) * OBSERVE_VALUES, values,
           sizeof(values));
  }
  if (r < record->trajectories) PetscCall(WritePositions(record, r, frame, tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode PrintTable(Record x, const double *mean, const double *sem) {
  static const Observable columns[] = {OBSERVE_ENERGY, OBSERVE_ORDER, OBSERVE_COSINE_MEAN};
  Table table;

  PetscFunctionBeginUser;
  PetscCall(TableCreate(x->ensemble.world, COLUMNS, &table));
  for (PetscInt t = 0; t < x->frames && !x->rank; t++) {
    PetscCall(TableAddInt(table, RecordStep(x, t)));
    PetscCall(TableAddReal(table, RecordTime(x, t)));
    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++) {
      const size_t at = (size_t)t * OBSERVE_VALUES + (size_t)ObservableGetInfo(columns[c])->first;
      PetscCall(TableAddReal(table, mean[at]));
      PetscCall(TableAddReal(table, sem[at]));
    }
  }
  PetscCall(TableFinish(table, TABLE_ROWS));
  PetscCall(TableDestroy(&table));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteFiles(Record x, const double *mean, const double *sem) {
  PetscFunctionBeginUser;
  PetscCall(ResultsWrite(x, x->output.temporary, mean, sem));
  PetscCall(OutputCommit(x->ensemble.world, &x->output));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordFinish(Record record) {
  const size_t length = record->rank ? 0 : (size_t)record->frames * OBSERVE_VALUES;
  PetscErrorCode failed;
  double *mean, *sem;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(length, &mean, length, &sem));
  PetscCall(ResultsStatistics(record, mean, sem));
  failed = WriteFiles(record, mean, sem);
  if (failed && !record->rank) (void)unlink(record->output.temporary);
  PetscCall(failed);
  PetscCall(PrintTable(record, mean, sem));
  PetscCall(PetscFree2(mean, sem));
  PetscFunctionReturn(0);
}
