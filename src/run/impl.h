/* Private to record, its files and those of findings and checkpoints. */
#ifndef CHORALE_RUN_IMPL_H
#define CHORALE_RUN_IMPL_H

#include <chorale/checkpoint.h>
#include <chorale/record.h>
#include <chorale/trajectory.h>

#include "io/hdf.h"

/* Where the run's files go: DIRECTORY/STEM.EXT and DIRECTORY/STEM/realization_00000.h5md. */
typedef struct {
  char file[PETSC_MAX_PATH_LEN];
  char temporary[PETSC_MAX_PATH_LEN];    /* in the same directory, renamed to file */
  char directory[PETSC_MAX_PATH_LEN];    /* that of file, "." when it has none */
  char trajectories[PETSC_MAX_PATH_LEN]; /* DIRECTORY/STEM */
  char stem[PETSC_MAX_PATH_LEN];
  PetscBool overwrite, resume;
} Output;

#define RECORD_QUANTITIES 16
#define RECORD_TEXTS      128

struct _p_Record {
  char study[32];
  EnsembleLayout ensemble;
  TokensLayout tokens;
  PetscMPIInt rank, shard; /* in the world and in the group */
  PetscInt steps, every, frames, trajectories, compress;
  PetscInt64 *step; /* [frames] */
  PetscReal *time;  /* [frames] */
  PetscBool single;
  Output output;
  PetscInt quantities, width; /* what a frame holds: the observables, and what a study adds */
  ObservableInfo quantity[RECORD_QUANTITIES];
  double *values;              /* [owned][frames][width] on the group's first shard, NULL on others */
  PetscInt texts;              /* attributes of the study */
  char *text[RECORD_TEXTS][2]; /* key and value */
  Trajectory trajectory;
};

/* The name of a quantity in the columns NAME_mean and NAME_sem of the study's table, NULL when it has none there. */
PETSC_INTERN const char *RecordColumn(Record record, PetscInt quantity);

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

/* Means and standard errors over the realizations, [frames][width], on rank 0 of the world. Collective on the
 * world. */
PETSC_INTERN PetscErrorCode ResultsStatistics(Record record, double *mean, double *sem);
/* /parameters, with the deck as text, and /provenance of an open results file or checkpoint; complete: nothing is to
 * come. Collective on comm, that of the file. */
PETSC_INTERN PetscErrorCode ResultsWriteOrigin(MPI_Comm comm, PetscBool complete, Hdf hdf);
/* The results file at path. Collective on the world. */
PETSC_INTERN PetscErrorCode ResultsWrite(Record record, const char *path, PetscBool complete, const double *mean,
                                         const double *sem);

#endif
