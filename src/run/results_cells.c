/* The results of a sweep: what a run leaves, with the axes of its cells in front. What has frames and realizations is
 * written cell by cell; scalars, texts, arrays and tables, which are short, together at the end. */
#include "run/results_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH  256
#define VALUE 64 /* characters of a key's value */

/* The i-th axis: its key and values. */
static const char *Axis(PetscInt i, PetscInt *n, const char *const **values) {
  PetscBool numeric;

  return DeckAxis(i, n, values, &numeric);
}

/* ---- may the cells stand in one file? ---- */

/* One without a name is not measured in its cell: NaN. */
static PetscBool AreAlike(const Quantity *a, const Quantity *b) {
  if (a->name && b->name && strcmp(a->name, b->name)) return PETSC_FALSE;
  if (a->kind != b->kind || a->rank != b->rank) return PETSC_FALSE;
  for (PetscInt i = 0; i < a->rank; i++)
    if (a->shape[i] != b->shape[i]) return PETSC_FALSE;
  return PETSC_TRUE;
}

PetscErrorCode ResultsCheckCell(Results first, Results cell) {
  const char *const *values, *key = NULL, *what = NULL;
  PetscInt n;

  PetscFunctionBeginUser;
  if (first->frames->count != cell->frames->count) what = "the number of frames";
  if (first->quantities != cell->quantities || strcmp(first->columns, cell->columns)) what = "what is measured";
  for (PetscInt q = 0; q < first->quantities && !what; q++)
    if (!AreAlike(&first->quantity[q], &cell->quantity[q])) what = "what is measured";
  if (!what) PetscFunctionReturn(0);
  for (PetscInt i = DeckAxes(); i-- > 0;) /* the first key of which this cell has another value */
    if (DeckAxisIndex(i, cell->cell)) key = Axis(i, &n, &values);
  SETERRQ(cell->layout.world, PETSC_ERR_USER_INPUT, "%s = %s,...: changes %s; the cells of a sweep must agree in that",
          key, values[0], what);
}

/* ---- items of all cells ---- */

static const Item *FindItem(Results results, const char *name) {
  for (PetscInt i = 0; i < results->count; i++)
    if (!strcmp(results->items[i].name, name)) return &results->items[i];
  return NULL;
}

/* Axes of the cells, then others. */
static int Shape(int rank, const PetscInt64 inner[], PetscInt64 shape[]) {
  const char *const *values;
  PetscInt n;
  int axes = 0;

  for (; Axis(axes, &n, &values); axes++) shape[axes] = n;
  for (int i = 0; i < rank; i++) shape[axes + i] = inner[i];
  return axes + rank;
}

static PetscErrorCode Finish(Hdf hdf, const char *path, const char *unit, const char *description) {
  PetscFunctionBeginUser;
  PetscCall(HdfAttachAxes(hdf, path));
  if (!unit) PetscFunctionReturn(0);
  PetscCall(HdfAttributeString(hdf, path, "unit", unit));
  PetscCall(HdfAttributeString(hdf, path, "description", description));
  PetscFunctionReturn(0);
}

/* Numbers of an array of this shape into the front of one that is as large in every dimension. */
static void Place(int rank, const PetscInt64 shape[], const PetscReal *from, const PetscInt64 whole[], PetscReal *to) {
  PetscInt64 inner = 1, outer = 1;

  if (!rank) {
    *to = *from;
    return;
  }
  for (int i = 1; i < rank; i++) inner *= shape[i], outer *= whole[i];
  for (PetscInt64 i = 0; i < shape[0]; i++) Place(rank - 1, shape + 1, from + i * inner, whole + 1, to + i * outer);
}

/* Numbers of a name in all cells, NaN where a cell has none or fewer. */
static PetscErrorCode WriteNumbers(PetscInt n, const Results cells[], Hdf hdf, const char *path, const Item *model) {
  PetscInt64 most[RESULTS_RANK] = {0}, shape[RESULTS_RANK + DECK_AXES];
  size_t size = 1;
  PetscReal *values;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < n; c++) {
    const Item *item = FindItem(cells[c], model->name);
    for (int i = 0; item && i < model->rank; i++) most[i] = PetscMax(most[i], item->shape[i]);
  }
  for (int i = 0; i < model->rank; i++) size *= (size_t)most[i];
  PetscCall(PetscMalloc1((size_t)n * size, &values));
  for (size_t i = 0; i < (size_t)n * size; i++) values[i] = NAN;
  for (PetscInt c = 0; c < n; c++) {
    const Item *item = FindItem(cells[c], model->name);
    if (item) Place(model->rank, item->shape, item->values, most, values + (size_t)c * size);
  }
  PetscCall(HdfWriteReals(hdf, path, Shape(model->rank, most, shape), shape, values));
  PetscCall(Finish(hdf, path, model->unit, model->description));
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

/* A text in all cells, empty where a cell has none. */
static PetscErrorCode WriteTexts(PetscInt n, const Results cells[], Hdf hdf, const char *path, const Item *model) {
  PetscInt64 shape[DECK_AXES];
  const char **values;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &values));
  for (PetscInt c = 0; c < n; c++) {
    const Item *item = FindItem(cells[c], model->name);
    values[c] = item ? item->text : "";
  }
  PetscCall(HdfWriteStrings(hdf, path, Shape(0, NULL, shape), shape, values));
  PetscCall(Finish(hdf, path, NULL, NULL));
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

/* Names of all cells, each once: that of the first cell that has it speaks for all. */
static PetscErrorCode WriteItems(PetscInt n, const Results cells[], Hdf hdf, const char *group) {
  char path[PATH];
  PetscBool exists;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < n; c++)
    for (PetscInt i = 0; i < cells[c]->count; i++) {
      const Item *item = &cells[c]->items[i];
      PetscBool seen = PETSC_FALSE;
      for (PetscInt before = 0; before < c && !seen; before++)
        seen = FindItem(cells[before], item->name) ? PETSC_TRUE : PETSC_FALSE;
      if (seen) continue;
      if (item->group) { /* of the origin, which is that of all */
        PetscCall(HdfAttributeString(hdf, item->group, item->name, item->text));
        continue;
      }
      PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s", group, item->name));
      PetscCall(HdfExists(hdf, path, &exists));
      PetscCheck(!exists, PETSC_COMM_SELF, PETSC_ERR_PLIB, "%s: is a number and an array", path);
      PetscCall(item->text ? WriteTexts(n, cells, hdf, path, item) : WriteNumbers(n, cells, hdf, path, item));
    }
  PetscFunctionReturn(0);
}

/* ---- tables of all cells ---- */

static PetscInt64 MostRows(PetscInt n, const Results cells[], PetscBool *same) {
  PetscInt64 most = 0;

  *same = PETSC_TRUE;
  for (PetscInt c = 0; c < n; c++) {
    most = PetscMax(most, cells[c]->rows);
    if (cells[c]->rows != cells[0]->rows) *same = PETSC_FALSE;
  }
  return most;
}

/* Column `number` of the numbers of the tables, [cells][rows]; whole numbers as such if no row is missing. */
static PetscErrorCode WriteColumn(PetscInt n, const Results cells[], Hdf hdf, const char *path, const char *name,
                                  PetscInt number) {
  const PetscInt width = ResultsTableWidth(cells[0]);
  PetscBool same;
  const PetscInt64 rows = MostRows(n, cells, &same);
  PetscInt64 shape[1 + DECK_AXES], *integer;
  char description[QUANTITY_TEXT];
  const char *unit;
  PetscReal *column;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(n * rows, &column, n * rows, &integer));
  for (PetscInt c = 0; c < n; c++)
    for (PetscInt64 r = 0; r < rows; r++) {
      const PetscReal value = r < cells[c]->rows ? cells[c]->row[r * width + number] : NAN;
      column[c * rows + r] = value;
      integer[c * rows + r] = isnan(value) ? 0 : (PetscInt64)value;
    }
  const int rank = Shape(1, &rows, shape);
  if (number < cells[0]->form.integers && same)
    PetscCall(HdfWriteInts(hdf, path, rank, shape, integer));
  else
    PetscCall(HdfWriteReals(hdf, path, rank, shape, column));
  PetscCall(PetscFree2(column, integer));
  PetscCall(ResultsDescribeColumn(cells[0], name, &unit, description));
  PetscCall(Finish(hdf, path, unit, description));
  PetscFunctionReturn(0);
}

/* The texts of the first column, where it is one. */
static PetscErrorCode WriteLabels(PetscInt n, const Results cells[], Hdf hdf, const char *path) {
  PetscBool same;
  const PetscInt64 rows = MostRows(n, cells, &same);
  PetscInt64 shape[1 + DECK_AXES];
  const char **values;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n * rows, &values));
  for (PetscInt c = 0; c < n; c++)
    for (PetscInt64 r = 0; r < rows; r++) values[c * rows + r] = r < cells[c]->rows ? cells[c]->labels[r] : "";
  PetscCall(HdfWriteStrings(hdf, path, Shape(1, &rows, shape), shape, values));
  PetscCall(Finish(hdf, path, NULL, NULL));
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteTables(PetscInt n, const Results cells[], Hdf hdf, const char *group) {
  char path[PATH], **names;
  PetscBool same, labeled = PETSC_FALSE;
  int count;

  PetscFunctionBeginUser;
  if (!MostRows(n, cells, &same)) PetscFunctionReturn(0);
  for (PetscInt c = 0; c < n; c++) labeled = labeled || cells[c]->labels ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(PetscStrToArray(cells[0]->columns, ',', &count, &names));
  for (int i = 0; i < count; i++) {
    PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s", group, names[i]));
    if (labeled && !i)
      PetscCall(WriteLabels(n, cells, hdf, path));
    else
      PetscCall(WriteColumn(n, cells, hdf, path, names[i], i - (labeled ? 1 : 0)));
  }
  PetscCall(PetscStrToArrayDestroy(count, names));
  PetscFunctionReturn(0);
}

/* ---- the file ---- */

/* Rows of realizations that are not done are there, but empty. */
static PetscErrorCode FillSamples(Results results) {
  Samples *samples = &results->samples;
  const PetscInt R = results->layout.realizations;

  PetscFunctionBeginUser;
  if (!samples->all) PetscFunctionReturn(0);
  for (size_t i = (size_t)samples->realizations * (size_t)samples->width; i < (size_t)R * (size_t)samples->width; i++)
    samples->all[i] = NAN;
  samples->realizations = R;
  PetscFunctionReturn(0);
}

/* What is large of a cell; what is short stays for the end. */
static PetscErrorCode WriteCell(Results results, Hdf hdf, const char *group, PetscInt *done) {
  PetscInt index[DECK_AXES];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < DeckAxes(); i++) index[i] = DeckAxisIndex(i, results->cell);
  PetscCall(ResultsMeans(results));
  *done += results->samples.realizations;
  PetscCall(FillSamples(results));
  PetscCall(HdfSetCell(hdf, index));
  PetscCall(ResultsWriteQuantities(results, hdf, group));
  PetscCall(HdfSetCell(hdf, NULL));
  PetscCall(PetscFree(results->samples.all));
  PetscCall(PetscFree2(results->mean, results->sem));
  PetscFunctionReturn(0);
}

/* /sweep: the axes, and their order. */
static PetscErrorCode WriteAxes(Hdf hdf) {
  const char *const *values, *keys[DECK_AXES];
  PetscInt n;
  PetscBool numeric;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < DeckAxes(); i++) {
    keys[i] = DeckAxis(i, &n, &values, &numeric);
    PetscCall(HdfAddAxis(hdf, keys[i], numeric, n, values));
  }
  PetscCall(HdfAttributeStrings(hdf, "/sweep", "keys", (int)DeckAxes(), keys));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteFile(PetscInt n, const Results cells[], ResultsFill fill, void *context) {
  const Results first = cells[0];
  char group[64];
  PetscInt done = 0;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(group, sizeof(group), "/study/%s", first->form.study));
  PetscCall(HdfOpen(first->layout.world, first->output->temporary, "w", NULL, &hdf));
  PetscCall(HdfAttributeString(hdf, group, "columns", first->columns));
  PetscCall(WriteAxes(hdf));
  for (PetscInt c = 0; c < n; c++) {
    PetscCall(fill(context, c));
    PetscCall(WriteCell(cells[c], hdf, group, &done));
  }
  PetscCall(WriteTables(n, cells, hdf, group));
  PetscCall(WriteItems(n, cells, hdf, group));
  PetscCall(ResultsWriteFactor(first, hdf, group));
  PetscCall(ResultsWriteOrigin(first, first->layout.world, done, hdf));
  PetscCall(HdfFlush(hdf)); /* every rank's part is on disk */
  PetscCall(HdfClose(&hdf));
  PetscCall(OutputCommit(first->output));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsCommitCells(PetscInt n, const Results cells[], ResultsFill fill, void *context) {
  PetscErrorCode failed;

  PetscFunctionBeginUser;
  if (cells[0]->form.only_table) {
    for (PetscInt c = 0; c < n; c++) PetscCall(fill(context, c));
    PetscFunctionReturn(0);
  }
  failed = WriteFile(n, cells, fill, context);
  if (failed && !cells[0]->output->rank) (void)unlink(cells[0]->output->temporary);
  PetscCall(failed);
  for (PetscInt c = 0; c < n && !cells[0]->complete; c++) PetscCall(ResultsClear(cells[c]));
  PetscFunctionReturn(0);
}

/* ---- the tables on paper ---- */

/* The value of a key in a cell: as it was given or, short, a number with 6 digits. */
static void WriteValue(PetscInt axis, PetscInt cell, PetscBool brief, size_t room, char text[]) {
  const char *const *values;
  PetscInt n;
  PetscBool numeric;

  (void)DeckAxis(axis, &n, &values, &numeric);
  const char *value = values[DeckAxisIndex(axis, cell)];
  if (brief && numeric)
    (void)snprintf(text, room, "%.6g", strtod(value, NULL));
  else
    (void)snprintf(text, room, "%s", value);
}

/* The values of a cell's keys, and a text behind them unless that is NULL, separated by commas; the caller frees it. */
static PetscErrorCode Label(PetscInt cell, PetscBool brief, const char *text, char **label) {
  const size_t size = DECK_AXES * (VALUE + 1) + (text ? strlen(text) : 0) + 1;
  char value[VALUE];

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(size, label));
  for (PetscInt i = 0; i < DeckAxes(); i++) {
    WriteValue(i, cell, brief, sizeof(value), value);
    if (i) strcat(*label, ",");
    strcat(*label, value);
  }
  if (text) strcat(strcat(*label, ","), text);
  PetscFunctionReturn(0);
}

typedef struct {
  char *columns, **labels;
  PetscInt texts, width;
  PetscInt64 rows;
  PetscReal *values;
} Sheet;

static PetscErrorCode DestroySheet(Sheet *sheet) {
  PetscFunctionBeginUser;
  for (PetscInt64 r = 0; r < sheet->rows; r++) PetscCall(PetscFree(sheet->labels[r]));
  PetscCall(PetscFree2(sheet->labels, sheet->values));
  PetscCall(PetscFree(sheet->columns));
  PetscFunctionReturn(0);
}

/* The rows of the tables of all cells, or the last of each, with the cells' keys in front, for people or in full. */
static PetscErrorCode MakeSheet(PetscInt n, const Results cells[], PetscBool last, PetscBool brief, Sheet *sheet) {
  const PetscInt width = ResultsTableWidth(cells[0]);
  PetscInt64 rows = 0;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < n; c++) rows += last ? PetscMin(cells[c]->rows, 1) : cells[c]->rows;
  *sheet = (Sheet){.texts = DeckAxes() + (cells[0]->labels ? 1 : 0), .width = width};
  PetscCall(ResultsSweepColumns(cells[0]->columns, &sheet->columns));
  PetscCall(PetscMalloc2(rows, &sheet->labels, rows * width, &sheet->values));
  for (PetscInt c = 0; c < n; c++)
    for (PetscInt64 r = last ? PetscMax(cells[c]->rows - 1, 0) : 0; r < cells[c]->rows; r++) {
      PetscCall(Label(c, brief, cells[c]->labels ? cells[c]->labels[r] : NULL, &sheet->labels[sheet->rows]));
      PetscCall(PetscArraycpy(sheet->values + sheet->rows++ * width, cells[c]->row + r * width, width));
    }
  PetscFunctionReturn(0);
}

/* What the headline's name is in a cell: a scalar, a number of the last row, or NaN. */
static PetscReal Headline(Results results, const char *name, char **columns, int count) {
  const Item *item = FindItem(results, name);
  const PetscInt width = ResultsTableWidth(results);

  if (item && !item->text && !item->rank) return item->values[0];
  for (int i = 0; i < count && results->rows; i++)
    if (!strcmp(columns[i], name)) return results->row[(results->rows - 1) * width + i - (results->labels ? 1 : 0)];
  return NAN;
}

static PetscErrorCode MakeHeadlines(PetscInt n, const Results cells[], Sheet *sheet) {
  const char *headline = cells[0]->form.headline;
  char **names, **columns;
  int width, count;

  PetscFunctionBeginUser;
  PetscCall(PetscStrToArray(headline, ',', &width, &names));
  PetscCall(PetscStrToArray(cells[0]->columns, ',', &count, &columns));
  *sheet = (Sheet){.width = width, .rows = n, .texts = DeckAxes()};
  PetscCall(ResultsSweepColumns(headline, &sheet->columns));
  PetscCall(PetscMalloc2(n, &sheet->labels, n * width, &sheet->values));
  for (PetscInt c = 0; c < n; c++) {
    PetscCall(Label(c, PETSC_TRUE, NULL, &sheet->labels[c]));
    for (int i = 0; i < width; i++) sheet->values[c * width + i] = Headline(cells[c], names[i], columns, count);
  }
  PetscCall(PetscStrToArrayDestroy(width, names));
  PetscCall(PetscStrToArrayDestroy(count, columns));
  PetscFunctionReturn(0);
}

static Table TableOf(const Sheet *sheet, PetscInt integers) {
  return (Table){.columns = sheet->columns,
                 .width = sheet->width,
                 .integers = integers,
                 .rows = sheet->rows,
                 .values = sheet->values,
                 .texts = sheet->texts,
                 .labels = sheet->labels};
}

PetscErrorCode ResultsTellCells(PetscInt n, const Results cells[]) {
  const ResultsForm *form = &cells[0]->form;
  PetscBool clocked; /* the last row says how it ended */
  Sheet all, few;

  PetscFunctionBeginUser;
  PetscCall(PetscStrInList("time", cells[0]->columns, ',', &clocked));
  PetscCall(MakeSheet(n, cells, PETSC_FALSE, PETSC_FALSE, &all));
  if (form->headline)
    PetscCall(MakeHeadlines(n, cells, &few));
  else
    PetscCall(MakeSheet(n, cells, clocked, PETSC_TRUE, &few));
  const Table whole = TableOf(&all, form->integers), printed = TableOf(&few, form->headline ? 0 : form->integers);
  PetscCall(ResultsTellTable(cells[0], &whole, &printed));
  PetscCall(DestroySheet(&few));
  PetscCall(DestroySheet(&all));
  PetscFunctionReturn(0);
}
