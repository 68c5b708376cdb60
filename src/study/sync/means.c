/* Means over the realizations beside their exact values and under their bounds: in words, and as results. */
#include <math.h>

#include "study/sync/sync.h"

PetscReal SyncEnergyBound(const SyncTheory *theory, const SyncTheorem *theorem, const SyncMeans *means, PetscInt column,
                          PetscReal bound[]) {
  const PetscBool measured = isnan(theory->energy_start) ? PETSC_TRUE : PETSC_FALSE;
  const PetscReal start = measured ? means->mean[column] : theory->energy_start;
  const PetscBool known =
      theory->kernel && theory->lambda_bar < 0 && theorem->rate < INFINITY ? PETSC_TRUE : PETSC_FALSE;

  for (PetscInt f = 0; f < means->frames; f++) bound[f] = known ? exp(theorem->rate * means->time[f]) * start : NAN;
  return measured ? means->sem[column] / start : 0;
}

/* "1.23", or of deviations below and above a bound "1.23 standard errors below". */
static PetscErrorCode Say(const char *word, const SyncComparison *exact, const SyncComparison *bound, Results results) {
  const SyncVerdict verdicts[2] = {exact->verdict, bound->verdict};
  const char *above = bound->verdict == SYNC_AGREES      ? "within chance"
                      : bound->verdict == SYNC_DISAGREES ? "exceeds it"
                                                         : "not resolved";

  PetscFunctionBeginUser;
  if (!isnan(exact->off))
    PetscCall(ResultsSay(
        results, "%-10s at most %.2f standard errors off the exact value at %d times up to t = %.4g: %s\n", word,
        fabs((double)exact->off), (int)exact->frames, (double)exact->until, SyncVerdictWord(exact->verdict)));
  if (bound->off <= 0)
    PetscCall(ResultsSay(results, "%-10s always at least %.2f standard errors below the bound\n",
                         isnan(exact->off) ? word : "", (double)-bound->off));
  else if (bound->off > 0)
    PetscCall(ResultsSay(results, "%-10s at most %.2f standard errors above the bound: %s\n",
                         isnan(exact->off) ? word : "", (double)bound->off, above));
  for (int i = 0; i < 2; i++)
    if (verdicts[i] == SYNC_WITHIN_STEP)
      PetscCall(
          ResultsSay(results, "           what is more than chance may be the step's error: take more layers_depth\n"));
  PetscFunctionReturn(0);
}

static PetscErrorCode Scalar(Results results, const char *name, const char *suffix, PetscReal value) {
  char key[64];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(key, sizeof(key), "%s_%s", name, suffix));
  PetscCall(ResultsScalar(results, key, value));
  PetscFunctionReturn(0);
}

static PetscErrorCode Verdict(Results results, const char *name, SyncVerdict verdict) {
  char key[64];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(key, sizeof(key), "%s_verdict", name));
  PetscCall(ResultsText(results, key, SyncVerdictWord(verdict)));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncReportMeans(const SyncTheory *theory, const SyncMeans *means, const SyncKnown *known,
                               Results results) {
  const SyncComparison exact =
      SyncCompareMeans(means, known->column, known->unit, theory->bias, known->exact, 0, PETSC_FALSE);
  const SyncComparison bound =
      SyncCompareMeans(means, known->column, known->unit, theory->bias, known->bound, known->unsure, PETSC_TRUE);

  PetscFunctionBeginUser;
  PetscCall(Say(known->word, &exact, &bound, results));
  PetscCall(Scalar(results, known->name, "off", fabs(exact.off)));
  PetscCall(Scalar(results, known->name, "off_time", exact.time));
  PetscCall(Scalar(results, known->name, "resolved", exact.until));
  PetscCall(Verdict(results, known->name, exact.verdict));
  PetscCall(Scalar(results, known->bound_name, "excess", bound.off));
  PetscCall(Verdict(results, known->bound_name, bound.verdict));
  PetscFunctionReturn(0);
}
