/* 95% intervals over realizations: the only place that makes them. Student's law on the jackknife: of a mean, of a
 * slope through means, of anything smooth in means. VERDICTS.md has a table of their coverage as measured on
 * chorale's own data: 93 to 97% from INTERVAL_LEAST realizations on. Pure functions, no MPI: every rank computes the
 * same numbers.
 */
#ifndef CHORALE_LAW_STATS_INTERVAL_H
#define CHORALE_LAW_STATS_INTERVAL_H

#include <chorale/fit.h>

#define INTERVAL_LEAST 4 /* realizations: fewer have no interval, low and high are NaN */

/* q with P(|T| <= q) = 0.95, T of Student's law with `freedom` >= 1 degrees of freedom. */
PetscReal IntervalQuantile(PetscInt freedom);
/* Standard errors to each side of a mean of R realizations: what files keep as interval_factor. NaN below
 * INTERVAL_LEAST. */
PetscReal IntervalFactor(PetscInt R);
/* What is as unlikely for a normal variable, in standard deviations, as |T| >= |off| is for Student's law of R - 1
 * degrees of freedom (Wallace 1959: within 1% where it matters). NaN below INTERVAL_LEAST realizations. */
PetscReal IntervalDeviation(PetscInt R, PetscReal off);

/* values[k]: the statistic at the mean of samples[R][n] over the R realizations, +- IntervalQuantile(R - 1) standard
 * errors of the jackknife over whole realizations (they keep what columns share). */
PetscErrorCode IntervalOfStatistic(PetscInt R, PetscInt n, const PetscReal samples[], PetscInt k,
                                   FitStatistic statistic, void *context, FitValue values[]);

/* The mean of R numbers, `stride` apart. The logarithm of the mean of positive numbers is closer to normal than the
 * mean: its interval is taken there. All alike: an interval of length 0. */
FitValue IntervalOfMean(PetscInt R, size_t stride, const PetscReal samples[]);

#endif
