/* What the levels of scheme_levels say: their means and variances, how these fall, and what was saved. */
#include <chorale/observables.h>
#include <math.h>

#include "law/stats/interval.h"
#include "study/report.h"
#include "study/simulate/levels.h"

#define RATES(name)                                                                                                    \
  {"rate_mean_" name, "1", "a of mean ~ L^-a for the differences of " name},                                           \
      {"rate_variance_" name, "1", "b of variance ~ L^-b for the differences of " name},                               \
      {"gain_" name, "1",                                                                                              \
       "steps of plain realizations at depth L for the same error of " name ", per step taken here"},                  \
  {                                                                                                                    \
    "gain_best_" name, "1", "gain_" name " with the samples of level_best"                                             \
  }

const QuantityText LevelsTexts[] = {
    {"level_paths", "as the observables",
     "energy, order and cosine_mean at T for each level: means over its samples of the fine path, of that with swapped "
     "fields and of the coarse path; NaN where a level has none"},
    {"level_depth", "layers", "depth L_k of each level"},
    {"level_samples", "1", "samples of each level in a realization"},
    {"level_cost", "1", "steps of a sample: of two fine paths and a coarse one but at the first level"},
    {"level_mean", "as the observables",
     "mean at T of energy, order and cosine_mean at the first level, then of their differences to half the depth"},
    {"level_variance", "squares of the observables", "variance of one sample of the same"},
    {"level_best", "1", "best samples of each level for energy, order and cosine_mean, the last one's as one"},
    RATES("energy"),
    RATES("order"),
    RATES("cosine_mean"),
    {0}};

/* Of one observable, from means of y_k and y_k^2 of each level about their centres, and of the deepest fine path. */
enum { RATE_MEAN, RATE_VARIANCE, GAIN, GAIN_BEST, NUMBERS };
typedef struct {
  const LevelsPlan *plan;
  PetscInt realizations;
  PetscReal centre[LEVELS_MOST + 1];
} Watch;
typedef struct {
  FitValue mean[LEVELS_MOST], variance[LEVELS_MOST], number[NUMBERS];
} Watched;

/* Slope against the depth of levels 1 on, downwards; NaN where it has none. */
static PetscReal Fall(const LevelsPlan *plan, const PetscReal values[]) {
  PetscReal size[LEVELS_MOST];

  for (PetscInt k = 1; k < plan->count; k++) {
    size[k] = PetscAbsReal(values[k]);
    if (!(size[k] > 0)) return NAN;
  }
  return plan->count > 2 ? -FitSlope(plan->count - 1, plan->depth + 1, size + 1) : NAN;
}

/* values: means, variances, numbers. */
static PetscErrorCode Statistic(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  const Watch *watch = context;
  const LevelsPlan *plan = watch->plan;
  const PetscInt K = plan->count;
  const PetscReal R = (PetscReal)watch->realizations, unbiased = R / (R - 1);
  PetscReal *variance = values + K, *number = values + 2 * K, error = 0, steps = 0, best = 0;

  PetscFunctionBeginUser;
  PetscCheck(n == 2 * (K + 1), PETSC_COMM_SELF, PETSC_ERR_PLIB, "moments of levels");
  for (PetscInt k = 0; k < K; k++) {
    values[k] = watch->centre[k] + mean[2 * k];
    variance[k] = plan->samples[k] * unbiased * (mean[2 * k + 1] - PetscSqr(mean[2 * k]));
    error += variance[k] / plan->samples[k];
    steps += plan->samples[k] * plan->cost[k];
    best += PetscSqrtReal(PetscMax(0, variance[k]) * plan->cost[k]);
  }
  const PetscReal plain =
      plan->samples[K - 1] * unbiased * (mean[2 * K + 1] - PetscSqr(mean[2 * K])) * plan->depth[K - 1];
  number[RATE_MEAN] = Fall(plan, values);
  number[RATE_VARIANCE] = Fall(plan, variance);
  number[GAIN] = plain / (error * steps);
  number[GAIN_BEST] = plain / PetscSqr(best);
  PetscFunctionReturn(0);
}

/* The part y_k of a realization, of observable w; at k = K the deepest fine path. */
static PetscReal Part(const LevelsPlan *plan, const PetscReal tail[], PetscInt w, PetscInt k) {
  const PetscInt level = PetscMin(k, plan->count - 1);
  const PetscReal *path = tail + (level * LEVELS_WATCHED + w) * LEVELS_PATHS;

  if (!k || k == plan->count) return path[LEVELS_FINE];
  return 0.5 * (path[LEVELS_FINE] + path[LEVELS_SWAPPED]) - path[LEVELS_COARSE];
}

static PetscErrorCode Measure(const LevelsPlan *plan, const Samples *samples, PetscInt w, Watched *watched) {
  const PetscInt R = samples->realizations, K = plan->count, n = 2 * (K + 1);
  const PetscReal *tails = samples->all + (size_t)samples->frames->count * (size_t)samples->columns;
  Watch watch = {.plan = plan, .realizations = R};
  FitValue values[2 * LEVELS_MOST + NUMBERS];
  PetscBool resolved = PETSC_TRUE;
  PetscReal *moments;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)R * n, &moments));
  for (PetscInt k = 0; k <= K; k++) {
    for (PetscInt r = 0; r < R; r++) watch.centre[k] += Part(plan, tails + (size_t)r * samples->width, w, k) / R;
    for (PetscInt r = 0; r < R; r++) {
      const PetscReal y = Part(plan, tails + (size_t)r * samples->width, w, k) - watch.centre[k];
      moments[r * n + 2 * k] = y;
      moments[r * n + 2 * k + 1] = y * y;
    }
  }
  PetscCall(IntervalOfStatistic(R, n, moments, 2 * K + NUMBERS, Statistic, &watch, values));
  PetscCall(PetscArraycpy(watched->mean, values, K));
  PetscCall(PetscArraycpy(watched->variance, values + K, K));
  PetscCall(PetscArraycpy(watched->number, values + 2 * K, NUMBERS));
  for (PetscInt k = 1; k < K; k++) /* a mean that may have either sign has no logarithm */
    if (!(watched->mean[k].low > 0 || watched->mean[k].high < 0)) resolved = PETSC_FALSE;
  if (!resolved) watched->number[RATE_MEAN] = (FitValue){NAN, NAN, NAN};
  PetscCall(PetscFree(moments));
  PetscFunctionReturn(0);
}

/* N_k ~ sqrt(V_k/C_k), (9.17). */
static PetscReal Best(const LevelsPlan *plan, const Watched *watched, PetscInt k) {
  const PetscInt last = plan->count - 1;
  const PetscReal a = watched->variance[k].value / plan->cost[k], b = watched->variance[last].value / plan->cost[last];

  return a > 0 && b > 0 ? PetscMax(1, PetscFloorReal(PetscSqrtReal(a / b) + 0.5)) : NAN;
}

/* level_NAME, with its ends level_NAME_low and level_NAME_high. */
static PetscErrorCode AddArray(const LevelsPlan *plan, const char *name, const FitValue *const values[LEVELS_WATCHED],
                               Results results) {
  static const char *const ends[] = {"", "_low", "_high"};
  const PetscInt64 shape[] = {plan->count, LEVELS_WATCHED};
  PetscReal array[LEVELS_MOST * LEVELS_WATCHED];
  char key[64];

  PetscFunctionBeginUser;
  for (int end = 0; end < 3; end++) {
    for (PetscInt k = 0; k < plan->count; k++)
      for (PetscInt w = 0; w < LEVELS_WATCHED; w++) {
        const FitValue *v = &values[w][k];
        array[k * LEVELS_WATCHED + w] = end == 0 ? v->value : end == 1 ? v->low : v->high;
      }
    PetscCall(PetscSNPrintf(key, sizeof(key), "%s%s", name, ends[end]));
    PetscCall(ResultsArray(results, key, 2, shape, array));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode AddArrays(const LevelsPlan *plan, const Watched watched[LEVELS_WATCHED], Results results) {
  const FitValue *means[LEVELS_WATCHED], *variances[LEVELS_WATCHED];
  PetscReal best[LEVELS_MOST * LEVELS_WATCHED];

  PetscFunctionBeginUser;
  for (PetscInt w = 0; w < LEVELS_WATCHED; w++) {
    means[w] = watched[w].mean;
    variances[w] = watched[w].variance;
    for (PetscInt k = 0; k < plan->count; k++) best[k * LEVELS_WATCHED + w] = Best(plan, &watched[w], k);
  }
  PetscCall(AddArray(plan, "level_mean", means, results));
  PetscCall(AddArray(plan, "level_variance", variances, results));
  PetscCall(ResultsArray(results, "level_best", 2, (PetscInt64[]){plan->count, LEVELS_WATCHED}, best));
  PetscFunctionReturn(0);
}

static PetscErrorCode AddNumbers(const char *name, const Watched *watched, Results results) {
  static const char *const numbers[NUMBERS] = {"rate_mean", "rate_variance", "gain", "gain_best"};
  char key[64];

  PetscFunctionBeginUser;
  for (int i = 0; i < NUMBERS; i++) {
    PetscCall(PetscSNPrintf(key, sizeof(key), "%s_%s", numbers[i], name));
    PetscCall(ResultsFit(results, key, watched->number[i]));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode SayLevels(const LevelsPlan *plan, const Watched watched[LEVELS_WATCHED], Results results) {
  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "levels at T: the first one's means, then differences to half the depth\n"));
  PetscCall(ResultsSay(results, "%9s%8s%9s%13s%12s%13s%12s\n", "depth", "samples", "steps", "energy", "variance",
                       "order", "variance"));
  for (PetscInt k = 0; k < plan->count; k++) {
    PetscCall(
        ResultsSay(results, "%9.0f%8d%9.0f", (double)plan->depth[k], (int)plan->samples[k], (double)plan->cost[k]));
    for (int w = 0; w < 2; w++)
      PetscCall(
          ResultsSay(results, "%13.4g%12.3g", (double)watched[w].mean[k].value, (double)watched[w].variance[k].value));
    PetscCall(ResultsSay(results, "\n"));
  }
  PetscFunctionReturn(0);
}

/* The estimate at T of observable w, and what it cost. */
static PetscErrorCode SayEstimate(const LevelsPlan *plan, const Samples *samples, const char *name, PetscInt w,
                                  const Watched *watched, Results results) {
  const size_t at = (size_t)(samples->frames->count - 1) * (size_t)samples->columns + (size_t)w;
  const FitValue mean = IntervalOfMean(samples->realizations, (size_t)samples->width, samples->all + at);
  const PetscReal factor = IntervalFactor(samples->realizations);
  const PetscReal error = 0.5 * (mean.high - mean.low) / factor / PetscAbsReal(mean.value);
  const PetscInt K = plan->count;

  PetscFunctionBeginUser;
  PetscCall(ReportValue(name, mean, results));
  PetscCall(ResultsSay(results, " at depth %.0f, relative error %.2g;\n", (double)plan->depth[K - 1], (double)error));
  PetscCall(ResultsSay(results, "  1e-3 takes ensemble_realizations %.0f\n",
                       (double)PetscCeilReal(samples->realizations * PetscSqr(error / 1e-3))));
  if (K == 1) PetscFunctionReturn(0);
  if (isnan(watched->number[GAIN].value)) {
    PetscCall(ResultsSay(results, "  all realizations agree: there is nothing to save\n"));
    PetscFunctionReturn(0);
  }
  PetscCall(ReportValue("  more depth would add about", watched->mean[K - 1], results));
  PetscCall(ResultsSay(results, "\n"));
  if (isnan(watched->number[RATE_MEAN].value))
    PetscCall(ResultsSay(results, "  differences fall as L^-a: a is not resolved"));
  else
    PetscCall(ReportValue("  differences fall as L^-a, a =", watched->number[RATE_MEAN], results));
  PetscCall(ReportValue("\n  their variances as L^-b, b =", watched->number[RATE_VARIANCE], results));
  PetscCall(ReportValue("\n  steps of plain realizations per step here:", watched->number[GAIN], results));
  PetscCall(ReportValue("\n  with the best samples:", watched->number[GAIN_BEST], results));
  PetscCall(ResultsSay(results, "\n  scheme_samples "));
  for (PetscInt k = 0; k < K; k++)
    PetscCall(ResultsSay(results, "%s%.0f", k ? "," : "", (double)Best(plan, watched, k)));
  PetscCall(ResultsSay(results, "\n"));
  PetscFunctionReturn(0);
}

PetscErrorCode LevelsReport(const LevelsPlan *plan, const Samples *samples, Results results) {
  PetscReal number[LEVELS_MOST];
  Watched watched[LEVELS_WATCHED];

  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < plan->count; k++) number[k] = plan->samples[k];
  PetscCall(ResultsArray(results, "level_depth", 1, (PetscInt64[]){plan->count}, plan->depth));
  PetscCall(ResultsArray(results, "level_samples", 1, (PetscInt64[]){plan->count}, number));
  PetscCall(ResultsArray(results, "level_cost", 1, (PetscInt64[]){plan->count}, plan->cost));
  if (samples->realizations < INTERVAL_LEAST) {
    PetscCall(ResultsSay(results, "variances of levels take at least %d realizations\n", INTERVAL_LEAST));
    PetscFunctionReturn(0);
  }
  for (PetscInt w = 0; w < LEVELS_WATCHED; w++) PetscCall(Measure(plan, samples, w, &watched[w]));
  PetscCall(AddArrays(plan, watched, results));
  PetscCall(SayLevels(plan, watched, results));
  for (PetscInt w = 0; w < LEVELS_WATCHED; w++) {
    const char *const name = ObservableGetQuantity((Observable)w)->name;
    PetscCall(AddNumbers(name, &watched[w], results));
    PetscCall(SayEstimate(plan, samples, name, w, &watched[w], results));
  }
  PetscFunctionReturn(0);
}
