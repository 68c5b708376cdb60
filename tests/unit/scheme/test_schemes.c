/* The schemes euler, heun and flow: order without noise, invariants, and what they are made of. */
#include "expect.h"
#include "scheme_model.h"

static const int order[SCHEMES] = {1, 2, 4};

/* Halving the step divides the error of the simplex by 2^order. */
static void SimplexHasTheOrder(void **state) {
  const double beta[3] = {1, 4, 1}, v[3] = {1, 1, -1}, u[3] = {0.1, 0.6, 0.5}, T = 1;
  (void)state;
  for (int s = 0; s < SCHEMES; s++)
    for (int k = 0; k < 3; k++) {
      const PetscInt L = s == 0 ? 100 : s == 1 ? 40 : 20;
      const double exact = SimplexExact(beta[k], v[k], u[k], T);
      double error[3];
      for (int i = 0; i < 3; i++) error[i] = SimplexSolved(schemes[s], beta[k], v[k], u[k], T, L << i) - exact;
      print_message("%s: order %.3f %.3f, error %.2e at L = %d\n", schemes[s], log2(error[0] / error[1]),
                    log2(error[1] / error[2]), error[2], (int)L << 2);
      CLOSE(log2(error[0] / error[1]), order[s], 0.2);
      CLOSE(log2(error[1] / error[2]), order[s], 0.1);
    }
}

/* The same for a cloud of tokens under attention, against steps so fine that their error is nothing. */
static void CloudHasTheOrder(void **state) {
  const PetscInt N = 300, d = 3, L[SCHEMES] = {64, 32, 16};
  const double T = 1, beta = 2;
  Tokens reference = StartedTokens(PETSC_COMM_WORLD, N, d, "uniform", 0);
  Model model = MakeModel(reference, "flow", beta, 1, "none");
  (void)state;
  RunSteps(&model, 128, T, reference);
  DestroyModel(&model);
  for (int s = 0; s < SCHEMES; s++) {
    double error[3];
    for (int i = 0; i < 3; i++) {
      Tokens tokens = StartedTokens(PETSC_COMM_WORLD, N, d, "uniform", 0);
      model = MakeModel(tokens, schemes[s], beta, 1, "none");
      RunSteps(&model, L[s] << i >> 1, T, tokens);
      error[i] = Distance(tokens, reference);
      DestroyModel(&model);
      OK(TokensDestroy(&tokens));
    }
    print_message("%s: order %.3f %.3f, error %.2e\n", schemes[s], log2(error[0] / error[1]), log2(error[1] / error[2]),
                  error[2]);
    CLOSE(log2(error[0] / error[1]), order[s], 0.25);
    CLOSE(log2(error[1] / error[2]), order[s], 0.15);
  }
  OK(TokensDestroy(&reference));
}

static void TokensStayOnTheSphere(void **state) {
  const PetscInt dims[3] = {2, 3, 70};
  const char *const noise[3] = {"spectral", "spectral", "mlp"};
  (void)state;
  SetKey("noise_degree", "8");
  for (int k = 0; k < 3; k++)
    for (int s = 0; s < SCHEMES; s++) CheckSphere(schemes[s], 600, dims[k], noise[k], 20, 2);
  SetKey("noise_degree", NULL);
}

/* Nothing moves the tokens: not a bit changes. Either field alone does move them. */
static void OnlyFieldsMoveTokens(void **state) {
  const char *const noise[4] = {"none", "none", "mlp", "mlp"};
  const double value[4] = {0, 1, 0, 1};
  Tokens tokens = StartedTokens(PETSC_COMM_WORLD, 300, 3, "uniform", 0);
  (void)state;
  for (int k = 0; k < 4 * SCHEMES; k++)
    CheckStill(tokens, MakeModel(tokens, schemes[k / 4], 1, value[k % 4], noise[k % 4]), (PetscBool)(k % 4 == 0));
  OK(TokensDestroy(&tokens));
}

/* A token of weight 1/2 counts as two of weight 1/4, also inside a step; weights may come after the scheme. */
static void StagesHaveTheWeights(void **state) {
  const double x[4][3] = {{1, 0.2, 0}, {1, 0.2, 0}, {-0.3, 1, 0.1}, {0.2, -0.4, 1}};
  (void)state;
  for (int s = 0; s < SCHEMES; s++) {
    Tokens four = TokensAt(PETSC_COMM_WORLD, 4, 3, x[0]), three = TokensAt(PETSC_COMM_WORLD, 3, 3, x[1]);
    const double weights[8] = {2, 1, 1};
    double a[12], b[12], worst = 0;
    PetscInt64 first, n, m;
    Model model = MakeModel(four, schemes[s], 3, 1, "mlp");
    RunSteps(&model, 8, 2, four);
    DestroyModel(&model);
    model = MakeModel(three, schemes[s], 3, 1, "mlp");
    OK(TokensSetWeights(three, weights));
    RunSteps(&model, 8, 2, three);
    DestroyModel(&model);
    OK(TokensGetRows(four, &first, &n, a));
    OK(TokensGetRows(three, &first, &m, b));
    for (int i = 0; i < 3 * m; i++) worst = fmax(worst, fabs(a[3 + i] - b[i]));
    CLOSE(Worst(worst), 0, 1e-13);
    OK(TokensDestroy(&four));
    OK(TokensDestroy(&three));
  }
}

/* (x + P_x (sa a + sb b)) and its projection, token by token in long double. */
static double TangentError(PetscInt d, PetscBool with_a, PetscBool with_b) {
  const PetscInt N = 300;
  const double sa = 0.3, sb = -1.7, radial = 0.125;
  Tokens tokens = StartedTokens(PETSC_COMM_WORLD, N, d, "uniform", 0);
  Tokens others = StartedTokens(PETSC_COMM_WORLD, N, d, "uniform", 1),
         third = StartedTokens(PETSC_COMM_WORLD, N, d, "vmf", 2);
  Tokens before;
  TokensLayout layout;
  Vec va, vb, vs, vx, vy;
  const double *a, *b, *s, *x, *y;
  double worst = 0;

  OK(TokensDuplicate(tokens, &before));
  OK(TokensGetVec(others, &va));
  OK(TokensGetVec(third, &vb));
  OK(TokensGetVec(before, &vx));
  OK(TokensGetVec(tokens, &vy));
  OK(TokensMoveTangent(tokens, radial, sa, with_a ? va : NULL, sb, with_b ? vb : NULL));
  OK(VecDuplicate(with_a ? va : vb, &vs));
  OK(VecCopy(with_a ? va : vb, vs)); /* in place */
  OK(TokensTangent(before, sa, with_a ? vs : NULL, sb, !with_b ? NULL : with_a ? vb : vs, vs));
  OK(TokensGetLayout(tokens, &layout));
  OK(VecGetArrayRead(va, &a));
  OK(VecGetArrayRead(vb, &b));
  OK(VecGetArrayRead(vs, &s));
  OK(VecGetArrayRead(vx, &x));
  OK(VecGetArrayRead(vy, &y));
  for (PetscInt k = 0; k < layout.owned; k++)
    for (PetscInt t = 0; t < TokensFilled(&layout, k); t++) {
      long double f[80], p = 0, norm = 0;
      for (PetscInt c = 0; c < d; c++) {
        const PetscInt at = (k * d + c) * layout.block + t;
        f[c] = (with_a ? (long double)sa * a[at] : 0) + (with_b ? (long double)sb * b[at] : 0);
        p += f[c] * x[at];
      }
      for (PetscInt c = 0; c < d; c++) {
        const PetscInt at = (k * d + c) * layout.block + t;
        f[c] -= p * x[at];
        worst = fmax(worst, (double)fabsl(f[c] - s[at]));
        f[c] += (1 - radial) * (long double)x[at];
        norm += f[c] * f[c];
      }
      for (PetscInt c = 0; c < d; c++)
        worst = fmax(worst, (double)fabsl(f[c] / sqrtl(norm) - y[(k * d + c) * layout.block + t]));
    }
  OK(VecRestoreArrayRead(va, &a));
  OK(VecRestoreArrayRead(vb, &b));
  OK(VecRestoreArrayRead(vs, &s));
  OK(VecRestoreArrayRead(vx, &x));
  OK(VecRestoreArrayRead(vy, &y));
  OK(VecDestroy(&vs));
  OK(TokensDestroy(&before));
  OK(TokensDestroy(&third));
  OK(TokensDestroy(&others));
  OK(TokensDestroy(&tokens));
  return Worst(worst);
}

static void TangentMovesAreExact(void **state) {
  const PetscInt dims[4] = {2, 3, 5, 80};
  (void)state;
  for (int k = 0; k < 4; k++) {
    CLOSE(TangentError(dims[k], PETSC_TRUE, PETSC_TRUE), 0, 1e-15);
    CLOSE(TangentError(dims[k], PETSC_TRUE, PETSC_FALSE), 0, 1e-15);
    CLOSE(TangentError(dims[k], PETSC_FALSE, PETSC_TRUE), 0, 1e-15);
  }
}

/* d = 3, sigmoid: k(1) > 1/4, so a step of 2/(k(1)(d-1)) < 4 takes the radial term to 1. */
static void EulerRefusesSenselessSteps(void **state) {
  Tokens tokens = StartedTokens(PETSC_COMM_WORLD, 10, 3, "uniform", 0);
  (void)state;
  SetKey("mlp_activation", "sigmoid");
  for (int s = 0; s < SCHEMES; s++) {
    Model model = MakeModel(tokens, schemes[s], 1, 1, "spectral");
    OK(NoiseDraw(model.noise, 0, 0, model.field));
    OK(SchemeStep(model.scheme, model.attention, model.field, 3.5, tokens));
    if (s == 0)
      REFUSED(SchemeStep(model.scheme, model.attention, model.field, 4, tokens), "scheme_type = euler: the step");
    DestroyModel(&model);
  }
  SetKey("mlp_activation", NULL);
  OK(TokensDestroy(&tokens));
}

/* A step of euler is its formula, with the k(1) of the noise. */
static void EulerHasTheRadialTerm(void **state) {
  const PetscInt dims[2] = {2, 6};
  const PetscReal dt = 0.3;
  (void)state;
  for (int k = 0; k < 2; k++) {
    Tokens tokens = StartedTokens(PETSC_COMM_WORLD, 300, dims[k], "vmf", 0), expected;
    Model model = MakeModel(tokens, "euler", 1, 1, "mlp");
    PetscReal k1, kp1;
    Kernel kernel;
    Vec drift, noise;
    OK(TokensDuplicate(tokens, &expected));
    OK(TokensCreateVec(tokens, &drift));
    OK(TokensCreateVec(tokens, &noise));
    OK(NoiseDraw(model.noise, 0, 0, model.field));
    OK(AttentionEvaluate(model.attention, expected, drift));
    OK(FieldEvaluate(model.field, expected, noise));
    OK(KernelCreate(ActivationFind("relu"), dims[k], 0, 0, &kernel));
    OK(KernelAtOne(kernel, &k1, &kp1));
    OK(TokensMoveTangent(expected, dt * 0.5 * k1 * (dims[k] - 1), dt, drift, sqrt(dt), noise));
    OK(SchemeStep(model.scheme, model.attention, model.field, dt, tokens));
    CLOSE(Distance(tokens, expected), 0, 1e-14);
    OK(KernelDestroy(&kernel));
    OK(VecDestroy(&drift));
    OK(VecDestroy(&noise));
    DestroyModel(&model);
    OK(TokensDestroy(&expected));
    OK(TokensDestroy(&tokens));
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(SimplexHasTheOrder),    cmocka_unit_test(CloudHasTheOrder),
    cmocka_unit_test(TokensStayOnTheSphere), cmocka_unit_test(OnlyFieldsMoveTokens),
    cmocka_unit_test(StagesHaveTheWeights),  cmocka_unit_test(TangentMovesAreExact),
    cmocka_unit_test(EulerHasTheRadialTerm), cmocka_unit_test(EulerRefusesSenselessSteps),
};
TEST_MAIN(tests)
