/* What the files of study spde share. */
#ifndef CHORALE_STUDY_SPDE_SPDE_H
#define CHORALE_STUDY_SPDE_SPDE_H

#include "study/studies.h"

/* What is measured in a frame. The first four are columns of the table, in its order. */
typedef enum {
  SPDE_MASS,
  SPDE_MINIMUM,
  SPDE_ENERGY,
  SPDE_DISTANCE, /* W2 on the circle, MMD on the sphere */
  SPDE_ENTROPY,
  SPDE_TAIL,
  SPDE_TOKENS_ENERGY,
  SPDE_MMD,
  SPDE_SOBOLEV,
  SPDE_DISTANCE_LOW, /* W2 is certified between this and SPDE_DISTANCE; of MMD the same */
  SPDE_NUMBERS
} SpdeNumber;

/* Frames of realization 0: density on a map, spectrum, some of the tokens. */
enum { SPDE_TIME, SPDE_MAP, SPDE_SPECTRUM, SPDE_TOKENS, SPDE_WEIGHTS, SPDE_PARTS };
typedef struct {
  PetscReal *values;
  const char *name; /* in the file */
  int rank;
  PetscInt64 shape[3]; /* the number of snapshots first, but for weights, which stay */
} SpdePart;

typedef struct {
  PetscInt most, frames; /* snapshots, and the frames that they are chosen of */
  PetscInt rows, points; /* of the map: latitudes (1 on the circle) and angles in [0, 2 pi) */
  PetscInt dim;
  SpdePart part[SPDE_PARTS];
} SpdeSnapshots;

PetscErrorCode SpdeSnapshotsCreate(Density density, Tokens tokens, PetscInt64 most, PetscInt frames,
                                   SpdeSnapshots *snapshots);
PetscErrorCode SpdeSnapshotsDestroy(SpdeSnapshots *snapshots);
/* What a checkpoint keeps of them. */
PetscErrorCode SpdeSnapshotsSave(SpdeSnapshots *snapshots, Checkpoint checkpoint);
/* Takes one if this frame is one of the evenly chosen. Collective on the tokens' communicator. */
PetscErrorCode SpdeSnapshotsTake(SpdeSnapshots *snapshots, PetscInt frame, PetscReal time, Density density,
                                 Tokens tokens);
/* What the first rank of realization 0 has, as arrays. Collective on all ranks. */
PetscErrorCode SpdeSnapshotsRecord(SpdeSnapshots *snapshots, const EnsembleLayout *layout, Results results);

/* The table and arrays over frames from rows [frames][SPDE_NUMBERS], NaN from where a density has become too sharp for
 * the spectral resolution, and the time of that (NaN: never). Means are over all realizations; from the first that is
 * outgrown on there are none. */
PetscErrorCode SpdeReport(PetscInt dim, const Samples *samples, Results results);

#endif
