/* What a run of the study sync found: table, attributes and arrays of /study/sync, and words on stdout. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "law/stats/interval.h"
#include "study/sync/sync.h"

#define FIT_FRAMES 3

typedef struct {
  const SyncTheory *theory;
  const SyncSamples *samples;
  Results results;
  char words[4096];      /* printed below the table */
  PetscReal *mean, *sem; /* [frames * SYNC_COLUMNS + SYNC_TAIL] */
  PetscReal *bound;      /* [frames] */
  PetscReal measured;    /* the largest rate in the run: a lower bound of epsilon */
  SyncTheorem theorem;
} Report;

static void Say(Report *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void Say(Report *x, const char *format, ...) {
  const size_t used = strlen(x->words);
  va_list values;

  va_start(values, format);
  (void)vsnprintf(x->words + used, sizeof(x->words) - used, format, values);
  va_end(values);
}

static PetscInt Width(const SyncSamples *s) {
  return s->frames * SYNC_COLUMNS + SYNC_TAIL;
}

static PetscReal Sample(const SyncSamples *s, PetscInt r, PetscInt frame, PetscInt column) {
  return s->all[(size_t)r * (size_t)Width(s) + (size_t)(frame * SYNC_COLUMNS + column)];
}

/* ---- the theorem ---- */

/* Largest d log E_beta / dt along attention alone, over all realizations: of all steps where epsilon needs it, else of
 * the frames. */
static PetscReal LargestRate(const Report *x) {
  const SyncSamples *s = x->samples;
  PetscReal most = NAN;

  if (!x->theory->pushes) return NAN;
  for (PetscInt r = 0; r < s->realizations; r++) {
    const PetscReal rate = Sample(s, r, s->frames, SYNC_RATE);
    if (!isnan(rate) && !(rate <= most)) most = rate;
    for (PetscInt f = 0; f < s->frames && x->theory->gradient; f++) {
      const PetscReal energy = Sample(s, r, f, SYNC_ENERGY), now = Sample(s, r, f, SYNC_PUSH) / energy;
      if (energy > SYNC_ROUNDING * exp(x->theory->beta) && !(now <= most)) most = now;
    }
  }
  return most;
}

/* e^{(epsilon + lambda_bar') t} E_0 where lambda_bar < 0, from the upper bounds of both. */
static void Bound(Report *x) {
  const SyncTheory *t = x->theory;
  const PetscReal start = isnan(t->energy_start) ? x->mean[SYNC_ENERGY] : t->energy_start;

  x->measured = LargestRate(x);
  x->theorem = SyncJudgeTheorem(t, x->measured);
  for (PetscInt f = 0; f < x->samples->frames; f++)
    x->bound[f] = t->kernel && t->lambda_bar < 0 ? exp(x->theorem.rate * x->samples->time[f]) * start : NAN;
}

static PetscErrorCode ReportTheorem(Report *x) {
  const SyncTheory *t = x->theory;
  const SyncTheorem *theorem = &x->theorem;

  PetscFunctionBeginUser;
  Say(x, "theorem    lambda_bar %.6g, lambda_bar'(beta) %.6g, ", (double)t->lambda_bar, (double)t->rate_bound);
  if (t->value == 0)
    Say(x, "epsilon 0 (no attention)\n");
  else if (t->epsilon_low == t->epsilon_high)
    Say(x, "epsilon %.6g (proved)\n", (double)t->epsilon_high);
  else
    Say(x, "epsilon from %.6g to %.6g (proved)\n", (double)t->epsilon_low, (double)t->epsilon_high);
  if (x->measured >= 0)
    Say(x, "           attention alone made the energy grow at the rate %.6g at most in this run\n",
        (double)x->measured);
  else if (x->measured < 0)
    Say(x, "           attention alone made the energy fall at the rate %.6g at least in this run\n",
        (double)-x->measured);
  Say(x, "           %s\n", theorem->sentence);
  PetscCall(ResultsScalar(x->results, "lambda_bar", t->lambda_bar));
  PetscCall(ResultsScalar(x->results, "lambda_rate", t->lambda_rate));
  PetscCall(ResultsScalar(x->results, "lambda_rate_bound", t->rate_bound));
  PetscCall(ResultsScalar(x->results, "epsilon", t->epsilon_high));
  PetscCall(ResultsScalar(x->results, "epsilon_low", t->epsilon_low));
  PetscCall(ResultsScalar(x->results, "attention_rate", x->measured));
  PetscCall(ResultsText(x->results, "theorem", theorem->word));
  PetscCall(ResultsText(x->results, "verdict", theorem->sentence));
  PetscFunctionReturn(0);
}

/* ---- energy ---- */

/* "1.23", or of deviations below and above a bound "1.23 standard errors below". */
static void SayEnergy(Report *x, const SyncComparison *exact, const SyncComparison *bound) {
  const SyncVerdict verdicts[2] = {exact->verdict, bound->verdict};

  if (!isnan(exact->off))
    Say(x, "energy     at most %.2f standard errors off the exact value at %d times up to t = %.4g: %s\n",
        fabs((double)exact->off), (int)exact->frames, (double)exact->until, SyncVerdictWord(exact->verdict));
  if (bound->off <= 0)
    Say(x, "           always at least %.2f standard errors below the bound\n", (double)-bound->off);
  else if (bound->off > 0)
    Say(x, "           at most %.2f standard errors above the bound: %s\n", (double)bound->off,
        bound->verdict == SYNC_AGREES      ? "within chance"
        : bound->verdict == SYNC_DISAGREES ? "exceeds it"
                                           : "not resolved");
  for (int i = 0; i < 2; i++)
    if (verdicts[i] == SYNC_WITHIN_STEP)
      Say(x, "           what is more than chance may be the step's error: take more layers_depth\n");
}

/* How far the measured energy is off the exact one, and above the bound, in standard errors, at worst, over the frames
 * whose mean is resolved. */
static PetscErrorCode ReportEnergy(Report *x) {
  const SyncSamples *s = x->samples;
  const PetscInt R = s->realizations;
  const PetscReal unsure = isnan(x->theory->energy_start) ? x->sem[SYNC_ENERGY] / x->mean[SYNC_ENERGY] : 0;
  const SyncComparison exact =
      SyncCompareEnergy(x->theory, R, s->frames, SYNC_COLUMNS, s->time, x->mean, x->sem, s->exact, 0, PETSC_FALSE);
  const SyncComparison bound =
      SyncCompareEnergy(x->theory, R, s->frames, SYNC_COLUMNS, s->time, x->mean, x->sem, x->bound, unsure, PETSC_TRUE);

  PetscFunctionBeginUser;
  SayEnergy(x, &exact, &bound);
  PetscCall(ResultsScalar(x->results, "energy_off", fabs(exact.off)));
  PetscCall(ResultsScalar(x->results, "energy_off_time", exact.time));
  PetscCall(ResultsScalar(x->results, "energy_resolved", exact.until));
  PetscCall(ResultsText(x->results, "energy_verdict", SyncVerdictWord(exact.verdict)));
  PetscCall(ResultsScalar(x->results, "bound_excess", bound.off));
  PetscCall(ResultsText(x->results, "bound_verdict", SyncVerdictWord(bound.verdict)));
  PetscFunctionReturn(0);
}

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
static Decay FindDecay(const Report *x) {
  const PetscInt frames = x->samples->frames;
  Decay decay = {.time = x->samples->time};

  while (decay.first < frames && x->mean[decay.first * SYNC_COLUMNS] > 0.5 * x->mean[SYNC_ENERGY]) decay.first++;
  for (PetscInt f = decay.first; f < frames; f++, decay.n++)
    if (!SyncIsCredible(x->theory->beta, x->mean[f * SYNC_COLUMNS], x->sem[f * SYNC_COLUMNS])) break;
  return decay;
}

/* All alike where an error is not known or 0. */
static void WeighDecay(const Report *x, Decay *decay) {
  PetscBool known = PETSC_TRUE;

  for (PetscInt i = 0; i < decay->n; i++) {
    const PetscInt at = (decay->first + i) * SYNC_COLUMNS;
    decay->weight[i] = PetscSqr(x->mean[at] / x->sem[at]);
    known = (PetscBool)(known && x->sem[at] > 0);
  }
  for (PetscInt i = 0; i < decay->n && !known; i++) decay->weight[i] = 1;
}

/* The rates of the mean and of the exact energy over the same frames, NaN where they are too few. */
static PetscErrorCode FitDecay(Report *x, Decay *decay, FitValue *rate, PetscReal *exact) {
  const SyncSamples *s = x->samples;
  PetscReal *energy;

  PetscFunctionBeginUser;
  *rate = (FitValue){NAN, NAN, NAN};
  *exact = NAN;
  if (decay->n < FIT_FRAMES) PetscFunctionReturn(0);
  PetscCall(PetscMalloc2((size_t)s->realizations * (size_t)decay->n, &energy, decay->n, &decay->weight));
  WeighDecay(x, decay);
  for (PetscInt r = 0; r < s->realizations; r++)
    for (PetscInt i = 0; i < decay->n; i++)
      energy[r * decay->n + i] = PetscMax(Sample(s, r, decay->first + i, SYNC_ENERGY), PETSC_MACHINE_EPSILON);
  PetscCall(IntervalOfStatistic(s->realizations, decay->n, energy, 1, DecayRate, decay, rate));
  if (x->theory->exact) PetscCall(DecayRate(decay->n, s->exact + decay->first, decay, exact));
  PetscCall(PetscFree2(energy, decay->weight));
  PetscFunctionReturn(0);
}

static void SayDecay(Report *x, PetscReal from, PetscReal to, FitValue rate, PetscReal exact) {
  Say(x, "decay      rate of the energy %.4g, 95%% interval ", (double)rate.value);
  if (isnan(rate.low))
    Say(x, "not known");
  else
    Say(x, "[%.4g, %.4g]", (double)rate.low, (double)rate.high);
  Say(x, ", over t in [%.4g, %.4g]\n", (double)from, (double)to);
  if (x->theory->exact) Say(x, "           rate of the exact energy there %.4g\n", (double)exact);
  if (exact < rate.low || exact > rate.high)
    Say(x,
        "           outside of the interval: late means of few rare events come out low, and the fit's window, up to "
        "where the mean is known to %.0f%%, is chosen by them\n",
        100 * SYNC_CREDIBLE);
}

static PetscErrorCode ReportDecay(Report *x) {
  const SyncSamples *s = x->samples;
  Decay decay = FindDecay(x);
  const PetscReal from = decay.n >= FIT_FRAMES ? s->time[decay.first] : NAN;
  const PetscReal to = decay.n >= FIT_FRAMES ? s->time[decay.first + decay.n - 1] : NAN;
  FitValue rate;
  PetscReal exact;

  PetscFunctionBeginUser;
  PetscCall(FitDecay(x, &decay, &rate, &exact));
  if (isnan(rate.value))
    Say(x, "decay      no rate: under a half of the start, %d frames at least must have a mean known to %.0f%%\n",
        FIT_FRAMES, 100 * SYNC_CREDIBLE);
  else
    SayDecay(x, from, to, rate, exact);
  if (x->theorem.rate < 0 && !isnan(rate.value)) {
    const char *word = SyncVerdictWord(SyncCompareDecay(x->theory, s->realizations, rate, -x->theorem.rate));
    Say(x, "           the theorem's is at least %.4g: %s\n", (double)-x->theorem.rate, word);
    PetscCall(ResultsText(x->results, "decay_verdict", word));
  }
  PetscCall(ResultsFit(x->results, "decay", rate));
  PetscCall(ResultsScalar(x->results, "decay_exact", exact));
  PetscCall(ResultsScalar(x->results, "decay_from", from));
  PetscCall(ResultsScalar(x->results, "decay_to", to));
  PetscFunctionReturn(0);
}

/* ---- Lyapunov exponent ---- */

/* Of the twins, less what scatters about 0 (TwinsForesee). */
static PetscReal Growth(const SyncSamples *s, PetscInt r, PetscInt frame) {
  return Sample(s, r, frame, SYNC_GROWTH) - Sample(s, r, frame, SYNC_MARTINGALE);
}

/* Mean growth of the twins per time from one frame to another: values[R], their mean and standard error. */
static void Exponent(const SyncSamples *s, PetscInt from, PetscInt to, PetscReal values[], PetscReal *mean,
                     PetscReal *sem) {
  for (PetscInt r = 0; r < s->realizations; r++)
    values[r] = (Growth(s, r, to) - Growth(s, r, from)) / (s->time[to] - s->time[from]);
  FitMean(s->realizations, 1, values, mean, sem);
}

/* " 0.12 +- 0.03", or without its error when there is but one realization. */
static void SayMeasured(Report *x, PetscReal mean, PetscReal sem) {
  Say(x, " %.6g", (double)mean);
  if (!isnan(sem)) Say(x, " +- %.2g", (double)sem);
}

static void SayExponent(Report *x, PetscReal mean, PetscReal sem, PetscReal late, PetscReal late_sem) {
  const SyncTheory *t = x->theory;
  const PetscReal off = mean - t->lambda1;
  const SyncVerdict verdict = SyncCompareExponent(t, x->samples->realizations, mean, sem, t->lambda1);

  Say(x, "lambda1    measured");
  SayMeasured(x, mean, sem);
  if (t->value == 0) {
    Say(x, ", exact %.6g", (double)t->lambda1);
    if (sem > 0) Say(x, ": off by %+.2f standard errors", (double)(off / sem));
    if (t->kernel) Say(x, ", %+.2f%%", (double)(100 * off / fabs(t->lambda1)));
    Say(x, ": %s\n", SyncVerdictWord(verdict));
    if (verdict == SYNC_WITHIN_STEP)
      Say(x, "           more than chance, but steps of this size may do that: take more layers_depth\n");
    return;
  }
  Say(x, ", in the second half of the run");
  SayMeasured(x, late, late_sem);
  Say(x, "\n           exact: %.6g by the noise alone", (double)t->lambda1);
  if (!isnan(t->lambda1_cluster)) Say(x, ", %.6g once all tokens have met", (double)t->lambda1_cluster);
  Say(x, "\n");
}

static PetscErrorCode ReportExponent(Report *x) {
  const SyncSamples *s = x->samples;
  const PetscInt end = s->frames - 1, half = end / 2;
  const PetscInt64 shape[1] = {s->realizations};
  PetscReal *values, mean = NAN, sem = NAN, late = NAN, late_sem = NAN;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(s->realizations, &values));
  if (s->twins > 0) {
    Exponent(s, half, end, values, &late, &late_sem);
    Exponent(s, 0, end, values, &mean, &sem);
    SayExponent(x, mean, sem, late, late_sem);
    PetscCall(ResultsArray(x->results, "lambda1_realization", 1, shape, values));
  }
  PetscCall(PetscFree(values));
  PetscCall(ResultsScalar(x->results, "lambda1", mean));
  PetscCall(ResultsScalar(x->results, "lambda1_sem", sem));
  PetscCall(ResultsScalar(x->results, "lambda1_exact", x->theory->lambda1));
  if (x->theory->value == 0) {
    const SyncVerdict verdict = SyncCompareExponent(x->theory, s->realizations, mean, sem, x->theory->lambda1);
    PetscCall(ResultsText(x->results, "lambda1_verdict", SyncVerdictWord(verdict)));
  }
  PetscCall(ResultsScalar(x->results, "lambda1_late", late));
  PetscCall(ResultsScalar(x->results, "lambda1_late_sem", late_sem));
  PetscCall(ResultsScalar(x->results, "lambda1_cluster", x->theory->lambda1_cluster));
  PetscFunctionReturn(0);
}

/* ---- clusters ---- */

static PetscErrorCode ReportClusters(Report *x) {
  const SyncSamples *s = x->samples;
  const PetscInt last = (s->frames - 1) * SYNC_COLUMNS + SYNC_CLUSTERS, caps = s->frames * SYNC_COLUMNS;
  const PetscReal *cap = x->mean + caps;

  PetscFunctionBeginUser;
  Say(x, "clusters   %.4g at the end\n", (double)x->mean[last]);
  PetscCall(ResultsScalar(x->results, "clusters_end", x->mean[last]));
  PetscCall(ResultsScalar(x->results, "antipodal", x->theory->odd ? 1 : 0));
  if (!x->theory->odd) PetscFunctionReturn(0);
  Say(x,
      "           the noise is an odd field: its own attractor%s is two antipodal points, not one\n"
      "           share of the tokens in the larger cap %.4g, in the opposite one %.4g, in none %.4g\n",
      x->theory->value == 0 ? "" : ", without the attention,", (double)cap[SYNC_CAP_LARGE], (double)cap[SYNC_CAP_SMALL],
      (double)cap[SYNC_CAP_NONE]);
  PetscCall(ResultsScalar(x->results, "cap_large", cap[SYNC_CAP_LARGE]));
  PetscCall(ResultsScalar(x->results, "cap_small", cap[SYNC_CAP_SMALL]));
  PetscCall(ResultsScalar(x->results, "cap_none", cap[SYNC_CAP_NONE]));
  PetscFunctionReturn(0);
}

/* ---- table and arrays ---- */

static PetscErrorCode AddTable(Report *x) {
  const SyncSamples *s = x->samples;

  PetscFunctionBeginUser;
  for (PetscInt f = 0; f < s->frames; f++) {
    const PetscReal *mean = x->mean + f * SYNC_COLUMNS, *sem = x->sem + f * SYNC_COLUMNS;
    const PetscReal row[] = {s->time[f], mean[SYNC_ENERGY], sem[SYNC_ENERGY], x->samples->exact[f], x->bound[f]};
    PetscCall(ResultsRow(x->results, row));
  }
  PetscFunctionReturn(0);
}

/* One column of all frames: NAME_mean and NAME_sem. */
static PetscErrorCode AddColumn(Report *x, const char *name, PetscInt column, PetscReal *work) {
  const PetscInt frames = x->samples->frames;
  const PetscInt64 shape[1] = {frames};
  char key[64];

  PetscFunctionBeginUser;
  for (PetscInt f = 0; f < frames; f++) work[f] = x->mean[f * SYNC_COLUMNS + column];
  PetscCall(PetscSNPrintf(key, sizeof(key), "%s_mean", name));
  PetscCall(ResultsArray(x->results, key, 1, shape, work));
  for (PetscInt f = 0; f < frames; f++) work[f] = x->sem[f * SYNC_COLUMNS + column];
  PetscCall(PetscSNPrintf(key, sizeof(key), "%s_sem", name));
  PetscCall(ResultsArray(x->results, key, 1, shape, work));
  PetscFunctionReturn(0);
}

static PetscErrorCode AddArrays(Report *x) {
  const SyncSamples *s = x->samples;
  const PetscInt64 shape[1] = {s->frames};
  PetscReal *work;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(s->frames, &work));
  for (PetscInt f = 0; f < s->frames; f++) work[f] = (PetscReal)s->step[f];
  PetscCall(ResultsArray(x->results, "step", 1, shape, work));
  PetscCall(AddColumn(x, "order", SYNC_ORDER, work));
  PetscCall(AddColumn(x, "clusters", SYNC_CLUSTERS, work));
  if (s->twins > 0) {
    PetscCall(AddColumn(x, "growth", SYNC_GROWTH, work));
    PetscCall(AddColumn(x, "martingale", SYNC_MARTINGALE, work));
  }
  if (x->theory->pushes) PetscCall(AddColumn(x, "attention_push", SYNC_PUSH, work));
  PetscCall(PetscFree(work));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncReport(const SyncTheory *theory, const SyncSamples *samples, Results results) {
  Report x = {.theory = theory, .samples = samples, .results = results};

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(Width(samples), &x.mean, Width(samples), &x.sem, samples->frames, &x.bound));
  FitMean(samples->realizations, Width(samples), samples->all, x.mean, x.sem);
  Bound(&x);
  PetscCall(AddTable(&x));
  PetscCall(AddArrays(&x));
  PetscCall(ReportTheorem(&x));
  PetscCall(ReportEnergy(&x));
  PetscCall(ReportDecay(&x));
  PetscCall(ReportExponent(&x));
  PetscCall(ReportClusters(&x));
  PetscCall(ResultsSay(results, "%s", x.words));
  PetscCall(PetscFree3(x.mean, x.sem, x.bound));
  PetscFunctionReturn(0);
}
