/* The rule of ensemble_target: its number against the formula, and its intervals, means and costs over many runs. */
#include <chorale/rng.h>
#include <math.h>

#include "law/stats/interval.h"
#include "law/stats/stopping.h"
#include "test.h"

static PetscReal Variance(PetscInt n, const PetscReal x[], PetscInt without) {
  PetscReal mean = 0, squares = 0;
  const PetscInt count = without < n ? n - 1 : n;

  for (PetscInt i = 0; i < n; i++) mean += i == without ? 0 : x[i] / (PetscReal)count;
  for (PetscInt i = 0; i < n; i++) squares += i == without ? 0 : PetscSqr(x[i] - mean);
  return squares / (PetscReal)(count - 1);
}

/* NUMERICS.md (9.18), written out. */
static PetscReal Needed(PetscInt n, const PetscReal x[], PetscReal half) {
  PetscReal center = 0, squares = 0;
  const PetscReal t = IntervalQuantile(n - 1);

  for (PetscInt i = 0; i < n; i++) center += log(Variance(n, x, i)) / (PetscReal)n;
  for (PetscInt i = 0; i < n; i++) squares += PetscSqr(log(Variance(n, x, i)) - center);
  const PetscReal error = sqrt((PetscReal)(n - 1) / (PetscReal)n * squares);
  return ceil(PetscSqr(t / half) * Variance(n, x, n) * exp(t * error));
}

static void number(void **unused) {
  (void)unused;
  const PetscReal signs[6] = {-1, 2, 0.5, 3, 0, 0.7},
                  shifted[6] = {-1 - 1e6, 2 - 1e6, 0.5 - 1e6, 3 - 1e6, -1e6, 0.7 - 1e6};
  const PetscReal positive[5] = {1, 2, 4, 3, 2.5}, alike[6] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, one[5] = {1, 1, 1, 1, 2};
  const PetscReal unknown[4] = {1, NAN, 2, 3};
  PetscReal needed;

  OK(StoppingNeeded(6, signs, (StoppingTarget){0.1, PETSC_FALSE}, &needed));
  CLOSE(needed, Needed(6, signs, 0.1), 0);
  OK(StoppingNeeded(6, shifted, (StoppingTarget){0.1, PETSC_FALSE}, &needed));
  CLOSE(needed, Needed(6, signs, 0.1), 1);
  OK(StoppingNeeded(5, positive, (StoppingTarget){0.1, PETSC_FALSE}, &needed));
  CLOSE(needed, Needed(5, positive, 2.5 * log(1.04)), 0);
  OK(StoppingNeeded(5, positive, (StoppingTarget){0.04, PETSC_TRUE}, &needed));
  CLOSE(needed, Needed(5, positive, 2.5 * log(1.04)), 0);
  OK(StoppingNeeded(6, signs, (StoppingTarget){0.1, PETSC_TRUE}, &needed));
  CLOSE(needed, Needed(6, signs, 0.1 * 5.2 / 6), 0);
  OK(StoppingNeeded(6, alike, (StoppingTarget){0.1, PETSC_FALSE}, &needed));
  CLOSE(needed, 0, 0);
  OK(StoppingNeeded(5, one, (StoppingTarget){10, PETSC_FALSE}, &needed)); /* nothing is known of their variance */
  assert_true(needed > 1e12);
  OK(StoppingNeeded(4, unknown, (StoppingTarget){10, PETSC_FALSE}, &needed));
  assert_true(isnan(needed));
}

static void batches(void **unused) {
  (void)unused;
  assert_int_equal(StoppingNext(32, 32, 1000), 32);
  assert_int_equal(StoppingNext(32, 33, 1000), 33);
  assert_int_equal(StoppingNext(32, 64, 1000), 64);
  assert_int_equal(StoppingNext(32, 1e9, 1000), 64);
  assert_int_equal(StoppingNext(32, INFINITY, 1000), 64);
  assert_int_equal(StoppingNext(32, NAN, 1000), 64);
  assert_int_equal(StoppingNext(32, 50, 40), 40);
  assert_int_equal(StoppingNext(32, NAN, 40), 40);
  assert_int_equal(StoppingNext(40, 50, 40), 40);
  assert_int_equal(StoppingNext(PETSC_MAX_INT - 2, 1e300, PETSC_MAX_INT), PETSC_MAX_INT);
}

enum { MOST = 4096, TRIALS = 4000, PLENTY = 200 }; /* PLENTY realizations would do if the variance were known */

typedef struct {
  PetscReal mean, deviation; /* of the law */
  PetscReal bias, size;      /* of the runs: mean distance from the law's in units of its error, mean R */
  int covered, met;
} Law;

/* A run of the rule on numbers that are normal, or lognormal ones of skewness 1.75 like energies. */
static void Try(uint32_t trial, PetscBool lognormal, StoppingTarget target, Law *law) {
  static double x[MOST];
  PetscInt R = STOPPING_FIRST, next;
  PetscReal needed;

  RngNormal((RngStream){.seed = 5, .realization = trial, .purpose = RNG_TEST}, 0, MOST, x);
  for (PetscInt r = 0; r < MOST && lognormal; r++) x[r] = exp(0.5 * x[r]);
  for (;; R = next) {
    OK(StoppingNeeded(R, x, target, &needed));
    next = StoppingNext(R, needed, MOST);
    if (next == R) break;
  }
  const FitValue found = IntervalOfMean(R, 1, x);
  law->covered += found.low <= law->mean && law->mean <= found.high;
  law->met += StoppingReach(found) <= StoppingAsked(target, found.value);
  law->bias += (found.value - law->mean) * sqrt(PLENTY) / law->deviation / TRIALS;
  law->size += (PetscReal)R / TRIALS;
}

/* Standard deviation 0.0034 of a coverage, 0.016 of a bias; of lognormal numbers it is (2c - skewness)/sqrt(R) at about
 * 310 of the 200 realizations, -0.68/17.6 standard errors of these, so -0.03 here. */
static void coverage(void **unused) {
  (void)unused;
  Law normal = {.mean = 0, .deviation = 1};
  Law energy = {.mean = exp(0.125), .deviation = exp(0.125) * sqrt(exp(0.25) - 1)};
  const PetscReal error = 1.96 / sqrt(PLENTY);

  for (uint32_t trial = 0; trial < TRIALS; trial++) {
    Try(trial, PETSC_FALSE, (StoppingTarget){error, PETSC_FALSE}, &normal);
    Try(trial, PETSC_TRUE, (StoppingTarget){error * energy.deviation / energy.mean, PETSC_TRUE}, &energy);
  }
  print_message("normal: covered %.4f, bias %.3f, R %.0f; lognormal: %.4f, %.3f, %.0f\n",
                normal.covered / (double)TRIALS, (double)normal.bias, (double)normal.size,
                energy.covered / (double)TRIALS, (double)energy.bias, (double)energy.size);
  assert_true(normal.met == TRIALS && energy.met == TRIALS); /* a run that ends by itself has what was asked for */
  assert_true(fabs(normal.covered - 0.95 * TRIALS) < 4 * 0.0035 * TRIALS);
  assert_true(0.93 * TRIALS <= energy.covered && energy.covered <= 0.97 * TRIALS);
  assert_true(fabs(normal.bias) < 4 * 0.016 && fabs(energy.bias + 0.03) < 4 * 0.016);
  assert_true(normal.size > PLENTY && normal.size < 1.3 * PLENTY); /* 1 + 2 sqrt(2/R) at R = 128 */
  assert_true(energy.size > PLENTY && energy.size < 1.7 * PLENTY);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(number),
    cmocka_unit_test(batches),
    cmocka_unit_test(coverage),
};
TEST_MAIN(tests)
