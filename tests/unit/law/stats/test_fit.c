/* Fits against exact laws. */
#include <math.h>

#include <chorale/fit.h>

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

static void one_realization_has_no_error(void **unused) {
  (void)unused;
  const PetscReal samples[2] = {0.3, 0.1};
  PetscReal mean[2], sem[2];

  FitMean(1, 2, samples, mean, sem);
  CLOSE(mean[0], 0.3, 0);
  assert_true(isnan(sem[0]) && isnan(sem[1])); /* one value says nothing about its error */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(slope_of_a_power_law),
    cmocka_unit_test(linear_fit_finds_the_coefficients),
    cmocka_unit_test(one_realization_has_no_error),
};
TEST_MAIN(tests)
