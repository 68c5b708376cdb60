/* Noise of each token's own (NEIGHBOURS.md section 14): its step, the decay of harmonics, and two tokens that also
 * share noise and attract each other. */
#include <chorale/sphere.h>
#include <chorale/twopoint.h>

#include "keys.h"
#include "place.h"
#include "study/model.h"

static double Sum(double value) {
  double sum;
  OK(MPI_Allreduce(&value, &sum, 1, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  return sum;
}

static const RngStream stream = {.seed = 3, .realization = 2, .step = 7, .purpose = RNG_INDEPENDENT};

/* (14.2) and (14.3) as they stand, from the token's own d normals. */
static void Expect(PetscInt d, double variance, PetscInt64 number, const double *x, double *next) {
  const double z = variance * (double)(d - 2), h = d == 2 ? 1 : pow(acos(exp(-z / 2)), 2) / z;
  double xi[64], radial = 0, length = 0;
  RngNormal(stream, (uint64_t)number * (uint64_t)d, (size_t)d, xi);
  for (PetscInt c = 0; c < d; c++) radial += xi[c] * x[c];
  for (PetscInt c = 0; c < d; c++) length += pow(xi[c] - radial * x[c], 2);
  length = sqrt(length);
  const double angle = sqrt(variance * h) * length;
  for (PetscInt c = 0; c < d; c++) next[c] = cos(angle) * x[c] + sin(angle) * (xi[c] - radial * x[c]) / length;
}

static void OneStep(void **state) {
  enum { N = 700, D = 64 };
  static double before[N * D], after[N * D];
  const PetscInt dims[] = {2, 3, 4, 5, D};
  (void)state;
  for (int i = 0; i < 5; i++) {
    const double variance = 0.3, number = 1000;
    const PetscInt d = dims[i];
    Tokens tokens = RandomTokens(PETSC_COMM_WORLD, N, d), alone = RandomTokens(PETSC_COMM_SELF, N, d);
    PetscInt64 first, n;
    uint64_t sum, sum_alone;
    double off = 0;
    OK(TokensGetRows(tokens, &first, &n, before));
    OK(TokensDiffuse(tokens, variance, stream, (PetscInt64)number));
    OK(TokensDiffuse(alone, variance, stream, (PetscInt64)number));
    OK(TokensGetRows(tokens, &first, &n, after));
    for (PetscInt64 t = 0; t < n; t++) {
      double expected[D];
      Expect(d, variance, (PetscInt64)number + first + t, before + t * d, expected);
      for (PetscInt c = 0; c < d; c++) off = fmax(off, fabs(after[t * d + c] - expected[c]));
    }
    CLOSE(Worst(off), 0, 1e-14);
    OK(TokensChecksum(tokens, &sum));
    OK(TokensChecksum(alone, &sum_alone));
    assert_true(sum == sum_alone);
    OK(TokensDestroy(&tokens));
    OK(TokensDestroy(&alone));
  }
}

/* Mean of P_n(<X(t), X(0)>) over tokens: e^{-kappa n(n+d-2) t}, (14.5), by steps whose mean square angle is 1/4, which
 * change the rate by 4e-4 at most (section 14). */
static void HarmonicsDecay(void **state) {
  enum { N = 400000, STEPS = 3, DEGREES = 2 };
  const PetscInt dims[] = {2, 3, 8};
  double *rows;
  (void)state;
  OK(PetscMalloc1(N * 8, &rows));
  for (int i = 0; i < 3; i++) {
    const PetscInt d = dims[i];
    const double variance = 0.25 / (double)(d - 1);
    double P[DEGREES + 1], sums[DEGREES][2] = {{0}};
    PetscInt64 first, n;
    Tokens tokens;
    OK(TokensCreate(PETSC_COMM_WORLD, N, d, &tokens)); /* all at e_1 */
    for (int l = 0; l < STEPS; l++)
      OK(TokensDiffuse(tokens, variance, (RngStream){.seed = 1, .step = (uint32_t)l, .purpose = RNG_INDEPENDENT}, 0));
    OK(TokensGetRows(tokens, &first, &n, rows));
    for (PetscInt64 t = 0; t < n; t++) {
      SpherePolynomials(d, DEGREES, rows[t * d], P);
      for (int k = 1; k <= DEGREES; k++) sums[k - 1][0] += P[k], sums[k - 1][1] += P[k] * P[k];
    }
    for (int k = 1; k <= DEGREES; k++) {
      const double mean = Sum(sums[k - 1][0]) / N, square = Sum(sums[k - 1][1]) / N;
      const double error = sqrt((square - mean * mean) / N), rate = 0.5 * variance * STEPS * k * ((double)(k + d) - 2);
      print_message("d = %d, degree %d: decays by %.5f +- %.5f, exact %.5f\n", (int)d, k, -log(mean), error / mean,
                    rate);
      assert_true(4 * error / mean < 0.02 * rate);
      CLOSE(-log(mean), rate, 4 * error / mean + 4e-4 * rate);
    }
    OK(TokensDestroy(&tokens));
  }
  OK(PetscFree(rows));
}

/* Without attention and common noise every coefficient decays exactly, at every step size. */
static void DensityDecays(void **state) {
  (void)state;
  SetKey("attention_type", "none");
  SetKey("noise_type", "none");
  SetKey("tokens_init", "vmf");
  SetKey("tokens_kappa", "3");
  SetInt("spde_degree", 24);
  for (PetscInt d = 2; d <= 3; d++) {
    DensityOptions options;
    PetscInt count;
    const PetscInt *degrees;
    const double *rho;
    double before[625];
    Density density;
    Noise noise;
    Field field;
    Vec v;
    SetInt("tokens_dim", d);
    OK(NoiseFromKeys(d, &noise));
    OK(NoiseCreateField(noise, &field));
    OK(NoiseDraw(noise, 0, 0, field));
    OK(DensityOptionsRead(&options));
    options.independent = 0.7;
    OK(DensityAlone(PETSC_COMM_WORLD, d, noise, &options, &density));
    OK(DensityStart(density, 0));
    OK(DensityGetSize(density, NULL, &count, &degrees));
    OK(DensityGetVec(density, &v));
    OK(VecGetArrayRead(v, &rho));
    OK(PetscArraycpy(before, rho, count));
    OK(VecRestoreArrayRead(v, &rho));
    OK(DensityStep(density, field, 0.1));
    OK(VecGetArrayRead(v, &rho));
    for (PetscInt k = 0; k < count; k++)
      CLOSE(rho[k], before[k] * exp(-0.07 * degrees[k] * (double)(degrees[k] + d - 2)), 1e-15);
    OK(VecRestoreArrayRead(v, &rho));
    OK(DensityDestroy(&density));
    OK(FieldDestroy(&field));
    OK(NoiseDestroy(&noise));
  }
  SetKey("tokens_init", NULL);
  SetKey("tokens_kappa", NULL);
}

typedef struct {
  const char *scheme, *noise, *depth;
  PetscInt d;
  double beta, value, kappa;
} Pair;

/* The mean of e^{beta (u - 1)} at time 1 over so many paths of two tokens. */
static double MeanOfPairs(const Pair *pair, PetscInt paths, double *error, double *exact) {
  double sums[2] = {0, 0};
  PetscMPIInt rank, size;
  ModelOptions options;
  TwoPoint twopoint;
  Kernel kernel;
  System system = {0};
  Start start;
  Noise noise;
  Field field;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(ModelOptionsRead(&options));
  OK(SystemCreate(PETSC_COMM_SELF, 2, &options, &system));
  OK(StartCreate(system.tokens, &options.start, &start));
  OK(NoiseCreate(pair->d, &options.noise, &noise));
  OK(NoiseCreateField(noise, &field));
  for (PetscInt r = rank; r < paths; r += size) {
    double x[2 * 8], u = 0;
    PetscInt64 first, n;
    OK(TokensStart(system.tokens, start, r));
    for (PetscInt l = 0; l < (PetscInt)options.layers.depth; l++) {
      OK(NoiseDraw(noise, r, l, field));
      OK(SystemStep(&system, r, l, field, ModelStepSize(&options)));
    }
    OK(TokensGetRows(system.tokens, &first, &n, x));
    for (PetscInt c = 0; c < pair->d; c++) u += x[c] * x[pair->d + c];
    sums[0] += exp(pair->beta * (u - 1));
    sums[1] += exp(2 * pair->beta * (u - 1));
  }
  OK(NoiseGetKernel(noise, &kernel));
  OK(TwoPointCreate(kernel, pair->beta, pair->value, &twopoint));
  OK(TwoPointSetIndependent(twopoint, pair->kappa));
  OK(TwoPointUniform(twopoint, options.layers.horizon, exact));
  OK(TwoPointDestroy(&twopoint));
  OK(FieldDestroy(&field));
  OK(NoiseDestroy(&noise));
  OK(StartDestroy(&start));
  OK(SystemDestroy(&system));
  const double mean = Sum(sums[0]) / (double)paths, square = Sum(sums[1]) / (double)paths;
  *error = sqrt((square - mean * mean) / (double)paths);
  return mean;
}

static void TwoTokens(void **state) {
  const Pair pairs[] = {{"layer", "mlp", "64", 3, 1, 1, 0.2},
                        {"euler", "spectral", "64", 5, 1, 0, 0.2},
                        {"heun", "spectral", "48", 3, 2, 1, 0.3},
                        {"flow", "spectral", "16", 2, 1, 1, 0.5}};
  const PetscInt paths = 6000;
  (void)state;
  SetKey("mlp_activation", "tanh");
  SetKey("mlp_bias_u", "0.5");
  SetKey("mlp_bias_w", "0.3");
  SetInt("mlp_width", 16);
  SetInt("noise_degree", 3);
  SetInt("tokens_count", 2);
  SetKey("layers_horizon", "1");
  for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
    const Pair *pair = &pairs[i];
    double error, exact;
    SetKey("scheme_type", pair->scheme);
    SetKey("noise_type", pair->noise);
    SetKey("layers_depth", pair->depth);
    SetInt("tokens_dim", pair->d);
    SetKey("attention_type", pair->value > 0 ? "softmax" : "none");
    SetReal("attention_beta", pair->beta);
    SetReal("attention_value", pair->value);
    SetReal("noise_independent", pair->kappa);
    const double mean = MeanOfPairs(pair, paths, &error, &exact);
    print_message("%s, %s, d = %d, beta %g, v %g, kappa %g: %.5f +- %.5f, exact %.5f\n", pair->scheme, pair->noise,
                  (int)pair->d, pair->beta, pair->value, pair->kappa, mean, error, exact);
    assert_true(error < 0.015 * exact);
    CLOSE(mean, exact, 4 * error);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(OneStep), cmocka_unit_test(HarmonicsDecay),
                                          cmocka_unit_test(DensityDecays), cmocka_unit_test(TwoTokens)};
TEST_MAIN(tests)
