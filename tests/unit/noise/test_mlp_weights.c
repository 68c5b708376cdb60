/* The random MLP with weights W that are not Gaussian (THEORY.md (2.10), (2.11)): their law, the covariance, which does
 * not depend on it, and the fourth cumulants, which do. */
#include "noise_case.h"

#include "noise/mlp.h"

/* E w^4 and E w^8 of the entries w of W. */
static const struct {
  const char *name;
  double fourth, eighth;
} laws[] = {{"gaussian", 3, 105}, {"rademacher", 1, 1}, {"uniform", 9. / 5, 9}, {"laplace", 6, 2520}};
enum { LAWS = sizeof(laws) / sizeof(laws[0]) };

static Noise NoiseOfLaw(const char *law, PetscInt m, PetscInt d, double bias_u, double bias_w) {
  Noise noise;

  SetKey("noise_type", "mlp");
  SetKey("mlp_activation", "relu");
  SetKey("mlp_weights", law);
  SetInt("mlp_width", m);
  SetReal("mlp_bias_u", bias_u);
  SetReal("mlp_bias_w", bias_w);
  SetInt("ensemble_seed", 11);
  OK(NoiseFromKeys(d, &noise));
  return noise;
}

static void CheckMoments(const double *x, size_t n, double fourth, double eighth) {
  double mean = 0, second = 0, found = 0;

  for (size_t i = 0; i < n; i++) {
    mean += x[i] / (double)n;
    second += x[i] * x[i] / (double)n;
    found += pow(x[i], 4) / (double)n;
  }
  CLOSE(mean, 0, 4 / sqrt((double)n));
  CLOSE(second, 1, 1e-10 + 4 * sqrt((fourth - 1) / (double)n));
  CLOSE(found, fourth, 1e-10 + 4 * sqrt((eighth - fourth * fourth) / (double)n));
}

/* W has the law of the key, U and b_U are Gaussian; and W is not that of U with other signs. */
static void OnlyTheOutputWeightsHaveTheLaw(void **state) {
  enum { M = 20000, D = 8 };
  static double U[M * D], W[M * D], bias_u[M], bias_w[D];
  (void)state;

  for (int i = 0; i < LAWS; i++) {
    Noise noise = NoiseOfLaw(laws[i].name, M, D, 1, 1);
    double product = 0;

    OK(NoiseMlpWeights(noise, 1, 2, U, bias_u, W, bias_w));
    CheckMoments(U, M * D, 3, 105);
    CheckMoments(bias_u, M, 3, 105);
    CheckMoments(W, M * D, laws[i].fourth, laws[i].eighth);
    for (size_t k = 0; k + 1 < M * D; k++) product += W[k] * W[k + 1] / (M * D);
    CLOSE(product, 0, 4 / sqrt((double)M * D));
    OK(NoiseDestroy(&noise));
  }
}

/* The field of this law is G(y) = m^{-1/2} W relu(d^{-1/2} U y + b_U) + b_W of its weights, and fields of two laws with
 * one seed share U and the biases. */
static void FieldIsTheFormula(void **state) {
  enum { M = 300, D = 3 };
  double U[M * D], W[M * D], bias_u[M], bias_w[D], y[D] = {0.6, 0, 0.8}, g[D], first[M * D];
  (void)state;

  for (int i = 0; i < LAWS; i++) {
    Noise noise = NoiseOfLaw(laws[i].name, M, D, 0.5, 0.3);
    Tokens tokens = TokensAt(PETSC_COMM_SELF, 1, D, y);
    Field field;
    Vec work;

    OK(NoiseMlpWeights(noise, 3, 4, U, bias_u, W, bias_w));
    if (i == 0) OK(PetscArraycpy(first, U, M * D));
    assert_memory_equal(first, U, sizeof(U));
    OK(NoiseCreateField(noise, &field));
    OK(NoiseDraw(noise, 3, 4, field));
    OK(TokensCreateVec(tokens, &work));
    ValuesAt(field, tokens, work, g);
    for (int c = 0; c < D; c++) {
      double sum = 0;
      for (int h = 0; h < M; h++) {
        const double z = (U[h * D] * y[0] + U[h * D + 1] * y[1] + U[h * D + 2] * y[2]) / sqrt(D) + bias_u[h];
        sum += W[c * M + h] * fmax(z, 0) / sqrt(M);
      }
      CLOSE(g[c], sum + bias_w[c], 1e-13);
    }
    OK(VecDestroy(&work));
    OK(FieldDestroy(&field));
    OK(TokensDestroy(&tokens));
    OK(NoiseDestroy(&noise));
  }
}

/* Within 4 standard errors of the exact value, which are at most this share of it. */
static void CheckMean(Moment moment, double n, double exact, double share) {
  CLOSE(moment.mean, exact, 4 * StandardError(moment, n));
  assert_true(4 * StandardError(moment, n) < share * exact);
}

/* The basis e_i, and tokens of cosine u with it: x_{D+i} = u e_i + sqrt(1-u^2) e_{i+1}. */
static Tokens Basis(PetscInt d, double u) {
  double *x;
  Tokens tokens;

  OK(PetscCalloc1(2 * d * d, &x));
  for (PetscInt i = 0; i < d; i++) {
    x[i * d + i] = 1;
    x[(d + i) * d + i] = u;
    x[(d + i) * d + (i + 1) % d] = sqrt(1 - u * u);
  }
  tokens = TokensAt(PETSC_COMM_SELF, 2 * d, d, x);
  OK(PetscFree(x));
  return tokens;
}

/* E G_c(x) G_c(y) = k(u), E G_c^4 = 3 k(1)^2 + (E w^4 E s^4 - 3 k(1)^2)/m, E G_c^2 G_c'^2 = k(1)^2 + (E s^4 - k(1)^2)/m
 * with s = relu(Z), Z of variance 1/d: E s^2 = 1/(2d), E s^4 = 3/(2 d^2). Averaged over the tokens and components of a
 * draw, in units of k(1) and k(1)^2. */
static void MomentsAreExact(void **state) {
  enum { M = 4, D = 16, DRAWS = 48000 };
  const double u = 0.3, k1 = 0.5 / D, k = (sqrt(1 - u * u) + u * (acos(-1) - acos(u))) / (2 * acos(-1) * D);
  static double g[2 * D][D];
  Tokens tokens = Basis(D, u);
  (void)state;

  for (int i = 0; i < LAWS; i++) {
    Noise noise = NoiseOfLaw(laws[i].name, M, D, 0, 0);
    Moment covariance = {0, 0}, fourth = {0, 0}, pair = {0, 0};
    Field field;
    Vec work;

    OK(NoiseCreateField(noise, &field));
    OK(TokensCreateVec(tokens, &work));
    for (PetscInt r = 0; r < DRAWS; r++) {
      double sum[3] = {0, 0, 0};
      OK(NoiseDraw(noise, r, 0, field));
      ValuesAt(field, tokens, work, g[0]);
      for (int t = 0; t < D; t++)
        for (int c = 0; c < D; c++) {
          const double square = g[t][c] * g[t][c], next = g[t][(c + 1) % D];
          sum[0] += g[t][c] * g[D + t][c];
          sum[1] += square * square;
          sum[2] += square * next * next;
        }
      AddMoment(&covariance, sum[0] / (D * D * k1), DRAWS);
      AddMoment(&fourth, sum[1] / (D * D * k1 * k1), DRAWS);
      AddMoment(&pair, sum[2] / (D * D * k1 * k1), DRAWS);
    }
    CheckMean(covariance, DRAWS, k / k1, 0.02);
    CheckMean(fourth, DRAWS, 3 + (6 * laws[i].fourth - 3) / M, 0.03);
    CheckMean(pair, DRAWS, 1 + 5. / M, 0.03);
    OK(VecDestroy(&work));
    OK(FieldDestroy(&field));
    OK(NoiseDestroy(&noise));
  }
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(OnlyTheOutputWeightsHaveTheLaw),
    cmocka_unit_test(FieldIsTheFormula),
    cmocka_unit_test(MomentsAreExact),
};
TEST_MAIN(tests)
