/* Pictures of the density: values on a map, spectrum and some of the tokens, of realization 0. */
#include <math.h>

#include "study/spde/spde.h"

/* Middle points of cells: 720 angles on the circle, cells of 2 degrees on the sphere. */
enum { BLOCK = 256, CIRCLE_POINTS = 720, LATITUDES = 90, LONGITUDES = 180, SHOWN = 1024 };

static PetscReal Angle(const SpdeSnapshots *snapshots, PetscInt j) {
  return 2 * PETSC_PI * ((PetscReal)j + 0.5) / (PetscReal)snapshots->points;
}

static PetscReal Latitude(const SpdeSnapshots *snapshots, PetscInt i) {
  return PETSC_PI * (((PetscReal)i + 0.5) / (PetscReal)snapshots->rows - 0.5);
}

PetscErrorCode SpdeSnapshotsCreate(Density density, Tokens tokens, PetscInt64 most, PetscInt frames,
                                   SpdeSnapshots *snapshots) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(DensityGetSize(density, &snapshots->degree, NULL, NULL));
  snapshots->frames = frames;
  snapshots->most = (PetscInt)PetscMin(most, frames);
  snapshots->dim = layout.dim;
  snapshots->rows = layout.dim == 2 ? 1 : LATITUDES;
  snapshots->points = layout.dim == 2 ? CIRCLE_POINTS : LONGITUDES;
  snapshots->shown = (PetscInt)PetscMin(layout.count, SHOWN);
  PetscCall(PetscCalloc4(snapshots->most, &snapshots->time,
                         (size_t)snapshots->most * snapshots->rows * snapshots->points, &snapshots->density,
                         (size_t)snapshots->most * (snapshots->degree + 1), &snapshots->power,
                         (size_t)snapshots->most * snapshots->shown * snapshots->dim, &snapshots->tokens));
  PetscCall(PetscCalloc3(snapshots->shown, &snapshots->weights, snapshots->dim * BLOCK, &snapshots->x, BLOCK,
                         &snapshots->value));
  for (PetscInt i = 0; i < snapshots->most; i++) snapshots->time[i] = NAN; /* not taken */
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeSnapshotsDestroy(SpdeSnapshots *snapshots) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree4(snapshots->time, snapshots->density, snapshots->power, snapshots->tokens));
  PetscCall(PetscFree3(snapshots->weights, snapshots->x, snapshots->value));
  PetscFunctionReturn(0);
}

static PetscBool IsDue(const SpdeSnapshots *snapshots, PetscInt frame) {
  const PetscInt64 most = snapshots->most, last = snapshots->frames - 1;

  if (most < 2 || most > last) return most > last || (most == 1 && frame == 0) ? PETSC_TRUE : PETSC_FALSE;
  for (PetscInt64 i = (frame * (most - 1)) / last; i <= (frame * (most - 1)) / last + 1; i++)
    if (i < most && i * last / (most - 1) == frame) return PETSC_TRUE;
  return PETSC_FALSE;
}

PetscErrorCode SpdeSnapshotsSave(SpdeSnapshots *snapshots, Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (!snapshots->most) PetscFunctionReturn(0);
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_time", snapshots->most, snapshots->time));
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_density", snapshots->most * snapshots->rows * snapshots->points,
                                snapshots->density));
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_spectrum", snapshots->most * (snapshots->degree + 1),
                                snapshots->power));
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_tokens", snapshots->most * snapshots->shown * snapshots->dim,
                                snapshots->tokens));
  PetscCall(CheckpointAddShared(checkpoint, "snapshot_weights", snapshots->shown, snapshots->weights));
  PetscFunctionReturn(0);
}

static PetscErrorCode Map(SpdeSnapshots *snapshots, Density density, PetscReal *values) {
  const PetscInt count = snapshots->rows * snapshots->points;

  PetscFunctionBeginUser;
  for (PetscInt first = 0; first < count; first += BLOCK) {
    for (PetscInt t = 0; t < BLOCK; t++) {
      const PetscInt p = PetscMin(first + t, count - 1);
      const PetscReal angle = Angle(snapshots, p % snapshots->points),
                      latitude = snapshots->dim == 2 ? 0 : Latitude(snapshots, p / snapshots->points);
      snapshots->x[t] = cos(latitude) * cos(angle);
      snapshots->x[BLOCK + t] = cos(latitude) * sin(angle);
      if (snapshots->dim == 3) snapshots->x[2 * BLOCK + t] = sin(latitude);
    }
    PetscCall(DensityEvaluate(density, BLOCK, snapshots->x, snapshots->value));
    PetscCall(PetscArraycpy(values + first, snapshots->value, PetscMin(BLOCK, count - first)));
  }
  PetscFunctionReturn(0);
}

/* Every so many of N rows of d numbers. */
static void Choose(const SpdeSnapshots *snapshots, PetscInt64 N, PetscInt d, const double *rows, PetscReal *chosen) {
  for (PetscInt i = 0; i < snapshots->shown; i++)
    for (PetscInt c = 0; c < d; c++)
      chosen[i * d + c] = rows[(PetscInt64)i * N / snapshots->shown * snapshots->dim + c];
}

PetscErrorCode SpdeSnapshotsTake(SpdeSnapshots *snapshots, PetscInt frame, PetscReal time, Density density,
                                 Tokens tokens) {
  PetscInt i = 0; /* snapshots before this one */
  TokensLayout layout;
  const double *weights;
  double *rows, *w;
  Vec x, v;

  PetscFunctionBeginUser;
  if (!IsDue(snapshots, frame)) PetscFunctionReturn(0);
  for (PetscInt f = 0; f < frame; f++) i += IsDue(snapshots, f);
  snapshots->time[i] = time;
  PetscCall(Map(snapshots, density, snapshots->density + (size_t)i * snapshots->rows * snapshots->points));
  PetscCall(DensitySpectrum(density, snapshots->power + (size_t)i * (snapshots->degree + 1)));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(PetscMalloc1((size_t)layout.count * layout.dim, &rows));
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGather(tokens, x, rows));
  Choose(snapshots, layout.count, snapshots->dim, rows,
         snapshots->tokens + (size_t)i * snapshots->shown * snapshots->dim);
  if (i == 0) { /* weights stay; they travel as the first component */
    PetscCall(TokensCreateVec(tokens, &v));
    PetscCall(TokensGetWeights(tokens, &weights));
    PetscCall(VecGetArray(v, &w));
    for (PetscInt b = 0; b < layout.owned; b++)
      PetscCall(PetscArraycpy(w + b * layout.dim * layout.block, weights + b * layout.block, layout.block));
    PetscCall(VecRestoreArray(v, &w));
    PetscCall(TokensGather(tokens, v, rows));
    Choose(snapshots, layout.count, 1, rows, snapshots->weights);
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

PetscErrorCode SpdeSnapshotsRecord(SpdeSnapshots *snapshots, MPI_Comm comm, Results results) {
  PetscReal angles[CIRCLE_POINTS], latitudes[LATITUDES];
  PetscInt taken = 0;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < snapshots->most; i++) taken += !PetscIsNanReal(snapshots->time[i]);
  PetscCallMPI(MPI_Bcast(&taken, 1, MPIU_INT, 0, comm));
  if (!taken) PetscFunctionReturn(0);
  const PetscInt64 T = taken, row[1] = {snapshots->points}, column[1] = {snapshots->rows},
                   circle[2] = {T, snapshots->points};
  const PetscInt64 sphere[3] = {T, snapshots->rows, snapshots->points}, power[2] = {T, snapshots->degree + 1};
  const PetscInt64 tokens[3] = {T, snapshots->shown, snapshots->dim}, shown[1] = {snapshots->shown};
  for (PetscInt j = 0; j < snapshots->points; j++) angles[j] = Angle(snapshots, j);
  for (PetscInt i = 0; i < snapshots->rows; i++) latitudes[i] = Latitude(snapshots, i);
  PetscCall(ResultsArray(results, "snapshot_angle", 1, row, angles));
  if (snapshots->dim == 3) PetscCall(ResultsArray(results, "snapshot_latitude", 1, column, latitudes));
  PetscCall(Share(comm, results, "snapshot_time", 1, &T, snapshots->time));
  PetscCall(Share(comm, results, "snapshot_density", snapshots->dim, snapshots->dim == 2 ? circle : sphere,
                  snapshots->density));
  PetscCall(Share(comm, results, "snapshot_spectrum", 2, power, snapshots->power));
  PetscCall(Share(comm, results, "snapshot_tokens", 3, tokens, snapshots->tokens));
  PetscCall(Share(comm, results, "snapshot_weights", 1, shown, snapshots->weights));
  PetscFunctionReturn(0);
}
