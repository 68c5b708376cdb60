/* Twins as tokens of weight 0, the gradient of the energy against pairs of tokens, the mean energy under noise against
 * its oracle, and the two caps. */
#include <chorale/scheme.h>
#include <math.h>
#include <stdlib.h>

#include "keys.h"
#include "study/sync/sync.h"
#include "test.h"

enum { MOST = 700, DIM = 4 };

/* Rows of all tokens on every rank. */
static void Rows(Tokens tokens, double rows[][DIM]) {
  TokensLayout layout;
  PetscInt64 first, n;
  double *mine;

  OK(TokensGetLayout(tokens, &layout));
  OK(PetscCalloc1(layout.count * DIM, &mine));
  OK(TokensGetRows(tokens, &first, &n, (double *)rows));
  for (PetscInt64 i = 0; i < n * DIM; i++) mine[first * DIM + i] = ((double *)rows)[i];
  assert_int_equal(MPI_Allreduce(mine, rows, (int)layout.count * DIM, MPI_DOUBLE, MPI_SUM, layout.comm), 0);
  OK(PetscFree(mine));
}

static Tokens Cloud(PetscInt64 count) {
  Tokens tokens = NULL;
  Start start = NULL;
  OK(TokensCreate(PETSC_COMM_WORLD, count, DIM, &tokens));
  OK(StartFromKeys(tokens, &start));
  OK(TokensStart(tokens, start, 3));
  OK(StartDestroy(&start));
  return tokens;
}

/* Number of twins per case; N = 330 makes several blocks. */
static void Pairs(void **state) {
  static const PetscInt64 twins[] = {0, 1, 77, 330};
  static double x[MOST][DIM], y[MOST][DIM];
  const double distance = 1e-5;
  (void)state;

  Tokens tokens = Cloud(330);
  Rows(tokens, x);
  for (size_t k = 0; k < sizeof(twins) / sizeof(twins[0]); k++) {
    const PetscInt64 n = twins[k];
    Twins pairs = NULL;
    Tokens set = NULL;
    PetscBool valid = PETSC_FALSE;
    PetscReal energy[2];
    Attention attention = NULL;

    assert_int_equal(TwinsSetCount(330, n, 1), 330 + n);
    OK(TokensCreate(PETSC_COMM_WORLD, 330 + n, DIM, &set));
    OK(TwinsCreate(tokens, set, n, 1, distance, 1, &pairs));
    OK(TwinsStart(pairs, tokens, 3));
    OK(TokensIsValid(set, &valid));
    assert_true(valid);
    Rows(set, y);
    for (PetscInt64 i = 0; i < 330; i++) {
      const PetscInt64 at = i < n ? 2 * i : i + n;
      assert_memory_equal(x[i], y[at], sizeof(x[i]));
      if (i >= n) continue;
      double square = 0;
      for (int c = 0; c < DIM; c++) square += (y[at + 1][c] - x[i][c]) * (y[at + 1][c] - x[i][c]);
      CLOSE(sqrt(square), distance, 1e-9 * distance + 1e-15);
    }
    /* the same measure: the same energy */
    OK(AttentionFromKeys(tokens, &attention));
    OK(AttentionEnergy(attention, tokens, &energy[0]));
    OK(AttentionDestroy(&attention));
    OK(AttentionFromKeys(set, &attention));
    OK(AttentionEnergy(attention, set, &energy[1]));
    OK(AttentionDestroy(&attention));
    CLOSE(energy[1], energy[0], 1e-13);
    /* back come the tokens without their twins */
    Tokens back = Cloud(330);
    Vec positions;
    OK(TokensGetVec(back, &positions));
    OK(VecSet(positions, 0));
    OK(TwinsGather(pairs, back));
    Rows(back, y);
    assert_memory_equal(x, y, 330 * sizeof(x[0]));
    OK(TokensDestroy(&back));
    /* without a step nothing grows */
    OK(TwinsRenormalize(pairs));
    CLOSE(TwinsGrowth(pairs)[TWINS_TOTAL], 0, 1e-9);
    OK(TwinsDestroy(&pairs));
    assert_null(pairs);
    OK(TokensDestroy(&set));
  }
  OK(TokensDestroy(&tokens));
}

/* gradient_i = -beta sum_j w_j e^{beta u_ij} x_j, whatever the engine and type; and dE/dt along a drift by differences.
 */
static void Gradient(void **state) {
  static const char *const types[] = {"softmax", "usa", "sinkhorn", "softmax", "l2", "l2"};
  static const char *const engines[] = {"direct", "direct", "auto", "moments", "direct", "moments"};
  static double x[MOST][DIM], g[MOST][DIM];
  const int N = 300;
  const double beta = 1.5, h = 1e-5;
  (void)state;

  SetKey("tokens_init", "vmf");
  SetKey("tokens_kappa", "2");
  SetKey("attention_beta", "1.5");
  SetKey("attention_value", "-1");
  for (int k = 0; k < 6; k++) {
    SetKey("attention_type", types[k]);
    SetKey("attention_engine", engines[k]);
    Tokens tokens = Cloud(N), moved = NULL;
    Attention attention = NULL;
    Vec drift, gradient, positions;
    PetscReal push, energy[2];

    OK(AttentionFromKeys(tokens, &attention));
    OK(TokensCreateVec(tokens, &drift));
    OK(TokensCreateVec(tokens, &gradient));
    OK(SyncPush(attention, tokens, drift, gradient, &push));
    Rows(tokens, x);
    OK(TokensDuplicate(tokens, &moved));
    OK(TokensGetVec(moved, &positions));
    OK(VecCopy(gradient, positions));
    Rows(moved, g);
    for (int i = 0; i < N; i++) {
      double sum[DIM] = {0};
      for (int j = 0; j < N; j++) {
        double u = 0;
        for (int c = 0; c < DIM; c++) u += x[i][c] * x[j][c];
        for (int c = 0; c < DIM; c++) sum[c] -= beta / N * exp(beta * u) * x[j][c];
      }
      for (int c = 0; c < DIM; c++) CLOSE(g[i][c], sum[c], 1e-10);
    }
    for (int side = 0; side < 2; side++) { /* drift is the projected one */
      OK(TokensCopy(tokens, moved));
      OK(TokensMove(moved, side ? h : -h, drift));
      OK(AttentionEnergy(attention, moved, &energy[side]));
    }
    CLOSE(push, (energy[1] - energy[0]) / (2 * h), 1e-8);
    assert_true(push > 0.01); /* v = -1 drives tokens apart */
    OK(VecDestroy(&gradient));
    OK(VecDestroy(&drift));
    OK(AttentionDestroy(&attention));
    OK(TokensDestroy(&moved));
    OK(TokensDestroy(&tokens));
  }
  SetKey("tokens_init", NULL);
  SetKey("tokens_kappa", NULL);
  SetKey("attention_beta", NULL);
  SetKey("attention_value", NULL);
  SetKey("attention_type", NULL);
  SetKey("attention_engine", NULL);
}

/* sum_i w_i <gradient_i, P G(x_i)>: what the noise does to the energy to first order, of mean 0. */
static double FirstOrder(Attention attention, Field field, Tokens tokens, Vec gradient, Vec g) {
  const double *a, *b, *weights;
  TokensLayout layout;
  double sum = 0;
  OK(AttentionEnergyGradient(attention, tokens, gradient));
  OK(FieldEvaluate(field, tokens, g));
  OK(TokensTangent(tokens, 1, g, 0, NULL, g));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetWeights(tokens, &weights));
  OK(VecGetArrayRead(gradient, &a));
  OK(VecGetArrayRead(g, &b));
  for (PetscInt k = 0; k < layout.owned; k++)
    for (PetscInt e = 0; e < layout.dim * layout.block; e++) {
      const PetscInt at = k * layout.dim * layout.block + e;
      sum += weights[k * layout.block + e % layout.block] * a[at] * b[at];
    }
  OK(VecRestoreArrayRead(g, &b));
  OK(VecRestoreArrayRead(gradient, &a));
  return sum;
}

/* A mean from its sums is within 4 standard errors of exact[0], and 2% in k, which lead to exact[1], are `far`. */
static void Judge(const char *what, PetscInt R, double sums[2], const double exact[2], double far) {
  PetscMPIInt rank;

  assert_int_equal(MPI_Comm_rank(MPI_COMM_WORLD, &rank), 0);
  assert_int_equal(MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD), 0);
  const double error = sqrt((sums[1] - sums[0] * sums[0]) / R), shift = exact[0] - exact[1];
  if (!rank) print_message("%s %.6f +- %.6f, exact %.6f, 2%% in k are %.6f\n", what, sums[0], error, exact[0], shift);
  CLOSE(sums[0], exact[0], 4 * error);
  assert_true(far * error < shift);
}

static void AddUp(double value, PetscInt R, double sums[2]) {
  sums[0] += value / R;
  sums[1] += value * value / R;
}

/* E[E_beta] and the mean square distance of pairs of 8 tokens after T = 0.2 of noise alone, by the flow. What the start
 * is off its mean and what the fields do to first order is taken away, which leaves a scatter so small that 2% in k,
 * which act like 2% in T, are more than the bound of 4 standard errors. At small beta the
 * distance is 4 E_beta / sinh(beta) to first order, so the gradient of that energy serves. Realizations go round the
 * ranks. */
static void EnergyOfNoise(void **state) {
  enum { COUNT = 8, SPACE = 5, STEPS = 40, REALIZATIONS = 3000 };
  const double T = 0.2, times[2] = {T, 1.02 * T}, small = 1e-4, factor = SyncPairFactor(small);
  double sums[2] = {0, 0}, exact[2], pair_sums[2] = {0, 0}, pair_exact[2];
  PetscMPIInt rank, size;
  SyncTheory theory;
  Tokens tokens;
  Start start;
  Attention attention, flat;
  Noise noise;
  Field field;
  Scheme scheme;
  Vec gradient, g;
  ModelOptions options;
  (void)state;

  SetKey("attention_type", "none");
  SetKey("noise_type", "spectral");
  SetKey("noise_degree", "3");
  SetKey("mlp_activation", "sigmoid");
  OK(TokensCreate(PETSC_COMM_SELF, COUNT, SPACE, &tokens));
  OK(StartFromKeys(tokens, &start));
  OK(AttentionFromKeys(tokens, &attention));
  OK(NoiseFromKeys(SPACE, &noise));
  OK(NoiseCreateField(noise, &field));
  OK(SchemeCreate(tokens, &(SchemeOptions){.type = "flow"}, &scheme));
  OK(TokensCreateVec(tokens, &gradient));
  OK(TokensCreateVec(tokens, &g));
  OK(ModelOptionsRead(&options));
  options.start.count = COUNT;
  OK(SyncTheoryCreate(noise, attention, &options, &theory));
  OK(SyncTheoryEnergy(&theory, COUNT, PETSC_COMM_WORLD, 2, times, exact));
  OK(SyncTheoryPairs(&theory, COUNT, PETSC_COMM_WORLD, 2, times, pair_exact));
  options.attention.energy_beta = small;
  OK(AttentionCreate(tokens, &options.attention, &flat));
  assert_int_equal(MPI_Comm_rank(PETSC_COMM_WORLD, &rank), 0);
  assert_int_equal(MPI_Comm_size(PETSC_COMM_WORLD, &size), 0);
  for (PetscInt r = rank; r < REALIZATIONS; r += size) {
    double first = 0, pair_first = 0, begin, energy, apart, pairs;
    OK(TokensStart(tokens, start, r));
    OK(AttentionEnergy(attention, tokens, &begin));
    OK(SyncPairs(tokens, g, &apart));
    for (PetscInt l = 0; l < STEPS; l++) {
      OK(NoiseDraw(noise, r, l, field));
      first += sqrt(T / STEPS) * FirstOrder(attention, field, tokens, gradient, g);
      pair_first += factor * sqrt(T / STEPS) * FirstOrder(flat, field, tokens, gradient, g);
      OK(SchemeStep(scheme, attention, field, T / STEPS, tokens));
    }
    OK(AttentionEnergy(attention, tokens, &energy));
    OK(SyncPairs(tokens, g, &pairs));
    AddUp(energy + theory.energy_start - begin - first, REALIZATIONS, sums);
    AddUp(pairs + 2 * (1 - 1.0 / COUNT) - apart - pair_first, REALIZATIONS, pair_sums);
  }
  Judge("energy", REALIZATIONS, sums, exact, 8);
  Judge("pairs", REALIZATIONS, pair_sums, pair_exact, 5);
  OK(AttentionDestroy(&flat));
  OK(VecDestroy(&g));
  OK(VecDestroy(&gradient));
  OK(SchemeDestroy(&scheme));
  OK(FieldDestroy(&field));
  OK(NoiseDestroy(&noise));
  OK(AttentionDestroy(&attention));
  OK(StartDestroy(&start));
  OK(TokensDestroy(&tokens));
  SetKey("attention_type", NULL);
  SetKey("noise_type", NULL);
  SetKey("noise_degree", NULL);
  SetKey("mlp_activation", NULL);
}

/* 300 tokens: 180 at e, 90 at -e, 30 elsewhere. */
static void Split(void **state) {
  const double e[DIM] = {0.5, -0.5, 0.1, 0.7}, norm = sqrt(0.25 + 0.25 + 0.01 + 0.49);
  Tokens tokens = Cloud(300);
  TokensLayout layout;
  PetscReal caps[SYNC_CAPS];
  double *x;
  Vec v;
  (void)state;

  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &v));
  OK(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const PetscInt i = (layout.first + b) * layout.block + t;
      for (int c = 0; c < DIM; c++)
        x[(b * DIM + c) * layout.block + t] = i < 30 ? c == 2 : i % 3 == 1 ? -e[c] / norm : e[c] / norm;
    }
  OK(VecRestoreArray(v, &x));
  OK(SyncSplit(tokens, caps));
  CLOSE(caps[SYNC_CAP_LARGE], 180 / 300.0, 1e-12);
  CLOSE(caps[SYNC_CAP_SMALL], 90 / 300.0, 1e-12);
  CLOSE(caps[SYNC_CAP_NONE], 30 / 300.0, 1e-12);
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Pairs),
    cmocka_unit_test(Gradient),
    cmocka_unit_test(EnergyOfNoise),
    cmocka_unit_test(Split),
};
TEST_MAIN(tests)
