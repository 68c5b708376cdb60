/* The layer scheme against exact solutions (THEORY.md section 6) and its invariants. */
#include "keys.h"
#include "test.h"

#include <math.h>
#include <stdio.h>

#include <chorale/noise.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

typedef struct {
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;
} Model;

static void SetReal(const char *key, double value) {
  char text[32];
  snprintf(text, sizeof(text), "%.17g", value);
  SetKey(key, text);
}

static Model MakeModel(Tokens tokens, PetscInt d, const char *attention, double beta, double value, const char *noise) {
  Model model;
  SetKey("attention_type", attention);
  SetReal("attention_beta", beta);
  SetReal("attention_value", value);
  SetKey("noise_type", noise);
  SetKey("mlp_width", "200");
  OK(AttentionFromKeys(tokens, &model.attention));
  OK(NoiseFromKeys(d, &model.noise));
  OK(NoiseCreateField(model.noise, &model.field));
  OK(SchemeFromKeys(tokens, &model.scheme));
  return model;
}

static void DestroyModel(Model *model) {
  OK(SchemeDestroy(&model->scheme));
  OK(FieldDestroy(&model->field));
  OK(NoiseDestroy(&model->noise));
  OK(AttentionDestroy(&model->attention));
}

static void RunLayers(Model *model, PetscInt L, double T, Tokens tokens) {
  for (PetscInt l = 0; l < L; l++) {
    OK(NoiseDraw(model->noise, 0, l, model->field));
    OK(SchemeStep(model->scheme, model->attention, model->field, T / (double)L, tokens));
  }
}

static Tokens StartedTokens(MPI_Comm comm, PetscInt N, PetscInt d, const char *init) {
  Tokens tokens;
  Start start;
  SetKey("tokens_init", init);
  OK(TokensCreate(comm, N, d, &tokens));
  OK(StartFromKeys(tokens, &start));
  OK(TokensStart(tokens, start, 0));
  OK(StartDestroy(&start));
  return tokens;
}

enum { CORNERS = 4 };

/* Oracle 4's right-hand side for N = CORNERS tokens, all pairs at cosine u. */
static double SimplexRate(double beta, double v, double u) {
  const int N = CORNERS;
  const double e = exp(beta * (u - 1));
  return 2 * v * (1 - u) * e * (1 + (N - 1) * u) / (1 + (N - 1) * e);
}

static double SimplexExact(double beta, double v, double u, double T) {
  const int steps = 2000;
  const double h = T / steps;
  for (int i = 0; i < steps; i++) {
    const double a = SimplexRate(beta, v, u), b = SimplexRate(beta, v, u + h / 2 * a);
    const double c = SimplexRate(beta, v, u + h / 2 * b), e = SimplexRate(beta, v, u + h * c);
    u += h / 6 * (a + 2 * b + 2 * c + e);
  }
  return u;
}

/* The common cosine after L layers; the tokens must still be a regular simplex. */
static double SimplexSolved(double beta, double v, double u, double T, PetscInt L) {
  /* x_i = a e_i + c (1,..,1) with |x_i| = 1 and <x_i,x_j> = u */
  const double a = sqrt(1 - u), c = (sqrt(1 + (CORNERS - 1) * u) - a) / CORNERS;
  double *x, cosine[2] = {-1, -1}, all[2]; /* largest cosine, and minus the smallest */
  TokensLayout layout;
  Tokens tokens;
  Model model;
  Vec vec;

  OK(TokensCreate(PETSC_COMM_WORLD, CORNERS, CORNERS, &tokens));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &vec));
  OK(VecGetArray(vec, &x));
  for (int i = 0; i < CORNERS && layout.owned; i++)
    for (int k = 0; k < CORNERS; k++) x[k * layout.block + i] = a * (i == k) + c;
  OK(VecRestoreArray(vec, &x));
  model = MakeModel(tokens, CORNERS, "softmax", beta, v, "none");
  RunLayers(&model, L, T, tokens);
  OK(VecGetArray(vec, &x));
  for (int i = 0; i < CORNERS && layout.owned; i++)
    for (int j = 0; j < i; j++) {
      double product = 0;
      for (int k = 0; k < CORNERS; k++) product += x[k * layout.block + i] * x[k * layout.block + j];
      cosine[0] = fmax(cosine[0], product);
      cosine[1] = fmax(cosine[1], -product);
    }
  OK(VecRestoreArray(vec, &x));
  DestroyModel(&model);
  OK(TokensDestroy(&tokens));
  OK(MPI_Allreduce(cosine, all, 2, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  CLOSE(all[0], -all[1], 1e-12);
  return all[0];
}

/* Oracle 4: the error halves when L doubles, and what is left after extrapolation falls by four. */
static void CheckSimplex(double beta, double v, double u) {
  const double T = 1, exact = SimplexExact(beta, v, u, T);
  double error[3];
  for (int i = 0; i < 3; i++) error[i] = SimplexSolved(beta, v, u, T, 100 << i) - exact;
  assert_true(fabs(exact - u) > 0.1);
  assert_true(fabs(error[0]) > 1e-5);
  CLOSE(error[0] / error[1], 2, 0.05);
  CLOSE(error[1] / error[2], 2, 0.03);
  CLOSE((2 * error[1] - error[0]) / (2 * error[2] - error[1]), 4, 0.3);
  CLOSE(2 * error[2] - error[1], 0, 1e-5);
}

static void SimplexFollowsItsEquation(void **state) {
  (void)state;
  CheckSimplex(1, 1, 0.1);
  CheckSimplex(4, 1, 0.6);
  CheckSimplex(1, -1, 0.5);
}

/* Oracle 5: a quadrature of the uniform measure feels no drift along the sphere. */
static void UniformMeasureStays(void **state) {
  const PetscInt count[2] = {64, 288}, dim[2] = {2, 3};
  (void)state;
  for (int i = 0; i < 2; i++) {
    Tokens tokens = StartedTokens(PETSC_COMM_WORLD, count[i], dim[i], "quadrature");
    Tokens start;
    Model model = MakeModel(tokens, dim[i], "softmax", 1, 1, "none");
    PetscReal distance;
    Vec x, x0;
    OK(TokensDuplicate(tokens, &start));
    RunLayers(&model, 20, 2, tokens);
    OK(TokensGetVec(tokens, &x));
    OK(TokensGetVec(start, &x0));
    OK(VecAXPY(x0, -1, x));
    OK(VecNorm(x0, NORM_INFINITY, &distance));
    CLOSE(distance, 0, 1e-12);
    DestroyModel(&model);
    OK(TokensDestroy(&start));
    OK(TokensDestroy(&tokens));
  }
}

/* After many layers all tokens are on the sphere, and split over the ranks they have the bits of one rank. */
static void TokensStayOnTheSphere(void **state) {
  const PetscInt N = 300, d = 7;
  Tokens split = StartedTokens(PETSC_COMM_WORLD, N, d, "uniform"),
         whole = StartedTokens(PETSC_COMM_SELF, N, d, "uniform");
  Model a = MakeModel(split, d, "softmax", 2, 1, "mlp"), b = MakeModel(whole, d, "softmax", 2, 1, "mlp");
  uint64_t sum_split, sum_whole;
  double worst = 0, largest;
  TokensLayout layout;
  const double *x;
  PetscBool valid;
  Vec vec;
  (void)state;

  RunLayers(&a, 100, 4, split);
  RunLayers(&b, 100, 4, whole);
  OK(TokensGetLayout(split, &layout));
  OK(TokensGetVec(split, &vec));
  OK(VecGetArrayRead(vec, &x));
  for (PetscInt k = 0; k < layout.owned; k++)
    for (PetscInt t = 0; t < layout.block; t++) {
      long double square = 0;
      for (PetscInt c = 0; c < d; c++) {
        const long double v = x[(k * d + c) * layout.block + t];
        square += v * v;
      }
      worst = fmax(worst, (double)fabsl(sqrtl(square) - 1));
    }
  OK(VecRestoreArrayRead(vec, &x));
  OK(MPI_Allreduce(&worst, &largest, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  CLOSE(largest, 0, 1e-14);
  OK(TokensIsValid(split, &valid));
  assert_true(valid);
  OK(TokensChecksum(split, &sum_split));
  OK(TokensChecksum(whole, &sum_whole));
  assert_true(sum_split == sum_whole);
  DestroyModel(&a);
  DestroyModel(&b);
  OK(TokensDestroy(&split));
  OK(TokensDestroy(&whole));
}

/* Nothing moves the tokens: not a bit changes. Either field alone does move them. */
static void OnlyFieldsMoveTokens(void **state) {
  const char *const attention[] = {"none", "softmax", "softmax", "none"}, *const noise[] = {"none", "none", "none",
                                                                                            "mlp"};
  const double value[] = {1, 0, 1, 1};
  Tokens tokens = StartedTokens(PETSC_COMM_WORLD, 300, 3, "uniform");
  (void)state;
  for (int i = 0; i < 4; i++) {
    Model model = MakeModel(tokens, 3, attention[i], 1, value[i], noise[i]);
    PetscBool equal;
    Tokens start;
    OK(TokensDuplicate(tokens, &start));
    RunLayers(&model, 3, 1, tokens);
    OK(TokensIsEqual(tokens, start, &equal));
    assert_int_equal(equal, i < 2);
    OK(TokensDestroy(&start));
    DestroyModel(&model);
  }
  OK(TokensDestroy(&tokens));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(SimplexFollowsItsEquation),
      cmocka_unit_test(UniformMeasureStays),
      cmocka_unit_test(TokensStayOnTheSphere),
      cmocka_unit_test(OnlyFieldsMoveTokens),
  };
  return TestMain(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
