/* Initial laws against their moments (4 standard errors, fixed seed, sample sizes in the tests), and exact rules. */
#include <math.h>

#include "start_case.h"

static double Dot(PetscInt dim, const double *x, const double *y) {
  double sum = 0;
  for (PetscInt c = 0; c < dim; c++) sum += x[c] * y[c];
  return sum;
}

/* 8 realizations of 4096 tokens. E x_c = 0, E x_a x_b = delta/d, and the same for the cosine of two independent tokens.
 */
static void uniform_has_the_moments(void **unused) {
  (void)unused;
  enum { N = 4096, R = 8 };
  static const PetscInt dims[] = {2, 3, 10, 33};

  Configure("uniform", NULL, NULL);
  for (int k = 0; k < 4; k++) {
    const PetscInt d = dims[k];
    const double n = N * R, square_variance = 2 * (d - 1.0) / (d * d * (d + 2.0)), cross_variance = 1 / (d * (d + 2.0));
    double mean[33] = {0}, square[33] = {0}, cross[33] = {0}, pair[2] = {0}, across = 0, *rows, *weights,
           *previous = NULL;

    for (int r = 0; r < R; r++) {
      Sample(N, d, r, &rows, &weights);
      for (int i = 0; i < N; i++) {
        const double *x = rows + i * d;

        assert_true(weights[i] == 1.0 / N);
        for (PetscInt c = 0; c < d; c++) {
          mean[c] += x[c] / n;
          square[c] += x[c] * x[c] / n;
          cross[c] += x[c] * x[(c + 1) % d] / n;
        }
        if (i % 2) {
          const double u = Dot(d, x, x - d);
          pair[0] += u / (n / 2);
          pair[1] += u * u / (n / 2);
        }
        if (previous) across += Dot(d, x, previous + i * d) / (N * (R - 1.0));
      }
      OK(PetscFree(previous));
      previous = rows;
    }
    OK(PetscFree(previous));
    for (PetscInt c = 0; c < d; c++) {
      CLOSE(mean[c], 0, 4 / sqrt(n * d));
      CLOSE(square[c], 1.0 / d, 4 * sqrt(square_variance / n));
      CLOSE(cross[c], 0, 4 * sqrt(cross_variance / n));
    }
    CLOSE(pair[0], 0, 4 / sqrt(n / 2 * d));
    CLOSE(pair[1], 1.0 / d, 4 * sqrt(square_variance / (n / 2)));
    CLOSE(across, 0, 4 / sqrt(N * (R - 1.0) * d));
  }
}

/* Moments of D = 1 - <x,mean>: e[p] = E D^p, by Simpson's rule in the angle. */
static void FisherMoments(PetscInt d, double kappa, double e[5]) {
  enum { INTERVALS = 20000 };
  const double range = fmin(PETSC_PI, 40 / sqrt(fmax(kappa, 1e-9)) * sqrt(d)); /* the rest weighs less than e^{-300} */
  double mass = 0;

  for (int p = 0; p < 5; p++) e[p] = 0;
  for (int i = 0; i <= INTERVALS; i++) {
    const double angle = i * range / INTERVALS, half = sin(angle / 2), deficit = 2 * half * half;
    const double simpson = i == 0 || i == INTERVALS ? 1 : i % 2 ? 4 : 2;
    double term = simpson * exp(-kappa * deficit) * pow(sin(angle), d - 2.0);

    mass += term;
    for (int p = 0; p < 5; p++, term *= deficit) e[p] += term;
  }
  for (int p = 0; p < 5; p++) e[p] /= mass;
}

/* 20000 tokens: the cosine to the mean direction, and symmetry about it. */
static void fisher_has_the_moments(void **unused) {
  (void)unused;
  enum { N = 20000 };
  static const char *const kappas[] = {"0.001", "0.1", "10", "1e4", "1e6"};
  static const PetscInt dims[] = {2, 3, 10};

  for (int k = 0; k < 15; k++) {
    const PetscInt d = dims[k % 3];
    const double kappa = strtod(kappas[k / 3], NULL);
    double exact[5], deficit[2] = {0}, mean[10] = {0}, square[10] = {0}, cross[10] = {0}, *rows, *weights;

    FisherMoments(d, kappa, exact);
    /* the oracle itself against the closed form for d = 3 */
    if (d == 3 && kappa >= 0.1) CLOSE(1 - exact[1], 1 / tanh(kappa) - 1 / kappa, 1e-11);
    Configure("vmf", kappas[k / 3], NULL);
    Sample(N, d, 3, &rows, &weights);
    for (int i = 0; i < N; i++) {
      const double *x = rows + i * d;
      double off = 0; /* 1 - x_1 = off / (1 + x_1), without cancellation */

      for (PetscInt c = 1; c < d; c++) off += x[c] * x[c];
      const double D = x[0] > 0 ? off / (1 + x[0]) : 1 - x[0];
      deficit[0] += D / N;
      deficit[1] += D * D / N;
      for (PetscInt c = 1; c < d; c++) {
        const PetscInt next = c + 1 < d ? c + 1 : 1;
        mean[c] += x[c] / N;
        square[c] += x[c] * x[c] / N;
        cross[c] += next == c ? 0 : x[c] * x[next] / N;
      }
    }
    CLOSE(deficit[0], exact[1], 4 * sqrt((exact[2] - exact[1] * exact[1]) / N));
    CLOSE(deficit[1], exact[2], 4 * sqrt((exact[4] - exact[2] * exact[2]) / N));
    /* s = 1 - W^2 = 2D - D^2; E x_c^2 = E s/(d-1), E x_c^4 = 3 E s^2/((d-1)(d+1)), E x_a^2 x_b^2 = E s^2/((d-1)(d+1))
     */
    const double s = 2 * exact[1] - exact[2], s2 = 4 * exact[2] - 4 * exact[3] + exact[4];
    for (PetscInt c = 1; c < d; c++) {
      const double second = s / (d - 1), fourth = 3 * s2 / ((d - 1.0) * (d + 1));

      CLOSE(mean[c], 0, 4 * sqrt(second / N));
      CLOSE(square[c], second, 4 * sqrt((fourth - second * second) / N));
      if (d > 2) CLOSE(cross[c], 0, 4 * sqrt(fourth / 3 / N));
    }
    OK(PetscFree(rows));
  }
}

/* kappa -> 0 is the uniform law, token by token; large kappa in high dimension. */
static void fisher_limits(void **unused) {
  (void)unused;
  enum { N = 300 };
  double *uniform, *fisher, *weights, worst = 0;

  Configure("uniform", NULL, NULL);
  Sample(N, 5, 2, &uniform, &weights);
  Configure("vmf", "1e-13", NULL);
  Sample(N, 5, 2, &fisher, &weights);
  for (int i = 0; i < N * 5; i++) worst = fmax(worst, fabs(uniform[i] - fisher[i]));
  CLOSE(worst, 0, 1e-12);
  OK(PetscFree(uniform));
  OK(PetscFree(fisher));
  Configure("vmf", "1e8", NULL);
  Sample(N, 1024, 0, &fisher, &weights);
  double mean = 0;
  for (int i = 0; i < N; i++) mean += (1 - fisher[i * 1024]) / N;
  CLOSE(mean, 1023 / 2e8, 4 * sqrt(1023 / 2.0 / N) * 1e-8); /* 2 kappa D is nearly chi^2 with d-1 degrees of freedom */
  OK(PetscFree(fisher));
}

/* kappa = 1e8 shows the centres: token i lies at centre i mod clusters. 500 realizations of 24 tokens. */
static void clusters_are_uniform_and_taken_in_turn(void **unused) {
  (void)unused;
  enum { N = 24, K = 5, R = 500 };
  double centre[3] = {0}, square = 0, apart[2] = {0};

  Configure("clusters", "1e8", "5");
  for (int r = 0; r < R; r++) {
    double *rows, *weights;

    Sample(N, 3, r, &rows, &weights);
    for (int i = K; i < N; i++) assert_true(Dot(3, rows + 3 * i, rows + 3 * (i % K)) > 1 - 1e-6);
    for (int c = 0; c < 3; c++) centre[c] += rows[3 * 4 + c] / R;
    square += rows[3 * 4] * rows[3 * 4] / R;
    const double u = Dot(3, rows, rows + 3);
    apart[0] += u / R;
    apart[1] += u * u / R;
    OK(PetscFree(rows));
  }
  const double variance = 4.0 / 45; /* of the square of a coordinate, d = 3 */
  for (int c = 0; c < 3; c++) CLOSE(centre[c], 0, 4 / sqrt(3.0 * R));
  CLOSE(square, 1.0 / 3, 4 * sqrt(variance / R));
  CLOSE(apart[0], 0, 4 / sqrt(3.0 * R));
  CLOSE(apart[1], 1.0 / 3, 4 * sqrt(variance / R));
}

/* One cluster of 20000 tokens spreads about its centre as vmf does about e_1: the centre of the same realization is
 * seen at kappa = 1e8. */
static void clusters_spread_like_fisher(void **unused) {
  (void)unused;
  enum { N = 20000 };
  static const PetscInt dims[] = {2, 3, 10};

  for (int k = 0; k < 6; k++) {
    const PetscInt d = dims[k % 3];
    double exact[5], mean = 0, *rows, *centre, *weights;

    FisherMoments(d, 4, exact);
    Configure("clusters", "1e8", "1");
    Sample(8, d, k, &centre, &weights);
    Configure("clusters", "4", "1");
    Sample(N, d, k, &rows, &weights);
    for (int i = 0; i < N; i++) mean += (1 - Dot(d, rows + i * d, centre)) / N;
    CLOSE(mean, exact[1], 4 * sqrt((exact[2] - exact[1] * exact[1]) / N) + 1e-6);
    OK(PetscFree(rows));
    OK(PetscFree(centre));
  }
}

static const struct {
  const char *init, *kappa, *clusters;
} laws[] = {{"uniform", NULL, NULL}, {"vmf", "3", NULL}, {"clusters", "20", "3"}, {"quadrature", NULL, NULL}};

static void first_tokens_do_not_depend_on_the_count(void **unused) {
  (void)unused;
  static const PetscInt64 counts[] = {100, 257, 1000};

  for (int law = 0; law < 3; law++) {
    for (PetscInt d = 2; d < 8; d += 5) {
      double *few, *many, *weights;
      int wrong = 0;

      Configure(laws[law].init, laws[law].kappa, laws[law].clusters);
      for (int k = 0; k < 2; k++) {
        Sample(counts[k], d, 7, &few, &weights);
        Sample(counts[k + 1], d, 7, &many, &weights);
        for (PetscInt64 i = 0; i < counts[k] * d; i++) wrong |= few[i] != many[i];
        assert_int_equal(wrong, 0);
        OK(PetscFree(few));
        OK(PetscFree(many));
      }
    }
  }
}

static void starts_do_not_depend_on_ranks(void **unused) {
  (void)unused;
  static const PetscInt64 counts[] = {50, 800};

  for (int k = 0; k < 16; k++) {
    const PetscInt d = k / 8 ? 2 : 3;
    MPI_Comm comms[2] = {PETSC_COMM_WORLD, PETSC_COMM_SELF};
    uint64_t sums[3];

    Configure(laws[k % 4].init, laws[k % 4].kappa, laws[k % 4].clusters);
    for (int i = 0; i < 2; i++) {
      Tokens tokens;
      Start start;

      OK(TokensCreate(comms[i], counts[k / 4 % 2], d, &tokens));
      OK(StartFromKeys(tokens, &start));
      OK(TokensStart(tokens, start, 1));
      OK(TokensStart(tokens, start, 0));
      OK(TokensChecksum(tokens, &sums[i]));
      OK(TokensStart(tokens, start, 1));
      OK(TokensChecksum(tokens, &sums[2]));
      OK(StartDestroy(&start));
      OK(TokensDestroy(&tokens));
    }
    int wrong = sums[0] != sums[1];
    if (k % 4 < 3) wrong |= sums[2] == sums[0]; /* another realization */
    OK(MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD));
    assert_int_equal(wrong, 0);
  }
}

static void seeds_give_other_tokens(void **unused) {
  (void)unused;
  double *a, *b, *weights;

  Configure("uniform", NULL, NULL);
  Sample(64, 3, 0, &a, &weights);
  SetKey("ensemble_seed", "20261");
  Sample(64, 3, 0, &b, &weights);
  for (int i = 0; i < 3 * 64; i++) assert_true(a[i] != b[i]);
  OK(PetscFree(a));
  OK(PetscFree(b));
}

/* 17 angles integrate Fourier modes 1..16 to zero, and not mode 17. */
static void circle_rule_is_exact(void **unused) {
  (void)unused;
  double *rows, *weights;

  Configure("quadrature", NULL, NULL);
  Sample(17, 2, 0, &rows, &weights);
  for (int mode = 0; mode <= 17; mode++) {
    double sum[2] = {0, 0};

    for (int i = 0; i < 17; i++) {
      const double angle = atan2(rows[2 * i + 1], rows[2 * i]);
      CLOSE(weights[i], 1.0 / 17, 1e-17);
      sum[0] += weights[i] * cos(mode * angle);
      sum[1] += weights[i] * sin(mode * angle);
    }
    CLOSE(sum[0], mode == 0 ? 1 : mode == 17 ? -1 : 0, 1e-14); /* first angle at half a step */
    CLOSE(sum[1], 0, 1e-14);
  }
  OK(PetscFree(rows));
}

static double OddFactorial(int n) { /* n!! for odd n >= -1 */
  double product = 1;
  for (; n > 1; n -= 2) product *= n;
  return product;
}

/* Mean of x^a y^b z^c over the sphere S^2 is (a-1)!!(b-1)!!(c-1)!!/(a+b+c+1)!! for even powers, else 0: exact up to
 * degree 2n-1. */
static void sphere_rule_is_exact(void **unused) {
  (void)unused;
  static const int orders[] = {1, 2, 5, 16};

  Configure("quadrature", NULL, NULL);
  for (int k = 0; k < 4; k++) {
    const int n = orders[k], N = 2 * n * n, degree = PetscMin(2 * n - 1, 11);
    double *rows, *weights;

    Sample(N, 3, 0, &rows, &weights);
    for (int a = 0; a <= degree; a++)
      for (int b = 0; a + b <= degree; b++)
        for (int c = 0; a + b + c <= degree; c++) {
          const double exact = a % 2 || b % 2 || c % 2 ? 0
                                                       : OddFactorial(a - 1) * OddFactorial(b - 1) *
                                                             OddFactorial(c - 1) / OddFactorial(a + b + c + 1);
          double sum = 0;
          for (int i = 0; i < N; i++)
            sum += weights[i] * pow(rows[3 * i], a) * pow(rows[3 * i + 1], b) * pow(rows[3 * i + 2], c);
          CLOSE(sum, exact, 1e-14);
        }
    OK(PetscFree(rows));
  }
}

static void impossible_rules_are_refused(void **unused) {
  (void)unused;
  Configure("quadrature", NULL, NULL);
  Refused(
      64, 3,
      "tokens_count = 64: with tokens_init quadrature and tokens_dim 3 it must be 2 n^2; the nearest are 50 and 72");
  Refused(1, 3, "are 2 and 8");
  Refused(64, 4, "needs tokens_dim 2 or 3, not 4");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(uniform_has_the_moments),
    cmocka_unit_test(fisher_has_the_moments),
    cmocka_unit_test(fisher_limits),
    cmocka_unit_test(clusters_are_uniform_and_taken_in_turn),
    cmocka_unit_test(clusters_spread_like_fisher),
    cmocka_unit_test(first_tokens_do_not_depend_on_the_count),
    cmocka_unit_test(starts_do_not_depend_on_ranks),
    cmocka_unit_test(seeds_give_other_tokens),
    cmocka_unit_test(circle_rule_is_exact),
    cmocka_unit_test(sphere_rule_is_exact),
    cmocka_unit_test(impossible_rules_are_refused),
};
TEST_MAIN(tests)
