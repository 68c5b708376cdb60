/* Sphere: areas, harmonic counts, Gegenbauer polynomials. */
#include "test.h"
#include <chorale/sphere.h>
#include <math.h>

static void Area(void **state) {
  (void)state;
  CLOSE(SphereArea(2), 2.0 * PETSC_PI, 1e-15);
  CLOSE(SphereArea(3), 4.0 * PETSC_PI, 1e-14);
  CLOSE(SphereArea(4), 2.0 * PETSC_PI * PETSC_PI, 1e-14);
  /* |S^{d+1}| = 2 pi / d |S^{d-1}|, also where the Gamma function overflows. */
  for (PetscInt d = 2; d < 400; d++) {
    const double expected = 2.0 * PETSC_PI / (double)d * SphereArea(d);
    CLOSE(SphereArea(d + 2) / expected, 1.0, d < 290 ? 1e-14 : 1e-11);
  }
}

/* C(a, b) in exact integers by Pascal's rule. */
static double Binomial(int a, int b) {
  unsigned long long row[64] = {1};
  if (b < 0) return 0.0;
  for (int i = 1; i <= a; i++)
    for (int j = i; j > 0; j--) row[j] += row[j - 1];
  return (double)row[b];
}

static void Count(void **state) {
  (void)state;
  for (int d = 2; d <= 12; d++) {
    for (int n = 0; n <= 30; n++) {
      const double expected = n == 0 ? 1.0 : Binomial(n + d - 1, n) - Binomial(n + d - 3, n - 2);
      CLOSE(SphereHarmonicCount(d, n), expected, 1e-15 * expected);
    }
  }
  CLOSE(SphereHarmonicCount(4096, 1), 4096.0, 0.0);
  CLOSE(SphereHarmonicCount(4096, 2), 4096.0 * 4097.0 / 2.0 - 1.0, 0.0);
}

static void Polynomials(void **state) {
  double p[65];
  (void)state;
  for (int i = 0; i <= 40; i++) {
    const double u = -1.0 + 0.05 * i, theta = acos(u);
    SpherePolynomials(2, 64, u, p);
    for (int n = 0; n <= 64; n++) CLOSE(p[n], cos(n * theta), 2e-13);
    SpherePolynomials(3, 4, u, p);
    CLOSE(p[4], (35.0 * pow(u, 4) - 30.0 * u * u + 3.0) / 8.0, 1e-14);
    /* d = 4: sin((n+1) theta) / ((n+1) sin theta). */
    SpherePolynomials(4, 64, u, p);
    if (fabs(u) < 0.99)
      for (int n = 0; n <= 64; n++) CLOSE(p[n], sin((n + 1) * theta) / ((n + 1) * sin(theta)), 1e-12);
  }
  for (int d = 2; d <= 4096; d *= 2) {
    SpherePolynomials(d, 64, 1.0, p);
    for (int n = 0; n <= 64; n++) CLOSE(p[n], 1.0, 1e-13);
    SpherePolynomials(d, 64, -1.0, p);
    for (int n = 0; n <= 64; n++) CLOSE(p[n], n % 2 ? -1.0 : 1.0, 1e-13);
  }
  SpherePolynomials(5, 0, 0.3, p);
  CLOSE(p[0], 1.0, 0.0);
}

/* Orthogonality against a plain midpoint rule in the angle: int P_n P_m sin^{d-2} = Z delta_nm / dim(n). */
static void Orthogonality(void **state) {
  enum { DEGREE = 12, POINTS = 4000 };
  (void)state;
  for (int d = 2; d <= 9; d++) {
    double gram[DEGREE + 1][DEGREE + 1] = {{0}}, total = 0.0, p[DEGREE + 1];
    for (int i = 0; i < POINTS; i++) {
      const double theta = PETSC_PI * (i + 0.5) / POINTS, weight = pow(sin(theta), d - 2);
      SpherePolynomials(d, DEGREE, cos(theta), p);
      total += weight;
      for (int n = 0; n <= DEGREE; n++)
        for (int m = 0; m <= DEGREE; m++) gram[n][m] += weight * p[n] * p[m];
    }
    for (int n = 0; n <= DEGREE; n++)
      for (int m = 0; m <= DEGREE; m++)
        CLOSE(gram[n][m] / total * SphereHarmonicCount(d, n), n == m ? 1.0 : 0.0, d % 2 ? 2e-4 : 1e-9);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Area),
    cmocka_unit_test(Count),
    cmocka_unit_test(Polynomials),
    cmocka_unit_test(Orthogonality),
};
TEST_MAIN(tests)
