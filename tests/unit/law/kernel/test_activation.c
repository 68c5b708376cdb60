/* The ten activations: values against textbook formulas in long double, derivatives against Richardson differences of
 * those, the vectorised apply against the value, and the flags. */
#include "test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <chorale/activation.h>

/* Textbook definitions. The exponent of long double reaches e^11000, so that they need no care at |x| = 1000. */
static long double ReluLong(long double x) {
  return fmaxl(x, 0);
}
static long double LeakyReluLong(long double x) {
  return fmaxl(x, 0) + (long double)0.01 * fminl(x, 0);
}
static long double GeluLong(long double x) {
  const long double half = 0.70710678118654752440084436210485L * x;
  return 0.5L * x * (x < 0 ? erfcl(-half) : 1 + erfl(half));
}
static long double SigmoidLong(long double x) {
  return 1 / (1 + expl(-x));
}
static long double SiluLong(long double x) {
  return x / (1 + expl(-x));
}
static long double TanhLong(long double x) {
  return x > 5000 ? 1 : x < -5000 ? -1 : (expl(x) - expl(-x)) / (expl(x) + expl(-x));
}
static long double SoftplusLong(long double x) {
  return x < 0 ? log1pl(expl(x)) : logl(1 + expl(x));
}
/* erf by its Taylor series for small x and its continued fraction for large x: independent of the C library. */
static long double ErfLong(long double x) {
  const long double square = x * x, scale = 1.12837916709551257389615890312154517L;
  long double sum = 0, term = x;
  if (fabsl(x) < 2.5L) {
    for (int n = 0; n < 80; n++) {
      sum += term / (2 * n + 1);
      term *= -square / (n + 1);
    }
    return scale * sum;
  }
  for (int n = 120; n > 0; n--) sum = 0.5L * n / (fabsl(x) + sum);
  sum = expl(-square) * 0.5L * scale / (fabsl(x) + sum);
  return x > 0 ? 1 - sum : sum - 1;
}
static long double IdentityLong(long double x) {
  return x;
}

static const struct {
  const char *name;
  long double (*value)(long double);
} expected[] = {
    {"relu", ReluLong},         {"leaky_relu", LeakyReluLong}, {"gelu", GeluLong},
    {"silu", SiluLong},         {"sigmoid", SigmoidLong},      {"tanh", TanhLong},
    {"erf", ErfLong},           {"softplus", SoftplusLong},    {"sin", sinl},
    {"identity", IdentityLong},
};
enum { COUNT = sizeof(expected) / sizeof(expected[0]) };

static const double extremes[] = {0,     -0.0,   1e-300, -1e-300, 1e-8, -1e-8, 20,   -20,   36,  -36,
                                  37.5,  -37.5,  38.6,   -38.6,   100,  -100,  350,  -350,  700, -700,
                                  709.7, -709.7, 745,    -745,    746,  -746,  1000, -1000, 1e5, -1e5,
                                  1e-20, -1e-20, 5,      -5,      8,    -8,    9.5,  -9.5,  0.5, -0.5};
enum { EXTREMES = sizeof(extremes) / sizeof(extremes[0]), DENSE = 40000, POINTS = DENSE + EXTREMES };

/* [-20, 20] densely and the extremes. */
static double Point(int i) {
  return i < DENSE ? -20.0 + 0.001 * (i + 0.37) : extremes[i - DENSE];
}

/* Off by at most tolerance, absolute below 1 and relative above. */
static void Near(const char *name, double x, double actual, long double reference, double tolerance) {
  const double off = (double)fabsl((long double)actual - reference);
  if (!(off <= tolerance * fmax(1, (double)fabsl(reference))))
    fail_msg("%s at %.17g: %.17g, expected %.17Lg", name, x, actual, reference);
}

static void Registry(void **state) {
  (void)state;
  for (int i = 0; i < COUNT; i++) {
    assert_non_null(ActivationGet(i));
    assert_string_equal(ActivationGet(i)->name, expected[i].name);
    assert_ptr_equal(ActivationFind(expected[i].name), ActivationGet(i));
  }
  assert_null(ActivationGet(COUNT));
  assert_null(ActivationGet(-1));
  assert_null(ActivationFind("rel"));
  assert_null(ActivationFind("ReLU6"));
  assert_null(ActivationFind(""));
}

static void Values(void **state) {
  (void)state;
  for (int a = 0; a < COUNT; a++)
    for (int i = 0; i < POINTS; i++)
      Near(expected[a].name, Point(i), ActivationGet(a)->value(Point(i)), expected[a].value(Point(i)), 4e-16);
}

/* The left tails keep their relative accuracy where cancellation would destroy it (e^-x of a rounded x costs no digit;
 * erfc(x) at a rounded x/sqrt 2 costs x^2 ulps). */
static void Tails(void **state) {
  (void)state;
  const char *names[] = {"gelu", "silu", "sigmoid", "softplus"};
  for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
    for (int a = 0; a < COUNT; a++)
      for (double x = -30; strcmp(names[n], expected[a].name) == 0 && x < -1; x += 0.173) {
        const long double reference = expected[a].value(x);
        CLOSE((double)((ActivationGet(a)->value(x) - reference) / reference), 0, n == 0 ? 2e-16 * (2 + x * x) : 6e-16);
      }
}

/* Four-level Richardson extrapolation of central differences in long double: error O(h^8), below 1e-13 here. */
static long double Slope(long double (*f)(long double), long double x) {
  long double d[4], h = 1.0L / 32;
  for (int k = 0; k < 4; k++, h /= 2) d[k] = (f(x + h) - f(x - h)) / (2 * h);
  for (int level = 1; level < 4; level++)
    for (int k = 3; k >= level; k--) d[k] += (d[k] - d[k - 1]) / (powl(4, level) - 1);
  return d[3];
}

static void Derivatives(void **state) {
  (void)state;
  for (int a = 0; a < COUNT; a++) {
    const Activation *activation = ActivationGet(a);
    for (int i = 0; i < POINTS; i += i < DENSE ? 7 : 1) {
      const double x = Point(i);
      if (fabs(x) > 1000 || (activation->kink && fabs(x) < 0.04)) continue;
      Near(activation->name, x, activation->derivative(x), Slope(expected[a].value, x), 2e-13);
    }
    for (int i = DENSE; i < POINTS; i++) assert_true(isfinite(activation->derivative(Point(i))));
  }
}

/* Closed forms of sigma' that the functions do not use, to rounding. */
static void DerivativesAreAccurate(void **state) {
  (void)state;
  const long double density = 0.39894228040143267793994605993438L;
  for (int i = 0; i < POINTS; i++) {
    const double x = Point(i);
    const long double s = SigmoidLong(x), th = TanhLong(x), phi = density * expl(-0.5L * x * x);
    Near("sigmoid'", x, ActivationFind("sigmoid")->derivative(x), s - s * s, 4e-16);
    Near("silu'", x, ActivationFind("silu")->derivative(x), s + (long double)x * s * (1 - s), 6e-16);
    Near("tanh'", x, ActivationFind("tanh")->derivative(x), 1 - th * th, 4e-16);
    Near("softplus'", x, ActivationFind("softplus")->derivative(x), s, 4e-16);
    Near("sin'", x, ActivationFind("sin")->derivative(x), cosl(x), 4e-16);
    Near("erf'", x, ActivationFind("erf")->derivative(x),
         1.12837916709551257389615890312154517L * expl(-(long double)x * x), 6e-16);
    if (x != 0) Near("gelu'", x, ActivationFind("gelu")->derivative(x), GeluLong(x) / x + x * phi, 6e-16);
  }
}

/* apply = value to 1e-14 (relative or absolute), out of place and in place with equal bits, and blind to where in the
 * array an x stands. */
static void Apply(void **state) {
  (void)state;
  const PetscInt n = POINTS / 8 * 8;
  double *x, *y, *z;
  OK(PetscMalloc3(n, &x, n, &y, n, &z));
  for (int a = 0; a < COUNT; a++) {
    const Activation *activation = ActivationGet(a);
    for (PetscInt i = 0; i < n; i++) x[i] = Point(POINTS - n + i);
    activation->apply(n, x, y);
    for (PetscInt i = 0; i < n; i++) Near(activation->name, x[i], y[i], (long double)activation->value(x[i]), 1e-14);
    for (PetscInt i = 0; i < n; i++) z[i] = x[n - 1 - i];
    for (PetscInt i = 0; i < n; i += 8) activation->apply(8, z + i, z + i);
    for (PetscInt i = 0; i < n; i++) assert_true(z[i] == y[n - 1 - i]);
  }
  OK(PetscFree3(x, y, z));
}

/* kink: sigma' jumps at 0, to its right limit there. odd: sigma(-x) = -sigma(x) with equal bits. */
static void Flags(void **state) {
  (void)state;
  for (int a = 0; a < COUNT; a++) {
    const Activation *activation = ActivationGet(a);
    const double jump = activation->derivative(1e-12) - activation->derivative(-1e-12);
    assert_true((fabs(jump) > 1e-3) == (activation->kink == PETSC_TRUE));
    if (activation->kink) assert_true(activation->derivative(0) == activation->derivative(1e-12));
    PetscBool odd = PETSC_TRUE;
    for (int i = 0; i < POINTS; i++)
      if (activation->value(-Point(i)) != -activation->value(Point(i))) odd = PETSC_FALSE;
    assert_int_equal(odd, activation->odd);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Registry),
    cmocka_unit_test(Values),
    cmocka_unit_test(Tails),
    cmocka_unit_test(Derivatives),
    cmocka_unit_test(DerivativesAreAccurate),
    cmocka_unit_test(Apply),
    cmocka_unit_test(Flags),
};
TEST_MAIN(tests)
