/* The random MLP as a field: against a plain triple loop, against its covariance kernel, and draw by draw. */
#include <string.h>

#include <chorale/activation.h>
#include <chorale/kernel.h>
#include <chorale/noise.h>

#include "keys.h"
#include "noise/mlp.h"
#include "place.h"

#define LENGTH(array) (PetscInt)(sizeof(array) / sizeof((array)[0]))

static Noise MakeNoise(const char *activation, PetscInt m, PetscInt d, double bias_u, double bias_w, int seed) {
  Noise noise;

  SetKey("noise_type", "mlp");
  SetKey("mlp_activation", activation);
  SetInt("mlp_width", m);
  SetReal("mlp_bias_u", bias_u);
  SetReal("mlp_bias_w", bias_w);
  SetInt("ensemble_seed", seed);
  OK(NoiseFromKeys(d, &noise));
  return noise;
}

/* G(y) = m^{-1/2} W sigma(d^{-1/2} U y + b_U) + b_W, word for word. */
static void PlainField(const Activation *sigma, PetscInt m, PetscInt d, const double *U, const double *bias_u,
                       const double *W, const double *bias_w, const double *y, double *G) {
  for (PetscInt c = 0; c < d; c++) G[c] = 0;
  for (PetscInt u = 0; u < m; u++) {
    double z = 0;
    for (PetscInt c = 0; c < d; c++) z += U[u * d + c] * y[c];
    z = sigma->value(z / sqrt((double)d) + bias_u[u]);
    for (PetscInt c = 0; c < d; c++) G[c] += W[c * m + u] * z;
  }
  for (PetscInt c = 0; c < d; c++) G[c] = G[c] / sqrt((double)m) + bias_w[c];
}

/* Largest difference between FieldEvaluate and the plain field over all tokens and components, relative to the field's
 * size. */
static double FieldError(const char *activation, PetscInt m, PetscInt d, PetscInt N, double bias_u, double bias_w) {
  const Activation *sigma = ActivationFind(activation);
  Noise noise = MakeNoise(activation, m, d, bias_u, bias_w, 3);
  Tokens tokens = RandomTokens(PETSC_COMM_WORLD, N, d);
  double *U, *bu, *W, *bw, *y, *G, error = 0, size = 0;
  const double *x, *g;
  TokensLayout layout;
  Field field;
  Vec v, vx;

  OK(NoiseCreateField(noise, &field));
  OK(NoiseDraw(noise, 2, 7, field));
  OK(TokensCreateVec(tokens, &v));
  OK(FieldEvaluate(field, tokens, v));
  OK(PetscMalloc6(m * d, &U, m, &bu, m * d, &W, d, &bw, d, &y, d, &G));
  OK(NoiseMlpWeights(noise, 2, 7, U, bu, W, bw));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &vx));
  OK(VecGetArrayRead(vx, &x));
  OK(VecGetArrayRead(v, &g));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < layout.block; t++) {
      if ((layout.first + b) * layout.block + t >= N) continue;
      for (PetscInt c = 0; c < d; c++) y[c] = x[(b * d + c) * layout.block + t];
      PlainField(sigma, m, d, U, bu, W, bw, y, G);
      for (PetscInt c = 0; c < d; c++) {
        const double difference = fabs(g[(b * d + c) * layout.block + t] - G[c]);
        error = difference <= error ? error : difference; /* keeps NaN */
        size = fmax(size, fabs(G[c]));
      }
    }
  OK(VecRestoreArrayRead(v, &g));
  OK(VecRestoreArrayRead(vx, &x));
  OK(PetscFree6(U, bu, W, bw, y, G));
  OK(VecDestroy(&v));
  OK(FieldDestroy(&field));
  OK(NoiseDestroy(&noise));
  OK(TokensDestroy(&tokens));
  if (isnan(error)) error = INFINITY;
  error = Worst(error);
  size = Worst(size);
  return size > 0 ? error / size : error; /* a single relu may be off at all tokens: then both fields are 0 */
}

static const PetscInt widths[] = {1, 8, 100, 128, 300, 1000}, dims[] = {2, 3, 5, 8, 16, 64},
                      counts[] = {1, 64, 300, 700};

/* Every width, dimension and number of tokens; activations and biases take turns. */
static void FieldIsTheFormula(void **state) {
  PetscInt turn = 0, activations = 0;
  (void)state;
  while (ActivationGet(activations)) activations++;
  assert_int_equal(activations, 10);
  for (PetscInt i = 0; i < LENGTH(widths); i++)
    for (PetscInt j = 0; j < LENGTH(dims); j++)
      for (PetscInt k = 0; k < LENGTH(counts); k++, turn++)
        CLOSE(FieldError(ActivationGet(turn % activations)->name, widths[i], dims[j], counts[k], turn % 2 ? 0.7 : 0,
                         turn % 3 ? 0.4 : 0),
              0, 1e-13);
}

/* Sizes at and beside those of the blocks that the products are cut into, up to the largest: rows {m, d, N}. */
static void FieldIsTheFormulaAtTheEdges(void **state) {
  static const PetscInt sizes[][3] = {{1, 17, 9},     {7, 63, 20},   {129, 65, 30},   {2048, 17, 64},   {2048, 512, 8},
                                      {300, 1024, 8}, {7, 1024, 40}, {2500, 65, 600}, {100000, 2, 1100}};
  (void)state;
  for (PetscInt i = 0; i < LENGTH(sizes); i++)
    CLOSE(FieldError(i % 2 ? "gelu" : "relu", sizes[i][0], sizes[i][1], sizes[i][2], i % 2 ? 0.7 : 0, 0.3), 0, 1e-13);
}

/* Every activation in few and in many dimensions, with and without biases. */
static void FieldIsTheFormulaForEveryActivation(void **state) {
  (void)state;
  for (PetscInt a = 0; ActivationGet(a); a++)
    for (int bias = 0; bias < 2; bias++) {
      CLOSE(FieldError(ActivationGet(a)->name, 150, 3, 300, 0.5 * bias, 0.3 * bias), 0, 1e-13);
      CLOSE(FieldError(ActivationGet(a)->name, 150, 16, 100, 0.5 * bias, 0.3 * bias), 0, 1e-13);
    }
}

/* The field at tokens split over the ranks has the bits of the field at the same tokens on one rank. */
static void BitsDoNotDependOnRanks(void **state) {
  const PetscInt N = 1100;
  (void)state;
  for (PetscInt j = 0; j < LENGTH(dims); j++) {
    const PetscInt d = dims[j];
    Noise noise = MakeNoise("silu", 300, d, 0.2, 0.1, 5);
    Tokens split = RandomTokens(PETSC_COMM_WORLD, N, d), whole = RandomTokens(PETSC_COMM_SELF, N, d);
    const double *a, *b;
    TokensLayout layout;
    Field field;
    Vec va, vb;
    size_t length;
    int differ;

    OK(NoiseCreateField(noise, &field));
    OK(NoiseDraw(noise, 0, 3, field));
    OK(TokensCreateVec(split, &va));
    OK(TokensCreateVec(whole, &vb));
    OK(FieldEvaluate(field, split, va));
    OK(FieldEvaluate(field, whole, vb));
    OK(TokensGetLayout(split, &layout));
    length = (size_t)(d * layout.block);
    OK(VecGetArrayRead(va, &a));
    OK(VecGetArrayRead(vb, &b));
    differ = memcmp(a, b + (size_t)layout.first * length, (size_t)layout.owned * length * sizeof(double)) != 0;
    OK(VecRestoreArrayRead(va, &a));
    OK(VecRestoreArrayRead(vb, &b));
    assert_int_equal((int)Worst(differ), 0);
    OK(VecDestroy(&va));
    OK(VecDestroy(&vb));
    OK(FieldDestroy(&field));
    OK(NoiseDestroy(&noise));
    OK(TokensDestroy(&split));
    OK(TokensDestroy(&whole));
  }
}

static Vec Evaluated(Noise noise, Field field, PetscInt realization, PetscInt step, Tokens tokens) {
  Vec g;
  OK(TokensCreateVec(tokens, &g));
  OK(NoiseDraw(noise, realization, step, field));
  OK(FieldEvaluate(field, tokens, g));
  return g;
}

/* A draw is its key: the same one gives the same bits again, any other one another field. */
static void DrawIsItsKey(void **state) {
  Noise noise = MakeNoise("tanh", 200, 5, 0.1, 0.1, 5), other = MakeNoise("tanh", 200, 5, 0.1, 0.1, 6);
  Tokens tokens = RandomTokens(PETSC_COMM_WORLD, 300, 5);
  Field field, second, foreign;
  Vec g[6];
  (void)state;

  OK(NoiseCreateField(noise, &field));
  OK(NoiseCreateField(noise, &second));
  OK(NoiseCreateField(other, &foreign));
  g[0] = Evaluated(noise, field, 1, 2, tokens);
  g[1] = Evaluated(noise, second, 1, 3, tokens);
  g[2] = Evaluated(noise, second, 2, 2, tokens);
  g[3] = Evaluated(other, foreign, 1, 2, tokens);
  g[4] = Evaluated(noise, second, 1, 2, tokens);
  OK(VecDuplicate(g[0], &g[5]));
  OK(FieldEvaluate(field, tokens, g[5])); /* still the first draw */
  for (int i = 1; i < 6; i++) {
    PetscReal distance, size;
    OK(VecAXPY(g[i], -1, g[0]));
    OK(VecNorm(g[i], NORM_INFINITY, &distance));
    OK(VecNorm(g[0], NORM_INFINITY, &size));
    if (i < 4)
      assert_true(distance > 0.1 * size);
    else
      assert_true(distance == 0);
  }
  for (int i = 0; i < 6; i++) OK(VecDestroy(&g[i]));
  OK(FieldDestroy(&field));
  OK(FieldDestroy(&second));
  OK(FieldDestroy(&foreign));
  OK(NoiseDestroy(&noise));
  OK(NoiseDestroy(&other));
  OK(TokensDestroy(&tokens));
}

/* Mean of a, or of the products a b. */
static double Mean(const double *a, const double *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += a[i] * (b ? b[i] : 1);
  return sum / (double)n;
}

static void CheckNormal(const double *z, size_t n, double deviation) {
  double second = 0, fourth = 0;
  for (size_t i = 0; i < n; i++) {
    const double s = z[i] * z[i] / (deviation * deviation);
    second += s / (double)n;
    fourth += s * s / (double)n;
  }
  CLOSE(Mean(z, NULL, n) / deviation, 0, 4 / sqrt((double)n));
  CLOSE(second, 1, 4 * sqrt(2 / (double)n));
  CLOSE(fourth, 3, 4 * sqrt(96 / (double)n));
}

/* Weights are normal, and independent between layers, realizations, chunks and matrices: products of such pairs have
 * mean 0 and variance 1. */
static void WeightsAreIndependentNormals(void **state) {
  enum { M = 4096, D = 16, DRAWS = 3 };
  const size_t n = (size_t)M * D;
  const PetscInt key[DRAWS][2] = {{0, 0}, {0, 1}, {1, 0}};
  Noise noise = MakeNoise("relu", M, D, 0.5, 0.25, 9);
  double *U[DRAWS], *W[DRAWS], *bias_u, *bias_w;
  (void)state;

  OK(PetscMalloc2(M, &bias_u, 64 * D, &bias_w));
  for (int i = 0; i < DRAWS; i++) {
    OK(PetscMalloc2(n, &U[i], n, &W[i]));
    OK(NoiseMlpWeights(noise, key[i][0], key[i][1], U[i], bias_u, W[i], bias_w));
    CheckNormal(U[i], n, 1);
    CheckNormal(W[i], n, 1);
    CheckNormal(bias_u, M, 0.5);
    CLOSE(Mean(U[i], W[i], n), 0, 4 / sqrt((double)n));
    CLOSE(Mean(bias_u, U[i], M) / 0.5, 0, 4 / sqrt((double)M));
    CLOSE(Mean(U[i], U[i] + D, n - D), 0, 4 / sqrt((double)n));             /* next unit */
    CLOSE(Mean(U[i], U[i] + 128 * D, n - 128 * D), 0, 4 / sqrt((double)n)); /* next chunk */
    CLOSE(Mean(W[i], W[i] + 128, n - 128), 0, 4 / sqrt((double)n));
    for (int j = 0; j < i; j++) {
      CLOSE(Mean(U[i], U[j], n), 0, 4 / sqrt((double)n));
      CLOSE(Mean(W[i], W[j], n), 0, 4 / sqrt((double)n));
      CLOSE(Mean(U[i], W[j], n), 0, 4 / sqrt((double)n));
    }
  }
  for (PetscInt l = 0; l < 64; l++) OK(NoiseMlpWeights(noise, 0, l, U[0], bias_u, W[0], bias_w + l * D));
  CheckNormal(bias_w, 64 * D, 0.25);
  for (int i = 0; i < DRAWS; i++) OK(PetscFree2(U[i], W[i]));
  OK(PetscFree2(bias_u, bias_w));
  OK(NoiseDestroy(&noise));
}

/* The arc-cosine and arcsine kernels of THEORY.md (2.5), in closed form. */
static double ExactKernel(PetscBool relu, PetscInt d, double bias_u, double bias_w, double u) {
  const double variance = 1.0 / d + bias_u * bias_u, rho = (u / d + bias_u * bias_u) / variance, pi = acos(-1.0);
  if (relu)
    return variance / (2 * pi) * (sqrt(fmax(0, 1 - rho * rho)) + rho * (pi - acos(fmin(1, rho)))) + bias_w * bias_w;
  return 2 / pi * asin(2 * rho * variance / (1 + 2 * variance)) + bias_w * bias_w;
}

/* The kernel of any activation: in closed form where there is one, else as test_kernel.c has checked it. */
static double AnyKernel(const char *activation, PetscInt d, double bias_u, double bias_w, double u) {
  double value;
  Kernel kernel;

  if (!strcmp(activation, "relu") || !strcmp(activation, "erf"))
    return ExactKernel((PetscBool)(activation[0] == 'r'), d, bias_u, bias_w, u);
  OK(KernelCreate(ActivationFind(activation), d, bias_u, bias_w, &kernel));
  OK(KernelEvaluate(kernel, u, &value));
  OK(KernelDestroy(&kernel));
  return value;
}

/* Over many draws, E[G_a(x) G_b(y)] = k(<x,y>) delta_ab for every m, here with four tokens on a great circle: within 4
 * standard errors, which see 2 percent. The more components and units, the fewer draws
 * that takes. */
static void CheckCovariance(const char *activation, PetscInt m, PetscInt d, double bias_u, double bias_w,
                            PetscInt draws) {
  enum { N = 4, CASES = N + 1 };
  const double angle[N] = {0, 0.4, 1.0, 2.6};
  double sum[2 * CASES] = {0}, total[2 * CASES];
  Noise noise = MakeNoise(activation, m, d, bias_u, bias_w, 21);
  PetscMPIInt rank, size;
  TokensLayout layout;
  const double *g;
  Tokens tokens;
  Field field;
  double *x;
  Vec v;

  OK(PetscCalloc1(N * d, &x));
  for (int i = 0; i < N; i++) {
    x[i * d] = cos(angle[i]);
    x[i * d + 1] = sin(angle[i]);
  }
  tokens = PlaceRows(PETSC_COMM_SELF, N, d, x, d, NULL, 0);
  OK(PetscFree(x));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensCreateVec(tokens, &v));
  OK(NoiseCreateField(noise, &field));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  for (PetscInt r = rank; r < draws; r += size) {
    OK(NoiseDraw(noise, r, 1, field));
    OK(FieldEvaluate(field, tokens, v));
    OK(VecGetArrayRead(v, &g));
    for (int i = 0; i < CASES; i++) { /* with the first token; last case: two components, no covariance */
      double product = 0;
      if (i < N)
        for (PetscInt c = 0; c < d; c++) product += g[c * layout.block] * g[c * layout.block + i] / (double)d;
      else
        product = g[0] * g[layout.block + 1];
      sum[2 * i] += product / draws;
      sum[2 * i + 1] += product * product / draws;
    }
    OK(VecRestoreArrayRead(v, &g));
  }
  OK(MPI_Allreduce(sum, total, 2 * CASES, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  for (int i = 0; i < CASES; i++) {
    const double exact = i < N ? AnyKernel(activation, d, bias_u, bias_w, cos(angle[i])) : 0;
    const double error = sqrt((total[2 * i + 1] - total[2 * i] * total[2 * i]) / draws);
    CLOSE(total[2 * i], exact, 4 * error);
    if (i < 2) assert_true(4 * error < 0.02 * exact); /* sharp enough to see 2 percent */
  }
  OK(VecDestroy(&v));
  OK(FieldDestroy(&field));
  OK(NoiseDestroy(&noise));
  OK(TokensDestroy(&tokens));
}

static void CovarianceIsTheKernel(void **state) {
  (void)state;
  CheckCovariance("relu", 20, 3, 0, 0, 60000);
  CheckCovariance("relu", 20, 16, 0.3, 0.2, 20000);
  for (PetscInt a = 0; ActivationGet(a); a++) CheckCovariance(ActivationGet(a)->name, 100, 16, 0.5, 0.1, 9000);
}

static void NoneIsZero(void **state) {
  Tokens tokens = RandomTokens(PETSC_COMM_WORLD, 300, 4);
  PetscBool zero;
  PetscReal size;
  Noise noise;
  Field field;
  Vec g;
  (void)state;

  SetKey("noise_type", "none");
  OK(NoiseFromKeys(4, &noise));
  OK(NoiseCreateField(noise, &field));
  OK(NoiseIsZero(noise, &zero));
  assert_true(zero);
  OK(FieldIsZero(field, &zero));
  assert_true(zero);
  OK(NoiseDraw(noise, 0, 0, field));
  OK(TokensCreateVec(tokens, &g));
  OK(VecSet(g, 3));
  OK(FieldEvaluate(field, tokens, g));
  OK(VecNorm(g, NORM_INFINITY, &size));
  assert_true(size == 0);
  OK(VecDestroy(&g));
  OK(FieldDestroy(&field));
  OK(NoiseDestroy(&noise));
  noise = MakeNoise("relu", 8, 4, 0, 0, 1);
  OK(NoiseIsZero(noise, &zero));
  assert_false(zero);
  OK(NoiseDestroy(&noise));
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(FieldIsTheFormula),
    cmocka_unit_test(FieldIsTheFormulaAtTheEdges),
    cmocka_unit_test(FieldIsTheFormulaForEveryActivation),
    cmocka_unit_test(BitsDoNotDependOnRanks),
    cmocka_unit_test(DrawIsItsKey),
    cmocka_unit_test(WeightsAreIndependentNormals),
    cmocka_unit_test(CovarianceIsTheKernel),
    cmocka_unit_test(NoneIsZero),
};
TEST_MAIN(tests)
