#include "run/output.h"

#include "io/hdf.h"

#include <errno.h>
#include <fcntl.h>
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

/* In place of a link the file that it leads to, so that the link stays one. */
static PetscErrorCode Follow(Output o, char file[PETSC_MAX_PATH_LEN]) {
  struct stat status;
  char *full = NULL;

  PetscFunctionBeginUser;
  if (!o->rank && !lstat(file, &status) && S_ISLNK(status.st_mode)) full = realpath(file, NULL);
  if (full && strlen(full) < PETSC_MAX_PATH_LEN) PetscCall(PetscStrcpy(file, full));
  free(full);
  PetscCallMPI(MPI_Bcast(file, PETSC_MAX_PATH_LEN, MPI_CHAR, 0, o->comm));
  PetscFunctionReturn(0);
}

/* The longest names of the run's files must be ones that MPI opens, which a run would find out late. */
static PetscErrorCode CheckLength(Output o) {
  PetscFunctionBeginUser;
  PetscCheck(strlen(o->file) + SUFFIX < sizeof(o->options.file), o->comm, PETSC_ERR_USER_INPUT,
             "output_file = %.40s...: the name is too long", o->file);
  PetscCall(HdfCheckName(o->comm, "output_file", o->file, strlen("/realization_00000.h5md")));
  PetscFunctionReturn(0);
}

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
  PetscCall(Follow(o, o->options.file));
  PetscCall(Follow(o, o->options.table));
  PetscCall(CheckLength(o));
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
