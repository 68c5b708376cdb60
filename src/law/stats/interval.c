#include "law/stats/interval.h"

#include <math.h>

#define EXACT_MOST 1000 /* degrees of freedom up to which Student's law is summed; beyond it is expanded */

/* P(|T| <= t) as a finite sum over powers of cos(theta), tan(theta) = t / sqrt(freedom) (Abramowitz and Stegun 26.7.3
 * and 26.7.4). */
static PetscReal Inside(PetscReal t, PetscInt freedom) {
  const PetscReal theta = atan(t / sqrt((PetscReal)freedom)), cosine = cos(theta), sine = sin(theta);
  const PetscBool odd = (PetscBool)(freedom % 2);
  PetscReal term = odd ? cosine : 1, sum = 0;

  for (PetscInt power = odd ? 1 : 0; power <= freedom - 2; power += 2) {
    sum += term;
    term *= cosine * cosine * (PetscReal)(power + 1) / (PetscReal)(power + 2);
  }
  return odd ? 2 / PETSC_PI * (theta + sine * sum) : sine * sum;
}

PetscReal IntervalQuantile(PetscInt freedom) {
  const PetscReal z = 1.959963984540054, n = (PetscReal)freedom;
  PetscReal low = z, high = 13;

  if (freedom > EXACT_MOST)
    return z + (pow(z, 3) + z) / (4 * n) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n);
  for (int i = 0; i < 60; i++) {
    const PetscReal middle = 0.5 * (low + high);
    if (Inside(middle, freedom) < 0.95)
      low = middle;
    else
      high = middle;
  }
  return 0.5 * (low + high);
}

PetscReal IntervalFactor(PetscInt R) {
  return R < INTERVAL_LEAST ? NAN : IntervalQuantile(R - 1);
}

PetscReal IntervalDeviation(PetscInt R, PetscReal off) {
  const PetscReal n = (PetscReal)(R - 1);

  if (R < INTERVAL_LEAST) return NAN;
  return (8 * n + 1) / (8 * n + 3) * sqrt(n * log1p(off * off / n));
}

/* samples[R][n] -> found[R][k], the statistic at the means of all realizations but one. Sums of those before and of
 * those after: nothing cancels where one realization outweighs the others. */
static PetscErrorCode LeaveOneOut(PetscInt R, PetscInt n, const PetscReal samples[], PetscInt k, FitStatistic statistic,
                                  void *context, PetscReal found[]) {
  PetscReal *before, *after, *mean;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc3(n, &before, (size_t)(R + 1) * (size_t)n, &after, n, &mean));
  for (PetscInt r = R - 1; r >= 0; r--)
    for (PetscInt i = 0; i < n; i++) after[r * n + i] = after[(r + 1) * n + i] + samples[r * n + i];
  for (PetscInt r = 0; r < R; r++) {
    for (PetscInt i = 0; i < n; i++) {
      mean[i] = (before[i] + after[(r + 1) * n + i]) / (PetscReal)(R - 1);
      before[i] += samples[r * n + i];
    }
    PetscCall(statistic(n, mean, context, found + r * k));
  }
  PetscCall(PetscFree3(before, after, mean));
  PetscFunctionReturn(0);
}

PetscErrorCode IntervalOfStatistic(PetscInt R, PetscInt n, const PetscReal samples[], PetscInt k,
                                   FitStatistic statistic, void *context, FitValue values[]) {
  PetscReal *mean, *full, *found;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(n, &mean, k, &full, (size_t)R * (size_t)k, &found));
  FitMean(R, n, samples, mean, NULL);
  PetscCall(statistic(n, mean, context, full));
  for (PetscInt j = 0; j < k; j++) values[j] = (FitValue){full[j], NAN, NAN};
  if (R >= INTERVAL_LEAST) {
    PetscCall(LeaveOneOut(R, n, samples, k, statistic, context, found));
    for (PetscInt j = 0; j < k; j++) {
      PetscReal center = 0, squares = 0;
      for (PetscInt r = 0; r < R; r++) center += found[r * k + j] / (PetscReal)R;
      for (PetscInt r = 0; r < R; r++) squares += PetscSqr(found[r * k + j] - center);
      const PetscReal half = IntervalQuantile(R - 1) * sqrt((PetscReal)(R - 1) / (PetscReal)R * squares);
      values[j].low = full[j] - half;
      values[j].high = full[j] + half;
    }
  }
  PetscCall(PetscFree3(mean, full, found));
  PetscFunctionReturn(0);
}

FitValue IntervalOfMean(PetscInt R, size_t stride, const PetscReal samples[]) {
  PetscReal mean = 0, squares = 0;
  PetscBool positive = PETSC_TRUE;

  for (PetscInt r = 0; r < R; r++) mean += samples[(size_t)r * stride];
  mean /= (PetscReal)R;
  for (PetscInt r = 0; r < R; r++) {
    squares += PetscSqr(samples[(size_t)r * stride] - mean);
    if (!(samples[(size_t)r * stride] > 0)) positive = PETSC_FALSE;
  }
  if (R < INTERVAL_LEAST) return (FitValue){mean, NAN, NAN};
  const PetscReal half = IntervalQuantile(R - 1) * sqrt(squares / ((PetscReal)R * (PetscReal)(R - 1)));
  if (!positive) return (FitValue){mean, mean - half, mean + half};
  return (FitValue){mean, mean * exp(-half / mean), mean * exp(half / mean)};
}
