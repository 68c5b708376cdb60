/* Noise spectral: its covariance is the truncated kernel, degrees nest, the lost variance is what the tail says. */
#include "keys.h"
#include "noise_case.h"

#include <chorale/harmonics.h>
#include <chorale/sphere.h>

#include "law/sphere/quadrature.h"

typedef struct {
  const char *activation;
  PetscInt dim;
  double bias_u, bias_w;
  int degree;
} Law;

static const Law laws[] = {
    {"relu", 2, 0, 0, 20},        {"relu", 3, 0.3, 0.2, 9},    {"tanh", 3, 0, 0, 12},
    {"sigmoid", 2, 0.4, 0.3, 16}, {"sigmoid", 5, 0.4, 0.3, 5}, {"relu", 4, 0, 0, 6},
};
enum { LAWS = sizeof(laws) / sizeof(laws[0]), DEGREE_MAX = 64 };

static Noise LawNoise(const Law *law, int degree) {
  return MakeNoise(law->dim, "spectral", law->activation, law->bias_u, law->bias_w, degree);
}

/* c_0 .. c_degree of the whole kernel, and k(1). */
static double Coefficients(const Law *law, PetscInt degree, double c[]) {
  PetscReal k1, derivative;
  Kernel kernel;
  OK(KernelCreate(ActivationFind(law->activation), law->dim, law->bias_u, law->bias_w, &kernel));
  OK(KernelCoefficients(kernel, degree, c));
  OK(KernelAtOne(kernel, &k1, &derivative));
  OK(KernelDestroy(&kernel));
  return k1;
}

static double Truncated(const Law *law, PetscInt degree, const double c[], double u) {
  double values[DEGREE_MAX + 1], sum = 0;
  SpherePolynomials(law->dim, degree, u, values);
  for (PetscInt n = 0; n <= degree; n++) sum += c[n] * values[n];
  return sum;
}

static void CovarianceIsTheTruncatedKernel(void **state) {
  (void)state;
  for (int i = 0; i < LAWS; i++) {
    const Law *law = &laws[i];
    double points[CASE_POINTS * 8], exact[CASE_POINTS][CASE_POINTS], c[DEGREE_MAX + 1];
    Noise noise = LawNoise(law, law->degree);
    Coefficients(law, law->degree, c);
    CasePoints(law->dim, points);
    for (PetscInt a = 0; a < CASE_POINTS; a++)
      for (PetscInt b = 0; b < CASE_POINTS; b++)
        exact[a][b] =
            Truncated(law, law->degree, c, a == b ? 1 : Cosine(law->dim, points + a * law->dim, points + b * law->dim));
    CheckCovariance(noise, law->dim, points, CASE_POINTS, 1 + i % 2, 90000 / law->dim, exact);
    OK(NoiseDestroy(&noise));
  }
}

/* NoiseGetVariance, FieldGetVariance and NoiseGetKernel speak of the truncated kernel, and what is lost is k(1) less
 * its coefficients. */
static void TheoryIsTruncated(void **state) {
  (void)state;
  for (int i = 0; i < LAWS; i++) {
    const Law *law = &laws[i];
    double c[DEGREE_MAX + 1], kept = 0, whole = Coefficients(law, law->degree, c);
    Noise noise = LawNoise(law, law->degree);
    PetscReal k1, from_field, value;
    Kernel kernel;
    Field field;
    for (PetscInt n = 0; n <= law->degree; n++) kept += c[n];
    OK(NoiseCreateField(noise, &field));
    OK(NoiseGetVariance(noise, &k1));
    OK(FieldGetVariance(field, &from_field));
    CLOSE(k1, kept, 1e-13 * whole);
    assert_true(from_field == k1);
    if (i < 2) assert_true(whole - k1 > 1e-9 * whole);
    OK(NoiseGetKernel(noise, &kernel));
    for (double u = -1; u <= 1; u += 0.25) {
      OK(KernelEvaluate(kernel, u, &value));
      CLOSE(value, Truncated(law, law->degree, c, u), 1e-13 * whole);
    }
    OK(FieldDestroy(&field));
    OK(NoiseDestroy(&noise));
  }
}

/* noise_tol chooses the smallest degree whose tail is at most that share of k(1). */
static void DegreeIsTheSmallestForTheTolerance(void **state) {
  const double tols[] = {0.1, 1e-2, 1e-3};
  (void)state;
  for (int i = 0; i < LAWS; i++)
    for (int j = 0; j < 3; j++) {
      const Law *law = &laws[i];
      double c[DEGREE_MAX + 1], whole = Coefficients(law, DEGREE_MAX, c), kept = 0;
      PetscReal k1;
      Noise noise;
      SetLaw("spectral", law->activation, law->bias_u, law->bias_w, -1);
      SetReal("noise_tol", tols[j]);
      OK(NoiseFromKeys(law->dim, &noise));
      OK(NoiseGetVariance(noise, &k1));
      for (PetscInt n = 0; n <= DEGREE_MAX && whole - kept > tols[j] * whole; n++) kept += c[n];
      assert_true(kept > 0 && whole - kept <= tols[j] * whole);
      CLOSE(k1, kept, 1e-12 * whole);
      OK(NoiseDestroy(&noise));
    }
}

/* Nodes and weights of a rule that is exact for harmonics up to a total degree of 40, as tokens: d = 2 or 3. */
static Tokens Nodes(PetscInt d, PetscInt *count, double weights[]) {
  enum { AROUND = 48, ALONG = 24 };
  static double points[AROUND * ALONG * 3];
  double t[ALONG], w[ALONG];
  const PetscInt rows = d == 2 ? 1 : ALONG;
  OK(QuadratureLegendre(ALONG, -1, 1, t, w));
  for (PetscInt i = 0; i < rows; i++)
    for (PetscInt j = 0; j < AROUND; j++) {
      const double angle = 2 * PETSC_PI * (j + 0.3) / AROUND, z = d == 2 ? 0 : t[i], r = sqrt(1 - z * z);
      double *x = points + (i * AROUND + j) * d;
      x[0] = r * cos(angle);
      x[1] = r * sin(angle);
      if (d == 3) x[2] = z;
      weights[i * AROUND + j] = 2 * PETSC_PI / AROUND * (d == 2 ? 1 : w[i]);
    }
  *count = rows * AROUND;
  return TokensAt(PETSC_COMM_SELF, *count, d, points);
}

/* Coefficients of harmonics up to degree 5 of a field, by quadrature. */
static void LowCoefficients(PetscInt d, const Law *law, int degree, double a[][3]) {
  static double g[48 * 24 * 3], weights[48 * 24], x[8 * 3], Y[36 * 8];
  Noise noise = LawNoise(law, degree);
  PetscInt count, K;
  const PetscInt *degrees;
  const double *rows;
  Harmonics low;
  Tokens tokens = Nodes(d, &count, weights);
  TokensLayout layout;
  Field field;
  Vec work, v;
  OK(HarmonicsCreate(d, 5, &low));
  OK(HarmonicsGetSize(low, &K, &degrees));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensCreateVec(tokens, &work));
  OK(NoiseCreateField(noise, &field));
  OK(NoiseDraw(noise, 4, 4, field));
  ValuesAt(field, tokens, work, g);
  OK(TokensGetVec(tokens, &v));
  OK(VecGetArrayRead(v, &rows));
  for (PetscInt k = 0; k < K; k++)
    for (PetscInt c = 0; c < d; c++) a[k][c] = 0;
  for (PetscInt i = 0; i < count; i++) {
    for (PetscInt c = 0; c < d; c++)
      for (PetscInt t = 0; t < 8; t++)
        x[c * 8 + t] = rows[(i / layout.block * d + c) * layout.block + i % layout.block];
    OK(HarmonicsEvaluate(low, 8, x, Y));
    for (PetscInt k = 0; k < K; k++)
      for (PetscInt c = 0; c < d; c++) a[k][c] += weights[i] * g[i * d + c] * Y[k * 8];
  }
  OK(VecRestoreArrayRead(v, &rows));
  OK(VecDestroy(&work));
  OK(FieldDestroy(&field));
  OK(NoiseDestroy(&noise));
  OK(HarmonicsDestroy(&low));
  OK(TokensDestroy(&tokens));
}

/* The same draw at degree 5 is the draw at degree 9 without its upper harmonics. */
static void LargerDegreeExtends(void **state) {
  (void)state;
  for (PetscInt d = 2; d <= 3; d++) {
    const Law law = {"sigmoid", d, 0.4, 0.3, 0};
    double small[36][3], large[36][3], size = 0;
    LowCoefficients(d, &law, 5, small);
    LowCoefficients(d, &law, 9, large);
    for (PetscInt k = 0; k < (d == 2 ? 11 : 36); k++)
      for (PetscInt c = 0; c < d; c++) {
        CLOSE(large[k][c], small[k][c], 1e-13);
        size = fmax(size, fabs(small[k][c]));
      }
    assert_true(size > 0.1);
  }
}

/* An odd activation without biases makes an odd field. */
static void OddActivationsMakeOddFields(void **state) {
  enum { N = 40, D = 4 };
  double points[2 * N * D], g[2 * N * D], size = 0;
  Noise noise = MakeNoise(D, "spectral", "tanh", 0, 0, 7);
  Tokens tokens;
  Field field;
  Vec work;
  (void)state;
  RandomPoints(8, N, D, points);
  for (int i = 0; i < N * D; i++) points[N * D + i] = -points[i];
  tokens = TokensAt(PETSC_COMM_SELF, 2 * N, D, points);
  OK(TokensCreateVec(tokens, &work));
  OK(NoiseCreateField(noise, &field));
  OK(NoiseDraw(noise, 0, 0, field));
  ValuesAt(field, tokens, work, g);
  for (int i = 0; i < N * D; i++) {
    CLOSE(g[i], -g[N * D + i], 1e-14);
    size = fmax(size, fabs(g[i]));
  }
  assert_true(size > 0.1);
  OK(VecDestroy(&work));
  OK(FieldDestroy(&field));
  OK(NoiseDestroy(&noise));
  OK(TokensDestroy(&tokens));
}

/* Beyond 20000 harmonics one line says so, with K and the keys. */
static void BudgetIsSaid(void **state) {
  Noise noise;
  (void)state;
  SetLaw("spectral", "relu", 0, 0, 200);
  REFUSED(NoiseFromKeys(3, &noise), "noise_degree = 200: K = 40401 harmonics for tokens_dim = 3; must be at most 140");
  SetLaw("spectral", "relu", 0, 0, -1);
  REFUSED(NoiseFromKeys(64, &noise), "noise_tol = 0.001: needs more than the K <= 20000 harmonics allowed");
  REFUSED(NoiseFromKeys(4000, &noise), "tokens_dim = 4000");
  SetKey("mlp_activation", "identity"); /* linear fields have degree 1 in any dimension */
  OK(NoiseFromKeys(64, &noise));
  OK(NoiseDestroy(&noise));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(CovarianceIsTheTruncatedKernel),     cmocka_unit_test(TheoryIsTruncated),
    cmocka_unit_test(DegreeIsTheSmallestForTheTolerance), cmocka_unit_test(LargerDegreeExtends),
    cmocka_unit_test(OddActivationsMakeOddFields),        cmocka_unit_test(BudgetIsSaid),
};
TEST_MAIN(tests)
