/* Norms elsewhere than in the paper, under noise alone: what is known exactly of any token, NEIGHBOURS.md (13.4). */
#include <chorale/kernel.h>
#include <string.h>

#include "expect.h"
#include "scheme_model.h"

enum { N = 8, DIM = 3, REALIZATIONS = 3000 };
static const double T = 1;

/* Of a token that began at the unit vector x: r^2, and <x_T, x>. */
typedef struct {
  double square, overlap;
} Found;

static Found Look(Tokens tokens, Tokens start) {
  Found found = {0, 0};
  const double *x, *y;
  TokensLayout layout;
  double *radius;
  Vec vx, vy;

  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetRadius(tokens, &radius));
  OK(TokensGetVec(tokens, &vx));
  OK(TokensGetVec(start, &vy));
  OK(VecGetArrayRead(vx, &x));
  OK(VecGetArrayRead(vy, &y));
  for (PetscInt t = 0; t < N; t++) {
    if (radius) found.square += radius[t] * radius[t] / N;
    for (PetscInt c = 0; c < DIM; c++) found.overlap += x[c * layout.block + t] * y[c * layout.block + t] / N;
  }
  OK(VecRestoreArrayRead(vx, &x));
  OK(VecRestoreArrayRead(vy, &y));
  return found;
}

/* The mean of what the norm lets us know, less `exact` of the k(1) of the noise, in standard errors; and these. */
static double Off(const char *norm, const char *scheme, double (*exact)(double k1), double *error) {
  Tokens start = StartedTokens(PETSC_COMM_SELF, N, DIM, "uniform", 0), tokens;
  const PetscBool radius = !strcmp(norm, "pre") || !strcmp(norm, "peri") ? PETSC_TRUE : PETSC_FALSE;
  const PetscInt steps = strcmp(scheme, "heun") ? 32 : 160; /* its weak error of order 1 is the largest */
  double sum = 0, squares = 0;
  PetscReal k1;
  Model model;

  OK(TokensDuplicate(start, &tokens));
  SetKey("scheme_norm", norm);
  model = MakeModel(tokens, scheme, 1, 0, "spectral");
  SetKey("scheme_norm", NULL);
  OK(NoiseGetVariance(model.noise, &k1));
  for (PetscInt r = 0; r < REALIZATIONS; r++) {
    OK(TokensCopy(start, tokens));
    if (radius) OK(TokensKeepRadius(tokens));
    for (PetscInt l = 0; l < steps; l++) {
      OK(NoiseDraw(model.noise, r, l, model.field));
      OK(SchemeSetTime(model.scheme, l * T / (double)steps));
      OK(SchemeStep(model.scheme, model.attention, model.field, T / (double)steps, tokens));
    }
    const Found found = Look(tokens, start);
    const double value = radius ? found.square : found.overlap;
    sum += value / REALIZATIONS;
    squares += value * value / REALIZATIONS;
  }
  *error = sqrt((squares - sum * sum) / (REALIZATIONS - 1));
  print_message("%s, %s: %.4f +- %.4f, exactly %.4f\n", norm, scheme, sum, *error, exact(k1));
  DestroyModel(&model);
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&start));
  return (sum - exact(k1)) / *error;
}

static double Pre(double k1) {
  return 1 + DIM * k1 * T;
}

static double Peri(double k1) {
  (void)k1;
  return 1 + T;
}

static double Ngpt(double k1) {
  (void)k1;
  return exp(-0.5 * (DIM - 1) * T / DIM);
}

static double Depth(double k1) {
  return pow(1 + T, -0.5 * (DIM - 1) * k1);
}

static void NoiseAloneIsKnownExactly(void **state) {
  static const struct {
    const char *norm, *schemes[4];
    double (*exact)(double k1);
  } cases[] = {
      {"pre", {"layer", "euler", "heun", "flow"}, Pre},
      {"peri", {"layer", "euler", "heun", "flow"}, Peri},
      {"ngpt", {"layer", "euler", "heun", "flow"}, Ngpt},
      {"depth", {"layer", "euler", "heun", "flow"}, Depth},
  };
  (void)state;
  SetKey("noise_degree", "4");
  SetKey("mlp_bias_u", "1");
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    for (int s = 0; s < 4; s++) {
      double error;
      const double off = Off(cases[i].norm, cases[i].schemes[s], cases[i].exact, &error);
      CLOSE(off, 0, 4);
      assert_true(error < 0.02 * cases[i].exact(0.5));
    }
  SetKey("mlp_bias_u", NULL);
  SetKey("noise_degree", NULL);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(NoiseAloneIsKnownExactly)};
TEST_MAIN(tests)
