/* The declared quantities and their numbers. */
#include "run/results_impl.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CLOCK "step,time" /* the first columns of a table of observables */

PetscErrorCode ResultsCreate(const ResultsForm *form, Results *results) {
  PetscFunctionBeginUser;
  PetscCall(ResultsCreateCell(form, -1, results));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsCreateCell(const ResultsForm *form, PetscInt cell, Results *results) {
  PetscFunctionBeginUser;
  PetscCall(PetscNew(results));
  (*results)->cell = cell;
  (*results)->form = *form;
  if (form->columns) PetscCall(PetscStrallocpy(form->columns, &(*results)->columns));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsClear(Results results) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < results->count; i++) {
    PetscCall(PetscFree(results->items[i].text));
    PetscCall(PetscFree(results->items[i].values));
  }
  for (PetscInt64 r = 0; results->labels && r < results->rows; r++) PetscCall(PetscFree(results->labels[r]));
  PetscCall(PetscFree(results->labels));
  PetscCall(PetscFree(results->row));
  PetscCall(PetscFree(results->samples.all));
  PetscCall(PetscFree2(results->mean, results->sem));
  results->count = 0;
  results->rows = results->room = 0;
  if (results->paper) (void)fclose(results->paper);
  free(results->words);
  results->paper = NULL;
  results->words = NULL;
  results->said = results->place = 0;
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsDestroy(Results *results) {
  Results old = *results;

  PetscFunctionBeginUser;
  if (!old) PetscFunctionReturn(0);
  PetscCall(ResultsClear(old));
  PetscCall(PetscFree(old->items));
  PetscCall(PetscFree(old->values));
  PetscCall(PetscFree(old->columns));
  PetscCall(PetscFree(*results));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsDescribe(Results results, const char *name, const char **unit, char description[QUANTITY_TEXT]) {
  static const QuantityText clock[] = {
      {"step", "1", "steps that are done"}, {"time", "time", "time in units of which layers_horizon is the last"}, {0}};

  PetscFunctionBeginUser;
  PetscCall(QuantityDescribe(results->form.texts, name, unit, description));
  if (!*unit) PetscCall(QuantityDescribe(clock, name, unit, description));
  PetscCheck(*unit, PETSC_COMM_SELF, PETSC_ERR_PLIB, "%s: study %s does not declare it", name, results->form.study);
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsDeclare(Results results, const Quantity *quantity) {
  const PetscInt size = QuantitySize(quantity);
  Quantity *own = &results->quantity[results->quantities];

  PetscFunctionBeginUser;
  PetscCheck(results->quantities < RESULTS_QUANTITIES, PETSC_COMM_SELF, PETSC_ERR_PLIB, "raise RESULTS_QUANTITIES");
  *own = *quantity;
  if (own->name && !own->unit) {
    own->description = results->described[results->quantities];
    PetscCall(ResultsDescribe(results, own->name, &own->unit, results->described[results->quantities]));
  }
  if (own->kind == QUANTITY_REALIZATION) {
    results->first[results->quantities] = results->tail;
    results->tail += size;
  } else {
    results->first[results->quantities] = results->frame;
    results->frame += size;
  }
  results->observed += own->kind == QUANTITY_OBSERVABLE;
  results->quantities++;
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsSetColumns(Results results, const char *columns) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(results->columns));
  PetscCall(PetscStrallocpy(columns, &results->columns));
  PetscFunctionReturn(0);
}

/* step,time and COLUMN_mean,COLUMN_sem of every observable that has columns. */
static PetscErrorCode NameColumns(Results results) {
  char columns[1024] = CLOCK;

  PetscFunctionBeginUser;
  for (PetscInt q = 0; q < results->quantities; q++) {
    const char *name = results->quantity[q].column;
    char pair[128];
    if (!name) continue;
    PetscCall(PetscSNPrintf(pair, sizeof(pair), ",%s_mean,%s_sem", name, name));
    PetscCall(PetscStrlcat(columns, pair, sizeof(columns)));
  }
  PetscCall(ResultsSetColumns(results, columns));
  PetscFunctionReturn(0);
}

/* A row of a checkpoint has an int's worth of numbers: refuses the key that makes frames fewer. */
static PetscErrorCode CheckCount(const char *key, const char *value, void *context) {
  Results results = context;
  const PetscInt64 numbers = (PetscInt64)results->frames->count * results->frame + results->tail;

  PetscFunctionBeginUser;
  const char *const cause = !results->frames->every                ? "analyze_every"
                            : results->frames->every == FRAMES_LOG ? "output_log"
                                                                   : "output_every";

  PetscCheck(numbers <= INT_MAX || strcmp(key, cause), results->layout.world, PETSC_ERR_USER_INPUT,
             "%s = %s: %" PetscInt_FMT " frames are too many, at most %d can be recorded", key, value,
             results->frames->count, (int)((INT_MAX - results->tail) / PetscMax(results->frame, 1)));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsSweepColumns(const char *columns, char **all) {
  const char *const *values, *key;
  size_t length = strlen(columns) + 1;
  PetscBool numeric;
  PetscInt n;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; (key = DeckAxis(i, &n, &values, &numeric)); i++) length += strlen(key) + 1;
  PetscCall(PetscCalloc1(length, all));
  for (PetscInt i = 0; (key = DeckAxis(i, &n, &values, &numeric)); i++) {
    strcat(*all, key);
    strcat(*all, ",");
  }
  strcat(*all, columns);
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsSetUp(Results results, Ensemble ensemble, const Frames *frames, Output output,
                            PetscInt trajectories) {
  char *columns;

  PetscFunctionBeginUser;
  results->ensemble = ensemble;
  results->frames = frames;
  results->output = output;
  results->trajectories = trajectories;
  PetscCall(EnsembleGetLayout(ensemble, &results->layout));
  PetscCallMPI(MPI_Comm_rank(results->layout.shards, &results->shard));
  if (!results->columns) PetscCall(NameColumns(results));
  PetscCall(DeckVisit(CheckCount, results));
  if (results->cell > 0) PetscFunctionReturn(0); /* files are those of all cells */
  if (!results->form.only_table) PetscCall(OutputCheckFile(output, trajectories));
  PetscCall(ResultsSweepColumns(results->columns, &columns));
  PetscCall(OutputCheckTable(output, columns));
  PetscCall(PetscFree(columns));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsView(Results results) {
  const EnsembleLayout *e = &results->layout;
  const PetscReal MB = 1e-6, row = 8.0 * results->frame * results->frames->count;
  const char *table = results->output->options.table;

  PetscFunctionBeginUser;
  if (results->form.only_table) PetscFunctionReturn(0);
  if (results->observed)
    PetscCall(PetscPrintf(e->world,
                          "record     %" PetscInt_FMT " %s of %" PetscInt_FMT
                          " %s, %s (%.3g MB, %.3g MB in memory per group)\n",
                          results->frames->count, results->frames->count == 1 ? "frame" : "frames", e->realizations,
                          e->realizations == 1 ? "realization" : "realizations", results->output->file,
                          MB * row * (e->realizations + 2), MB * row * e->owned));
  else
    PetscCall(PetscPrintf(e->world, "results    %s%s%s\n", results->output->file, *table ? ", table in " : "", table));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsGetBytes(Results results, PetscReal *bytes) {
  const EnsembleLayout *e = &results->layout;
  const PetscReal frames = results->frames->count, frame = results->frame;
  const PetscReal owned = (e->realizations - 1) / e->groups + 1; /* of the first group, which has most */
  PetscInt widest = 0;

  PetscFunctionBeginUser;
  for (PetscInt q = 0; q < results->quantities; q++) widest = PetscMax(widest, QuantitySize(&results->quantity[q]));
  *bytes = 8 * owned * frames * (frame + widest); /* the values, and those of one observable on their way to the file */
  *bytes += 8 * (2 * frames * frame + e->realizations * frame); /* their statistics */
  PetscFunctionReturn(0);
}

PetscInt ResultsColumns(Results results) {
  return results->frame;
}

PetscInt ResultsArrays(Results results) {
  return results->quantities + 4 * results->observed;
}

PetscInt ResultsWidth(Results results) {
  return results->frame * results->frames->count + results->tail;
}

const Frames *ResultsGetFrames(Results results) {
  return results->frames;
}

const Quantity *ResultsGetQuantity(Results results, PetscInt i, PetscInt *first) {
  if (i >= results->quantities) return NULL;
  *first = results->first[i];
  return &results->quantity[i];
}

PetscErrorCode ResultsAllocate(Results results, PetscBool kept) {
  PetscFunctionBeginUser;
  results->scratch = results->shard || !kept ? PETSC_TRUE : PETSC_FALSE;
  const size_t length = results->scratch ? (size_t)(results->frame + results->tail)
                                         : (size_t)results->layout.owned * (size_t)ResultsWidth(results);
  PetscCall(PetscMalloc1(length + 1, &results->values));
  for (size_t i = 0; i < length; i++) results->values[i] = NAN;
  PetscFunctionReturn(0);
}

PetscReal *ResultsFrame(Results results, PetscInt i, PetscInt f) {
  if (results->scratch) return results->values;
  return results->values + (size_t)i * (size_t)ResultsWidth(results) + (size_t)f * (size_t)results->frame;
}

PetscReal *ResultsTail(Results results, PetscInt i) {
  return ResultsFrame(results, i, results->scratch ? 0 : results->frames->count) +
         (results->scratch ? results->frame : 0);
}

PetscBool ResultsAreGathered(Results results) {
  return results->observed < results->quantities ? PETSC_TRUE : PETSC_FALSE;
}

PetscErrorCode ResultsBegin(Results results, PetscBool complete, Samples **samples) {
  const PetscInt width = ResultsWidth(results);
  PetscInt R;

  PetscFunctionBeginUser;
  PetscCall(EnsembleGetLayout(results->ensemble, &results->layout)); /* of those that are asked for by now */
  R = results->layout.realizations;
  results->complete = complete;
  results->samples = (Samples){R, results->frame, width, results->frames, NULL};
  *samples = &results->samples;
  if (!ResultsAreGathered(results)) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1((size_t)R * (size_t)width, &results->samples.all));
  PetscCall(EnsembleGather(results->ensemble, width, results->values, results->samples.all));
  PetscFunctionReturn(0);
}
