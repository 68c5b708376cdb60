/* All d - 1 Lyapunov exponents, by d - 1 twins of each token, beside those of the noise: NEIGHBOURS.md section 15. */
#include <math.h>

#include "study/sync/sync.h"

PetscErrorCode SyncSpectrumDeclare(const Sync *sync, Results results) {
  const Quantity growth = {"spectrum_growth", .kind = QUANTITY_REALIZATION, .rank = 2,
                           .shape = {SYNC_HALVES, sync->exponents}};

  PetscFunctionBeginUser;
  PetscCall(ResultsDeclare(results, &growth));
  PetscFunctionReturn(0);
}

static PetscInt FrameOf(PetscInt half, PetscInt frames) {
  return half == SYNC_END ? frames - 1 : (frames - 1) / 2;
}

void SyncSpectrumMeasure(Sync *sync, PetscInt f) {
  const PetscReal *growth = TwinsGrowth(sync->twins);
  PetscReal *tail = RunGetTail(sync->run) + SYNC_TAIL;

  for (PetscInt half = 0; half < SYNC_HALVES; half++)
    for (PetscInt j = 0; j < sync->exponents && f == FrameOf(half, RunGetFrames(sync->run)->count); j++)
      tail[half * sync->exponents + j] =
          growth[j * TWINS_GROWTH + TWINS_TOTAL] - growth[j * TWINS_GROWTH + TWINS_MARTINGALE];
}

/* Exponents over a part of the run, means over the realizations and standard errors. */
typedef struct {
  PetscReal *mean, *sem; /* [exponents] */
} Exponents;

/* From the middle frame or, late false, from the start. */
static PetscErrorCode Measure(const Sync *sync, const Samples *samples, PetscBool late, Exponents found) {
  const Frames *frames = samples->frames;
  const PetscInt E = sync->exponents, R = samples->realizations, middle = FrameOf(SYNC_MIDDLE, frames->count);
  const PetscReal end = frames->time[frames->count - 1], time = late ? end - frames->time[middle] : end;
  PetscReal *values;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)R * (size_t)E, &values));
  for (PetscInt r = 0; r < R; r++) {
    const PetscReal *growth =
        samples->all + (size_t)r * (size_t)samples->width + (size_t)(frames->count * samples->columns + SYNC_TAIL);
    for (PetscInt j = 0; j < E; j++)
      values[r * E + j] = (growth[SYNC_END * E + j] - (late ? growth[SYNC_MIDDLE * E + j] : 0)) / time;
  }
  FitMean(R, E, values, found.mean, found.sem);
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

static PetscErrorCode Array(Results results, const char *name, PetscInt n, const PetscReal values[]) {
  PetscFunctionBeginUser;
  PetscCall(ResultsArray(results, name, 1, (PetscInt64[]){n}, values));
  PetscFunctionReturn(0);
}

/* Without attention: how far the worst is off, and the verdict of all. */
static PetscErrorCode Compare(const Sync *sync, PetscInt R, Exponents all, const PetscReal exact[], Results results) {
  PetscReal worst = NAN;
  SyncVerdict verdict = SYNC_UNRESOLVED;

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < sync->exponents; j++) {
    const PetscReal off = fabs(all.mean[j] - exact[j]) / all.sem[j];
    if (all.sem[j] > 0 && !(off <= worst)) worst = off;
    verdict = PetscMax(verdict, SyncCompareExponent(&sync->theory, R, all.mean[j], all.sem[j], exact[j]));
  }
  PetscCall(ResultsScalar(results, "spectrum_off", worst));
  PetscCall(ResultsText(results, "spectrum_verdict", SyncVerdictWord(verdict)));
  if (!isnan(worst))
    PetscCall(ResultsSay(results, "           at most %.2f standard errors off the exact ones: %s\n", (double)worst,
                         SyncVerdictWord(verdict)));
  PetscFunctionReturn(0);
}

static PetscErrorCode Say(Results results, const char *what, PetscInt n, const PetscReal values[]) {
  enum { SHOWN = 8 };

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "%s", what));
  for (PetscInt j = 0; j < PetscMin(n, SHOWN); j++) PetscCall(ResultsSay(results, " %.5g", (double)values[j]));
  PetscCall(ResultsSay(results, "%s\n", n > SHOWN ? " ..." : ""));
  PetscFunctionReturn(0);
}

/* Those of the noise, and once all tokens have met: attention takes the same from each. */
static PetscErrorCode Theory(const Sync *sync, PetscReal exact[], PetscReal cluster[]) {
  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < sync->exponents; j++) exact[j] = 0;
  if (sync->theory.kernel) PetscCall(KernelSpectrum(sync->theory.kernel, exact));
  for (PetscInt j = 0; j < sync->exponents; j++)
    cluster[j] = exact[j] + sync->theory.lambda1_cluster - sync->theory.lambda1;
  PetscFunctionReturn(0);
}

PetscErrorCode SyncSpectrumReport(const Sync *sync, const Samples *samples, Results results) {
  const PetscInt E = sync->exponents;
  Exponents all, late;
  PetscReal *exact, *cluster;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc6(E, &all.mean, E, &all.sem, E, &late.mean, E, &late.sem, E, &exact, E, &cluster));
  PetscCall(Theory(sync, exact, cluster));
  PetscCall(Measure(sync, samples, PETSC_FALSE, all));
  PetscCall(Measure(sync, samples, PETSC_TRUE, late));
  PetscCall(Say(results, "spectrum   measured", E, all.mean));
  PetscCall(Say(results, "           exact, of the noise alone", E, exact));
  if (sync->theory.value == 0) PetscCall(Compare(sync, samples->realizations, all, exact, results));
  PetscCall(ResultsSay(results, "           Kaplan-Yorke dimension %.5g\n", (double)KaplanYorke(E, all.mean)));
  PetscCall(Array(results, "spectrum", E, all.mean));
  PetscCall(Array(results, "spectrum_sem", E, all.sem));
  PetscCall(Array(results, "spectrum_late", E, late.mean));
  PetscCall(Array(results, "spectrum_late_sem", E, late.sem));
  PetscCall(Array(results, "spectrum_exact", E, exact));
  PetscCall(Array(results, "spectrum_cluster", E, cluster));
  PetscCall(ResultsScalar(results, "kaplan_yorke", KaplanYorke(E, all.mean)));
  PetscCall(ResultsScalar(results, "kaplan_yorke_exact", KaplanYorke(E, exact)));
  PetscCall(PetscFree6(all.mean, all.sem, late.mean, late.sem, exact, cluster));
  PetscFunctionReturn(0);
}
