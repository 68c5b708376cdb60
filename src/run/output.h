/* Private to run: the names of the files of a run, what stands in their way, and the exchange of an old file for the
 * new one. */
#ifndef CHORALE_RUN_OUTPUT_H
#define CHORALE_RUN_OUTPUT_H

#include <chorale/output.h>

struct _p_Output {
  MPI_Comm comm;
  PetscMPIInt rank;
  OutputOptions options;
  char study[32];
  const char *file;                      /* of the options, or the default */
  char temporary[PETSC_MAX_PATH_LEN];    /* in the same directory, renamed to file */
  char directory[PETSC_MAX_PATH_LEN];    /* that of file, "." when it has none */
  char trajectories[PETSC_MAX_PATH_LEN]; /* DIRECTORY/STEM */
  const char *stem;                      /* its end */
  PetscBool resume;
  int lock; /* file that says that this run writes, on rank 0; -1 for none */
};

/* Refuses (user input) a results file, and this many trajectories, that cannot be written or would destroy what is not
 * the run's own; an output_table that cannot be written, is another file of the run, or exists and is neither empty nor
 * an earlier table with these first two columns. Call before a long run: leaves nothing behind. Collective. */
PETSC_INTERN PetscErrorCode OutputCheckFile(Output output, PetscInt trajectories);
PETSC_INTERN PetscErrorCode OutputCheckTable(Output output, const char *columns);
/* Refuses (user input) a DIRECTORY/STEM that cannot be the folder of checkpoints and trajectories. Collective. */
PETSC_INTERN PetscErrorCode OutputCheckFolder(Output output);
/* Refuses (user input) a run whose files another run is writing, and keeps others from it until OutputDestroy or the
 * end of the process, however that comes: DIRECTORY/STEM.lock is locked for so long. stops: a signal stops the run
 * instead of ending the process. dry: only refuses. Collective. */
PETSC_INTERN PetscErrorCode OutputLock(Output output, PetscBool stops, PetscBool dry);
/* For a handler: ends the process by this signal, as if there was no lock. */
PETSC_INTERN void OutputLeave(int number);
PETSC_INTERN void OutputUnlock(Output output); /* on this rank */
/* Path of a realization's trajectory: in the file system, or as seen from the results file. */
PETSC_INTERN PetscErrorCode OutputTrajectory(Output output, PetscInt r, PetscBool relative,
                                             char path[PETSC_MAX_PATH_LEN]);
/* Makes the directory of the trajectories unless it exists. Collective on comm, all ranks or a group. */
PETSC_INTERN PetscErrorCode OutputMakeDirectory(MPI_Comm comm, Output output);
/* errno of rank 0 (0 for none) becomes a run-time failure of all ranks, "path: what: reason". Collective. */
PETSC_INTERN PetscErrorCode OutputFail(MPI_Comm comm, int code, const char *path, const char *what);
/* On this rank: file or directory on disk for good; flags as for open(). 0 or errno. */
PETSC_INTERN int OutputSync(const char *path, int flags);
/* The temporary file takes the place of the results file, on disk for good. Collective. */
PETSC_INTERN PetscErrorCode OutputCommit(Output output);

#endif
