/* The contents of a checkpoint: HDF5, sealed by a trailer (checkpoint_seal.c).
 *
 *     /checkpoint     attributes format, study, continued: from which complete results the run went on
 *     /status/step    [R] steps done by every realization
 *     /status/steps   [R] of so many
 *     /rows/NAME      [R][n] results so far
 *     /frames/NAME    [frames] steps of the frames that these rows begin with
 *     /shared/NAME    [1][n] numbers of the whole run
 *                     of a sweep, realization by realization of cell after cell; and these are
 *     /rows/cell_00000/NAME and so on
 *     /state/NAME     [M N][d] positions, [M N][1] radii, or [M][n] numbers of the M realizations in progress, which
 *                     follow from /status/step, in their order; in a sweep by cells, too
 *     /parameters, /provenance as in results files
 *
 * So the groups write their states together, in one collective write for each name unless a group has several. The end
 * of a realization that checkpoint_keep asks for has /checkpoint, /state of it alone, /parameters and /provenance.
 */
#include "run/checkpoint_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run/origin.h"

#define PATH 256

/* Rows first .. first + n - 1 of a dataset [count][k] of the source. A file whose checksum is right may still be of a
 * run that kept other numbers under these names. */
static PetscErrorCode ReadRows(Hdf hdf, const char *path, PetscInt64 count, PetscInt64 k, PetscInt64 first,
                               PetscInt64 n, double *values) {
  const PetscInt64 shape[2] = {count, k};

  PetscFunctionBeginUser;
  PetscCall(HdfCheckShape(hdf, path, 2, shape));
  PetscCall(HdfReadRows(hdf, path, first, n, values));
  PetscFunctionReturn(0);
}

/* Of a realization's state this rank's rows first .. first + n - 1 of the dataset [count][k]. */
typedef struct {
  char path[PATH];
  PetscInt64 count, k, first, n;
  double *rows;
} Part;

/* Is it a part of the state of realizations of this cell? */
static PetscBool IsState(Checkpoint checkpoint, const CheckpointEntry *entry, const CheckpointCell *cell) {
  if (&checkpoint->cells[entry->cell] != cell) return PETSC_FALSE;
  return entry->type != CHECKPOINT_ROWS && entry->type != CHECKPOINT_SHARED ? PETSC_TRUE : PETSC_FALSE;
}

/* Where the state of a realization stands among those of a file. */
typedef struct {
  PetscInt64 before, count;
} Place;

static PetscBool InProgress(const CheckpointCell *cell, const PetscInt64 step[], PetscInt r) {
  return 0 < step[r] && step[r] < cell->steps ? PETSC_TRUE : PETSC_FALSE;
}

/* That of realization r in a file whose realizations have done so many steps. */
static Place PlaceOf(const CheckpointCell *cell, const PetscInt64 step[], PetscInt r) {
  Place place = {0, 0};

  for (PetscInt i = cell->first; i < cell->first + cell->layout.realizations; i++) {
    if (!InProgress(cell, step, i)) continue;
    place.count++;
    if (i < r) place.before++;
  }
  return place;
}

/* The part of a realization; the rows, which the caller frees, as the objects have them when it is one of this group
 * (here). */
static PetscErrorCode TakePart(Checkpoint checkpoint, const CheckpointEntry *entry, Place place, PetscBool here,
                               Part *part) {
  TokensLayout layout = {.count = 1};
  double *radius;

  PetscFunctionBeginUser;
  *part = (Part){.k = entry->n, .n = 1};
  PetscCall(CheckpointPath(checkpoint, entry, "state", PATH, part->path));
  if (entry->type == CHECKPOINT_REALS) {
    PetscCall(PetscMalloc1(entry->n, &part->rows));
    PetscCall(PetscArraycpy(part->rows, entry->values, entry->n));
  } else {
    PetscCall(TokensGetLayout(entry->tokens, &layout));
    TokensOwnRows(&layout, &part->first, &part->n);
  }
  if (entry->type == CHECKPOINT_RADIUS) {
    part->k = 1;
    PetscCall(TokensGetRadius(entry->tokens, &radius));
    PetscCall(PetscMalloc1(part->n, &part->rows));
    PetscCall(PetscArraycpy(part->rows, radius, part->n));
  } else if (entry->type == CHECKPOINT_TOKENS) {
    part->k = layout.dim;
    PetscCall(PetscMalloc1((size_t)layout.owned * layout.block * layout.dim, &part->rows));
    if (here) PetscCall(TokensGetRows(entry->tokens, &part->first, &part->n, part->rows));
  }
  part->first += place.before * layout.count;
  part->count = place.count * layout.count;
  if (!here) part->n = 0;
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadPart(Hdf hdf, Part *part) {
  PetscFunctionBeginUser;
  PetscCall(ReadRows(hdf, part->path, part->count, part->k, part->first, part->n, part->rows));
  PetscFunctionReturn(0);
}

/* The file that has the state of a realization which waits for its turn in a resumed run, and where. */
static PetscErrorCode SourceOf(Checkpoint checkpoint, PetscInt r, char path[PETSC_MAX_PATH_LEN], Place *place) {
  PetscFunctionBeginUser;
  *place = (Place){0, 1};
  if (checkpoint->source[0]) {
    PetscCall(PetscStrncpy(path, checkpoint->source, PETSC_MAX_PATH_LEN));
    *place = PlaceOf(CheckpointCellOf(checkpoint, r), checkpoint->source_step, r);
  } else
    PetscCall(CheckpointEndPath(checkpoint, r, checkpoint->earlier.steps, path));
  PetscFunctionReturn(0);
}

/* The state of realization r of this group, -1 for none, from the objects or, when it waits for its turn in a resumed
 * run, from the source. Collective on the file. */
static PetscErrorCode WriteState(Checkpoint checkpoint, Hdf hdf, const CheckpointCell *cell, PetscInt r, Place place) {
  char path[PETSC_MAX_PATH_LEN];
  Place old = {0};
  Hdf source = NULL;
  Part part, waiting;

  PetscFunctionBeginUser;
  if (r >= 0 && r != cell->held) {
    PetscCall(SourceOf(checkpoint, r, path, &old));
    PetscCall(HdfOpen(checkpoint->layout.shards, path, "r", NULL, &source));
  }
  for (PetscInt i = 0; i < checkpoint->count; i++) {
    const CheckpointEntry *entry = &checkpoint->entries[i];
    if (!IsState(checkpoint, entry, cell)) continue;
    PetscCall(TakePart(checkpoint, entry, place, r >= 0 ? PETSC_TRUE : PETSC_FALSE, &part));
    if (source) {
      PetscCall(TakePart(checkpoint, entry, old, PETSC_TRUE, &waiting));
      PetscCall(ReadPart(source, &waiting));
      PetscCall(PetscFree(part.rows));
      part.rows = waiting.rows;
    }
    if (entry->type == CHECKPOINT_REALS && checkpoint->shard) part.n = 0; /* all shards have them */
    PetscCall(HdfWriteRows(hdf, part.path, part.count, part.k, part.first, 1, part.n, part.rows));
    PetscCall(PetscFree(part.rows));
  }
  PetscCall(HdfClose(&source));
  PetscFunctionReturn(0);
}

/* The states of a cell: as many rounds as the group that has most in progress needs, one for each of its own. */
static PetscErrorCode WriteStates(Checkpoint checkpoint, Hdf hdf, const CheckpointCell *cell) {
  const PetscInt groups = cell->layout.groups, end = cell->first + cell->layout.realizations;
  PetscInt *left, rounds = 0, next = cell->first;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(groups, &left));
  for (PetscInt r = cell->first; r < end; r++)
    if (InProgress(cell, checkpoint->step, r)) rounds = PetscMax(rounds, ++left[(r - cell->first) % groups]);
  PetscCall(PetscFree(left));
  for (; rounds; rounds--) {
    while (next < end && !(CheckpointIsMine(checkpoint, next) && InProgress(cell, checkpoint->step, next))) next++;
    PetscCall(WriteState(checkpoint, hdf, cell, next < end ? next : -1, PlaceOf(cell, checkpoint->step, next)));
    next++;
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteResults(Checkpoint checkpoint, Hdf hdf, const CheckpointEntry *entry) {
  const EnsembleLayout *e = &checkpoint->cells[entry->cell].layout;
  const PetscInt64 frames[1] = {entry->frames};
  char path[PATH];

  PetscFunctionBeginUser;
  if (entry->type == CHECKPOINT_SHARED) {
    PetscCall(CheckpointPath(checkpoint, entry, "shared", sizeof(path), path));
    PetscCall(HdfWriteRows(hdf, path, 1, entry->n, 0, 1, e->group || checkpoint->shard ? 0 : 1, entry->values));
  } else if (entry->type == CHECKPOINT_ROWS) {
    PetscCall(CheckpointPath(checkpoint, entry, "rows", sizeof(path), path));
    PetscCall(HdfWriteRows(hdf, path, e->realizations, entry->n, e->group, e->groups, checkpoint->shard ? 0 : e->owned,
                           entry->values));
    PetscCall(CheckpointPath(checkpoint, entry, "frames", sizeof(path), path));
    if (entry->frames) PetscCall(HdfWriteInts(hdf, path, 1, frames, entry->step));
  }
  PetscFunctionReturn(0);
}

/* Steps done and steps of every realization. */
static PetscErrorCode WriteStatus(Checkpoint checkpoint, Hdf hdf) {
  const PetscInt count = checkpoint->layout.realizations;
  const PetscInt64 shape[1] = {count};
  PetscInt64 *steps;

  PetscFunctionBeginUser;
  PetscCall(HdfWriteInts(hdf, "/status/step", 1, shape, checkpoint->step));
  PetscCall(PetscMalloc1(count, &steps));
  for (PetscInt r = 0; r < count; r++) steps[r] = CheckpointCellOf(checkpoint, r)->steps;
  PetscCall(HdfWriteInts(hdf, "/status/steps", 1, shape, steps));
  PetscCall(PetscFree(steps));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteContents(Checkpoint checkpoint, Hdf hdf) {
  const EnsembleLayout *e = &checkpoint->layout;

  PetscFunctionBeginUser;
  PetscCall(HdfAttributeString(hdf, "/checkpoint", "format", CHECKPOINT_FORMAT));
  PetscCall(HdfAttributeString(hdf, "/checkpoint", "study", checkpoint->output->study));
  PetscCall(HdfAttributeString(hdf, "/checkpoint", "continued", checkpoint->continued));
  /* Every group knows its own realizations; what it read of others may be more than they have done, if they had to
   * begin again. */
  for (PetscInt r = 0; r < e->realizations; r++)
    if (!CheckpointIsMine(checkpoint, r)) checkpoint->step[r] = 0;
  PetscCallMPI(
      MPI_Allreduce(MPI_IN_PLACE, checkpoint->step, (PetscMPIInt)e->realizations, MPIU_INT64, MPI_MAX, e->world));
  PetscCall(WriteStatus(checkpoint, hdf));
  for (PetscInt i = 0; i < checkpoint->count; i++) PetscCall(WriteResults(checkpoint, hdf, &checkpoint->entries[i]));
  for (PetscInt c = 0; c < checkpoint->cell_count; c++) PetscCall(WriteStates(checkpoint, hdf, &checkpoint->cells[c]));
  PetscCall(OriginWrite(e->world, PETSC_FALSE, hdf));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteEnd(Checkpoint checkpoint, PetscInt r, const char *path) {
  const MPI_Comm group = checkpoint->layout.shards;
  int code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(OutputMakeDirectory(group, checkpoint->output));
  PetscCall(HdfOpen(group, path, "w", NULL, &hdf));
  PetscCall(HdfAttributeString(hdf, "/checkpoint", "format", CHECKPOINT_FORMAT));
  PetscCall(HdfAttributeString(hdf, "/checkpoint", "study", checkpoint->output->study));
  PetscCall(WriteState(checkpoint, hdf, CheckpointCellOf(checkpoint, r), r, (Place){0, 1}));
  PetscCall(OriginWrite(group, PETSC_TRUE, hdf));
  PetscCall(HdfClose(&hdf));
  code = OutputSync(path, O_RDWR);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &code, 1, MPI_INT, MPI_MAX, group));
  PetscCall(OutputFail(group, code, path, "cannot be written"));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointEndWrite(Checkpoint checkpoint, PetscInt r) {
  char path[PETSC_MAX_PATH_LEN], temporary[PETSC_MAX_PATH_LEN + 8];
  int code = 0;

  PetscFunctionBeginUser;
  PetscCall(CheckpointEndPath(checkpoint, r, CheckpointCellOf(checkpoint, r)->steps, path));
  PetscCall(PetscSNPrintf(temporary, sizeof(temporary), "%s.tmp", path));
  PetscCall(WriteEnd(checkpoint, r, temporary));
  if (!checkpoint->shard && rename(temporary, path)) code = errno;
  PetscCall(OutputFail(checkpoint->layout.shards, code, path, "cannot be put in place"));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteTemporary(Checkpoint checkpoint) {
  int code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(OutputMakeDirectory(checkpoint->layout.world, checkpoint->output));
  PetscCall(HdfOpen(checkpoint->layout.world, checkpoint->temporary, "w", NULL, &hdf));
  PetscCall(WriteContents(checkpoint, hdf));
  PetscCall(HdfClose(&hdf));
  /* Every rank's part is on disk: what follows is rank 0's alone. Not by HdfFlush, in which others wait for a rank that
   * finds the disk full. */
  code = OutputSync(checkpoint->temporary, O_RDWR);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &code, 1, MPI_INT, MPI_MAX, checkpoint->layout.world));
  PetscCall(OutputFail(checkpoint->layout.world, code, checkpoint->temporary, "cannot be written"));
  PetscCall(CheckpointSeal(checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileWrite(Checkpoint checkpoint) {
  PetscErrorCode failed;

  PetscFunctionBeginUser;
  failed = WriteTemporary(checkpoint);
  if (failed && !checkpoint->rank) (void)unlink(checkpoint->temporary);
  PetscCall(failed);
  PetscFunctionReturn(0);
}

/* Reads from the source, and closes it before bad input leads to MPI_Finalize, after which HDF5 could not. What
 * one group alone finds wrong is a failure of the run, so only the world's reader names the key: then the program
 * aborts, at once, since closing would wait for others that have the same to say. */
static PetscErrorCode WithSource(Checkpoint checkpoint, const char *path, MPI_Comm comm,
                                 PetscErrorCode (*read)(Checkpoint checkpoint, Hdf hdf)) {
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(comm, path, "r", comm == checkpoint->layout.world ? "checkpoint_resume" : NULL, &hdf));
  code = read(checkpoint, hdf);
  if (!code || code == PETSC_ERR_USER_INPUT) PetscCall(HdfClose(&hdf));
  PetscCall(code);
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileFind(Checkpoint checkpoint) {
  const char *const candidates[2] = {checkpoint->file, checkpoint->previous};
  char reason[PATH], damage[2 * PATH] = "";

  PetscFunctionBeginUser;
  for (int i = 0; i < 2 && !checkpoint->source[0]; i++) {
    PetscBool exists = PETSC_FALSE;
    PetscCall(CheckpointVerify(checkpoint, candidates[i], &exists, reason, sizeof(reason)));
    if (exists && !reason[0])
      PetscCall(PetscStrncpy(checkpoint->source, candidates[i], sizeof(checkpoint->source)));
    else if (exists) {
      PetscCall(PetscSNPrintf(damage, sizeof(damage), "%.300s %s", candidates[i], reason));
      if (!checkpoint->rank) fprintf(stderr, "chorale: warning: %s\n", damage);
    }
  }
  PetscCheck(checkpoint->source[0] || !damage[0], checkpoint->layout.world, PETSC_ERR_FILE_READ,
             "no checkpoint can be used (%s); remove it to start from the beginning", damage);
  checkpoint->trusted = !strcmp(checkpoint->source, checkpoint->file) ? PETSC_TRUE : PETSC_FALSE;
  if (checkpoint->source[0])
    PetscCall(WithSource(checkpoint, checkpoint->source, checkpoint->layout.world, CheckpointReadHeader));
  PetscFunctionReturn(0);
}

/* Row r of an entry that begins with frames, those of the source being more: chosen by their steps. */
static PetscErrorCode ReadFrames(Checkpoint checkpoint, Hdf hdf, const CheckpointEntry *entry, PetscInt r,
                                 PetscReal *row) {
  const PetscErrorCode unfit =
      checkpoint->layout.groups == 1 ? PETSC_ERR_USER_INPUT : PETSC_ERR_FILE_READ; /* see WithSource */
  const PetscInt64 columns = entry->columns, tail = entry->n - entry->frames * columns;
  PetscInt64 shape[8], *step, k, j = 0, f;
  PetscReal *old;
  char path[PATH];
  int rank;

  PetscFunctionBeginUser;
  PetscCall(CheckpointPath(checkpoint, entry, "frames", sizeof(path), path));
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  PetscCheck(rank == 1 && shape[0] <= checkpoint->cells[entry->cell].steps + 1, checkpoint->layout.shards, unfit,
             "checkpoint_resume = true: %s: '%s' has another shape", checkpoint->source, path);
  k = shape[0] * columns + tail;
  PetscCall(PetscMalloc2(shape[0], &step, k, &old));
  PetscCall(HdfReadInts(hdf, path, shape[0], step));
  PetscCall(CheckpointPath(checkpoint, entry, "rows", sizeof(path), path));
  PetscCall(
      ReadRows(hdf, path, checkpoint->cells[entry->cell].layout.realizations, k, r, checkpoint->shard ? 0 : 1, old));
  for (f = 0; f < entry->frames; f++) {
    while (j < shape[0] && step[j] != entry->step[f]) j++;
    if (j == shape[0]) break;
    if (!checkpoint->shard) PetscCall(PetscArraycpy(row + f * columns, old + j * columns, columns));
  }
  if (!checkpoint->shard) PetscCall(PetscArraycpy(row + entry->n - tail, old + k - tail, tail));
  PetscCall(PetscFree2(step, old));
  PetscCheck(f == entry->frames, checkpoint->layout.shards, unfit,
             "checkpoint_resume = true: %s: has no frame of step %" PetscInt64_FMT, checkpoint->source, entry->step[f]);
  PetscFunctionReturn(0);
}

/* The rows of this group's realizations that have begun; only its first shard may have room for them. */
static PetscErrorCode ReadEntry(Checkpoint checkpoint, Hdf hdf, const CheckpointEntry *entry) {
  const CheckpointCell *cell = &checkpoint->cells[entry->cell];
  const EnsembleLayout *e = &cell->layout;
  const PetscInt64 n = checkpoint->shard ? 0 : 1;
  char path[PATH];

  PetscFunctionBeginUser;
  if (entry->type == CHECKPOINT_SHARED && e->group == 0) {
    PetscCall(CheckpointPath(checkpoint, entry, "shared", sizeof(path), path));
    PetscCall(ReadRows(hdf, path, 1, entry->n, 0, n, entry->values));
  }
  if (entry->type != CHECKPOINT_ROWS) PetscFunctionReturn(0);
  PetscCall(CheckpointPath(checkpoint, entry, "rows", sizeof(path), path));
  for (PetscInt k = 0; k < e->owned; k++) {
    const PetscInt r = e->group + k * e->groups;
    PetscReal *row = n ? entry->values + (size_t)k * (size_t)entry->n : NULL;
    if (!checkpoint->step[cell->first + r]) continue;
    if (entry->frames)
      PetscCall(ReadFrames(checkpoint, hdf, entry, r, row));
    else
      PetscCall(ReadRows(hdf, path, e->realizations, entry->n, r, n, row));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadAllRows(Checkpoint checkpoint, Hdf hdf) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < checkpoint->count; i++) PetscCall(ReadEntry(checkpoint, hdf, &checkpoint->entries[i]));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileReadRows(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  PetscCall(WithSource(checkpoint, checkpoint->source, checkpoint->layout.shards, ReadAllRows));
  PetscFunctionReturn(0);
}

/* Into the objects. */
static PetscErrorCode GivePart(const CheckpointEntry *entry, const Part *part) {
  double *radius;

  PetscFunctionBeginUser;
  if (entry->type == CHECKPOINT_TOKENS)
    PetscCall(TokensSetRows(entry->tokens, part->rows));
  else if (entry->type == CHECKPOINT_RADIUS) {
    PetscCall(TokensGetRadius(entry->tokens, &radius));
    PetscCall(PetscArraycpy(radius, part->rows, part->n));
  } else
    PetscCall(PetscArraycpy(entry->values, part->rows, entry->n));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadState(Checkpoint checkpoint, Hdf hdf) {
  const CheckpointCell *cell = CheckpointCellOf(checkpoint, checkpoint->current);
  char path[PETSC_MAX_PATH_LEN];
  Place place;
  Part part;

  PetscFunctionBeginUser;
  PetscCall(SourceOf(checkpoint, checkpoint->current, path, &place));
  for (PetscInt i = 0; i < checkpoint->count; i++) {
    const CheckpointEntry *entry = &checkpoint->entries[i];
    if (!IsState(checkpoint, entry, cell)) continue;
    PetscCall(TakePart(checkpoint, entry, place, PETSC_TRUE, &part));
    PetscCall(ReadPart(hdf, &part));
    PetscCall(GivePart(entry, &part));
    PetscCall(PetscFree(part.rows));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileReadState(Checkpoint checkpoint, PetscInt r) {
  char path[PETSC_MAX_PATH_LEN];
  Place place;

  PetscFunctionBeginUser;
  checkpoint->current = CheckpointCellOf(checkpoint, r)->held = r;
  PetscCall(SourceOf(checkpoint, r, path, &place));
  PetscCall(WithSource(checkpoint, path, checkpoint->layout.shards, ReadState));
  PetscFunctionReturn(0);
}
