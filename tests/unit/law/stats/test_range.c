/* What slopes of finite ranges say of a rate. */
#include <math.h>

#include "law/stats/range.h"
#include "test.h"

/* log y = -x - x^2/4 with x = log z: the slope at the last z. */
static void the_end_of_a_parabola(void **unused) {
  PetscReal z[5], y[5], slope;
  (void)unused;

  for (int i = 0; i < 5; i++) {
    z[i] = pow(2, i);
    y[i] = exp(-log(z[i]) - PetscSqr(log(z[i])) / 4);
  }
  OK(RangeEndSlope(5, z, y, &slope));
  CLOSE(slope, -1 - log(16) / 2, 1e-12);
  OK(RangeEndSlope(2, z, y, &slope));
  assert_true(isnan(slope));
}

static FitValue Within(PetscReal value, PetscReal half) {
  return (FitValue){value, value - half, value + half};
}

/* Beside the rate -1, of 100 realizations whose values are small unless said. */
static RangeVerdict Judge(FitValue slope, FitValue end) {
  return RangeJudge(100, slope, end, 0.01, -1);
}

static void verdicts(void **unused) {
  const FitValue slope = Within(-0.5, 0.02), end = Within(-0.5, 0.05), none = {-0.5, NAN, NAN};
  (void)unused;

  assert_int_equal(Judge(Within(-0.99, 0.02), end), RANGE_AGREES);
  assert_int_equal(Judge(slope, end), RANGE_SLOWER);
  assert_int_equal(RangeJudge(100, slope, end, 0.3, -1), RANGE_SHORT); /* saturated */
  assert_int_equal(Judge(slope, none), RANGE_SHORT);                   /* two values */
  assert_int_equal(Judge(none, none), RANGE_UNKNOWN);
  assert_int_equal(Judge(Within(-0.5, 0.6), end), RANGE_UNKNOWN); /* neither the rate nor 0 is excluded */
  /* outside of the interval by chance: the intervals have two standard errors, chance reaches four */
  assert_int_equal(Judge(Within(-0.97, 0.02), Within(-0.95, 0.04)), RANGE_SHORT);
  assert_int_equal(Judge(Within(-0.97, 0.002), Within(-0.95, 0.004)), RANGE_SLOWER);
  /* half of the way to the rate, however well it is known */
  assert_int_equal(Judge(Within(-0.6, 0.002), Within(-0.8, 0.004)), RANGE_SHORT);
  assert_int_equal(Judge(Within(-0.6, 0.002), Within(-0.7, 0.004)), RANGE_SLOWER);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_end_of_a_parabola),
    cmocka_unit_test(verdicts),
};
TEST_MAIN(tests)
