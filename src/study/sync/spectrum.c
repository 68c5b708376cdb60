/* Lyapunov exponents beyond the first, NEIGHBOURS.md section 15: all d - 1 of a token, by as many twins, and the
 * largest of the whole system, by copies of it. Beside them what is exact. */
#include <math.h>

#include "study/sync/sync.h"

/* Exponents of one kind. */
typedef struct {
  const char *name, *title; /* in the file and in words */
  PetscInt n, at;           /* how many, and where the tail has their growth [SYNC_HALVES][n] */
  const PetscReal *growth;  /* now: [n][TWINS_GROWTH] */
} Kind;

enum { OF_TOKENS, OF_SYSTEM, KINDS };

static Kind KindOf(const Sync *sync, int kind) {
  const PetscInt tokens = sync->spectrum ? sync->exponents : 0;

  if (kind == OF_TOKENS) return (Kind){"spectrum", "spectrum ", tokens, SYNC_TAIL, TwinsGrowth(sync->twins)};
  return (Kind){"exponents", "exponents", sync->copies_count, SYNC_TAIL + SYNC_HALVES * tokens,
                sync->copies ? CopiesGrowth(sync->copies) : NULL};
}

PetscInt SyncSpectrumEnd(const Sync *sync) {
  const Kind last = KindOf(sync, OF_SYSTEM);
  return last.at + SYNC_HALVES * last.n;
}

PetscErrorCode SyncSpectrumDeclare(const Sync *sync, Results results) {
  PetscFunctionBeginUser;
  for (int i = 0; i < KINDS; i++) {
    const Kind kind = KindOf(sync, i);
    const Quantity growth = {i == OF_TOKENS ? "spectrum_growth" : "exponents_growth", .kind = QUANTITY_REALIZATION,
                             .rank = 2, .shape = {SYNC_HALVES, kind.n}};
    if (kind.n) PetscCall(ResultsDeclare(results, &growth));
  }
  PetscFunctionReturn(0);
}

static PetscInt FrameOf(PetscInt half, PetscInt frames) {
  return half == SYNC_END ? frames - 1 : (frames - 1) / 2;
}

void SyncSpectrumMeasure(Sync *sync, PetscInt f) {
  const PetscInt frames = RunGetFrames(sync->run)->count;

  for (int i = 0; i < KINDS; i++) {
    const Kind kind = KindOf(sync, i);
    PetscReal *tail = RunGetTail(sync->run) + kind.at;
    for (PetscInt half = 0; half < SYNC_HALVES; half++)
      for (PetscInt j = 0; j < kind.n && f == FrameOf(half, frames); j++) {
        const PetscReal *growth = kind.growth + j * TWINS_GROWTH;
        tail[half * kind.n + j] = growth[TWINS_TOTAL] - growth[TWINS_MARTINGALE];
      }
  }
}

/* Over a part of the run: means over the realizations and standard errors. */
typedef struct {
  PetscReal *mean, *sem; /* [n] */
} Measured;

/* From the middle frame or, late false, from the start. */
static PetscErrorCode Measure(const Kind *kind, const Samples *samples, PetscBool late, Measured found) {
  const Frames *frames = samples->frames;
  const PetscInt n = kind->n, R = samples->realizations, middle = FrameOf(SYNC_MIDDLE, frames->count);
  const PetscReal end = frames->time[frames->count - 1], time = late ? end - frames->time[middle] : end;
  PetscReal *values;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)R * (size_t)n, &values));
  for (PetscInt r = 0; r < R; r++) {
    const PetscReal *growth =
        samples->all + (size_t)r * (size_t)samples->width + (size_t)(frames->count * samples->columns + kind->at);
    for (PetscInt j = 0; j < n; j++)
      values[r * n + j] = (growth[SYNC_END * n + j] - (late ? growth[SYNC_MIDDLE * n + j] : 0)) / time;
  }
  FitMean(R, n, values, found.mean, found.sem);
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

/* Those of a token in the noise alone. */
static PetscErrorCode NoiseSpectrum(const Sync *sync, PetscInt dim, PetscReal exact[]) {
  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < dim - 1; j++) exact[j] = 0;
  if (sync->theory.kernel) PetscCall(KernelSpectrum(sync->theory.kernel, exact));
  PetscFunctionReturn(0);
}

/* Once all tokens have met, attention takes the same from every exponent across their motion as one. Of a token, or the
 * n largest of the system: d - 1 of the motion as one, N - 1 times those across it. NEIGHBOURS.md (15.8). */
static PetscErrorCode ClusterSpectrum(const Sync *sync, PetscInt dim, const PetscReal noise[], PetscBool system,
                                      PetscInt n, PetscReal cluster[]) {
  const PetscReal attention = sync->theory.lambda1_cluster - sync->theory.lambda1;
  const PetscInt64 across = sync->count - 1;
  PetscInt own = 0, other = 0;
  PetscInt64 repeated = 0;

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < n; j++) {
    if (isnan(attention) || !system) {
      cluster[j] = attention + (system ? 0 : noise[j]);
    } else if (own < dim - 1 && (other == dim - 1 || !across || noise[own] >= noise[other] + attention)) {
      cluster[j] = noise[own++];
    } else {
      cluster[j] = noise[other] + attention;
      if (++repeated == across) other++, repeated = 0;
    }
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Array(Results results, const Kind *kind, const char *suffix, const PetscReal values[]) {
  char name[32];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(name, sizeof(name), "%s%s", kind->name, suffix));
  PetscCall(ResultsArray(results, name, 1, (PetscInt64[]){kind->n}, values));
  PetscFunctionReturn(0);
}

static PetscErrorCode Say(Results results, const char *title, const char *what, PetscInt n, const PetscReal values[]) {
  enum { SHOWN = 8 };

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "%s  %s", title, what));
  for (PetscInt j = 0; j < PetscMin(n, SHOWN); j++) PetscCall(ResultsSay(results, " %.5g", (double)values[j]));
  PetscCall(ResultsSay(results, "%s\n", n > SHOWN ? " ..." : ""));
  PetscFunctionReturn(0);
}

/* Without attention: how far the worst is off, and the verdict of all. */
static PetscErrorCode Compare(const Sync *sync, PetscInt R, Measured all, const PetscReal exact[], Results results) {
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

static PetscErrorCode ReportKind(const Sync *sync, const Samples *samples, int i, Results results) {
  const Kind kind = KindOf(sync, i);
  const PetscInt n = kind.n, dim = sync->dim;
  PetscReal *noise, *cluster;
  Measured all, late;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc6(n, &all.mean, n, &all.sem, n, &late.mean, n, &late.sem, dim, &noise, n, &cluster));
  PetscCall(NoiseSpectrum(sync, dim, noise));
  PetscCall(ClusterSpectrum(sync, dim, noise, i == OF_SYSTEM ? PETSC_TRUE : PETSC_FALSE, n, cluster));
  PetscCall(Measure(&kind, samples, PETSC_FALSE, all));
  PetscCall(Measure(&kind, samples, PETSC_TRUE, late));
  const PetscReal dimension = KaplanYorke(n, all.mean);
  PetscCall(Say(results, kind.title, "measured", n, all.mean));
  if (i == OF_TOKENS) {
    PetscCall(Say(results, "         ", "exact, of the noise alone", n, noise));
    if (sync->theory.value == 0) PetscCall(Compare(sync, samples->realizations, all, noise, results));
    PetscCall(Array(results, &kind, "_exact", noise));
    PetscCall(ResultsScalar(results, "kaplan_yorke_exact", KaplanYorke(n, noise)));
  } else {
    PetscCall(Say(results, "         ", "in the second half of the run", n, late.mean));
    PetscCall(Say(results, "         ", "exact, once all tokens have met", n, cluster));
  }
  PetscCall(ResultsSay(results, "           Kaplan-Yorke dimension %s%.5g\n",
                       i == OF_SYSTEM && dimension == (PetscReal)n ? "at least " : "", (double)dimension));
  PetscCall(Array(results, &kind, "", all.mean));
  PetscCall(Array(results, &kind, "_sem", all.sem));
  PetscCall(Array(results, &kind, "_late", late.mean));
  PetscCall(Array(results, &kind, "_late_sem", late.sem));
  PetscCall(Array(results, &kind, "_cluster", cluster));
  PetscCall(ResultsScalar(results, i == OF_TOKENS ? "kaplan_yorke" : "exponents_kaplan_yorke", dimension));
  PetscCall(PetscFree6(all.mean, all.sem, late.mean, late.sem, noise, cluster));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncSpectrumReport(const Sync *sync, const Samples *samples, Results results) {
  PetscFunctionBeginUser;
  if (sync->spectrum) PetscCall(ReportKind(sync, samples, OF_TOKENS, results));
  if (sync->copies_count) PetscCall(ReportKind(sync, samples, OF_SYSTEM, results));
  PetscFunctionReturn(0);
}
