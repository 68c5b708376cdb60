/* What a report says of the numbers: rows of the table, arrays, scalars and words. */
#include "run/results_impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "run/table.h"

#define SWEEP_ROWS 40 /* cells that are printed */

PetscInt ResultsTableWidth(Results results) {
  PetscInt width = results->labels ? 0 : 1;

  for (const char *c = results->columns; *c; c++) width += *c == ',';
  return width;
}

PetscErrorCode ResultsLabeledRow(Results results, const char *label, const PetscReal values[]) {
  PetscFunctionBeginUser;
  PetscCheck(!results->rows || !label == !results->labels, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "rows with and without a label");
  if (label && !results->labels) PetscCall(PetscMalloc1(1, &results->labels));
  const PetscInt width = ResultsTableWidth(results);
  if (results->rows == results->room) {
    results->room = results->room ? 2 * results->room : 64;
    PetscCall(PetscRealloc((size_t)results->room * (size_t)width * sizeof(*results->row), &results->row));
    if (label) PetscCall(PetscRealloc((size_t)results->room * sizeof(*results->labels), &results->labels));
  }
  PetscCall(PetscArraycpy(results->row + results->rows * width, values, width));
  if (label) PetscCall(PetscStrallocpy(label, &results->labels[results->rows]));
  results->rows++;
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsRow(Results results, const PetscReal values[]) {
  PetscFunctionBeginUser;
  PetscCall(ResultsLabeledRow(results, NULL, values));
  PetscFunctionReturn(0);
}

/* A new item that has its name alone. */
static PetscErrorCode NewItem(Results results, const char *name, Item **added) {
  Item *item;

  PetscFunctionBeginUser;
  PetscCheck(strlen(name) < RESULTS_NAME, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "%s: the name is too long", name);
  if (results->count == results->items_room) {
    results->items_room = results->items_room ? 2 * results->items_room : 32;
    PetscCall(PetscRealloc((size_t)results->items_room * sizeof(*results->items), &results->items));
  }
  item = &results->items[results->count++];
  PetscCall(PetscArrayzero(item, 1));
  PetscCall(PetscStrncpy(item->name, name, RESULTS_NAME));
  *added = item;
  PetscFunctionReturn(0);
}

/* Adds an item; what a report's list has to explain, with its numbers, or a text. */
static PetscErrorCode AddItem(Results results, const char *name, const char *text, int rank, const PetscInt64 shape[],
                              const PetscReal values[]) {
  size_t size = 1;
  Item *item;

  PetscFunctionBeginUser;
  PetscCheck(0 <= rank && rank <= RESULTS_RANK, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "%s: an array of rank %d",
             name, rank);
  PetscCall(NewItem(results, name, &item));
  if (text) PetscCall(PetscStrallocpy(text, &item->text));
  if (text) PetscFunctionReturn(0);
  PetscCall(ResultsDescribe(results, name, &item->unit, item->description));
  item->rank = rank;
  for (int i = 0; i < rank; i++) size *= (size_t)(item->shape[i] = shape[i]);
  PetscCall(PetscMalloc1(size, &item->values));
  PetscCall(PetscArraycpy(item->values, values, size));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsScalar(Results results, const char *key, PetscReal value) {
  PetscFunctionBeginUser;
  PetscCall(AddItem(results, key, NULL, 0, NULL, &value));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsExplained(Results results, const QuantityText *text, PetscReal value) {
  Item *item = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewItem(results, text->name, &item));
  item->unit = text->unit;
  PetscCall(PetscStrncpy(item->description, text->description, QUANTITY_TEXT));
  PetscCall(PetscMalloc1(1, &item->values));
  item->values[0] = value;
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsText(Results results, const char *key, const char *value) {
  const char *unit;

  PetscFunctionBeginUser;
  PetscCall(AddItem(results, key, value, 0, NULL, NULL));
  PetscCall(QuantityDescribe(results->form.texts, key, &unit, results->items[results->count - 1].description));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsArray(Results results, const char *key, int rank, const PetscInt64 shape[],
                            const PetscReal values[]) {
  PetscFunctionBeginUser;
  PetscCall(AddItem(results, key, NULL, rank, shape, values));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsSetOrigin(Results results, const char *group, const char *key, const char *value) {
  PetscFunctionBeginUser;
  PetscCall(ResultsText(results, key, value));
  results->items[results->count - 1].group = group;
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsFit(Results results, const char *key, FitValue value) {
  char name[RESULTS_NAME];

  PetscFunctionBeginUser;
  PetscCall(ResultsScalar(results, key, value.value));
  PetscCall(PetscSNPrintf(name, sizeof(name), "%s_low", key));
  PetscCall(ResultsScalar(results, name, value.low));
  PetscCall(PetscSNPrintf(name, sizeof(name), "%s_high", key));
  PetscCall(ResultsScalar(results, name, value.high));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsSay(Results results, const char *format, ...) {
  va_list values;
  int written;

  PetscFunctionBeginUser;
  if (!results->paper) results->paper = open_memstream(&results->words, &results->said);
  PetscCheck(results->paper, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory for what the report says");
  va_start(values, format);
  written = vfprintf(results->paper, format, values);
  va_end(values);
  PetscCheck(written >= 0 && !fflush(results->paper), PETSC_COMM_SELF, PETSC_ERR_PLIB, "words cannot be formatted");
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsPlaceTable(Results results) {
  PetscFunctionBeginUser;
  results->place = results->said;
  PetscFunctionReturn(0);
}

/* The table first into its file, which counts, then onto paper; the error numbers of both, 0 for success. */
static PetscErrorCode Tell(Results results, const char *path, const Table *all, const Table *printed, int errors[2]) {
  const PetscBool one = results->cell < 0 ? PETSC_TRUE : PETSC_FALSE; /* cells of a sweep have rows, not words */

  PetscFunctionBeginUser;
  if (*path) errors[0] = TableWrite(all, path);
  errno = 0;
  if (one) fwrite(results->words, 1, results->place, stdout);
  PetscCall(TablePrint(printed, one ? results->form.rows : SWEEP_ROWS));
  if (one) fwrite(results->words + results->place, 1, results->said - results->place, stdout);
  if (fflush(stdout) || ferror(stdout)) errors[1] = errno ? errno : EIO;
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsTellTable(Results results, const Table *all, const Table *printed) {
  const char *path = results->output->options.table;
  int errors[2] = {0, 0};

  PetscFunctionBeginUser;
  if (!results->output->rank) PetscCall(Tell(results, path, all, printed, errors));
  PetscCallMPI(MPI_Bcast(errors, 2, MPI_INT, 0, results->layout.world));
  PetscCheck(!errors[0], results->layout.world, PETSC_ERR_FILE_WRITE, "output_table = %s: cannot be written: %s", path,
             strerror(errors[0]));
  PetscCheck(!errors[1], results->layout.world, PETSC_ERR_FILE_WRITE, "the output cannot be printed: %s%s%s",
             strerror(errors[1]), results->form.only_table ? "" : "; the results are in ",
             results->form.only_table ? "" : results->output->file);
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsTell(Results results) {
  const Table table = {.columns = results->columns,
                       .width = ResultsTableWidth(results),
                       .integers = results->form.integers,
                       .rows = results->rows,
                       .values = results->row,
                       .texts = results->labels ? 1 : 0,
                       .labels = results->labels};

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "%s", ""));
  PetscCall(ResultsTellTable(results, &table, &table));
  PetscFunctionReturn(0);
}
