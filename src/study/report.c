#include "study/report.h"

#include <math.h>

#include "law/stats/interval.h"
#include "law/stats/range.h"

PetscErrorCode ReportColumn(Results results, const char *name, const char *suffix, PetscInt frames, PetscInt stride,
                            const PetscReal values[]) {
  PetscReal *column;
  char key[64];

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(frames, &column));
  for (PetscInt f = 0; f < frames; f++) column[f] = values[f * stride];
  PetscCall(PetscSNPrintf(key, sizeof(key), "%s%s", name, suffix));
  PetscCall(ResultsArray(results, key, 1, (PetscInt64[]){frames}, column));
  PetscCall(PetscFree(column));
  PetscFunctionReturn(0);
}

typedef struct {
  PetscInt n;
  const PetscReal *x;
  PetscBool floor;
} Points;

/* The slope of all, and that at the last point. */
static PetscErrorCode Fit(PetscInt columns, const PetscReal mean[], void *context, PetscReal values[]) {
  const Points *points = context;
  PetscReal y[SLOPE_POINTS];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < points->n; i++) {
    y[i] = mean[i];
    /* lost in the floor: the interval tells */
    if (points->floor) y[i] = PetscMax(mean[i] - mean[columns - 1], 1e-6 * mean[i]);
  }
  values[0] = FitSlope(points->n, points->x, y);
  PetscCall(RangeEndSlope(points->n, points->x, y, &values[1]));
  PetscFunctionReturn(0);
}

PetscErrorCode SlopeMeasure(PetscInt R, PetscInt n, const PetscReal x[], PetscBool floor, const PetscReal samples[],
                            PetscReal rate, Slope *slope) {
  const PetscInt columns = floor ? n + 1 : n;
  PetscReal mean[SLOPE_POINTS + 1], largest = 0;
  PetscBool positive = n > 1 ? PETSC_TRUE : PETSC_FALSE;

  PetscFunctionBeginUser;
  FitValue found[2] = {{NAN, NAN, NAN}, {NAN, NAN, NAN}};
  Points points = {n, x, floor};
  for (PetscInt i = 0; i < R * columns; i++) positive = positive && samples[i] > 0 ? PETSC_TRUE : PETSC_FALSE;
  if (positive) PetscCall(IntervalOfStatistic(R, columns, samples, 2, Fit, &points, found));
  FitMean(R, columns, samples, mean, NULL);
  for (PetscInt i = 0; i < columns; i++) largest = PetscMax(largest, mean[i]);
  *slope = (Slope){found[0], RangeWord(RangeJudge(R, found[0], found[1], largest, rate))};
  PetscFunctionReturn(0);
}
