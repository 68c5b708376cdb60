/* The mean square distance of pairs beside its exact value, THEORY.md (6.8), and under the bound (8.3) by the energy's.
 */
#include "study/sync/sync.h"

#define UNIT 2 /* mean square distance of uniform tokens */

PetscErrorCode SyncPairsReport(const Sync *sync, const SyncMeans *means, const SyncKnown *energy, Results results) {
  const PetscReal factor = SyncPairFactor(sync->theory.beta);
  PetscReal *bound;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(means->frames, &bound));
  for (PetscInt f = 0; f < means->frames; f++) bound[f] = factor * energy->bound[f];
  const SyncKnown pairs = {.word = "pairs",
                           .name = "pair",
                           .bound_name = "pair_bound",
                           .column = SYNC_PAIR,
                           .unit = UNIT,
                           .exact = sync->pair_exact,
                           .bound = bound,
                           .unsure = energy->unsure};
  PetscCall(SyncReportMeans(&sync->theory, means, &pairs, results));
  PetscCall(PetscFree(bound));
  PetscFunctionReturn(0);
}
