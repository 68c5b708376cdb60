/* What a run of the study sync found: table, attributes and arrays of /study/sync, and words on stdout. */
#include <math.h>

#include "law/stats/interval.h"
#include "study/report.h"
#include "study/sync/sync.h"

#define FIT_FRAMES 3

typedef struct {
  const Sync *sync;
  const SyncTheory *theory;
  const Samples *samples;
  PetscInt R, frames, stride;
  const PetscReal *time;
  Results results;
  PetscReal *mean, *sem; /* [frames * stride + tail] */
  PetscReal *bound;      /* [frames] */
  PetscReal measured;    /* the largest rate in the run: a lower bound of epsilon */
  SyncTheorem theorem;
} Report;

static PetscReal Sample(const Report *report, PetscInt r, PetscInt frame, PetscInt column) {
  return report->samples->all[(size_t)r * (size_t)report->samples->width + (size_t)(frame * report->stride + column)];
}

/* ---- the theorem ---- */

/* Largest d log E_beta / dt along attention alone, over all realizations: of all steps where epsilon needs it, else of
 * the frames. */
static PetscReal LargestRate(const Report *report) {
  PetscReal most = NAN;

  if (!report->theory->pushes) return NAN;
  for (PetscInt r = 0; r < report->R; r++) {
    const PetscReal rate = Sample(report, r, report->frames, SYNC_RATE);
    if (!isnan(rate) && !(rate <= most)) most = rate;
    for (PetscInt f = 0; f < report->frames && report->theory->gradient; f++) {
      const PetscReal energy = Sample(report, r, f, SYNC_ENERGY), now = Sample(report, r, f, SYNC_PUSH) / energy;
      if (energy > SYNC_ROUNDING * exp(report->theory->beta) && !(now <= most)) most = now;
    }
  }
  return most;
}

static PetscErrorCode ReportTheorem(const Report *report) {
  const SyncTheory *theory = report->theory;
  const SyncTheorem *theorem = &report->theorem;
  const Results results = report->results;

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "theorem    lambda_bar %.6g, lambda_bar'(beta) %.6g, ", (double)theory->lambda_bar,
                       (double)theory->rate_bound));
  if (theory->beta != theory->attention_beta)
    PetscCall(
        ResultsSay(results, "beta %.6g, attention's %.6g, ", (double)theory->beta, (double)theory->attention_beta));
  if (theory->value == 0)
    PetscCall(ResultsSay(results, "epsilon 0 (no attention)\n"));
  else if (theory->epsilon_low == theory->epsilon_high)
    PetscCall(ResultsSay(results, "epsilon %.6g (proved)\n", (double)theory->epsilon_high));
  else
    PetscCall(ResultsSay(results, "epsilon from %.6g to %.6g (proved)\n", (double)theory->epsilon_low,
                         (double)theory->epsilon_high));
  if (report->measured >= 0)
    PetscCall(ResultsSay(results,
                         "           attention alone made the energy grow at the rate %.6g at most in this run\n",
                         (double)report->measured));
  else if (report->measured < 0)
    PetscCall(ResultsSay(results,
                         "           attention alone made the energy fall at the rate %.6g at least in this run\n",
                         (double)-report->measured));
  PetscCall(ResultsSay(results, "           %s\n", theorem->sentence));
  PetscCall(ResultsScalar(results, "lambda_bar", theory->lambda_bar));
  PetscCall(ResultsScalar(results, "lambda_rate", theory->lambda_rate));
  PetscCall(ResultsScalar(results, "lambda_rate_bound", theory->rate_bound));
  PetscCall(ResultsScalar(results, "epsilon", theory->epsilon_high));
  PetscCall(ResultsScalar(results, "epsilon_low", theory->epsilon_low));
  PetscCall(ResultsScalar(results, "attention_rate", report->measured));
  PetscCall(ResultsText(results, "theorem", theorem->word));
  PetscCall(ResultsText(results, "verdict", theorem->sentence));
  PetscFunctionReturn(0);
}

/* ---- decay ---- */

/* Decay rates: minus the slope of log of energies over time. Weights are those of the errors of the logarithms, so that
 * late means, which come out low where few realizations are rare events, count for little. */
typedef struct {
  PetscInt first, n;
  const PetscReal *time;
  PetscReal *weight; /* [n] */
} Decay;

static PetscErrorCode DecayRate(PetscInt n, const PetscReal energy[], void *context, PetscReal *rate) {
  const Decay *decay = context;
  PetscReal *a, *y, c[2];

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(2 * n, &a, n, &y));
  for (PetscInt i = 0; i < n; i++) {
    a[2 * i] = 1;
    a[2 * i + 1] = decay->time[decay->first + i];
    y[i] = log(energy[i]);
  }
  PetscCall(FitLinear(n, 2, a, y, decay->weight, c, NULL));
  *rate = -c[1];
  PetscCall(PetscFree2(a, y));
  PetscFunctionReturn(0);
}

/* From where the energy has fallen to a half, up to where its mean can no longer be told. */
static Decay FindDecay(const Report *report) {
  const PetscReal *mean = report->mean;
  Decay decay = {.time = report->time};

  while (decay.first < report->frames && mean[decay.first * report->stride] > 0.5 * mean[SYNC_ENERGY]) decay.first++;
  for (PetscInt f = decay.first; f < report->frames; f++, decay.n++)
    if (!SyncIsCredible(report->theory->beta, mean[f * report->stride], report->sem[f * report->stride])) break;
  return decay;
}

/* All alike where an error is not known or 0. */
static void WeighDecay(const Report *report, Decay *decay) {
  PetscBool known = PETSC_TRUE;

  for (PetscInt i = 0; i < decay->n; i++) {
    const PetscInt at = (decay->first + i) * report->stride;
    decay->weight[i] = PetscSqr(report->mean[at] / report->sem[at]);
    known = known && report->sem[at] > 0 ? PETSC_TRUE : PETSC_FALSE;
  }
  for (PetscInt i = 0; i < decay->n && !known; i++) decay->weight[i] = 1;
}

/* The rates of the mean and of the exact energy over the same frames, NaN where they are too few. */
static PetscErrorCode FitDecay(const Report *report, Decay *decay, FitValue *rate, PetscReal *exact) {
  const PetscInt R = report->R, n = decay->n;
  PetscReal *energy;

  PetscFunctionBeginUser;
  *rate = (FitValue){NAN, NAN, NAN};
  *exact = NAN;
  if (n < FIT_FRAMES) PetscFunctionReturn(0);
  PetscCall(PetscMalloc2((size_t)R * (size_t)n, &energy, n, &decay->weight));
  WeighDecay(report, decay);
  for (PetscInt r = 0; r < R; r++)
    for (PetscInt i = 0; i < n; i++)
      energy[r * n + i] = PetscMax(Sample(report, r, decay->first + i, SYNC_ENERGY), PETSC_MACHINE_EPSILON);
  PetscCall(IntervalOfStatistic(R, n, energy, 1, DecayRate, decay, rate));
  if (report->theory->exact) PetscCall(DecayRate(n, report->sync->exact + decay->first, decay, exact));
  PetscCall(PetscFree2(energy, decay->weight));
  PetscFunctionReturn(0);
}

static PetscErrorCode SayDecay(const Report *report, FitValue rate, PetscReal exact, PetscReal from, PetscReal to) {
  const Results results = report->results;

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "decay      rate of the energy %.4g, 95%% interval ", (double)rate.value));
  if (isnan(rate.low))
    PetscCall(ResultsSay(results, "not known"));
  else
    PetscCall(ResultsSay(results, "[%.4g, %.4g]", (double)rate.low, (double)rate.high));
  PetscCall(ResultsSay(results, ", over t in [%.4g, %.4g]\n", (double)from, (double)to));
  if (report->theory->exact)
    PetscCall(ResultsSay(results, "           rate of the exact energy there %.4g\n", (double)exact));
  if (exact < rate.low || exact > rate.high)
    PetscCall(ResultsSay(results,
                         "           outside of the interval: late means of few rare events come out low, and the "
                         "fit's window, up to where the mean is known to %.0f%%, is chosen by them\n",
                         100 * SYNC_CREDIBLE));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReportDecay(const Report *report) {
  const Results results = report->results;
  const PetscReal least = -report->theorem.rate; /* by the theorem */
  Decay decay = FindDecay(report);
  const PetscReal from = decay.n >= FIT_FRAMES ? report->time[decay.first] : NAN;
  const PetscReal to = decay.n >= FIT_FRAMES ? report->time[decay.first + decay.n - 1] : NAN;
  FitValue rate;
  PetscReal exact;

  PetscFunctionBeginUser;
  PetscCall(FitDecay(report, &decay, &rate, &exact));
  if (isnan(rate.value))
    PetscCall(ResultsSay(
        results, "decay      no rate: under a half of the start, %d frames at least must have a mean known to %.0f%%\n",
        FIT_FRAMES, 100 * SYNC_CREDIBLE));
  else
    PetscCall(SayDecay(report, rate, exact, from, to));
  if (least > 0 && !isnan(rate.value)) {
    const char *word = SyncVerdictWord(SyncCompareDecay(report->theory, report->R, rate, least));
    PetscCall(ResultsSay(results, "           the theorem's is at least %.4g: %s\n", (double)least, word));
    PetscCall(ResultsText(results, "decay_verdict", word));
  }
  PetscCall(ResultsFit(results, "decay", rate));
  PetscCall(ResultsScalar(results, "decay_exact", exact));
  PetscCall(ResultsScalar(results, "decay_from", from));
  PetscCall(ResultsScalar(results, "decay_to", to));
  PetscFunctionReturn(0);
}

/* ---- Lyapunov exponent ---- */

/* A mean over the realizations and its standard error. */
typedef struct {
  PetscReal mean, sem;
} Exponent;

/* Of the twins, less what scatters about 0 (TwinsForesee). */
static PetscReal Growth(const Report *report, PetscInt r, PetscInt frame) {
  return Sample(report, r, frame, SYNC_GROWTH) - Sample(report, r, frame, SYNC_MARTINGALE);
}

/* Mean growth of the twins per time from one frame to another: values[R], and their mean. */
static Exponent MeasureExponent(const Report *report, PetscInt from, PetscInt to, PetscReal values[]) {
  Exponent exponent;

  for (PetscInt r = 0; r < report->R; r++)
    values[r] = (Growth(report, r, to) - Growth(report, r, from)) / (report->time[to] - report->time[from]);
  FitMean(report->R, 1, values, &exponent.mean, &exponent.sem);
  return exponent;
}

/* " 0.12 +- 0.03", or without its error when there is but one realization. */
static PetscErrorCode SayMeasured(Results results, Exponent exponent) {
  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, " %.6g", (double)exponent.mean));
  if (!isnan(exponent.sem)) PetscCall(ResultsSay(results, " +- %.2g", (double)exponent.sem));
  PetscFunctionReturn(0);
}

static PetscErrorCode SayExponent(const Report *report, Exponent all, Exponent late, SyncVerdict verdict) {
  const SyncTheory *theory = report->theory;
  const Results results = report->results;
  const PetscReal off = all.mean - theory->lambda1;

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "lambda1    measured"));
  PetscCall(SayMeasured(results, all));
  if (theory->value == 0) {
    PetscCall(ResultsSay(results, ", exact %.6g", (double)theory->lambda1));
    if (all.sem > 0) PetscCall(ResultsSay(results, ": off by %+.2f standard errors", (double)(off / all.sem)));
    if (theory->kernel) PetscCall(ResultsSay(results, ", %+.2f%%", (double)(100 * off / fabs(theory->lambda1))));
    PetscCall(ResultsSay(results, ": %s\n", SyncVerdictWord(verdict)));
    if (verdict == SYNC_WITHIN_STEP)
      PetscCall(ResultsSay(
          results, "           more than chance, but steps of this size may do that: take more layers_depth\n"));
    PetscFunctionReturn(0);
  }
  PetscCall(ResultsSay(results, ", in the second half of the run"));
  PetscCall(SayMeasured(results, late));
  PetscCall(ResultsSay(results, "\n           exact: %.6g by the noise alone", (double)theory->lambda1));
  if (!isnan(theory->lambda1_cluster))
    PetscCall(ResultsSay(results, ", %.6g once all tokens have met", (double)theory->lambda1_cluster));
  PetscCall(ResultsSay(results, "\n"));
  PetscFunctionReturn(0);
}

/* The frame with which the second half of the run begins. */
static PetscInt Half(const Report *report) {
  PetscInt f = 0;

  if (report->samples->frames->every != FRAMES_LOG) return (report->frames - 1) / 2;
  while (f + 1 < report->frames && 2 * report->time[f + 1] <= report->time[report->frames - 1]) f++;
  return f;
}

static PetscErrorCode ReportExponent(const Report *report) {
  const SyncTheory *theory = report->theory;
  const Results results = report->results;
  const PetscInt end = report->frames - 1;
  Exponent all = {NAN, NAN}, late = {NAN, NAN};
  PetscReal *values;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(report->R, &values));
  if (report->sync->twin_count > 0) {
    late = MeasureExponent(report, Half(report), end, values);
    all = MeasureExponent(report, 0, end, values);
    PetscCall(ResultsArray(results, "lambda1_realization", 1, (PetscInt64[]){report->R}, values));
  }
  PetscCall(PetscFree(values));
  const SyncVerdict verdict = SyncCompareExponent(theory, report->R, all.mean, all.sem, theory->lambda1);
  if (report->sync->twin_count > 0) PetscCall(SayExponent(report, all, late, verdict));
  PetscCall(ResultsScalar(results, "lambda1", all.mean));
  PetscCall(ResultsScalar(results, "lambda1_sem", all.sem));
  PetscCall(ResultsScalar(results, "lambda1_exact", theory->lambda1));
  if (theory->value == 0) PetscCall(ResultsText(results, "lambda1_verdict", SyncVerdictWord(verdict)));
  PetscCall(ResultsScalar(results, "lambda1_late", late.mean));
  PetscCall(ResultsScalar(results, "lambda1_late_sem", late.sem));
  PetscCall(ResultsScalar(results, "lambda1_cluster", theory->lambda1_cluster));
  PetscFunctionReturn(0);
}

/* ---- clusters ---- */

static PetscErrorCode ReportClusters(const Report *report) {
  const PetscReal *cap = report->mean + report->frames * report->stride;
  const PetscReal clusters = report->mean[(report->frames - 1) * report->stride + SYNC_CLUSTERS];
  const Results results = report->results;

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "clusters   %.4g at the end\n", (double)clusters));
  PetscCall(ResultsScalar(results, "clusters_end", clusters));
  PetscCall(ResultsScalar(results, "antipodal", report->theory->odd ? 1 : 0));
  if (!report->theory->odd) PetscFunctionReturn(0);
  PetscCall(
      ResultsSay(results,
                 "           the noise is an odd field: its own attractor%s is two antipodal points, not one\n"
                 "           share of the tokens in the larger cap %.4g, in the opposite one %.4g, in none %.4g\n",
                 report->theory->value == 0 ? "" : ", without the attention,", (double)cap[SYNC_CAP_LARGE],
                 (double)cap[SYNC_CAP_SMALL], (double)cap[SYNC_CAP_NONE]));
  PetscCall(ResultsScalar(results, "cap_large", cap[SYNC_CAP_LARGE]));
  PetscCall(ResultsScalar(results, "cap_small", cap[SYNC_CAP_SMALL]));
  PetscCall(ResultsScalar(results, "cap_none", cap[SYNC_CAP_NONE]));
  PetscFunctionReturn(0);
}

/* ---- table and arrays ---- */

static PetscErrorCode AddRows(const Report *report) {
  const PetscReal factor = SyncPairFactor(report->theory->beta);

  PetscFunctionBeginUser;
  for (PetscInt f = 0; f < report->frames; f++) {
    const PetscReal *mean = report->mean + f * report->stride, *sem = report->sem + f * report->stride;
    const PetscReal row[] = {report->time[f],
                             mean[SYNC_ENERGY],
                             sem[SYNC_ENERGY],
                             report->sync->exact[f],
                             report->bound[f],
                             mean[SYNC_PAIR],
                             sem[SYNC_PAIR],
                             report->sync->pair_exact[f],
                             factor * mean[SYNC_ENERGY],
                             factor * report->bound[f]};
    PetscCall(ResultsRow(report->results, row));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode AddArrays(const Report *report) {
  const PetscBool twins = report->sync->twin_count > 0 ? PETSC_TRUE : PETSC_FALSE;
  const struct {
    const char *name;
    PetscInt column;
    PetscBool measured;
  } columns[] = {{"order", SYNC_ORDER, PETSC_TRUE},
                 {"clusters", SYNC_CLUSTERS, PETSC_TRUE},
                 {"growth", SYNC_GROWTH, twins},
                 {"martingale", SYNC_MARTINGALE, twins},
                 {"attention_push", SYNC_PUSH, report->theory->pushes}};
  PetscReal *step;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(report->frames, &step));
  for (PetscInt f = 0; f < report->frames; f++) step[f] = (PetscReal)report->samples->frames->step[f];
  PetscCall(ResultsArray(report->results, "step", 1, (PetscInt64[]){report->frames}, step));
  PetscCall(PetscFree(step));
  for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
    if (!columns[i].measured) continue;
    PetscCall(ReportColumn(report->results, columns[i].name, "_mean", report->frames, report->stride,
                           report->mean + columns[i].column));
    PetscCall(ReportColumn(report->results, columns[i].name, "_sem", report->frames, report->stride,
                           report->sem + columns[i].column));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode SyncReport(void *state, const Samples *samples, Results results) {
  const Sync *sync = state;
  const Frames *frames = samples->frames;
  const PetscInt R = samples->realizations, width = samples->width;
  Report report = {.sync = sync,
                   .theory = &sync->theory,
                   .samples = samples,
                   .R = R,
                   .frames = frames->count,
                   .stride = samples->columns,
                   .time = frames->time,
                   .results = results};

  PetscFunctionBeginUser;
  if (!R) PetscFunctionReturn(0);
  PetscCall(PetscMalloc3(width, &report.mean, width, &report.sem, frames->count, &report.bound));
  FitMean(R, width, samples->all, report.mean, report.sem);
  const SyncMeans means = {R, report.frames, report.stride, report.time, report.mean, report.sem};
  report.measured = LargestRate(&report);
  report.theorem = SyncJudgeTheorem(report.theory, report.measured);
  const SyncKnown energy = {.word = "energy",
                            .name = "energy",
                            .bound_name = "bound",
                            .column = SYNC_ENERGY,
                            .unit = exp(report.theory->beta),
                            .exact = sync->exact,
                            .bound = report.bound,
                            .unsure =
                                SyncEnergyBound(report.theory, &report.theorem, &means, SYNC_ENERGY, report.bound)};
  PetscCall(AddRows(&report));
  PetscCall(AddArrays(&report));
  PetscCall(ReportTheorem(&report));
  PetscCall(SyncReportMeans(report.theory, &means, &energy, results));
  PetscCall(SyncPairsReport(sync, &means, &energy, results));
  PetscCall(SyncBetasReport(sync, &means, results));
  PetscCall(ReportDecay(&report));
  PetscCall(ReportExponent(&report));
  PetscCall(SyncSpectrumReport(sync, samples, results));
  PetscCall(SyncMomentsReport(sync, samples, results));
  PetscCall(ReportClusters(&report));
  PetscCall(PetscFree3(report.mean, report.sem, report.bound));
  PetscFunctionReturn(0);
}
