/* The covariance kernel and its rates against tables, closed forms and an independent two-dimensional quadrature. */
#include <stdio.h>
#include <string.h>

#include "kernel_case.h"
#include "law/sphere/quadrature.h"

/* Rows of a CSV file with a header; cells are cut at commas. */
static FILE *OpenData(const char *name) {
  char path[512], line[512];
  snprintf(path, sizeof(path), "%s/%s", TEST_DATA, name);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_non_null(fgets(line, sizeof(line), file));
  return file;
}

static void PaperTable(void **state) {
  FILE *file = OpenData("table1.csv");
  char name[32];
  double bu, bw, expected[4], actual[4];
  int dim, rows = 0;

  (void)state;
  while (fscanf(file, " %31[^,],%d,%lf,%lf,%lf,%lf,%lf,%lf", name, &dim, &bu, &bw, &expected[0], &expected[1],
                &expected[2], &expected[3]) == 8) {
    Kernel kernel = Make(name, dim, bu, bw);
    OK(KernelAtOne(kernel, &actual[0], &actual[1]));
    OK(KernelLyapunov(kernel, &actual[2]));
    OK(KernelCoercivity(kernel, &actual[3]));
    for (int i = 0; i < 4; i++) CLOSE(actual[i] / expected[i], 1.0, 1e-10);
    CLOSE(actual[2], 0.5 * actual[3] - actual[0] - actual[1], 1e-14 * fabs(actual[2]));
    OK(KernelDestroy(&kernel));
    rows++;
  }
  fclose(file);
  assert_int_equal(rows, 24);
}

static void ReferenceKernel(void **state) {
  FILE *file = OpenData("kernel.csv");
  char name[32], quantity[16];
  double bu, bw, index, expected, actual, c[16];
  int dim, rows = 0;

  (void)state;
  while (fscanf(file, " %31[^,],%d,%lf,%lf,%15[^,],%lf,%lf", name, &dim, &bu, &bw, quantity, &index, &expected) == 7) {
    Kernel kernel = Make(name, dim, bu, bw);
    if (!strcmp(quantity, "k"))
      actual = At(kernel, index);
    else if (!strcmp(quantity, "rate"))
      OK(KernelRate(kernel, index, &actual));
    else {
      assert_string_equal(quantity, "c");
      OK(KernelCoefficients(kernel, 15, c));
      actual = c[(int)index];
    }
    /* k has 12 digits, c an absolute 1e-12 or so, the rate 8 digits. */
    CLOSE(actual, expected, (!strcmp(quantity, "rate") ? 1e-7 : 1e-9) * AtOne(kernel));
    OK(KernelDestroy(&kernel));
    rows++;
  }
  fclose(file);
  assert_true(rows >= 100);
}

/* E sigma(Z1) sigma(Z2) by nested panels, both integrals broken at the kinks, the outer one graded towards 0 where u
 * near -1 makes the inner one change fast; knows nothing of series or closed forms. */
enum { NODES = 24, OUTER = 16, INNER = 8 };
static double nodes[NODES], weights[NODES];
#define RANGE 10.0

/* The integral over Y of sigma(mean + rest Y) against the (unnormalised) Gaussian, in panels on both sides of a place.
 */
static double SlowSides(const Activation *a, double mean, double rest, double place) {
  double sum = 0.0;

  for (int half = 0; half < 2; half++) {
    const double from = half ? place : -RANGE, step = (half ? RANGE - place : place + RANGE) / INNER;
    for (int j = 0; j < INNER * NODES; j++) {
      const double y = from + step * (j / NODES + nodes[j % NODES]);
      sum += step * weights[j % NODES] * exp(-0.5 * y * y) * a->value(mean + rest * y);
    }
  }
  return sum;
}

/* Without a kink the panels need not move, and the Gaussian is the same every time. */
static double SlowInner(const Activation *a, double mean, double rest) {
  static double y[2 * INNER * NODES], bell[2 * INNER * NODES];
  double sum = 0.0;

  if (a->kink) return SlowSides(a, mean, rest, rest > 0.0 ? fmax(-RANGE, fmin(RANGE, -mean / rest)) : 0.0);
  if (bell[0] == 0.0)
    for (int j = 0; j < 2 * INNER * NODES; j++) {
      y[j] = RANGE / INNER * (j / NODES - INNER + nodes[j % NODES]);
      bell[j] = RANGE / INNER * weights[j % NODES] * exp(-0.5 * y[j] * y[j]);
    }
  for (int j = 0; j < 2 * INNER * NODES; j++) sum += bell[j] * a->value(mean + rest * y[j]);
  return sum;
}

static double SlowKernel(const Activation *a, int dim, double bias_u, double bias_w, double u) {
  const double v = 1.0 / dim + bias_u * bias_u, c = u / dim + bias_u * bias_u, s = sqrt(v);
  const double rest = sqrt((v - c) * (v + c) / v); /* Z2 = c/v Z1 + rest Y */
  double total = 0.0;

  OK(QuadratureLegendre(NODES, 0.0, 1.0, nodes, weights));
  for (int panel = 0; panel < OUTER; panel++) {
    const double far = ldexp(10.0, -panel), near = panel + 1 < OUTER ? 0.5 * far : 0.0;
    for (int i = 0; i < NODES; i++) {
      const double x = near + (far - near) * nodes[i];
      total +=
          (far - near) * weights[i] * exp(-0.5 * x * x) *
          (a->value(s * x) * SlowInner(a, c / v * s * x, rest) + a->value(-s * x) * SlowInner(a, -c / v * s * x, rest));
    }
  }
  return total / (2.0 * PETSC_PI) + bias_w * bias_w;
}

static void SlowQuadrature(void **state) {
  const double cosines[] = {-1.0, -0.6, 0.0, 0.7, 0.97};
  (void)state;
  int count = 0;
  for (const Activation *a; (a = ActivationGet(count)); count++) {
    for (int l = 0; l < LAWS; l++) {
      Kernel kernel = Make(a->name, laws[l].dim, laws[l].bias_u, laws[l].bias_w);
      const double k1 = AtOne(kernel);
      for (int i = 0; i < 5; i++) {
        const double slow = SlowKernel(a, laws[l].dim, laws[l].bias_u, laws[l].bias_w, cosines[i]);
        CLOSE(At(kernel, cosines[i]), slow, 2e-12 * k1);
      }
      CLOSE(At(kernel, 1.0), k1, 4e-13 * k1);
      OK(KernelDestroy(&kernel));
    }
  }
  assert_int_equal(count, 10);
}

/* A bias of 10 makes every activation nearly kinked in units of its argument. Z = b + X, so integrate the pair of small
 * variables for every b: the trapezoidal rule for them, panels of width 2 for b. */
static double SlowBias(const Activation *a, int dim, double s, double u) {
  enum { POINTS = 43 };
  const double unit = sqrt(1.0 / dim), rest = sqrt(1.0 - u * u), step = 0.4;
  const int panels = (int)(10.0 * s);
  double bell[POINTS], total = 0.0;

  OK(QuadratureLegendre(NODES, 0.0, 1.0, nodes, weights));
  for (int k = 0; k < POINTS; k++) bell[k] = exp(-0.5 * pow(step * (k - POINTS / 2), 2));
  for (int i = 0; i < panels * NODES; i++) {
    const double b = -10.0 * s + 2.0 * (i / NODES + nodes[i % NODES]);
    double pair = 0.0;
    for (int j = 0; j < POINTS; j++) {
      const double x = step * (j - POINTS / 2), first = bell[j] * a->value(b + unit * x);
      for (int k = 0; k < POINTS; k++) {
        const double y = step * (k - POINTS / 2);
        pair += first * bell[k] * a->value(b + unit * (u * x + rest * y));
      }
    }
    total += 2.0 * weights[i % NODES] * exp(-0.5 * b * b / (s * s)) * pair;
  }
  return total * step * step / (s * pow(2.0 * PETSC_PI, 1.5));
}

static void LargeBias(void **state) {
  const char *smooth[] = {"sigmoid", "tanh", "silu", "gelu", "softplus"};
  (void)state;
  for (size_t i = 0; i < sizeof(smooth) / sizeof(smooth[0]); i++) {
    const Activation *a = ActivationFind(smooth[i]);
    Kernel kernel = Make(a->name, 3, 10.0, 0.0);
    CLOSE(At(kernel, 0.4), SlowBias(a, 3, 10.0, 0.4), 1e-12 * AtOne(kernel));
    OK(KernelDestroy(&kernel));
    kernel = Make(a->name, 3, 100.0, 0.0); /* the series adds up to E sigma^2, an integral of its own */
    CLOSE(At(kernel, 1.0), AtOne(kernel), 4e-13 * AtOne(kernel));
    OK(KernelDestroy(&kernel));
  }
}

static void ReluClosedForms(void **state) {
  (void)state;
  for (int l = 0; l < LAWS; l++) {
    const double d = laws[l].dim, su = laws[l].bias_u, sw = laws[l].bias_w, sum = su * su + 2.0 * sw * sw;
    Kernel kernel = Make("relu", laws[l].dim, su, sw);
    double lambda1, lambda_bar;
    OK(KernelLyapunov(kernel, &lambda1));
    OK(KernelCoercivity(kernel, &lambda_bar));
    CLOSE(lambda1, -0.5 / d - 0.25 * sum * (d - 1.0), 1e-14 * fabs(lambda1));
    CLOSE(lambda_bar, 1.0 / d - 0.5 * sum * (d - 3.0), 1e-14 * (1.0 + fabs(lambda_bar)));
    OK(KernelDestroy(&kernel));
  }
}

/* k'(1) from E sigma'^2 equals the one-sided derivative of k, by Richardson extrapolation from u <= 1. */
static void Derivative(void **state) {
  (void)state;
  for (int i = 0; i < 10; i++) {
    const Activation *a = ActivationGet(i);
    if (a->kink) continue;
    for (int l = 0; l < LAWS; l++) {
      Kernel kernel = Make(a->name, laws[l].dim, laws[l].bias_u, laws[l].bias_w);
      const double h = 1.0 / 64;
      double table[6];
      for (int j = 0; j < 6; j++) table[j] = (At(kernel, 1.0) - At(kernel, 1.0 - ldexp(h, -j))) / ldexp(h, -j);
      for (int order = 1; order < 6; order++)
        for (int j = 0; j + order < 6; j++)
          table[j] = table[j + 1] + (table[j + 1] - table[j]) / (ldexp(1.0, order) - 1.0);
      CLOSE(table[0], Slope(kernel), 1e-9 * AtOne(kernel));
      OK(KernelDestroy(&kernel));
    }
  }
}

static void Rate(void **state) {
  const double betas[] = {1e-3, 1.0, 4.0, 300.0, 1e4};
  int interior = 0;
  (void)state;
  for (int i = 0; i < 10; i++) {
    for (int l = 0; l < LAWS; l++) {
      Kernel kernel = Make(ActivationGet(i)->name, laws[l].dim, laws[l].bias_u, laws[l].bias_w);
      double rate, lambda_bar;
      OK(KernelCoercivity(kernel, &lambda_bar));
      for (int b = 0; b < 5; b++) {
        double infimum = -lambda_bar; /* F(1-) */
        OK(KernelRate(kernel, betas[b], &rate));
        for (int j = 0; j < 1600; j++) infimum = fmin(infimum, PlainF(kernel, laws[l].dim, betas[b], -1.0 + j / 801.0));
        for (int j = 0; j < 3000; j++)
          infimum = fmin(infimum, PlainF(kernel, laws[l].dim, betas[b], 1.0 - 1e-6 * pow(1e5, j / 2999.0)));
        const double scale = fabs(rate) + laws[l].dim * AtOne(kernel);
        assert_true(-rate <= infimum + 1e-8 * scale);
        CLOSE(rate, -infimum, 1e-5 * scale);
        if (rate > lambda_bar + 1e-6 * scale) interior++;
      }
      OK(KernelDestroy(&kernel));
    }
  }
  assert_true(interior > 0); /* the search matters: sometimes the infimum is not at u = 1 */
}

/* Everything stays finite and consistent at the largest dimension and at extreme biases of ReLU. */
static void Extremes(void **state) {
  double c[3], rate;
  (void)state;
  for (int i = 0; i < 10; i++) {
    Kernel kernel = Make(ActivationGet(i)->name, 4096, 1e-9, 0.0);
    OK(KernelCoefficients(kernel, 2, c));
    OK(KernelRate(kernel, 1.0, &rate));
    assert_true(isfinite(rate));
    CLOSE(At(kernel, 1.0), AtOne(kernel), 4e-13 * AtOne(kernel));
    OK(KernelDestroy(&kernel));
  }
  Kernel kernel = Make("relu", 3, 1e6, 0.0);
  CLOSE(At(kernel, -0.3) / AtOne(kernel), 1.0, 1e-6);
  OK(KernelDestroy(&kernel));
}

/* Exponents that shrink at once, that spread over a fraction, that no volume loses. */
static void Dimension(void **state) {
  (void)state;
  CLOSE(KaplanYorke(3, (double[]){-0.1, -0.2, -0.3}), 0, 0);
  CLOSE(KaplanYorke(3, (double[]){0.3, -0.1, -0.5}), 2.4, 1e-15);
  CLOSE(KaplanYorke(2, (double[]){0.3, -0.1}), 2, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(PaperTable), cmocka_unit_test(ReferenceKernel), cmocka_unit_test(SlowQuadrature),
    cmocka_unit_test(LargeBias),  cmocka_unit_test(ReluClosedForms), cmocka_unit_test(Derivative),
    cmocka_unit_test(Rate),       cmocka_unit_test(Extremes),        cmocka_unit_test(Dimension),
};
TEST_MAIN(tests)
