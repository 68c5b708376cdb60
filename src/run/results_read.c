/* Numbers that an earlier results file holds, back into the rows of results. */
#include "run/results_read.h"

#include "run/checkpoint_impl.h"

/* Where the numbers of a quantity stand in the file. */
static PetscErrorCode PathOf(const Results results, const Quantity *quantity, char path[PETSC_MAX_PATH_LEN]) {
  PetscFunctionBeginUser;
  if (quantity->kind == QUANTITY_OBSERVABLE)
    PetscCall(PetscSNPrintf(path, PETSC_MAX_PATH_LEN, "/observables/%s/value", quantity->name));
  else
    PetscCall(PetscSNPrintf(path, PETSC_MAX_PATH_LEN, "/study/%s/%s", results->form.study, quantity->name));
  PetscFunctionReturn(0);
}

/* One quantity into the rows of this group's realizations; its numbers begin at `first` of a frame or of the tail. */
static PetscErrorCode ReadQuantity(Results results, Hdf hdf, const ResultsPart *part, const Quantity *quantity,
                                   PetscInt first) {
  const PetscBool framed = quantity->kind == QUANTITY_REALIZATION ? PETSC_FALSE : PETSC_TRUE;
  const EnsembleLayout *layout = &results->layout;
  const PetscInt k = QuantitySize(quantity), n = part->realizations, frames = framed ? results->frames->count : 1;
  PetscInt64 shape[5] = {part->frame ? part->frames : frames, n};
  const int rank = (int)quantity->rank + (framed ? 2 : 1);
  char path[PETSC_MAX_PATH_LEN];
  PetscReal *values;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < quantity->rank; i++) shape[2 + i] = quantity->shape[i];
  PetscCall(PathOf(results, quantity, path));
  PetscCall(HdfCheckShape(hdf, path, rank, framed ? shape : shape + 1));
  PetscCall(PetscMalloc1((framed ? (size_t)shape[0] : 1) * (size_t)n * (size_t)k, &values));
  PetscCall(HdfReadReals(hdf, path, values));
  for (PetscInt f = 0; f < frames; f++) {
    const PetscInt there = framed && part->frame ? part->frame[f] : f;
    for (PetscInt r = 0; r < n && there >= 0; r++) {
      const PetscInt i = (part->first + r) / layout->groups;
      if ((part->first + r) % layout->groups != layout->group) continue;
      PetscCall(PetscArraycpy((framed ? ResultsFrame(results, i, f) : ResultsTail(results, i)) + first,
                              values + ((size_t)there * (size_t)n + (size_t)r) * (size_t)k, k));
    }
  }
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsReadRows(Results results, Hdf hdf, const ResultsPart *part) {
  const Quantity *quantity;
  PetscInt first;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; (quantity = ResultsGetQuantity(results, i, &first)); i++)
    if (quantity->name) PetscCall(ReadQuantity(results, hdf, part, quantity, first));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsReadShared(Results results, Hdf hdf, const char *file, Checkpoint checkpoint) {
  PetscInt64 shape[8], size;
  char path[PETSC_MAX_PATH_LEN];
  const char *name;
  PetscReal *values;
  PetscBool exists;
  PetscInt n;
  int rank;

  PetscFunctionBeginUser;
  for (PetscInt i = 0;; i++) {
    PetscCall(CheckpointGetShared(checkpoint, i, &name, &n, &values));
    if (!name) break;
    PetscCall(PetscSNPrintf(path, sizeof(path), "/study/%s/%s", results->form.study, name));
    PetscCall(HdfExists(hdf, path, &exists));
    if (!exists) continue;
    PetscCall(HdfGetShape(hdf, path, &rank, shape));
    size = 1;
    for (int s = 0; s < rank; s++) size *= shape[s];
    PetscCheck(size <= n, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: dataset '%s' has another shape", file, path);
    PetscCall(HdfReadReals(hdf, path, values));
  }
  PetscFunctionReturn(0);
}

/* Which frame of the open file each of the results' frames is: frames are equal where their steps are. */
static PetscErrorCode MatchFrames(Results results, Hdf hdf, PetscInt *count, PetscInt frame[]) {
  const char *name = NULL;
  PetscInt64 shape[8], *step, there = 0;
  char path[PETSC_MAX_PATH_LEN];
  int rank;

  PetscFunctionBeginUser;
  for (PetscInt q = 0; q < results->quantities && !name; q++)
    if (results->quantity[q].kind == QUANTITY_OBSERVABLE) name = results->quantity[q].name;
  PetscCheck(name, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "layers_depth: study %s has no observables, so that it cannot go on to a longer horizon",
             results->form.study);
  PetscCall(PetscSNPrintf(path, sizeof(path), "/observables/%s/step", name));
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  *count = (PetscInt)shape[0];
  PetscCall(PetscMalloc1(*count, &step));
  PetscCall(HdfReadInts(hdf, path, *count, step));
  for (PetscInt f = 0; f < results->frames->count; f++) {
    while (there < *count && step[there] < results->frames->step[f]) there++;
    frame[f] = there < *count && step[there] == results->frames->step[f] ? (PetscInt)there : -1;
  }
  PetscCall(PetscFree(step));
  PetscFunctionReturn(0);
}

/* In a sweep, the file's axes and the results' cell. */
static PetscErrorCode Choose(Results results, Hdf hdf) {
  PetscInt size[DECK_AXES], index[DECK_AXES];
  const char *const *values;
  PetscBool numeric;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < DeckAxes(); i++) {
    (void)DeckAxis(i, &size[i], &values, &numeric);
    index[i] = DeckAxisIndex(i, results->cell);
  }
  PetscCall(HdfUseAxes(hdf, (int)DeckAxes(), size));
  PetscCall(HdfSetCell(hdf, index));
  PetscFunctionReturn(0);
}

PetscErrorCode ResultsReadEarlier(Results results, Checkpoint checkpoint) {
  const char *file = checkpoint->output->file;
  ResultsPart part = {.realizations = checkpoint->earlier.realizations};
  PetscErrorCode code = 0;
  PetscInt *frame;
  Hdf hdf;

  PetscFunctionBeginUser;
  if (!part.realizations || checkpoint->source[0]) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(results->frames->count, &frame));
  PetscCall(HdfOpen(results->layout.world, file, "r", "output_file", &hdf));
  if (results->cell >= 0) PetscCall(Choose(results, hdf));
  if (checkpoint->earlier.steps) {
    code = MatchFrames(results, hdf, &part.frames, frame);
    part.frame = frame;
  }
  if (!code) code = ResultsReadRows(results, hdf, &part);
  if (!code) code = ResultsReadShared(results, hdf, file, checkpoint);
  PetscCall(HdfClose(&hdf));
  PetscCall(PetscFree(frame));
  PetscCall(code);
  PetscFunctionReturn(0);
}
