/* What a slope over a finite range may say of a rate for large x. A bound C x^rate with a constant C that theory does
 * not give is contradicted by no finite range: errors that have grown to the size of the sphere do not fall yet, and a
 * log-log plot that bends down is on its way. Pure functions, no MPI. */
#ifndef CHORALE_LAW_STATS_RANGE_H
#define CHORALE_LAW_STATS_RANGE_H

#include <chorale/fit.h>

#define RANGE_SPHERE    2.0 /* mean of |x - y|^2 of independent uniform points */
#define RANGE_SATURATED 0.1 /* of it: from there on errors do not grow as they do for small ones */

typedef enum { RANGE_UNKNOWN, RANGE_AGREES, RANGE_SHORT, RANGE_SLOWER } RangeVerdict;

/* Slope of the log-log parabola by least squares at the last x, n >= 3, else NaN. */
PetscErrorCode RangeEndSlope(PetscInt n, const PetscReal x[], const PetscReal y[], PetscReal *slope);

/* slope: of all; end: RangeEndSlope; largest: of the values fitted; all over R realizations. The slope agrees when its
 * interval reaches the rate, and tells nothing when it reaches 0 as well. Else the range is too short if values are
 * saturated, or fewer than three, or if by the end the slope has come half of its way to the rate, or is farther from
 * that by no more than chance (RANGE_CHANCE normal standard deviations). */
#define RANGE_CHANCE 4
RangeVerdict RangeJudge(PetscInt R, FitValue slope, FitValue end, PetscReal largest, PetscReal rate);
/* "agrees", "range too short for a rate", "slower than the rate", "not resolved". */
const char *RangeWord(RangeVerdict verdict);

#endif
