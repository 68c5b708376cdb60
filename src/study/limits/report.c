/* What the errors say: the table, slopes in L and m, and the theorem's a/L + b/m. */
#include <math.h>
#include <string.h>

#include "law/stats/interval.h"
#include "study/limits/limits.h"
#include "study/report.h"

#define RATE -1.0 /* of the theorem, in L and in m */
enum { DEPTH, WIDTH };
enum { FIT_DEPTH, FIT_WIDTH, FIT_TOKENS, FIT_R2, FITS };

/* Where in the lists are infinite width (-1: nowhere), the largest depth and number of tokens? */
typedef struct {
  const LimitsGrid *grid;
  PetscInt infinite, deepest, largest;
} Plan;

static Plan MakePlan(const LimitsGrid *grid) {
  Plan plan = {.grid = grid, .infinite = -1};

  for (PetscInt k = 0; k < grid->widths; k++)
    if (grid->width[k] == LIMITS_INFINITE) plan.infinite = k;
  for (PetscInt j = 0; j < grid->depths; j++)
    if (grid->depth[j] > grid->depth[plan.deepest]) plan.deepest = j;
  for (PetscInt i = 0; i < grid->counts; i++)
    if (grid->count[i] == grid->most) plan.largest = i;
  return plan;
}

/* Rows of the table. Errors of exactly 0, as without noise and attention, are not positive: they have no slope. */
static PetscErrorCode AddRows(const LimitsGrid *grid, const Samples *samples, Results results, PetscBool *positive) {
  PetscReal *mean, *sem;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(grid->cells, &mean, grid->cells, &sem));
  FitMean(samples->realizations, grid->cells, samples->all, mean, sem);
  for (PetscInt i = 0; i < grid->counts; i++)
    for (PetscInt j = 0; j < grid->depths; j++)
      for (PetscInt k = 0; k < grid->widths; k++) {
        const PetscInt cell = LimitsCell(grid, i, j, k);
        const PetscReal width = grid->width[k] == LIMITS_INFINITE ? INFINITY : (PetscReal)grid->width[k];
        const PetscReal row[] = {(PetscReal)grid->count[i], (PetscReal)grid->depth[j], width, mean[cell], sem[cell]};
        PetscCall(ResultsRow(results, row));
        if (!(mean[cell] > 0)) *positive = PETSC_FALSE;
      }
  PetscCall(PetscFree2(mean, sem));
  PetscFunctionReturn(0);
}

/* value [low, high], or what is known of it */
static PetscErrorCode SayValue(const char *text, FitValue value, Results results) {
  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "%s %.4g ", text, (double)value.value));
  if (isnan(value.low))
    PetscCall(ResultsSay(results, "[interval not known]"));
  else
    PetscCall(ResultsSay(results, "[%.4g, %.4g]", (double)value.low, (double)value.high));
  PetscFunctionReturn(0);
}

/* Cells of a slope with the largest number of tokens, and their x: in L at infinite width; in m at the deepest, the
 * last one being what depth alone costs. Returns how many have an x. */
static PetscInt SlopeCells(const Plan *plan, int which, PetscReal x[], PetscInt cell[]) {
  const LimitsGrid *grid = plan->grid;
  PetscInt n = 0;

  for (PetscInt j = 0; which == DEPTH && j < grid->depths; j++) {
    x[n] = (PetscReal)grid->depth[j];
    cell[n++] = LimitsCell(grid, plan->largest, j, plan->infinite);
  }
  for (PetscInt k = 0; which == WIDTH && k < grid->widths; k++) {
    if (k == plan->infinite) continue;
    x[n] = (PetscReal)grid->width[k];
    cell[n++] = LimitsCell(grid, plan->largest, plan->deepest, k);
  }
  cell[n] = LimitsCell(grid, plan->largest, plan->deepest, plan->infinite);
  return n;
}

static PetscErrorCode ReportSlope(const Plan *plan, int which, const char *coupled, const Samples *samples,
                                  Results results) {
  static const char *const names[] = {"slope_depth", "slope_width"};
  static const char *const verdicts[] = {"slope_depth_verdict", "slope_width_verdict"};
  static const char *const text[] = {"slope in L at infinite width:",
                                     "slope in m at the largest L, less the error of infinite width:"};
  PetscReal x[LIMITS_LIST], *chosen;
  PetscInt cell[LIMITS_LIST + 1];
  const PetscInt R = samples->realizations, n = SlopeCells(plan, which, x, cell), columns = n + (which == WIDTH);
  Slope slope;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)R * (size_t)columns, &chosen));
  for (PetscInt r = 0; r < R; r++)
    for (PetscInt i = 0; i < columns; i++) chosen[r * columns + i] = samples->all[r * samples->width + cell[i]];
  PetscCall(SlopeMeasure(R, n, x, which == WIDTH ? PETSC_TRUE : PETSC_FALSE, chosen, RATE, &slope));
  PetscCall(PetscFree(chosen));
  if (which == WIDTH && !strcmp(coupled, "none")) slope.verdict = "no rate without a coupling";
  PetscCall(ResultsFit(results, names[which], slope.value));
  PetscCall(ResultsText(results, verdicts[which], slope.verdict));
  PetscCall(SayValue(text[which], slope.value, results));
  PetscCall(ResultsSay(results, ", the theorem's is -1: %s\n", slope.verdict));
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
      const PetscInt64 width = grid->width[q % grid->widths];
      a[q * p] = 1 / (PetscReal)grid->depth[q / grid->widths];
      a[q * p + 1] = width == LIMITS_INFINITE ? 0 : 1 / (PetscReal)width;
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

/* fits[counts][FITS] as numbers of the largest number of tokens, and as arrays [counts][3] of value, low, high. */
static PetscErrorCode AddFits(const Plan *plan, const FitValue fits[], Results results) {
  static const char *const names[FITS] = {"fit_depth", "fit_width", NULL, "fit_r2"};
  static const char *const arrays[FITS] = {"fit_depth_tokens", "fit_width_tokens", "fit_floor_tokens", "fit_r2_tokens"};
  const PetscInt counts = plan->grid->counts;
  PetscReal numbers[LIMITS_LIST][3];

  PetscFunctionBeginUser;
  for (int which = 0; which < FITS; which++) {
    if (names[which]) PetscCall(ResultsFit(results, names[which], fits[plan->largest * FITS + which]));
    for (PetscInt i = 0; i < counts; i++) {
      const FitValue fit = fits[i * FITS + which];
      numbers[i][0] = fit.value;
      numbers[i][1] = fit.low;
      numbers[i][2] = fit.high;
    }
    PetscCall(ResultsArray(results, arrays[which], 2, (PetscInt64[]){counts, 3}, numbers[0]));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode ReportFits(const Plan *plan, const Samples *samples, Results results) {
  const LimitsGrid *grid = plan->grid;
  FitValue fits[LIMITS_LIST * FITS];

  PetscFunctionBeginUser;
  PetscCall(IntervalOfStatistic(samples->realizations, grid->cells, samples->all, grid->counts * FITS, Fits,
                                (void *)plan, fits));
  for (PetscInt i = 0; i < grid->counts; i++) {
    FitValue *fit = fits + i * FITS;
    if (fit[FIT_R2].high > 1) fit[FIT_R2].high = 1; /* NaN without intervals stays */
    PetscCall(ResultsSay(results, "N = %" PetscInt64_FMT ": error = a/L + b/m%s", grid->count[i],
                         i == plan->largest ? "" : " + c"));
    PetscCall(SayValue(" with a =", fit[FIT_DEPTH], results));
    PetscCall(SayValue(", b =", fit[FIT_WIDTH], results));
    if (i != plan->largest) PetscCall(SayValue(", c =", fit[FIT_TOKENS], results));
    PetscCall(ResultsSay(results, "; R^2 = %.4f\n", (double)fit[FIT_R2].value));
  }
  PetscCall(AddFits(plan, fits, results));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsReport(void *state, const Samples *samples, Results results) {
  const Limits *limits = state;
  const LimitsGrid *grid = &limits->grid;
  const Plan plan = MakePlan(grid);
  PetscBool positive = PETSC_TRUE;

  PetscFunctionBeginUser;
  if (!samples->realizations) PetscFunctionReturn(0);
  PetscCall(AddRows(grid, samples, results, &positive));
  if (!positive) PetscFunctionReturn(0);
  if (plan.infinite >= 0 && grid->depths >= 2) PetscCall(ReportSlope(&plan, DEPTH, limits->coupled, samples, results));
  if (plan.infinite >= 0 && grid->finite >= 2) PetscCall(ReportSlope(&plan, WIDTH, limits->coupled, samples, results));
  if (grid->finite >= 1 && grid->widths >= 2 && grid->depths >= 2) PetscCall(ReportFits(&plan, samples, results));
  PetscFunctionReturn(0);
}
