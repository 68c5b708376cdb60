/* Tokens from a frame of a trajectory, tokens_frame: realization r from that of realization r of a results file, every
 * realization from that of an H5MD file of one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/particles.h"
#include "tokens/start_impl.h"

#define SAME_TIME 1e-6 /* t = ... is a text of few digits */
static const char KEY[] = "tokens_file";

typedef struct {
  Particles *group; /* [realizations] */
  PetscInt realizations;
  PetscBool linked, weighted;
  PetscInt64 first, n; /* rows of this rank */
  double *rows, *weights;
} Frames;

/* The number of the frame that `which` names, of those of an open file: last, a number, or t=TIME. */
static PetscErrorCode FindFrame(MPI_Comm comm, Hdf hdf, const Particles *group, PetscInt64 frames, const char *which,
                                PetscInt64 *t) {
  const PetscBool timed = strncmp(which, "t=", 2) ? PETSC_FALSE : PETSC_TRUE;
  const double wanted = timed ? strtod(which + 2, NULL) : 0;
  char path[PETSC_MAX_PATH_LEN];
  double *time;

  PetscFunctionBeginUser;
  PetscCheck(frames > 0, comm, PETSC_ERR_USER_INPUT, "%s = %s: has no complete frame", KEY, group->file);
  *t = frames - 1;
  if (!strcmp(which, "last")) PetscFunctionReturn(0);
  if (!timed) {
    *t = strtoll(which, NULL, 10);
    PetscCheck(*t < frames, comm, PETSC_ERR_USER_INPUT, "tokens_frame = %s: %s has frames 0 to %" PetscInt64_FMT, which,
               group->file, frames - 1);
    PetscFunctionReturn(0);
  }
  PetscCall(ParticlesPath(group, "position/time", path));
  PetscCall(PetscMalloc1(frames, &time));
  PetscCall(HdfReadRows(hdf, path, 0, frames, time));
  for (PetscInt64 f = 0; f < frames; f++)
    if (fabs(time[f] - wanted) < fabs(time[*t] - wanted)) *t = f;
  const double nearest = time[*t];
  PetscCall(PetscFree(time));
  PetscCheck(fabs(nearest - wanted) <= SAME_TIME * fmax(1, fabs(wanted)), comm, PETSC_ERR_USER_INPUT,
             "tokens_frame = %s: %s has no frame of that time; the nearest is t=%.10g", which, group->file, nearest);
  PetscFunctionReturn(0);
}

/* A number from 0, last, or t=TIME. */
static PetscErrorCode CheckWord(MPI_Comm comm, const char *which) {
  const PetscBool timed = strncmp(which, "t=", 2) ? PETSC_FALSE : PETSC_TRUE;
  const char *digits = timed ? which + 2 : which;
  char *end = NULL;
  PetscBool good = strcmp(which, "last") ? PETSC_FALSE : PETSC_TRUE;

  PetscFunctionBeginUser;
  if (!good && timed) good = isfinite(strtod(digits, &end)) && end != digits && !*end ? PETSC_TRUE : PETSC_FALSE;
  if (!good && !timed)
    good = strspn(digits, "0123456789") == strlen(digits) && strlen(digits) < 10 ? PETSC_TRUE : PETSC_FALSE;
  PetscCheck(good, comm, PETSC_ERR_USER_INPUT,
             "tokens_frame = %s: must be last, the number of a frame from 0, or t=TIME", which);
  PetscFunctionReturn(0);
}

/* The groups of particles of tokens_file. Collective. */
static PetscErrorCode List(MPI_Comm comm, const char *path, Frames *frames) {
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(comm, path, "r", KEY, &hdf));
  code = ParticlesList(comm, hdf, KEY, path, &frames->realizations, &frames->group, &frames->linked);
  PetscCall(HdfClose(&hdf)); /* an open file would meet MPI_Finalize */
  PetscCall(code);
  PetscFunctionReturn(0);
}

PetscErrorCode StartFrameShape(MPI_Comm world, const char *path, const char *which, PetscInt64 shape[2]) {
  PetscInt64 all[3] = {0}, t;
  Frames frames = {.realizations = 0};
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(CheckWord(world, which));
  PetscCall(List(world, path, &frames));
  PetscCall(HdfOpen(world, frames.group[0].file, "r", KEY, &hdf));
  code = ParticlesGetShape(world, hdf, &frames.group[0], KEY, all);
  if (!code) code = FindFrame(world, hdf, &frames.group[0], all[0], which, &t);
  PetscCall(HdfClose(&hdf));
  PetscCall(PetscFree(frames.group));
  PetscCall(code);
  shape[0] = all[1];
  shape[1] = all[2];
  PetscFunctionReturn(0);
}

/* One realization's frame into rows and weights. */
static PetscErrorCode Read(const StartOptions *options, const TokensLayout *layout, Frames *frames,
                           const Particles *group, Hdf hdf) {
  PetscInt64 shape[3], mass[8], t;
  char path[PETSC_MAX_PATH_LEN];
  int rank;

  PetscFunctionBeginUser;
  PetscCall(ParticlesGetShape(layout->comm, hdf, group, KEY, shape));
  PetscCall(FindFrame(layout->comm, hdf, group, shape[0], options->frame, &t));
  PetscCheck(shape[1] == layout->count, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT ": tokens_file %s has %" PetscInt64_FMT " tokens", layout->count,
             group->file, shape[1]);
  PetscCheck(shape[2] == layout->dim, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt_FMT ": tokens_file %s has tokens in R^%" PetscInt64_FMT, layout->dim,
             group->file, shape[2]);
  PetscCall(ParticlesPath(group, "position/value", path));
  PetscCall(HdfReadFrame(hdf, path, t, frames->first, frames->n, frames->rows));
  PetscCall(ParticlesPath(group, "mass", path));
  PetscCall(HdfExists(hdf, path, &frames->weighted));
  if (!frames->weighted) PetscFunctionReturn(0);
  PetscCall(HdfGetShape(hdf, path, &rank, mass));
  PetscCheck(rank == 1 && mass[0] == layout->count, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_file = %s: '%s' must have the weight of each token", group->file, path);
  PetscCall(HdfReadRows(hdf, path, frames->first, frames->n, frames->weights));
  PetscFunctionReturn(0);
}

/* The frame that realization r starts from. */
static PetscErrorCode Begin(Start start, const TokensLayout *layout, PetscInt r) {
  Frames *frames = start->data;
  const Particles *group = &frames->group[frames->linked ? r : 0];
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCheck(!frames->linked || r < frames->realizations, layout->comm, PETSC_ERR_ARG_OUTOFRANGE,
             "%s: has no realization %" PetscInt_FMT, start->options.file, r);
  PetscCall(HdfOpen(layout->comm, group->file, "r", KEY, &hdf));
  code = Read(&start->options, layout, frames, group, hdf);
  PetscCall(HdfClose(&hdf));
  PetscCall(code);
  PetscCall(StartFileCheckRows(layout, group->file, frames->first, frames->n, frames->rows));
  PetscFunctionReturn(0);
}

static PetscErrorCode Place(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const Frames *frames = start->data;

  PetscFunctionBeginUser;
  (void)r;
  StartFilePlaceRows(layout, b, frames->rows, x);
  PetscFunctionReturn(0);
}

static void Weigh(Start start, const TokensLayout *layout, PetscInt b, double *weights) {
  const Frames *frames = start->data;

  for (PetscInt t = 0; t < TokensFilled(layout, b); t++)
    weights[t] = frames->weights[(PetscInt64)b * layout->block + t];
}

static PetscErrorCode Destroy(Start start) {
  Frames *frames = start->data;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(frames->group));
  PetscCall(PetscFree2(frames->rows, frames->weights));
  PetscCall(PetscFree(start->data));
  PetscFunctionReturn(0);
}

static const StartLaw equal = {.name = "file", .begin = Begin, .place = Place, .destroy = Destroy};
static const StartLaw weighted = {.name = "file", .begin = Begin, .place = Place, .weigh = Weigh, .destroy = Destroy};

PetscErrorCode StartFrameSetUp(Start start, const TokensLayout *layout) {
  const StartOptions *options = &start->options;
  Frames *frames;

  PetscFunctionBeginUser;
  PetscCall(CheckWord(layout->comm, options->frame));
  PetscCall(PetscNew(&frames));
  start->data = frames;
  start->law = &equal;
  PetscCall(List(layout->comm, options->file, frames));
  TokensOwnRows(layout, &frames->first, &frames->n);
  PetscCall(PetscMalloc2(frames->n * layout->dim, &frames->rows, frames->n, &frames->weights));
  PetscCheck(!frames->linked || options->realizations <= frames->realizations, layout->comm, PETSC_ERR_USER_INPUT,
             "ensemble_realizations = %" PetscInt64_FMT ": tokens_file %s has trajectories of %" PetscInt_FMT
             " realizations; name one of these, an .h5md file, to start all from the same tokens",
             options->realizations, options->file, frames->realizations);
  for (PetscInt r = 0; r < (frames->linked ? options->realizations : 1); r++)
    PetscCall(Begin(start, layout, r));         /* refused now what would be refused in the middle of the run */
  if (frames->weighted) start->law = &weighted; /* those of one run are alike */
  PetscFunctionReturn(0);
}
