/* How long a run would take, for -dry_run: a few steps of a realization that nobody will see, timed. */
#ifndef CHORALE_STUDY_ESTIMATE_H
#define CHORALE_STUDY_ESTIMATE_H

#include "study/run_impl.h"

/* Times steps and frames of a realization for about a second, or one of each where that is longer, and says on stdout
 * of rank 0 how long the run takes and how large its files are: lines to read, and one of words NAME=VALUE. Of a sweep
 * some cells are timed. Says nothing of a run that has nothing left to do. Nothing of it is kept. Collective on all
 * ranks. */
PetscErrorCode EstimateView(const Cells *cells);

#endif
