/* What study chaos found: suprema over time, means over realizations, slopes in N beside those of THEORY.md (4.3). */
#include <math.h>

#include <chorale/distance.h>

#include "law/stats/interval.h"
#include "study/chaos/chaos.h"
#include "study/report.h"

enum { COLUMNS = CHAOS_W2SQ_LOW, SUPREMA = CHAOS_CORRELATION }; /* the numbers before these */

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

/* samples[R][counts] <- the largest of all[R][number][frames][counts] over the frames. */
static void Supremum(const ChaosDesign *design, PetscInt R, const PetscReal all[], int number, PetscReal samples[]) {
  for (PetscInt r = 0; r < R; r++) {
    const PetscReal *frame = all + (size_t)(r * CHAOS_NUMBERS + number) * design->frames * design->counts;

    for (PetscInt i = 0; i < design->counts; i++) {
      samples[r * design->counts + i] = frame[i];
      for (PetscInt f = 1; f < design->frames; f++)
        samples[r * design->counts + i] = PetscMax(samples[r * design->counts + i], frame[f * design->counts + i]);
    }
  }
}

static PetscErrorCode AddRows(const ChaosDesign *design, PetscInt R, PetscReal *const samples[], Results results) {
  PetscReal mean[COLUMNS][CHAOS_COUNTS], sem[COLUMNS][CHAOS_COUNTS];

  PetscFunctionBeginUser;
  for (int k = 0; k < COLUMNS; k++) FitMean(R, design->counts, samples[k], mean[k], sem[k]);
  for (PetscInt i = 0; i < design->counts; i++) {
    PetscReal row[1 + 2 * COLUMNS] = {(PetscReal)design->count[i]};

    for (int k = 0; k < COLUMNS; k++) {
      row[1 + 2 * k] = mean[k][i];
      row[2 + 2 * k] = sem[k][i];
    }
    PetscCall(ResultsRow(results, row));
  }
  PetscFunctionReturn(0);
}

/* Both ends of W2^2 at every N, and how far they are apart. */
static PetscErrorCode ReportEnds(const ChaosDesign *design, PetscInt R, PetscReal *const samples[], Results results) {
  const PetscInt64 shape[1] = {design->counts};
  PetscReal low[CHAOS_COUNTS], high[CHAOS_COUNTS], gap = 0;
  const char *method = DistanceTransportMethod(design->dim);

  PetscFunctionBeginUser;
  FitMean(R, design->counts, samples[CHAOS_W2SQ_LOW], low, NULL);
  FitMean(R, design->counts, samples[CHAOS_W2SQ], high, NULL);
  for (PetscInt i = 0; i < design->counts; i++)
    if (high[i] > low[i]) gap = PetscMax(gap, (high[i] - low[i]) / high[i]);
  PetscCall(ResultsText(results, "method", method));
  PetscCall(ResultsArray(results, "w2sq_low", 1, shape, low));
  PetscCall(ResultsArray(results, "w2sq_high", 1, shape, high));
  PetscCall(ResultsScalar(results, "w2sq_gap", gap));
  PetscCall(ResultsSay(results, "W2^2 by %s, certified: ", method));
  if (gap > 0)
    PetscCall(ResultsSay(results, "the true value is at most %.2g%% below w2sq (arrays w2sq_low, w2sq_high)\n",
                         100 * (double)gap));
  else
    PetscCall(ResultsSay(results, "w2sq is exact\n"));
  PetscFunctionReturn(0);
}

/* A rate at every N, and its slope over them as a fit would have it. */
static PetscErrorCode AddRate(const ChaosDesign *design, const PetscReal N[], const char *name, const char *key,
                              PetscReal (*rate)(PetscInt, PetscReal), Results results, PetscReal *slope) {
  PetscReal values[CHAOS_COUNTS];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < design->counts; i++) values[i] = rate(design->dim, N[i]);
  *slope = design->counts > 1 ? FitSlope(design->counts, N, values) : NAN;
  PetscCall(ResultsArray(results, name, 1, (PetscInt64[]){design->counts}, values));
  PetscCall(ResultsScalar(results, key, *slope));
  PetscFunctionReturn(0);
}

/* Slopes of log mean against log N beside the rates of theory. There is none where a value is not positive (no
 * attention: tokens never part from their copies) or not defined (twins have no coupling), and for a single N. */
static PetscErrorCode ReportSlopes(const ChaosDesign *design, PetscInt R, PetscReal *const samples[], Results results) {
  static const char *const names[COLUMNS] = {"w2sq", "mmd2", "coupling"};
  static const char *const keys[COLUMNS] = {"slope_w2sq", "slope_mmd2", "slope_coupling"};
  const PetscBool several = design->counts > 1 ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool intervals = R >= INTERVAL_LEAST ? PETSC_TRUE : PETSC_FALSE;
  PetscReal N[CHAOS_COUNTS], bound, intrinsic;
  Slope slope[COLUMNS];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < design->counts; i++) N[i] = (PetscReal)design->count[i];
  PetscCall(AddRate(design, N, "bound", "slope_bound", Bound, results, &bound));
  PetscCall(AddRate(design, N, "intrinsic", "slope_intrinsic", Intrinsic, results, &intrinsic));
  if (several)
    PetscCall(ResultsSay(results,
                         "slopes of log E sup_t against log N, N = %" PetscInt64_FMT " .. %" PetscInt64_FMT "%s\n",
                         design->count[0], design->count[design->counts - 1],
                         intervals ? ", with 95% intervals" : "; fewer than 4 realizations give no intervals"));
  for (int k = 0; k < COLUMNS; k++) {
    PetscCall(SlopeMeasure(R, design->counts, N, PETSC_FALSE, samples[k], bound, &slope[k]));
    const FitValue value = slope[k].value;
    PetscCall(ResultsFit(results, keys[k], value));
    if (isnan(value.value)) continue;
    PetscCall(ResultsSay(results, "  %-10s %7.3f", names[k], (double)value.value));
    if (intervals) PetscCall(ResultsSay(results, "  [%.3f, %.3f]", (double)value.low, (double)value.high));
    PetscCall(ResultsSay(results, "\n"));
  }
  PetscCall(
      SlopeConfirm(R, design->counts, N, samples[CHAOS_W2SQ_LOW], samples[CHAOS_W2SQ], bound, &slope[CHAOS_W2SQ]));
  PetscCall(ResultsText(results, "slope_w2sq_verdict", slope[CHAOS_W2SQ].verdict));
  if (!several) PetscFunctionReturn(0);
  PetscCall(ResultsSay(results, "  %-10s %7.3f  W2^2 by the paper, r_%" PetscInt_FMT "(N) = %s: %s\n", "bound",
                       (double)bound, design->dim, BoundText(design->dim), slope[CHAOS_W2SQ].verdict));
  PetscCall(ResultsSay(results, "  %-10s %7.3f  W2^2 of smooth laws in %" PetscInt_FMT " dimensions, %s\n", "intrinsic",
                       (double)intrinsic, design->dim - 1, IntrinsicText(design->dim)));
  PetscFunctionReturn(0);
}

/* Conditional independence: the correlation of two tokens given the noise, at the end. */
static PetscErrorCode ReportCorrelation(const ChaosDesign *design, const Samples *all, Results results) {
  const PetscInt R = all->realizations, counts = design->counts;
  const PetscInt64 shape[1] = {counts};
  PetscReal *samples, mean[CHAOS_COUNTS], sem[CHAOS_COUNTS];

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)R * counts, &samples));
  for (PetscInt r = 0; r < R; r++) {
    const size_t last = ((size_t)r * CHAOS_NUMBERS + CHAOS_CORRELATION) * design->frames + design->frames - 1;
    PetscCall(PetscArraycpy(samples + r * counts, all->all + last * counts, counts));
  }
  FitMean(R, counts, samples, mean, sem);
  PetscCall(PetscFree(samples));
  PetscCall(ResultsArray(results, "correlation", 1, shape, mean));
  PetscCall(ResultsArray(results, "correlation_sem", 1, shape, sem));
  PetscCall(ResultsSay(results,
                       "correlation of two tokens given the noise at time %.6g, %" PetscInt_FMT " starts per path\n",
                       (double)design->horizon, design->walks));
  for (PetscInt i = 0; i < counts; i++)
    PetscCall(ResultsSay(results, "  N = %-10" PetscInt64_FMT " %11.3e +- %.1e, N times that %.3g\n", design->count[i],
                         (double)mean[i], (double)sem[i], (double)(mean[i] * (PetscReal)design->count[i])));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosReport(void *state, const Samples *all, Results results) {
  static const char *const kinds[] = {"nested", "quadrature", "twin"};
  const Chaos *chaos = state;
  const ChaosDesign *design = &chaos->design;
  const PetscInt R = all->realizations;
  PetscReal *samples[SUPREMA];

  PetscFunctionBeginUser;
  if (!R) PetscFunctionReturn(0);
  for (int k = 0; k < SUPREMA; k++) {
    PetscCall(PetscMalloc1((size_t)R * design->counts, &samples[k]));
    Supremum(design, R, all->all, k, samples[k]);
  }
  PetscCall(ResultsArray(results, "time", 1, (PetscInt64[]){design->frames}, all->frames->time));
  PetscCall(ResultsText(results, "reference", kinds[design->reference]));
  if (design->size) PetscCall(ResultsScalar(results, "reference_tokens", (PetscReal)design->size));
  PetscCall(AddRows(design, R, samples, results));
  PetscCall(ReportEnds(design, R, samples, results));
  PetscCall(ReportSlopes(design, R, samples, results));
  if (design->restarts) PetscCall(ReportCorrelation(design, all, results));
  for (int k = 0; k < SUPREMA; k++) PetscCall(PetscFree(samples[k]));
  PetscFunctionReturn(0);
}
