/* What the reports of several studies say of means over realizations. */
#ifndef CHORALE_STUDY_REPORT_H
#define CHORALE_STUDY_REPORT_H

#include <chorale/ensemble.h>
#include <chorale/results.h>

/* Array NAMESUFFIX of so many frames: values[frames], `stride` apart. */
PetscErrorCode ReportColumn(Results results, const char *name, const char *suffix, PetscInt frames, PetscInt stride,
                            const PetscReal values[]);

/* Says text value [low, high], or what is known of it. */
PetscErrorCode ReportValue(const char *text, FitValue value, Results results);

/* ---- W2^2 by DistanceTransport ---- */

/* How it is found, and about how long that takes (-dry_run): seconds, on one rank, for each realization. Collective. */
PetscErrorCode ReportTransport(const EnsembleLayout *layout, PetscInt dim, PetscReal tol, PetscReal seconds);

/* ---- slopes of log means against log x, beside a rate of theory ---- */

enum { SLOPE_POINTS = 64 };

typedef struct {
  FitValue value;      /* NaN where there is none: of one point, or where a sample is not positive */
  const char *verdict; /* what it says of the rate, see law/stats/range.h */
} Slope;

/* Through n <= SLOPE_POINTS points from samples[R][n], or, floor, [R][n + 1]: the last one is what the others fall to.
 * Pure. */
PetscErrorCode SlopeMeasure(PetscInt R, PetscInt n, const PetscReal x[], PetscBool floor, const PetscReal samples[],
                            PetscReal rate, Slope *slope);
/* The verdict of a slope through samples that are known to lie in [low, high] only, each [R][n]: it becomes "not
 * resolved" unless it is the same whichever way the values in these bounds tilt or bend the line. Pure. */
PetscErrorCode SlopeConfirm(PetscInt R, PetscInt n, const PetscReal x[], const PetscReal low[], const PetscReal high[],
                            PetscReal rate, Slope *slope);

#endif
