/* What may be said about the numbers of a run of sync: of the theorem, from bounds that are proved on the right side;
 * of means beside what theory knows of them, only as far as they are resolved (VERDICTS.md).
 *
 * Means of energies. The logarithm of a mean of positive numbers is closer to normal than the mean where it is low, as
 * its error is then estimated too small; where it is high the mean is the more cautious. Late in a run the mean is that
 * of rare events which few realizations show, so the comparison ends with the first frame whose standard error is above
 * SYNC_CREDIBLE of its mean. Frames in between are not chosen: those that come out with a small error by chance are the
 * ones whose mean is too low. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "law/stats/interval.h"
#include "study/sync/sync.h"

#define CHANCE    4    /* normal standard deviations that chance may reach, over all frames of a run */
#define ORACLE    1e-9 /* of e^beta: digits of the exact energy (chorale/twopoint.h) */
#define GROWTH    4 /* biases of an exponent in the logarithm of the energy per time: it is of second order in lengths */
#define STEP_FLOW 0.1 /* measured on seven kernels in d = 2 .. 5: at most 0.05 for flow, 0.3 for the others */
#define STEP      0.5

/* Rate at which the noise stirs tokens; attention adds its own. */
PetscErrorCode SyncStepBias(const SyncTheory *theory, const ModelOptions *options, PetscReal *bias) {
  PetscReal k1 = 0, kp1 = 0;

  PetscFunctionBeginUser;
  if (theory->kernel) PetscCall(KernelAtOne(theory->kernel, &k1, &kp1));
  const PetscReal rate = (PetscReal)options->start.dim * (k1 + kp1) + theory->strength;
  *bias = (strcmp(options->scheme.type, "flow") ? STEP : STEP_FLOW) * rate * rate * ModelStepSize(options);
  PetscFunctionReturn(0);
}

static void Words(SyncTheorem *theorem, const char *word, const char *sentence) {
  theorem->word = word;
  (void)snprintf(theorem->sentence, sizeof(theorem->sentence), "%s", sentence);
}

SyncTheorem SyncJudgeTheorem(const SyncTheory *theory, PetscReal measured) {
  const PetscReal low = measured > theory->epsilon_low ? measured : theory->epsilon_low;
  SyncTheorem theorem = {.rate = theory->epsilon_high + theory->rate_bound};
  char text[sizeof(theorem.sentence)];

  if (!theory->kernel) {
    Words(&theorem, "does not apply", "the theorem does not apply: there is no noise");
  } else if (!(theory->lambda_bar < 0)) {
    Words(&theorem, "does not apply",
          "the theorem does not apply: lambda_bar >= 0; it neither proves nor excludes synchronization");
  } else if (theorem.rate < 0) {
    (void)snprintf(text, sizeof(text), "the theorem applies: it proves synchronization, at the rate %.6g at least",
                   (double)-theorem.rate);
    Words(&theorem, "applies", text);
  } else if (low + theory->lambda_rate >= 0) {
    Words(&theorem, "does not apply",
          "the theorem does not apply: epsilon + lambda_bar' >= 0; it neither proves nor excludes synchronization");
  } else {
    (void)snprintf(text, sizeof(text),
                   "open: the theorem applies if epsilon < %.6g, which lies between the bounds of epsilon",
                   (double)-theory->rate_bound);
    Words(&theorem, "open", text);
  }
  return theorem;
}

/* In standard errors, of the mean above and of its logarithm below; NaN where there is none. */
static PetscReal Deviation(PetscReal mean, PetscReal sem, PetscReal exact) {
  if (!(sem > 0 && mean > 0 && exact > 0)) return NAN;
  return mean > exact ? (mean - exact) / sem : log(mean / exact) * mean / sem;
}

static PetscBool IsCredible(PetscReal unit, PetscReal mean, PetscReal sem) {
  return mean >= SYNC_ROUNDING * unit && !(sem > SYNC_CREDIBLE * mean) ? PETSC_TRUE : PETSC_FALSE;
}

PetscBool SyncIsCredible(PetscReal beta, PetscReal mean, PetscReal sem) {
  return IsCredible(exp(beta), mean, sem);
}

/* Is mean beyond exact, on the sides asked for, by more than chance, and by more than chance and what is known of the
 * errors of both together? Raises *verdict. */
static void Decide(PetscInt R, PetscReal off, PetscReal slack, PetscBool one_sided, SyncVerdict *verdict) {
  const PetscReal beyond = one_sided ? off : fabs(off);

  if (isnan(off)) return;
  *verdict = PetscMax(*verdict, SYNC_AGREES);
  if (!(beyond > 0) || IntervalDeviation(R, beyond) <= CHANCE) return;
  if (beyond <= slack || IntervalDeviation(R, beyond - slack) <= CHANCE)
    *verdict = PetscMax(*verdict, SYNC_WITHIN_STEP);
  else
    *verdict = SYNC_DISAGREES;
}

SyncComparison SyncCompareMeans(const SyncMeans *means, PetscInt column, PetscReal unit, PetscReal bias,
                                const PetscReal theory[], PetscReal unsure, PetscBool one_sided) {
  const PetscReal *time = means->time;
  SyncComparison found = {.off = NAN, .time = NAN, .until = NAN, .verdict = SYNC_UNRESOLVED};

  for (PetscInt f = 0; f < means->frames; f++) {
    const PetscReal m = means->mean[f * means->stride + column];
    const PetscReal s = hypot(means->sem[f * means->stride + column], unsure * m), off = Deviation(m, s, theory[f]);
    if (means->R < 2 || !IsCredible(unit, m, s) || isnan(theory[f])) break;
    if (one_sided && time[f] == 0) continue; /* the bound begins at the energy itself */
    found.frames++;
    found.until = time[f];
    const PetscReal slack = (GROWTH * bias * time[f] * m + ORACLE * unit) / s;
    if (means->R >= INTERVAL_LEAST) Decide(means->R, off, slack, one_sided, &found.verdict);
    if (isnan(off) || (!isnan(found.off) && !(one_sided ? off > found.off : fabs(off) > fabs(found.off)))) continue;
    found.off = off;
    found.time = time[f];
  }
  return found;
}

SyncVerdict SyncCompareExponent(const SyncTheory *theory, PetscInt R, PetscReal mean, PetscReal sem, PetscReal exact) {
  SyncVerdict verdict = SYNC_UNRESOLVED;

  if (R >= INTERVAL_LEAST && sem > 0) Decide(R, (mean - exact) / sem, theory->bias / sem, PETSC_FALSE, &verdict);
  return verdict;
}

/* The mean energy falls at this rate at least at all times, so over any window. */
SyncVerdict SyncCompareDecay(const SyncTheory *theory, PetscInt R, FitValue decay, PetscReal least) {
  const PetscReal error = (decay.high - decay.low) / (2 * IntervalFactor(R));
  SyncVerdict verdict = SYNC_UNRESOLVED;

  if (error > 0) Decide(R, (least - decay.value) / error, GROWTH * theory->bias / error, PETSC_TRUE, &verdict);
  return verdict;
}

const char *SyncVerdictWord(SyncVerdict verdict) {
  return verdict == SYNC_AGREES ? "agrees" : verdict == SYNC_DISAGREES ? "does not agree" : "not resolved";
}
