/* What runs, how large, how exact, how long and where to: a line each, before a run. Private to the driver. */
#ifndef CHORALE_STUDY_BRIEF_H
#define CHORALE_STUDY_BRIEF_H

#include "study/run_impl.h"

/* Of a sweep, of a cell with the most work. On stdout of rank 0, in the columns of its terminal. Collective. */
PetscErrorCode BriefView(const Cells *cells);

#endif
