/* How many realizations a mean needs for an interval that is short enough: the rule of NUMERICS.md 9.10, whose
 * decisions leave the interval of IntervalOfMean its coverage. Pure functions, no MPI: every rank decides alike. */
#ifndef CHORALE_LAW_STATS_STOPPING_H
#define CHORALE_LAW_STATS_STOPPING_H

#include <chorale/fit.h>

#define STOPPING_FIRST 32 /* realizations before the first decision */

/* What is asked for: that the 95% interval reaches no farther from the mean than this, in units of |mean| when
 * relative. */
typedef struct {
  PetscReal error;
  PetscBool relative;
} StoppingTarget;

/* The same in units of the mean. */
PetscReal StoppingAsked(StoppingTarget target, PetscReal mean);
/* How far an interval reaches from its value: the longer side. */
PetscReal StoppingReach(FitValue value);
/* Realizations that suffice although the variance is at the upper end of its own 95% interval, by (9.18): of R numbers,
 * R >= INTERVAL_LEAST. They suffice already when this is at most R; infinite or NaN where it cannot be told. */
PetscErrorCode StoppingNeeded(PetscInt R, const PetscReal samples[], StoppingTarget target, PetscReal *needed);
/* How many there are after the next batch: those needed, but at most twice as many as now, and at most `most`. R when
 * no more are needed or allowed. */
PetscInt StoppingNext(PetscInt R, PetscReal needed, PetscInt most);

#endif
