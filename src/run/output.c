#include "run/output.h"

#include <chorale/deck.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX 64 /* room that the longest addition to the name of the results file needs */

PetscErrorCode OutputNames(MPI_Comm comm, const char *study, Output *o) {
  char *slash, *base, *dot;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("output_file", o->file));
  if (!o->file[0]) PetscCall(PetscSNPrintf(o->file, sizeof(o->file), "%s.h5", study));
  PetscCheck(strlen(o->file) + SUFFIX < sizeof(o->file), comm, PETSC_ERR_USER_INPUT,
             "output_file = %.40s...: the name is too long", o->file);
  PetscCall(PetscSNPrintf(o->temporary, sizeof(o->temporary), "%s.tmp", o->file));
  PetscCall(PetscStrcpy(o->directory, o->file));
  slash = strrchr(o->directory, '/');
  base = slash ? slash + 1 : o->directory;
  PetscCall(PetscStrcpy(o->stem, base));
  dot = strrchr(o->stem, '.');
  PetscCheck(dot && dot != o->stem && dot[1], comm, PETSC_ERR_USER_INPUT,
             "output_file = %s: must have a name and an extension, like %s.h5", o->file, study);
  *dot = '\0';
  PetscCall(PetscStrcpy(o->trajectories, o->file));
  *strrchr(o->trajectories, '.') = '\0';
  if (slash)
    slash[slash == o->directory] = '\0'; /* "/file.h5" is in "/" */
  else
    PetscCall(PetscStrcpy(o->directory, "."));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputTrajectory(const Output *output, PetscInt r, PetscBool relative, char path[PETSC_MAX_PATH_LEN]) {
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, PETSC_MAX_PATH_LEN, "%s/realization_%05d.h5md",
                          relative ? output->stem : output->trajectories, (int)r));
  PetscFunctionReturn(0);
}

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

PetscErrorCode OutputOthers(const char *key, const char *file, char *reason, size_t room) {
  static const char *const keys[] = {"output_table", "tokens_file", "attention_weights", "analyze_file",
                                     "analyze_other"};
  char mine[PETSC_MAX_PATH_LEN], name[PETSC_MAX_PATH_LEN], other[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  Canonical(file, mine);
  for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
    PetscCall(DeckGetString(keys[i], name));
    if (!name[0] || !strcmp(key, keys[i])) continue;
    Canonical(name, other);
    if (!strcmp(mine, other))
      PetscCall(PetscSNPrintf(reason, room, "%s = %s: is also the %s; choose another name", key, file, keys[i]));
  }
  PetscFunctionReturn(0);
}

/* On one rank: is the table to stand where trajectories and checkpoints go? */
static PetscErrorCode InspectTable(const Output *o, char *reason, size_t room) {
  char table[PETSC_MAX_PATH_LEN], path[PETSC_MAX_PATH_LEN], folder[PETSC_MAX_PATH_LEN];
  size_t length;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("output_table", table));
  if (!table[0]) PetscFunctionReturn(0);
  Canonical(table, path);
  Canonical(o->trajectories, folder);
  length = strlen(folder);
  if (!strncmp(path, folder, length) && (!path[length] || path[length] == '/'))
    PetscCall(PetscSNPrintf(reason, room, "output_table = %s: %s is for trajectories and checkpoints of %s", table,
                            o->trajectories, o->file));
  PetscFunctionReturn(0);
}

int OutputProbe(const char *path) {
  char name[PETSC_MAX_PATH_LEN + 8];
  int fd;

  (void)snprintf(name, sizeof(name), "%s.XXXXXX", path);
  if ((fd = mkstemp(name)) < 0) return errno;
  (void)close(fd);
  (void)unlink(name);
  return 0;
}

/* On one rank: what speaks against writing these files, as "key = value: reason"; empty when nothing does. */
static PetscErrorCode Inspect(const Output *o, PetscInt trajectories, char *reason, size_t room) {
  struct stat status;
  char path[PETSC_MAX_PATH_LEN];
  int code;

  PetscFunctionBeginUser;
  reason[0] = '\0';
  if (stat(o->directory, &status) || !S_ISDIR(status.st_mode)) {
    PetscCall(PetscSNPrintf(reason, room, "output_file = %s: there is no directory %s", o->file, o->directory));
    PetscFunctionReturn(0);
  }
  if (!stat(o->file, &status) && (!S_ISREG(status.st_mode) || (!o->overwrite && !o->resume))) {
    PetscCall(PetscSNPrintf(reason, room, "output_file = %s: %s", o->file,
                            S_ISREG(status.st_mode) ? "exists already; output_overwrite replaces it"
                                                    : "is not a regular file"));
    PetscFunctionReturn(0);
  }
  if (trajectories && !stat(o->trajectories, &status) && !S_ISDIR(status.st_mode)) {
    PetscCall(PetscSNPrintf(reason, room,
                            "output_trajectories = %" PetscInt_FMT ": %s is in the way of their directory",
                            trajectories, o->trajectories));
    PetscFunctionReturn(0);
  }
  for (PetscInt r = 0; r < trajectories && !o->overwrite && !o->resume; r++) {
    PetscCall(OutputTrajectory(o, r, PETSC_FALSE, path));
    if (!access(path, F_OK)) {
      PetscCall(PetscSNPrintf(
          reason, room, "output_trajectories = %" PetscInt_FMT ": %s exists already; output_overwrite replaces it",
          trajectories, path));
      PetscFunctionReturn(0);
    }
  }
  PetscCall(OutputOthers("output_file", o->file, reason, room));
  if (!reason[0]) PetscCall(InspectTable(o, reason, room));
  if (!reason[0] && (code = OutputProbe(o->file)))
    PetscCall(PetscSNPrintf(reason, room, "output_file = %s: cannot be written: %s", o->file, strerror(code)));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputCreate(MPI_Comm comm, const char *study, PetscInt trajectories, Output *output) {
  char reason[3 * PETSC_MAX_PATH_LEN] = "";
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCall(OutputNames(comm, study, output));
  PetscCall(DeckGetFlag("output_overwrite", &output->overwrite));
  PetscCall(DeckGetFlag("checkpoint_resume", &output->resume)); /* CheckpointFileCheckResults sees to its files */
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) PetscCall(Inspect(output, trajectories, reason, sizeof(reason)));
  PetscCallMPI(MPI_Bcast(reason, sizeof(reason), MPI_CHAR, 0, comm));
  PetscCheck(!reason[0], comm, PETSC_ERR_USER_INPUT, "%s", reason);
  PetscFunctionReturn(0);
}

PetscErrorCode OutputCheck(MPI_Comm comm, int code, const char *path, const char *what) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Bcast(&code, 1, MPI_INT, 0, comm));
  PetscCheck(!code, comm, PETSC_ERR_FILE_WRITE, "%s: %s: %s", path, what, strerror(code));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputMakeDirectory(MPI_Comm comm, const Output *output) {
  PetscMPIInt rank;
  int code = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) {
    if (!mkdir(output->trajectories, 0777))
      code = OutputSync(output->directory, O_RDONLY);
    else if (errno != EEXIST)
      code = errno;
  }
  PetscCall(OutputCheck(comm, code, output->trajectories, "cannot make the directory"));
  PetscFunctionReturn(0);
}

int OutputSync(const char *path, int flags) {
  const int fd = open(path, flags);
  int code = 0;

  if (fd < 0) return errno;
  if (fsync(fd) && errno != EINVAL) code = errno; /* EINVAL: a file system that cannot sync directories */
  if (close(fd) && !code) code = errno;
  return code;
}

PetscErrorCode OutputCommit(MPI_Comm comm, const Output *output) {
  PetscMPIInt rank;
  int code = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) {
    code = OutputSync(output->temporary, O_RDWR);
    if (!code && rename(output->temporary, output->file)) code = errno;
    if (!code) code = OutputSync(output->directory, O_RDONLY);
  }
  PetscCall(OutputCheck(comm, code, output->file, "cannot be put in place"));
  PetscFunctionReturn(0);
}
