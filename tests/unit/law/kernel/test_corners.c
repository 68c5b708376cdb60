/* Two tokens under the common noise in the far corners of what can be asked for; test_twopoint.c has all else. */
#include <chorale/twopoint.h>
#include <math.h>
#include <string.h>

#include "make_kernel.h"

/* Fronts, many scales and degenerate ends: values of another method, second-order differences in log(theta/(pi -
 * theta)) with Radau steps in time, extrapolated from 3000, 6000 and 12000 points (scipy; consistent to 3e-12). */
static void Corners(void **state) {
  static const struct {
    const char *name;
    int dim;
    double beta, value, f[5];
  } corners[] = {
      {"relu", 64, 50, -1, {0.005269180071, 0.007134528572, 0.01085039385, 0.0166395493, 0.01768111089}},
      {"relu", 4096, 1e4, 1, {0, 0, 0, 0, 1}},
      {"tanh", 2, 50, -1, {0.0644763175, 0.09614887041, 0.1263850518, 0.1566573557, 0.1796458702}},
      {"tanh", 5, 1e4, -1, {0.01357020938, 0.02558986345, 0.04099929241, 0.06607707882, 0.1013960808}},
      {"tanh", 4096, 1e4, 1, {0, 0, 0, 0, 1}},
      {"tanh", 2, 1e4, 1, {0.2330761528, 0.3819088676, 0.5453718735, 0.7601897804, 0.997717709}},
  };
  const double u[5] = {-0.5, 0.0, 0.5, 0.9, 0.9999};
  (void)state;
  for (size_t c = 0; c < sizeof(corners) / sizeof(corners[0]); c++) {
    Kernel kernel = Make(corners[c].name, corners[c].dim, 0.0, 0.0);
    TwoPoint twopoint;
    double f[5];
    OK(TwoPointCreate(kernel, corners[c].beta, corners[c].value, &twopoint));
    OK(TwoPointEvaluate(twopoint, 20.0, 5, u, f));
    for (int i = 0; i < 5; i++) CLOSE(f[i], corners[c].f[i], 1e-9);
    OK(TwoPointDestroy(&twopoint));
    OK(KernelDestroy(&kernel));
  }
}

/* f_t between the values that f_0 takes and, as any two diffusions on a line can be kept in order, increasing in u and
 * in v, whose solutions share no points. */
static void CheckOrder(const char *name, int dim, double bias, double beta, double t) {
  enum { POINTS = 9 };
  const double u[POINTS] = {-1.0, -0.999, -0.5, 0.0, 0.1, 0.5, 0.9, 0.9999, 1.0};
  double f[POINTS], before[POINTS], uniform, last = 0.0;
  Kernel kernel = Make(name, dim, bias, bias);

  for (int v = -1; v <= 1; v++) {
    TwoPoint twopoint;
    OK(TwoPointCreate(kernel, beta, v, &twopoint));
    OK(TwoPointUniform(twopoint, t, &uniform));
    OK(TwoPointEvaluate(twopoint, t, POINTS, u, f));
    assert_true(f[POINTS - 1] == 1.0 && f[0] > exp(-2.0 * beta) - 1e-9);
    for (int i = 1; i < POINTS; i++) assert_true(f[i] >= f[i - 1] - 1e-9);
    for (int i = 0; i < POINTS && v > -1; i++) assert_true(f[i] >= before[i] - 1e-9);
    assert_true(uniform >= f[0] - 1e-9 && uniform <= 1.0 + 1e-9 && uniform >= last - 1e-9);
    memcpy(before, f, sizeof(f));
    last = uniform;
    OK(TwoPointDestroy(&twopoint));
  }
  OK(KernelDestroy(&kernel));
}

/* The far corners of what can be asked for, a third of all combinations. */
static void AnyInput(void **state) {
  const char *names[] = {"relu", "tanh", "sigmoid"};
  const int dims[] = {2, 3, 5, 64, 4096};
  const double betas[] = {1e-3, 1.0, 50.0, 1e4}, times[] = {1e-3, 1.0, 20.0}, biases[] = {0.0, 0.1, 1e-3};
  (void)state;
  for (int i = 0; i < 3 * 5 * 4 * 3; i++) {
    const int a = i % 3, d = i / 3 % 5, b = i / 15 % 4, t = i / 60;
    if ((a + d + b + t) % 3 == 0) CheckOrder(names[a], dims[d], biases[(d + b) % 3], betas[b], times[t]);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(Corners), cmocka_unit_test(AnyInput)};
TEST_MAIN(tests)
