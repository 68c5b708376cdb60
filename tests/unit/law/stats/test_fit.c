/* Fits against exact laws and the normal theory of intervals. */
#include <math.h>

#include <chorale/fit.h>
#include <chorale/rng.h>

#include "test.h"

static void slope_of_a_power_law(void **unused) {
  (void)unused;
  PetscReal x[7], y[7];

  for (int i = 0; i < 7; i++) {
    x[i] = pow(1.7, i);
    y[i] = 3.5 * pow(x[i], -0.8125);
  }
  CLOSE(FitSlope(7, x, y), -0.8125, 1e-13);
  CLOSE(FitSlope(2, x, y), -0.8125, 1e-13);
}

/* y = 2/L + 3/m exactly; then with a residual orthogonal to both columns, whose share R^2 tells. */
static void linear_fit_finds_the_coefficients(void **unused) {
  (void)unused;
  PetscReal a[12][2], y[12], weight[12], c[2], r2;

  for (int i = 0; i < 12; i++) {
    a[i][0] = 1.0 / (1 << (i % 4));
    a[i][1] = 1.0 / (1 << (i / 4));
    y[i] = 2 * a[i][0] + 3 * a[i][1];
    weight[i] = 1 + i;
  }
  OK(FitLinear(12, 2, a[0], y, NULL, c, &r2));
  CLOSE(c[0], 2, 1e-13);
  CLOSE(c[1], 3, 1e-13);
  CLOSE(r2, 1, 1e-13);
  y[5] += 0.5;
  OK(FitLinear(12, 2, a[0], y, weight, c, &r2));
  /* the normal equations: weighted residuals are orthogonal to the columns */
  PetscReal dot[2] = {0}, residual = 0, total = 0, mean = 0, weights = 0;
  for (int i = 0; i < 12; i++) mean += weight[i] * y[i], weights += weight[i];
  mean /= weights;
  for (int i = 0; i < 12; i++) {
    const PetscReal r = y[i] - c[0] * a[i][0] - c[1] * a[i][1];
    dot[0] += weight[i] * r * a[i][0];
    dot[1] += weight[i] * r * a[i][1];
    residual += weight[i] * r * r;
    total += weight[i] * (y[i] - mean) * (y[i] - mean);
  }
  CLOSE(dot[0], 0, 1e-12);
  CLOSE(dot[1], 0, 1e-12);
  CLOSE(r2, 1 - residual / total, 1e-13);
  assert_true(r2 < 0.999);
}

static PetscErrorCode Identity(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  (void)context;
  for (PetscInt i = 0; i < n; i++) values[i] = mean[i];
  values[n] = mean[0] - mean[1];
  return 0;
}

/* 400 realizations of two columns that share their noise: intervals of means are 1.96 standard errors to a side (2000
 * resamples fix the 2.5% quantile to about 3%), that of the difference is far smaller since rows are drawn whole. */
static void intervals_have_the_width_of_the_normal_law(void **unused) {
  (void)unused;
  enum { R = 400 };
  PetscReal z[2 * R], samples[R][2], mean[2], sem[2];
  FitValue values[3], again[3];

  RngNormal((RngStream){.seed = 5, .purpose = RNG_TEST}, 0, 2 * R, z);
  for (int r = 0; r < R; r++) {
    samples[r][0] = 1 + z[2 * r];
    samples[r][1] = z[2 * r] + 0.1 * z[2 * r + 1];
  }
  FitMean(R, 2, samples[0], mean, sem);
  CLOSE(sem[0], 1 / sqrt(R), 0.1 / sqrt(R));
  OK(FitBootstrap(3, R, 2, samples[0], 3, Identity, NULL, values));
  for (int i = 0; i < 2; i++) {
    CLOSE(values[i].value, mean[i], 1e-14);
    CLOSE(values[i].low, mean[i] - 1.96 * sem[i], 0.2 * sem[i]);
    CLOSE(values[i].high, mean[i] + 1.96 * sem[i], 0.2 * sem[i]);
  }
  CLOSE(values[2].high - values[2].low, 2 * 1.96 * 0.1 / sqrt(R), 0.1 * 2 * 1.96 * 0.1 / sqrt(R));
  OK(FitBootstrap(3, R, 2, samples[0], 3, Identity, NULL, again));
  assert_memory_equal(values, again, sizeof(values));
  OK(FitBootstrap(4, R, 2, samples[0], 3, Identity, NULL, again));
  assert_true(again[0].low != values[0].low);
}

static void one_realization_has_no_interval(void **unused) {
  (void)unused;
  const PetscReal samples[2] = {0.3, 0.1};
  FitValue values[3];
  PetscReal mean[2], sem[2];

  OK(FitBootstrap(1, 1, 2, samples, 3, Identity, NULL, values));
  CLOSE(values[0].value, 0.3, 0);
  CLOSE(values[2].value, 0.2, 1e-15);
  assert_true(isnan(values[0].low) && isnan(values[0].high) && isnan(values[2].low));
  FitMean(1, 2, samples, mean, sem);
  CLOSE(mean[0], 0.3, 0);
  assert_true(isnan(sem[0]) && isnan(sem[1])); /* one value says nothing about its error */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(slope_of_a_power_law),
    cmocka_unit_test(linear_fit_finds_the_coefficients),
    cmocka_unit_test(intervals_have_the_width_of_the_normal_law),
    cmocka_unit_test(one_realization_has_no_interval),
};
TEST_MAIN(tests)
