/* Control variates: against fits that leave out each realization in turn, and over many runs their means, coverage and
 * what they save. */
#include <chorale/rng.h>
#include <math.h>

#include "law/stats/controlled.h"
#include "law/stats/interval.h"
#include "test.h"

enum { MOST = 4 };

/* The coefficients of the least-squares fit to a constant and K controls, without one realization: normal equations by
 * elimination. */
static void Fit(PetscInt R, PetscInt K, const PetscReal controls[], const PetscReal x[], PetscInt without,
                PetscReal c[]) {
  PetscReal a[MOST + 1][MOST + 2] = {{0}};

  for (PetscInt r = 0; r < R; r++) {
    PetscReal row[MOST + 2] = {1};
    if (r == without) continue;
    for (PetscInt k = 0; k < K; k++) row[k + 1] = controls[r * K + k];
    row[K + 1] = x[r];
    for (PetscInt i = 0; i <= K; i++)
      for (PetscInt j = 0; j <= K + 1; j++) a[i][j] += row[i] * row[j];
  }
  for (PetscInt i = 0; i <= K; i++)
    for (PetscInt l = 0; l <= K; l++) {
      const PetscReal factor = a[l][i] / a[i][i];
      for (PetscInt j = 0; j <= K + 1 && l != i; j++) a[l][j] -= factor * a[i][j];
    }
  for (PetscInt k = 0; k < K; k++) c[k] = a[k + 1][K + 1] / a[k + 1][k + 1];
}

static void Draw(uint32_t trial, PetscInt n, PetscReal values[]) {
  RngNormal((RngStream){.seed = 7, .realization = trial, .purpose = RNG_TEST}, 0, (size_t)n, values);
}

static void each_is_left_out(void **unused) {
  (void)unused;
  enum { R = 12, K = 3 };
  PetscReal controls[R * K], x[R], z[R], c[K];

  Draw(0, R * K, controls);
  Draw(1, R, x);
  for (PetscInt r = 0; r < R; r++) z[r] = x[r] += 1000 + 3 * controls[r * K] - controls[r * K + 2];
  OK(ControlledNumbers(R, K, controls, z));
  for (PetscInt r = 0; r < R; r++) {
    PetscReal expected = x[r];
    Fit(R, K, controls, x, r, c);
    for (PetscInt k = 0; k < K; k++) expected -= c[k] * controls[r * K + k];
    CLOSE(z[r], expected, 1e-9);
  }
}

/* A control beside its multiple and one that is zero, in any unit, is the control alone. */
static void what_depends_on_others_is_left_out(void **unused) {
  (void)unused;
  enum { R = 10 };
  PetscReal one[R], three[R][3], x[R], z[R];

  Draw(2, R, one);
  Draw(3, R, x);
  for (PetscInt r = 0; r < R; r++) {
    three[r][0] = 1e-9 * one[r];
    three[r][1] = 0;
    three[r][2] = 1e5 * one[r];
    z[r] = x[r];
  }
  OK(ControlledNumbers(R, 1, one, x));
  OK(ControlledNumbers(R, 3, three[0], z));
  for (PetscInt r = 0; r < R; r++) CLOSE(z[r], x[r], 1e-9);
}

static void what_has_no_answer_stays(void **unused) {
  (void)unused;
  const PetscReal alone[5] = {0, 0, 7, 0, 0}, square[3][2] = {{1, 2}, {0, -1}, {3, 1}}, x[5] = {1, 2, 3, 5, 4};
  PetscReal z[5];

  OK(PetscArraycpy(z, x, 5));
  OK(ControlledNumbers(5, 1, alone, z));
  OK(ControlledNumbers(3, 2, square[0], z));
  OK(ControlledNumbers(5, 0, NULL, z));
  for (PetscInt r = 0; r < 5; r++) CLOSE(z[r], x[r], 1e-14);
}

/* x = e^{a/2 + b/4} + c/4 with normal numbers, controlled by a and a^2 - 1, which explain it in part and not linearly.
 * The mean over trials of a mean in its standard errors is 0 to 4/sqrt(TRIALS); coverage has 0.0034. */
static void means_are_those_of_x(void **unused) {
  (void)unused;
  enum { R = 48, TRIALS = 4000 };
  const PetscReal exact = exp(0.5 * (0.25 + 0.0625));
  PetscReal a[3 * R], controls[R][2], x[R], z[R], bias = 0, squares = 0, plain = 0;
  int covered = 0;

  for (uint32_t trial = 0; trial < TRIALS; trial++) {
    Draw(10 + trial, 3 * R, a);
    for (PetscInt r = 0; r < R; r++) {
      controls[r][0] = a[r];
      controls[r][1] = a[r] * a[r] - 1;
      z[r] = x[r] = exp(0.5 * a[r] + 0.25 * a[R + r]) + 0.25 * a[2 * R + r];
    }
    OK(ControlledNumbers(R, 2, controls[0], z));
    const FitValue found = IntervalOfMean(R, 1, z), without = IntervalOfMean(R, 1, x);
    covered += found.low <= exact && exact <= found.high;
    bias += (found.value - exact) / TRIALS;
    squares += PetscSqr(found.value - exact) / TRIALS;
    plain += PetscSqr(without.value - exact) / TRIALS;
  }
  print_message("covered %.4f, bias %.3g of %.3g, gain %.2f\n", covered / (double)TRIALS, (double)bias,
                sqrt((double)squares), (double)(plain / squares));
  assert_true(fabs(bias) < 4 * sqrt(squares / TRIALS));
  assert_true(fabs(covered - 0.95 * TRIALS) < 0.015 * TRIALS);
  assert_true(plain > 2.5 * squares);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_is_left_out),
    cmocka_unit_test(what_depends_on_others_is_left_out),
    cmocka_unit_test(what_has_no_answer_stays),
    cmocka_unit_test(means_are_those_of_x),
};
TEST_MAIN(tests)
