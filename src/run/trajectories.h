/* The trajectories of a run's first realizations, beside its results file: one at a time for every group, from the
 * first frame to the last. */
#ifndef CHORALE_RUN_TRAJECTORIES_H
#define CHORALE_RUN_TRAJECTORIES_H

#include <chorale/ensemble.h>
#include <chorale/frames.h>
#include <chorale/output.h>
#include <chorale/trajectory.h>

typedef struct _p_Trajectories *Trajectories;

/* Of these tokens, as the options of output say; all three and frames stay the caller's, and frames may be filled in
 * later. Refuses (user input) more trajectories than realizations. Collective on all ranks of the ensemble. */
PETSC_INTERN PetscErrorCode TrajectoriesCreate(Output output, Ensemble ensemble, Tokens tokens, const Frames *frames,
                                               Trajectories *trajectories);
PETSC_INTERN PetscErrorCode TrajectoriesDestroy(Trajectories *trajectories);
/* How many realizations have one; 0 for NULL. Pure. */
PETSC_INTERN PetscInt TrajectoriesCount(Trajectories trajectories);
/* Memory of the rank that has most. Not collective. */
PETSC_INTERN PetscErrorCode TrajectoriesGetBytes(Trajectories trajectories, PetscReal *bytes);
/* What all files together take on the disk before compression; 0 for NULL. Not collective. */
PETSC_INTERN PetscReal TrajectoriesDisk(Trajectories trajectories);
PETSC_INTERN PetscErrorCode TrajectoriesView(Trajectories trajectories);
/* Frame f of realization r, if it has a trajectory. Collective on the group. */
PETSC_INTERN PetscErrorCode TrajectoriesWrite(Trajectories trajectories, PetscInt r, PetscInt f);
/* Realization r goes on after this many frames: reopens its file. *lost, with a warning, when that is missing or
 * damaged: the realization must begin again. Collective on the group. */
PETSC_INTERN PetscErrorCode TrajectoriesResume(Trajectories trajectories, PetscInt r, PetscInt frames, PetscBool *lost);
/* The frames so far are on disk. Collective on the group. */
PETSC_INTERN PetscErrorCode TrajectoriesFlush(Trajectories trajectories);

#endif
