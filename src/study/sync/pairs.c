/* Means beside an exact value and under a bound in words, and the mean square distance of pairs: THEORY.md (8.3),
 * (6.8).
 */
#include <math.h>

#include "study/sync/sync.h"

#define UNIT 2 /* mean square distance of uniform tokens */

/* "1.23", or of deviations below and above a bound "1.23 standard errors below". */
PetscErrorCode SyncSayComparisons(Results results, const char *word, const SyncComparison *exact,
                                  const SyncComparison *bound) {
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

PetscErrorCode SyncPairsReport(const Sync *sync, const SyncMeans *means, const PetscReal energy_bound[],
                               Results results) {
  const PetscReal start = means->sem[SYNC_ENERGY] / means->mean[SYNC_ENERGY];
  const PetscReal unsure = isnan(sync->theory.energy_start) ? start : 0, factor = SyncPairFactor(sync->theory.beta);
  PetscReal *bounds;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(means->frames, &bounds));
  for (PetscInt f = 0; f < means->frames; f++) bounds[f] = factor * energy_bound[f];
  const SyncComparison exact =
      SyncCompareMeans(means, SYNC_PAIR, UNIT, sync->theory.bias, sync->pair_exact, 0, PETSC_FALSE);
  const SyncComparison bound = SyncCompareMeans(means, SYNC_PAIR, UNIT, sync->theory.bias, bounds, unsure, PETSC_TRUE);
  PetscCall(PetscFree(bounds));
  PetscCall(SyncSayComparisons(results, "pairs", &exact, &bound));
  PetscCall(ResultsScalar(results, "pair_off", fabs(exact.off)));
  PetscCall(ResultsScalar(results, "pair_off_time", exact.time));
  PetscCall(ResultsScalar(results, "pair_resolved", exact.until));
  PetscCall(ResultsText(results, "pair_verdict", SyncVerdictWord(exact.verdict)));
  PetscCall(ResultsScalar(results, "pair_bound_excess", bound.off));
  PetscCall(ResultsText(results, "pair_bound_verdict", SyncVerdictWord(bound.verdict)));
  PetscFunctionReturn(0);
}
