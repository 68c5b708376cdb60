/* The flow in substeps that adapt: how far from steps without an error, and how the error follows the tolerance. */
#include "expect.h"
#include "scheme_model.h"

enum { N = 300, DIM = 3 };
static const double T = 4, BETA = 4;

static Tokens Moved(const char *norm, PetscReal tol, PetscInt L) {
  Tokens tokens = StartedTokens(PETSC_COMM_WORLD, N, DIM, "uniform", 0);
  const SchemeOptions options = {.type = "flow", .norm = norm, .alpha = 1, .tol = tol};
  Model model;

  model = MakeModel(tokens, "flow", BETA, 1, "none");
  OK(SchemeDestroy(&model.scheme));
  OK(SchemeCreate(tokens, &options, &model.scheme));
  for (PetscInt l = 0; l < L; l++) {
    OK(SchemeSetTime(model.scheme, (double)l * T / (double)L));
    OK(SchemeStep(model.scheme, model.attention, model.field, T / (double)L, tokens));
  }
  DestroyModel(&model);
  return tokens;
}

/* Two layers, each longer than a step could be. */
static void TheErrorFollowsTheTolerance(void **state) {
  static const char *const norms[] = {"post", "pre", "ngpt", "depth"};
  (void)state;
  for (size_t i = 0; i < sizeof(norms) / sizeof(norms[0]); i++) {
    Tokens exact = Moved(norms[i], 0, 400), coarse = Moved(norms[i], 1e-4, 2), fine = Moved(norms[i], 1e-8, 2);
    const double loose = Distance(coarse, exact), tight = Distance(fine, exact);

    print_message("%s: %.2e at 1e-4, %.2e at 1e-8\n", norms[i], loose, tight);
    assert_true(tight < 1e-6 && tight > 1e-11);
    assert_true(loose < 1e-2 && loose > 30 * tight);
    OK(TokensDestroy(&exact));
    OK(TokensDestroy(&coarse));
    OK(TokensDestroy(&fine));
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(TheErrorFollowsTheTolerance)};
TEST_MAIN(tests)
