/* Moment Lyapunov exponents Lambda(p) = lim 1/t log E|v_t|^p of the twins, beside those of the noise: NEIGHBOURS.md
 * (15.3), (15.9). A mean of |v|^p is one of rare paths: what realizations cannot show is said to be not resolved. */
#include <math.h>

#include "study/sync/sync.h"

#define SEEN 10 /* realizations at least, among which paths that make up the mean are to be expected */

PetscErrorCode SyncMomentsRead(Sync *sync) {
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(DeckHas("sync_moments", &given));
  if (!given) PetscFunctionReturn(0);
  sync->moments = SYNC_MOMENTS;
  PetscCall(DeckGetRealList("sync_moments", &sync->moments, sync->p));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncMomentsDeclare(const Sync *sync, Results results) {
  const Quantity moments = {"moment_log", .kind = QUANTITY_REALIZATION, .rank = 1, .shape = {sync->moments}};

  PetscFunctionBeginUser;
  if (sync->moments) PetscCall(ResultsDeclare(results, &moments));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncMomentsMeasure(Sync *sync, PetscInt f) {
  PetscFunctionBeginUser;
  if (f < RunGetFrames(sync->run)->count - 1) PetscFunctionReturn(0);
  for (PetscInt i = 0; i < sync->moments; i++)
    PetscCall(TwinsLogMoment(sync->twins, sync->p[i], &RunGetTail(sync->run)[SyncSpectrumEnd(sync) + i]));
  PetscFunctionReturn(0);
}

typedef struct {
  PetscReal value, sem, exact;
  PetscBool rare;
} Moment;

/* The mean is made by paths whose log|v| is p s sqrt(T) standard deviations above its mean, s^2 = k(1) + k'(1). */
static PetscErrorCode IsRare(const Sync *sync, PetscInt R, PetscReal p, PetscReal time, PetscBool *rare) {
  PetscReal k1 = 0, kp1 = 0;

  PetscFunctionBeginUser;
  if (sync->theory.kernel) PetscCall(KernelAtOne(sync->theory.kernel, &k1, &kp1));
  *rare = (PetscReal)R * 0.5 * erfc(fabs(p) * sqrt(0.5 * (k1 + kp1) * time)) < SEEN ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* value[R] <- what is left of it when its regression on the martingale, of mean 0, is taken off (NEIGHBOURS.md (15.9)).
 */
static void TakeOffMartingale(const Samples *samples, PetscReal value[]) {
  const PetscInt R = samples->realizations;
  const PetscReal *martingale =
      samples->all + (size_t)(samples->frames->count - 1) * (size_t)samples->columns + SYNC_MARTINGALE;
  PetscReal centre, squares, mean, along = 0;

  (void)FitMoments(R, (size_t)samples->width, martingale, &centre, &squares);
  if (R < SEEN || !(squares > 0)) return;
  FitMean(R, 1, value, &mean, NULL);
  for (PetscInt r = 0; r < R; r++)
    along += (value[r] - mean) * (martingale[(size_t)r * (size_t)samples->width] - centre);
  for (PetscInt r = 0; r < R; r++) value[r] -= along / squares * martingale[(size_t)r * (size_t)samples->width];
}

/* log of the mean over the realizations, per time, from logarithms: the largest is taken out. */
static PetscErrorCode Estimate(const Sync *sync, const Samples *samples, PetscInt i, Moment *moment) {
  const PetscInt R = samples->realizations, frames = samples->frames->count;
  const PetscReal time = samples->frames->time[frames - 1];
  PetscReal *value, mean, sem, most = -PETSC_INFINITY;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(R, &value));
  for (PetscInt r = 0; r < R; r++) {
    value[r] =
        samples
            ->all[(size_t)r * (size_t)samples->width + (size_t)(frames * samples->columns + SyncSpectrumEnd(sync) + i)];
    most = PetscMax(most, value[r]);
  }
  for (PetscInt r = 0; r < R; r++) value[r] = exp(value[r] - most);
  TakeOffMartingale(samples, value);
  FitMean(R, 1, value, &mean, &sem);
  moment->value = (most + log(mean)) / time;
  moment->sem = sem / mean / time;
  moment->exact = 0;
  if (sync->theory.kernel) PetscCall(KernelMomentExponent(sync->theory.kernel, sync->p[i], &moment->exact));
  PetscCall(IsRare(sync, R, sync->p[i], time, &moment->rare));
  PetscCall(PetscFree(value));
  PetscFunctionReturn(0);
}

static PetscErrorCode Say(const Sync *sync, PetscInt R, PetscReal p, Moment moment, Results results) {
  SyncTheory theory = sync->theory;

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "moment     Lambda(%.6g) measured %.6g", (double)p, (double)moment.value));
  if (!isnan(moment.sem)) PetscCall(ResultsSay(results, " +- %.2g", (double)moment.sem));
  PetscCall(
      ResultsSay(results, ", exact%s %.6g", theory.value == 0 ? "" : " by the noise alone", (double)moment.exact));
  if (moment.rare) {
    PetscCall(ResultsSay(results, ": not resolved, rare paths make the mean; take more realizations or a shorter run"));
  } else if (theory.value == 0) {
    theory.bias *= PetscMax(1, p * p);
    PetscCall(ResultsSay(results, ": %s",
                         SyncVerdictWord(SyncCompareExponent(&theory, R, moment.value, moment.sem, moment.exact))));
  }
  PetscCall(ResultsSay(results, "\n"));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncMomentsReport(const Sync *sync, const Samples *samples, Results results) {
  const PetscInt64 n = sync->moments;
  PetscReal value[SYNC_MOMENTS], sem[SYNC_MOMENTS], exact[SYNC_MOMENTS], rare[SYNC_MOMENTS];
  Moment moment;

  PetscFunctionBeginUser;
  if (!n) PetscFunctionReturn(0);
  for (PetscInt i = 0; i < n; i++) {
    PetscCall(Estimate(sync, samples, i, &moment));
    PetscCall(Say(sync, samples->realizations, sync->p[i], moment, results));
    value[i] = moment.value, sem[i] = moment.sem, exact[i] = moment.exact, rare[i] = moment.rare ? 1 : 0;
  }
  PetscCall(ResultsArray(results, "moment_p", 1, &n, sync->p));
  PetscCall(ResultsArray(results, "moment", 1, &n, value));
  PetscCall(ResultsArray(results, "moment_sem", 1, &n, sem));
  PetscCall(ResultsArray(results, "moment_exact", 1, &n, exact));
  PetscCall(ResultsArray(results, "moment_rare", 1, &n, rare));
  PetscFunctionReturn(0);
}
