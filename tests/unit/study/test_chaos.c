/* What study chaos is made of: ranges of tokens, the limit as nodes and copies, the correlation given the noise. */
#include "attention_oracle.h"
#include "keys.h"

#include <chorale/start.h>

#include "study/chaos/chaos.h"

static void SetStart(const char *init, const char *kappa) {
  SetKey("tokens_init", init);
  SetKey("tokens_kappa", kappa);
  SetKey("ensemble_seed", "77");
}

/* All tokens and weights on every rank. */
static Cloud Gather(Tokens tokens) {
  TokensLayout layout;
  PetscInt64 first, n;
  const double *w;
  Cloud cloud;

  OK(TokensGetLayout(tokens, &layout));
  cloud = (Cloud){(PetscInt)layout.count, layout.dim, calloc((size_t)layout.count * layout.dim, sizeof(double)),
                  calloc((size_t)layout.count, sizeof(double)), PETSC_FALSE};
  OK(TokensGetWeights(tokens, &w));
  double *mine = malloc(sizeof(double) * ((size_t)layout.owned * layout.block * layout.dim + 1));
  OK(TokensGetRows(tokens, &first, &n, mine));
  if (n > 0) { /* a rank may own nothing */
    memcpy(cloud.x + first * layout.dim, mine, sizeof(double) * (size_t)(n * layout.dim));
    memcpy(cloud.w + first, w, sizeof(double) * (size_t)n);
  }
  free(mine);
  OK(MPI_Allreduce(MPI_IN_PLACE, cloud.x, cloud.N * cloud.d, MPI_DOUBLE, MPI_SUM, layout.comm));
  OK(MPI_Allreduce(MPI_IN_PLACE, cloud.w, cloud.N, MPI_DOUBLE, MPI_SUM, layout.comm));
  return cloud;
}

static Tokens Started(PetscInt N, PetscInt d, PetscInt r) {
  Tokens tokens;
  Start start;

  OK(TokensCreate(PETSC_COMM_WORLD, N, d, &tokens));
  OK(StartFromKeys(tokens, &start));
  OK(TokensStart(tokens, start, r));
  OK(StartDestroy(&start));
  return tokens;
}

static Tokens Limit(PetscInt N, PetscInt nodes, PetscInt d, PetscInt r) {
  PetscBool valid;
  StartOptions options;
  Tokens tokens;
  Start start;

  OK(TokensCreate(PETSC_COMM_WORLD, N, d, &tokens));
  OK(StartOptionsRead(&options));
  OK(StartCreateLimit(tokens, &options, nodes, &start));
  OK(TokensStart(tokens, start, r));
  OK(TokensIsValid(tokens, &valid));
  assert_true(valid);
  OK(StartDestroy(&start));
  return tokens;
}

/* Any range of any tokens, bit for bit, padding and weights untouched. */
static void Extract(void **state) {
  static const PetscInt sets[][3] = {/* N of the source, first, N of the target */
                                     {1000, 0, 1000},  {1000, 0, 256},    {1000, 0, 7},
                                     {1000, 512, 400}, {1000, 333, 600},  {5000, 4990, 10},
                                     {40, 3, 21},      {2304, 256, 2048}, {300, 299, 1}};
  (void)state;
  SetStart("uniform", NULL);
  for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
    for (PetscInt d = 2; d <= 5; d += 3) {
      Tokens from = Started(sets[i][0], d, 1), to;
      PetscBool valid;

      OK(TokensCreate(PETSC_COMM_WORLD, sets[i][2], d, &to));
      OK(TokensExtract(from, sets[i][1], to));
      OK(TokensIsValid(to, &valid));
      assert_true(valid);
      Cloud all = Gather(from), part = Gather(to);
      assert_memory_equal(part.x, all.x + sets[i][1] * d, sizeof(double) * (size_t)(part.N * d));
      for (PetscInt k = 0; k < part.N; k++) CLOSE(part.w[k], 1.0 / part.N, 1e-16);
      CloudDestroy(&all);
      CloudDestroy(&part);
      OK(TokensDestroy(&to));
      OK(TokensDestroy(&from));
    }
  }
}

/* The first N tokens of a large start are the start of N, for all laws of independent tokens. */
static void NestedStarts(void **state) {
  static const char *const laws[][2] = {{"uniform", NULL}, {"vmf", "3"}};
  (void)state;
  for (int l = 0; l < 2; l++) {
    for (PetscInt d = 2; d <= 7; d++) {
      SetStart(laws[l][0], laws[l][1]);
      Tokens large = Started(3000, d, 4);
      for (PetscInt N = 5; N < 3000; N = 2 * N + 3) {
        Tokens small = Started(N, d, 4), head;
        PetscBool equal;

        OK(TokensCreate(PETSC_COMM_WORLD, N, d, &head));
        OK(TokensExtract(large, 0, head));
        OK(TokensIsEqual(small, head, &equal));
        assert_true(equal);
        OK(TokensDestroy(&head));
        OK(TokensDestroy(&small));
      }
      OK(TokensDestroy(&large));
    }
  }
}

/* Nodes integrate the law: the mean of x_1 is A_d(kappa) = I_{d/2}/I_{d/2-1}, that of x_1^2 is 1 - (d-1) A/kappa.
 * Copies are the independent tokens, of weight 0. */
static void LimitStarts(void **state) {
  const PetscInt nodes[2] = {512, 2048}, copies = 700;
  const double kappa = 2.5;
  (void)state;
  for (int vmf = 0; vmf < 2; vmf++) {
    for (PetscInt d = 2; d <= 3; d++) {
      const double A = !vmf ? 0 : d == 3 ? 1 / tanh(kappa) - 1 / kappa : 0.7649967475888099 /* I_1(2.5)/I_0(2.5) */;
      const double second = vmf ? 1 - (d - 1) * A / kappa : 1.0 / d;
      const PetscInt M = nodes[d - 2];
      double mean[3] = {0}, square = 0;

      SetStart(vmf ? "vmf" : "uniform", "2.5");
      Tokens tokens = Limit(M + copies, M, d, 3), alone = Limit(M, M, d, 0), independent = Started(copies, d, 3);
      Cloud all = Gather(tokens), rule = Gather(alone), iid = Gather(independent);
      for (PetscInt i = 0; i < M; i++) {
        for (PetscInt c = 0; c < d; c++) mean[c] += all.w[i] * all.x[i * d + c];
        square += all.w[i] * all.x[i * d] * all.x[i * d];
      }
      CLOSE(mean[0], A, 1e-13);
      CLOSE(mean[1], 0, 1e-13);
      CLOSE(mean[2], 0, 1e-13);
      CLOSE(square, second, 1e-13);
      assert_memory_equal(all.x, rule.x, sizeof(double) * (size_t)(M * d));
      for (PetscInt i = 0; i < M; i++) CLOSE(all.w[i], rule.w[i], 1e-17);
      assert_memory_equal(all.x + M * d, iid.x, sizeof(double) * (size_t)(copies * d));
      for (PetscInt i = 0; i < copies; i++) assert_true(all.w[M + i] == 0);
      CloudDestroy(&all);
      CloudDestroy(&rule);
      CloudDestroy(&iid);
      OK(TokensDestroy(&tokens));
      OK(TokensDestroy(&alone));
      OK(TokensDestroy(&independent));
    }
  }
}

/* drift of the tokens with the engine that is set. */
static Vec Drift(Tokens tokens) {
  Attention attention;
  Vec drift;

  OK(AttentionFromKeys(tokens, &attention));
  OK(TokensCreateVec(tokens, &drift));
  OK(AttentionEvaluate(attention, tokens, drift));
  OK(AttentionDestroy(&attention));
  return drift;
}

/* Copies feel the attention of the nodes' measure, and the nodes do not notice them. */
static void Copies(void **state) {
  static const char *const engines[] = {"direct", "moments"};
  const double beta = 3, value = -0.7;
  (void)state;
  SetStart("vmf", "2");
  for (PetscInt d = 2; d <= 3; d++) {
    const PetscInt M = 512;
    Tokens tokens = Limit(M + 900, M, d, 2), alone = Limit(M, M, d, 2), moved;
    Cloud all = Gather(tokens);

    OK(TokensCreate(PETSC_COMM_WORLD, M, d, &moved));
    for (int k = 0; k < 3; k++) {
      for (int e = 0; e < 2; e++) {
        SetKeys(kinds[k], beta, value);
        SetKey("attention_engine", engines[e]);
        Vec drift = Drift(tokens), nodes = Drift(alone);
        /* the oracle sums over all tokens with their weights, which are 0 for the copies */
        CLOSE(Difference(&all, tokens, drift, kinds[k], beta, value, 0, NULL, 200), 0, 1e-10);
        /* as positions, to compare the bits of the nodes' part */
        Vec x;
        OK(TokensGetVec(moved, &x));
        OK(VecCopy(nodes, x));
        Tokens shifted;
        OK(TokensDuplicate(tokens, &shifted));
        OK(TokensGetVec(shifted, &x));
        OK(VecCopy(drift, x));
        Cloud a = Gather(moved), b = Gather(shifted);
        assert_memory_equal(a.x, b.x, sizeof(double) * (size_t)(M * d));
        CloudDestroy(&a);
        CloudDestroy(&b);
        OK(TokensDestroy(&shifted));
        OK(VecDestroy(&drift));
        OK(VecDestroy(&nodes));
      }
    }
    CloudDestroy(&all);
    OK(TokensDestroy(&moved));
    OK(TokensDestroy(&alone));
    OK(TokensDestroy(&tokens));
  }
}

/* Angles a Z + b W_i with Z common to the tokens of a start: m = e^{-(a^2+b^2)/2} e_1, and a pair has the correlation
 * (e^{-b^2} - |m|^2) / (1 - |m|^2). 1000 estimates from 20 starts each, within 4 standard errors, which are below 2%.
 */
static void Correlation(void **state) {
  enum { N = 5, STARTS = 20, ESTIMATES = 1000 };
  const double a = 0.4, b = 0.5, m2 = exp(-a * a - b * b), expected = (exp(-b * b) - m2) / (1 - m2);
  const RngStream stream = {.seed = 3, .purpose = RNG_TEST};
  double z[STARTS * (N + 1)], sum = 0, squares = 0;
  PetscReal mean[STARTS * 2];
  (void)state;
  for (int k = 0; k < ESTIMATES; k++) {
    RngNormal(stream, (uint64_t)k * STARTS * (N + 1), STARTS * (N + 1), z);
    for (int s = 0; s < STARTS; s++) {
      mean[2 * s] = mean[2 * s + 1] = 0;
      for (int i = 0; i < N; i++) {
        const double angle = a * z[s * (N + 1)] + b * z[s * (N + 1) + 1 + i];
        mean[2 * s] += cos(angle) / N;
        mean[2 * s + 1] += sin(angle) / N;
      }
    }
    const double estimate = ChaosCorrelation(N, 2, STARTS, 2, mean);
    sum += estimate / ESTIMATES;
    squares += estimate * estimate / ESTIMATES;
  }
  const double sem = sqrt((squares - sum * sum) / ESTIMATES);
  assert_true(sem < 0.02 * expected);
  CLOSE(sum, expected, 4 * sem);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Extract), cmocka_unit_test(NestedStarts), cmocka_unit_test(LimitStarts),
    cmocka_unit_test(Copies),  cmocka_unit_test(Correlation),
};
TEST_MAIN(tests)
