/* Two tokens under the common noise: reference values, exact slopes and limits, and a slow independent solver. */
#include "expect.h"
#include "make_kernel.h"
#include <chorale/twopoint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "law/sphere/quadrature.h"

static double Uniform(Kernel kernel, double beta, double value, double t) {
  TwoPoint twopoint;
  double f;
  OK(TwoPointCreate(kernel, beta, value, &twopoint));
  OK(TwoPointUniform(twopoint, t, &f));
  OK(TwoPointDestroy(&twopoint));
  assert_null(twopoint);
  return f;
}

/* The reference has 6 digits for ReLU and 8 for smooth activations (THEORY.md section 6); exact at t = 0, but printed
 * with 8 digits. */
static void Reference(void **state) {
  FILE *file = fopen(TEST_DATA "/two_point.csv", "r");
  char line[256], name[32], value[32];
  int rows = 0;
  (void)state;
  assert_non_null(file);
  assert_non_null(fgets(line, sizeof(line), file));
  while (fgets(line, sizeof(line), file)) {
    int dim, at = 0;
    double bias_u, bias_w, beta, t, half_gap;
    assert_int_equal(sscanf(line, "%31[^,],%d,%lf,%lf,%lf,%n", name, &dim, &bias_u, &bias_w, &beta, &at), 5);
    value[0] = 0;
    if (line[at] != ',') assert_int_equal(sscanf(line + at, "%31[^,]", value), 1);
    at += (int)strlen(value) + 1;
    assert_int_equal(sscanf(line + at, "%lf,%lf", &t, &half_gap), 2);
    Kernel kernel = Make(name, dim, bias_u, bias_w);
    const double gap = 0.5 * exp(beta) * (1.0 - Uniform(kernel, beta, atof(value), t));
    CLOSE(gap, half_gap, (t == 0.0 ? 2e-8 : !strcmp(name, "relu") ? 1e-6 : 1e-8) * half_gap);
    OK(KernelDestroy(&kernel));
    rows++;
  }
  fclose(file);
  assert_int_equal(rows, 45);
}

/* The method of lines on a uniform grid in theta with sixth-order differences, even about both ends, and classical
 * Runge-Kutta steps; for kernels that are smooth in u. */
enum { GRID = 160, GHOST = 3 };
static double second[GRID + 1], first[GRID + 1];

static void SlowGenerator(Kernel kernel, int d, double beta, double value, double kappa) {
  double k1, kp1, k;
  OK(KernelAtOne(kernel, &k1, &kp1));
  for (int i = 0; i <= GRID; i++) {
    const double theta = PETSC_PI * i / GRID, u = i == 0 ? 1.0 : i == GRID ? -1.0 : cos(theta), s = sin(theta);
    OK(KernelEvaluate(kernel, u, &k));
    const double g0 = k * (d - 2.0 + u * u) - k1 * (d - 1.0) * u;
    const double attention = 2.0 * value * s * s * exp(beta * u) / (exp(beta) + exp(beta * u));
    second[i] = k1 - u * k + 2.0 * kappa;
    first[i] = -(g0 + attention - 2.0 * kappa * (d - 1.0) * u) / s - second[i] * u / s;
    /* f_theta / theta tends to f_theta_theta, f_theta / (pi - theta) to -f_theta_theta */
    if (i == 0) second[i] = 2.0 * kappa * (d - 1.0), first[i] = 0.0;
    if (i == GRID) second[i] *= d - 1.0, first[i] = 0.0;
  }
}

static void SlowApply(double *f, double *out) {
  const double h = PETSC_PI / GRID;
  for (int g = 1; g <= GHOST; g++) f[-g] = f[g], f[GRID + g] = f[GRID - g];
  for (int i = 0; i <= GRID; i++) {
    const double d1 = (45.0 * (f[i + 1] - f[i - 1]) - 9.0 * (f[i + 2] - f[i - 2]) + f[i + 3] - f[i - 3]) / (60.0 * h);
    const double d2 =
        (270.0 * (f[i + 1] + f[i - 1]) - 27.0 * (f[i + 2] + f[i - 2]) + 2.0 * (f[i + 3] + f[i - 3]) - 490.0 * f[i]) /
        (180.0 * h * h);
    out[i] = second[i] * d2 + first[i] * d1;
  }
}

static void SlowAdvance(double f[GRID + 1], double t) {
  double now[GRID + 1 + 2 * GHOST], slope[4][GRID + 1], largest = 0.0;
  for (int i = 0; i <= GRID; i++) largest = fmax(largest, second[i] + fabs(first[i]) * PETSC_PI / GRID);
  const int steps = 10 + (int)(t * largest * 3.0 * (GRID / PETSC_PI) * (GRID / PETSC_PI));
  const double step = t / steps, part[] = {0.0, 0.5, 0.5, 1.0};
  for (int n = 0; n < steps; n++) {
    for (int stage = 0; stage < 4; stage++) {
      for (int i = 0; i <= GRID; i++) now[GHOST + i] = f[i] + (stage ? step * part[stage] * slope[stage - 1][i] : 0.0);
      SlowApply(now + GHOST, slope[stage]);
    }
    for (int i = 0; i <= GRID; i++)
      f[i] += step / 6.0 * (slope[0][i] + 2.0 * slope[1][i] + 2.0 * slope[2][i] + slope[3][i]);
  }
}

static const struct {
  const char *name;
  int dim, degree; /* degree of truncation, 0: none */
  double bias, beta, value, kappa;
} cases[] = {
    {"sigmoid", 5, 0, 0.1, 1.0, 0.0, 0.0},  {"tanh", 3, 0, 0.1, 2.0, 0.0, 0.0},      {"gelu", 2, 0, 0.3, 1.0, 0.0, 0.0},
    {"silu", 4, 0, 0.1, 3.0, 1.0, 0.0},     {"softplus", 3, 0, 0.0, 1.0, -0.2, 0.0}, {"relu", 3, 6, 0.1, 2.0, 0.0, 0.0},
    {"relu", 2, 9, 0.0, 1.0, 1.0, 0.0},     {"tanh", 4, 0, 0.0, 1.0, 0.0, 0.0},      {"sin", 5, 0, 0.0, 2.0, 1.0, 0.0},
    {"tanh", 2, 0, 0.1, 1.0, 1.0, 0.05},    {"gelu", 3, 0, 0.3, 2.0, 1.0, 0.1},      {"sin", 4, 0, 0.0, 1.0, 0.0, 1.0},
    {"sigmoid", 5, 0, 0.1, 2.0, -0.5, 0.02}};

/* f_s against the slow solver, and the semigroup: the slow solver takes f_s on to f_{s+t}. */
static void SlowSolver(void **state) {
  const double s = 0.4, t = 0.5;
  (void)state;
  for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
    const double beta = cases[c].beta;
    double u[GRID + 1], slow[GRID + 1], f[GRID + 1], lost;
    Kernel kernel = Make(cases[c].name, cases[c].dim, cases[c].bias, cases[c].bias);
    TwoPoint twopoint;
    if (cases[c].degree) OK(KernelTruncate(kernel, cases[c].degree, &lost));
    OK(TwoPointCreate(kernel, beta, cases[c].value, &twopoint));
    OK(TwoPointSetIndependent(twopoint, cases[c].kappa));
    SlowGenerator(kernel, cases[c].dim, beta, cases[c].value, cases[c].kappa);
    for (int i = 0; i <= GRID; i++) {
      u[i] = i == 0 ? 1.0 : i == GRID ? -1.0 : cos(PETSC_PI * i / GRID);
      slow[i] = exp(beta * (u[i] - 1.0));
    }
    OK(TwoPointEvaluate(twopoint, 0.0, GRID + 1, u, f));
    for (int i = 0; i <= GRID; i++) CLOSE(f[i], slow[i], 3e-16);
    SlowAdvance(slow, s);
    OK(TwoPointEvaluate(twopoint, s, GRID + 1, u, f));
    for (int i = 0; i <= GRID; i++) CLOSE(f[i], slow[i], 4e-9);
    assert_true(f[0] == 1.0 || cases[c].kappa > 0);
    memcpy(slow, f, sizeof(f));
    SlowAdvance(slow, t);
    OK(TwoPointEvaluate(twopoint, s + t, GRID + 1, u, f));
    for (int i = 0; i <= GRID; i++) CLOSE(f[i], slow[i], 4e-9);
    OK(TwoPointDestroy(&twopoint));
    OK(KernelDestroy(&kernel));
  }
}

/* The slope at u = 1 is exactly beta e^{(lambda_bar - 2v) t}. */
static void SlopeAtOne(void **state) {
  const char *names[] = {"sigmoid", "tanh", "gelu", "identity"};
  const double values[] = {0.0, 1.0, -0.5}, x = 1e-4, t = 0.2, beta = 1.5;
  (void)state;
  for (int i = 0; i < 4; i++) {
    for (int d = 2; d <= 32; d *= 2) {
      for (int v = 0; v < 3; v++) {
        Kernel kernel = Make(names[i], d, 0.1, 0.1);
        TwoPoint twopoint;
        double lambda_bar, f[2];
        const double u[2] = {1.0 - x, 1.0 - 0.5 * x};
        OK(KernelCoercivity(kernel, &lambda_bar));
        OK(TwoPointCreate(kernel, beta, values[v], &twopoint));
        OK(TwoPointEvaluate(twopoint, t, 2, u, f));
        const double exact = beta * exp((lambda_bar - 2.0 * values[v]) * t);
        const double slope = 2.0 * (1.0 - f[1]) / (0.5 * x) - (1.0 - f[0]) / x; /* extrapolated */
        CLOSE(slope, exact, 1e-5 * (1.0 + exact));
        OK(TwoPointDestroy(&twopoint));
        OK(KernelDestroy(&kernel));
      }
    }
  }
}

/* The uniform start is the average of f over u with density (1-u^2)^{(d-3)/2}: Gauss quadrature instead of ours. */
static void UniformStart(void **state) {
  enum { NODES = 400 };
  const int dims[] = {2, 3, 7, 128, 4096};
  double u[NODES], w[NODES], f[NODES], uniform;
  (void)state;
  for (int i = 0; i < 5; i++) {
    for (int j = 0; j < 3; j++) {
      const double t = j, beta = (double[]){0.0, 1.0, 300.0}[i % 3];
      Kernel kernel = Make("relu", dims[i], 0.1, 0.0);
      TwoPoint twopoint;
      double sum = 0.0;
      OK(TwoPointCreate(kernel, beta, j == 1 ? 1.0 : 0.0, &twopoint));
      OK(QuadratureSphere(dims[i], NODES, u, w));
      OK(TwoPointEvaluate(twopoint, t, NODES, u, f));
      for (int n = 0; n < NODES; n++) sum += w[n] * f[n];
      OK(TwoPointUniform(twopoint, t, &uniform));
      CLOSE(uniform, sum, 1e-9);
      if (beta == 0.0) assert_true(uniform == 1.0 && f[0] == 1.0);
      OK(TwoPointDestroy(&twopoint));
      OK(KernelDestroy(&kernel));
    }
  }
}

/* Long times: one cluster, or two antipodal ones for an odd noise (f + f(-u) is symmetric, the antipode stays). */
static void LongTimes(void **state) {
  const double beta = 1.0, u = -1.0;
  double f;
  (void)state;
  Kernel kernel = Make("sigmoid", 5, 0.1, 0.1);
  CLOSE(Uniform(kernel, beta, 0.0, 60.0), 1.0, 1e-8);
  OK(KernelDestroy(&kernel));
  kernel = Make("tanh", 4, 0.0, 0.0);
  TwoPoint twopoint;
  OK(TwoPointCreate(kernel, beta, 0.0, &twopoint));
  OK(TwoPointEvaluate(twopoint, 20.0, 1, &u, &f));
  CLOSE(f, exp(-2.0 * beta), 1e-9);
  OK(TwoPointUniform(twopoint, 20.0, &f));
  assert_true(f > 0.55 && f < 0.5 * (1.0 + exp(-2.0 * beta)));
  OK(TwoPointDestroy(&twopoint));
  OK(KernelDestroy(&kernel));
  /* Attention alone would gather, repulsion drives apart; in both cases within the range of f. */
  kernel = Make("relu", 5, 0.1, 0.1);
  CLOSE(Uniform(kernel, 2.0, 1.0, 40.0), 1.0, 1e-8);
  f = Uniform(kernel, 2.0, -1.0, 10.0);
  assert_true(f > exp(-4.0) && f < Uniform(kernel, 2.0, 0.0, 10.0));
  OK(KernelDestroy(&kernel));
}

static void Refusals(void **state) {
  const double u[] = {0.5, 1.5};
  double f[2];
  Kernel kernel = Make("relu", 5, 0.1, 0.1);
  TwoPoint twopoint;
  (void)state;
  FAILS(TwoPointCreate(kernel, -1.0, 0.0, &twopoint), PETSC_ERR_ARG_OUTOFRANGE, "beta = -1");
  OK(TwoPointCreate(kernel, 1.0, 0.0, &twopoint));
  FAILS(TwoPointSetIndependent(twopoint, -1.0), PETSC_ERR_ARG_OUTOFRANGE, "kappa = -1");
  FAILS(TwoPointEvaluate(twopoint, -1.0, 1, u, f), PETSC_ERR_ARG_OUTOFRANGE, "time = -1");
  FAILS(TwoPointEvaluate(twopoint, 1.0, 2, u, f), PETSC_ERR_ARG_OUTOFRANGE, "u = 1.5");
  OK(TwoPointDestroy(&twopoint));
  OK(KernelDestroy(&kernel));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Reference),    cmocka_unit_test(SlowSolver), cmocka_unit_test(SlopeAtOne),
    cmocka_unit_test(UniformStart), cmocka_unit_test(LongTimes),  cmocka_unit_test(Refusals),
};
TEST_MAIN(tests)
