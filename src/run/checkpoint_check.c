/* May a run go on from this checkpoint, or replace these results? Their decks are compared key by key. */
#include "run/checkpoint_impl.h"

#include "io/provenance.h"
#include <chorale/deck.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/target.h"

PetscBool CheckpointMayChange(const char *key) {
  PetscBool may = PETSC_FALSE;

  (void)PetscStrInList(key, "ensemble_groups,output_overwrite,output_table,output_file,progress,dry_run", ',', &may);
  return may || !strncmp(key, "checkpoint_", strlen("checkpoint_")) ? PETSC_TRUE : PETSC_FALSE;
}

typedef struct {
  MPI_Comm comm;
  const char *file;
  Hdf hdf;
  PetscInt steps;  /* of a run that goes on from this checkpoint; 0 for complete results, -1 for what a run has left */
  PetscBool state; /* it holds the end of a realization, which no output_* changes */
} Comparison;

/* Frames of another cadence: fewer are among the recorded ones if it is a multiple, or longer than the run. */
static PetscErrorCode CompareCadence(const Comparison *x, const char *old, const char *value) {
  const long long before = strtoll(old, NULL, 10), now = strtoll(value, NULL, 10);
  char count[CHECKPOINT_NAME];
  PetscBool found;

  PetscFunctionBeginUser;
  if (x->steps < 0) PetscFunctionReturn(0); /* written anew, from a checkpoint that has more to say */
  PetscCheck(before > 0 && (now % before == 0 || now >= x->steps), x->comm, PETSC_ERR_USER_INPUT,
             "output_every = %s: %s was made with %s; a resumed run may only take a multiple of that, whose frames are "
             "all recorded",
             value, x->file, old);
  PetscCall(HdfExists(x->hdf, "/frames", &found));
  PetscCheck(found, x->comm, PETSC_ERR_USER_INPUT,
             "output_every = %s: %s was made with %s; what this study gathers depends on it", value, x->file, old);
  PetscCall(HdfReadAttribute(x->hdf, "/parameters", "output_trajectories", sizeof(count), count, &found));
  PetscCheck(!found || !strcmp(count, "0"), x->comm, PETSC_ERR_USER_INPUT,
             "output_every = %s: %s was made with %s, as the frames of its output_trajectories = %s were", value,
             x->file, old, count);
  PetscFunctionReturn(0);
}

/* Where a key names a file its contents decide, wherever they are now. *same is false where there is no file, or one
 * side does not say what it held, as files of older versions do not. */
static PetscErrorCode CompareInput(const Comparison *x, const char *key, const char *value, PetscBool *same) {
  char name[2 * CHECKPOINT_NAME], old[CHECKPOINT_NAME];

  PetscFunctionBeginUser;
  *same = PETSC_FALSE;
  if (!ProvenanceInput(key)[0]) PetscFunctionReturn(0);
  PetscCall(PetscSNPrintf(name, sizeof(name), "%s_crc32", key));
  PetscCall(HdfReadAttribute(x->hdf, "/provenance", name, sizeof(old), old, same));
  PetscCheck(!*same || !strcmp(old, ProvenanceInput(key)), x->comm, PETSC_ERR_USER_INPUT,
             "%s = %s: the file had other contents when %s was made", key, value, x->file);
  PetscFunctionReturn(0);
}

/* What a key was when the file was made. Of a run with ensemble_target that is complete the number of realizations is
 * how many it took. */
static PetscErrorCode ReadKey(Hdf hdf, const char *key, char old[PETSC_MAX_PATH_LEN], PetscBool *found) {
  PetscFunctionBeginUser;
  *found = PETSC_FALSE;
  if (!strcmp(key, "ensemble_realizations"))
    PetscCall(HdfReadAttribute(hdf, "/parameters", TARGET_MOST, PETSC_MAX_PATH_LEN, old, found));
  if (!*found) PetscCall(HdfReadAttribute(hdf, "/parameters", key, PETSC_MAX_PATH_LEN, old, found));
  PetscFunctionReturn(0);
}

static PetscErrorCode CompareKey(const char *key, const char *value, void *context) {
  const Comparison *comparison = (const Comparison *)context;
  char old[PETSC_MAX_PATH_LEN];
  PetscBool found, given, same;

  PetscFunctionBeginUser;
  if (CheckpointMayChange(key) || (!comparison->steps && CheckpointMayGrow(key)) ||
      (comparison->state && !strncmp(key, "output_", strlen("output_"))))
    PetscFunctionReturn(0);
  PetscCall(CompareInput(comparison, key, value, &same));
  PetscCall(ReadKey(comparison->hdf, key, old, &found));
  PetscCall(DeckHas(key, &given));
  if (!found && !given) PetscFunctionReturn(0); /* a file of a version without that key */
  if (same || (found && !strcmp(old, value))) PetscFunctionReturn(0);
  if (found && comparison->steps && !strcmp(key, "output_every"))
    PetscCall(CompareCadence(comparison, old, value));
  else
    SETERRQ(comparison->comm, PETSC_ERR_USER_INPUT,
            "%s = %s: %s was made with %s; a resumed run may change only groups, file names, progress and "
            "checkpoint_*%s",
            key, value, comparison->file, found ? old : "no such key",
            comparison->steps
                ? ""
                : ", and have more realizations or a longer horizon; another output_file takes another run");
  PetscFunctionReturn(0);
}

/* Other versions may have kept the same in another way. */
static PetscErrorCode CheckFormat(const Comparison *x) {
  char format[CHECKPOINT_NAME] = "";
  PetscBool found;

  PetscFunctionBeginUser;
  PetscCall(HdfReadAttribute(x->hdf, "/checkpoint", "format", sizeof(format), format, &found));
  PetscCheck(found && !strcmp(format, CHECKPOINT_FORMAT), x->comm, PETSC_ERR_USER_INPUT,
             "checkpoint_resume = true: %s has format '%s', this program reads " CHECKPOINT_FORMAT, x->file, format);
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointReadHeader(Checkpoint checkpoint, Hdf hdf) {
  Comparison comparison = {.comm = checkpoint->layout.world, .file = checkpoint->source, .hdf = hdf};
  char study[CHECKPOINT_NAME];
  PetscInt64 shape[8];
  PetscBool found;
  int rank;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < checkpoint->cell_count; c++)
    comparison.steps = PetscMax(comparison.steps, checkpoint->cells[c].steps);
  PetscCall(CheckFormat(&comparison));
  PetscCall(HdfReadAttribute(comparison.hdf, "/checkpoint", "study", sizeof(study), study, &found));
  PetscCheck(!strcmp(study, checkpoint->output->study), checkpoint->layout.world, PETSC_ERR_USER_INPUT,
             "checkpoint_resume = true: %s is of study %s, not %s", checkpoint->source, study,
             checkpoint->output->study);
  PetscCall(DeckVisit(CompareKey, &comparison));
  PetscCall(
      HdfReadAttribute(hdf, "/checkpoint", "continued", sizeof(checkpoint->continued), checkpoint->continued, &found));
  PetscCall(HdfGetShape(comparison.hdf, "/status/step", &rank, shape));
  PetscCheck(rank == 1 && shape[0] == checkpoint->layout.realizations, checkpoint->layout.world, PETSC_ERR_USER_INPUT,
             "checkpoint_resume = true: %s has another number of realizations", checkpoint->source);
  PetscCall(HdfReadInts(comparison.hdf, "/status/step", checkpoint->layout.realizations, checkpoint->step));
  for (PetscInt r = 0; r < checkpoint->layout.realizations; r++) {
    const PetscInt steps = CheckpointCellOf(checkpoint, r)->steps;
    PetscCheck(0 <= checkpoint->step[r] && checkpoint->step[r] <= steps, checkpoint->layout.world, PETSC_ERR_USER_INPUT,
               "checkpoint_resume = true: %s says that %" PetscInt64_FMT " of %" PetscInt_FMT " steps are done",
               checkpoint->source, checkpoint->step[r], steps);
  }
  PetscCall(PetscArraycpy(checkpoint->source_step, checkpoint->step, checkpoint->layout.realizations));
  PetscFunctionReturn(0);
}

/* All ranks fail alike where the results cannot be read. */
static PetscErrorCode ReadState(Checkpoint checkpoint) {
  char value[CHECKPOINT_NAME], group[CHECKPOINT_NAME];
  PetscBool found, same = PETSC_FALSE;
  PetscErrorCode failed;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(group, sizeof(group), "/study/%s", checkpoint->output->study));
  PetscCall(HdfOpen(checkpoint->layout.world, checkpoint->output->file, "r", "output_file", &hdf));
  failed = HdfReadAttribute(hdf, "/provenance", "complete", sizeof(value), value, &found);
  if (!failed) failed = HdfExists(hdf, group, &same);
  PetscCall(HdfClose(&hdf)); /* HDF5 would close it after MPI_Finalize, and fail */
  PetscCall(failed);
  checkpoint->results = found && same ? RESULTS_PARTIAL : RESULTS_FOREIGN;
  if (found && !strcmp(value, "true")) checkpoint->results = RESULTS_COMPLETE;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointReadResults(Checkpoint checkpoint) {
  int there = 0;

  PetscFunctionBeginUser;
  if (!checkpoint->rank) there = !access(checkpoint->output->file, F_OK);
  PetscCallMPI(MPI_Bcast(&there, 1, MPI_INT, 0, checkpoint->layout.world));
  if (!there) PetscFunctionReturn(0);
  PetscCall(PetscPushErrorHandler(PetscReturnErrorHandler, NULL));
  if (ReadState(checkpoint)) checkpoint->results = RESULTS_BROKEN;
  PetscCall(PetscPopErrorHandler());
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointCompareResults(Checkpoint checkpoint) {
  Comparison comparison = {.comm = checkpoint->layout.world, .file = checkpoint->output->file};
  PetscErrorCode different;

  PetscFunctionBeginUser;
  comparison.steps = checkpoint->results == RESULTS_COMPLETE ? 0 : -1;
  PetscCall(HdfOpen(checkpoint->layout.world, checkpoint->output->file, "r", "output_file", &comparison.hdf));
  different = DeckVisit(CompareKey, &comparison);
  if (!different && checkpoint->results == RESULTS_COMPLETE) different = CheckpointExtend(checkpoint, comparison.hdf);
  PetscCall(HdfClose(&comparison.hdf)); /* HDF5 would close it after MPI_Finalize, and fail */
  PetscCall(different);
  PetscFunctionReturn(0);
}

/* Is the open file the end of a realization of this very deck, at the step where the results end? */
static PetscErrorCode CompareEnd(Checkpoint checkpoint, const Comparison *comparison) {
  char study[CHECKPOINT_NAME];
  PetscBool found;

  PetscFunctionBeginUser;
  PetscCall(HdfReadAttribute(comparison->hdf, "/checkpoint", "study", sizeof(study), study, &found));
  PetscCheck(found && !strcmp(study, checkpoint->output->study), comparison->comm, PETSC_ERR_USER_INPUT,
             "checkpoint_resume = true: %s is not the end of a realization of study %s", comparison->file,
             checkpoint->output->study);
  PetscCall(CheckFormat(comparison));
  PetscCall(DeckVisit(CompareKey, (void *)comparison));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointCheckEnds(Checkpoint checkpoint) {
  char path[PETSC_MAX_PATH_LEN];
  Comparison comparison = {.comm = checkpoint->layout.world, .file = path, .state = PETSC_TRUE};
  PetscInt missing = 0;
  PetscErrorCode code;

  PetscFunctionBeginUser;
  if (checkpoint->source[0] || !checkpoint->earlier.steps) PetscFunctionReturn(0);
  for (PetscInt r = 0; r < checkpoint->earlier.realizations && !checkpoint->rank; r++) {
    PetscCall(CheckpointEndPath(checkpoint, r, checkpoint->earlier.steps, path));
    if (access(path, R_OK)) missing++;
  }
  PetscCallMPI(MPI_Bcast(&missing, 1, MPIU_INT, 0, comparison.comm));
  PetscCheck(!missing, comparison.comm, PETSC_ERR_USER_INPUT,
             "layers_depth = %" PetscInt_FMT ": %s does not keep where its realizations ended (%" PetscInt_FMT
             " of %" PetscInt_FMT " are missing in %s); checkpoint_keep does, and tokens_init file with tokens_frame "
             "starts another run from a recorded frame",
             checkpoint->cells[0].steps, checkpoint->output->file, missing, checkpoint->earlier.realizations,
             checkpoint->output->trajectories);
  for (PetscInt r = 0; r < checkpoint->earlier.realizations; r++) {
    PetscCall(CheckpointEndPath(checkpoint, r, checkpoint->earlier.steps, path));
    PetscCall(HdfOpen(comparison.comm, path, "r", "checkpoint_resume", &comparison.hdf));
    code = CompareEnd(checkpoint, &comparison);
    PetscCall(HdfClose(&comparison.hdf));
    PetscCall(code);
  }
  PetscFunctionReturn(0);
}
