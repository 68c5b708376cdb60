#include <chorale/recording.h>

#include <chorale/deck.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/hdf.h"
#include "io/particles.h"

#define OFF_SPHERE 1e-4  /* norms this far from 1 are no rounding to single precision */
#define EXACT      1e-12 /* as TokensIsValid */

typedef Particles Source;

struct _p_Recording {
  MPI_Comm world;
  const char *key;
  char path[PETSC_MAX_PATH_LEN];
  PetscInt realizations, frames;
  Source *source; /* [realizations] */
  PetscInt64 count, dim;
  PetscInt64 *step; /* [frames] */
  PetscReal *time;
  Hdf hdf; /* of realization `open`, -1 for none; of the group that reads */
  PetscInt open;
  double *rows;
  const char *missing;                       /* file of a realization, NULL for none; it may not have begun */
  char reason[2 * PETSC_MAX_PATH_LEN + 256]; /* what is wrong with the frames, empty if nothing */
};

/* N, d and the number of complete frames of an open file. */
static PetscErrorCode ReadShape(Recording recording, Source *s, Hdf hdf) {
  PetscInt64 shape[3];

  PetscFunctionBeginUser;
  PetscCall(ParticlesGetShape(recording->world, hdf, s, recording->key, shape));
  if (recording->count == 0) recording->count = shape[1], recording->dim = shape[2];
  PetscCheck(recording->count == shape[1] && recording->dim == shape[2], recording->world, PETSC_ERR_USER_INPUT,
             "%s = %s: %s has %" PetscInt64_FMT " tokens in R^%" PetscInt64_FMT ", others %" PetscInt64_FMT
             " in R^%" PetscInt64_FMT,
             recording->key, recording->path, s->file, shape[1], shape[2], recording->count, recording->dim);
  s->frames = (PetscInt)shape[0];
  PetscFunctionReturn(0);
}

/* Steps and times of the frames: those of the realization that has most of them, the beginning of which all share. */
static PetscErrorCode ReadClock(Recording recording, const Source *s, Hdf hdf) {
  char path[PETSC_MAX_PATH_LEN];
  PetscInt64 shape[8], *step;
  PetscReal *time;
  PetscBool same = PETSC_TRUE;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(ParticlesPath(s, "position/step", path));
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  PetscCall(PetscMalloc2(shape[0], &step, s->frames, &time));
  PetscCall(HdfReadInts(hdf, path, shape[0], step));
  PetscCall(ParticlesPath(s, "position/time", path));
  PetscCall(HdfReadRows(hdf, path, 0, s->frames, time));
  for (PetscInt f = 0; f < PetscMin(s->frames, recording->frames); f++)
    if (step[f] != recording->step[f] || time[f] != recording->time[f]) same = PETSC_FALSE;
  if (same && s->frames > recording->frames) {
    PetscCall(PetscFree2(recording->step, recording->time));
    PetscCall(PetscMalloc2(s->frames, &recording->step, s->frames, &recording->time));
    PetscCall(PetscArraycpy(recording->step, step, s->frames));
    PetscCall(PetscArraycpy(recording->time, time, s->frames));
    recording->frames = s->frames;
  }
  PetscCall(PetscFree2(step, time));
  PetscCheck(same, recording->world, PETSC_ERR_USER_INPUT,
             "%s = %s: the frames of %s have other steps or times than the others", recording->key, recording->path,
             s->file);
  PetscFunctionReturn(0);
}

/* Looks at one realization; without its file it has no frames. */
static PetscErrorCode Inspect(Recording recording, Source *s) {
  PetscErrorCode failed;
  PetscMPIInt rank;
  int missing = 0;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(recording->world, &rank));
  if (!rank) missing = access(s->file, F_OK) != 0;
  PetscCallMPI(MPI_Bcast(&missing, 1, MPI_INT, 0, recording->world));
  if (missing && !recording->missing) recording->missing = s->file;
  if (missing) PetscFunctionReturn(0);
  PetscCall(HdfOpen(recording->world, s->file, "r", recording->key, &hdf));
  failed = ReadShape(recording, s, hdf);
  if (!failed && s->frames) failed = ReadClock(recording, s, hdf);
  PetscCall(HdfClose(&hdf)); /* HDF5 would close it after MPI_Finalize, and fail */
  PetscCall(failed);
  PetscFunctionReturn(0);
}

/* In place of a link the file that it leads to, beside which the trajectories are. */
static PetscErrorCode Follow(Recording recording) {
  struct stat status;
  PetscMPIInt rank;
  char *full = NULL;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(recording->world, &rank));
  if (!rank && !lstat(recording->path, &status) && S_ISLNK(status.st_mode)) full = realpath(recording->path, NULL);
  if (full && strlen(full) < sizeof(recording->path)) PetscCall(PetscStrcpy(recording->path, full));
  free(full);
  PetscCallMPI(MPI_Bcast(recording->path, sizeof(recording->path), MPI_CHAR, 0, recording->world));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingOpen(MPI_Comm world, const char *key, const char *path, Recording *recording) {
  PetscErrorCode failed;
  Recording made;
  PetscBool linked;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&made));
  made->world = world;
  made->key = key;
  made->open = -1;
  PetscCall(PetscStrncpy(made->path, path, sizeof(made->path)));
  PetscCall(HdfOpen(world, made->path, "r", key, &hdf));
  PetscCall(Follow(made));
  failed = ParticlesList(world, hdf, key, made->path, &made->realizations, &made->source, &linked);
  PetscCall(HdfClose(&hdf));
  PetscCall(failed);
  for (PetscInt r = 0; r < made->realizations; r++) PetscCall(Inspect(made, &made->source[r]));
  PetscCheck(made->frames || !made->missing, world, PETSC_ERR_USER_INPUT,
             "%s = %s: its trajectories are missing: there is no %s", key, path, made->missing);
  PetscCheck(made->frames, world, PETSC_ERR_USER_INPUT, "%s = %s: has no complete frame", key, path);
  *recording = made;
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingDestroy(Recording *recording) {
  Recording old = *recording;

  PetscFunctionBeginUser;
  if (!old) PetscFunctionReturn(0);
  PetscCall(HdfClose(&old->hdf));
  PetscCall(PetscFree2(old->step, old->time));
  PetscCall(PetscFree(old->source));
  PetscCall(PetscFree(old->rows));
  PetscCall(PetscFree(*recording));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingGetInfo(Recording recording, RecordingInfo *info) {
  PetscFunctionBeginUser;
  *info = (RecordingInfo){recording->realizations, recording->count, (PetscInt)recording->dim,
                          recording->frames,       recording->step,  recording->time};
  PetscFunctionReturn(0);
}

PetscInt RecordingFrames(Recording recording, PetscInt r) {
  return recording->source[r].frames;
}

PetscErrorCode RecordingVisit(Recording recording,
                              PetscErrorCode (*visit)(const char *key, const char *value, void *context),
                              void *context) {
  char value[PETSC_MAX_PATH_LEN];
  PetscBool found, there;
  const char *key;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(recording->world, recording->path, "r", recording->key, &hdf));
  PetscCall(HdfExists(hdf, "/parameters", &there));
  for (PetscInt i = 0; there && (key = DeckName(i)); i++) {
    PetscCall(HdfReadAttribute(hdf, "/parameters", key, sizeof(value), value, &found));
    if (found) PetscCall(visit(key, value, context));
  }
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}

typedef struct {
  PetscInt n;
  const char *const *keys;
  PetscBool found;
} Adoption;

static PetscErrorCode Adopt(const char *key, const char *value, void *context) {
  Adoption *adoption = context;
  PetscBool given = PETSC_TRUE;

  PetscFunctionBeginUser;
  adoption->found = PETSC_TRUE;
  for (PetscInt i = 0; given && i < adoption->n; i++)
    if (!strcmp(key, adoption->keys[i])) PetscCall(DeckHas(key, &given));
  if (!given && value[0]) PetscCall(DeckResolve(key, value));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingAdopt(Recording recording, PetscInt n, const char *const keys[], PetscBool *found) {
  Adoption adoption = {n, keys, PETSC_FALSE};

  PetscFunctionBeginUser;
  PetscCall(RecordingVisit(recording, Adopt, &adoption));
  *found = adoption.found;
  PetscFunctionReturn(0);
}

/* H5MD's `mass` holds weights that are not 1/N. */
static PetscErrorCode ReadWeights(Recording recording, const Source *s, const TokensLayout *l, Tokens tokens) {
  char path[PETSC_MAX_PATH_LEN];
  PetscInt64 shape[8], first, n;
  double *weights;
  PetscBool exists, positive = PETSC_TRUE;
  int rank;

  PetscFunctionBeginUser;
  TokensOwnRows(l, &first, &n);
  PetscCall(PetscMalloc1(l->owned * l->block, &weights));
  for (PetscInt i = 0; i < l->owned * l->block; i++) weights[i] = 1 / (double)l->count;
  PetscCall(ParticlesPath(s, "mass", path));
  PetscCall(HdfExists(recording->hdf, path, &exists));
  if (exists) {
    PetscCall(HdfGetShape(recording->hdf, path, &rank, shape));
    positive = rank == 1 && shape[0] == l->count ? PETSC_TRUE : PETSC_FALSE;
    if (positive) PetscCall(HdfReadRows(recording->hdf, path, first, n, weights));
    for (PetscInt64 i = 0; i < n; i++)
      if (!(weights[i] >= 0 && weights[i] <= 1e6)) positive = PETSC_FALSE;
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &positive, 1, MPIU_BOOL, MPI_LAND, l->comm));
  }
  if (positive)
    PetscCall(TokensSetWeights(tokens, weights));
  else
    PetscCall(PetscSNPrintf(recording->reason, sizeof(recording->reason),
                            "%s = %s: '%s' must hold a weight >= 0 of every token", recording->key, s->file, path));
  PetscCall(PetscFree(weights));
  PetscFunctionReturn(0);
}

/* Opens realization r for the ranks of comm unless it is open, and reads its frame. */
static PetscErrorCode ReadRows(Recording recording, PetscInt r, PetscInt f, const TokensLayout *l, Tokens tokens) {
  const Source *s = &recording->source[r];
  char path[PETSC_MAX_PATH_LEN];
  PetscInt64 first, n;

  PetscFunctionBeginUser;
  TokensOwnRows(l, &first, &n);
  if (recording->open != r) {
    recording->open = -1;
    PetscCall(HdfClose(&recording->hdf));
    PetscCall(HdfOpen(l->comm, s->file, "r", recording->key, &recording->hdf));
    recording->open = r;
  }
  if (!recording->rows) PetscCall(PetscMalloc1((size_t)l->owned * l->block * l->dim, &recording->rows));
  PetscCall(ParticlesPath(s, "position/value", path));
  PetscCall(HdfReadFrame(recording->hdf, path, f, first, n, recording->rows));
  PetscCall(ReadWeights(recording, s, l, tokens));
  PetscFunctionReturn(0);
}

/* The largest | |x_i| - 1 | of this rank's n rows, infinite for what is not finite, and the token that has it. */
static void Deviation(const double *rows, PetscInt64 n, PetscInt dim, double *worst, PetscInt64 *token) {
  *worst = 0;
  *token = 0;
  for (PetscInt64 i = 0; i < n; i++) {
    double square = 0, deviation;
    for (PetscInt c = 0; c < dim; c++) square += rows[i * dim + c] * rows[i * dim + c];
    deviation = isfinite(square) ? fabs(sqrt(square) - 1) : INFINITY;
    if (deviation > *worst) *worst = deviation, *token = i;
  }
}

PetscErrorCode RecordingRead(Recording recording, PetscInt r, PetscInt f, Tokens tokens, PetscBool *good) {
  PetscErrorCode failed;
  TokensLayout l;
  PetscInt64 token, first, n;
  double worst, most;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &l));
  TokensOwnRows(&l, &first, &n);
  *good = PETSC_FALSE;
  /* A group alone must not raise what it finds: the others would wait for it. */
  PetscCall(PetscPushErrorHandler(PetscReturnErrorHandler, NULL));
  failed = ReadRows(recording, r, f, &l, tokens);
  PetscCall(PetscPopErrorHandler());
  if (failed)
    PetscCall(PetscSNPrintf(recording->reason, sizeof(recording->reason),
                            "%s = %s: frame %" PetscInt_FMT " cannot be read", recording->key,
                            recording->source[r].file, f));
  if (recording->reason[0]) PetscFunctionReturn(0);
  Deviation(recording->rows, n, l.dim, &worst, &token);
  PetscCallMPI(MPI_Allreduce(&worst, &most, 1, MPI_DOUBLE, MPI_MAX, l.comm));
  token = worst == most ? first + token : INT64_MAX;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &token, 1, MPIU_INT64, MPI_MIN, l.comm));
  if (most > OFF_SPHERE) {
    PetscCall(PetscSNPrintf(recording->reason, sizeof(recording->reason),
                            "%s = %s: frame %" PetscInt_FMT ": token %" PetscInt64_FMT " %s", recording->key,
                            recording->source[r].file, f, token,
                            isinf(most) ? "is not finite" : "is not on the unit sphere"));
    PetscFunctionReturn(0);
  }
  PetscCall(TokensSetRows(tokens, recording->rows));
  if (most > EXACT) PetscCall(TokensMove(tokens, 0, NULL));
  *good = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingClose(Recording recording) {
  PetscFunctionBeginUser;
  recording->open = -1;
  PetscCall(HdfClose(&recording->hdf));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingCheck(Recording recording) {
  PetscMPIInt rank, first;

  PetscFunctionBeginUser;
  PetscCall(RecordingClose(recording)); /* HDF5 would close it after MPI_Finalize, and fail */
  PetscCallMPI(MPI_Comm_rank(recording->world, &rank));
  first = recording->reason[0] ? rank : INT_MAX;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, recording->world));
  if (first == INT_MAX) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Bcast(recording->reason, sizeof(recording->reason), MPI_CHAR, first, recording->world));
  SETERRQ(recording->world, PETSC_ERR_USER_INPUT, "%s", recording->reason);
}
