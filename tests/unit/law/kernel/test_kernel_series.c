/* The Schoenberg series of the covariance kernel, whole and truncated. */
#include <chorale/sphere.h>
#include <string.h>

#include "kernel_case.h"
#include "law/sphere/quadrature.h"

/* Where k has a closed form, the coefficients come from the series all the same: two independent roads. */
static void ClosedAgainstSeries(void **state) {
  const char *names[] = {"gelu", "sin", "erf", "identity"};
  const double biases[] = {0.0, 0.1, 3.0, 100.0};
  enum { DEGREE = 64 };
  double c[DEGREE + 1], p[DEGREE + 1];
  (void)state;
  for (int i = 0; i < 4; i++) {
    for (int b = 0; b < 4; b++) {
      Kernel kernel = Make(names[i], 3, biases[b], 0.1);
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
        Kernel kernel = Make(a->name, dims[j], bias, 0.5 * bias);
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
        Kernel kernel = Make(names[a], d, bias, 0.3);
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
  Kernel kernel = Make("relu", d, 0.0, 0.0);
  OK(KernelCoefficients(kernel, DEGREE, c));
  for (int n = 0; n <= DEGREE; n++) CLOSE(c[n], expected[n] / (2.0 * PETSC_PI * d), 1e-13 * AtOne(kernel));
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
      Kernel kernel = Make(ActivationGet(i)->name, laws[l].dim, laws[l].bias_u, laws[l].bias_w);
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
        Kernel kernel = Make(names[i], dims[j], 0.3 * b, 0.1 * b);
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ClosedAgainstSeries), cmocka_unit_test(Expansion), cmocka_unit_test(ReluCoefficients),
    cmocka_unit_test(ReluHighDimension),   cmocka_unit_test(Truncated), cmocka_unit_test(Degree),
};
TEST_MAIN(tests)
