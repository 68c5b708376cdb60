/* Random values at barycentres: ensembles of two tokens against the exact diffusion of NEIGHBOURS.md (12.7). */
#include <chorale/twopoint.h>

#include "scheme_model.h"

enum { STEPS = 10, MOST = 64 }; /* coarse steps; of two fine ones each */

typedef struct {
  PetscInt dim;
  const char *scheme;
  double beta, value, T;
  PetscInt paths;
} Case;

static double CosineOf(Tokens tokens, PetscInt d) {
  double x[2 * MOST], u = 0;
  PetscInt64 first, n;
  OK(TokensGetRows(tokens, &first, &n, x));
  for (PetscInt c = 0; c < d; c++) u += x[c] * x[d + c];
  return fmax(-1, fmin(1, u));
}

/* One path by coarse and by fine steps along the same noise, and what extrapolation makes of both: its bias is of the
 * second order. */
static double Extrapolated(const Case *c, Model *model, PetscInt path, Tokens fine, Tokens coarse, Field sum) {
  const double dt = c->T / STEPS;
  for (PetscInt l = 0; l < 2 * STEPS; l++) {
    OK(NoiseDraw(model->noise, path, l, model->field));
    OK(SchemeStep(model->scheme, model->attention, model->field, dt / 2, fine));
    if (l % 2 == 0) OK(FieldZero(sum));
    OK(FieldAdd(sum, sqrt(0.5), model->field));
    if (l % 2 == 1) OK(SchemeStep(model->scheme, model->attention, sum, dt, coarse));
  }
  return 2 * CosineOf(fine, c->dim) - CosineOf(coarse, c->dim);
}

/* The mean cosine less its exact mean given the start, within 4 standard errors; these are 2 percent of the mean
 * distance 1 - u or less. */
static void Check(const Case *c) {
  double sums[3] = {0, 0, 0};
  const double n = (double)c->paths;
  PetscMPIInt rank, size;
  Tokens fine = StartedTokens(PETSC_COMM_SELF, 2, c->dim, "uniform", 0), coarse;
  TwoPoint twopoint;
  Start start;
  Model model;
  Field sum;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(TokensDuplicate(fine, &coarse));
  SetKey("noise_at", "barycentre");
  model = MakeModel(fine, c->scheme, c->beta, c->value, "values");
  OK(AttentionBarycentreSetUp(model.attention));
  OK(NoiseCreateField(model.noise, &sum));
  OK(StartFromKeys(fine, &start));
  OK(TwoPointCreateValues(c->dim, c->beta, c->value, &twopoint));
  OK(TwoPointMeasureCosine(twopoint));
  for (PetscInt path = rank; path < c->paths; path += size) {
    double u, exact, off;
    OK(TokensStart(fine, start, path));
    OK(TokensCopy(fine, coarse));
    u = CosineOf(fine, c->dim);
    OK(TwoPointEvaluate(twopoint, c->T, 1, &u, &exact));
    off = Extrapolated(c, &model, path, fine, coarse, sum) - exact;
    sums[0] += off;
    sums[1] += off * off;
    sums[2] += 1 - exact;
  }
  OK(MPI_Allreduce(MPI_IN_PLACE, sums, 3, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  const double mean = sums[0] / n, error = sqrt((sums[1] / n - mean * mean) / n), distance = sums[2] / n;
  print_message("d = %d, beta = %g, v = %g, %s: %+.5f(%.5f) of %.4f\n", (int)c->dim, c->beta, c->value, c->scheme, mean,
                error, distance);
  CLOSE(mean, 0, 4 * error);
  assert_true(4 * error <= 0.02 * distance);
  OK(TwoPointDestroy(&twopoint));
  OK(StartDestroy(&start));
  OK(FieldDestroy(&sum));
  DestroyModel(&model);
  OK(TokensDestroy(&coarse));
  OK(TokensDestroy(&fine));
  SetKey("noise_at", NULL);
}

static void EnsemblesFollowTheDiffusion(void **state) {
  static const Case cases[] = {{3, "layer", 0.1, 0, 1, 12000}, {3, "euler", 1, 0, 1, 12000},
                               {5, "layer", 8, 0, 1, 10000},   {16, "euler", 4, 0, 1, 6000},
                               {16, "layer", 1, 1, 0.5, 6000}, {64, "layer", 1, 0, 2, 8000},
                               {64, "euler", 20, 0, 1, 2000}};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) Check(&cases[i]);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(EnsemblesFollowTheDiffusion)};
TEST_MAIN(tests)
