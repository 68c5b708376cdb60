/* Student's law against its table, the jackknife against algebra, and the coverage of both. */
#include <chorale/rng.h>
#include <math.h>

#include "law/stats/interval.h"
#include "test.h"

static void quantiles_of_student(void **unused) {
  static const double table[][2] = {{1, 12.7062047364}, {2, 4.3026527299},  {3, 3.1824463053},    {7, 2.3646242516},
                                    {15, 2.1314495456}, {24, 2.0638985616}, {1000, 1.9623390808}, {1001, 1.9623367053}};
  (void)unused;

  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
    CLOSE(IntervalQuantile((PetscInt)table[i][0]), table[i][1], 5e-9);
  CLOSE(IntervalQuantile(100000000), 1.959963985, 1e-7);
  /* a deviation as large as the quantile is as unlikely as 1.96 normal ones */
  for (PetscInt R = 4; R < 4000; R *= 2) CLOSE(IntervalDeviation(R, IntervalQuantile(R - 1)), 1.96, 0.03);
  assert_true(isnan(IntervalDeviation(3, 100)));
}

static PetscErrorCode Ratio(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  (void)context;
  assert_int_equal(n, 2);
  values[0] = mean[0];
  values[1] = log(mean[0] / mean[1]);
  return 0;
}

/* The jackknife of a mean is its standard error; a common factor of a row is no error of a ratio. */
static void jackknife(void **unused) {
  enum { R = 5 };
  const PetscReal samples[R][2] = {{1, 2}, {3, 6}, {2, 4}, {5, 10}, {0.5, 1}};
  PetscReal mean[2], sem[2];
  FitValue values[2];
  (void)unused;

  FitMean(R, 2, samples[0], mean, sem);
  OK(IntervalOfStatistic(R, 2, samples[0], 2, Ratio, NULL, values));
  CLOSE(values[0].value, mean[0], 0);
  CLOSE(values[0].high - mean[0], IntervalQuantile(R - 1) * sem[0], 1e-14);
  CLOSE(mean[0] - values[0].low, IntervalQuantile(R - 1) * sem[0], 1e-14);
  CLOSE(values[1].high - values[1].low, 0, 1e-13);
  const FitValue positive = IntervalOfMean(R, 2, samples[0]);
  CLOSE(log(positive.high / mean[0]), IntervalQuantile(R - 1) * sem[0] / mean[0], 1e-14);
  CLOSE(log(mean[0] / positive.low), IntervalQuantile(R - 1) * sem[0] / mean[0], 1e-14);
  OK(IntervalOfStatistic(3, 2, samples[0], 2, Ratio, NULL, values));
  CLOSE(values[1].value, log(0.5), 1e-15);
  assert_true(isnan(values[0].low) && isnan(values[1].high) && isnan(IntervalOfMean(3, 2, samples[0]).low));
  const PetscReal signs[4] = {-1, 1, 3, 5};
  const FitValue linear = IntervalOfMean(4, 1, signs);
  CLOSE(linear.value, 2, 0);
  CLOSE(linear.high - 2, IntervalQuantile(3) * sqrt(20.0 / 12), 1e-13);
}

/* Columns like W2^2 or squared errors at N = 1, 2, 4, 8: proportional to 1/N, sums of few squares of normals, with a
 * factor that a realization's noise shares; and the factor, lognormal like an energy, in the last column. */
enum { SIZES = 4, COLUMNS };

static void Draw(uint32_t trial, PetscInt R, PetscReal samples[][COLUMNS]) {
  enum { SQUARES = 4, NORMALS = SIZES * SQUARES + 1 };
  double z[64 * NORMALS];

  RngNormal((RngStream){.seed = 21, .realization = trial, .purpose = RNG_TEST}, 0, (size_t)R * NORMALS, z);
  for (PetscInt r = 0; r < R; r++) {
    samples[r][SIZES] = exp(0.5 * z[r * NORMALS + NORMALS - 1]);
    for (int c = 0; c < SIZES; c++) {
      samples[r][c] = 0;
      for (int k = 0; k < SQUARES; k++) samples[r][c] += PetscSqr(z[r * NORMALS + c * SQUARES + k]) / (SQUARES << c);
      samples[r][c] *= samples[r][SIZES];
    }
  }
}

static PetscErrorCode Slope(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  const PetscReal N[SIZES] = {1, 2, 4, 8};
  (void)context;
  assert_int_equal(n, COLUMNS);
  values[0] = FitSlope(SIZES, N, mean);
  return 0;
}

/* 4000 trials: standard deviation 0.0034. The percentile bootstrap of 0.5.0 covers 0.75 of R = 4 here. */
static void coverage(void **unused) {
  static const PetscInt counts[] = {4, 8, 24, 64};
  enum { TRIALS = 4000 };
  (void)unused;

  for (int k = 0; k < 4; k++) {
    const PetscInt R = counts[k];
    int slopes = 0, means = 0;
    for (uint32_t trial = 0; trial < TRIALS; trial++) {
      PetscReal samples[64][COLUMNS];
      FitValue slope;
      Draw(trial, R, samples);
      OK(IntervalOfStatistic(R, COLUMNS, samples[0], 1, Slope, NULL, &slope));
      const FitValue mean = IntervalOfMean(R, COLUMNS, samples[0] + SIZES);
      slopes += slope.low <= -1 && -1 <= slope.high;
      means += mean.low <= exp(0.125) && exp(0.125) <= mean.high;
    }
    print_message("R = %2d: slopes %.3f, means %.3f\n", (int)R, slopes / (double)TRIALS, means / (double)TRIALS);
    assert_true(0.93 * TRIALS <= slopes && slopes <= 0.97 * TRIALS);
    assert_true(0.93 * TRIALS <= means && means <= 0.97 * TRIALS);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(quantiles_of_student),
    cmocka_unit_test(jackknife),
    cmocka_unit_test(coverage),
};
TEST_MAIN(tests)
