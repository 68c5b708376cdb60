/* The covariance kernel against tables, closed forms and an independent two-dimensional quadrature. */
#include "test.h"
#include <chorale/kernel.h>
#include <chorale/sphere.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "law/sphere/quadrature.h"

static const struct {
  int dim;
  double bias_u, bias_w;
} laws[] = {{2, 0.0, 0.0}, {3, 0.1, 0.2}, {5, 1.0, 0.0}, {64, 0.1, 0.1}, {4, 1e-3, 0.0}};
enum { LAWS = sizeof(laws) / sizeof(laws[0]) };

static Kernel Make(const Activation *a, int dim, double bias_u, double bias_w) {
  Kernel kernel = NULL;
  assert_non_null(a);
  OK(KernelCreate(a, dim, bias_u, bias_w, &kernel));
  return kernel;
}

static double At(Kernel kernel, double u) {
  double k;
  OK(KernelEvaluate(kernel, u, &k));
  return k;
}

static double AtOne(Kernel kernel) {
  double k1, kp1;
  OK(KernelAtOne(kernel, &k1, &kp1));
  return k1;
}

static double Slope(Kernel kernel) {
  double k1, kp1;
  OK(KernelAtOne(kernel, &k1, &kp1));
  return kp1;
}

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
    Kernel kernel = Make(ActivationFind(name), dim, bu, bw);
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
    Kernel kernel = Make(ActivationFind(name), dim, bu, bw);
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
      Kernel kernel = Make(a, laws[l].dim, laws[l].bias_u, laws[l].bias_w);
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
    Kernel kernel = Make(a, 3, 10.0, 0.0);
    CLOSE(At(kernel, 0.4), SlowBias(a, 3, 10.0, 0.4), 1e-12 * AtOne(kernel));
    OK(KernelDestroy(&kernel));
    kernel = Make(a, 3, 100.0, 0.0); /* the series adds up to E sigma^2, an integral of its own */
    CLOSE(At(kernel, 1.0), AtOne(kernel), 4e-13 * AtOne(kernel));
    OK(KernelDestroy(&kernel));
  }
}

/* Where k has a closed form, the coefficients come from the series all the same: two independent roads. */
static void ClosedAgainstSeries(void **state) {
  const char *names[] = {"gelu", "sin", "erf", "identity"};
  const double biases[] = {0.0, 0.1, 3.0, 100.0};
  enum { DEGREE = 64 };
  double c[DEGREE + 1], p[DEGREE + 1];
  (void)state;
  for (int i = 0; i < 4; i++) {
    for (int b = 0; b < 4; b++) {
      Kernel kernel = Make(ActivationFind(names[i]), 3, biases[b], 0.1);
      OK(KernelCoefficients(kernel, DEGREE, c));
      for (double u = -1.0; u <= 1.0; u += 0.125) {
        double sum = 0.0;
        SpherePolynomials(3, DEGREE, u, p);
        for (int n = DEGREE; n >= 0; n--) sum += c[n] * p[n];
        CLOSE(sum, At(kernel, u), 1e-12 * AtOne(kernel));
      }
      OK(KernelDestroy(&kernel));
    }
  }
}

static void ReluClosedForms(void **state) {
  (void)state;
  for (int l = 0; l < LAWS; l++) {
    const double d = laws[l].dim, su = laws[l].bias_u, sw = laws[l].bias_w, sum = su * su + 2.0 * sw * sw;
    Kernel kernel = Make(ActivationFind("relu"), laws[l].dim, su, sw);
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
      Kernel kernel = Make(a, laws[l].dim, laws[l].bias_u, laws[l].bias_w);
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

/* c_n >= 0, sum c_n = k(1), sum c_n P_n(u) = k(u); degree 256 in any dimension. */
static void Expansion(void **state) {
  enum { DEGREE = 256 };
  const int dims[] = {2, 3, 4, 5, 6, 64, 4096};
  double c[DEGREE + 1], p[DEGREE + 1];
  (void)state;
  for (int i = 0; i < 10; i++) {
    const Activation *a = ActivationGet(i);
    for (size_t j = 0; j < sizeof(dims) / sizeof(dims[0]); j++) {
      for (int b = 0; b < 3; b++) {
        const double bias = (double[]){0.0, 0.1, 2.0}[b];
        Kernel kernel = Make(a, dims[j], bias, 0.5 * bias);
        const double k1 = AtOne(kernel);
        OK(KernelCoefficients(kernel, DEGREE, c));
        for (int n = 0; n <= DEGREE; n++) assert_true(c[n] >= 0.0 && c[n] <= k1 * (1.0 + 1e-12));
        /* What is left beyond the degree is positive and bounds the error everywhere; for a kink it decays slowly. */
        double tail = k1;
        for (int n = DEGREE; n >= 0; n--) tail -= c[n];
        if (!a->kink) CLOSE(tail, 0.0, 1e-12 * k1);
        if (a->kink && dims[j] <= 6) CLOSE(tail, 0.0, 1e-6 * k1);
        assert_true(tail >= -1e-12 * k1);
        for (double u = -1.0; u <= 1.0; u += 0.25) {
          double sum = 0.0;
          SpherePolynomials(dims[j], DEGREE, u, p);
          for (int n = DEGREE; n >= 0; n--) sum += c[n] * p[n];
          CLOSE(sum, At(kernel, u), tail + 2e-12 * k1);
        }
        OK(KernelDestroy(&kernel));
      }
    }
  }
}

/* c_n of ReLU against its definition dim(n) E[k P_n] by a plain rule in the angle, where rounding times dim(n) permits.
 */
static void ReluCoefficients(void **state) {
  enum { RULE = 256, DEGREE = 256 };
  double x[RULE], w[RULE], c[DEGREE + 1], direct[DEGREE + 1], p[DEGREE + 1];
  (void)state;
  OK(QuadratureLegendre(RULE, 0.0, 1.0, x, w));
  const char *names[] = {"relu", "leaky_relu"};
  for (int a = 0; a < 2; a++) {
    for (int d = 2; d <= 6; d++) {
      for (int b = 0; b < 4; b++) {
        const double bias = (double[]){0.0, 1e-3, 0.1, 3.0}[b];
        Kernel kernel = Make(ActivationFind(names[a]), d, bias, 0.3);
        const double k1 = AtOne(kernel);
        double total = 0.0;
        memset(direct, 0, sizeof(direct));
        /* Panels shrink towards pi, where a small bias leaves a near singularity. */
        for (int panel = 0; panel < 20; panel++) {
          const double far = ldexp(PETSC_PI, -panel), near = panel < 19 ? 0.5 * far : 0.0;
          for (int i = 0; i < RULE; i++) {
            const double theta = PETSC_PI - (near + (far - near) * x[i]), u = cos(theta);
            const double weight = (far - near) * w[i] * pow(sin(theta), d - 2), k = At(kernel, u);
            total += weight;
            SpherePolynomials(d, DEGREE, u, p);
            for (int n = 0; n <= DEGREE; n++) direct[n] += weight * k * p[n];
          }
        }
        OK(KernelCoefficients(kernel, DEGREE, c));
        for (int n = 0; n <= DEGREE; n++) {
          const double expected = SphereHarmonicCount(d, n) * direct[n] / total;
          CLOSE(c[n], expected, (1e-13 + 1e-15 * sqrt(SphereHarmonicCount(d, n)) * 8.0) * k1);
        }
        OK(KernelDestroy(&kernel));
      }
    }
  }
}

/* Without bias ReLU's Taylor series is known: (1 + pi u/2 + sum_j C(2j,j) u^{2j+2}/(4^j (2j+1)(2j+2)))/(2 pi d). Each
 * power has positive Gegenbauer coefficients: an oracle for large d, where the coefficients of high powers are
 * negligible. */
static void ReluHighDimension(void **state) {
  enum { TERMS = 4000, DEGREE = 12 };
  const int d = 64;
  double c[DEGREE + 1], expected[DEGREE + 1] = {1.0}, coefficient = 1.0;
  (void)state;
  static double wide[TERMS + 2], other[TERMS + 2]; /* coefficients of u^m and of the next power */
  memset(wide, 0, sizeof(wide));
  wide[0] = 1.0;
  for (int m = 1; m <= TERMS; m++) {
    memset(other, 0, sizeof(other));
    for (int n = 0; n < m; n++) {
      const double up = (double)(n + d - 2) / (2 * n + d - 2);
      other[n + 1] += up * wide[n];
      if (n > 0) other[n - 1] += (1.0 - up) * wide[n];
    }
    memcpy(wide, other, sizeof(wide));
    double b = 0.0;
    if (m == 1) b = 0.5 * PETSC_PI;
    if (m % 2 == 0) {
      const int j = m / 2 - 1;
      if (j > 0) coefficient *= (2.0 * j - 1.0) / (2.0 * j);
      b = coefficient / ((2.0 * j + 1.0) * (2.0 * j + 2.0));
    }
    for (int n = 0; n <= DEGREE; n++) expected[n] += b * wide[n];
  }
  Kernel kernel = Make(ActivationFind("relu"), d, 0.0, 0.0);
  OK(KernelCoefficients(kernel, DEGREE, c));
  for (int n = 0; n <= DEGREE; n++) CLOSE(c[n], expected[n] / (2.0 * PETSC_PI * d), 1e-13 * AtOne(kernel));
  OK(KernelDestroy(&kernel));
}

/* F as THEORY.md (2.8) has it, numerator and denominator divided by e^beta. */
static double PlainF(Kernel kernel, double d, double beta, double u) {
  const double k = At(kernel, u), k1 = AtOne(kernel);
  const double g0 = k * (d - 2.0 + u * u) - k1 * (d - 1.0) * u, g1 = (1.0 - u * u) * (k1 - u * k);
  return beta * exp(beta * (u - 1.0)) * (g0 + beta * g1) / -expm1(beta * (u - 1.0));
}

static void Rate(void **state) {
  const double betas[] = {1e-3, 1.0, 4.0, 300.0, 1e4};
  int interior = 0;
  (void)state;
  for (int i = 0; i < 10; i++) {
    for (int l = 0; l < LAWS; l++) {
      Kernel kernel = Make(ActivationGet(i), laws[l].dim, laws[l].bias_u, laws[l].bias_w);
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
    Kernel kernel = Make(ActivationGet(i), 4096, 1e-9, 0.0);
    OK(KernelCoefficients(kernel, 2, c));
    OK(KernelRate(kernel, 1.0, &rate));
    assert_true(isfinite(rate));
    CLOSE(At(kernel, 1.0), AtOne(kernel), 4e-13 * AtOne(kernel));
    OK(KernelDestroy(&kernel));
  }
  Kernel kernel = Make(ActivationFind("relu"), 3, 1e6, 0.0);
  CLOSE(At(kernel, -0.3) / AtOne(kernel), 1.0, 1e-6);
  OK(KernelDestroy(&kernel));
}

/* sum_n c_n P_n, its slope and its theory, from the coefficients of the whole kernel. */
static void Truncated(void **state) {
  enum { DEGREE = 20, MORE = 24 };
  double c[MORE + 1], cut[MORE + 1], p[DEGREE + 1];
  (void)state;
  for (int i = 0; i < 10; i++) {
    for (int l = 0; l < LAWS; l++) {
      const double d = laws[l].dim;
      Kernel kernel = Make(ActivationGet(i), laws[l].dim, laws[l].bias_u, laws[l].bias_w);
      const double whole = AtOne(kernel), half = At(kernel, 0.5);
      double lost, again, tail, value, k1 = 0.0, kp1 = 0.0, lambda1, lambda_bar, rate, infimum;
      PetscInt degree;
      OK(KernelCoefficients(kernel, MORE, c));
      OK(KernelDegree(kernel, 0.0, DEGREE, &degree, &tail));
      OK(KernelTruncate(kernel, DEGREE, &lost));
      assert_true(degree <= DEGREE && (degree == DEGREE || tail == 0.0));
      if (degree == DEGREE) assert_true(tail == lost);
      for (int n = DEGREE; n >= 0; n--) {
        k1 += c[n];
        kp1 += c[n] * n * (n + d - 2.0) / (d - 1.0);
      }
      CLOSE(AtOne(kernel), k1, 1e-15 * whole);
      CLOSE(k1 + lost, whole, 1e-12 * whole);
      CLOSE(Slope(kernel), kp1, 1e-14 * kp1);
      OK(KernelCoefficients(kernel, MORE, cut));
      for (int n = 0; n <= MORE; n++) CLOSE(cut[n], n <= DEGREE ? c[n] : 0.0, n <= DEGREE ? 1e-15 * whole : 0.0);
      for (int g = -8; g <= 8; g++) {
        double sum = 0.0;
        SpherePolynomials(laws[l].dim, DEGREE, g / 8.0, p);
        for (int n = DEGREE; n >= 0; n--) sum += c[n] * p[n];
        CLOSE(At(kernel, g / 8.0), sum, 1e-14 * whole);
      }
      assert_true(fabs(At(kernel, 0.5) - half) <= lost + 1e-12 * whole);
      OK(KernelLyapunov(kernel, &lambda1));
      OK(KernelCoercivity(kernel, &lambda_bar));
      CLOSE(lambda1, 0.5 * (d - 3.0) * kp1 - 0.5 * (d - 1.0) * k1, 1e-13 * d * whole);
      CLOSE(lambda_bar, (d - 1.0) * kp1 - (d - 3.0) * k1, 1e-13 * d * whole);
      OK(KernelRate(kernel, 2.0, &rate));
      infimum = -lambda_bar;
      for (int j = 0; j < 3200; j++) infimum = fmin(infimum, PlainF(kernel, d, 2.0, -1.0 + j / 1601.0));
      CLOSE(rate, -infimum, 1e-5 * (fabs(rate) + d * whole));
      /* A truncated kernel is truncated again from what is left of it. */
      OK(KernelTruncate(kernel, MORE, &again));
      assert_true(again == 0.0);
      OK(KernelTruncate(kernel, 3, &again));
      CLOSE(again, k1 - c[0] - c[1] - c[2] - c[3], 1e-15 * whole);
      value = At(kernel, -1.0);
      CLOSE(value, c[0] - c[1] + c[2] - c[3], 1e-14 * whole);
      OK(KernelDestroy(&kernel));
    }
  }
}

/* The smallest degree, and a tail with correct digits: for ReLU c_n n^4 tends to a constant, so the tail is also a sum
 * to 16 times the degree and an integral beyond; for smooth kernels it is the sum of the last coefficients. */
static void Degree(void **state) {
  enum { MOST = 1024, FAR = 4096 };
  static double c[FAR + 1];
  const int dims[] = {2, 3, 5, 64};
  const char *names[] = {"relu", "leaky_relu", "tanh", "gelu", "erf"};
  const double tols[] = {0.5, 1e-3, 1e-5, 1e-8, 1e-12};
  (void)state;
  for (int i = 0; i < 5; i++) {
    for (int j = 0; j < 4; j++) {
      for (int b = 0; b < 2; b++) {
        Kernel kernel = Make(ActivationFind(names[i]), dims[j], 0.3 * b, 0.1 * b);
        const int kink = ActivationFind(names[i])->kink, far = kink && b == 0 ? FAR : MOST;
        const double k1 = AtOne(kernel);
        OK(KernelCoefficients(kernel, far, c));
        /* Without bias every second coefficient vanishes: half of the sum of n^{-4} beyond, and c_far belongs to it. */
        double beyond = far == FAR ? c[far] * (far / 6.0 - 0.5) : 0.0;
        for (int n = far; n > MOST; n--) beyond += c[n];
        for (int t = kink && b ? 2 : 0; t < (kink && b ? 3 : 5); t++) {
          PetscInt degree;
          double tail, sum = beyond;
          OK(KernelDegree(kernel, tols[t], MOST, &degree, &tail));
          assert_true(degree >= 0 && degree <= MOST);
          for (int n = MOST; n > degree; n--) sum += c[n];
          if (degree < MOST) assert_true(tail <= tols[t] * k1);
          if (degree > 0 && degree < MOST) assert_true(tail + c[degree] > tols[t] * k1);
          if (!kink) CLOSE(tail, sum, 1e-12 * sum);
          if (kink && b == 0) CLOSE(tail, sum, 1e-3 * sum + 2e-15 * k1);
          if (!kink) assert_true(degree < 200);
        }
        OK(KernelDestroy(&kernel));
      }
    }
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(PaperTable),
      cmocka_unit_test(ReferenceKernel),
      cmocka_unit_test(SlowQuadrature),
      cmocka_unit_test(LargeBias),
      cmocka_unit_test(ClosedAgainstSeries),
      cmocka_unit_test(ReluClosedForms),
      cmocka_unit_test(Derivative),
      cmocka_unit_test(Expansion),
      cmocka_unit_test(ReluCoefficients),
      cmocka_unit_test(ReluHighDimension),
      cmocka_unit_test(Rate),
      cmocka_unit_test(Extremes),
      cmocka_unit_test(Truncated),
      cmocka_unit_test(Degree),
  };
  return TestMain(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
