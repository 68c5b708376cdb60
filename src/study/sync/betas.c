/* The energies E_beta of several beta: the theorem holds for each with its own lambda_bar'(beta) and epsilon(beta), and
 * the best of its rates is that of the least sum (THEORY.md (5.10)). */
#include <math.h>

#include "study/sync/sync.h"

PetscErrorCode SyncBetasCreate(Sync *sync, const ModelOptions *options) {
  PetscReal beta[SYNC_BETAS];
  PetscInt n = SYNC_BETAS;

  PetscFunctionBeginUser;
  PetscCall(DeckGetRealList("energy_beta", &n, beta));
  sync->betas = n > 1 ? n : 0;
  for (PetscInt k = 0; k < sync->betas; k++) {
    ModelOptions own = *options;
    PetscCall(ModelCheckEnergyBeta(beta[k]));
    own.attention.energy_beta = beta[k];
    PetscCall(SyncTheoryCreate(sync->noise, sync->set.attention, &own, &sync->beta[k].theory));
    if (k == 0) continue;
    own.attention.type = "none";
    own.attention.mask = "none";
    own.attention.weights[0] = '\0';
    own.attention.beta = beta[k];
    PetscCall(AttentionCreate(sync->set.tokens, &own.attention, &sync->beta[k].energy));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode SyncBetasDestroy(Sync *sync) {
  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < sync->betas; k++) {
    PetscCall(PetscFree(sync->beta[k].exact));
    PetscCall(AttentionDestroy(&sync->beta[k].energy));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode SyncBetasDeclare(const Sync *sync, Results results) {
  const Quantity energies = {"beta_energy", .kind = QUANTITY_FRAME, .rank = 1, .shape = {sync->betas}};

  PetscFunctionBeginUser;
  if (sync->betas) PetscCall(ResultsDeclare(results, &energies));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncBetasPrepare(Sync *sync) {
  const Frames *frames = RunGetFrames(sync->run);

  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < sync->betas; k++) {
    PetscCall(PetscMalloc1(frames->count, &sync->beta[k].exact));
    if (k == 0)
      PetscCall(PetscArraycpy(sync->beta[k].exact, sync->exact, frames->count));
    else
      PetscCall(SyncTheoryEnergy(&sync->beta[k].theory, sync->count, sync->layout.world, frames->count, frames->time,
                                 sync->beta[k].exact));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode SyncBetasMeasure(Sync *sync, PetscReal values[]) {
  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < sync->betas; k++) {
    if (k == 0)
      values[SYNC_COLUMNS] = values[SYNC_ENERGY];
    else
      PetscCall(AttentionEnergy(sync->beta[k].energy, sync->set.tokens, &values[SYNC_COLUMNS + k]));
  }
  PetscFunctionReturn(0);
}

/* Numbers of each beta, and [frames][betas]. */
enum { OFF, EXCESS, RATE, RATE_BOUND, EPSILON, EPSILON_LOW, SUM, APPLIES, NUMBERS };
enum { MEAN, SEM, EXACT, BOUND, PAIR_BOUND, ARRAYS };
typedef struct {
  PetscReal beta[SYNC_BETAS], number[NUMBERS][SYNC_BETAS];
  PetscReal *array[ARRAYS];
  SyncTheorem theorem[SYNC_BETAS];
  SyncVerdict exact, bound; /* of all energies together */
} Found;

/* -1, 0, 1 for "does not apply", "open", "applies". */
static PetscReal Applies(const SyncTheorem *theorem) {
  return theorem->word[0] == 'a' ? 1 : theorem->word[0] == 'o' ? 0 : -1;
}

static void Judge(const Sync *sync, PetscInt k, Found *found) {
  const SyncTheory *theory = &sync->beta[k].theory;

  found->beta[k] = theory->beta;
  found->theorem[k] = SyncJudgeTheorem(theory, NAN);
  found->number[RATE][k] = theory->lambda_rate;
  found->number[RATE_BOUND][k] = theory->rate_bound;
  found->number[EPSILON][k] = theory->epsilon_high;
  found->number[EPSILON_LOW][k] = theory->epsilon_low;
  found->number[SUM][k] = found->theorem[k].rate;
  found->number[APPLIES][k] = Applies(&found->theorem[k]);
}

/* The energy of beta k over the frames beside its exact value and under its bound. */
static PetscErrorCode Compare(const Sync *sync, const SyncMeans *means, PetscInt k, Found *found) {
  const SyncTheory *theory = &sync->beta[k].theory;
  const PetscInt column = SYNC_COLUMNS + k;
  const PetscReal unit = exp(theory->beta);
  PetscReal *bound;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(means->frames, &bound));
  const PetscReal unsure = SyncEnergyBound(theory, &found->theorem[k], means, column, bound);
  for (PetscInt f = 0; f < means->frames; f++) {
    const PetscInt at = f * sync->betas + k;
    found->array[MEAN][at] = means->mean[f * means->stride + column];
    found->array[SEM][at] = means->sem[f * means->stride + column];
    found->array[EXACT][at] = sync->beta[k].exact[f];
    found->array[BOUND][at] = bound[f];
    found->array[PAIR_BOUND][at] = SyncPairFactor(theory->beta) * bound[f];
  }
  const SyncComparison exact = SyncCompareMeans(means, column, unit, theory->bias, sync->beta[k].exact, 0, PETSC_FALSE);
  const SyncComparison above = SyncCompareMeans(means, column, unit, theory->bias, bound, unsure, PETSC_TRUE);
  PetscCall(PetscFree(bound));
  found->number[OFF][k] = fabs(exact.off);
  found->number[EXCESS][k] = above.off;
  found->exact = PetscMax(found->exact, exact.verdict);
  found->bound = PetscMax(found->bound, above.verdict);
  PetscFunctionReturn(0);
}

static PetscErrorCode Say(const Sync *sync, const Found *found, PetscInt best, Results results) {
  const SyncTheorem *theorem = &found->theorem[best];

  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < sync->betas; k++)
    PetscCall(ResultsSay(results, "%-10s beta %.6g: lambda_bar'(beta) %.6g, epsilon at most %.6g: %s\n",
                         k ? "" : "energies", (double)found->beta[k], (double)found->number[RATE_BOUND][k],
                         (double)found->number[EPSILON][k], found->theorem[k].word));
  if (!sync->theory.kernel || !(sync->theory.lambda_bar < 0)) PetscFunctionReturn(0);
  PetscCall(
      ResultsSay(results, "           means of all energies under their bounds: %s\n", SyncVerdictWord(found->bound)));
  PetscCall(ResultsSay(results, "           best at beta %.6g: %s\n", (double)found->beta[best], theorem->sentence));
  PetscFunctionReturn(0);
}

static PetscErrorCode Write(const Sync *sync, const Found *found, PetscInt frames, PetscInt best, Results results) {
  static const char *const numbers[NUMBERS] = {
      "beta_energy_off", "beta_bound_excess", "beta_lambda_rate", "beta_lambda_rate_bound",
      "beta_epsilon",    "beta_epsilon_low",  "beta_rate",        "beta_applies"};
  static const char *const arrays[ARRAYS] = {"beta_energy_mean", "beta_energy_sem", "beta_energy_exact",
                                             "beta_energy_bound", "beta_pair_bound"};
  const PetscInt64 n = sync->betas;

  PetscFunctionBeginUser;
  PetscCall(ResultsArray(results, "beta", 1, &n, found->beta));
  for (int i = 0; i < NUMBERS; i++) PetscCall(ResultsArray(results, numbers[i], 1, &n, found->number[i]));
  for (int i = 0; i < ARRAYS; i++)
    PetscCall(ResultsArray(results, arrays[i], 2, (PetscInt64[]){frames, n}, found->array[i]));
  PetscCall(ResultsScalar(results, "beta_best", found->beta[best]));
  PetscCall(ResultsScalar(results, "beta_best_rate", found->theorem[best].rate));
  PetscCall(ResultsText(results, "beta_best_theorem", found->theorem[best].word));
  PetscCall(ResultsText(results, "beta_energy_verdict", SyncVerdictWord(found->exact)));
  PetscCall(ResultsText(results, "beta_bound_verdict", SyncVerdictWord(found->bound)));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncBetasReport(const Sync *sync, const SyncMeans *means, Results results) {
  const size_t size = (size_t)means->frames * (size_t)sync->betas;
  PetscInt best = 0;
  Found found = {.exact = SYNC_UNRESOLVED, .bound = SYNC_UNRESOLVED};

  PetscFunctionBeginUser;
  if (!sync->betas) PetscFunctionReturn(0);
  for (int i = 0; i < ARRAYS; i++) PetscCall(PetscMalloc1(size, &found.array[i]));
  for (PetscInt k = 0; k < sync->betas; k++) {
    Judge(sync, k, &found);
    PetscCall(Compare(sync, means, k, &found));
    if (found.theorem[k].rate < found.theorem[best].rate) best = k;
  }
  PetscCall(Say(sync, &found, best, results));
  PetscCall(Write(sync, &found, means->frames, best, results));
  for (int i = 0; i < ARRAYS; i++) PetscCall(PetscFree(found.array[i]));
  PetscFunctionReturn(0);
}
