/* A run as the driver has it. Private to study.c, and run.c, which has what studies ask of it. */
#ifndef CHORALE_STUDY_RUN_IMPL_H
#define CHORALE_STUDY_RUN_IMPL_H

#include <chorale/progress.h>
#include <chorale/study.h>

#include "run/output.h"
#include "run/target.h"
#include "run/trajectories.h"
#include "study/options.h"

/* The runs of all cells of a sweep, one in any other run, and what they share. */
typedef struct {
  PetscInt count;
  Run *run;          /* of each cell */
  PetscInt *order;   /* in which they are run: team by team, most work first */
  Ensemble ensemble; /* of all realizations of all cells */
  PetscInt blocks;   /* of tokens, of the cell with most */
  PetscInt64 done;   /* steps of this group */
} Cells;

struct _p_Run {
  Cells *cells;
  PetscInt cell; /* its number */
  PetscInt team; /* cells of one team share what a layer draws, and go through layers together */
  const Study *study;
  RunOptions options;
  OutputOptions output_options;
  CheckpointOptions checkpoint_options;
  ProgressOptions progress_options;
  void *state;
  Output output;
  Ensemble ensemble;
  EnsembleLayout layout;
  PetscInt steps, stride;
  Frames frames;
  Results results;
  Trajectories trajectories;
  Checkpoint checkpoint;
  Progress progress;
  Target target;    /* NULL: all realizations that are asked for */
  PetscInt current; /* realization in progress, among those of the group */
  PetscInt done;    /* its steps so far */
  PetscInt next;    /* realization of this group to be begun, PETSC_MAX_INT for none */
  RunReader reader;
  void *context;
};

/* Bytes of its results on the disk: the numbers of all realizations, means and errors. Pure. */
PetscReal RunResultsDisk(Run run);
/* A realization starts: its numbers as a whole are not known. */
void RunClearTail(Run run);
/* The work of a realization, beside that of other cells. Pure. */
PetscErrorCode RunGetWork(Run run, PetscReal *work);

#endif
