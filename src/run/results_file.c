/* The results file (tools/README.md has its layout). Every dataset has its unit and description as attributes; scalars,
 * which are attributes themselves, have theirs as NAME_unit and NAME in the group /quantities. */
#include "run/results_impl.h"

#include "io/hdf.h"
#include "law/stats/interval.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "run/origin.h"

#define PATH  256
#define PIECE ((size_t)1 << 27) /* doubles that are reduced at once: a count of MPI is an int */

/* The ranks that have something to write, the first shards, rank 0 first; MPI_COMM_NULL on others. A file that no other
 * opens costs a file system no more when a realization's tokens are those of more ranks. Collective on all ranks. */
static PetscErrorCode Holders(Results results, MPI_Comm *holders) {
  PetscFunctionBeginUser;
  PetscCallMPI(
      MPI_Comm_split(results->layout.world, results->shard ? MPI_UNDEFINED : 0, results->output->rank, holders));
  PetscFunctionReturn(0);
}

/* rows[R][V] <- frame t of all realizations, on rank 0 of the holders. */
static PetscErrorCode ReduceFrame(Results results, MPI_Comm holders, size_t t, double *rows) {
  const EnsembleLayout *e = &results->layout;
  const size_t V = (size_t)results->frame, length = (size_t)e->realizations * V;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(rows, length));
  for (size_t i = 0; i < (size_t)e->owned; i++)
    memcpy(rows + ((size_t)e->group + i * (size_t)e->groups) * V,
           results->values + i * (size_t)ResultsWidth(results) + t * V, V * sizeof(double));
  /* every number is added to zeros, so the sum is exact, and what follows goes in the order of r for any grouping */
  for (size_t from = 0; from < length; from += PIECE) {
    double *piece = rows + from;
    PetscCallMPI(MPI_Reduce(results->output->rank ? piece : MPI_IN_PLACE, piece,
                            (PetscMPIInt)PetscMin(PIECE, length - from), MPI_DOUBLE, MPI_SUM, 0, holders));
  }
  PetscFunctionReturn(0);
}

/* Takes the realizations that are not in the set, of those that have the frame, out of its rows[R][V]. Frames are seen
 * from the last on: the first that any realization has makes the set, so that a mean is over the same ones at all
 * times.
 */
static void KeepSet(size_t R, size_t V, double rows[], PetscBool set[], PetscBool *made) {
  const PetscBool make = *made ? PETSC_FALSE : PETSC_TRUE;

  for (size_t r = 0; r < R; r++) {
    for (size_t v = 0; v < V && make; v++)
      if (!PetscIsNanReal(rows[r * V + v])) set[r] = *made = PETSC_TRUE;
    for (size_t v = 0; v < V && !set[r]; v++) rows[r * V + v] = NAN;
  }
}

/* Means and standard errors over the realizations that have got farthest: all, but in the results of a run that goes on
 * or of recordings that end at different frames. */
static PetscErrorCode Statistics(Results results) {
  const size_t R = (size_t)results->layout.realizations, V = (size_t)results->frame;
  const size_t frames = (size_t)results->frames->count;
  MPI_Comm holders;
  PetscBool *set, made = PETSC_FALSE;
  double *rows;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc2(results->output->rank ? 0 : frames * V, &results->mean, results->output->rank ? 0 : frames * V,
                         &results->sem));
  PetscCall(Holders(results, &holders));
  if (holders == MPI_COMM_NULL) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(R * V, &rows));
  PetscCall(PetscCalloc1(R, &set));
  for (size_t t = frames; t-- > 0;) {
    PetscCall(ReduceFrame(results, holders, t, rows));
    if (!results->output->rank) KeepSet(R, V, rows, set, &made);
    for (size_t v = 0; v < V && !results->output->rank; v++) {
      PetscReal squares;
      const PetscInt n = FitMoments((PetscInt)R, V, rows + v, &results->mean[t * V + v], &squares);
      /* not FitError, which is rounded otherwise: files keep the bits that they had from the first version on */
      results->sem[t * V + v] = n > 1 ? PetscSqrtReal(squares / (n - 1) / n) : NAN;
    }
  }
  PetscCall(PetscFree(set));
  PetscCall(PetscFree(rows));
  PetscCallMPI(MPI_Comm_free(&holders));
  PetscFunctionReturn(0);
}

/* The table of observables: step, time, means and errors of those that have columns, on rank 0. */
static PetscErrorCode AddRows(Results results) {
  const PetscInt width = ResultsTableWidth(results);
  PetscReal *row;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(width, &row));
  for (PetscInt t = 0; t < results->frames->count; t++) {
    PetscInt c = 2;
    row[0] = (PetscReal)results->frames->step[t];
    row[1] = results->frames->time[t];
    for (PetscInt q = 0; q < results->quantities; q++) {
      const size_t at = (size_t)t * (size_t)results->frame + (size_t)results->first[q];
      if (!results->quantity[q].column) continue;
      row[c++] = results->output->rank ? 0 : results->mean[at];
      row[c++] = results->output->rank ? 0 : results->sem[at];
    }
    PetscCall(ResultsRow(results, row));
  }
  PetscCall(PetscFree(row));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsMeans(Results results) {
  PetscFunctionBeginUser;
  if (!results->observed) PetscFunctionReturn(0);
  PetscCall(Statistics(results));
  PetscCall(AddRows(results));
  PetscFunctionReturn(0);
}

/* Joins a group and a name. */
static const char *At(char path[PATH], const char *group, const char *name) {
  (void)PetscSNPrintf(path, PATH, "%s/%s", group, name);
  return path;
}

static PetscErrorCode Explain(Hdf hdf, const char *path, const char *unit, const char *description) {
  PetscFunctionBeginUser;
  PetscCall(HdfAttributeString(hdf, path, "unit", unit));
  PetscCall(HdfAttributeString(hdf, path, "description", description));
  PetscFunctionReturn(0);
}

/* Numbers of a quantity out of rows: *values[n][m][k], which the caller frees, from from[a * step + b * stride + c]. */
static PetscErrorCode Pick(PetscInt n, size_t step, PetscInt m, size_t stride, PetscInt k, const PetscReal *from,
                           PetscReal **values) {
  PetscReal *to;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)n * (size_t)m * (size_t)k, values));
  to = *values;
  for (PetscInt a = 0; a < n; a++)
    for (PetscInt b = 0; b < m; b++, to += k)
      PetscCall(PetscArraycpy(to, from + (size_t)a * step + (size_t)b * stride, k));
  PetscFunctionReturn(0);
}

/* /observables/NAME: every rank that holds realizations writes its columns. */
static PetscErrorCode WriteObservable(Results results, Hdf hdf, const Quantity *quantity, PetscInt first) {
  const EnsembleLayout *e = &results->layout;
  const PetscInt64 frames = results->frames->count;
  const PetscInt k = QuantitySize(quantity), n = results->shard ? 0 : e->owned;
  char group[PATH / 2], path[PATH];
  double *columns;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(group, sizeof(group), "/observables/%s", quantity->name));
  PetscCall(Pick((PetscInt)frames, (size_t)results->frame, n, (size_t)ResultsWidth(results), k, results->values + first,
                 &columns));
  PetscCall(HdfWriteInts(hdf, At(path, group, "step"), 1, &frames, results->frames->step));
  PetscCall(HdfWriteReals(hdf, At(path, group, "time"), 1, &frames, results->frames->time));
  PetscCall(HdfAttributeReal(hdf, group, "interval_factor", IntervalFactor(e->realizations)));
  At(path, group, "value");
  PetscCall(HdfWriteColumns(hdf, path, frames, e->realizations, k == 1 ? 0 : k, e->group, e->groups, n, columns));
  PetscCall(Explain(hdf, path, quantity->unit, quantity->description));
  PetscCall(PetscFree(columns));
  PetscFunctionReturn(0);
}

/* /ensemble/NAME/mean or sem, [frames] or [frames][k], which rank 0 has. */
static PetscErrorCode WriteStatistic(Results results, Hdf hdf, const Quantity *quantity, PetscInt first,
                                     PetscBool mean) {
  const PetscInt k = QuantitySize(quantity), frames = results->frames->count;
  const PetscReal *from = results->output->rank ? NULL : (mean ? results->mean : results->sem) + first;
  const PetscInt64 shape[2] = {frames, k};
  char path[PATH], description[QUANTITY_TEXT];
  double *values;

  PetscFunctionBeginUser;
  PetscCall(Pick(from ? frames : 0, (size_t)results->frame, 1, 0, k, from, &values));
  PetscCall(PetscSNPrintf(path, sizeof(path), "/ensemble/%s/%s", quantity->name, mean ? "mean" : "sem"));
  PetscCall(PetscSNPrintf(description, sizeof(description), "%s over the realizations: %s",
                          mean ? "mean" : "standard error", quantity->description));
  PetscCall(HdfWriteReals(hdf, path, k == 1 ? 1 : 2, shape, values));
  PetscCall(Explain(hdf, path, quantity->unit, description));
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

/* Numbers of frames [frames][R] + shape, of realizations [R] + shape, from the rows that all ranks have. */
static PetscErrorCode WriteSamples(Results results, Hdf hdf, const char *group, const Quantity *quantity,
                                   PetscInt first) {
  const PetscBool framed = quantity->kind == QUANTITY_FRAME ? PETSC_TRUE : PETSC_FALSE;
  const Samples *samples = &results->samples;
  const PetscInt frames = samples->frames->count, R = samples->realizations;
  const PetscReal *from = samples->all + first + (framed ? 0 : (size_t)frames * (size_t)samples->columns);
  PetscInt64 shape[RESULTS_RANK + 1] = {frames, R};
  char path[PATH];
  double *values;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < quantity->rank; i++) shape[2 + i] = quantity->shape[i];
  PetscCall(Pick(framed ? frames : 1, (size_t)samples->columns, R, (size_t)samples->width, QuantitySize(quantity), from,
                 &values));
  At(path, group, quantity->name);
  PetscCall(HdfWriteReals(hdf, path, (int)quantity->rank + (framed ? 2 : 1), framed ? shape : shape + 1, values));
  PetscCall(Explain(hdf, path, quantity->unit, quantity->description));
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsWriteQuantities(Results results, Hdf hdf, const char *group) {
  PetscFunctionBeginUser;
  for (PetscInt q = 0; q < results->quantities; q++) {
    const Quantity *quantity = &results->quantity[q];
    if (!quantity->name) continue;
    if (quantity->kind == QUANTITY_OBSERVABLE) {
      PetscCall(WriteObservable(results, hdf, quantity, results->first[q]));
      PetscCall(WriteStatistic(results, hdf, quantity, results->first[q], PETSC_TRUE));
      PetscCall(WriteStatistic(results, hdf, quantity, results->first[q], PETSC_FALSE));
    } else if (results->samples.realizations)
      PetscCall(WriteSamples(results, hdf, group, quantity, results->first[q]));
  }
  PetscFunctionReturn(0);
}

/* The means of observables explain themselves by their column's name. */
PetscErrorCode ResultsDescribeColumn(Results results, const char *name, const char **unit,
                                     char description[QUANTITY_TEXT]) {
  PetscFunctionBeginUser;
  *unit = NULL;
  for (PetscInt q = 0; q < results->quantities && !*unit; q++) {
    const Quantity *from = &results->quantity[q];
    const QuantityText own[] = {{from->column, from->unit, from->description}, {0}};
    if (own[0].name) PetscCall(QuantityDescribe(own, name, unit, description));
  }
  if (!*unit) PetscCall(ResultsDescribe(results, name, unit, description));
  PetscFunctionReturn(0);
}

/* One column of the table, whole numbers as such. */
static PetscErrorCode WriteColumn(Results results, Hdf hdf, const char *group, const char *name, PetscInt number) {
  const PetscInt width = ResultsTableWidth(results);
  const PetscInt64 shape[1] = {results->rows};
  char path[PATH], description[QUANTITY_TEXT];
  const char *unit;
  PetscReal *column;
  PetscInt64 *integer;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(results->rows, &column, results->rows, &integer));
  for (PetscInt64 r = 0; r < results->rows; r++) column[r] = results->row[r * width + number];
  for (PetscInt64 r = 0; r < results->rows; r++)
    integer[r] = number < results->form.integers ? (PetscInt64)column[r] : 0;
  At(path, group, name);
  if (number < results->form.integers)
    PetscCall(HdfWriteInts(hdf, path, 1, shape, integer));
  else
    PetscCall(HdfWriteReals(hdf, path, 1, shape, column));
  PetscCall(PetscFree2(column, integer));
  PetscCall(ResultsDescribeColumn(results, name, &unit, description));
  PetscCall(Explain(hdf, path, unit, description));
  PetscFunctionReturn(0);
}

/* The columns of the table as arrays; labels become an attribute, since arrays hold numbers. */
static PetscErrorCode WriteColumns(Results results, Hdf hdf, const char *group) {
  const int skip = results->labels ? 1 : 0;
  char **names, description[QUANTITY_TEXT];
  const char *unit;
  int n;

  PetscFunctionBeginUser;
  PetscCall(PetscStrToArray(results->columns, ',', &n, &names));
  if (skip) {
    PetscCall(HdfAttributeStrings(hdf, group, names[0], (int)results->rows, (const char *const *)results->labels));
    PetscCall(ResultsDescribeColumn(results, names[0], &unit, description));
    PetscCall(HdfAttributeString(hdf, "/quantities", names[0], description));
  }
  for (int c = skip; c < n; c++) PetscCall(WriteColumn(results, hdf, group, names[c], c - skip));
  PetscCall(PetscStrToArrayDestroy(n, names));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteItem(const Item *item, Hdf hdf, const char *study) {
  const char *group = item->group ? item->group : study;
  char path[PATH], unit[RESULTS_NAME + 8];

  PetscFunctionBeginUser;
  At(path, group, item->name);
  if (item->text) {
    PetscCall(HdfAttributeString(hdf, group, item->name, item->text));
    if (item->description[0]) PetscCall(HdfAttributeString(hdf, "/quantities", item->name, item->description));
  } else if (item->rank) {
    PetscCall(HdfWriteReals(hdf, path, item->rank, item->shape, item->values));
    PetscCall(Explain(hdf, path, item->unit, item->description));
  } else {
    PetscCall(HdfAttributeReal(hdf, group, item->name, item->values[0]));
    PetscCall(PetscSNPrintf(unit, sizeof(unit), "%s_unit", item->name));
    PetscCall(HdfAttributeString(hdf, "/quantities", unit, item->unit));
    PetscCall(HdfAttributeString(hdf, "/quantities", item->name, item->description));
  }
  PetscFunctionReturn(0);
}

/* For whoever draws means: standard errors to each side that make a 95% interval. */
PetscErrorCode ResultsWriteFactor(Results results, Hdf hdf, const char *group) {
  PetscFunctionBeginUser;
  if (!results->quantities) PetscFunctionReturn(0);
  PetscCall(HdfAttributeReal(hdf, group, "interval_factor", IntervalFactor(results->samples.realizations)));
  PetscCall(HdfAttributeString(hdf, "/quantities", "interval_factor_unit", "standard errors"));
  PetscCall(HdfAttributeString(hdf, "/quantities", "interval_factor",
                               "to each side of a mean over the realizations: its 95% interval"));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsWriteOrigin(Results results, MPI_Comm comm, PetscInt done, Hdf hdf) {
  char text[32];

  PetscFunctionBeginUser;
  PetscCall(OriginWrite(comm, results->complete, hdf));
  PetscCall(PetscSNPrintf(text, sizeof(text), "%" PetscInt_FMT, done));
  if (!results->complete && ResultsAreGathered(results))
    PetscCall(HdfAttributeString(hdf, "/provenance", "realizations_done", text));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteFile(Results results, MPI_Comm holders) {
  char group[64], target[PETSC_MAX_PATH_LEN], link[PATH];
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(group, sizeof(group), "/study/%s", results->form.study));
  PetscCall(HdfOpen(holders, results->output->temporary, "w", NULL, &hdf));
  PetscCall(HdfAttributeString(hdf, group, "columns", results->columns));
  PetscCall(ResultsWriteQuantities(results, hdf, group));
  PetscCall(ResultsWriteFactor(results, hdf, group));
  if (results->rows) PetscCall(WriteColumns(results, hdf, group));
  PetscCall(ResultsWriteOrigin(results, holders, results->samples.realizations, hdf));
  for (PetscInt i = 0; i < results->count; i++) PetscCall(WriteItem(&results->items[i], hdf, group));
  for (PetscInt r = 0; r < results->trajectories; r++) {
    PetscCall(OutputTrajectory(results->output, r, PETSC_TRUE, target));
    PetscCall(PetscSNPrintf(link, sizeof(link), "/particles/realization_%05d", (int)r));
    PetscCall(HdfExternalLink(hdf, link, target, "/particles/all"));
  }
  PetscCall(HdfFlush(hdf)); /* every rank's part is on disk */
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}

/* Others wait until the file is in place; a failure of those that write ends them. */
static PetscErrorCode PutFile(Results results) {
  PetscErrorCode failed;
  MPI_Comm holders;

  PetscFunctionBeginUser;
  PetscCall(Holders(results, &holders));
  if (holders != MPI_COMM_NULL) {
    failed = WriteFile(results, holders);
    if (failed && !results->output->rank) (void)unlink(results->output->temporary);
    PetscCall(failed);
    PetscCallMPI(MPI_Comm_free(&holders));
  }
  PetscCall(OutputCommit(results->output));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsCommit(Results results) {
  PetscFunctionBeginUser;
  PetscCall(ResultsMeans(results));
  if (!results->form.only_table) PetscCall(PutFile(results));
  if (!results->complete) PetscCall(ResultsClear(results)); /* all of it is said again next time */
  PetscFunctionReturn(0);
}
