/* Verdicts on slopes through values that are known between two ends only. */
#include <math.h>
#include <string.h>

#include "study/report.h"
#include "test.h"

enum { R = 12, POINTS = 7 };

static PetscReal x[POINTS], low[R * POINTS], high[R * POINTS];

/* y = C x^slope, with 2% of scatter over the realizations; of that the ends leave open the factors below[i]. */
static void Fill(double constant, double slope, const double below[POINTS]) {
  for (int i = 0; i < POINTS; i++) {
    x[i] = 32 << i;
    for (int r = 0; r < R; r++) {
      high[r * POINTS + i] = constant * pow(x[i], slope) * (1 + 0.02 * sin(3 * r + 5 * i));
      low[r * POINTS + i] = high[r * POINTS + i] * below[i];
    }
  }
}

/* What is said of a bound with this rate. */
static const char *Verdict(double rate) {
  Slope slope;

  OK(SlopeMeasure(R, POINTS, x, PETSC_FALSE, high, rate, &slope));
  const FitValue value = slope.value;
  OK(SlopeConfirm(R, POINTS, x, low, high, rate, &slope));
  assert_memory_equal(&value, &slope.value, sizeof(value));
  return slope.verdict;
}

static void Is(const char *found, const char *expected) {
  if (strcmp(found, expected)) fail_msg("'%s', not '%s'", found, expected);
}

static void SmallGapsChangeNothing(void **state) {
  static const double none[POINTS] = {1, 1, 1, 1, 1, 1, 1};
  static const double little[POINTS] = {0.9999, 0.9999, 0.9999, 0.9999, 0.9999, 0.9999, 0.9999};
  (void)state;
  for (int k = 0; k < 2; k++) {
    Fill(1, -0.8, k ? little : none);
    Is(Verdict(-0.5), "agrees");
    Is(Verdict(-1.5), "slower than the rate");
    Fill(100, -0.3, k ? little : none);
    Is(Verdict(-0.5), "range too short for a rate");
  }
}

/* The lower ends alone have the same slope here: it is their mixtures with the upper ones that do not fall. */
static void WideGapsLeaveNothingResolved(void **state) {
  static const double halves[POINTS] = {0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4};
  (void)state;
  Fill(1, -0.7, halves);
  Is(Verdict(-0.6), "not resolved");
  Is(Verdict(-0.2), "agrees");
  Is(Verdict(-0.8), "not resolved");
}

/* Of a gap at one N only its place tells: at the end it makes the line steeper, in the middle neither. */
static void OneGapIsFollowed(void **state) {
  static const double last[POINTS] = {1, 1, 1, 1, 1, 1, 0.1}, first[POINTS] = {0.1, 1, 1, 1, 1, 1, 1};
  static const double lost[POINTS] = {1, 1, 1, 1, 1, 1, 0};
  (void)state;
  Fill(1, -0.7, last);
  Is(Verdict(-0.6), "agrees");       /* steeper still */
  Is(Verdict(-1.2), "not resolved"); /* it might be that steep */
  Fill(1, -0.7, first);
  Is(Verdict(-0.6), "not resolved");
  Fill(1, -0.7, lost);
  Is(Verdict(-0.6), "not resolved"); /* 0 has no logarithm */
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(SmallGapsChangeNothing),
                                          cmocka_unit_test(WideGapsLeaveNothingResolved),
                                          cmocka_unit_test(OneGapIsFollowed)};
TEST_MAIN(tests)
