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

/* Numbers of one snapshot in a part, and of all. */
static PetscInt OneSize(const SpdePart *part) {
  PetscInt size = 1;

  for (int i = 1; i < part->rank; i++) size *= (PetscInt)part->shape[i];
  return size;
}

static PetscInt AllSize(const SpdePart *part) {
  return (PetscInt)part->shape[0] * OneSize(part);
}

PetscErrorCode SpdeSnapshotsCreate(Density density, Tokens tokens, PetscInt64 most, PetscInt frames,
                                   SpdeSnapshots *snapshots) {
  TokensLayout layout;
  PetscInt degree;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(DensityGetSize(density, &degree, NULL, NULL));
  const PetscInt64 dim = layout.dim, shown = PetscMin(layout.count, SHOWN);
  most = PetscMin(most, frames);
  snapshots->most = (PetscInt)most;
  snapshots->frames = frames;
  snapshots->dim = layout.dim;
  snapshots->rows = dim == 2 ? 1 : LATITUDES;
  snapshots->points = dim == 2 ? CIRCLE_POINTS : LONGITUDES;
  snapshots->part[SPDE_TIME] = (SpdePart){NULL, "snapshot_time", 1, {most}};
  snapshots->part[SPDE_MAP] = dim == 2 ? (SpdePart){NULL, "snapshot_density", 2, {most, CIRCLE_POINTS}}
                                       : (SpdePart){NULL, "snapshot_density", 3, {most, LATITUDES, LONGITUDES}};
  snapshots->part[SPDE_SPECTRUM] = (SpdePart){NULL, "snapshot_spectrum", 2, {most, degree + 1}};
  snapshots->part[SPDE_TOKENS] = (SpdePart){NULL, "snapshot_tokens", 3, {most, shown, dim}};
  snapshots->part[SPDE_WEIGHTS] = (SpdePart){NULL, "snapshot_weights", 1, {shown}};
  for (int i = 0; i < SPDE_PARTS; i++)
    PetscCall(PetscCalloc1(AllSize(&snapshots->part[i]), &snapshots->part[i].values));
  for (PetscInt i = 0; i < most; i++) snapshots->part[SPDE_TIME].values[i] = NAN; /* not taken */
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeSnapshotsDestroy(SpdeSnapshots *snapshots) {
  PetscFunctionBeginUser;
  for (int i = 0; i < SPDE_PARTS; i++) PetscCall(PetscFree(snapshots->part[i].values));
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeSnapshotsSave(SpdeSnapshots *snapshots, Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  for (int i = 0; i < SPDE_PARTS && snapshots->most; i++) {
    const SpdePart *part = &snapshots->part[i];
    PetscCall(CheckpointAddShared(checkpoint, part->name, AllSize(part), part->values));
  }
  PetscFunctionReturn(0);
}

static PetscBool IsDue(const SpdeSnapshots *snapshots, PetscInt frame) {
  const PetscInt64 most = snapshots->most, last = snapshots->frames - 1;

  if (most < 2 || most > last) return most > last || (most == 1 && frame == 0) ? PETSC_TRUE : PETSC_FALSE;
  for (PetscInt64 i = (frame * (most - 1)) / last; i <= (frame * (most - 1)) / last + 1; i++)
    if (i < most && i * last / (most - 1) == frame) return PETSC_TRUE;
  return PETSC_FALSE;
}

static PetscErrorCode TakeMap(const SpdeSnapshots *snapshots, Density density, PetscReal *values) {
  const PetscInt count = snapshots->rows * snapshots->points;
  double *x, *value;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(snapshots->dim * BLOCK, &x, BLOCK, &value));
  for (PetscInt first = 0; first < count; first += BLOCK) {
    for (PetscInt t = 0; t < BLOCK; t++) {
      const PetscInt p = PetscMin(first + t, count - 1);
      const PetscReal angle = Angle(snapshots, p % snapshots->points);
      const PetscReal latitude = snapshots->dim == 2 ? 0 : Latitude(snapshots, p / snapshots->points);
      x[t] = cos(latitude) * cos(angle);
      x[BLOCK + t] = cos(latitude) * sin(angle);
      if (snapshots->dim == 3) x[2 * BLOCK + t] = sin(latitude);
    }
    PetscCall(DensityEvaluate(density, BLOCK, x, value));
    PetscCall(PetscArraycpy(values + first, value, PetscMin(BLOCK, count - first)));
  }
  PetscCall(PetscFree2(x, value));
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeSnapshotsTake(SpdeSnapshots *snapshots, PetscInt frame, PetscReal time, Density density,
                                 Tokens tokens) {
  PetscReal *place[SPDE_PARTS];
  const PetscInt64 shown = snapshots->part[SPDE_WEIGHTS].shape[0];
  PetscInt before = 0; /* snapshots */
  const double *x, *weights;
  Vec positions;

  PetscFunctionBeginUser;
  if (!IsDue(snapshots, frame)) PetscFunctionReturn(0);
  for (PetscInt f = 0; f < frame; f++) before += IsDue(snapshots, f);
  for (int i = 0; i < SPDE_PARTS; i++) place[i] = snapshots->part[i].values + before * OneSize(&snapshots->part[i]);
  *place[SPDE_TIME] = time;
  PetscCall(TakeMap(snapshots, density, place[SPDE_MAP]));
  PetscCall(DensitySpectrum(density, place[SPDE_SPECTRUM]));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(TokensGatherSome(tokens, shown, snapshots->dim, x, place[SPDE_TOKENS]));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(TokensGetWeights(tokens, &weights));
  if (!before) PetscCall(TokensGatherSome(tokens, shown, 1, weights, place[SPDE_WEIGHTS])); /* they stay */
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeSnapshotsRecord(SpdeSnapshots *snapshots, const EnsembleLayout *layout, Results results) {
  const MPI_Comm comm = layout->world;
  PetscReal angles[CIRCLE_POINTS], latitudes[LATITUDES];
  PetscMPIInt shard, rank, root = 0; /* root: the rank that has them */
  PetscInt taken = 0;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < snapshots->most; i++) taken += !PetscIsNanReal(snapshots->part[SPDE_TIME].values[i]);
  PetscCallMPI(MPI_Comm_rank(layout->shards, &shard));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (layout->group == 0 && !shard) root = rank;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &root, 1, MPI_INT, MPI_MAX, comm));
  PetscCallMPI(MPI_Bcast(&taken, 1, MPIU_INT, root, comm));
  if (!taken) PetscFunctionReturn(0);
  for (PetscInt j = 0; j < snapshots->points; j++) angles[j] = Angle(snapshots, j);
  for (PetscInt i = 0; i < snapshots->rows; i++) latitudes[i] = Latitude(snapshots, i);
  PetscCall(ResultsArray(results, "snapshot_angle", 1, (PetscInt64[]){snapshots->points}, angles));
  if (snapshots->dim == 3)
    PetscCall(ResultsArray(results, "snapshot_latitude", 1, (PetscInt64[]){snapshots->rows}, latitudes));
  for (int i = 0; i < SPDE_PARTS; i++) {
    SpdePart part = snapshots->part[i];
    PetscMPIInt count;

    if (i != SPDE_WEIGHTS) part.shape[0] = taken;
    PetscCall(PetscMPIIntCast(AllSize(&part), &count));
    PetscCallMPI(MPI_Bcast(part.values, count, MPIU_REAL, root, comm));
    PetscCall(ResultsArray(results, part.name, part.rank, part.shape, part.values));
  }
  PetscFunctionReturn(0);
}
