/* A run that goes on from complete results: with more realizations, or the same ones to a longer horizon. Draws are
 * functions of their keys, so both are what a run of that size from the beginning would have. */
#include "run/checkpoint_impl.h"

#include <chorale/deck.h>
#include <chorale/error.h>

#include <stdlib.h>
#include <string.h>

#include "run/target.h"

/* What may grow, as the results have it and as the deck has it now. The target may change: it is how many there are
 * that must not be fewer. */
enum { REALIZATIONS, DEPTH, HORIZON, TARGET, SIZES };
static const char *const names[SIZES] = {"ensemble_realizations", "layers_depth", "layers_horizon", "ensemble_target"};

typedef struct {
  Hdf hdf;
  char old[SIZES][PETSC_MAX_PATH_LEN], new[SIZES][PETSC_MAX_PATH_LEN];
  char most[PETSC_MAX_PATH_LEN]; /* realizations that the results might have had, as the deck said */
  char log[CHECKPOINT_NAME];     /* output_log */
} Sizes;

PetscBool CheckpointMayGrow(const char *key) {
  for (int i = 0; i < SIZES; i++)
    if (!strcmp(key, names[i])) return PETSC_TRUE;
  return PETSC_FALSE;
}

PetscErrorCode CheckpointEndPath(Checkpoint checkpoint, PetscInt r, PetscInt steps, char path[PETSC_MAX_PATH_LEN]) {
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, PETSC_MAX_PATH_LEN, "%s/end_%05d_%d.h5", checkpoint->output->trajectories, (int)r,
                          (int)steps));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadSize(const char *key, const char *value, void *context) {
  Sizes *sizes = context;
  PetscBool found;

  PetscFunctionBeginUser;
  if (!strcmp(key, "output_log")) PetscCall(PetscStrncpy(sizes->log, value, CHECKPOINT_NAME));
  for (int i = 0; i < SIZES; i++) {
    if (strcmp(key, names[i])) continue;
    PetscCall(PetscStrncpy(sizes->new[i], value, PETSC_MAX_PATH_LEN));
    PetscCall(HdfReadAttribute(sizes->hdf, "/parameters", key, PETSC_MAX_PATH_LEN, sizes->old[i], &found));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode CheckRealizations(Checkpoint checkpoint, const Sizes *sizes, PetscInt before) {
  const char *file = checkpoint->output->file, *fixed = checkpoint->options.fixed_realizations;
  const PetscInt now = checkpoint->cells[0].layout.realizations;

  PetscFunctionBeginUser;
  PetscCheck(before >= 1 && now >= before, checkpoint->layout.world, PETSC_ERR_USER_INPUT,
             "ensemble_realizations = %s: %s has %s; a run that goes on may have more, not fewer",
             sizes->new[REALIZATIONS], file, sizes->old[REALIZATIONS]);
  PetscCheck(now == before || !fixed, checkpoint->layout.world, PETSC_ERR_USER_INPUT,
             "ensemble_realizations = %s: %s has %s, on which its numbers depend (%s); run it with another "
             "ensemble_seed, and study merge joins both",
             sizes->new[REALIZATIONS], file, sizes->old[REALIZATIONS], fixed);
  PetscFunctionReturn(0);
}

/* May runs of this kind go on to a longer horizon? */
static PetscErrorCode CheckKind(Checkpoint checkpoint, const Sizes *sizes) {
  const char *fixed = checkpoint->options.fixed_horizon;
  char why[128] = "";

  PetscFunctionBeginUser;
  if (checkpoint->cell_count > 1)
    PetscCall(PetscStrncpy(why, "a sweep goes on with more realizations only", sizeof(why)));
  else if (fixed)
    PetscCall(PetscSNPrintf(why, sizeof(why), "its numbers depend on that (%s)", fixed));
  else if (!checkpoint->options.grows)
    PetscCall(PetscStrncpy(why, "only study simulate goes on to a longer horizon", sizeof(why)));
  PetscCheck(
      !why[0], checkpoint->layout.world, PETSC_ERR_USER_INPUT,
      "layers_depth = %s, layers_horizon = %s: %s has %s and %s, and %s; another output_file takes the longer run",
      sizes->new[DEPTH], sizes->new[HORIZON], checkpoint->output->file, sizes->old[DEPTH], sizes->old[HORIZON], why);
  PetscFunctionReturn(0);
}

/* The same step size to the bit, and frames that are those of the shorter run as far as it goes. */
static PetscErrorCode CheckHorizon(Checkpoint checkpoint, const Sizes *sizes, PetscInt before) {
  const char *file = checkpoint->output->file;
  const PetscInt steps = checkpoint->cells[0].steps;
  const PetscReal old = strtod(sizes->old[HORIZON], NULL) / (PetscReal)before,
                  now = strtod(sizes->new[HORIZON], NULL) / (PetscReal)steps;
  const MPI_Comm world = checkpoint->layout.world;

  PetscFunctionBeginUser;
  PetscCall(CheckKind(checkpoint, sizes));
  PetscCheck(before >= 1 && steps > before, world, PETSC_ERR_USER_INPUT,
             "layers_depth = %s: %s has %s; a run that goes on may have more, not fewer", sizes->new[DEPTH], file,
             sizes->old[DEPTH]);
  PetscCheck(now == old, world, PETSC_ERR_USER_INPUT,
             "layers_horizon = %s: %s has steps of %.17g, layers_horizon / layers_depth = %s / %s; a run that goes on "
             "has the same, not %.17g",
             sizes->new[HORIZON], file, (double)old, sizes->old[HORIZON], sizes->old[DEPTH], (double)now);
  PetscCheck(!sizes->log[0] || !strcmp(sizes->log, "0"), world, PETSC_ERR_USER_INPUT,
             "output_log = %s: its frames depend on the horizon, so that %s cannot go on to a longer one", sizes->log,
             file);
  PetscFunctionReturn(0);
}

/* For /provenance: what was there, after what that had gone on from itself. */
static PetscErrorCode Describe(Checkpoint checkpoint, const Sizes *sizes) {
  const char *slash = strrchr(checkpoint->output->file, '/');
  char version[CHECKPOINT_NAME] = "", date[CHECKPOINT_NAME] = "", before[sizeof(checkpoint->continued)] = "";
  PetscBool found;

  PetscFunctionBeginUser;
  PetscCall(HdfReadAttribute(sizes->hdf, "/provenance", "version", sizeof(version), version, &found));
  PetscCall(HdfReadAttribute(sizes->hdf, "/provenance", "date", sizeof(date), date, &found));
  PetscCall(HdfReadAttribute(sizes->hdf, "/provenance", "continued", sizeof(before), before, &found));
  PetscCall(PetscSNPrintf(checkpoint->continued, sizeof(checkpoint->continued),
                          "%s%s%s of version %s, %s: ensemble_realizations %s, layers_depth %s, layers_horizon %s",
                          before, before[0] ? "; " : "", slash ? slash + 1 : checkpoint->output->file, version, date,
                          sizes->old[REALIZATIONS], sizes->old[DEPTH], sizes->old[HORIZON]));
  PetscFunctionReturn(0);
}

/* Is a size another one than it was? */
static PetscBool Differs(const Sizes *sizes, int size) {
  return strcmp(sizes->old[size], sizes->new[size]) ? PETSC_TRUE : PETSC_FALSE;
}

PetscErrorCode CheckpointExtend(Checkpoint checkpoint, Hdf hdf) {
  Sizes sizes = {.hdf = hdf};
  PetscInt realizations, depth;
  PetscBool chosen;

  PetscFunctionBeginUser;
  PetscCall(DeckVisit(ReadSize, &sizes));
  PetscCall(HdfReadAttribute(hdf, "/parameters", TARGET_MOST, sizeof(sizes.most), sizes.most, &chosen));
  const char *asked = chosen ? sizes.most : sizes.old[REALIZATIONS];
  const PetscBool more = strcmp(asked, sizes.new[REALIZATIONS]) || Differs(&sizes, TARGET) ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool longer = Differs(&sizes, DEPTH) || Differs(&sizes, HORIZON) ? PETSC_TRUE : PETSC_FALSE;
  if (!more && !longer) PetscFunctionReturn(0);
  realizations = (PetscInt)strtol(sizes.old[REALIZATIONS], NULL, 10);
  depth = (PetscInt)strtol(sizes.old[DEPTH], NULL, 10);
  PetscCall(CheckRealizations(checkpoint, &sizes, realizations));
  if (longer) PetscCall(CheckHorizon(checkpoint, &sizes, depth));
  PetscCall(Describe(checkpoint, &sizes));
  checkpoint->earlier.realizations = realizations;
  checkpoint->earlier.steps = longer ? depth : 0;
  checkpoint->results = RESULTS_SHORTER;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointCheckCount(Checkpoint checkpoint, PetscInt realizations) {
  PetscFunctionBeginUser;
  PetscCheck(realizations >= checkpoint->earlier.realizations, checkpoint->layout.world, PETSC_ERR_USER_INPUT,
             "ensemble_target: is met by %" PetscInt_FMT " of the %" PetscInt_FMT
             " realizations that %s has; a run that goes on may have more, not fewer",
             realizations, checkpoint->earlier.realizations, checkpoint->output->file);
  PetscFunctionReturn(0);
}

PetscReal CheckpointLeft(Checkpoint checkpoint, PetscInt cell) {
  const CheckpointCell *c = &checkpoint->cells[cell];
  const EnsembleLayout *e = &c->layout;
  PetscReal left = 0;

  for (PetscInt r = e->group; r < e->realizations && checkpoint->results != RESULTS_COMPLETE; r += e->groups)
    left += 1 - (PetscReal)checkpoint->step[c->first + r] / c->steps;
  return left;
}

const char *CheckpointContinued(Checkpoint checkpoint) {
  return checkpoint->continued;
}
