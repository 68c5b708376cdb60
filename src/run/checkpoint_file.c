/* The file of a checkpoint: HDF5, with a trailer that HDF5 does not see: its length and a checksum of all bytes before,
 * so that a torn or altered file is known before HDF5 looks into it.
 *
 *     /checkpoint     attributes format, study, realizations, steps
 *     /status/step    [R] steps done by every realization
 *     /rows/NAME      [R][n] results so far
 *     /frames/NAME    [frames] steps of the frames that these rows begin with
 *     /shared/NAME    [1][n] numbers of the whole run
 *     /state/R/NAME   [N][d] positions, or [1][n] numbers, of every realization in progress
 *     /parameters, /provenance as in results files
 */
#include "run/checkpoint_impl.h"

#include <chorale/deck.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "io/provenance.h"

#define FORMAT "2"
#define PATH   256
#define BLOCK  (1 << 20) /* bytes that are checked together; the ranks share the blocks */

typedef struct {
  char mark[16];
  uint64_t length, sum;
} Trailer;
static const char mark[16] = "chorale trailer";

/* Checksum of the first `length` bytes of a file, the same for any number of ranks: blocks' CRCs are mixed with their
 * place and added. Collective on the world; *ok is false where a rank cannot read. */
static PetscErrorCode Checksum(Checkpoint c, const char *path, uint64_t length, uint64_t *sum, PetscBool *ok) {
  const int file = open(path, O_RDONLY);
  unsigned char *bytes;
  int good = file >= 0;

  PetscFunctionBeginUser;
  *sum = 0;
  PetscCall(PetscMalloc1(BLOCK, &bytes));
  for (uint64_t b = (uint64_t)c->rank; good && b * BLOCK < length; b += (uint64_t)c->size) {
    const size_t want = (size_t)PetscMin((uint64_t)BLOCK, length - b * BLOCK);
    size_t have = 0;
    while (good && have < want) {
      const ssize_t got = pread(file, bytes + have, want - have, (off_t)(b * BLOCK + have));
      if (got > 0)
        have += (size_t)got;
      else
        good = 0;
    }
    if (good) {
      uint64_t z = (b << 32) + (uint64_t)crc32(0, bytes, (uInt)want) + 0x9e3779b97f4a7c15;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9; /* the finisher of SplitMix64 */
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      *sum += z ^ (z >> 31);
    }
  }
  PetscCall(PetscFree(bytes));
  if (file >= 0) (void)close(file);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sum, 1, MPI_UINT64_T, MPI_SUM, c->layout.world));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &good, 1, MPI_INT, MPI_LAND, c->layout.world));
  *ok = good ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* 0 or errno. */
static int AppendTrailer(const char *path, const Trailer *trailer) {
  const int file = open(path, O_WRONLY | O_APPEND);
  int code = 0;

  if (file < 0) return errno;
  errno = 0;
  if (write(file, trailer, sizeof(*trailer)) != (ssize_t)sizeof(*trailer)) code = errno ? errno : ENOSPC;
  if (!code && fsync(file)) code = errno;
  if (close(file) && !code) code = errno;
  return code;
}

/* The complete temporary file becomes the checkpoint, the checkpoint the one before. */
static PetscErrorCode Commit(Checkpoint c) {
  Trailer trailer;
  struct stat status = {0};
  PetscBool ok;
  int code = 0;

  PetscFunctionBeginUser;
  if (!c->rank && stat(c->temporary, &status)) code = errno;
  PetscCall(OutputCheck(c->layout.world, code, c->temporary, "cannot be read back"));
  memcpy(trailer.mark, mark, sizeof(mark));
  trailer.length = (uint64_t)status.st_size;
  PetscCallMPI(MPI_Bcast(&trailer.length, 1, MPI_UINT64_T, 0, c->layout.world));
  PetscCall(Checksum(c, c->temporary, trailer.length, &trailer.sum, &ok));
  PetscCheck(ok, c->layout.world, PETSC_ERR_FILE_WRITE, "%s: cannot be read back", c->temporary);
  if (!c->rank) {
    code = AppendTrailer(c->temporary, &trailer);
    if (!code && c->trusted && rename(c->file, c->previous) && errno != ENOENT) code = errno;
    if (!code && rename(c->temporary, c->file)) code = errno;
    if (!code) code = OutputSync(c->output.trajectories, O_RDONLY);
  }
  PetscCall(OutputCheck(c->layout.world, code, c->file, "cannot be put in place"));
  c->trusted = PETSC_TRUE;
  if (c->source[0]) PetscCall(PetscStrcpy(c->source, c->file)); /* it holds what waits for its turn */
  PetscFunctionReturn(0);
}

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

/* This rank's part of an entry of realization r: from the objects if r is in progress here, else, when it waits for its
 * turn in a resumed run, from the source. rows has room for it. */
static PetscErrorCode TakeTokens(Hdf source, const char *path, Tokens tokens, PetscInt64 *first, PetscInt64 *n,
                                 double *rows) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetRows(tokens, first, n, rows));
  if (source) PetscCall(ReadRows(source, path, layout.count, layout.dim, *first, *n, rows));
  PetscFunctionReturn(0);
}

/* /state/REALIZATION/NAME, created by all ranks, written by the group that owns the realization. */
static PetscErrorCode WriteState(Checkpoint c, Hdf hdf, PetscInt r) {
  const PetscBool mine = (PetscBool)(r % c->layout.groups == c->layout.group);
  Hdf source = NULL;

  PetscFunctionBeginUser;
  if (mine && r != c->current) PetscCall(HdfOpen(c->layout.shards, c->source, "r", NULL, &source));
  for (PetscInt i = 0; i < c->count; i++) {
    const CheckpointEntry *entry = &c->entries[i];
    char path[PATH];

    PetscCall(PetscSNPrintf(path, sizeof(path), "/state/%" PetscInt_FMT "/%s", r, entry->name));
    if (entry->type == CHECKPOINT_TOKENS) {
      TokensLayout layout;
      PetscInt64 first = 0, n = 0;
      double *rows;
      PetscCall(TokensGetLayout(entry->tokens, &layout));
      PetscCall(PetscMalloc1((size_t)layout.owned * layout.block * layout.dim, &rows));
      if (mine) PetscCall(TakeTokens(source, path, entry->tokens, &first, &n, rows));
      PetscCall(HdfWriteRows(hdf, path, layout.count, layout.dim, first, 1, n, rows));
      PetscCall(PetscFree(rows));
    } else if (entry->type == CHECKPOINT_REALS) {
      double *values;
      PetscCall(PetscMalloc1(entry->n, &values));
      PetscCall(PetscArraycpy(values, entry->values, entry->n));
      if (source) PetscCall(ReadRows(source, path, 1, entry->n, 0, 1, values));
      PetscCall(HdfWriteRows(hdf, path, 1, entry->n, 0, 1, mine && !c->shard ? 1 : 0, values));
      PetscCall(PetscFree(values));
    }
  }
  PetscCall(HdfClose(&source));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteContents(Checkpoint c, Hdf hdf) {
  const EnsembleLayout *e = &c->layout;
  const PetscInt64 shape[1] = {e->realizations};

  PetscFunctionBeginUser;
  PetscCall(HdfAttributeString(hdf, "/checkpoint", "format", FORMAT));
  PetscCall(HdfAttributeString(hdf, "/checkpoint", "study", c->study));
  /* Every group knows its own realizations; what it read of others may be more than they have done, if they had to
   * begin again. */
  for (PetscInt r = 0; r < e->realizations; r++)
    if (r % e->groups != e->group) c->step[r] = 0;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, c->step, (PetscMPIInt)e->realizations, MPIU_INT64, MPI_MAX, e->world));
  PetscCall(HdfWriteInts(hdf, "/status/step", 1, shape, c->step));
  for (PetscInt i = 0; i < c->count; i++) {
    const CheckpointEntry *entry = &c->entries[i];
    char path[PATH];
    if (entry->type == CHECKPOINT_SHARED) {
      PetscCall(PetscSNPrintf(path, sizeof(path), "/shared/%s", entry->name));
      PetscCall(HdfWriteRows(hdf, path, 1, entry->n, 0, 1, c->rank ? 0 : 1, entry->values));
    }
    if (entry->type != CHECKPOINT_ROWS) continue;
    PetscCall(PetscSNPrintf(path, sizeof(path), "/rows/%s", entry->name));
    PetscCall(HdfWriteRows(hdf, path, e->realizations, entry->n, e->group, e->groups, c->shard ? 0 : e->owned,
                           entry->values));
    if (!entry->frames) continue;
    const PetscInt64 frames[1] = {entry->frames};
    PetscCall(PetscSNPrintf(path, sizeof(path), "/frames/%s", entry->name));
    PetscCall(HdfWriteInts(hdf, path, 1, frames, entry->step));
  }
  for (PetscInt r = 0; r < e->realizations; r++)
    if (0 < c->step[r] && c->step[r] < c->steps) PetscCall(WriteState(c, hdf, r));
  PetscCall(ResultsWriteOrigin(e->world, PETSC_FALSE, hdf));
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteTemporary(Checkpoint c) {
  int code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(OutputMakeDirectory(c->layout.world, &c->output));
  PetscCall(HdfOpen(c->layout.world, c->temporary, "w", NULL, &hdf));
  PetscCall(WriteContents(c, hdf));
  PetscCall(HdfClose(&hdf));
  /* Every rank's part is on disk: what follows is rank 0's alone. Not by HdfFlush, in which others wait for a rank that
   * finds the disk full. */
  code = OutputSync(c->temporary, O_RDWR);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &code, 1, MPI_INT, MPI_MAX, c->layout.world));
  PetscCall(OutputCheck(c->layout.world, code, c->temporary, "cannot be written"));
  PetscCall(Commit(c));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileWrite(Checkpoint c) {
  PetscErrorCode failed;

  PetscFunctionBeginUser;
  failed = WriteTemporary(c);
  if (failed && !c->rank) (void)unlink(c->temporary);
  PetscCall(failed);
  PetscFunctionReturn(0);
}

/* What is wrong with a file, empty for nothing; *exists is false when there is none. Collective. */
static PetscErrorCode Verify(Checkpoint c, const char *path, PetscBool *exists, char *reason, size_t room) {
  Trailer trailer = {.length = 0};
  struct {
    int exists;
    char reason[PATH];
  } found = {1, ""};
  uint64_t sum;
  PetscBool ok;

  PetscFunctionBeginUser;
  if (!c->rank) {
    struct stat status;
    const int file = open(path, O_RDONLY);
    found.exists = file >= 0 || errno != ENOENT;
    if (file < 0 && found.exists)
      (void)snprintf(found.reason, PATH, "%s", strerror(errno));
    else if (file >= 0) {
      if (fstat(file, &status) || status.st_size < (off_t)sizeof(trailer) ||
          pread(file, &trailer, sizeof(trailer), status.st_size - (off_t)sizeof(trailer)) != sizeof(trailer) ||
          memcmp(trailer.mark, mark, sizeof(mark)) || trailer.length != (uint64_t)status.st_size - sizeof(trailer))
        (void)snprintf(found.reason, PATH, "is truncated or not a checkpoint");
    }
    if (file >= 0) (void)close(file);
  }
  PetscCallMPI(MPI_Bcast(&found, sizeof(found), MPI_BYTE, 0, c->layout.world));
  PetscCallMPI(MPI_Bcast(&trailer, sizeof(trailer), MPI_BYTE, 0, c->layout.world));
  if (found.exists && !found.reason[0]) {
    PetscCall(Checksum(c, path, trailer.length, &sum, &ok));
    if (!ok || sum != trailer.sum) (void)snprintf(found.reason, PATH, "is damaged: its checksum is wrong");
  }
  *exists = found.exists ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(PetscStrncpy(reason, found.reason, room));
  PetscFunctionReturn(0);
}

/* Keys that a resumed run may change: where things go and when, not what is computed. */
static PetscBool MayChange(const char *key) {
  static const char *const keys[] = {
      "ensemble_groups", "output_overwrite", "output_table", "output_file", "progress", "dry_run", NULL};

  for (int i = 0; keys[i]; i++)
    if (!strcmp(key, keys[i])) return PETSC_TRUE;
  return strncmp(key, "checkpoint_", strlen("checkpoint_")) ? PETSC_FALSE : PETSC_TRUE;
}

typedef struct {
  MPI_Comm comm;
  const char *file;
  Hdf hdf;
  PetscInt steps; /* of a run that goes on from this checkpoint; 0 for complete results, -1 for what a run has left */
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
             "output_every = %s: %s was made with %s, which the frames of its output_trajectories = %s keep", value,
             x->file, old, count);
  PetscFunctionReturn(0);
}

/* The file that a key names may have other contents by now. Files of older versions do not say. */
static PetscErrorCode CompareInput(const Comparison *x, const char *key, const char *value) {
  char name[2 * CHECKPOINT_NAME], old[CHECKPOINT_NAME];
  PetscBool found;

  PetscFunctionBeginUser;
  if (!ProvenanceInput(key)[0]) PetscFunctionReturn(0);
  PetscCall(PetscSNPrintf(name, sizeof(name), "%s_crc32", key));
  PetscCall(HdfReadAttribute(x->hdf, "/provenance", name, sizeof(old), old, &found));
  PetscCheck(!found || !strcmp(old, ProvenanceInput(key)), x->comm, PETSC_ERR_USER_INPUT,
             "%s = %s: the file had other contents when %s was made", key, value, x->file);
  PetscFunctionReturn(0);
}

static PetscErrorCode CompareKey(const char *key, const char *value, void *context) {
  const Comparison *comparison = (const Comparison *)context;
  char old[PETSC_MAX_PATH_LEN];
  PetscBool found;

  PetscFunctionBeginUser;
  if (MayChange(key)) PetscFunctionReturn(0);
  PetscCall(HdfReadAttribute(comparison->hdf, "/parameters", key, sizeof(old), old, &found));
  if (found && !strcmp(old, value))
    PetscCall(CompareInput(comparison, key, value));
  else if (found && comparison->steps && !strcmp(key, "output_every"))
    PetscCall(CompareCadence(comparison, old, value));
  else
    SETERRQ(comparison->comm, PETSC_ERR_USER_INPUT,
            "%s = %s: %s was made with %s; a resumed run may change only groups, file names, progress and checkpoint_*",
            key, value, comparison->file, found ? old : "no such key");
  PetscFunctionReturn(0);
}

/* Results may be replaced by a run of their study; without a checkpoint, which has been compared, of their deck too. */
static PetscErrorCode CheckOwn(Checkpoint c, Comparison *comparison) {
  char group[PATH], value[CHECKPOINT_NAME];
  PetscBool found, same;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(group, sizeof(group), "/study/%s", c->study));
  PetscCall(HdfExists(comparison->hdf, group, &same));
  PetscCall(HdfReadAttribute(comparison->hdf, "/provenance", "complete", sizeof(value), value, &found));
  PetscCheck(found && same, comparison->comm, PETSC_ERR_USER_INPUT,
             "output_file = %s: exists and holds no results of study %s; output_overwrite replaces it",
             comparison->file, c->study);
  if (c->source[0]) PetscFunctionReturn(0);
  comparison->steps = strcmp(value, "true") ? -1 : 0; /* -1: no frame of it is kept */
  PetscCall(DeckVisit(CompareKey, comparison));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileCheckResults(Checkpoint c) {
  Comparison comparison = {.comm = c->layout.world, .file = c->output.file};
  PetscErrorCode code;
  PetscBool overwrite;
  int there = 0;

  PetscFunctionBeginUser;
  PetscCall(DeckGetFlag("output_overwrite", &overwrite));
  if (!c->rank) there = !access(c->output.file, F_OK);
  PetscCallMPI(MPI_Bcast(&there, 1, MPI_INT, 0, c->layout.world));
  if (!there || overwrite) PetscFunctionReturn(0);
  PetscCall(HdfOpen(c->layout.world, c->output.file, "r", "output_file", &comparison.hdf));
  code = CheckOwn(c, &comparison);
  PetscCall(HdfClose(&comparison.hdf)); /* an open file would meet MPI_Finalize */
  PetscCall(code);
  PetscFunctionReturn(0);
}

/* Is source a checkpoint of this run? Reads how far the realizations are. */
static PetscErrorCode ReadHeader(Checkpoint c, Hdf hdf) {
  Comparison comparison = {c->layout.world, c->source, hdf, c->steps};
  char study[CHECKPOINT_NAME], format[CHECKPOINT_NAME];
  PetscInt64 shape[8];
  PetscBool found;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(HdfReadAttribute(comparison.hdf, "/checkpoint", "format", sizeof(format), format, &found));
  PetscCheck(found && !strcmp(format, FORMAT), c->layout.world, PETSC_ERR_USER_INPUT,
             "checkpoint_resume = true: %s has format '%s', this program reads " FORMAT, c->source, format);
  PetscCall(HdfReadAttribute(comparison.hdf, "/checkpoint", "study", sizeof(study), study, &found));
  PetscCheck(!strcmp(study, c->study), c->layout.world, PETSC_ERR_USER_INPUT,
             "checkpoint_resume = true: %s is of study %s, not %s", c->source, study, c->study);
  PetscCall(DeckVisit(CompareKey, &comparison));
  PetscCall(HdfGetShape(comparison.hdf, "/status/step", &rank, shape));
  PetscCheck(rank == 1 && shape[0] == c->layout.realizations, c->layout.world, PETSC_ERR_USER_INPUT,
             "checkpoint_resume = true: %s has another number of realizations", c->source);
  PetscCall(HdfReadInts(comparison.hdf, "/status/step", c->layout.realizations, c->step));
  for (PetscInt r = 0; r < c->layout.realizations; r++)
    PetscCheck(0 <= c->step[r] && c->step[r] <= c->steps, c->layout.world, PETSC_ERR_USER_INPUT,
               "checkpoint_resume = true: %s says that %" PetscInt64_FMT " of %" PetscInt_FMT " steps are done",
               c->source, c->step[r], c->steps);
  PetscFunctionReturn(0);
}

/* Opens the results; are they complete? All ranks fail alike where they cannot be read. */
static PetscErrorCode OpenResults(Checkpoint c, Hdf *hdf) {
  char value[CHECKPOINT_NAME];
  PetscErrorCode failed;
  PetscBool found;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(c->layout.world, c->output.file, "r", "output_file", hdf));
  failed = HdfReadAttribute(*hdf, "/provenance", "complete", sizeof(value), value, &found);
  if (failed) PetscCall(HdfClose(hdf));
  PetscCall(failed);
  c->complete = (PetscBool)(found && !strcmp(value, "true"));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileIsComplete(Checkpoint c) {
  Comparison comparison = {c->layout.world, c->output.file, NULL, 0};
  PetscErrorCode failed, different = 0;
  int there = 0;

  PetscFunctionBeginUser;
  if (!c->rank) there = !access(c->output.file, F_OK);
  PetscCallMPI(MPI_Bcast(&there, 1, MPI_INT, 0, c->layout.world));
  if (!there) PetscFunctionReturn(0);
  PetscCall(PetscPushErrorHandler(PetscIgnoreErrorHandler, NULL));
  failed = OpenResults(c, &comparison.hdf);
  PetscCall(PetscPopErrorHandler());
  c->broken = (PetscBool)(failed != 0);
  if (failed) PetscFunctionReturn(0);
  if (c->complete) different = DeckVisit(CompareKey, &comparison);
  PetscCall(HdfClose(&comparison.hdf)); /* an open file would meet MPI_Finalize */
  PetscCall(different);
  PetscFunctionReturn(0);
}

/* Reads from the source, and closes it before bad input leads to MPI_Finalize, where an open file would be met. What
 * one group alone finds wrong is a failure of the run, so only the world's reader names the key: then the program
 * aborts, at once, since closing would wait for others that have the same to say. */
static PetscErrorCode WithSource(Checkpoint c, MPI_Comm comm, PetscErrorCode (*read)(Checkpoint c, Hdf hdf)) {
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(comm, c->source, "r", comm == c->layout.world ? "checkpoint_resume" : NULL, &hdf));
  code = read(c, hdf);
  if (!code || code == PETSC_ERR_USER_INPUT) PetscCall(HdfClose(&hdf));
  PetscCall(code);
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileFind(Checkpoint c) {
  const char *const candidates[2] = {c->file, c->previous};
  char reason[PATH], damage[2 * PATH] = "";

  PetscFunctionBeginUser;
  for (int i = 0; i < 2 && !c->source[0]; i++) {
    PetscBool exists = PETSC_FALSE;
    PetscCall(Verify(c, candidates[i], &exists, reason, sizeof(reason)));
    if (exists && !reason[0])
      PetscCall(PetscStrncpy(c->source, candidates[i], sizeof(c->source)));
    else if (exists) {
      PetscCall(PetscSNPrintf(damage, sizeof(damage), "%.300s %s", candidates[i], reason));
      if (!c->rank) fprintf(stderr, "chorale: warning: %s\n", damage);
    }
  }
  PetscCheck(c->source[0] || !damage[0], c->layout.world, PETSC_ERR_FILE_READ,
             "no checkpoint can be used (%s); remove it to start from the beginning", damage);
  c->trusted = (PetscBool)!strcmp(c->source, c->file);
  if (c->source[0]) PetscCall(WithSource(c, c->layout.world, ReadHeader));
  PetscFunctionReturn(0);
}

/* Row r of an entry that begins with frames, those of the source being more: chosen by their steps. */
static PetscErrorCode ReadFrames(Checkpoint c, Hdf hdf, const CheckpointEntry *entry, PetscInt r, PetscReal *row) {
  const PetscErrorCode unfit = c->layout.groups == 1 ? PETSC_ERR_USER_INPUT : PETSC_ERR_FILE_READ; /* see WithSource */
  const PetscInt64 columns = entry->columns, tail = entry->n - entry->frames * columns;
  PetscInt64 shape[8], *step, k, j = 0, f;
  PetscReal *old;
  char path[PATH];
  int rank;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, sizeof(path), "/frames/%s", entry->name));
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  PetscCheck(rank == 1 && shape[0] <= c->steps + 1, c->layout.shards, unfit,
             "checkpoint_resume = true: %s: '%s' has another shape", c->source, path);
  k = shape[0] * columns + tail;
  PetscCall(PetscMalloc2(shape[0], &step, k, &old));
  PetscCall(HdfReadInts(hdf, path, shape[0], step));
  PetscCall(PetscSNPrintf(path, sizeof(path), "/rows/%s", entry->name));
  PetscCall(ReadRows(hdf, path, c->layout.realizations, k, r, c->shard ? 0 : 1, old));
  for (f = 0; f < entry->frames; f++) {
    while (j < shape[0] && step[j] != entry->step[f]) j++;
    if (j == shape[0]) break;
    if (!c->shard) PetscCall(PetscArraycpy(row + f * columns, old + j * columns, columns));
  }
  if (!c->shard) PetscCall(PetscArraycpy(row + entry->n - tail, old + k - tail, tail));
  PetscCall(PetscFree2(step, old));
  PetscCheck(f == entry->frames, c->layout.shards, unfit,
             "checkpoint_resume = true: %s: has no frame of step %" PetscInt64_FMT, c->source, entry->step[f]);
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadAllRows(Checkpoint c, Hdf hdf) {
  const EnsembleLayout *e = &c->layout;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < c->count; i++) {
    const CheckpointEntry *entry = &c->entries[i];
    char path[PATH];
    if (entry->type == CHECKPOINT_SHARED && e->group == 0) {
      PetscCall(PetscSNPrintf(path, sizeof(path), "/shared/%s", entry->name));
      PetscCall(ReadRows(hdf, path, 1, entry->n, 0, c->rank ? 0 : 1, entry->values));
    }
    if (entry->type != CHECKPOINT_ROWS) continue;
    PetscCall(PetscSNPrintf(path, sizeof(path), "/rows/%s", entry->name));
    for (PetscInt k = 0; k < e->owned; k++) {
      const PetscInt r = e->group + k * e->groups;
      PetscReal *row = c->shard ? NULL : entry->values + (size_t)k * (size_t)entry->n; /* others may have no room */
      if (!c->step[r]) continue;
      if (entry->frames)
        PetscCall(ReadFrames(c, hdf, entry, r, row));
      else
        PetscCall(ReadRows(hdf, path, e->realizations, entry->n, r, c->shard ? 0 : 1, row));
    }
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileReadRows(Checkpoint c) {
  PetscFunctionBeginUser;
  PetscCall(WithSource(c, c->layout.shards, ReadAllRows));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadState(Checkpoint c, Hdf hdf) {
  const PetscInt r = c->current;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < c->count; i++) {
    const CheckpointEntry *entry = &c->entries[i];
    char path[PATH];

    PetscCall(PetscSNPrintf(path, sizeof(path), "/state/%" PetscInt_FMT "/%s", r, entry->name));
    if (entry->type == CHECKPOINT_TOKENS) {
      TokensLayout layout;
      PetscInt64 first, n;
      double *rows;
      PetscCall(TokensGetLayout(entry->tokens, &layout));
      PetscCall(PetscMalloc1((size_t)layout.owned * layout.block * layout.dim, &rows));
      PetscCall(TakeTokens(hdf, path, entry->tokens, &first, &n, rows));
      PetscCall(TokensSetRows(entry->tokens, rows));
      PetscCall(PetscFree(rows));
    } else if (entry->type == CHECKPOINT_REALS)
      PetscCall(ReadRows(hdf, path, 1, entry->n, 0, 1, entry->values));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFileReadState(Checkpoint c, PetscInt r) {
  PetscFunctionBeginUser;
  c->current = r;
  PetscCall(WithSource(c, c->layout.shards, ReadState));
  PetscFunctionReturn(0);
}
