#include <chorale/fit.h>

#include <chorale/rng.h>

#include <math.h>
#include <petscblaslapack.h>
#include <stdlib.h>

PetscInt FitMoments(PetscInt R, size_t stride, const PetscReal values[], PetscReal *mean, PetscReal *squares) {
  PetscReal sum = 0, square = 0;
  PetscInt n = 0;

  for (size_t r = 0; r < (size_t)R; r++) {
    if (PetscIsNanReal(values[r * stride])) continue;
    sum += values[r * stride];
    n++;
  }
  sum /= (PetscReal)n;
  for (size_t r = 0; r < (size_t)R; r++)
    if (!PetscIsNanReal(values[r * stride])) square += PetscSqr(values[r * stride] - sum);
  *mean = sum;
  *squares = square;
  return n;
}

PetscReal FitError(PetscInt n, PetscReal squares) {
  return n > 1 ? PetscSqrtReal(squares / ((PetscReal)(n - 1) * (PetscReal)n)) : NAN;
}

/* Not by FitMoments: these loops are compiled to other roundings, which files keep. */
void FitMean(PetscInt R, PetscInt n, const PetscReal samples[], PetscReal mean[], PetscReal sem[]) {
  for (PetscInt i = 0; i < n; i++) {
    PetscReal sum = 0, squares = 0;
    for (PetscInt r = 0; r < R; r++) sum += samples[(size_t)r * (size_t)n + (size_t)i];
    sum /= (PetscReal)R;
    for (PetscInt r = 0; r < R; r++) squares += PetscSqr(samples[(size_t)r * (size_t)n + (size_t)i] - sum);
    mean[i] = sum;
    if (sem) sem[i] = FitError(R, squares);
  }
}

PetscReal FitSlope(PetscInt n, const PetscReal x[], const PetscReal y[]) {
  PetscReal mean_x = 0, mean_y = 0, xx = 0, xy = 0;

  for (PetscInt i = 0; i < n; i++) {
    mean_x += PetscLogReal(x[i]) / (PetscReal)n;
    mean_y += PetscLogReal(y[i]) / (PetscReal)n;
  }
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal dx = PetscLogReal(x[i]) - mean_x;
    xx += dx * dx;
    xy += dx * (PetscLogReal(y[i]) - mean_y);
  }
  return xy / xx;
}

/* 1 - residual / total sum of squares about the weighted mean. */
static PetscReal Explained(PetscInt n, PetscInt p, const PetscReal a[], const PetscReal y[], const PetscReal weight[],
                           const PetscReal c[]) {
  PetscReal mean = 0, weights = 0, residual = 0, total = 0;

  for (PetscInt i = 0; i < n; i++) {
    const PetscReal w = weight ? weight[i] : 1;
    mean += w * y[i];
    weights += w;
  }
  mean /= weights;
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal w = weight ? weight[i] : 1;
    PetscReal fitted = 0;
    for (PetscInt j = 0; j < p; j++) fitted += c[j] * a[i * p + j];
    residual += w * PetscSqr(y[i] - fitted);
    total += w * PetscSqr(y[i] - mean);
  }
  return 1 - residual / total;
}

PetscErrorCode FitLinear(PetscInt n, PetscInt p, const PetscReal a[], const PetscReal y[], const PetscReal weight[],
                         PetscReal c[], PetscReal *r2) {
  PetscBLASInt rows, columns, one = 1, room, info;
  PetscReal *matrix, *right, *work;

  PetscFunctionBeginUser;
  PetscCheck(1 <= p && p <= n, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "a fit of %" PetscInt_FMT " numbers to %" PetscInt_FMT " values", p, n);
  PetscCall(PetscBLASIntCast(n, &rows));
  PetscCall(PetscBLASIntCast(p, &columns));
  PetscCall(PetscBLASIntCast(64 * (n + p), &room));
  PetscCall(PetscMalloc3(n * p, &matrix, n, &right, room, &work));
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal root = weight ? PetscSqrtReal(weight[i]) : 1;
    for (PetscInt j = 0; j < p; j++) matrix[j * n + i] = root * a[i * p + j];
    right[i] = root * y[i];
  }
  LAPACKgels_("N", &rows, &columns, &one, matrix, &rows, right, &rows, work, &room, &info);
  PetscCheck(!info, PETSC_COMM_SELF, PETSC_ERR_LIB, "the columns of a fit are not independent (dgels: %d)", (int)info);
  PetscCall(PetscArraycpy(c, right, p));
  PetscCall(PetscFree3(matrix, right, work));
  if (r2) *r2 = Explained(n, p, a, y, weight, c);
  PetscFunctionReturn(0);
}

static int Ascending(const void *a, const void *b) {
  const PetscReal x = *(const PetscReal *)a, y = *(const PetscReal *)b;
  return (x > y) - (x < y);
}

/* The q-quantile of sorted values, linear between order statistics. */
static PetscReal Quantile(PetscInt n, const PetscReal sorted[], PetscReal q) {
  const PetscReal at = q * (PetscReal)(n - 1);
  const PetscInt i = PetscMin((PetscInt)at, n - 2);
  return sorted[i] + (at - (PetscReal)i) * (sorted[i + 1] - sorted[i]);
}

PetscErrorCode FitBootstrap(uint64_t seed, PetscInt R, PetscInt n, const PetscReal samples[], PetscInt k,
                            FitStatistic statistic, void *context, FitValue values[]) {
  const RngStream stream = {.seed = seed, .purpose = RNG_BOOTSTRAP};
  PetscReal *mean, *drawn, *found, *column; /* column: one statistic over the resamples */

  PetscFunctionBeginUser;
  if (R == 1) { /* one realization says nothing about its error */
    PetscCall(PetscMalloc1(k, &found));
    PetscCall(statistic(n, samples, context, found));
    for (PetscInt j = 0; j < k; j++) values[j] = (FitValue){found[j], NAN, NAN};
    PetscCall(PetscFree(found));
    PetscFunctionReturn(0);
  }
  PetscCall(PetscMalloc4(n, &mean, R, &drawn, (size_t)FIT_RESAMPLES * (size_t)k, &found, FIT_RESAMPLES, &column));
  for (PetscInt b = 0; b < FIT_RESAMPLES; b++) {
    PetscCall(PetscArrayzero(mean, n));
    RngUniform(stream, (uint64_t)b * (uint64_t)R, (size_t)R, drawn);
    for (PetscInt i = 0; i < R; i++) {
      const PetscReal *row = samples + (size_t)(drawn[i] * (PetscReal)R) * (size_t)n;
      for (PetscInt j = 0; j < n; j++) mean[j] += row[j] / (PetscReal)R;
    }
    PetscCall(statistic(n, mean, context, found + (size_t)b * (size_t)k));
  }
  FitMean(R, n, samples, mean, NULL);
  PetscCall(statistic(n, mean, context, column));
  for (PetscInt j = 0; j < k; j++) values[j].value = column[j];
  for (PetscInt j = 0; j < k; j++) {
    for (PetscInt b = 0; b < FIT_RESAMPLES; b++) column[b] = found[(size_t)b * (size_t)k + (size_t)j];
    qsort(column, FIT_RESAMPLES, sizeof(*column), Ascending);
    values[j].low = Quantile(FIT_RESAMPLES, column, 0.025);
    values[j].high = Quantile(FIT_RESAMPLES, column, 0.975);
  }
  PetscCall(PetscFree4(mean, drawn, found, column));
  PetscFunctionReturn(0);
}
