#include <chorale/findings.h>

#include "run/impl.h"

#include <chorale/deck.h>
#include <chorale/table.h>

#include <string.h>
#include <unistd.h>

#define NAME  64
#define RANK  4
#define ITEMS 128 /* scalars, texts and arrays of one study */

/* A named part of the results beside the table. */
typedef struct {
  enum { ITEM_REAL, ITEM_TEXT, ITEM_ARRAY } type;
  char name[NAME];
  PetscReal real;
  char *text;
  int rank;
  PetscInt64 shape[RANK];
  PetscReal *values;
} Item;

struct _p_Findings {
  MPI_Comm comm;
  char study[32];
  char *columns;
  PetscInt width; /* of a row of values */
  PetscInt64 rows, room;
  PetscReal *values; /* [rows][width] */
  char **labels;     /* [rows], NULL for tables of numbers */
  Item items[ITEMS];
  PetscInt count;
  PetscInt realizations; /* in partial results, -1 in complete ones */
  Output output;
};

PetscErrorCode FindingsCreate(MPI_Comm comm, const char *study, const char *columns, Findings *findings) {
  Findings f;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&f));
  f->comm = comm;
  PetscCall(PetscStrncpy(f->study, study, sizeof(f->study)));
  PetscCall(PetscStrallocpy(columns, &f->columns));
  f->realizations = -1;
  f->width = 1;
  for (const char *c = columns; *c; c++) f->width += *c == ',';
  PetscCall(OutputCreate(comm, study, 0, &f->output));
  PetscCall(TableCheckOutput(comm, columns));
  *findings = f;
  PetscFunctionReturn(0);
}

/* Nothing is found yet. */
static PetscErrorCode Clear(Findings f) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < f->count; i++) {
    PetscCall(PetscFree(f->items[i].text));
    PetscCall(PetscFree(f->items[i].values));
  }
  for (PetscInt64 r = 0; f->labels && r < f->rows; r++) PetscCall(PetscFree(f->labels[r]));
  PetscCall(PetscFree(f->labels));
  PetscCall(PetscFree(f->values));
  f->count = 0;
  f->rows = f->room = 0;
  f->realizations = -1;
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsDestroy(Findings *findings) {
  Findings f = *findings;

  PetscFunctionBeginUser;
  if (!f) PetscFunctionReturn(0);
  PetscCall(Clear(f));
  PetscCall(PetscFree(f->columns));
  PetscCall(PetscFree(*findings));
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsView(Findings f) {
  char table[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("output_table", table));
  PetscCall(PetscPrintf(f->comm, "findings   %s%s%s\n", f->output.file, *table ? ", table in " : "", table));
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsBeginPartial(Findings f, PetscInt realizations) {
  PetscFunctionBeginUser;
  PetscCall(Clear(f));
  f->realizations = realizations;
  PetscFunctionReturn(0);
}

PetscBool FindingsArePartial(Findings f) {
  return (PetscBool)(f->realizations >= 0);
}

PetscErrorCode FindingsLabeledRow(Findings f, const char *label, const PetscReal values[]) {
  const PetscInt width = f->width - (label ? 1 : 0);

  PetscFunctionBeginUser;
  PetscCheck(!f->rows || !label == !f->labels, f->comm, PETSC_ERR_ARG_WRONG, "rows with and without a label");
  if (f->rows == f->room) {
    const PetscInt64 room = f->room ? 2 * f->room : 64;
    PetscCall(PetscRealloc((size_t)room * (size_t)width * sizeof(*f->values), &f->values));
    if (label) PetscCall(PetscRealloc((size_t)room * sizeof(*f->labels), &f->labels));
    f->room = room;
  }
  PetscCall(PetscArraycpy(f->values + f->rows * width, values, width));
  if (label) PetscCall(PetscStrallocpy(label, &f->labels[f->rows]));
  f->rows++;
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsRow(Findings f, const PetscReal values[]) {
  PetscFunctionBeginUser;
  PetscCall(FindingsLabeledRow(f, NULL, values));
  PetscFunctionReturn(0);
}

static PetscErrorCode NewItem(Findings f, const char *name, Item **item) {
  PetscFunctionBeginUser;
  PetscCheck(f->count < ITEMS, f->comm, PETSC_ERR_ARG_OUTOFRANGE, "a study has at most %d scalars and arrays", ITEMS);
  PetscCheck(strlen(name) < NAME, f->comm, PETSC_ERR_ARG_OUTOFRANGE, "%s: the name is too long", name);
  *item = &f->items[f->count++];
  PetscCall(PetscStrncpy((*item)->name, name, NAME));
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsScalar(Findings f, const char *key, PetscReal value) {
  Item *item;

  PetscFunctionBeginUser;
  PetscCall(NewItem(f, key, &item));
  item->type = ITEM_REAL;
  item->real = value;
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsText(Findings f, const char *key, const char *value) {
  Item *item;

  PetscFunctionBeginUser;
  PetscCall(NewItem(f, key, &item));
  item->type = ITEM_TEXT;
  PetscCall(PetscStrallocpy(value, &item->text));
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsFit(Findings f, const char *key, FitValue value) {
  char name[2 * NAME];

  PetscFunctionBeginUser;
  PetscCall(FindingsScalar(f, key, value.value));
  PetscCall(PetscSNPrintf(name, sizeof(name), "%s_low", key));
  PetscCall(FindingsScalar(f, name, value.low));
  PetscCall(PetscSNPrintf(name, sizeof(name), "%s_high", key));
  PetscCall(FindingsScalar(f, name, value.high));
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsArray(Findings f, const char *key, int rank, const PetscInt64 shape[],
                             const PetscReal values[]) {
  size_t size = 1;
  Item *item;

  PetscFunctionBeginUser;
  PetscCheck(1 <= rank && rank <= RANK, f->comm, PETSC_ERR_ARG_OUTOFRANGE, "%s: an array of rank %d", key, rank);
  PetscCall(NewItem(f, key, &item));
  item->type = ITEM_ARRAY;
  item->rank = rank;
  for (int i = 0; i < rank; i++) size *= (size_t)(item->shape[i] = shape[i]);
  PetscCall(PetscMalloc1(size, &item->values));
  PetscCall(PetscArraycpy(item->values, values, size));
  PetscFunctionReturn(0);
}

/* The columns of the table as arrays; labels become an attribute, since arrays hold numbers. */
static PetscErrorCode WriteColumns(Findings f, Hdf hdf, const char *group) {
  const PetscInt skip = f->labels ? 1 : 0, width = f->width - skip;
  const PetscInt64 shape[1] = {f->rows};
  char path[PETSC_MAX_PATH_LEN], *names, *rest, *name;
  PetscReal *column;
  PetscInt c = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscStrallocpy(f->columns, &names));
  PetscCall(PetscMalloc1(f->rows, &column));
  for (name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest), c++) {
    if (c < skip) {
      PetscCall(HdfAttributeStrings(hdf, group, name, (int)f->rows, (const char *const *)f->labels));
      continue;
    }
    for (PetscInt64 r = 0; r < f->rows; r++) column[r] = f->values[r * width + c - skip];
    PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s", group, name));
    PetscCall(HdfWriteReals(hdf, path, 1, shape, column));
  }
  PetscCall(PetscFree(column));
  PetscCall(PetscFree(names));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteItem(const Item *item, Hdf hdf, const char *group) {
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  switch (item->type) {
  case ITEM_REAL:
    PetscCall(HdfAttributeReal(hdf, group, item->name, item->real));
    break;
  case ITEM_TEXT:
    PetscCall(HdfAttributeString(hdf, group, item->name, item->text));
    break;
  case ITEM_ARRAY:
    PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s", group, item->name));
    PetscCall(HdfWriteReals(hdf, path, item->rank, item->shape, item->values));
    break;
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteFile(Findings f) {
  char group[NAME];
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(group, sizeof(group), "/study/%s", f->study));
  PetscCall(HdfOpen(f->comm, f->output.temporary, "w", NULL, &hdf));
  PetscCall(HdfWriteGroup(hdf, group));
  if (f->rows) PetscCall(WriteColumns(f, hdf, group));
  for (PetscInt i = 0; i < f->count; i++) PetscCall(WriteItem(&f->items[i], hdf, group));
  PetscCall(ResultsWriteOrigin(f->comm, (PetscBool)!FindingsArePartial(f), hdf));
  if (FindingsArePartial(f)) {
    char done[NAME];
    PetscCall(PetscSNPrintf(done, sizeof(done), "%" PetscInt_FMT, f->realizations));
    PetscCall(HdfAttributeString(hdf, "/provenance", "realizations_done", done));
  }
  PetscCall(HdfClose(&hdf));
  PetscCall(OutputCommit(f->comm, &f->output));
  PetscFunctionReturn(0);
}

static PetscErrorCode PrintTable(Findings f, PetscInt rows) {
  const PetscInt width = f->width - (f->labels ? 1 : 0);
  Table table;

  PetscFunctionBeginUser;
  PetscCall(TableCreate(f->comm, f->columns, &table));
  for (PetscInt64 r = 0; r < f->rows; r++) {
    if (f->labels) PetscCall(TableAddString(table, f->labels[r]));
    for (PetscInt c = 0; c < width; c++) {
      const PetscReal value = f->values[r * width + c];
      if (PetscIsNanReal(value))
        PetscCall(TableAddEmpty(table));
      else
        PetscCall(TableAddReal(table, value));
    }
  }
  PetscCall(TableFinish(table, rows));
  PetscCall(TableDestroy(&table));
  PetscFunctionReturn(0);
}

PetscErrorCode FindingsFinish(Findings f, PetscInt rows) {
  PetscErrorCode failed;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(f->comm, &rank));
  /* The table first: results that are complete say that nothing is left to do. */
  if (!FindingsArePartial(f)) PetscCall(PrintTable(f, rows));
  failed = WriteFile(f);
  if (failed && !rank) (void)unlink(f->output.temporary);
  PetscCall(failed);
  PetscCall(Clear(f));
  PetscFunctionReturn(0);
}
