/* What study chaos found: suprema over time, means over realizations, slopes in N beside those of THEORY.md (4.3). */

#include <math.h>
#include <string.h>

#include "law/stats/interval.h"
#include "law/stats/range.h"
#include "study/chaos/chaos.h"

static const char *const names[CHAOS_NUMBERS] = {"w2sq", "mmd2", "coupling", "correlation"};

/* The paper's r_d(N), in the dimension of the space. */
static PetscReal Bound(PetscInt d, PetscReal N) {
  if (d == 4) return log1p(N) / sqrt(N);
  return d < 4 ? 1 / sqrt(N) : pow(N, -2.0 / d);
}

/* What smooth laws on the sphere allow, whose dimension is d - 1. */
static PetscReal Intrinsic(PetscInt d, PetscReal N) {
  if (d == 3) return log1p(N) / N;
  return d == 2 ? 1 / N : pow(N, -2.0 / (d - 1));
}

static const char *BoundText(PetscInt d) {
  return d < 4 ? "N^(-1/2)" : d == 4 ? "N^(-1/2) log(1+N)" : "N^(-2/d)";
}

static const char *IntrinsicText(PetscInt d) {
  return d == 2 ? "N^(-1)" : d == 3 ? "N^(-1) log(1+N)" : "N^(-2/(d-1))";
}

/* Slopes of log mean against log N. */
typedef struct {
  FitValue measured[3]; /* NaN where there is none */
  FitValue end[3];      /* at the largest N */
  PetscReal bound, intrinsic;
  const char *verdict; /* of W2^2 beside the bound */
} Slopes;

static PetscErrorCode Slope(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  PetscFunctionBeginUser;
  values[0] = FitSlope(n, context, mean);
  PetscCall(RangeEndSlope(n, context, mean, &values[1]));
  PetscFunctionReturn(0);
}

/* With its interval; NaN where a value is not positive (no attention: tokens never part from their copies) or not
 * defined (twins have no coupling), and for a single N. */
static PetscErrorCode MeasureSlope(const ChaosDesign *d, PetscInt R, const PetscReal samples[], FitValue *slope,
                                   FitValue *end) {
  PetscBool positive = d->counts > 1 ? PETSC_TRUE : PETSC_FALSE;
  PetscReal N[CHAOS_COUNTS];

  PetscFunctionBeginUser;
  FitValue found[2] = {{NAN, NAN, NAN}, {NAN, NAN, NAN}};
  for (PetscInt i = 0; i < d->counts; i++) N[i] = (PetscReal)d->count[i];
  for (PetscInt i = 0; i < R * d->counts; i++) positive = positive && samples[i] > 0 ? PETSC_TRUE : PETSC_FALSE;
  if (positive) PetscCall(IntervalOfStatistic(R, d->counts, samples, 2, Slope, N, found));
  *slope = found[0];
  *end = found[1];
  PetscFunctionReturn(0);
}

/* A rate at every N, and its slope over them as a fit would have it. */
static PetscErrorCode RecordRate(const ChaosDesign *d, const char *name, PetscReal (*rate)(PetscInt, PetscReal),
                                 Results results, PetscReal *slope) {
  const PetscInt64 shape[1] = {d->counts};
  PetscReal N[CHAOS_COUNTS], values[CHAOS_COUNTS];
  char key[64];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < d->counts; i++) {
    N[i] = (PetscReal)d->count[i];
    values[i] = rate(d->dim, N[i]);
  }
  *slope = d->counts > 1 ? FitSlope(d->counts, N, values) : NAN;
  PetscCall(ResultsArray(results, name, 1, shape, values));
  PetscCall(PetscSNPrintf(key, sizeof(key), "slope_%s", name));
  PetscCall(ResultsScalar(results, key, *slope));
  PetscFunctionReturn(0);
}

static PetscErrorCode RecordSlopes(const ChaosDesign *d, PetscInt R, PetscReal *const samples[], Results results,
                                   Slopes *slopes) {
  PetscReal mean[CHAOS_COUNTS], largest = 0;
  char key[64];

  PetscFunctionBeginUser;
  for (int k = 0; k < 3; k++) {
    PetscCall(MeasureSlope(d, R, samples[k], &slopes->measured[k], &slopes->end[k]));
    PetscCall(PetscSNPrintf(key, sizeof(key), "slope_%s", names[k]));
    PetscCall(ResultsFit(results, key, slopes->measured[k]));
  }
  PetscCall(RecordRate(d, "bound", Bound, results, &slopes->bound));
  PetscCall(RecordRate(d, "intrinsic", Intrinsic, results, &slopes->intrinsic));
  FitMean(R, d->counts, samples[CHAOS_W2SQ], mean, NULL);
  for (PetscInt i = 0; i < d->counts; i++) largest = PetscMax(largest, mean[i]);
  slopes->verdict =
      RangeWord(RangeJudge(R, slopes->measured[CHAOS_W2SQ], slopes->end[CHAOS_W2SQ], largest, slopes->bound));
  PetscCall(ResultsText(results, "slope_w2sq_verdict", slopes->verdict));
  PetscFunctionReturn(0);
}

/* What was measured beside the rates of theory. */
static PetscErrorCode PrintSlopes(const ChaosDesign *d, PetscInt R, const Slopes *slopes, Results results) {
  const PetscBool intervals = R >= INTERVAL_LEAST ? PETSC_TRUE : PETSC_FALSE;

  PetscFunctionBeginUser;
  if (d->counts == 1) PetscFunctionReturn(0);
  PetscCall(ResultsSay(
      results, "slopes of log E sup_t against log N, N = %" PetscInt64_FMT " .. %" PetscInt64_FMT "%s\n", d->count[0],
      d->count[d->counts - 1], intervals ? ", with 95% intervals" : "; fewer than 4 realizations give no intervals"));
  for (int k = 0; k < 3; k++) {
    const FitValue s = slopes->measured[k];

    if (PetscIsNanReal(s.value)) continue;
    PetscCall(ResultsSay(results, "  %-10s %7.3f", names[k], (double)s.value));
    if (intervals) PetscCall(ResultsSay(results, "  [%.3f, %.3f]", (double)s.low, (double)s.high));
    PetscCall(ResultsSay(results, "\n"));
  }
  PetscCall(ResultsSay(results, "  %-10s %7.3f  W2^2 by the paper, r_%" PetscInt_FMT "(N) = %s: %s\n", "bound",
                       (double)slopes->bound, d->dim, BoundText(d->dim), slopes->verdict));
  PetscCall(ResultsSay(results, "  %-10s %7.3f  W2^2 of smooth laws in %" PetscInt_FMT " dimensions, %s\n", "intrinsic",
                       (double)slopes->intrinsic, d->dim - 1, IntrinsicText(d->dim)));
  PetscFunctionReturn(0);
}

/* samples[R][counts] <- the largest of all[R][number][frames][counts] over the frames. */
static void Supremum(const ChaosDesign *d, PetscInt R, const PetscReal all[], ChaosNumber number, PetscReal samples[]) {
  for (PetscInt r = 0; r < R; r++) {
    const PetscReal *frame = all + (size_t)(r * CHAOS_NUMBERS + (PetscInt)number) * d->frames * d->counts;

    for (PetscInt i = 0; i < d->counts; i++) {
      samples[r * d->counts + i] = frame[i];
      for (PetscInt f = 1; f < d->frames; f++)
        samples[r * d->counts + i] = PetscMax(samples[r * d->counts + i], frame[f * d->counts + i]);
    }
  }
}

/* Conditional independence: the correlation of two tokens given the noise, at the end. */
typedef struct {
  PetscReal mean[CHAOS_COUNTS], sem[CHAOS_COUNTS];
} Correlation;

static PetscErrorCode RecordCorrelation(const ChaosDesign *d, PetscInt R, const PetscReal all[], Results results,
                                        Correlation *correlation) {
  const PetscInt64 shape[1] = {d->counts};
  PetscReal *samples;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)R * d->counts, &samples));
  for (PetscInt r = 0; r < R; r++) {
    const size_t last = ((size_t)r * CHAOS_NUMBERS + CHAOS_CORRELATION) * d->frames + d->frames - 1;
    PetscCall(PetscArraycpy(samples + r * d->counts, all + last * d->counts, d->counts));
  }
  FitMean(R, d->counts, samples, correlation->mean, correlation->sem);
  PetscCall(PetscFree(samples));
  PetscCall(ResultsArray(results, "correlation", 1, shape, correlation->mean));
  PetscCall(ResultsArray(results, "correlation_sem", 1, shape, correlation->sem));
  PetscFunctionReturn(0);
}

static PetscErrorCode PrintCorrelation(const ChaosDesign *d, const Correlation *correlation, Results results) {
  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results,
                       "correlation of two tokens given the noise at time %.6g, %" PetscInt_FMT " starts per path\n",
                       (double)d->horizon, d->walks));
  for (PetscInt i = 0; i < d->counts; i++)
    PetscCall(ResultsSay(results, "  N = %-10" PetscInt64_FMT " %11.3e +- %.1e, N times that %.3g\n", d->count[i],
                         (double)correlation->mean[i], (double)correlation->sem[i],
                         (double)(correlation->mean[i] * (PetscReal)d->count[i])));
  PetscFunctionReturn(0);
}

static PetscErrorCode RecordRows(const ChaosDesign *d, PetscInt R, PetscReal *const samples[], Results results) {
  PetscReal mean[3][CHAOS_COUNTS], sem[3][CHAOS_COUNTS];

  PetscFunctionBeginUser;
  for (int k = 0; k < 3; k++) FitMean(R, d->counts, samples[k], mean[k], sem[k]);
  for (PetscInt i = 0; i < d->counts; i++) {
    PetscReal row[7] = {(PetscReal)d->count[i]};

    for (int k = 0; k < 3; k++) {
      row[1 + 2 * k] = mean[k][i];
      row[2 + 2 * k] = sem[k][i];
    }
    PetscCall(ResultsRow(results, row));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosReport(const ChaosDesign *d, const Samples *all, const char *method, Results results) {
  static const char *const kinds[] = {"nested", "quadrature", "twin"};
  const PetscInt64 frames[1] = {d->frames};
  const PetscInt R = all->realizations;
  Correlation correlation;
  PetscReal *samples[3];
  Slopes slopes;

  PetscFunctionBeginUser;
  for (int k = 0; k < 3; k++) {
    PetscCall(PetscMalloc1((size_t)R * d->counts, &samples[k]));
    Supremum(d, R, all->all, (ChaosNumber)k, samples[k]);
  }
  PetscCall(ResultsArray(results, "time", 1, frames, all->frames->time));
  PetscCall(ResultsText(results, "reference", kinds[d->reference]));
  PetscCall(ResultsText(results, "method", method));
  if (d->size) PetscCall(ResultsScalar(results, "reference_tokens", (PetscReal)d->size));
  PetscCall(RecordRows(d, R, samples, results));
  PetscCall(RecordSlopes(d, R, samples, results, &slopes));
  if (d->restarts) PetscCall(RecordCorrelation(d, R, all->all, results, &correlation));
  for (int k = 0; k < 3; k++) PetscCall(PetscFree(samples[k]));
  PetscCall(PrintSlopes(d, R, &slopes, results));
  if (d->restarts) PetscCall(PrintCorrelation(d, &correlation, results));
  PetscFunctionReturn(0);
}
