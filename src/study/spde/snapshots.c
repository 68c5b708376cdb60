/* Pictures of the density: values on a map, spectrum and some of the tokens, of realization 0. */
#include <math.h>

#include <chorale/deck.h>

#include "study/spde/spde.h"

/* Middle points of cells: 720 angles on the circle, cells of 2 degrees on the sphere. */
enum { BLOCK = 256, CIRCLE_POINTS = 720, LATITUDES = 90, LONGITUDES = 180, SHOWN = 1024 };

static PetscReal Angle(const SpdeSnapshots *s, PetscInt j) {
  return 2 * PETSC_PI * ((PetscReal)j + 0.5) / (PetscReal)s->points;
}

static PetscReal Latitude(const SpdeSnapshots *s, PetscInt i) {
  return PETSC_PI * (((PetscReal)i + 0.5) / (PetscReal)s->rows - 0.5);
}

PetscErrorCode SpdeSnapshotsCreate(Density density, Tokens tokens, PetscInt frames, SpdeSnapshots *s) {
  TokensLayout layout;
  PetscInt64 most;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(DensityGetSize(density, &s->degree, NULL, NULL));
  PetscCall(DeckGetInt("spde_snapshots", &most));
  s->most = (PetscInt)PetscMin(most, frames);
  s->dim = layout.dim;
  s->rows = layout.dim == 2 ? 1 : LATITUDES;
  s->points = layout.dim == 2 ? CIRCLE_POINTS : LONGITUDES;
  s->shown = (PetscInt)PetscMin(layout.count, SHOWN);
  PetscCall(PetscCalloc4(s->most, &s->time, (size_t)s->most * s->rows * s->points, &s->density,
                         (size_t)s->most * (s->degree + 1), &s->power, (size_t)s->most * s->shown * s->dim,
                         &s->tokens));
  PetscCall(PetscCalloc3(s->shown, &s->weights, s->dim * BLOCK, &s->x, BLOCK, &s->value));
  for (PetscInt i = 0; i < s->most; i++) s->time[i] = NAN; /* not taken */
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeSnapshotsDestroy(SpdeSnapshots *s) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree4(s->time, s->density, s->power, s->tokens));
  PetscCall(PetscFree3(s->weights, s->x, s->value));
  PetscFunctionReturn(0);
}

static PetscBool IsDue(const SpdeSnapshots *s, PetscInt frame, PetscInt frames) {
  const PetscInt64 most = s->most, last = frames - 1;

  if (most < 2 || most > last) return most > last || (most == 1 && frame == 0) ? PETSC_TRUE : PETSC_FALSE;
  for (PetscInt64 i = (frame * (most - 1)) / last; i <= (frame * (most - 1)) / last + 1; i++)
    if (i < most && i * last / (most - 1) == frame) return PETSC_TRUE;
  return PETSC_FALSE;
}

PetscErrorCode SpdeSnapshotsSave(SpdeSnapshots *s, Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (!s->most) PetscFunctionReturn(0);
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_time", s->most, s->time));
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_density", s->most * s->rows * s->points, s->density));
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_spectrum", s->most * (s->degree + 1), s->power));
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_tokens", s->most * s->shown * s->dim, s->tokens));
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_weights", s->shown, s->weights));
  PetscFunctionReturn(0);
}

static PetscErrorCode Map(SpdeSnapshots *s, Density density, PetscReal *values) {
  const PetscInt count = s->rows * s->points;

  PetscFunctionBeginUser;
  for (PetscInt first = 0; first < count; first += BLOCK) {
    for (PetscInt t = 0; t < BLOCK; t++) {
      const PetscInt p = PetscMin(first + t, count - 1);
      const PetscReal angle = Angle(s, p % s->points), latitude = s->dim == 2 ? 0 : Latitude(s, p / s->points);
      s->x[t] = cos(latitude) * cos(angle);
      s->x[BLOCK + t] = cos(latitude) * sin(angle);
      if (s->dim == 3) s->x[2 * BLOCK + t] = sin(latitude);
    }
    PetscCall(DensityEvaluate(density, BLOCK, s->x, s->value));
    PetscCall(PetscArraycpy(values + first, s->value, PetscMin(BLOCK, count - first)));
  }
  PetscFunctionReturn(0);
}

/* Every so many of N rows of d numbers. */
static void Choose(const SpdeSnapshots *s, PetscInt64 N, PetscInt d, const double *rows, PetscReal *chosen) {
  for (PetscInt i = 0; i < s->shown; i++)
    for (PetscInt c = 0; c < d; c++) chosen[i * d + c] = rows[(PetscInt64)i * N / s->shown * s->dim + c];
}

PetscErrorCode SpdeSnapshotsTake(SpdeSnapshots *s, PetscInt frame, PetscInt frames, PetscReal time, Density density,
                                 Tokens tokens) {
  PetscInt i = 0; /* snapshots before this one */
  TokensLayout layout;
  const double *weights;
  double *rows, *w;
  Vec x, v;

  PetscFunctionBeginUser;
  if (!IsDue(s, frame, frames)) PetscFunctionReturn(0);
  for (PetscInt f = 0; f < frame; f++) i += IsDue(s, f, frames);
  s->time[i] = time;
  PetscCall(Map(s, density, s->density + (size_t)i * s->rows * s->points));
  PetscCall(DensitySpectrum(density, s->power + (size_t)i * (s->degree + 1)));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(PetscMalloc1((size_t)layout.count * layout.dim, &rows));
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGather(tokens, x, rows));
  Choose(s, layout.count, s->dim, rows, s->tokens + (size_t)i * s->shown * s->dim);
  if (i == 0) { /* weights stay; they travel as the first component */
    PetscCall(TokensCreateVec(tokens, &v));
    PetscCall(TokensGetWeights(tokens, &weights));
    PetscCall(VecGetArray(v, &w));
    for (PetscInt b = 0; b < layout.owned; b++)
      PetscCall(PetscArraycpy(w + b * layout.dim * layout.block, weights + b * layout.block, layout.block));
    PetscCall(VecRestoreArray(v, &w));
    PetscCall(TokensGather(tokens, v, rows));
    Choose(s, layout.count, 1, rows, s->weights);
    PetscCall(VecDestroy(&v));
  }
  PetscCall(PetscFree(rows));
  PetscFunctionReturn(0);
}

static PetscErrorCode Share(MPI_Comm comm, Results results, const char *key, int rank, const PetscInt64 shape[],
                            PetscReal *values) {
  PetscMPIInt count;
  PetscInt64 size = 1;

  PetscFunctionBeginUser;
  for (int i = 0; i < rank; i++) size *= shape[i];
  PetscCall(PetscMPIIntCast((PetscInt)size, &count));
  PetscCallMPI(MPI_Bcast(values, count, MPIU_REAL, 0, comm));
  PetscCall(ResultsArray(results, key, rank, shape, values));
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeSnapshotsRecord(SpdeSnapshots *s, MPI_Comm comm, Results results) {
  PetscReal angles[CIRCLE_POINTS], latitudes[LATITUDES];
  PetscInt taken = 0;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < s->most; i++) taken += !PetscIsNanReal(s->time[i]);
  PetscCallMPI(MPI_Bcast(&taken, 1, MPIU_INT, 0, comm));
  if (!taken) PetscFunctionReturn(0);
  const PetscInt64 T = taken, row[1] = {s->points}, column[1] = {s->rows}, circle[2] = {T, s->points};
  const PetscInt64 sphere[3] = {T, s->rows, s->points}, power[2] = {T, s->degree + 1};
  const PetscInt64 tokens[3] = {T, s->shown, s->dim}, shown[1] = {s->shown};
  for (PetscInt j = 0; j < s->points; j++) angles[j] = Angle(s, j);
  for (PetscInt i = 0; i < s->rows; i++) latitudes[i] = Latitude(s, i);
  PetscCall(ResultsArray(results, "snapshot_angle", 1, row, angles));
  if (s->dim == 3) PetscCall(ResultsArray(results, "snapshot_latitude", 1, column, latitudes));
  PetscCall(Share(comm, results, "snapshot_time", 1, &T, s->time));
  PetscCall(Share(comm, results, "snapshot_density", s->dim, s->dim == 2 ? circle : sphere, s->density));
  PetscCall(Share(comm, results, "snapshot_spectrum", 2, power, s->power));
  PetscCall(Share(comm, results, "snapshot_tokens", 3, tokens, s->tokens));
  PetscCall(Share(comm, results, "snapshot_weights", 1, shown, s->weights));
  PetscFunctionReturn(0);
}
