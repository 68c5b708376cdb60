/* The layer scheme against exact solutions (THEORY.md section 6) and its invariants. */
#include "scheme_model.h"

/* The simplex: the error halves when L doubles, and what is left after extrapolation falls by four. */
static void CheckSimplex(double beta, double v, double u) {
  const double T = 1, exact = SimplexExact(beta, v, u, T);
  double error[3];
  for (int i = 0; i < 3; i++) error[i] = SimplexSolved("layer", beta, v, u, T, 100 << i) - exact;
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

/* A quadrature of the uniform measure feels no drift along the sphere. */
static void UniformMeasureStays(void **state) {
  const PetscInt count[2] = {64, 288}, dim[2] = {2, 3};
  (void)state;
  for (int i = 0; i < 2; i++) {
    Tokens tokens = StartedTokens(PETSC_COMM_WORLD, count[i], dim[i], "quadrature", 0), start;
    Model model = MakeModel(tokens, "layer", 1, 1, "none");
    OK(TokensDuplicate(tokens, &start));
    RunSteps(&model, 20, 2, tokens);
    CLOSE(Distance(tokens, start), 0, 1e-12);
    DestroyModel(&model);
    OK(TokensDestroy(&start));
    OK(TokensDestroy(&tokens));
  }
}

static void TokensStayOnTheSphere(void **state) {
  (void)state;
  CheckSphere("layer", 300, 7, "mlp", 100, 4);
}

/* Nothing moves the tokens: not a bit changes. Either field alone does move them. */
static void OnlyFieldsMoveTokens(void **state) {
  const char *const attention[] = {"none", "softmax", "softmax", "none"};
  const char *const noise[] = {"none", "none", "none", "mlp"};
  const double value[] = {1, 0, 1, 1};
  Tokens tokens = StartedTokens(PETSC_COMM_WORLD, 300, 3, "uniform", 0);
  (void)state;
  for (int i = 0; i < 4; i++)
    CheckStill(tokens, MakeModelOf(tokens, "layer", attention[i], 1, value[i], noise[i]), (PetscBool)(i < 2));
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(SimplexFollowsItsEquation),
    cmocka_unit_test(UniformMeasureStays),
    cmocka_unit_test(TokensStayOnTheSphere),
    cmocka_unit_test(OnlyFieldsMoveTokens),
};
TEST_MAIN(tests)
