/* Both couplings of finite widths (coupling.h) against their definition by plain loops. */
#include <chorale/harmonics.h>

#include "coupling_case.h"
#include "law/sphere/quadrature.h"
#include "noise/spectral.h"

/* A^power for a symmetric positive definite matrix by Jacobi's rotations. */
enum { MOST = 24 };
static void Power(int n, double A[MOST][MOST], double power, double out[MOST][MOST]) {
  double M[MOST][MOST], Q[MOST][MOST] = {{0}};
  memcpy(M, A, sizeof(M));
  for (int i = 0; i < n; i++) Q[i][i] = 1;
  for (int sweep = 0; sweep < 30; sweep++)
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++) {
        const double angle = 0.5 * atan2(2 * M[p][q], M[q][q] - M[p][p]), c = cos(angle), s = sin(angle);
        for (int k = 0; k < n; k++) {
          const double a = M[p][k], b = M[q][k];
          M[p][k] = c * a - s * b, M[q][k] = s * a + c * b;
        }
        for (int k = 0; k < n; k++) {
          const double a = M[k][p], b = M[k][q], x = Q[k][p], y = Q[k][q];
          M[k][p] = c * a - s * b, M[k][q] = s * a + c * b;
          Q[k][p] = c * x - s * y, Q[k][q] = s * x + c * y;
        }
      }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      out[i][j] = 0;
      for (int k = 0; k < n; k++) out[i][j] += Q[i][k] * pow(fmax(M[k][k], 0), power) * Q[j][k];
    }
}

static void Apply(int n, double A[MOST][MOST], int d, const double *in, double *out) {
  for (int i = 0; i < n; i++)
    for (int c = 0; c < d; c++) {
      out[i * d + c] = 0;
      for (int j = 0; j < n; j++) out[i * d + c] += A[i][j] * in[j * d + c];
    }
}

/* At the tokens: G^m = A_m^{1/2} K^{-1/2} G. */
static void test_definition_at_tokens(void **state) {
  enum { N = 10, D = 3, M = 33 };
  Pair pair = MakePair(D, "spectral", "tokens", "relu", 0.5, 0, 12);
  double points[N * D], g[N * D], made[N * D], z[N * D], expected[N * D], U[M * D], b[M];
  static double K[MOST][MOST], A[MOST][MOST], root[MOST][MOST];
  const Activation *activation = ActivationFind("relu");
  Tokens tokens;
  Kernel kernel;
  Vec work;

  (void)state;
  RandomPoints(4, N, D, points);
  tokens = TokensAt(PETSC_COMM_SELF, N, D, points);
  OK(TokensCreateVec(tokens, &work));
  OK(NoiseDraw(pair.limit, 2, 7, pair.field));
  OK(CouplingDraw(pair.coupling, 2, 7, M, pair.field, &pair.made));
  ValuesAt(pair.field, tokens, work, g);
  ValuesAt(pair.made, tokens, work, made);
  OK(NoiseGetKernel(pair.limit, &kernel));
  Units(D, M, 0.5, 2, 7, U, b);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      OK(KernelEvaluate(kernel, i == j ? 1 : Cosine(D, points + i * D, points + j * D), &K[i][j]));
      A[i][j] = 0;
      for (int h = 0; h < M; h++)
        A[i][j] += Unit(activation, D, U + h * D, b[h], points + i * D) *
                   Unit(activation, D, U + h * D, b[h], points + j * D) / M;
    }
  Power(N, K, -0.5, root);
  Apply(N, root, D, g, z);
  Power(N, A, 0.5, root);
  Apply(N, root, D, z, expected);
  for (int i = 0; i < N * D; i++) CLOSE(made[i], expected[i], 1e-9);
  OK(VecDestroy(&work));
  OK(TokensDestroy(&tokens));
  FreePair(&pair);
}

/* In harmonics: coefficients = B_m^{1/2} diag(a_n)^{-1/2} (coefficients of the limit), with s_k = integral of the unit
 * times Y_k by a product rule on the sphere; and E B_m = diag(a_n), unit by unit, within 4 standard errors. */
static void test_definition_in_harmonics(void **state) {
  enum { D = 3, M = 40, DEGREE = 3, K = 16, NODES = 24, LONG = 48, MANY = 2000 };
  Pair pair = MakePair(D, "spectral", "harmonics", "silu", 0.6, 0, DEGREE);
  static double U[MANY * D], b[MANY], s[MANY][K], B[MOST][MOST], root[MOST][MOST], Y[K * NODES * LONG];
  double x[D * NODES * LONG], values[K * D], z[K * D], a[K], *from, points[8 * D], made[8 * D], y[K * 8], block[D * 8];
  const Activation *activation = ActivationFind("silu");
  PetscReal t[NODES], w[NODES], c[DEGREE + 1];
  const PetscInt *degrees;
  Harmonics basis;
  Tokens tokens;
  Kernel kernel;
  PetscInt count;
  Vec work;

  (void)state;
  OK(HarmonicsCreate(D, DEGREE, &basis));
  OK(HarmonicsGetSize(basis, &count, &degrees));
  assert_int_equal(count, K);
  OK(QuadratureLegendre(NODES, -1, 1, t, w));
  for (int q = 0; q < NODES; q++)
    for (int p = 0; p < LONG; p++) {
      const double phi = 2 * PETSC_PI * p / LONG, sine = sqrt(1 - t[q] * t[q]);
      x[q * LONG + p] = sine * cos(phi);
      x[NODES * LONG + q * LONG + p] = sine * sin(phi);
      x[2 * NODES * LONG + q * LONG + p] = t[q];
    }
  for (int first = 0; first < NODES * LONG; first += 8) { /* blocks of 8 nodes */
    for (int e = 0; e < D * 8; e++) block[e] = x[e / 8 * NODES * LONG + first + e % 8];
    OK(HarmonicsEvaluate(basis, 8, block, y));
    for (int k = 0; k < K; k++)
      for (int e = 0; e < 8; e++) Y[k * NODES * LONG + first + e] = y[k * 8 + e];
  }
  Units(D, MANY, 0.6, 2, 7, U, b);
  memset(s, 0, sizeof(s));
  for (int h = 0; h < MANY; h++)
    for (int e = 0; e < NODES * LONG; e++) {
      const double point[D] = {x[e], x[NODES * LONG + e], x[2 * NODES * LONG + e]};
      const double value = w[e / LONG] * 2 * PETSC_PI / LONG * Unit(activation, D, U + h * D, b[h], point);
      for (int k = 0; k < K; k++) s[h][k] += value * Y[k * NODES * LONG + e];
    }
  OK(NoiseGetKernel(pair.limit, &kernel));
  OK(KernelCoefficients(kernel, DEGREE, c));
  for (int k = 0; k < K; k++) a[k] = c[degrees[k]] * 4 * PETSC_PI / (2 * degrees[k] + 1);
  for (int k = 0; k < K; k++)
    for (int l = 0; l < K; l++) {
      Moment moment = {0, 0};
      B[k][l] = 0;
      for (int h = 0; h < MANY; h++) AddMoment(&moment, s[h][k] * s[h][l], MANY);
      for (int h = 0; h < M; h++) B[k][l] += s[h][k] * s[h][l] / M;
      CLOSE(moment.mean, k == l ? a[k] : 0, 4 * StandardError(moment, MANY));
    }
  RandomPoints(4, 8, D, points);
  tokens = TokensAt(PETSC_COMM_SELF, 8, D, points);
  OK(TokensCreateVec(tokens, &work));
  OK(NoiseDraw(pair.limit, 2, 7, pair.field));
  OK(CouplingDraw(pair.coupling, 2, 7, M, pair.field, &pair.made));
  ValuesAt(pair.made, tokens, work, made);
  OK(SpectralGetCoefficients(pair.field, &from));
  for (int k = 0; k < K; k++)
    for (int e = 0; e < D; e++) z[k * D + e] = from[e * K + k] / sqrt(a[k]);
  Power(K, B, 0.5, root);
  Apply(K, root, D, z, values);
  for (int e = 0; e < D * 8; e++) block[e] = points[e % 8 * D + e / 8];
  OK(HarmonicsEvaluate(basis, 8, block, y));
  for (int i = 0; i < 8; i++)
    for (int e = 0; e < D; e++) {
      double expected = 0;
      for (int k = 0; k < K; k++) expected += values[k * D + e] * y[k * 8 + i];
      CLOSE(made[i * D + e], expected, 1e-10);
    }
  OK(HarmonicsDestroy(&basis));
  OK(VecDestroy(&work));
  OK(TokensDestroy(&tokens));
  FreePair(&pair);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_definition_at_tokens),
    cmocka_unit_test(test_definition_in_harmonics),
};
TEST_MAIN(tests)
