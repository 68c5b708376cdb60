#include "study/report.h"

#include <chorale/distance.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/plan.h"
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

PetscErrorCode ReportValue(const char *text, FitValue value, Results results) {
  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "%s %.4g ", text, (double)value.value));
  if (isnan(value.low))
    PetscCall(ResultsSay(results, "[interval not known]"));
  else
    PetscCall(ResultsSay(results, "[%.4g, %.4g]", (double)value.low, (double)value.high));
  PetscFunctionReturn(0);
}

/* A time that is known roughly: 4.2 s, 12 min, 3.1 h. */
static void Roughly(PetscReal seconds, size_t size, char text[]) {
  static const char *const units[] = {"s", "min", "h"};
  int unit = 0;

  seconds = PetscMax(seconds, 0.1);
  for (; unit < 2 && seconds >= 90; unit++) seconds /= 60;
  (void)snprintf(text, size, "%.*f %s", seconds < 9.95 ? 1 : 0, (double)seconds, units[unit]);
}

PetscErrorCode ReportTransport(const EnsembleLayout *layout, PetscInt dim, PetscReal tol, PetscReal seconds) {
  const PetscInt most = (layout->realizations - 1) / layout->groups + 1; /* realizations of a group */
  char gap[64] = "", time[32];
  PetscMPIInt ranks;

  PetscFunctionBeginUser;
  PetscCall(PlanRanks(&ranks));
  Roughly(seconds * most * layout->groups / ranks, sizeof(time), time);
  if (dim > 2) PetscCall(PetscSNPrintf(gap, sizeof(gap), " to a certified gap of %g", (double)tol));
  PetscCall(PetscPrintf(layout->world, "transport  W2^2 by %s%s, about %s in all on these ranks\n",
                        DistanceTransportMethod(dim), gap, time));
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

/* By how much slope `which` of Fit changes with log y_i: both are linear in the logarithms. NaN where it is none. */
static PetscErrorCode Leverage(const Points *points, PetscInt i, int which, PetscReal *leverage) {
  PetscReal y[SLOPE_POINTS], values[2];

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < points->n; j++) y[j] = j == i ? PetscExpReal(1) : 1;
  PetscCall(Fit(points->n, y, (void *)points, values));
  *leverage = values[which];
  PetscFunctionReturn(0);
}

PetscErrorCode SlopeConfirm(PetscInt R, PetscInt n, const PetscReal x[], const PetscReal low[], const PetscReal high[],
                            PetscReal rate, Slope *slope) {
  const Points points = {n, x, PETSC_FALSE};
  PetscReal *mixed, leverage = 0;
  Slope other;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)R * n, &mixed));
  for (int extreme = 0; n > 1 && extreme < 4; extreme++) { /* slope and slope at the end, at their least and most */
    for (PetscInt i = 0; i < n; i++) {
      PetscCall(Leverage(&points, i, extreme / 2, &leverage));
      const PetscBool above = (extreme % 2 ? leverage : -leverage) > 0 ? PETSC_TRUE : PETSC_FALSE;
      for (PetscInt r = 0; r < R; r++) mixed[r * n + i] = above ? high[r * n + i] : low[r * n + i];
    }
    PetscCall(SlopeMeasure(R, n, x, PETSC_FALSE, mixed, rate, &other));
    if (strcmp(other.verdict, slope->verdict)) slope->verdict = RangeWord(RANGE_UNKNOWN);
  }
  PetscCall(PetscFree(mixed));
  PetscFunctionReturn(0);
}
