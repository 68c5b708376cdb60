/* The files of a run: their names, what stands in their way, and the exchange of the old results file for the new one.
 */
#ifndef CHORALE_RUN_OUTPUT_H
#define CHORALE_RUN_OUTPUT_H

#include <petscsys.h>

/* Where the run's files go: DIRECTORY/STEM.EXT and DIRECTORY/STEM/realization_00000.h5md. */
typedef struct {
  char file[PETSC_MAX_PATH_LEN];
  char temporary[PETSC_MAX_PATH_LEN];    /* in the same directory, renamed to file */
  char directory[PETSC_MAX_PATH_LEN];    /* that of file, "." when it has none */
  char trajectories[PETSC_MAX_PATH_LEN]; /* DIRECTORY/STEM */
  char stem[PETSC_MAX_PATH_LEN];
  PetscBool overwrite, resume;
} Output;

/* Names from output_file; looks at nothing. */
PETSC_INTERN PetscErrorCode OutputNames(MPI_Comm comm, const char *study, Output *output);
/* Reads output_file and output_overwrite and refuses what cannot work or would destroy what is not the run's own, for
 * this many trajectories. Leaves nothing behind. Collective. */
PETSC_INTERN PetscErrorCode OutputCreate(MPI_Comm comm, const char *study, PetscInt trajectories, Output *output);
/* On one rank: "key = file: reason" when the file that this key names is another input or output of the run, too. */
PETSC_INTERN PetscErrorCode OutputOthers(const char *key, const char *file, char *reason, size_t room);
/* On one rank: 0 or the errno that keeps files from being made beside path. Permissions, read-only file systems and
 * full directories show only when one is made; its name is new, since FILE.tmp may be that of a job which runs. */
PETSC_INTERN int OutputProbe(const char *path);
/* Path of a realization's trajectory: in the file system, or as seen from the results file. */
PETSC_INTERN PetscErrorCode OutputTrajectory(const Output *output, PetscInt r, PetscBool relative,
                                             char path[PETSC_MAX_PATH_LEN]);
/* Makes the directory of the trajectories unless it exists. Collective. */
PETSC_INTERN PetscErrorCode OutputMakeDirectory(MPI_Comm comm, const Output *output);
/* errno of rank 0 (0 for none) becomes a run-time failure of all ranks, "path: what: reason". Collective. */
PETSC_INTERN PetscErrorCode OutputCheck(MPI_Comm comm, int code, const char *path, const char *what);
/* On this rank: file or directory on disk for good; flags as for open(). 0 or errno. */
PETSC_INTERN int OutputSync(const char *path, int flags);
/* The temporary file takes the place of the results file, on disk for good. Collective. */
PETSC_INTERN PetscErrorCode OutputCommit(MPI_Comm comm, const Output *output);

#endif
