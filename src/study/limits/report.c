/* What the errors say: the table, slopes in L and m, and the theorem's a/L + b/m. */
#include <math.h>
#include <string.h>

#include "law/stats/interval.h"
#include "study/limits/report.h"
#include "study/report.h"

#define RATE -1.0 /* of the theorem, in L and in m */
enum { DEPTH, WIDTH };
enum { FIT_DEPTH, FIT_WIDTH, FIT_TOKENS, FIT_R2, FITS };

static LimitsPlan MakePlan(const LimitsGrid *grid) {
  LimitsPlan plan = {.grid = grid, .infinite = -1};

  for (PetscInt k = 0; k < grid->widths; k++)
    if (grid->width[k] == LIMITS_INFINITE) plan.infinite = k;
  for (PetscInt j = 0; j < grid->depths; j++)
    if (grid->depth[j] > grid->depth[plan.deepest]) plan.deepest = j;
  for (PetscInt i = 0; i < grid->counts; i++)
    if (grid->count[i] == grid->most) plan.largest = i;
  return plan;
}

/* Rows of the table; layers NULL: samples are those of layer times. Errors of exactly 0, as without noise and
 * attention, are not positive: they have no slope. */
static PetscErrorCode AddRows(const LimitsGrid *grid, const Samples *samples, const Samples *layers, Results results,
                              PetscBool *positive) {
  PetscReal *mean, *sem, *mean_layers, *sem_layers;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(grid->cells, &mean, grid->cells, &sem, grid->cells, &mean_layers, grid->cells, &sem_layers));
  FitMean(samples->realizations, grid->cells, samples->all, mean, sem);
  FitMean(samples->realizations, grid->cells, layers ? layers->all : samples->all, mean_layers, sem_layers);
  for (PetscInt i = 0; i < grid->counts; i++)
    for (PetscInt j = 0; j < grid->depths; j++)
      for (PetscInt k = 0; k < grid->widths; k++) {
        const PetscInt cell = LimitsCell(grid, i, j, k);
        const PetscReal width = grid->width[k] == LIMITS_INFINITE ? INFINITY : (PetscReal)grid->width[k];
        const PetscReal row[] = {(PetscReal)grid->count[i], (PetscReal)grid->depth[j], width, mean[cell], sem[cell],
                                 mean_layers[cell],         sem_layers[cell]};
        PetscCall(ResultsRow(results, row));
        if (!(mean[cell] > 0)) *positive = PETSC_FALSE;
      }
  PetscCall(PetscFree4(mean, sem, mean_layers, sem_layers));
  PetscFunctionReturn(0);
}

/* Cells of a slope with the largest number of tokens, and their x: in L at infinite width, or in L/log L over all
 * times; in m at the deepest, the last one being what depth alone costs. Returns how many have an x. */
static PetscInt SlopeCells(const LimitsPlan *plan, int which, PetscReal x[], PetscInt cell[]) {
  const LimitsGrid *grid = plan->grid;
  PetscInt n = 0;

  for (PetscInt j = 0; which == DEPTH && j < grid->depths; j++) {
    x[n] = (PetscReal)grid->depth[j];
    if (grid->all) x[n] /= PetscLogReal(x[n]);
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

static PetscErrorCode ReportSlope(const LimitsPlan *plan, int which, const Limits *limits, const Samples *samples,
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
  if (which == WIDTH && !strcmp(limits->coupled, "none")) slope.verdict = "no rate without a coupling";
  if (which == WIDTH && limits->polynomial) slope.verdict = "does not apply";
  PetscCall(ResultsFit(results, names[which], slope.value));
  PetscCall(ResultsText(results, verdicts[which], slope.verdict));
  PetscCall(ReportValue(which == DEPTH && plan->grid->all ? "slope in L/log L at infinite width, over all times:"
                                                          : text[which],
                        slope.value, results));
  PetscCall(ResultsSay(results, ", the theorem's is -1: %s\n", slope.verdict));
  PetscFunctionReturn(0);
}

/* error ~ a/L + b/m, or a (log L)/L + b/m over all times, and + c for fewer tokens than the limit SDE has; each
 * relative to its size, since errors range over decades. values[counts][FITS]. */
static PetscErrorCode Fits(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  const LimitsPlan *plan = context;
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
      const PetscReal L = (PetscReal)grid->depth[q / grid->widths];
      a[q * p] = (grid->all ? PetscLogReal(L) : 1) / L;
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
static PetscErrorCode AddFits(const LimitsPlan *plan, const FitValue fits[], Results results) {
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

static PetscErrorCode ReportFits(const LimitsPlan *plan, const Samples *samples, Results results) {
  const LimitsGrid *grid = plan->grid;
  FitValue fits[LIMITS_LIST * FITS];

  PetscFunctionBeginUser;
  PetscCall(IntervalOfStatistic(samples->realizations, grid->cells, samples->all, grid->counts * FITS, Fits,
                                (void *)plan, fits));
  for (PetscInt i = 0; i < grid->counts; i++) {
    FitValue *fit = fits + i * FITS;
    if (fit[FIT_R2].high > 1) fit[FIT_R2].high = 1; /* NaN without intervals stays */
    PetscCall(ResultsSay(results, "N = %" PetscInt64_FMT ": error = %s + b/m%s", grid->count[i],
                         grid->all ? "a (log L)/L" : "a/L", i == plan->largest ? "" : " + c"));
    PetscCall(ReportValue(" with a =", fit[FIT_DEPTH], results));
    PetscCall(ReportValue(", b =", fit[FIT_WIDTH], results));
    if (i != plan->largest) PetscCall(ReportValue(", c =", fit[FIT_TOKENS], results));
    PetscCall(ResultsSay(results, "; R^2 = %.4f\n", (double)fit[FIT_R2].value));
  }
  PetscCall(AddFits(plan, fits, results));
  PetscFunctionReturn(0);
}

/* Of samples that have the errors over all times and those over layer times after each other: one of them. */
static PetscErrorCode Part(const Samples *samples, PetscInt first, PetscInt cells, Samples *part) {
  PetscFunctionBeginUser;
  *part = *samples;
  part->width = cells;
  PetscCall(PetscMalloc1((size_t)samples->realizations * (size_t)cells, &part->all));
  for (PetscInt r = 0; r < samples->realizations; r++)
    PetscCall(PetscArraycpy(part->all + r * cells, samples->all + r * samples->width + first, cells));
  PetscFunctionReturn(0);
}

/* layers: NULL, or beside samples over all times those over layer times. */
static PetscErrorCode ReportErrors(const Limits *limits, const Samples *samples, const Samples *layers,
                                   Results results) {
  const LimitsGrid *grid = &limits->grid;
  const LimitsPlan plan = MakePlan(grid);
  const PetscBool infinite = plan.infinite >= 0 ? PETSC_TRUE : PETSC_FALSE;
  PetscBool positive = PETSC_TRUE;

  PetscFunctionBeginUser;
  PetscCall(AddRows(grid, samples, layers, results, &positive));
  if (grid->finite && limits->polynomial)
    PetscCall(ResultsSay(results, "the theorem on width does not apply: sigma is a polynomial; the errors are those of "
                                  "the coupling all the same\n"));
  if (!positive) PetscFunctionReturn(0);
  if (infinite && grid->depths >= 2) PetscCall(ReportSlope(&plan, DEPTH, limits, samples, results));
  if (infinite && grid->finite >= 2) PetscCall(ReportSlope(&plan, WIDTH, limits, samples, results));
  if (grid->finite >= 1 && grid->widths >= 2 && grid->depths >= 2) PetscCall(ReportFits(&plan, samples, results));
  if (layers && infinite && grid->depths >= 2) PetscCall(LimitsReportLogarithm(&plan, samples, layers, results));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsReport(void *state, const Samples *samples, Results results) {
  const Limits *limits = state;
  const PetscInt cells = limits->grid.cells;
  Samples all, layers;

  PetscFunctionBeginUser;
  if (!samples->realizations) PetscFunctionReturn(0);
  if (!limits->grid.all) {
    PetscCall(ReportErrors(limits, samples, NULL, results));
    PetscFunctionReturn(0);
  }
  PetscCall(Part(samples, 0, cells, &all));
  PetscCall(Part(samples, cells, cells, &layers));
  PetscCall(ReportErrors(limits, &all, &layers, results));
  PetscCall(PetscFree(all.all));
  PetscCall(PetscFree(layers.all));
  PetscFunctionReturn(0);
}
