/* Gauss rules: order, exactness on polynomials of the highest degree, convergence on smooth functions. */
#include "test.h"
#include <chorale/sphere.h>
#include <math.h>

#include "law/sphere/quadrature.h"

enum { MAX_NODES = 2048 };
static double x[MAX_NODES], w[MAX_NODES], values[2 * MAX_NODES];

static void AssertSymmetric(int n) {
  for (int i = 0; i < n; i++) {
    assert_true(w[i] >= 0.0);
    CLOSE(x[i] + x[n - 1 - i], 0.0, 0.0);
    CLOSE(w[i] - w[n - 1 - i], 0.0, 0.0);
    if (i > 0) assert_true(x[i] > x[i - 1]);
  }
}

/* E P_m(u) = 0 for 1 <= m <= 2n-1, for every m: no other rule of n nodes does that. */
static void Sphere(void **state) {
  const int dims[] = {2, 3, 4, 5, 7, 64, 1000, 4096}, counts[] = {1, 2, 3, 16, 129, 512, MAX_NODES};
  (void)state;
  for (size_t a = 0; a < sizeof(dims) / sizeof(dims[0]); a++) {
    for (size_t b = 0; b < sizeof(counts) / sizeof(counts[0]); b++) {
      const int d = dims[a], n = counts[b];
      if (n == MAX_NODES && d != 3 && d != 4096) continue;
      OK(QuadratureSphere(d, n, x, w));
      AssertSymmetric(n);
      for (int m = 0; m < 2 * n; m++) values[m] = 0.0;
      for (int i = 0; i < n; i++) {
        static double p[2 * MAX_NODES];
        assert_true(fabs(x[i]) < 1.0);
        SpherePolynomials(d, 2 * n - 1, x[i], p);
        for (int m = 0; m < 2 * n; m++) values[m] += w[i] * p[m];
      }
      CLOSE(values[0], 1.0, 1e-14);
      /* d = 2: rounding of u near +-1 moves the angle by 1e-16/sin(theta), and the weight does not vanish there. */
      for (int m = 1; m < 2 * n; m++) CLOSE(values[m], 0.0, d == 2 ? 1e-13 : 1e-15);
    }
  }
}

/* E u^2 = 1/d, E u^4 = 3/(d(d+2)), and E e^{u} in d = 3 is sinh 1. */
static void SphereMoments(void **state) {
  const int dims[] = {2, 3, 5, 64, 4096};
  (void)state;
  for (size_t a = 0; a < sizeof(dims) / sizeof(dims[0]); a++) {
    const double d = dims[a];
    double second = 0.0, fourth = 0.0;
    OK(QuadratureSphere(dims[a], 10, x, w));
    for (int i = 0; i < 10; i++) second += w[i] * x[i] * x[i], fourth += w[i] * pow(x[i], 4);
    CLOSE(second * d, 1.0, 1e-14);
    CLOSE(fourth * d * (d + 2.0) / 3.0, 1.0, 1e-13);
  }
  double mean = 0.0;
  OK(QuadratureSphere(3, 12, x, w));
  for (int i = 0; i < 12; i++) mean += w[i] * exp(x[i]);
  CLOSE(mean, sinh(1.0), 1e-15);
}

static void Legendre(void **state) {
  const int counts[] = {1, 5, 64, 1024, MAX_NODES};
  (void)state;
  for (size_t b = 0; b < sizeof(counts) / sizeof(counts[0]); b++) {
    const int n = counts[b];
    double length = 0.0, first = 0.0, exponential = 0.0;
    OK(QuadratureLegendre(n, -0.5, 2.5, x, w));
    for (int i = 0; i < n; i++) {
      assert_true(x[i] > -0.5 && x[i] < 2.5 && w[i] > 0.0);
      length += w[i];
      first += w[i] * x[i];
      exponential += w[i] * exp(x[i]);
    }
    CLOSE(length, 3.0, 1e-13);
    CLOSE(first, 3.0, 1e-13);
    if (n >= 64) CLOSE(exponential, exp(2.5) - exp(-0.5), 1e-12);
  }
  /* Tables of Abramowitz and Stegun 25.4. */
  OK(QuadratureLegendre(5, -1.0, 1.0, x, w));
  CLOSE(x[4], 0.906179845938664, 1e-15);
  CLOSE(w[4], 0.236926885056189, 1e-15);
}

/* E h_j h_k = delta for orthonormal Hermite polynomials of total degree up to 2n-1, and E cos(tZ) = e^{-t^2/2}. */
static void Normal(void **state) {
  const int counts[] = {1, 2, 7, 32, 100, 200, 400};
  (void)state;
  for (size_t b = 0; b < sizeof(counts) / sizeof(counts[0]); b++) {
    const int n = counts[b];
    double total = 0.0, square = 0.0, fourth = 0.0, cosine = 0.0;
    OK(QuadratureNormal(n, x, w));
    AssertSymmetric(n);
    for (int i = 0; i < n; i++) {
      total += w[i];
      square += w[i] * x[i] * x[i];
      fourth += w[i] * pow(x[i], 4);
      cosine += w[i] * cos(2.0 * x[i]);
    }
    CLOSE(total, 1.0, 1e-14);
    if (n >= 2) CLOSE(square, 1.0, 1e-13);
    if (n >= 3) CLOSE(fourth, 3.0, 1e-12);
    if (n >= 32) CLOSE(cosine, exp(-2.0), 1e-14);
    if (n > 200) continue;
    for (int j = 0; j < n; j++) values[j] = 0.0;
    for (int i = 0; i < n; i++) { /* the root of the weight keeps sqrt(w) h_j below 1 */
      double h = sqrt(w[i]), before = 0.0;
      for (int j = 0; j < n; j++) {
        values[j] += h * h;
        const double next = (x[i] * h - sqrt((double)j) * before) / sqrt(j + 1.0);
        before = h, h = next;
      }
    }
    for (int j = 0; j < n; j++) CLOSE(values[j], 1.0, 1e-12);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Sphere),
    cmocka_unit_test(SphereMoments),
    cmocka_unit_test(Legendre),
    cmocka_unit_test(Normal),
};
TEST_MAIN(tests)
