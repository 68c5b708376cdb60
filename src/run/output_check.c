/* What stands in the way of a run's files, or would be destroyed by them. Found before anything runs, by rank 0. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "run/output.h"

#define MATTER 4e6 /* bytes: a few megabytes are not asked for beforehand, since their failure loses little */

/* The name without links and dots; the file itself need not exist. */
static void Canonical(const char *name, char path[PETSC_MAX_PATH_LEN]) {
  char directory[PETSC_MAX_PATH_LEN], *full;
  const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;

  (void)snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - name) + 1 : 1, slash ? name : ".");
  if ((full = realpath(name, NULL)))
    (void)snprintf(path, PETSC_MAX_PATH_LEN, "%s", full);
  else if ((full = realpath(directory, NULL)))
    (void)snprintf(path, PETSC_MAX_PATH_LEN, "%s/%s", full, base);
  else
    (void)snprintf(path, PETSC_MAX_PATH_LEN, "%s", name);
  free(full);
}

/* Are two names those of one file? */
static PetscBool IsSameFile(const char *a, const char *b) {
  char one[PETSC_MAX_PATH_LEN], other[PETSC_MAX_PATH_LEN];
  struct stat first, second;

  if (!stat(a, &first) && !stat(b, &second))
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino ? PETSC_TRUE : PETSC_FALSE;
  Canonical(a, one);
  Canonical(b, other);
  return !strcmp(one, other) ? PETSC_TRUE : PETSC_FALSE;
}

/* What rank 0 alone looks for: "key = value: reason" against a file, empty when nothing speaks against it. */
typedef struct {
  PetscBool looks; /* on rank 0 */
  const char *key, *file;
  struct {
    char reason[3 * PETSC_MAX_PATH_LEN];
    char probe[PETSC_MAX_PATH_LEN + 8]; /* a file that rank 0 has made; empty for none */
  } told;
} Search;

PETSC_ATTRIBUTE_FORMAT(2, 3) static void Found(Search *search, const char *format, ...) {
  va_list values;

  va_start(values, format);
  (void)vsnprintf(search->told.reason, sizeof(search->told.reason), format, values);
  va_end(values);
}

/* Is the file another input or output of the run, too? */
static PetscErrorCode CompareName(const char *key, const char *value, void *context) {
  Search *search = context;
  const PetscBool file = !strcmp(key, "output_table") || DeckReads(key) ? PETSC_TRUE : PETSC_FALSE;

  PetscFunctionBeginUser;
  if (!search->looks || search->told.reason[0] || !file || !value[0] || !strcmp(key, search->key))
    PetscFunctionReturn(0);
  if (IsSameFile(search->file, value))
    Found(search, "%s = %s: is also the %s; choose another name", search->key, search->file, key);
  PetscFunctionReturn(0);
}

/* Permissions, read-only file systems and full directories show only when a file is made; its name is new, since
 * FILE.tmp may be that of a job which runs. */
static void Probe(Search *search) {
  char *name = search->told.probe;
  int fd;

  (void)snprintf(name, sizeof(search->told.probe), "%s.XXXXXX", search->file);
  if ((fd = mkstemp(name)) < 0) {
    Found(search, "%s = %s: cannot be written: %s", search->key, search->file, strerror(errno));
    name[0] = '\0';
    return;
  }
  (void)close(fd);
}

/* Is the table to stand where trajectories and checkpoints go? */
static void CheckFolder(Output o, Search *search) {
  char path[PETSC_MAX_PATH_LEN], folder[PETSC_MAX_PATH_LEN];
  size_t length;

  if (!o->options.table[0]) return;
  Canonical(o->options.table, path);
  Canonical(o->trajectories, folder);
  length = strlen(folder);
  if (!strncmp(path, folder, length) && (!path[length] || path[length] == '/'))
    Found(search, "output_table = %s: %s is for trajectories and checkpoints of %s", o->options.table, o->trajectories,
          o->file);
}

/* Is one of the trajectories there, or something else in their way? */
static PetscErrorCode CheckTrajectories(Output o, PetscInt trajectories, Search *search) {
  struct stat status;
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  if (trajectories && !stat(o->trajectories, &status) && !S_ISDIR(status.st_mode))
    Found(search, "output_trajectories = %" PetscInt_FMT ": %s is in the way of their directory", trajectories,
          o->trajectories);
  for (PetscInt r = 0; r < trajectories && !o->options.overwrite && !o->resume && !search->told.reason[0]; r++) {
    PetscCall(OutputTrajectory(o, r, PETSC_FALSE, path));
    if (!access(path, F_OK))
      Found(search, "output_trajectories = %" PetscInt_FMT ": %s exists already; output_overwrite replaces it",
            trajectories, path);
  }
  PetscFunctionReturn(0);
}

/* Is it no file, or what a run may replace: nothing, or HDF5? Whose results: see checkpoint_check.c. */
static PetscBool IsReplaceable(const char *path) {
  static const char signature[] = "\x89HDF\r\n\x1a\n";
  char start[sizeof(signature)] = "";
  FILE *file = fopen(path, "rb");
  size_t n;

  if (!file) return PETSC_TRUE;
  n = fread(start, 1, strlen(signature), file);
  (void)fclose(file);
  return !n || !memcmp(start, signature, n) ? PETSC_TRUE : PETSC_FALSE;
}

/* Is something at a name that a run is to write which is no file, or a link? It would wait for the reader of a pipe,
 * or write what the link points to. */
static PetscBool IsOdd(const char *path) {
  struct stat status;

  return !lstat(path, &status) && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) ? PETSC_TRUE : PETSC_FALSE;
}

static PetscErrorCode SearchFile(Output o, PetscInt trajectories, Search *search) {
  struct stat status;

  PetscFunctionBeginUser;
  if (stat(o->directory, &status) || !S_ISDIR(status.st_mode))
    Found(search, "output_file = %s: there is no directory %s", o->file, o->directory);
  else if (stat(o->file, &status) && !lstat(o->file, &status))
    Found(search, "output_file = %s: is a link that leads nowhere", o->file);
  else if (!stat(o->file, &status) && !S_ISREG(status.st_mode))
    Found(search, "output_file = %s: is not a regular file", o->file);
  else if (IsOdd(o->temporary))
    Found(search, "output_file = %s: %s is in its way", o->file, o->temporary);
  else if (!stat(o->file, &status) && !o->options.overwrite && !o->resume)
    Found(search, "output_file = %s: exists already; output_overwrite replaces it", o->file);
  else if (!IsReplaceable(o->file) && o->options.overwrite)
    Found(search, "output_file = %s: exists and is no HDF5 file, which output_overwrite does not replace", o->file);
  else
    PetscCall(CheckTrajectories(o, trajectories, search));
  PetscFunctionReturn(0);
}

/* Does the file hold nothing, or a table that begins with the same two columns? Those that follow may depend on the
 * deck. */
static PetscBool IsTable(const char *path, const char *columns) {
  const size_t length = strcspn(columns, ","), both = length + 1 + strcspn(columns + length + 1, ",");
  char line[128] = "";
  FILE *file = fopen(path, "r");
  size_t n;

  if (!file) return PETSC_FALSE;
  n = fread(line, 1, sizeof(line) - 1, file);
  fclose(file);
  if (!strncmp(line, "\xef\xbb\xbf", 3)) memmove(line, line + 3, sizeof(line) - 3); /* a spreadsheet has saved it */
  return !n || (both < n && !strncmp(line, columns, both) && strchr(",\r\n", line[both])) ? PETSC_TRUE : PETSC_FALSE;
}

static void SearchTable(const char *columns, Search *search) {
  struct stat status;

  if (stat(search->file, &status) && !lstat(search->file, &status))
    Found(search, "output_table = %s: is a link that leads nowhere", search->file);
  else if (!stat(search->file, &status) && !S_ISREG(status.st_mode))
    Found(search, "output_table = %s: is not a regular file", search->file);
  else if (!access(search->file, F_OK) && !IsTable(search->file, columns))
    Found(search, "output_table = %s: exists and is no earlier table of this study; remove it or choose another name",
          search->file);
}

/* Once all ranks have looked for it. */
static void RemoveProbe(Search *search) {
  if (search->looks && search->told.probe[0]) (void)unlink(search->told.probe);
}

/* What rank 0 found is the user's error of all ranks. */
static PetscErrorCode Refuse(MPI_Comm comm, Search *search) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Bcast(&search->told, sizeof(search->told), MPI_CHAR, 0, comm));
  PetscCheck(!search->told.reason[0], comm, PETSC_ERR_USER_INPUT, "%s", search->told.reason);
  PetscFunctionReturn(0);
}

/* All ranks write into the directory: each host must see it. A rank that does not find what rank 0 has just made there
 * would wait in vain later. */
static PetscErrorCode CheckHosts(Output o, Search *search) {
  char host[256] = "";
  PetscMPIInt rank, blind;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(o->comm, &rank));
  blind = access(search->told.probe, F_OK) ? rank : INT_MAX;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &blind, 1, MPI_INT, MPI_MIN, o->comm));
  RemoveProbe(search);
  if (blind == INT_MAX) PetscFunctionReturn(0);
  (void)gethostname(host, sizeof(host) - 1);
  PetscCallMPI(MPI_Bcast(host, sizeof(host), MPI_CHAR, blind, o->comm));
  SETERRQ(o->comm, PETSC_ERR_USER_INPUT,
          "output_file = %s: host %s (rank %d) does not see what rank 0 writes into %s; all hosts must share it",
          o->file, host, (int)blind, o->directory);
}

PetscErrorCode OutputCheckFile(Output output, PetscInt trajectories) {
  Search search = {.looks = !output->rank, .key = "output_file", .file = output->file};

  PetscFunctionBeginUser;
  if (search.looks) PetscCall(SearchFile(output, trajectories, &search));
  PetscCall(DeckVisit(CompareName, &search));
  if (search.looks && !search.told.reason[0]) CheckFolder(output, &search);
  if (search.looks && !search.told.reason[0]) Probe(&search);
  PetscCall(Refuse(output->comm, &search));
  PetscCall(CheckHosts(output, &search));
  PetscFunctionReturn(0);
}

/* What keeps DIRECTORY/STEM from being the folder of the run's files. */
static void SearchFolder(Output o, Search *search) {
  static const char *const names[] = {"checkpoint.h5", "checkpoint.prev.h5", "checkpoint.tmp.h5"};
  char path[PETSC_MAX_PATH_LEN + 32];
  struct stat status;
  int fd;

  if (lstat(o->trajectories, &status)) return; /* it will be made where the results are */
  if (stat(o->trajectories, &status))
    Found(search, "output_file = %s: %s, the folder of its checkpoints, is a link that leads nowhere", o->file,
          o->trajectories);
  else if (!S_ISDIR(status.st_mode))
    Found(search, "output_file = %s: %s is in the way of the folder of its checkpoints", o->file, o->trajectories);
  if (search->told.reason[0]) return;
  (void)snprintf(path, sizeof(path), "%s/probe.XXXXXX", o->trajectories);
  if ((fd = mkstemp(path)) < 0)
    Found(search, "output_file = %s: %s, the folder of its checkpoints, cannot be written: %s", o->file,
          o->trajectories, strerror(errno));
  if (fd >= 0) (void)close(fd), (void)unlink(path);
  for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !search->told.reason[0]; i++) {
    (void)snprintf(path, sizeof(path), "%s/%s", o->trajectories, names[i]);
    if (IsOdd(path)) Found(search, "output_file = %s: %s is not a regular file", o->file, path);
  }
}

PetscErrorCode OutputCheckFolder(Output output) {
  Search search = {.looks = !output->rank};

  PetscFunctionBeginUser;
  if (search.looks) SearchFolder(output, &search);
  PetscCall(Refuse(output->comm, &search));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputCheckRoom(Output output, PetscReal bytes) {
  const PetscReal GB = 1e-9;
  struct statvfs disk;
  PetscReal room;

  PetscFunctionBeginUser;
  if (output->rank || statvfs(output->directory, &disk)) PetscFunctionReturn(0);
  room = (PetscReal)disk.f_bavail * (PetscReal)disk.f_frsize;
  if (bytes > PetscMax(room, MATTER))
    fprintf(stderr, "chorale: warning: output_file = %s: the run will write %.3g GB, %.3g GB are free there\n",
            output->file, (double)(GB * bytes), (double)(GB * room));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputCheckTable(Output output, const char *columns) {
  Search search = {.looks = !output->rank, .key = "output_table", .file = output->options.table};

  PetscFunctionBeginUser;
  if (!*search.file) PetscFunctionReturn(0);
  PetscCall(DeckVisit(CompareName, &search));
  if (search.looks && !search.told.reason[0]) SearchTable(columns, &search);
  if (search.looks && !search.told.reason[0]) Probe(&search);
  RemoveProbe(&search);
  PetscCall(Refuse(output->comm, &search));
  PetscFunctionReturn(0);
}
