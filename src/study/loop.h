/* From the first step to the last. Private to the driver. */
#ifndef CHORALE_STUDY_LOOP_H
#define CHORALE_STUDY_LOOP_H

#include "study/run_impl.h"

/* Runs all realizations that are left, batch after batch where there is a target, with progress and checkpoints.
 * *stopped: a checkpoint is written, and the run is to end. Collective on all ranks. */
PetscErrorCode LoopRun(Cells *cells, PetscBool *stopped);

#endif
