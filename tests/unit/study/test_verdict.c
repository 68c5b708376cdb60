/* The bounds of epsilon against measures of all shapes, the bound of lambda_bar', and what is said of them. */
#include "io/hdf.h"
#include <chorale/rng.h>
#include <math.h>

#include "keys.h"
#include "study/sync/sync.h"
#include "test.h"

enum { MOST = 9, DIM_MOST = 5, SPREADS = 6 };

static const char *WeightsFile(void) {
  static char name[64];
  int size;

  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  snprintf(name, sizeof(name), "test_verdict_%d.h5", size);
  return name;
}

/* `count` heads of normals of standard deviation size. */
static void WriteHeads(PetscInt count, PetscInt d, uint64_t seed, double size) {
  const PetscInt64 shape[] = {d, d};
  double matrix[DIM_MOST * DIM_MOST];
  Hdf hdf;

  OK(HdfOpen(PETSC_COMM_WORLD, WeightsFile(), "w", NULL, &hdf));
  for (PetscInt h = 0; h < count; h++)
    for (int m = 0; m < 3; m++) {
      const RngStream stream = {.seed = seed, .realization = (uint32_t)h, .step = (uint32_t)m, .purpose = RNG_TEST};
      char path[64];
      RngNormal(stream, 0, (size_t)d * d, matrix);
      for (PetscInt i = 0; i < d * d; i++) matrix[i] *= size;
      snprintf(path, sizeof(path), "heads/%d/%c", (int)h, "QKV"[m]);
      OK(HdfWriteReals(hdf, path, 2, shape, matrix));
    }
  OK(HdfClose(&hdf));
}

/* N tokens around a point at distances of about `spread`, some far out, with weights over some decades. */
static void Fill(Tokens tokens, uint32_t number, double spread, const double *center) {
  const RngStream stream = {.seed = 8, .realization = number, .purpose = RNG_TEST};
  double z[MOST * (DIM_MOST + 1) + 1], rows[MOST * DIM_MOST], weights[MOST];
  TokensLayout layout;
  double *local;
  Vec x;

  OK(TokensGetLayout(tokens, &layout));
  const PetscInt d = layout.dim, N = (PetscInt)layout.count;
  RngNormal(stream, 0, (size_t)(N * (d + 1) + 1), z);
  for (PetscInt i = 0; i < N; i++) {
    double norm = 0;
    for (PetscInt c = 0; c < d; c++) {
      rows[i * d + c] = center[c] + (i % 4 == 3 ? sqrt(spread) : spread) * z[i * (d + 1) + c];
      norm += rows[i * d + c] * rows[i * d + c];
    }
    for (PetscInt c = 0; c < d; c++) rows[i * d + c] /= sqrt(norm);
    weights[i] = exp(1.5 * z[i * (d + 1) + d]);
  }
  OK(PetscCalloc1(layout.owned * layout.block, &local));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++)
      local[b * layout.block + t] = weights[(layout.first + b) * layout.block + t];
  OK(TokensGetVec(tokens, &x));
  OK(TokensScatter(tokens, rows, x));
  OK(TokensSetWeights(tokens, local));
  OK(TokensMove(tokens, 0, NULL));
  OK(PetscFree(local));
}

/* What the rate of a measure needs, on some ranks. */
typedef struct {
  Tokens tokens;
  Attention attention;
  Vec drift, gradient;
  PetscReal beta, push, energy;
} Measured;

static void Make(MPI_Comm comm, PetscInt d, Measured *m) {
  AttentionOptions options;

  OK(TokensCreate(comm, MOST, d, &m->tokens));
  OK(TokensCreateVec(m->tokens, &m->drift));
  OK(TokensCreateVec(m->tokens, &m->gradient));
  OK(AttentionFromKeys(m->tokens, &m->attention));
  OK(AttentionOptionsRead(&options));
  m->beta = options.energy_beta;
}

static void Destroy(Measured *m) {
  OK(AttentionDestroy(&m->attention));
  OK(VecDestroy(&m->gradient));
  OK(VecDestroy(&m->drift));
  OK(TokensDestroy(&m->tokens));
}

/* Of measure k; -infinity where the energy is lost in rounding. */
static double Rate(Measured *m, PetscInt d, uint32_t k) {
  static const double spreads[SPREADS] = {3, 1, 0.3, 0.1, 0.01, 0.002};
  double center[DIM_MOST];

  RngNormal((RngStream){.seed = 9, .realization = k / SPREADS, .purpose = RNG_TEST}, 0, (size_t)d, center);
  Fill(m->tokens, k, spreads[k % SPREADS], center);
  OK(SyncPush(m->attention, m->tokens, m->drift, m->gradient, &m->push));
  OK(AttentionEnergy(m->attention, m->tokens, &m->energy));
  return m->energy > 1e-7 * exp(m->beta) ? m->push / m->energy : -INFINITY;
}

/* The largest rate over measures of all spreads; those that have nearly met at the best of some points apart. Each is
 * on one rank, the first of each spread also on all, with the same bits. */
static double Largest(PetscInt d, uint32_t starts, PetscReal *low, PetscReal *high) {
  double most = -INFINITY;
  Measured all, own;
  int rank, size;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  Make(PETSC_COMM_WORLD, d, &all);
  Make(PETSC_COMM_SELF, d, &own);
  OK(AttentionEnergyRate(all.attention, all.beta, low, high));
  for (uint32_t k = 0; k < SPREADS; k++) {
    Rate(&all, d, k);
    Rate(&own, d, k);
    CLOSE(all.push, own.push, 0);
    CLOSE(all.energy, own.energy, 0);
  }
  for (uint32_t k = (uint32_t)rank; k < starts; k += (uint32_t)size) most = PetscMax(most, Rate(&own, d, k));
  OK(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  Destroy(&own);
  Destroy(&all);
  return most;
}

static const char *const types[] = {"softmax", "usa", "l2", "sinkhorn"};

static void set_keys(const char *type, const char *beta, const char *value) {
  SetKey("attention_type", type);
  SetKey("attention_beta", beta);
  SetKey("attention_value", value);
}

/* v < 0: the supremum is known, and measures that have nearly met come near it. v > 0: 0, or between bounds. */
static void DefaultWeights(void **state) {
  static const char *const betas[] = {"0.3", "1", "5"};
  (void)state;

  for (int b = 0; b < 3; b++)
    for (int k = 0; k < 4; k++)
      for (PetscInt d = 2; d <= 3; d++) {
        const double beta = atof(betas[b]), plain = k == 1 ? exp(beta) : 1;
        PetscReal low, high;
        set_keys(types[k], betas[b], "-0.6");
        double most = Largest(d, 300, &low, &high);
        CLOSE(low, 1.2 * plain, 1e-12 * plain);
        CLOSE(high, low, 0);
        assert_true(most <= high * (1 + 1e-6) && most > 0.99 * high);
        set_keys(types[k], betas[b], "0.6");
        most = Largest(d, 300, &low, &high);
        assert_true(low == 0 && most <= high + 1e-6);
        assert_true(k < 2 ? high == 0 : 0 < high && high < 0.6 * 3 * (1 + beta));
      }
  set_keys(NULL, NULL, NULL);
}

/* The energy at another beta than attention's: v < 0 as before; v > 0 within what is proved, which is 0 where attention
 * is the gradient flow of that energy, and small near it. */
static void AnotherBeta(void **state) {
  static const double betas[] = {0.4, 2}, factors[] = {0.2, 0.9, 1.1, 2, 6};
  char beta[32], energy[32];
  PetscReal low, high;
  (void)state;

  for (int b = 0; b < 2; b++)
    for (int f = 0; f < 5; f++)
      for (int k = 0; k < 4; k++) {
        const double plain = k == 1 ? exp(betas[b]) : 1, drift = (k == 2 ? 2 : 1) * betas[b];
        const double e = factors[f] * betas[b], far = PetscMax(1, e / drift);
        snprintf(beta, sizeof(beta), "%.17g", betas[b]);
        snprintf(energy, sizeof(energy), "%.17g", e);
        SetKey("energy_beta", energy);
        set_keys(types[k], beta, "-0.6");
        double most = Largest(3, 60, &low, &high);
        CLOSE(low, 1.2 * plain, 1e-12 * plain);
        CLOSE(high, low, 0);
        assert_true(most <= high * (1 + 1e-6) && most > 0.99 * high);
        set_keys(types[k], beta, "0.6");
        most = Largest(3, 60, &low, &high);
        assert_true(low == 0 && most <= high + 1e-6);
        if (k < 3) assert_true(high <= 0.3 * (e - drift) * (e - drift) * far * plain * (1 + 1e-12));
        if (k < 3) assert_true((high == 0) == (e == drift));
      }
  SetKey("energy_beta", NULL);
  set_keys(NULL, NULL, NULL);
}

static void WeightsOfAFile(void **state) {
  (void)state;

  for (uint64_t seed = 1; seed <= 4; seed++)
    for (int k = 0; k < 3; k++) {
      const PetscInt d = seed % 2 ? 3 : 5;
      PetscReal low, high;
      WriteHeads(1 + (PetscInt)seed % 3, d, seed, k == 1 ? 0.4 : 0.8);
      set_keys(types[k], "1", seed > 2 ? "-1" : "1");
      SetKey("attention_weights", WeightsFile());
      const double most = Largest(d, 300, &low, &high);
      assert_true(low <= high && most <= high);
      assert_true(most > 0.6 * low); /* the worst point is not among those that the tokens meet at */
      SetKey("attention_weights", NULL);
    }
  set_keys(NULL, NULL, NULL);
}

/* K^T Q = b I and V = v I, v < 0, from a file: the supremum again; and its lower bound. */
static void DefaultWeightsOfAFile(void **state) {
  const PetscInt64 shape[] = {3, 3};
  const double root[9] = {2, 0, 0, 0, 2, 0, 0, 0, 2}, V[9] = {-0.5, 0, 0, 0, -0.5, 0, 0, 0, -0.5};
  PetscReal low, high;
  Hdf hdf;
  (void)state;

  OK(HdfOpen(PETSC_COMM_WORLD, WeightsFile(), "w", NULL, &hdf));
  OK(HdfWriteReals(hdf, "heads/0/Q", 2, shape, root));
  OK(HdfWriteReals(hdf, "heads/0/K", 2, shape, root));
  OK(HdfWriteReals(hdf, "heads/0/V", 2, shape, V));
  OK(HdfClose(&hdf));
  SetKey("attention_weights", WeightsFile());
  set_keys("softmax", "4", "1");
  const double most = Largest(3, 300, &low, &high);
  CLOSE(low, 1, 1e-10);
  CLOSE(high, 1, 1e-10);
  assert_true(most > 0.99 && most <= 1 + 1e-6);
  SetKey("attention_weights", NULL);
  set_keys(NULL, NULL, NULL);
}

static int RemoveFile(void **state) {
  int rank;

  (void)state;
  OK(MPI_Barrier(PETSC_COMM_WORLD));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  return rank ? 0 : remove(WeightsFile());
}

static const char *Word(SyncTheory theory, PetscReal measured) {
  return SyncJudgeTheorem(&theory, measured).word;
}

/* Only the upper bound proves, only the lower one refutes. */
static void Theorem(void **state) {
  (void)state;
  Kernel kernel;
  OK(KernelCreate(ActivationFind("sigmoid"), 5, 0.1, 0.1, &kernel));
  SyncTheory t = {
      .kernel = kernel, .beta = 1, .value = -1, .lambda_bar = -0.5, .lambda_rate = -0.4, .rate_bound = -0.4};

  t.epsilon_high = 0.3;
  assert_string_equal(Word(t, 0.1), "applies");
  CLOSE(SyncJudgeTheorem(&t, 0.1).rate, -0.1, 1e-15);
  t.epsilon_high = 2;
  assert_string_equal(Word(t, 0.1), "open"); /* 0.5.0: "proves synchronization" */
  assert_string_equal(Word(t, NAN), "open");
  assert_string_equal(Word(t, 0.45), "does not apply");
  assert_string_equal(Word(t, -3), "open");
  t.epsilon_low = 2;
  assert_string_equal(Word(t, 0.038), "does not apply");
  t.epsilon_low = t.epsilon_high = 0;
  t.rate_bound = t.lambda_rate = 0.1;
  assert_string_equal(Word(t, -3), "does not apply");
  t.lambda_bar = 0.1;
  assert_string_equal(Word(t, -3), "does not apply");
  t.kernel = NULL;
  assert_string_equal(Word(t, -3), "does not apply");
  OK(KernelDestroy(&kernel));
}

enum { FRAMES = 4 };

/* Energies, each known to 0.01, beside 1, 0.5, 0.2 and 0.1. */
static SyncComparison CompareEnergy(const SyncTheory *t, PetscInt R, const PetscReal mean[], PetscReal unsure,
                                    PetscBool one_sided) {
  const PetscReal time[FRAMES] = {0, 1, 2, 3}, sem[FRAMES] = {0.01, 0.01, 0.01, 0.01},
                  theory[FRAMES] = {1, 0.5, 0.2, 0.1};
  const SyncMeans means = {R, FRAMES, 1, time, mean, sem};

  return SyncCompareMeans(&means, 0, exp(t->beta), t->bias, theory, unsure, one_sided);
}

/* Frames of R = 16: comparisons end where the mean is no longer known, steps and digits may explain, chance may. */
static void Energies(void **state) {
  PetscReal mean[FRAMES] = {1.01, 0.49, 0.22, 0.03};
  SyncTheory t = {.beta = 1};
  (void)state;

  SyncComparison found = CompareEnergy(&t, 16, mean, 0, PETSC_FALSE);
  assert_int_equal(found.frames, 3); /* the last mean is not known to 10% */
  CLOSE(found.until, 2, 0);
  CLOSE(found.off, 2, 1e-12);
  CLOSE(found.time, 2, 0);
  assert_int_equal(found.verdict, SYNC_AGREES);
  mean[1] = 0.4; /* 9 standard errors */
  found = CompareEnergy(&t, 16, mean, 0, PETSC_FALSE);
  CLOSE(found.off, log(0.8) * 40, 1e-12);
  assert_int_equal(found.verdict, SYNC_DISAGREES);
  CLOSE(found.time, 1, 0);
  assert_int_equal(CompareEnergy(&t, 3, mean, 0, PETSC_FALSE).verdict, SYNC_UNRESOLVED);
  t.bias = 0.06; /* times 4: 24% at t = 1 */
  assert_int_equal(CompareEnergy(&t, 16, mean, 0, PETSC_FALSE).verdict, SYNC_WITHIN_STEP);
  t.bias = 0;
  /* below a bound is well, above is not */
  assert_int_equal(CompareEnergy(&t, 16, mean, 0, PETSC_TRUE).verdict, SYNC_AGREES);
  mean[1] = 0.6;
  found = CompareEnergy(&t, 16, mean, 0, PETSC_TRUE);
  assert_int_equal(found.verdict, SYNC_DISAGREES);
  assert_true(found.off > 9);
  /* nor is what the start's own error explains */
  found = CompareEnergy(&t, 16, mean, 0.05, PETSC_TRUE);
  assert_int_equal(found.verdict, SYNC_AGREES);
  assert_string_equal(SyncVerdictWord(SYNC_WITHIN_STEP), "not resolved");
}

/* Of 100 realizations intervals are two standard errors to each side, chance reaches four. */
static void Decays(void **state) {
  const FitValue decay = {0.5, 0.48, 0.52}, none = {0.5, NAN, NAN};
  SyncTheory t = {.bias = 0};
  (void)state;

  assert_int_equal(SyncCompareDecay(&t, 100, decay, 0.3), SYNC_AGREES);
  assert_int_equal(SyncCompareDecay(&t, 100, decay, 0.53), SYNC_AGREES);
  assert_int_equal(SyncCompareDecay(&t, 100, decay, 0.6), SYNC_DISAGREES);
  assert_int_equal(SyncCompareDecay(&t, 100, none, 0.6), SYNC_UNRESOLVED);
  t.bias = 0.03;
  assert_int_equal(SyncCompareDecay(&t, 100, decay, 0.6), SYNC_WITHIN_STEP);
}

static void Exponents(void **state) {
  const SyncTheory t = {.bias = 0.01};
  (void)state;

  assert_int_equal(SyncCompareExponent(&t, 100, -0.5, 0.001, -0.503), SYNC_AGREES);
  assert_int_equal(SyncCompareExponent(&t, 100, -0.5, 0.001, -0.51), SYNC_WITHIN_STEP);
  assert_int_equal(SyncCompareExponent(&t, 100, -0.5, 0.001, -0.52), SYNC_DISAGREES);
  assert_int_equal(SyncCompareExponent(&t, 3, -0.5, 0.001, -0.52), SYNC_UNRESOLVED);
  assert_int_equal(SyncCompareExponent(&t, 100, -0.5, NAN, -0.52), SYNC_UNRESOLVED);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(DefaultWeights),
    cmocka_unit_test(AnotherBeta),
    cmocka_unit_test_teardown(WeightsOfAFile, RemoveFile),
    cmocka_unit_test_teardown(DefaultWeightsOfAFile, RemoveFile),
    cmocka_unit_test(Theorem),
    cmocka_unit_test(Energies),
    cmocka_unit_test(Decays),
    cmocka_unit_test(Exponents),
};
TEST_MAIN(tests)
