#include "run/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX 64 /* room that the longest addition to the name of the results file needs */

const OptionKey OutputKeys[] = {
    STRING_KEY(OutputOptions, file, "output_file", "", .shown = "STUDY.h5", .help = "Results file (HDF5)."),
    FLAG_KEY(OutputOptions, overwrite, "output_overwrite", .help = "Replace an existing results file."),
    INT_KEY(OutputOptions, every, "output_every", "1", 1, 100000000, "layers", .whole = PETSC_TRUE,
            .needs = {{"output_log", "0"}}, .help = "Layers from one recorded frame to the next."),
    INT_KEY(OutputOptions, log, "output_log", "0", 0, 100000000, "frames", .whole = PETSC_TRUE,
            .help = "Frames recorded beside the first, equally spaced in the logarithm of time as far as they can be a "
                    "layer apart; 0 for output_every."),
    INT_KEY(OutputOptions, trajectories, "output_trajectories", "0", 0, 10000000, "runs", .whole = PETSC_TRUE,
            .help = "Realizations (the first ones) whose token positions are recorded; at most ensemble_realizations."),
    CHOICE_KEY(OutputOptions, precision, "output_precision", "double", .words = OPTION_WORDS("double", "single"),
               .whole = PETSC_TRUE, .needs = {{"output_trajectories", "!0"}},
               .help = "Precision of recorded positions."),
    INT_KEY(OutputOptions, compress, "output_compress", "0", 0, 9, "-", .whole = PETSC_TRUE,
            .needs = {{"output_trajectories", "!0"}}, .help = "Compression level of recorded positions, 0 for none."),
    STRING_KEY(OutputOptions, table, "output_table", "", .shown = "(none)",
               .help = "CSV file for the rows of the study's table, with 17 digits; it may replace an earlier one, no "
                       "other file."),
    {.name = NULL}};

PetscErrorCode OutputCreate(MPI_Comm comm, const char *study, const OutputOptions *options, PetscBool resume,
                            Output *handle) {
  const char *slash, *base, *dot;
  Output o;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&o));
  o->comm = comm;
  o->options = *options;
  o->resume = resume;
  o->lock = -1;
  o->file = o->options.file;
  PetscCallMPI(MPI_Comm_rank(comm, &o->rank));
  PetscCall(PetscStrncpy(o->study, study, sizeof(o->study)));
  if (!*o->file) PetscCall(PetscSNPrintf(o->options.file, sizeof(o->options.file), "%s.h5", study));
  PetscCheck(strlen(o->file) + SUFFIX < sizeof(o->options.file), comm, PETSC_ERR_USER_INPUT,
             "output_file = %.40s...: the name is too long", o->file);
  slash = strrchr(o->file, '/');
  base = slash ? slash + 1 : o->file;
  dot = strrchr(base, '.');
  PetscCheck(dot && dot != base && dot[1], comm, PETSC_ERR_USER_INPUT,
             "output_file = %s: must have a name and an extension, like %s.h5", o->file, study);
  PetscCall(PetscSNPrintf(o->temporary, sizeof(o->temporary), "%s.tmp", o->file));
  PetscCall(PetscStrncpy(o->trajectories, o->file, (size_t)(dot - o->file) + 1));
  o->stem = o->trajectories + (base - o->file);
  /* "/file.h5" is in "/" */
  PetscCall(PetscStrncpy(o->directory, slash ? o->file : ".", (size_t)PetscMax(1, base - 1 - o->file) + 1));
  *handle = o;
  PetscFunctionReturn(0);
}

PetscErrorCode OutputDestroy(Output *output) {
  PetscFunctionBeginUser;
  if (*output) OutputUnlock(*output);
  PetscCall(PetscFree(*output));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputTrajectory(Output output, PetscInt r, PetscBool relative, char path[PETSC_MAX_PATH_LEN]) {
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

/* What rank 0 alone looks for: "key = value: reason" against a file, empty when nothing speaks against it. */
typedef struct {
  PetscBool looks; /* on rank 0 */
  const char *key, *file;
  char reason[3 * PETSC_MAX_PATH_LEN];
} Search;

PETSC_ATTRIBUTE_FORMAT(2, 3) static void Found(Search *search, const char *format, ...) {
  va_list values;

  va_start(values, format);
  (void)vsnprintf(search->reason, sizeof(search->reason), format, values);
  va_end(values);
}

/* Is the file another input or output of the run, too? */
static PetscErrorCode CompareName(const char *key, const char *value, void *context) {
  Search *search = context;
  char mine[PETSC_MAX_PATH_LEN], other[PETSC_MAX_PATH_LEN];
  PetscBool file;

  PetscFunctionBeginUser;
  PetscCall(PetscStrInList(key, "output_table,tokens_file,attention_weights,analyze_file,analyze_other", ',', &file));
  if (!search->looks || search->reason[0] || !file || !value[0] || !strcmp(key, search->key)) PetscFunctionReturn(0);
  Canonical(search->file, mine);
  Canonical(value, other);
  if (!strcmp(mine, other))
    Found(search, "%s = %s: is also the %s; choose another name", search->key, search->file, key);
  PetscFunctionReturn(0);
}

/* Permissions, read-only file systems and full directories show only when a file is made; its name is new, since
 * FILE.tmp may be that of a job which runs. */
static void Probe(Search *search) {
  char name[PETSC_MAX_PATH_LEN + 8];
  int fd;

  (void)snprintf(name, sizeof(name), "%s.XXXXXX", search->file);
  if ((fd = mkstemp(name)) < 0) {
    Found(search, "%s = %s: cannot be written: %s", search->key, search->file, strerror(errno));
    return;
  }
  (void)close(fd);
  (void)unlink(name);
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
  for (PetscInt r = 0; r < trajectories && !o->options.overwrite && !o->resume && !search->reason[0]; r++) {
    PetscCall(OutputTrajectory(o, r, PETSC_FALSE, path));
    if (!access(path, F_OK))
      Found(search, "output_trajectories = %" PetscInt_FMT ": %s exists already; output_overwrite replaces it",
            trajectories, path);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode SearchFile(Output o, PetscInt trajectories, Search *search) {
  struct stat status;

  PetscFunctionBeginUser;
  if (stat(o->directory, &status) || !S_ISDIR(status.st_mode))
    Found(search, "output_file = %s: there is no directory %s", o->file, o->directory);
  else if (!stat(o->file, &status) && !S_ISREG(status.st_mode))
    Found(search, "output_file = %s: is not a regular file", o->file);
  else if (!stat(o->file, &status) && !o->options.overwrite && !o->resume) /* whose results: see checkpoint_check.c */
    Found(search, "output_file = %s: exists already; output_overwrite replaces it", o->file);
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
  return !n || (both < n && !strncmp(line, columns, both) && strchr(",\n", line[both])) ? PETSC_TRUE : PETSC_FALSE;
}

static void SearchTable(const char *columns, Search *search) {
  struct stat status;

  if (!stat(search->file, &status) && !S_ISREG(status.st_mode))
    Found(search, "output_table = %s: is not a regular file", search->file);
  else if (!access(search->file, F_OK) && !IsTable(search->file, columns))
    Found(search, "output_table = %s: exists and is no earlier table of this study; remove it or choose another name",
          search->file);
}

/* What rank 0 found is the user's error of all ranks. */
static PetscErrorCode Refuse(MPI_Comm comm, Search *search) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Bcast(search->reason, sizeof(search->reason), MPI_CHAR, 0, comm));
  PetscCheck(!search->reason[0], comm, PETSC_ERR_USER_INPUT, "%s", search->reason);
  PetscFunctionReturn(0);
}

PetscErrorCode OutputCheckFile(Output output, PetscInt trajectories) {
  Search search = {.looks = !output->rank, .key = "output_file", .file = output->file};

  PetscFunctionBeginUser;
  if (search.looks) PetscCall(SearchFile(output, trajectories, &search));
  PetscCall(DeckVisit(CompareName, &search));
  if (search.looks && !search.reason[0]) CheckFolder(output, &search);
  if (search.looks && !search.reason[0]) Probe(&search);
  PetscCall(Refuse(output->comm, &search));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputCheckTable(Output output, const char *columns) {
  Search search = {.looks = !output->rank, .key = "output_table", .file = output->options.table};

  PetscFunctionBeginUser;
  if (!*search.file) PetscFunctionReturn(0);
  PetscCall(DeckVisit(CompareName, &search));
  if (search.looks && !search.reason[0]) SearchTable(columns, &search);
  if (search.looks && !search.reason[0]) Probe(&search);
  PetscCall(Refuse(output->comm, &search));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputFail(MPI_Comm comm, int code, const char *path, const char *what) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Bcast(&code, 1, MPI_INT, 0, comm));
  PetscCheck(!code, comm, PETSC_ERR_FILE_WRITE, "%s: %s: %s", path, what, strerror(code));
  PetscFunctionReturn(0);
}

PetscErrorCode OutputMakeDirectory(MPI_Comm comm, Output output) {
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
  PetscCall(OutputFail(comm, code, output->trajectories, "cannot make the directory"));
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

PetscErrorCode OutputCommit(Output output) {
  int code = 0;

  PetscFunctionBeginUser;
  if (!output->rank) {
    code = OutputSync(output->temporary, O_RDWR);
    if (!code && rename(output->temporary, output->file)) code = errno;
    if (!code) code = OutputSync(output->directory, O_RDONLY);
  }
  PetscCall(OutputFail(output->comm, code, output->file, "cannot be put in place"));
  PetscFunctionReturn(0);
}
