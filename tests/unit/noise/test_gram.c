/* Noise gram: exact covariance at a set of points and between successive sets, memory, and what it refuses. */
#include "noise_case.h"

#include <petscblaslapack.h>

#include "noise/gram_draw.h"

extern void dpstrf_(const char *uplo, const PetscBLASInt *n, double *a, const PetscBLASInt *lda, PetscBLASInt *pivots,
                    PetscBLASInt *rank, const double *tol, double *work, PetscBLASInt *info);

typedef struct {
  const char *activation;
  PetscInt dim;
  double bias_u, bias_w;
} Law;

static const Law laws[] = {{"relu", 2, 0, 0}, {"tanh", 3, 0, 0}, {"sigmoid", 5, 0.4, 0.3}};
enum { LAWS = sizeof(laws) / sizeof(laws[0]) };

/* All points in one call, then in two: the second five are drawn given the first three. */
static void CovarianceIsTheKernel(void **state) {
  (void)state;
  for (int i = 0; i < LAWS; i++) {
    const Law *law = &laws[i];
    double points[CASE_POINTS * 8], exact[CASE_POINTS][CASE_POINTS];
    Noise noise = MakeNoise(law->dim, "gram", law->activation, law->bias_u, law->bias_w, -1);
    CasePoints(law->dim, points);
    ExactKernel(law->activation, law->dim, law->bias_u, law->bias_w, points, exact);
    CheckCovariance(noise, law->dim, points, CASE_POINTS, 1, 100000 / law->dim, exact);
    CheckCovariance(noise, law->dim, points, 3, 1, 100000 / law->dim, exact);
    OK(NoiseDestroy(&noise));
  }
}

/* The limit of the random MLP: the mlp's fields have the same covariance at any width. */
static void MlpHasTheSameCovariance(void **state) {
  const Law *law = &laws[2];
  double points[CASE_POINTS * 8], exact[CASE_POINTS][CASE_POINTS];
  Noise noise = MakeNoise(law->dim, "mlp", law->activation, law->bias_u, law->bias_w, -1);
  (void)state;
  CasePoints(law->dim, points);
  ExactKernel(law->activation, law->dim, law->bias_u, law->bias_w, points, exact);
  CheckCovariance(noise, law->dim, points, CASE_POINTS, 1, 25000, exact);
  OK(NoiseDestroy(&noise));
}

/* Coincident tokens move alike, and points seen before keep their values bit for bit, whatever was asked in between. */
static void OnePointHasOneValue(void **state) {
  enum { N = 400, D = 3 };
  static double points[N * D], moved[N * D];
  Noise noise = MakeNoise(D, "gram", "relu", 0, 0, -1);
  Tokens tokens, other;
  Field field, twin;
  Vec first, second, again;
  (void)state;
  RandomPoints(3, N / 2, D, points);
  memcpy(points + N / 2 * D, points, N / 2 * D * sizeof(double));
  RandomPoints(4, N, D, moved);
  for (int i = 0; i < N * D; i++) moved[i] = points[i] + 1e-4 * moved[i];
  tokens = TokensAt(PETSC_COMM_WORLD, N, D, points);
  other = TokensAt(PETSC_COMM_WORLD, N, D, moved);
  OK(TokensCreateVec(tokens, &first));
  OK(TokensCreateVec(tokens, &second));
  OK(TokensCreateVec(tokens, &again));
  OK(NoiseCreateField(noise, &field));
  OK(NoiseCreateField(noise, &twin));
  OK(NoiseDraw(noise, 0, 0, field));
  OK(NoiseDraw(noise, 0, 0, twin)); /* the same key: the same function */
  OK(FieldEvaluate(field, tokens, first));
  OK(FieldEvaluate(twin, other, second));
  OK(FieldEvaluate(twin, tokens, again));
  assert_true(Size(first) > 0.1);
  assert_true(Difference(first, again) == 0);
  /* 1e-4 away the field is 1e-4 sqrt(2 k'(1)/d...) away, up to 6 standard deviations of the largest of 1200. */
  CLOSE(Difference(first, second), 0, 6e-4);
  assert_true(Difference(first, second) > 1e-5);
  OK(FieldDestroy(&field));
  OK(FieldDestroy(&twin));
  OK(VecDestroy(&first));
  OK(VecDestroy(&second));
  OK(VecDestroy(&again));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&other));
  {
    static double g[N * D];
    double apart = 0;
    Kernel kernel;
    GramDraw draw;
    OK(NoiseGetKernel(noise, &kernel));
    OK(GramDrawCreate(kernel, D, (RngStream){.seed = 1, .purpose = RNG_GRAM}, &draw));
    OK(GramDrawAdd(draw, 1, N, points, g));
    for (int i = 0; i < N / 2 * D; i++) apart = fmax(apart, fabs(g[i] - g[N / 2 * D + i]));
    assert_true(apart == 0);
    OK(GramDrawDestroy(&draw));
  }
  OK(NoiseDestroy(&noise));
}

/* Asked point by point, a draw is the plain Cholesky factor of the kernel matrix times its normals; points are in the
 * order of pivots then. */
static void PointByPointIsCholesky(void **state) {
  enum { N = 12, D = 4 };
  double points[N * D], g[N * D] = {0}, z[N * D], L[N][N] = {{0}};
  const RngStream stream = {.seed = 7, .realization = 2, .step = 9, .purpose = RNG_GRAM};
  Kernel kernel;
  GramDraw draw;
  (void)state;
  RandomPoints(6, N, D, points);
  OK(KernelCreate(ActivationFind("relu"), D, 0.2, 0.1, &kernel));
  OK(GramDrawCreate(kernel, D, stream, &draw));
  for (int i = 0; i < N; i++) OK(GramDrawAdd(draw, 2, 1, points + i * D, g + i * D));
  RngNormal(stream, 0, N * D, z);
  for (int i = 0; i < N; i++)
    for (int j = 0; j <= i; j++) {
      double k;
      OK(KernelEvaluate(kernel, i == j ? 1 : Cosine(D, points + i * D, points + j * D), &k));
      for (int m = 0; m < j; m++) k -= L[i][m] * L[j][m];
      L[i][j] = i == j ? sqrt(k) : k / L[j][j];
    }
  for (int i = 0; i < N; i++)
    for (int c = 0; c < D; c++) {
      double expected = 0;
      for (int j = 0; j <= i; j++) expected += 2 * L[i][j] * z[j * D + c];
      CLOSE(g[i * D + c], expected, 1e-12);
    }
  OK(GramDrawDestroy(&draw));
  OK(KernelDestroy(&kernel));
}

/* A dense set: K = L L^T to 1e-12 with the factor of pivots, and the values of a draw are L times its normals. */
static void ManyPointsReproduceTheKernel(void **state) {
  enum { N = 1200, D = 3 };
  const RngStream stream = {.seed = 7, .realization = 3, .step = 1, .purpose = RNG_GRAM};
  const double zero = 0, one = 1, tol = 1e-14 * N;
  const PetscBLASInt n = N, d = D;
  double *points, *K, *L, *product, *g, *z, *expected, *work, worst = 0, off = 0, k1;
  PetscBLASInt *pivots, rank, info;
  PetscInt entries = N * N;
  Kernel kernel;
  GramDraw draw;
  (void)state;
  OK(PetscMalloc4(N * D, &points, entries, &K, entries, &L, entries, &product));
  OK(PetscMalloc5(N * D, &z, N * D, &expected, 2 * N, &work, N, &pivots, N * D, &g));
  OK(PetscArrayzero(g, N * D));
  RandomPoints(9, N, D, points);
  OK(KernelCreate(ActivationFind("relu"), D, 0.2, 0.1, &kernel));
  OK(KernelEvaluate(kernel, 1, &k1));
  OK(GramDrawCreate(kernel, D, stream, &draw));
  OK(GramDrawAdd(draw, 1, N, points, g));
  BLASsyrk_("L", "T", &n, &d, &one, points, &d, &zero, K, &n);
  for (PetscInt j = 0; j < N; j++)
    for (PetscInt i = j; i < N; i++) {
      const double u = i == j ? 1 : fmax(-1, fmin(1, K[j * N + i]));
      OK(KernelEvaluate(kernel, u, &K[j * N + i]));
      K[i * N + j] = K[j * N + i];
    }
  OK(PetscArraycpy(L, K, entries));
  {
    const double least = tol * k1;
    dpstrf_("L", &n, L, &n, pivots, &rank, &least, work, &info);
  }
  assert_true(info == 0 && rank == N); /* ReLU's kernel decays slowly: all points bring something new */
  for (PetscInt j = 0; j < N; j++)
    for (PetscInt i = 0; i < j; i++) L[j * N + i] = 0;
  BLASgemm_("N", "T", &n, &n, &n, &one, L, &n, L, &n, &zero, product, &n);
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt j = 0; j < N; j++)
      worst = fmax(worst, fabs(product[j * N + i] - K[(pivots[j] - 1) * N + pivots[i] - 1]));
  CLOSE(worst, 0, 1e-12 * k1);
  RngNormal(stream, 0, N * D, z);
  BLASgemm_("N", "T", &d, &n, &n, &one, z, &d, L, &n, &zero, expected, &d);
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt c = 0; c < D; c++) off = fmax(off, fabs(expected[i * D + c] - g[(pivots[i] - 1) * D + c]));
  CLOSE(off, 0, 1e-12);
  OK(GramDrawDestroy(&draw));
  OK(KernelDestroy(&kernel));
  OK(PetscFree4(points, K, L, product));
  OK(PetscFree5(z, expected, work, pivots, g));
}

/* Sets have 2048 tokens at most, and a draw remembers four of them. The linear kernel has rank d: cheap. */
static void LimitsAreSaid(void **state) {
  enum { D = 2 };
  Noise noise = MakeNoise(D, "gram", "identity", 0, 0, -1);
  Tokens tokens = RandomTokens(PETSC_COMM_WORLD, GRAM_TOKENS + 1, D);
  Field field;
  Vec g;
  (void)state;
  OK(NoiseCheckCount(noise, GRAM_TOKENS));
  REFUSED(NoiseCheckCount(noise, GRAM_TOKENS + 1), "tokens_count = 2049: must be at most 2048 for noise_type gram");
  OK(NoiseCheckPoints(noise, GRAM_POINTS, "some keys"));
  REFUSED(NoiseCheckPoints(noise, GRAM_POINTS + 1, "some keys"),
          "some keys: noise_type gram would be asked for at 8193 points per draw, at most 8192 are allowed");
  OK(NoiseCreateField(noise, &field));
  OK(NoiseDraw(noise, 0, 0, field));
  OK(TokensCreateVec(tokens, &g));
  REFUSED(FieldEvaluate(field, tokens, g), "tokens_count = 2049");
  OK(VecDestroy(&g));
  OK(TokensDestroy(&tokens));
  for (uint32_t set = 0; set < 5; set++) {
    static double points[GRAM_TOKENS * D];
    RandomPoints(20 + set, GRAM_TOKENS, D, points);
    tokens = TokensAt(PETSC_COMM_WORLD, GRAM_TOKENS, D, points);
    OK(TokensCreateVec(tokens, &g));
    if (set < 4)
      OK(FieldEvaluate(field, tokens, g));
    else
      FAILS(FieldEvaluate(field, tokens, g), PETSC_ERR_ARG_OUTOFRANGE, "more than the 8192 it can keep");
    OK(VecDestroy(&g));
    OK(TokensDestroy(&tokens));
  }
  OK(FieldDestroy(&field));
  OK(NoiseDestroy(&noise));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(CovarianceIsTheKernel),        cmocka_unit_test(MlpHasTheSameCovariance),
    cmocka_unit_test(OnePointHasOneValue),          cmocka_unit_test(PointByPointIsCholesky),
    cmocka_unit_test(ManyPointsReproduceTheKernel), cmocka_unit_test(LimitsAreSaid),
};
TEST_MAIN(tests)
