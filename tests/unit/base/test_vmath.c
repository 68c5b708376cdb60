/* Vector functions by VMATH: near the scalar ones, and the same bits wherever a number stands in an array and however
 * that is cut, by any compiler. */
#include "base/vmath.h"

#include <float.h>
#include <string.h>

#include "test.h"

VMATH(Exp, vexp(t))
VMATH(Log, vlog(fabs(t)))
VMATH(Sin, vsin(t))
VMATH(Log1p, vlog1p(fabs(t)))
VMATH(Tanh, vtanh(t))
VMATH(Erf, verf(t))
VMATH(Erfc, verfc(t))
VMATH(Chord, 2 * vsin(0.5 * t) + 0.3 * t)
VMATH2(Angle, vatan2(s, t))

static double LogAbs(double t) {
  return log(fabs(t));
}
static double Log1pAbs(double t) {
  return log1p(fabs(t));
}
static double ChordOf1(double t) {
  return 2 * sin(0.5 * t) + 0.3 * t;
}

static const struct {
  void (*vector)(PetscInt n, const double *x, double *y);
  double (*scalar)(double x);
} functions[] = {{Exp, exp},   {Log, LogAbs}, {Sin, sin},   {Log1p, Log1pAbs},
                 {Tanh, tanh}, {Erf, erf},    {Erfc, erfc}, {Chord, ChordOf1}};

enum { COUNT = 1000, FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

static double Number(int i) {
  return 7 * sin(1.0 + i * (double)i) + (i % 97 ? 0 : 700.0 * (i % 2 ? 1 : -1));
}

/* Pieces of 1, 2, .. numbers from the given one on. */
static void InPieces(int function, PetscInt longest, const double *x, double *y) {
  for (PetscInt i = 0, n = 1; i < COUNT; i += n, n = n % longest + 1) {
    n = n < COUNT - i ? n : COUNT - i;
    functions[function].vector(n, x + i, y + i);
  }
}

static void near_the_scalar_functions(void **state) {
  double x[COUNT], y[COUNT];

  (void)state;
  for (int i = 0; i < COUNT; i++) x[i] = Number(i);
  for (int f = 0; f < FUNCTIONS; f++) {
    functions[f].vector(COUNT, x, y);
    for (int i = 0; i < COUNT; i++) {
      const double exact = functions[f].scalar(x[i]);
      CLOSE(y[i], exact, 8 * DBL_EPSILON * fmax(fabs(exact), fabs(x[i]) < 10 ? DBL_MIN : fabs(x[i])));
    }
  }
}

static void any_cut_has_the_same_bits(void **state) {
  double x[COUNT], whole[COUNT], y[COUNT];

  (void)state;
  for (int i = 0; i < COUNT; i++) x[i] = Number(i);
  for (int f = 0; f < FUNCTIONS; f++) {
    functions[f].vector(COUNT, x, whole);
    for (PetscInt longest = 1; longest <= 40; longest++) {
      InPieces(f, longest, x, y);
      assert_memory_equal(y, whole, sizeof(y));
    }
    memcpy(y, x, sizeof(x));
    InPieces(f, 13, y, y); /* in place */
    assert_memory_equal(y, whole, sizeof(y));
  }
}

static void nothing_beyond_the_end_is_touched(void **state) {
  double x[32], y[32];

  (void)state;
  for (int f = 0; f < FUNCTIONS; f++)
    for (int n = 0; n < 20; n++) {
      for (int i = 0; i < 32; i++) x[i] = y[i] = i + 0.5;
      functions[f].vector(n, x + 4, y + 4);
      for (int i = 0; i < 32; i++)
        if (i < 4 || i >= n + 4) assert_true(y[i] == i + 0.5);
    }
}

static void functions_of_two_numbers_too(void **state) {
  double x[COUNT], y[COUNT], whole[COUNT], part[COUNT];

  (void)state;
  for (int i = 0; i < COUNT; i++) x[i] = Number(i), y[i] = Number(i + COUNT);
  Angle(COUNT, x, y, whole);
  for (int i = 0; i < COUNT; i++) CLOSE(whole[i], atan2(x[i], y[i]), 8 * DBL_EPSILON * fabs(whole[i]));
  for (PetscInt i = 0, n = 1; i < COUNT; i += n, n = n % 11 + 1) {
    n = n < COUNT - i ? n : COUNT - i;
    Angle(n, x + i, y + i, part + i);
  }
  assert_memory_equal(part, whole, sizeof(part));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(near_the_scalar_functions),
    cmocka_unit_test(any_cut_has_the_same_bits),
    cmocka_unit_test(nothing_beyond_the_end_is_touched),
    cmocka_unit_test(functions_of_two_numbers_too),
};
TEST_MAIN(tests)
