/* What the errors say: the table, slopes in L and m, and the theorem's a/L + b/m. */
#include <chorale/deck.h>
#include <math.h>
#include <string.h>

#include "law/stats/interval.h"
#include "law/stats/range.h"
#include "study/limits/limits.h"

/* Numbers of one fit, each with an interval over realizations; after the slopes those at the end of the range. */
enum { SLOPE_DEPTH, SLOPE_WIDTH, SLOPES, SLOPE_NUMBERS = 2 * SLOPES };
#define RATE -1.0 /* of the theorem */
enum { FIT_DEPTH, FIT_WIDTH, FIT_TOKENS, FIT_R2, FITS };

/* What can be fitted: infinite width, the deepest depth and the largest number of tokens in the lists, or -1. */
typedef struct {
  const LimitsGrid *grid;
  PetscInt infinite, deepest, largest, finite;
  PetscBool slopes[SLOPES], fits;
} Plan;

static Plan MakePlan(const LimitsGrid *grid) {
  Plan plan = {.grid = grid, .infinite = -1};

  for (PetscInt k = 0; k < grid->widths; k++) {
    if (grid->width[k] == 0)
      plan.infinite = k;
    else
      plan.finite++;
  }
  for (PetscInt j = 0; j < grid->depths; j++)
    if (grid->depth[j] > grid->depth[plan.deepest]) plan.deepest = j;
  for (PetscInt i = 0; i < grid->counts; i++)
    if (grid->count[i] == grid->most) plan.largest = i;
  plan.slopes[SLOPE_DEPTH] = plan.infinite >= 0 && grid->depths >= 2 ? PETSC_TRUE : PETSC_FALSE;
  plan.slopes[SLOPE_WIDTH] = plan.infinite >= 0 && plan.finite >= 2 ? PETSC_TRUE : PETSC_FALSE;
  plan.fits = plan.finite >= 1 && grid->widths >= 2 && grid->depths >= 2 ? PETSC_TRUE : PETSC_FALSE;
  return plan;
}

/* Slopes with the largest number of tokens: in L at infinite width; in m at the deepest, less what depth alone costs.
 */
static PetscErrorCode Slopes(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  const Plan *plan = context;
  const LimitsGrid *grid = plan->grid;
  PetscReal x[LIMITS_LIST], y[LIMITS_LIST];
  PetscInt count = 0;

  PetscFunctionBeginUser;
  (void)n;
  PetscCall(PetscArrayzero(values, SLOPE_NUMBERS));
  if (plan->slopes[SLOPE_DEPTH]) {
    for (PetscInt j = 0; j < grid->depths; j++) {
      x[j] = (PetscReal)grid->depth[j];
      y[j] = mean[LimitsCell(grid, plan->largest, j, plan->infinite)];
    }
    values[SLOPE_DEPTH] = FitSlope(grid->depths, x, y);
    PetscCall(RangeEndSlope(grid->depths, x, y, &values[SLOPES + SLOPE_DEPTH]));
  }
  if (plan->slopes[SLOPE_WIDTH]) {
    const PetscReal floor = mean[LimitsCell(grid, plan->largest, plan->deepest, plan->infinite)];
    for (PetscInt k = 0; k < grid->widths; k++) {
      const PetscReal error = mean[LimitsCell(grid, plan->largest, plan->deepest, k)];
      if (k == plan->infinite) continue;
      x[count] = (PetscReal)grid->width[k];
      y[count++] = PetscMax(error - floor, 1e-6 * error); /* lost in the floor: the interval tells */
    }
    values[SLOPE_WIDTH] = FitSlope(count, x, y);
    PetscCall(RangeEndSlope(count, x, y, &values[SLOPES + SLOPE_WIDTH]));
  }
  PetscFunctionReturn(0);
}

/* error ~ a/L + b/m, and + c for fewer tokens than the limit SDE has; each relative to its size, since errors range
 * over decades. values[counts][FITS]. */
static PetscErrorCode Fits(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  const Plan *plan = context;
  const LimitsGrid *grid = plan->grid;
  const PetscInt rows = grid->depths * grid->widths;
  PetscReal *a, *weight, c[3];

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(values, grid->counts * FITS));
  PetscCall(PetscMalloc2(3 * rows, &a, rows, &weight));
  for (PetscInt i = 0; i < grid->counts; i++) {
    const PetscReal *error = mean + LimitsCell(grid, i, 0, 0);
    const PetscInt p = i == plan->largest ? 2 : 3;
    for (PetscInt q = 0; q < rows; q++) {
      const PetscInt width = grid->width[q % grid->widths];
      a[q * p] = 1 / (PetscReal)grid->depth[q / grid->widths];
      a[q * p + 1] = width > 0 ? 1 / (PetscReal)width : 0;
      if (p == 3) a[q * p + 2] = 1;
      weight[q] = 1 / PetscSqr(error[q]);
    }
    PetscCheck(LimitsCell(grid, i, 0, 0) + rows <= n, PETSC_COMM_SELF, PETSC_ERR_PLIB, "too few errors for the grid");
    PetscCall(FitLinear(rows, p, a, error, weight, c, &values[i * FITS + FIT_R2]));
    values[i * FITS + FIT_DEPTH] = c[0];
    values[i * FITS + FIT_WIDTH] = c[1];
    if (p == 3) values[i * FITS + FIT_TOKENS] = c[2];
  }
  PetscCall(PetscFree2(a, weight));
  PetscFunctionReturn(0);
}

static PetscErrorCode AddRows(const LimitsGrid *grid, PetscInt R, const PetscReal samples[], Results results,
                              PetscBool *positive) {
  PetscReal *mean, *sem;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(grid->cells, &mean, grid->cells, &sem));
  *positive = PETSC_TRUE;
  FitMean(R, grid->cells, samples, mean, sem);
  for (PetscInt i = 0; i < grid->counts; i++)
    for (PetscInt j = 0; j < grid->depths; j++)
      for (PetscInt k = 0; k < grid->widths; k++) {
        const PetscInt cell = LimitsCell(grid, i, j, k);
        const PetscReal width = grid->width[k] > 0 ? (PetscReal)grid->width[k] : INFINITY;
        const PetscReal row[] = {(PetscReal)grid->count[i], (PetscReal)grid->depth[j], width, mean[cell], sem[cell]};
        PetscCall(ResultsRow(results, row));
        if (!(mean[cell] > 0)) *positive = PETSC_FALSE;
      }
  PetscCall(PetscFree2(mean, sem));
  PetscFunctionReturn(0);
}

/* key[counts][3]: value, low, high for each number of tokens. */
static PetscErrorCode AddFitArray(const LimitsGrid *grid, const char *key, PetscInt which, const FitValue fits[],
                                  Results results) {
  const PetscInt64 shape[] = {grid->counts, 3};
  PetscReal *numbers;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(3 * grid->counts, &numbers));
  for (PetscInt i = 0; i < grid->counts; i++) {
    const FitValue *value = &fits[i * FITS + which];
    numbers[3 * i] = value->value;
    numbers[3 * i + 1] = value->low;
    numbers[3 * i + 2] = value->high;
  }
  PetscCall(ResultsArray(results, key, 2, shape, numbers));
  PetscCall(PetscFree(numbers));
  PetscFunctionReturn(0);
}

/* What the slopes say of the theorem. Without a coupling it says nothing of the width. */
static PetscErrorCode Judge(const Plan *plan, PetscInt R, const PetscReal samples[], const FitValue slopes[],
                            const char *words[SLOPES]) {
  const LimitsGrid *grid = plan->grid;
  PetscReal largest[SLOPES] = {0, 0}, *mean;
  char coupling[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("limits_coupling", coupling));
  PetscCall(PetscMalloc1(grid->cells, &mean));
  FitMean(R, grid->cells, samples, mean, NULL);
  for (PetscInt j = 0; j < grid->depths && plan->infinite >= 0; j++)
    largest[SLOPE_DEPTH] = PetscMax(largest[SLOPE_DEPTH], mean[LimitsCell(grid, plan->largest, j, plan->infinite)]);
  for (PetscInt k = 0; k < grid->widths; k++)
    largest[SLOPE_WIDTH] = PetscMax(largest[SLOPE_WIDTH], mean[LimitsCell(grid, plan->largest, plan->deepest, k)]);
  for (int v = 0; v < SLOPES; v++) words[v] = RangeWord(RangeJudge(R, slopes[v], slopes[SLOPES + v], largest[v], RATE));
  if (!strcmp(coupling, "none")) words[SLOPE_WIDTH] = "no rate without a coupling";
  PetscCall(PetscFree(mean));
  PetscFunctionReturn(0);
}

static PetscErrorCode AddSlopes(const Plan *plan, const FitValue slopes[], const char *const words[], Results results) {
  static const char *const names[SLOPES] = {"slope_depth", "slope_width"};
  char key[64];

  PetscFunctionBeginUser;
  for (int v = 0; v < SLOPES; v++) {
    if (!plan->slopes[v]) continue;
    PetscCall(ResultsFit(results, names[v], slopes[v]));
    PetscCall(PetscSNPrintf(key, sizeof(key), "%s_verdict", names[v]));
    PetscCall(ResultsText(results, key, words[v]));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode AddFits(const Plan *plan, const FitValue fits[], Results results) {
  static const char *const arrays[FITS] = {"fit_depth_tokens", "fit_width_tokens", "fit_floor_tokens", "fit_r2_tokens"};
  const FitValue *best = fits + plan->largest * FITS;

  PetscFunctionBeginUser;
  if (!plan->fits) PetscFunctionReturn(0);
  PetscCall(ResultsFit(results, "fit_depth", best[FIT_DEPTH]));
  PetscCall(ResultsFit(results, "fit_width", best[FIT_WIDTH]));
  PetscCall(ResultsFit(results, "fit_r2", best[FIT_R2]));
  for (PetscInt which = 0; which < FITS; which++)
    PetscCall(AddFitArray(plan->grid, arrays[which], which, fits, results));
  PetscFunctionReturn(0);
}

/* value [low, high], or what is known of it */
static PetscErrorCode PrintValue(const char *text, FitValue value, Results results) {
  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "%s %.4g ", text, (double)value.value));
  if (isnan(value.low))
    PetscCall(ResultsSay(results, "[interval not known]"));
  else
    PetscCall(ResultsSay(results, "[%.4g, %.4g]", (double)value.low, (double)value.high));
  PetscFunctionReturn(0);
}

static PetscErrorCode Print(const Plan *plan, const FitValue slopes[], const char *const words[], const FitValue fits[],
                            Results results) {
  static const char *const text[SLOPES] = {"slope in L at infinite width:",
                                           "slope in m at the largest L, less the error of infinite width:"};
  const LimitsGrid *grid = plan->grid;

  PetscFunctionBeginUser;
  for (int v = 0; v < SLOPES; v++) {
    if (!plan->slopes[v]) continue;
    PetscCall(PrintValue(text[v], slopes[v], results));
    PetscCall(ResultsSay(results, ", the theorem's is -1: %s\n", words[v]));
  }
  for (PetscInt i = 0; i < grid->counts && plan->fits; i++) {
    const FitValue *fit = fits + i * FITS;
    PetscCall(ResultsSay(results, "N = %" PetscInt64_FMT ": error = a/L + b/m%s", grid->count[i],
                         i == plan->largest ? "" : " + c"));
    PetscCall(PrintValue(" with a =", fit[FIT_DEPTH], results));
    PetscCall(PrintValue(", b =", fit[FIT_WIDTH], results));
    if (i != plan->largest) PetscCall(PrintValue(", c =", fit[FIT_TOKENS], results));
    PetscCall(ResultsSay(results, "; R^2 = %.4f\n", (double)fit[FIT_R2].value));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsReport(const LimitsGrid *grid, PetscInt R, const PetscReal samples[], Results results) {
  Plan plan = MakePlan(grid);
  FitValue slopes[SLOPE_NUMBERS], *fits;
  const char *words[SLOPES];
  PetscBool positive = PETSC_TRUE;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(grid->counts * FITS, &fits));
  PetscCall(AddRows(grid, R, samples, results, &positive));
  /* Errors of exactly 0, as without noise and attention, have no slope. */
  if (!positive) plan.slopes[SLOPE_DEPTH] = plan.slopes[SLOPE_WIDTH] = plan.fits = PETSC_FALSE;
  PetscCall(IntervalOfStatistic(R, grid->cells, samples, SLOPE_NUMBERS, Slopes, &plan, slopes));
  PetscCall(Judge(&plan, R, samples, slopes, words));
  PetscCall(AddSlopes(&plan, slopes, words, results));
  if (plan.fits) {
    PetscCall(IntervalOfStatistic(R, grid->cells, samples, grid->counts * FITS, Fits, &plan, fits));
    for (PetscInt i = 0; i < grid->counts; i++)
      if (fits[i * FITS + FIT_R2].high > 1) fits[i * FITS + FIT_R2].high = 1; /* NaN without intervals stays */
    PetscCall(AddFits(&plan, fits, results));
  }
  PetscCall(Print(&plan, slopes, words, fits, results));
  PetscCall(PetscFree(fits));
  PetscFunctionReturn(0);
}
