/* The linear field of random values: its matrix, its law, and which laws may be asked for inside the sphere. */
#include <chorale/rng.h>

#include "noise_case.h"

/* G(x) = V x with V of the stream's normals over sqrt(d), row by row. */
static void FieldIsTheMatrix(void **state) {
  const PetscInt dims[] = {2, 3, 40};
  (void)state;
  for (int i = 0; i < 3; i++) {
    const PetscInt d = dims[i], N = 20;
    double V[40 * 40], x[20 * 40], g[20 * 40], worst = 0;
    Noise noise = MakeNoise(d, "values", "relu", 0.3, 0.2, -1);
    Tokens tokens;
    Field field;
    Vec work;
    RandomPoints(2, N, d, x);
    tokens = TokensAt(PETSC_COMM_SELF, N, d, x);
    OK(TokensCreateVec(tokens, &work));
    OK(NoiseCreateField(noise, &field));
    OK(NoiseDraw(noise, 4, 7, field));
    ValuesAt(field, tokens, work, g);
    RngNormal((RngStream){17, 4, 7, RNG_VALUES}, 0, (size_t)(d * d), V);
    for (PetscInt n = 0; n < N; n++)
      for (PetscInt c = 0; c < d; c++) {
        double sum = 0;
        for (PetscInt k = 0; k < d; k++) sum += V[c * d + k] * x[n * d + k];
        worst = fmax(worst, fabs(g[n * d + c] - sum / sqrt((double)d)));
      }
    CLOSE(worst, 0, 1e-14);
    OK(FieldDestroy(&field));
    OK(VecDestroy(&work));
    OK(TokensDestroy(&tokens));
    OK(NoiseDestroy(&noise));
  }
}

/* k(u) = u/d, whatever mlp_activation and the biases say; all theory follows from it. */
static void LawIsLinear(void **state) {
  double points[CASE_POINTS * 3], exact[CASE_POINTS][CASE_POINTS], k;
  Noise noise = MakeNoise(3, "values", "relu", 0.3, 0.2, -1);
  PetscReal lambda1;
  PetscBool odd;
  Kernel kernel;
  (void)state;
  CasePoints(3, points);
  ExactKernel("identity", 3, 0, 0, points, exact);
  OK(NoiseGetKernel(noise, &kernel));
  for (double u = -1; u <= 1; u += 0.5) {
    OK(KernelEvaluate(kernel, u, &k));
    CLOSE(k, u / 3, 1e-15);
  }
  OK(KernelLyapunov(kernel, &lambda1));
  CLOSE(lambda1, -1.0 / 3, 1e-15);
  OK(NoiseIsOdd(noise, &odd));
  assert_true(odd);
  CheckCovariance(noise, 3, points, CASE_POINTS, 1, 60000, exact);
  OK(NoiseDestroy(&noise));
}

static void Oddness(void **state) {
  static const struct {
    const char *type, *activation;
    double bias_u, bias_w;
    PetscBool odd;
  } cases[] = {{"mlp", "tanh", 0, 0, PETSC_TRUE},       {"gram", "sin", 0, 0, PETSC_TRUE},
               {"mlp", "tanh", 0.1, 0, PETSC_FALSE},    {"mlp", "tanh", 0, 0.1, PETSC_FALSE},
               {"spectral", "silu", 0, 0, PETSC_FALSE}, {"none", "tanh", 0, 0, PETSC_FALSE}};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    Noise noise = MakeNoise(3, cases[i].type, cases[i].activation, cases[i].bias_u, cases[i].bias_w, -1);
    PetscBool odd;
    OK(NoiseIsOdd(noise, &odd));
    assert_int_equal(odd, cases[i].odd);
    OK(NoiseDestroy(&noise));
  }
}

static void InsideTheSphere(void **state) {
  const char *const types[] = {"mlp", "values", "spectral", "gram"};
  (void)state;
  for (int i = 0; i < 4; i++) {
    Noise noise = MakeNoise(3, types[i], "silu", 0, 0, 3);
    if (i < 2)
      OK(NoiseCheckBall(noise));
    else
      REFUSED(NoiseCheckBall(noise), "noise_at = barycentre");
    OK(NoiseDestroy(&noise));
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(FieldIsTheMatrix),
    cmocka_unit_test(LawIsLinear),
    cmocka_unit_test(Oddness),
    cmocka_unit_test(InsideTheSphere),
};
TEST_MAIN(tests)
