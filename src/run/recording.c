#include <chorale/recording.h>

#include <chorale/deck.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "io/hdf.h"

#define OFF_SPHERE 1e-4  /* norms this far from 1 are no rounding to single precision */
#define EXACT      1e-12 /* as TokensIsValid */

/* Where a realization's positions are: GROUP/position of a file. */
typedef struct {
  char file[PETSC_MAX_PATH_LEN], group[PETSC_MAX_PATH_LEN];
  PetscInt frames; /* complete ones */
} Source;

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
  char reason[2 * PETSC_MAX_PATH_LEN + 256]; /* what is wrong with the frames, empty if nothing */
};

static PetscErrorCode PathOf(const Source *source, const char *name, char path[PETSC_MAX_PATH_LEN]) {
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, PETSC_MAX_PATH_LEN, "%s/%s", source->group, name));
  PetscFunctionReturn(0);
}

/* The particle groups of the open file. A link's file is relative to the directory of the file that has the link. */
static PetscErrorCode ListSources(Recording x, Hdf hdf) {
  const char *slash = strrchr(x->path, '/');
  const int directory = slash ? (int)(slash - x->path) + 1 : 0;
  char link[PETSC_MAX_PATH_LEN], file[PETSC_MAX_PATH_LEN], **names;
  PetscBool exists;
  PetscInt n;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(hdf, "/particles", &exists));
  PetscCheck(exists, x->world, PETSC_ERR_USER_INPUT,
             "%s = %s: holds no trajectory (no group /particles); simulate records them with output_trajectories",
             x->key, x->path);
  PetscCall(HdfList(hdf, "/particles", &n, &names));
  PetscCall(PetscCalloc1(n, &x->source));
  x->realizations = n;
  for (PetscInt r = 0; r < n; r++) {
    Source *s = &x->source[r];
    PetscCall(PetscSNPrintf(link, sizeof(link), "/particles/%s", names[r]));
    PetscCall(HdfReadLink(hdf, link, PETSC_MAX_PATH_LEN, file, s->group));
    if (file[0])
      PetscCall(PetscSNPrintf(s->file, sizeof(s->file), "%.*s%s", file[0] == '/' ? 0 : directory, x->path, file));
    else {
      PetscCall(PetscStrncpy(s->file, x->path, sizeof(s->file)));
      PetscCall(PetscStrncpy(s->group, link, sizeof(s->group)));
    }
    PetscCall(PetscFree(names[r]));
  }
  PetscCall(PetscFree(names));
  PetscCheck(n, x->world, PETSC_ERR_USER_INPUT, "%s = %s: holds no trajectory (/particles is empty)", x->key, x->path);
  PetscFunctionReturn(0);
}

/* N, d and the number of complete frames of an open file. */
static PetscErrorCode ReadShape(Recording x, Source *s, Hdf hdf) {
  char path[PETSC_MAX_PATH_LEN];
  PetscInt64 shape[8], steps[8], times[8], frames;
  int rank, step_rank, time_rank, valid;
  PetscBool real, found;

  PetscFunctionBeginUser;
  PetscCall(PathOf(s, "position/value", path));
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  PetscCall(HdfIsReal(hdf, path, &real));
  PetscCheck(rank == 3 && real && shape[1] >= 1 && shape[2] >= 2 && shape[2] <= PETSC_MAX_INT, x->world,
             PETSC_ERR_USER_INPUT, "%s = %s: '%s' must hold floating-point numbers [frames][tokens][dimension >= 2]",
             x->key, s->file, path);
  PetscCall(PathOf(s, "position/step", path));
  PetscCall(HdfGetShape(hdf, path, &step_rank, steps));
  PetscCall(PathOf(s, "position/time", path));
  PetscCall(HdfGetShape(hdf, path, &time_rank, times));
  PetscCheck(step_rank == 1 && time_rank == 1, x->world, PETSC_ERR_USER_INPUT,
             "%s = %s: '%s/position' must have the step and the time of every frame", x->key, s->file, s->group);
  frames = PetscMin(shape[0], PetscMin(steps[0], times[0]));
  PetscCall(PathOf(s, "position", path));
  PetscCall(HdfReadAttributeInt(hdf, path, "frames_valid", &valid, &found));
  if (found) frames = PetscMin(frames, valid);
  if (x->count == 0) x->count = shape[1], x->dim = shape[2];
  PetscCheck(x->count == shape[1] && x->dim == shape[2], x->world, PETSC_ERR_USER_INPUT,
             "%s = %s: %s has %" PetscInt64_FMT " tokens in R^%" PetscInt64_FMT ", others %" PetscInt64_FMT
             " in R^%" PetscInt64_FMT,
             x->key, x->path, s->file, shape[1], shape[2], x->count, x->dim);
  s->frames = (PetscInt)PetscMax(0, frames);
  PetscFunctionReturn(0);
}

/* Steps and times of the frames: those of the realization that has most of them, the beginning of which all share. */
static PetscErrorCode ReadClock(Recording x, const Source *s, Hdf hdf) {
  char path[PETSC_MAX_PATH_LEN];
  PetscInt64 shape[8], *step;
  PetscReal *time;
  PetscBool same = PETSC_TRUE;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(PathOf(s, "position/step", path));
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  PetscCall(PetscMalloc2(shape[0], &step, s->frames, &time));
  PetscCall(HdfReadInts(hdf, path, shape[0], step));
  PetscCall(PathOf(s, "position/time", path));
  PetscCall(HdfReadRows(hdf, path, 0, s->frames, time));
  for (PetscInt f = 0; f < PetscMin(s->frames, x->frames); f++)
    if (step[f] != x->step[f] || time[f] != x->time[f]) same = PETSC_FALSE;
  if (same && s->frames > x->frames) {
    PetscCall(PetscFree2(x->step, x->time));
    PetscCall(PetscMalloc2(s->frames, &x->step, s->frames, &x->time));
    PetscCall(PetscArraycpy(x->step, step, s->frames));
    PetscCall(PetscArraycpy(x->time, time, s->frames));
    x->frames = s->frames;
  }
  PetscCall(PetscFree2(step, time));
  PetscCheck(same, x->world, PETSC_ERR_USER_INPUT,
             "%s = %s: the frames of %s have other steps or times than the others", x->key, x->path, s->file);
  PetscFunctionReturn(0);
}

/* Looks at one realization; without its file it has no frames. */
static PetscErrorCode Inspect(Recording x, Source *s) {
  PetscErrorCode failed;
  PetscMPIInt rank;
  int missing = 0;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(x->world, &rank));
  if (!rank) missing = access(s->file, F_OK) != 0;
  PetscCallMPI(MPI_Bcast(&missing, 1, MPI_INT, 0, x->world));
  if (missing) PetscFunctionReturn(0);
  PetscCall(HdfOpen(x->world, s->file, "r", x->key, &hdf));
  failed = ReadShape(x, s, hdf);
  if (!failed && s->frames) failed = ReadClock(x, s, hdf);
  PetscCall(HdfClose(&hdf)); /* an open file would meet MPI_Finalize */
  PetscCall(failed);
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingOpen(MPI_Comm world, const char *key, Recording *recording) {
  PetscErrorCode failed;
  Recording x;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&x));
  x->world = world;
  x->key = key;
  x->open = -1;
  PetscCall(DeckGetString(key, x->path));
  PetscCall(HdfOpen(world, x->path, "r", key, &hdf));
  failed = ListSources(x, hdf);
  PetscCall(HdfClose(&hdf));
  PetscCall(failed);
  for (PetscInt r = 0; r < x->realizations; r++) PetscCall(Inspect(x, &x->source[r]));
  PetscCheck(x->frames, world, PETSC_ERR_USER_INPUT, "%s = %s: has no complete frame", key, x->path);
  *recording = x;
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingDestroy(Recording *recording) {
  Recording x = *recording;

  PetscFunctionBeginUser;
  if (!x) PetscFunctionReturn(0);
  PetscCall(HdfClose(&x->hdf));
  PetscCall(PetscFree2(x->step, x->time));
  PetscCall(PetscFree(x->source));
  PetscCall(PetscFree(x->rows));
  PetscCall(PetscFree(*recording));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingGetInfo(Recording x, RecordingInfo *info) {
  PetscFunctionBeginUser;
  *info = (RecordingInfo){x->realizations, x->count, (PetscInt)x->dim, x->frames, x->step, x->time};
  PetscFunctionReturn(0);
}

PetscInt RecordingFrames(Recording x, PetscInt r) {
  return x->source[r].frames;
}

static PetscErrorCode Adopt(Hdf hdf, const char *key) {
  char value[PETSC_MAX_PATH_LEN];
  PetscBool given, found;

  PetscFunctionBeginUser;
  PetscCall(DeckHas(key, &given));
  if (given) PetscFunctionReturn(0);
  PetscCall(HdfReadAttribute(hdf, "/parameters", key, sizeof(value), value, &found));
  if (!found || !value[0]) PetscFunctionReturn(0);
  PetscCall(DeckResolve(key, value));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingAdopt(Recording x, PetscInt n, const char *const keys[], PetscBool *found) {
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(x->world, x->path, "r", x->key, &hdf));
  PetscCall(HdfExists(hdf, "/parameters", found));
  for (PetscInt i = 0; *found && i < n; i++) PetscCall(Adopt(hdf, keys[i]));
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingVisit(Recording x, PetscErrorCode (*visit)(const char *key, const char *value, void *context),
                              void *context) {
  char value[PETSC_MAX_PATH_LEN];
  PetscBool found, there;
  const char *key;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(x->world, x->path, "r", x->key, &hdf));
  PetscCall(HdfExists(hdf, "/parameters", &there));
  for (PetscInt i = 0; there && (key = DeckName(i)); i++) {
    PetscCall(HdfReadAttribute(hdf, "/parameters", key, sizeof(value), value, &found));
    if (found) PetscCall(visit(key, value, context));
  }
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}

/* H5MD's `mass` holds weights that are not 1/N. */
static PetscErrorCode ReadWeights(Recording x, const Source *s, const TokensLayout *l, Tokens tokens) {
  const PetscInt64 first = PetscMin(l->count, (PetscInt64)l->first * l->block);
  const PetscInt64 n = PetscMin(l->count - first, (PetscInt64)l->owned * l->block);
  char path[PETSC_MAX_PATH_LEN];
  PetscInt64 shape[8];
  double *weights;
  PetscBool exists, positive = PETSC_TRUE;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(l->owned * l->block, &weights));
  for (PetscInt i = 0; i < l->owned * l->block; i++) weights[i] = 1 / (double)l->count;
  PetscCall(PathOf(s, "mass", path));
  PetscCall(HdfExists(x->hdf, path, &exists));
  if (exists) {
    PetscCall(HdfGetShape(x->hdf, path, &rank, shape));
    positive = rank == 1 && shape[0] == l->count ? PETSC_TRUE : PETSC_FALSE;
    if (positive) PetscCall(HdfReadRows(x->hdf, path, first, n, weights));
    for (PetscInt64 i = 0; i < n; i++)
      if (!(weights[i] >= 0 && weights[i] <= 1e6)) positive = PETSC_FALSE;
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &positive, 1, MPIU_BOOL, MPI_LAND, l->comm));
  }
  if (positive)
    PetscCall(TokensSetWeights(tokens, weights));
  else
    PetscCall(PetscSNPrintf(x->reason, sizeof(x->reason), "%s = %s: '%s' must hold a weight >= 0 of every token",
                            x->key, s->file, path));
  PetscCall(PetscFree(weights));
  PetscFunctionReturn(0);
}

/* Opens realization r for the ranks of comm unless it is open, and reads its frame. */
static PetscErrorCode ReadRows(Recording x, PetscInt r, PetscInt f, const TokensLayout *l, Tokens tokens) {
  const PetscInt64 first = PetscMin(l->count, (PetscInt64)l->first * l->block);
  const PetscInt64 n = PetscMin(l->count - first, (PetscInt64)l->owned * l->block);
  const Source *s = &x->source[r];
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  if (x->open != r) {
    x->open = -1;
    PetscCall(HdfClose(&x->hdf));
    PetscCall(HdfOpen(l->comm, s->file, "r", x->key, &x->hdf));
    x->open = r;
  }
  if (!x->rows) PetscCall(PetscMalloc1((size_t)l->owned * l->block * l->dim, &x->rows));
  PetscCall(PathOf(s, "position/value", path));
  PetscCall(HdfReadFrame(x->hdf, path, f, first, n, x->rows));
  PetscCall(ReadWeights(x, s, l, tokens));
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

PetscErrorCode RecordingRead(Recording x, PetscInt r, PetscInt f, Tokens tokens, PetscBool *good) {
  PetscErrorCode failed;
  TokensLayout l;
  PetscInt64 token, first, n;
  double worst, most;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &l));
  first = PetscMin(l.count, (PetscInt64)l.first * l.block);
  n = PetscMin(l.count - first, (PetscInt64)l.owned * l.block);
  *good = PETSC_FALSE;
  /* A group alone must not raise what it finds: the others would wait for it. */
  PetscCall(PetscPushErrorHandler(PetscIgnoreErrorHandler, NULL));
  failed = ReadRows(x, r, f, &l, tokens);
  PetscCall(PetscPopErrorHandler());
  if (failed)
    PetscCall(PetscSNPrintf(x->reason, sizeof(x->reason), "%s = %s: frame %" PetscInt_FMT " cannot be read", x->key,
                            x->source[r].file, f));
  if (x->reason[0]) PetscFunctionReturn(0);
  Deviation(x->rows, n, l.dim, &worst, &token);
  PetscCallMPI(MPI_Allreduce(&worst, &most, 1, MPI_DOUBLE, MPI_MAX, l.comm));
  token = worst == most ? first + token : INT64_MAX;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &token, 1, MPIU_INT64, MPI_MIN, l.comm));
  if (most > OFF_SPHERE) {
    PetscCall(PetscSNPrintf(x->reason, sizeof(x->reason),
                            "%s = %s: frame %" PetscInt_FMT ": token %" PetscInt64_FMT " %s", x->key, x->source[r].file,
                            f, token, isinf(most) ? "is not finite" : "is not on the unit sphere"));
    PetscFunctionReturn(0);
  }
  PetscCall(TokensSetRows(tokens, x->rows));
  if (most > EXACT) PetscCall(TokensMove(tokens, 0, NULL));
  *good = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingClose(Recording x) {
  PetscFunctionBeginUser;
  x->open = -1;
  PetscCall(HdfClose(&x->hdf));
  PetscFunctionReturn(0);
}

PetscErrorCode RecordingCheck(Recording x) {
  PetscMPIInt rank, first;

  PetscFunctionBeginUser;
  PetscCall(RecordingClose(x)); /* an open file would meet MPI_Finalize */
  PetscCallMPI(MPI_Comm_rank(x->world, &rank));
  first = x->reason[0] ? rank : INT_MAX;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, x->world));
  if (first == INT_MAX) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Bcast(x->reason, sizeof(x->reason), MPI_CHAR, first, x->world));
  SETERRQ(x->world, PETSC_ERR_USER_INPUT, "%s", x->reason);
}
