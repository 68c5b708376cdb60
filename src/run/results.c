/* The results file; tools/README.md has its layout. */
#include "run/impl.h"

#include <chorale/deck.h>
#include <math.h>
#include <string.h>

#include "io/hdf.h"
#include "io/provenance.h"
#include "law/stats/interval.h"

#define PATH  256
#define PIECE ((size_t)1 << 27) /* doubles that are reduced at once: a count of MPI is an int */

PetscErrorCode ResultsStatistics(Record x, double *mean, double *sem) {
  const EnsembleLayout *e = &x->ensemble;
  const size_t R = (size_t)e->realizations, V = (size_t)x->width;
  MPI_Comm holders;
  double *rows; /* [R][V]: one frame of all realizations */

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_split(e->world, x->shard ? MPI_UNDEFINED : 0, x->rank, &holders));
  if (holders == MPI_COMM_NULL) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(R * V, &rows));
  for (size_t t = 0; t < (size_t)x->frames; t++) {
    PetscCall(PetscArrayzero(rows, R * V));
    for (size_t i = 0; i < (size_t)e->owned; i++)
      memcpy(rows + ((size_t)e->group + i * (size_t)e->groups) * V, x->values + (i * (size_t)x->frames + t) * V,
             V * sizeof(double));
    /* every number is added to zeros, so the sum is exact, and what follows goes in the order of r for any grouping */
    for (size_t from = 0; from < R * V; from += PIECE) {
      double *piece = rows + from;
      PetscCallMPI(MPI_Reduce(x->rank ? piece : MPI_IN_PLACE, piece, (PetscMPIInt)PetscMin(PIECE, R * V - from),
                              MPI_DOUBLE, MPI_SUM, 0, holders));
    }
    for (size_t v = 0; v < V && !x->rank; v++) {
      double sum = 0, squares = 0;
      PetscInt n = 0; /* realizations that have this frame: all but in the results of a run that goes on */
      for (size_t r = 0; r < R; r++) {
        if (PetscIsNanReal(rows[r * V + v])) continue;
        sum += rows[r * V + v];
        n++;
      }
      sum /= n;
      for (size_t r = 0; r < R; r++)
        if (!PetscIsNanReal(rows[r * V + v])) squares += PetscSqr(rows[r * V + v] - sum);
      mean[t * V + v] = sum;
      sem[t * V + v] = n > 1 ? PetscSqrtReal(squares / (n - 1) / n) : NAN;
    }
  }
  PetscCall(PetscFree(rows));
  PetscCallMPI(MPI_Comm_free(&holders));
  PetscFunctionReturn(0);
}

/* Joins a group and a name. */
static const char *At(char path[PATH], const char *group, const char *name) {
  (void)PetscSNPrintf(path, PATH, "%s/%s", group, name);
  return path;
}

/* /GROUP/step and /GROUP/time */
static PetscErrorCode WriteClock(Record x, Hdf hdf, const char *group) {
  const PetscInt64 frames = x->frames;
  char path[PATH];

  PetscFunctionBeginUser;
  PetscCall(HdfWriteInts(hdf, At(path, group, "step"), 1, &frames, x->step));
  PetscCall(HdfWriteReals(hdf, At(path, group, "time"), 1, &frames, x->time));
  PetscFunctionReturn(0);
}

/* /observables/NAME: every rank that holds realizations writes its columns. */
static PetscErrorCode WriteObservable(Record x, Hdf hdf, const ObservableInfo *info, const char *unit) {
  const EnsembleLayout *e = &x->ensemble;
  const PetscInt k = info->size, n = x->shard ? 0 : e->owned;
  char group[PATH / 2], path[PATH];
  double *columns;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(group, sizeof(group), "/observables/%s", info->name));
  PetscCall(PetscMalloc1((size_t)x->frames * (size_t)n * (size_t)k, &columns));
  for (PetscInt t = 0; t < x->frames; t++)
    for (PetscInt i = 0; i < n; i++)
      memcpy(columns + ((size_t)t * (size_t)n + (size_t)i) * (size_t)k,
             x->values + ((size_t)i * (size_t)x->frames + (size_t)t) * (size_t)x->width + info->first,
             (size_t)k * sizeof(double));
  PetscCall(WriteClock(x, hdf, group));
  PetscCall(HdfAttributeReal(hdf, group, "interval_factor", IntervalFactor(x->ensemble.realizations)));
  At(path, group, "value");
  PetscCall(HdfWriteColumns(hdf, path, x->frames, e->realizations, k == 1 ? 0 : k, e->group, e->groups, n, columns));
  PetscCall(HdfAttributeString(hdf, path, "unit", unit));
  PetscCall(HdfAttributeString(hdf, path, "description", info->description));
  PetscCall(PetscFree(columns));
  PetscFunctionReturn(0);
}

/* Values first .. first+k-1 of every frame of mean or sem, which rank 0 holds, as a dataset [T] or [T][k]. */
static PetscErrorCode WriteStatistic(Record x, Hdf hdf, const char *path, const double *statistic, PetscInt first,
                                     PetscInt k) {
  const PetscInt64 shape[2] = {x->frames, k};
  double *values;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)x->frames * (size_t)k, &values));
  for (PetscInt t = 0; t < x->frames && !x->rank; t++)
    memcpy(values + (size_t)t * (size_t)k, statistic + (size_t)t * (size_t)x->width + first,
           (size_t)k * sizeof(double));
  PetscCall(HdfWriteReals(hdf, path, k == 1 ? 1 : 2, shape, values));
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

/* /observables, /ensemble and the columns of the study's table in /study. */
static PetscErrorCode WriteObservables(Record x, Hdf hdf, const double *mean, const double *sem) {
  char group[PATH / 2], path[PATH], column[64];
  PetscReal beta;

  PetscFunctionBeginUser;
  PetscCall(DeckGetReal("attention_beta", &beta));
  for (PetscInt o = 0; o < x->quantities; o++) {
    const ObservableInfo *info = &x->quantity[o];
    PetscCall(WriteObservable(x, hdf, info, o == OBSERVE_ENERGY ? AttentionEnergyUnit(beta) : info->unit));
    PetscCall(PetscSNPrintf(group, sizeof(group), "/ensemble/%s", info->name));
    PetscCall(WriteStatistic(x, hdf, At(path, group, "mean"), mean, info->first, info->size));
    PetscCall(WriteStatistic(x, hdf, At(path, group, "sem"), sem, info->first, info->size));
  }
  PetscCall(PetscSNPrintf(group, sizeof(group), "/study/%s", x->study));
  PetscCall(WriteClock(x, hdf, group));
  for (PetscInt i = 0; i < x->texts; i++) PetscCall(HdfAttributeString(hdf, group, x->text[i][0], x->text[i][1]));
  for (PetscInt o = 0; o < x->quantities; o++) {
    const ObservableInfo *info = &x->quantity[o];
    const char *name = RecordColumn(x, o);
    if (!name) continue;
    PetscCall(PetscSNPrintf(column, sizeof(column), "%s_mean", name));
    PetscCall(WriteStatistic(x, hdf, At(path, group, column), mean, info->first, 1));
    PetscCall(PetscSNPrintf(column, sizeof(column), "%s_sem", name));
    PetscCall(WriteStatistic(x, hdf, At(path, group, column), sem, info->first, 1));
  }
  PetscFunctionReturn(0);
}

typedef struct {
  Hdf hdf;
  MPI_Comm world;
} Attributes;

static PetscErrorCode WriteParameter(const char *key, const char *value, void *context) {
  PetscFunctionBeginUser;
  PetscCall(HdfAttributeString(((Attributes *)context)->hdf, "/parameters", key, value));
  PetscFunctionReturn(0);
}

/* Host and date differ between ranks, but HDF5 wants the same from all: rank 0 speaks. */
static PetscErrorCode WriteProvenance(const char *name, const char *value, void *context) {
  const Attributes *a = (const Attributes *)context;
  int length = (int)strlen(value) + 1;
  PetscMPIInt rank;
  char *text;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(a->world, &rank));
  PetscCallMPI(MPI_Bcast(&length, 1, MPI_INT, 0, a->world));
  PetscCall(PetscMalloc1(length, &text));
  if (!rank) memcpy(text, value, (size_t)length);
  PetscCallMPI(MPI_Bcast(text, length, MPI_CHAR, 0, a->world));
  PetscCall(HdfAttributeString(a->hdf, "/provenance", name, text));
  PetscCall(PetscFree(text));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsWriteOrigin(MPI_Comm comm, PetscBool complete, Hdf hdf) {
  Attributes context = {hdf, comm};
  char *deck;

  PetscFunctionBeginUser;
  PetscCall(DeckVisit(WriteParameter, &context));
  PetscCall(DeckText(&deck));
  PetscCall(HdfWriteString(hdf, "/parameters/deck", deck));
  PetscCall(PetscFree(deck));
  PetscCall(ProvenanceVisit(WriteProvenance, &context));
  PetscCall(HdfAttributeString(hdf, "/provenance", "complete", complete ? "true" : "false"));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsWrite(Record x, const char *path, PetscBool complete, const double *mean, const double *sem) {
  char target[PETSC_MAX_PATH_LEN], link[PATH];
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(x->ensemble.world, path, "w", NULL, &hdf));
  PetscCall(WriteObservables(x, hdf, mean, sem));
  PetscCall(ResultsWriteOrigin(x->ensemble.world, complete, hdf));
  for (PetscInt r = 0; r < x->trajectories; r++) {
    PetscCall(OutputTrajectory(&x->output, r, PETSC_TRUE, target));
    PetscCall(PetscSNPrintf(link, sizeof(link), "/particles/realization_%05d", (int)r));
    PetscCall(HdfExternalLink(hdf, link, target, "/particles/all"));
  }
  PetscCall(HdfFlush(hdf)); /* every rank's part is on disk */
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}
