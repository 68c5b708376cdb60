/* H5MD 1.1, https://www.nongnu.org/h5md/h5md.html */
#include <chorale/trajectory.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/hdf.h"
#include "io/provenance.h"
#include "run/origin.h"

#define POSITION "/particles/all/position"
#define RADIUS   "/particles/all/radius"
/* HDF5 handles every chunk of a frame by itself, which costs more than writing it when chunks are small: a large frame
 * has this many chunks, each of whole token blocks. Chunks are no larger than this, nor than what a rank owns: two
 * ranks at one compressed chunk wait for each other. */
#define CHUNKS      64
#define CHUNK_BYTES (1 << 22)

/* The sidecar has a few lines for every frame, so that it is written again between checkpoints only when so large a
 * part of it is new. */
#define SIDECAR_SHARE 8

struct _p_Trajectory {
  TokensLayout layout;
  PetscMPIInt rank;
  Hdf hdf;
  HdfSeries values, radii;                  /* radii: NULL of tokens that have none */
  PetscInt frames, extent, written, listed; /* to come, in the file, written, in the sidecar */
  PetscBool single;
  PetscInt64 *step; /* [frames] */
  double *time;     /* [frames] */
  double *rows;     /* positions of this rank's tokens */
  double flushed;
  char path[PETSC_MAX_PATH_LEN];
};

/* What stands in the file before the first frame. */
static PetscErrorCode WriteHeader(Trajectory trajectory) {
  const int standard[2] = {1, 1}, dim = trajectory->layout.dim;
  const char **boundary;

  PetscFunctionBeginUser;
  PetscCall(HdfAttributeInts(trajectory->hdf, "/h5md", "version", 2, standard));
  PetscCall(HdfAttributeString(trajectory->hdf, "/h5md/author", "name", "chorale"));
  PetscCall(HdfAttributeString(trajectory->hdf, "/h5md/creator", "name", "chorale"));
  PetscCall(HdfAttributeString(trajectory->hdf, "/h5md/creator", "version", ProvenanceVersion()));
  PetscCall(PetscMalloc1(dim, &boundary));
  for (int c = 0; c < dim; c++) boundary[c] = "none"; /* the sphere lies in R^d, which has no walls */
  PetscCall(HdfAttributeInt(trajectory->hdf, "/particles/all/box", "dimension", dim));
  PetscCall(HdfAttributeStrings(trajectory->hdf, "/particles/all/box", "boundary", dim, boundary));
  PetscCall(PetscFree(boundary));
  PetscCall(OriginWriteKeys(trajectory->hdf)); /* what the file was recorded with, whatever else is lost */
  PetscFunctionReturn(0);
}

/* The object without its file. */
static PetscErrorCode New(Tokens tokens, const char *path, PetscInt frames, PetscBool single, Trajectory *trajectory) {
  Trajectory made;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&made));
  PetscCall(TokensGetLayout(tokens, &made->layout));
  PetscCallMPI(MPI_Comm_rank(made->layout.comm, &made->rank));
  PetscCall(PetscStrncpy(made->path, path, sizeof(made->path)));
  made->frames = frames;
  made->single = single;
  made->flushed = -PETSC_MAX_REAL; /* the first frame is flushed at once */
  PetscCall(PetscCalloc2(frames, &made->step, frames, &made->time));
  PetscCall(PetscMalloc1(made->layout.owned * made->layout.block * made->layout.dim, &made->rows));
  *trajectory = made;
  PetscFunctionReturn(0);
}

/* Tokens per chunk: whole blocks. */
static PetscErrorCode ChunkRows(const TokensLayout *l, PetscInt64 *rows) {
  const PetscInt64 bytes = (PetscInt64)sizeof(double) * l->block * l->dim;
  PetscMPIInt shards;
  PetscInt64 blocks;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(l->comm, &shards));
  blocks = PetscMin(l->blocks / CHUNKS, CHUNK_BYTES / bytes);
  blocks = PetscMin(blocks, l->blocks / shards);
  *rows = PetscMax(blocks, 1) * l->block;
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoryCreate(Tokens tokens, const char *path, PetscInt frames, PetscBool single, PetscInt deflate,
                                Trajectory *trajectory) {
  HdfSeriesShape shape = {.single = single, .deflate = (int)deflate};
  Trajectory made;
  double *radius;

  PetscFunctionBeginUser;
  PetscCall(New(tokens, path, frames, single, &made));
  shape.frames = made->extent;
  shape.N = made->layout.count;
  shape.d = made->layout.dim;
  PetscCall(ChunkRows(&made->layout, &shape.chunk_rows));
  PetscCall(HdfOpen(made->layout.comm, path, "w", NULL, &made->hdf));
  PetscCall(WriteHeader(made));
  PetscCall(HdfSeriesCreate(made->hdf, POSITION "/value", &shape, &made->values));
  PetscCall(TokensGetRadius(tokens, &radius));
  shape.d = 1;
  if (radius) PetscCall(HdfSeriesCreate(made->hdf, RADIUS "/value", &shape, &made->radii));
  *trajectory = made;
  PetscFunctionReturn(0);
}

/* Opens the file and takes over what it says; an error when it is not whole. */
static PetscErrorCode Reopen(Trajectory trajectory, PetscInt done, PetscBool radii) {
  HdfSeriesShape shape = {.d = trajectory->layout.dim, .single = trajectory->single}, other = shape;
  PetscInt64 clock[8];
  int valid = 0, rank;
  PetscBool found;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(trajectory->layout.comm, trajectory->path, "r+", NULL, &trajectory->hdf));
  PetscCall(HdfReadAttributeInt(trajectory->hdf, POSITION, "frames_valid", &valid, &found));
  PetscCall(HdfSeriesOpen(trajectory->hdf, POSITION "/value", &shape, &trajectory->values));
  PetscCall(
      HdfGetShape(trajectory->hdf, POSITION "/step", &rank, clock)); /* of a killed run it may have less than values */
  other.d = 1;
  other.frames = shape.frames;
  other.N = shape.N;
  if (radii) PetscCall(HdfSeriesOpen(trajectory->hdf, RADIUS "/value", &other, &trajectory->radii));
  PetscCheck(other.frames == shape.frames && other.N == shape.N, trajectory->layout.comm, PETSC_ERR_FILE_READ,
             "%s: is not whole", trajectory->path);
  PetscCheck(valid >= done && rank == 1 && clock[0] >= done && clock[0] <= trajectory->frames && shape.frames >= done &&
                 shape.frames <= trajectory->frames && shape.N == trajectory->layout.count,
             trajectory->layout.comm, PETSC_ERR_FILE_READ, "%s: is not of this run", trajectory->path);
  trajectory->extent = (PetscInt)shape.frames;
  trajectory->written = done;
  PetscCall(HdfReadInts(trajectory->hdf, POSITION "/step", clock[0], trajectory->step));
  PetscCall(HdfReadRows(trajectory->hdf, POSITION "/time", 0, clock[0], trajectory->time));
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoryOpen(Tokens tokens, const char *path, PetscInt frames, PetscInt done, PetscBool single,
                              Trajectory *trajectory) {
  PetscErrorCode failed;
  Trajectory made;
  double *radius;

  PetscFunctionBeginUser;
  PetscCall(New(tokens, path, frames, single, &made));
  PetscCall(TokensGetRadius(tokens, &radius));
  PetscCall(PetscPushErrorHandler(PetscReturnErrorHandler, NULL)); /* a file that is lost is no error here */
  failed = Reopen(made, done, radius ? PETSC_TRUE : PETSC_FALSE);
  if (failed) {
    (void)HdfSeriesDestroy(&made->radii);
    (void)HdfSeriesDestroy(&made->values);
    (void)HdfClose(&made->hdf); /* of a damaged file this fails, too */
  }
  PetscCall(PetscPopErrorHandler());
  if (failed) {
    PetscCall(PetscFree2(made->step, made->time));
    PetscCall(PetscFree(made->rows));
    PetscCall(PetscFree(made));
  }
  *trajectory = made;
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectorySetTimes(Trajectory trajectory, const PetscReal time[]) {
  PetscFunctionBeginUser;
  PetscCall(PetscArraycpy(trajectory->time, time, trajectory->written));
  PetscFunctionReturn(0);
}

/* H5MD's `mass` holds the weights when they are not 1/N; they do not change along a trajectory. */
static PetscErrorCode WriteWeights(Trajectory trajectory, Tokens tokens) {
  const TokensLayout *l = &trajectory->layout;
  const double *weights;
  PetscBool uniform = PETSC_TRUE;
  PetscInt64 first, n;

  PetscFunctionBeginUser;
  TokensOwnRows(l, &first, &n);
  PetscCall(TokensGetWeights(tokens, &weights));
  for (PetscInt64 i = 0; i < n; i++)
    if (weights[i] != 1 / (double)l->count) uniform = PETSC_FALSE;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &uniform, 1, MPIU_BOOL, MPI_LAND, l->comm));
  if (!uniform) PetscCall(HdfWriteRows(trajectory->hdf, "/particles/all/mass", l->count, 0, first, 1, n, weights));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteClock(Trajectory trajectory, const char *step, const char *time) {
  PetscFunctionBeginUser;
  PetscCall(HdfGrowInts(trajectory->hdf, step, trajectory->extent, trajectory->step));
  PetscCall(HdfGrowReals(trajectory->hdf, time, trajectory->extent, trajectory->time));
  PetscFunctionReturn(0);
}

/* Everything written so far is in the file for good, and nothing else is called a frame there. */
static PetscErrorCode Flush(Trajectory trajectory) {
  const int valid = trajectory->written;

  PetscFunctionBeginUser;
  PetscCall(WriteClock(trajectory, POSITION "/step", POSITION "/time"));
  if (trajectory->radii) PetscCall(WriteClock(trajectory, RADIUS "/step", RADIUS "/time"));
  PetscCall(HdfAttributeInt(trajectory->hdf, POSITION, "frames_valid", valid));
  PetscCall(HdfFlush(trajectory->hdf));
  PetscFunctionReturn(0);
}

/* The sidecar that lets ParaView play the frames: one grid of points per frame, each a slab of the position dataset.
 * ParaView's readers of .xmf know slabs as part of the dataset's name: |first:stride:count:extent. */
static PetscErrorCode WriteSidecar(Trajectory trajectory) {
  const char *slash = strrchr(trajectory->path, '/'), *name = slash ? slash + 1 : trajectory->path;
  char path[PETSC_MAX_PATH_LEN + 8], temporary[PETSC_MAX_PATH_LEN + 16], *dot;
  PetscBool good = PETSC_TRUE;
  FILE *file;

  PetscFunctionBeginUser;
  if (trajectory->layout.dim != 3) PetscFunctionReturn(0);
  PetscCall(PetscStrncpy(path, trajectory->path, PETSC_MAX_PATH_LEN));
  dot = strrchr(path, '.');
  strcpy(dot && !strchr(dot, '/') ? dot : path + strlen(path), ".xmf");
  PetscCall(PetscSNPrintf(temporary, sizeof(temporary), "%s.tmp", path));
  trajectory->listed = trajectory->written;
  if (!trajectory->rank) {
    const long N = (long)trajectory->layout.count;
    file = fopen(temporary, "w");
    good = file ? PETSC_TRUE : PETSC_FALSE;
    if (file) {
      fprintf(
          file,
          "<?xml version=\"1.0\"?>\n<Xdmf Version=\"3.0\">\n<Domain>\n<Grid Name=\"tokens\" GridType=\"Collection\" "
          "CollectionType=\"Temporal\">\n");
      for (PetscInt f = 0; f < trajectory->written; f++)
        fprintf(file,
                "<Grid Name=\"tokens\">\n<Time Value=\"%.17g\"/>\n<Topology TopologyType=\"Polyvertex\" "
                "NumberOfElements=\"%ld\"/>\n"
                "<Geometry GeometryType=\"XYZ\">\n<DataItem Dimensions=\"%ld 3\" NumberType=\"Float\" Precision=\"%d\" "
                "Format=\"HDF\">%s:" POSITION "/value|%" PetscInt_FMT " 0 0:1 1 1:1 %ld 3:%" PetscInt_FMT
                " %ld 3</DataItem>\n</Geometry>\n</Grid>\n",
                trajectory->time[f], N, N, trajectory->single ? 4 : 8, name, f, N, trajectory->extent, N);
      fprintf(file, "</Grid>\n</Domain>\n</Xdmf>\n");
      if (ferror(file)) good = PETSC_FALSE;
      if (fclose(file) || (good && rename(temporary, path))) good = PETSC_FALSE;
      if (!good) (void)unlink(temporary);
    }
  }
  PetscCallMPI(MPI_Bcast(&good, 1, MPIU_BOOL, 0, trajectory->layout.comm));
  PetscCheck(good, trajectory->layout.comm, PETSC_ERR_FILE_WRITE, "%s: cannot write", path);
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoryFlush(Trajectory trajectory) {
  PetscFunctionBeginUser;
  PetscCall(Flush(trajectory));
  PetscCall(WriteSidecar(trajectory));
  PetscFunctionReturn(0);
}

/* Room for one frame more. */
static PetscErrorCode Extend(Trajectory trajectory) {
  PetscFunctionBeginUser;
  PetscCall(HdfSeriesExtend(trajectory->values, ++trajectory->extent));
  if (trajectory->radii) PetscCall(HdfSeriesExtend(trajectory->radii, trajectory->extent));
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoryWrite(Trajectory trajectory, PetscInt step, PetscReal time, Tokens tokens) {
  PetscInt64 first, count;
  double now, *radius;
  PetscMPIInt due = 0;

  PetscFunctionBeginUser;
  PetscCheck(trajectory->written < trajectory->frames, trajectory->layout.comm, PETSC_ERR_ARG_OUTOFRANGE,
             "%s: more than %" PetscInt_FMT " frames", trajectory->path, trajectory->frames);
  if (!trajectory->written) PetscCall(WriteWeights(trajectory, tokens));
  if (trajectory->written == trajectory->extent) PetscCall(Extend(trajectory));
  PetscCall(TokensGetRows(tokens, &first, &count, trajectory->rows));
  PetscCall(HdfSeriesWrite(trajectory->values, trajectory->written, first, count, trajectory->rows));
  PetscCall(TokensGetRadius(tokens, &radius));
  if (radius) PetscCall(HdfSeriesWrite(trajectory->radii, trajectory->written, first, count, radius));
  trajectory->step[trajectory->written] = step;
  trajectory->time[trajectory->written] = time;
  trajectory->written++;
  /* Once a second: a flush costs more than a small frame, and a slow run should lose none. */
  now = MPI_Wtime();
  if (now - trajectory->flushed > 1) due = 1;
  PetscCallMPI(MPI_Bcast(&due, 1, MPI_INT, 0, trajectory->layout.comm));
  if (due || trajectory->written == trajectory->frames) {
    PetscCall(Flush(trajectory));
    if (trajectory->written > trajectory->listed + trajectory->listed / SIDECAR_SHARE)
      PetscCall(WriteSidecar(trajectory));
    trajectory->flushed = now;
  }
  PetscFunctionReturn(0);
}

PetscErrorCode TrajectoryDestroy(Trajectory *trajectory) {
  Trajectory old = *trajectory;

  PetscFunctionBeginUser;
  if (!old) PetscFunctionReturn(0);
  PetscCall(HdfSeriesDestroy(&old->radii));
  PetscCall(HdfSeriesDestroy(&old->values));
  PetscCall(HdfClose(&old->hdf));
  PetscCall(WriteSidecar(old));
  PetscCall(PetscFree2(old->step, old->time));
  PetscCall(PetscFree(old->rows));
  PetscCall(PetscFree(*trajectory));
  PetscFunctionReturn(0);
}
