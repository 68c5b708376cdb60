/* Zonal expansions of e^{beta(u-1)} against the power series of the Bessel functions and against quadrature. */
#include "expect.h"
#include "test.h"
#include <chorale/sphere.h>
#include <math.h>

#include "law/sphere/quadrature.h"
#include "law/sphere/zonal.h"

static const int dims[] = {2, 3, 4, 5, 6, 7, 8, 128};
static const double betas[] = {1e-3, 0.01, 0.3, 1.0, 7.0, 100.0, 1e3, 1e4};
enum {
  DIMS = sizeof(dims) / sizeof(dims[0]),
  BETAS = sizeof(betas) / sizeof(betas[0]),
  MOST = 4000,
  HUGE_DEGREE = 16000
};

static double e[HUGE_DEGREE + 1];

/* dim(n) Gamma(nu+1) e^{-beta} sum_k (beta/2)^{2k+n} / (k! Gamma(k+n+nu+1)): positive terms, scaled by their largest.
 */
static long double SlowCoefficient(int d, long double beta, int n) {
  const long double nu = 0.5L * d - 1.0L, half = 0.5L * beta, order = n + nu;
  const long double count = n == 0   ? 0.0L
                            : d == 2 ? logl(2.0L)
                                     : logl((2.0L * n + d - 2.0L) / (d - 2.0L)) + lgammal(n + d - 2.0L) -
                                           lgammal(n + 1.0L) - lgammal(d - 2.0L);
  const long double peak = floorl(0.5L * (sqrtl(order * order + beta * beta) - order));
  const long double log_peak = count + lgammal(nu + 1.0L) - beta + (2.0L * peak + n) * logl(half) -
                               lgammal(peak + 1.0L) - lgammal(peak + order + 1.0L);
  long double sum = 1.0L, term = 1.0L;
  for (long double k = peak + 1.0L; term > 1e-22L * sum; k++) sum += term *= half * half / (k * (k + order));
  term = 1.0L;
  for (long double k = peak; k > 0.0L && term > 1e-22L * sum; k--) sum += term *= k * (k + order) / (half * half);
  return expl(log_peak) * sum;
}

static void Series(void **state) {
  const int degrees[] = {0, 1, 2, 3, 5, 10, 20, 50, 100, 300, 1000, 2000, 4000};
  int far = 0;
  (void)state;
  for (int i = 0; i < DIMS; i++) {
    for (int b = 0; b < BETAS; b++) {
      OK(ZonalExponential(dims[i], betas[b], MOST, e));
      for (size_t j = 0; j < sizeof(degrees) / sizeof(degrees[0]); j++) {
        const double slow = (double)SlowCoefficient(dims[i], (long double)betas[b], degrees[j]);
        /* The logarithms of the slow sum are as large as beta log(beta) and lose that many units in the last place. */
        CLOSE(e[degrees[j]], slow, (1e-14 + 3e-18 * betas[b]) * slow + 1e-300);
        if (slow > 1e-280 && slow < 1e-100) far++;
      }
    }
  }
  assert_true(far > 5);
}

/* Against the definition e_n = dim(n) E[e^{beta(u-1)} P_n(u)], by a long Gauss-Legendre rule in the angle. */
static void Quadrature(void **state) {
  enum { PANELS = 40, NODES = 48, DEGREE = 40 };
  double x[NODES], w[NODES];
  (void)state;
  OK(QuadratureLegendre(NODES, 0.0, 1.0, x, w));
  for (int i = 0; dims[i] <= 8; i++) {
    const int d = dims[i];
    for (int b = 0; b < BETAS; b++) {
      long double sum[DEGREE + 1] = {0.0L}, total = 0.0L, p[DEGREE + 1];
      for (int j = 0; j < PANELS * NODES; j++) {
        const long double theta = acosl(-1.0L) / PANELS * (j / NODES + (long double)x[j % NODES]), u = cosl(theta);
        const long double weight = (long double)w[j % NODES] * powl(sinl(theta), d - 2), half = sinl(0.5L * theta);
        total += weight;
        p[0] = 1.0L, p[1] = u;
        for (int n = 1; n < DEGREE; n++) p[n + 1] = ((2 * n + d - 2) * u * p[n] - n * p[n - 1]) / (n + d - 2);
        for (int n = 0; n <= DEGREE; n++) sum[n] += weight * expl(-2.0L * (long double)betas[b] * half * half) * p[n];
      }
      OK(ZonalExponential(d, betas[b], DEGREE, e));
      for (int n = 0; n <= DEGREE; n++) {
        const double count = SphereHarmonicCount(d, n); /* enlarges the rounding of nodes and weights */
        CLOSE(e[n], (double)((long double)count * sum[n] / total), 1e-14 * e[n] + 1e-17 * count + 1e-16);
      }
    }
  }
}

/* sum_n e_n P_n(u) in long double. */
static long double LongSum(int d, int degree, long double u) {
  long double p = 1.0L, before = 0.0L, sum = e[0];
  for (int n = 0; n < degree; n++) {
    const long double next = n == 0 ? u : ((2 * n + d - 2) * u * p - n * before) / (n + d - 2);
    before = p, p = next;
    sum += e[n + 1] * p;
  }
  return sum;
}

/* Tails are the truncation error: at u = 1 exactly, elsewhere at most. */
static void Tails(void **state) {
  const double tols[] = {1e-3, 1e-8, 1e-12, 1e-15};
  (void)state;
  for (int i = 0; i < DIMS; i++) {
    for (int b = 0; b < BETAS; b++) {
      for (int j = 0; j < 4; j++) {
        PetscInt degree;
        double tail, worst = 0.0;
        long double beyond = 0.0L;
        OK(ZonalExponentialDegree(dims[i], betas[b], tols[j], &degree, &tail));
        assert_true(degree >= 0 && degree < MOST - 1000 && tail <= tols[j] && tail >= 0.0);
        OK(ZonalExponential(dims[i], betas[b], MOST, e));
        for (int n = MOST; n > degree; n--) beyond += e[n];
        CLOSE(tail, (double)beyond, 1e-13 * tail);
        assert_true(degree == 0 || tail + e[degree] > tols[j]); /* no smaller degree would do */
        for (int g = 0; g <= 200; g++) {
          const double u = cos(PETSC_PI * g / 200.0);
          const long double exact = expl(-(long double)betas[b] * (1.0L - (long double)u));
          const long double truncated = LongSum(dims[i], degree, (long double)u);
          double value;
          worst = fmax(worst, (double)fabsl(exact - truncated));
          ZonalEvaluate(dims[i], degree, e, u, &value, NULL);
          CLOSE(value, (double)truncated, 3e-17 * (20.0 + degree)); /* rounding of the recurrence */
        }
        CLOSE(worst, tail, 1e-15); /* the maximum is at u = 1 */
      }
    }
  }
}

static void Limits(void **state) {
  PetscInt degree;
  double tail;
  (void)state;
  OK(ZonalExponential(5, 0.0, 3, e));
  assert_true(e[0] == 1.0 && e[1] == 0.0 && e[2] == 0.0 && e[3] == 0.0);
  OK(ZonalExponentialDegree(2, 0.0, 1e-15, &degree, &tail));
  assert_true(degree == 0 && tail < 1e-300);
  /* Small beta: e_1 = beta up to beta^2; far beyond the range of the promise all stays finite and adds up. */
  OK(ZonalExponential(3, 1e-9, 2, e));
  CLOSE(e[1], 1e-9, 1e-17);
  OK(ZonalExponential(4096, 1e4, HUGE_DEGREE, e));
  for (int n = HUGE_DEGREE; n > 0; n--) e[n - 1] += e[n];
  CLOSE(e[0], 1.0, 1e-14);
  OK(ZonalExponentialDegree(2, 1e6, 1e-12, &degree, &tail));
  assert_true(degree > 5000 && degree < 10000);
  FAILS(ZonalExponentialDegree(3, 1.0, 1e-16, &degree, &tail), PETSC_ERR_ARG_OUTOFRANGE, "tol");
  FAILS(ZonalExponential(1, 1.0, 2, e), PETSC_ERR_ARG_OUTOFRANGE, "dim = 1");
  FAILS(ZonalExponential(3, -1.0, 2, e), PETSC_ERR_ARG_OUTOFRANGE, "beta = -1");
}

/* Value and derivative for arbitrary coefficients: against SpherePolynomials, the exact slopes n(n+d-2)/(d-1) at the
 * poles, trigonometry for d = 2 and differences inside. */
static void Evaluate(void **state) {
  enum { DEGREE = 64 };
  double f[DEGREE + 1], p[DEGREE + 1], value, slope, left, right;
  (void)state;
  for (int n = 0; n <= DEGREE; n++) f[n] = cos(3.7 * n) / (1.0 + n);
  for (int i = 0; i < DIMS; i++) {
    const int d = dims[i];
    for (int g = -10; g <= 10; g++) {
      const double u = 0.1 * g;
      double expected = 0.0, other;
      SpherePolynomials(d, DEGREE, u, p);
      for (int n = 0; n <= DEGREE; n++) expected += f[n] * p[n];
      ZonalEvaluate(d, DEGREE, f, u, &value, &slope);
      CLOSE(value, expected, 1e-13);
      ZonalEvaluate(d, DEGREE, f, u, NULL, &other);
      assert_true(other == slope);
      if (g == 10 || g == -10) {
        double exact = 0.0;
        for (int n = 0; n <= DEGREE; n++) exact += f[n] * n * (n + d - 2.0) / (d - 1.0) * (g > 0 || n % 2 ? 1.0 : -1.0);
        CLOSE(slope, exact, 1e-11);
      } else {
        const double h = 1e-6;
        ZonalEvaluate(d, DEGREE, f, u - h, &left, NULL);
        ZonalEvaluate(d, DEGREE, f, u + h, &right, NULL);
        CLOSE(slope, (right - left) / (2.0 * h), 1e-5);
      }
    }
  }
  for (int n = 0; n <= DEGREE; n++) {
    memset(f, 0, sizeof(f));
    f[n] = 1.0;
    ZonalEvaluate(2, DEGREE, f, cos(0.4), &value, &slope);
    CLOSE(value, cos(0.4 * n), 1e-13);
    CLOSE(slope, n * sin(0.4 * n) / sin(0.4), 1e-12 * (1 + n));
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Series), cmocka_unit_test(Quadrature), cmocka_unit_test(Tails),
    cmocka_unit_test(Limits), cmocka_unit_test(Evaluate),
};
TEST_MAIN(tests)
