/* Two tokens under random values at barycentres, NEIGHBOURS.md (12.7): reference values, the generator, and limits. */
#include "expect.h"
#include <chorale/twopoint.h>
#include <math.h>

/* E u_t of uniform tokens. */
static double MeanCosine(int dim, double beta, double t) {
  TwoPoint twopoint;
  double mean;
  OK(TwoPointCreateValues(dim, beta, 0, &twopoint));
  OK(TwoPointMeasureCosine(twopoint));
  OK(TwoPointUniform(twopoint, t, &mean));
  OK(TwoPointDestroy(&twopoint));
  assert_null(twopoint);
  return mean;
}

/* From other programs, one that solved the equation in u and one on a fine grid in log tan(theta/2). */
static void Reference(void **state) {
  static const double time[] = {0.5, 1, 2, 5};
  static const struct {
    int dim;
    double beta, mean[4];
  } rows[] = {{3, 0.1, {0.05203460857, 0.09822352687, 0.1771520544, 0.3448095921}},
              {3, 1, {0.04300155117, 0.08005992508, 0.1409874546, 0.2597574083}},
              {5, 1, {0.09004647961, 0.1704341122, 0.3052084781, 0.5584965369}},
              {5, 8, {0.005886797159, 0.0137275647, 0.03190040648, 0.08328898526}},
              {16, 4, {0.02353258055, 0.05117914257, 0.1129483367, 0.277194441}},
              {64, 1, {0.1908117765, 0.3773310722, 0.6794398102, 0.9764074763}},
              {64, 20, {1.246614817e-07, 7.803836685e-07, 8.955645977e-06, 0.0003731733051}}};
  (void)state;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
    for (int j = 0; j < 4; j++) {
      const double mean = rows[i].mean[j];
      CLOSE(MeanCosine(rows[i].dim, rows[i].beta, time[j]), mean, fmin(3e-9, 1e-5 * mean));
    }
}

/* Drift and half the variance per time of u, (12.4) and (12.5) with attention beside them, from barycentres that are
 * written down in the plane of the two tokens. */
static void Generator(int d, double beta, double v, double u, double *drift, double *half) {
  const double a = exp(beta) / (exp(beta) + exp(beta * u)), b = 1 - a, s = sqrt(1 - u * u);
  const double x[2] = {1, 0}, y[2] = {u, s};
  double own = 0, cross = 0;
  for (int c = 0; c < 2; c++) {
    const double m = a * x[c] + b * y[c], n = b * x[c] + a * y[c];
    own += m * m / d;
    cross += m * n / d;
  }
  *drift = (d - 2 + u * u) * cross - (d - 1) * u * own + 2 * v * (1 - u * u) * b;
  *half = (1 - u * u) * (own - u * cross);
}

/* The slope of f at t = 0, extrapolated from two short times, is the generator on u and on e^{beta (u - 1)}. */
static void Slopes(void **state) {
  static const struct {
    int dim;
    double beta, value;
  } cases[] = {{2, 1, 0}, {3, 0.5, 0}, {5, 2, 1}, {16, 8, -0.5}, {64, 20, 1}};
  const double t = 1e-3;
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    for (int cosine = 0; cosine < 2; cosine++)
      for (double u = -0.8; u < 1; u += 0.4) {
        const double beta = cases[i].beta, e = exp(beta * (u - 1));
        double drift, half, one, two;
        TwoPoint twopoint;
        Generator(cases[i].dim, beta, cases[i].value, u, &drift, &half);
        OK(TwoPointCreateValues(cases[i].dim, beta, cases[i].value, &twopoint));
        if (cosine) OK(TwoPointMeasureCosine(twopoint));
        OK(TwoPointEvaluate(twopoint, t, 1, &u, &one));
        OK(TwoPointEvaluate(twopoint, 2 * t, 1, &u, &two));
        OK(TwoPointDestroy(&twopoint));
        CLOSE((4 * one - two - 3 * (cosine ? u : e)) / (2 * t), cosine ? drift : beta * e * (drift + beta * half),
              1e-4);
      }
}

/* Large d: no noise is left, u' = (1 - u^2)/2 for small beta, which is rho' = rho (1 - rho) for rho = (1 + u)/2. */
static void LargeDimension(void **state) {
  (void)state;
  for (double t = 1; t < 5; t += 3) {
    const double exact = tanh(0.5 * t);
    CLOSE(MeanCosine(4096, 0, t), exact, 5e-4);
  }
}

/* The share of uniform pairs that end at opposite points, and where the mean cosine ends. */
static double Opposite(int dim, double beta) {
  double lambda, share;
  OK(TwoPointOpposite(dim, beta, &lambda, &share));
  assert_int_equal(lambda<0, share> 0);
  return share;
}

/* Both ends draw pairs when cosh(2 beta) > d - 2, else they all meet; at t = 100 most of them are there, and all
 * for d = 3. */
static void Transition(void **state) {
  double lambda, share;
  (void)state;
  CLOSE(MeanCosine(5, 0.5, 100), 1, 1e-3);
  CLOSE(MeanCosine(5, 1.5, 100), 1 - 2 * Opposite(5, 1.5), 2e-3);
  CLOSE(MeanCosine(5, 3.5, 100), 1 - 2 * Opposite(5, 3.5), 1e-3);
  CLOSE(MeanCosine(3, 3, 100), 1 - 2 * Opposite(3, 3), 1e-5);
  assert_true(Opposite(5, 1.5) > 0.1);
  for (int d = 4; d <= 4096; d *= 8) {
    const double critical = 0.5 * acosh(d - 2);
    assert_true(Opposite(d, critical * (1 - 1e-9)) == 0);
    assert_true(Opposite(d, critical * (1 + 1e-9)) < 1e-6);
    assert_true(Opposite(d, 1.5 * critical) > Opposite(d, 1.2 * critical));
  }
  /* d = 2: S = theta, and the share is that of the start */
  OK(TwoPointOpposite(2, 1, &lambda, &share));
  CLOSE(lambda, (0.5 / (cosh(1) * cosh(1)) - 1) / 2, 1e-15);
  CLOSE(share, 0.5, 1e-6);
  CLOSE(Opposite(16, 1e4), 0.5, 1e-2); /* a still pair far from both ends */
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(Reference), cmocka_unit_test(Slopes),
                                          cmocka_unit_test(LargeDimension), cmocka_unit_test(Transition)};
TEST_MAIN(tests)
