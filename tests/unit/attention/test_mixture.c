/* Attention by a mixture of Gaussians: against its closed form, against all pairs, and what it refuses. */
#include "mixture_case.h"

#include "expect.h"
#include "io/hdf.h"

#define ANY 1e9 /* an error that any mixture has */

/* The field at token i by THEORY.md (1.13) with one Gaussian: moments of all other tokens but the one whose term is
 * taken apart, which is i or, where i has no weight, the last before it that has some. */
static void ClosedField(const Cloud *cloud, const char *type, double beta, PetscInt i, long double *out) {
  const double rate = strcmp(type, "l2") ? beta : 2 * beta;
  const PetscInt d = cloud->d;
  PetscInt s = i;
  long double W = 0, u1 = 0, u2 = 0, *m = calloc((size_t)(2 * d), sizeof(*m)), *tilt = m + d;

  while (cloud->w[s] == 0) s--;
  for (PetscInt j = 0; j < cloud->N; j++) {
    const long double u = rate * CloudCosine(cloud, i, j), w = j == s ? 0 : cloud->w[j];

    W += w, u1 += w * u, u2 += w * u * u;
    for (PetscInt c = 0; c < d; c++) m[c] += w * cloud->x[j * d + c], tilt[c] += w * u * cloud->x[j * d + c];
  }
  u1 /= W;
  const long double Z = W * expl(u1 + 0.5L * (u2 / W - u1 * u1)),
                    apart = cloud->w[s] * expl(rate * CloudCosine(cloud, i, s));
  for (PetscInt c = 0; c < d; c++) {
    const long double mean = m[c] / W + tilt[c] / W - u1 * m[c] / W;

    out[c] = (Z * mean + apart * cloud->x[s * d + c]) / (strcmp(type, "usa") ? Z + apart : 1);
  }
  free(m);
}

static double ClosedError(const Cloud *cloud, Tokens tokens, Vec drift, const char *type, double beta) {
  long double *expected = malloc(sizeof(*expected) * cloud->d);
  TokensLayout layout;
  const double *out;
  double worst = 0;

  OK(TokensGetLayout(tokens, &layout));
  OK(VecGetArrayRead(drift, &out));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t += 3) {
      ClosedField(cloud, type, beta, (layout.first + b) * layout.block + t, expected);
      for (PetscInt c = 0; c < cloud->d; c++)
        worst = fmax(worst, fabs((double)(out[(b * cloud->d + c) * layout.block + t] - expected[c])));
    }
  OK(VecRestoreArrayRead(drift, &out));
  free(expected);
  return Worst(worst);
}

/* One Gaussian is the closed form to rounding, with weights and with tokens that have none. */
static void ClosedForm(void **state) {
  (void)state;
  for (int k = 0; k < 6; k++) {
    Cloud cloud = CloudCreate(500, k % 2 ? 9 : 24, UNIFORM, k >= 3);
    Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
    Attention attention;
    Vec drift;

    SetKeys(kinds[k % 3], 1.7, 1);
    attention = Mixed(tokens, ANY);
    OK(TokensCreateVec(tokens, &drift));
    OK(AttentionEvaluate(attention, tokens, drift));
    assert_int_equal(Clusters(attention), 1);
    CLOSE(ClosedError(&cloud, tokens, drift, kinds[k % 3], 1.7), 0, 2e-13);
    OK(VecDestroy(&drift));
    OK(AttentionDestroy(&attention));
    OK(TokensDestroy(&tokens));
    CloudDestroy(&cloud);
  }
}

/* Two clusters of radius 1e-3: what a Gaussian leaves out is the third cumulant, some (1e-3 beta)^3. */
static void TightClusters(void **state) {
  (void)state;
  for (int k = 0; k < 6; k++) {
    Cloud cloud = CloudCreate(600, 12, CLUSTERS, k >= 3);
    Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
    const double beta = k % 2 ? 0.5 : 3;
    double energy;
    Attention attention;
    Vec drift;

    SetKeys(kinds[k % 3], beta, -0.7);
    attention = Mixed(tokens, 1e-4);
    OK(TokensCreateVec(tokens, &drift));
    OK(AttentionEvaluate(attention, tokens, drift));
    assert_int_equal(Clusters(attention), 2);
    CLOSE(Difference(&cloud, tokens, drift, kinds[k % 3], beta, -0.7, 0, NULL, 40), 0,
          1e-10 * (k % 3 == 1 ? exp(beta) : 1));
    OK(AttentionEnergy(attention, tokens, &energy));
    CLOSE(energy / exp(beta), Energy(&cloud, beta), 1e-12);
    OK(VecDestroy(&drift));
    OK(AttentionDestroy(&attention));
    OK(TokensDestroy(&tokens));
    CloudDestroy(&cloud);
  }
}

/* The rows of the table of NUMERICS.md 9.12 with fewer tokens: bounds of the largest error over all tokens, by one
 * Gaussian and by as many as it takes to be within `tol`. */
static void Table(void **state) {
  static const struct {
    Kind kind;
    double beta, one, tol, grown;
    PetscInt least, most; /* Gaussians */
  } cases[] = {{SPREAD, 1, 4e-4, 1e-3, 4e-4, 1, 1},  {SPREAD, 4, 5e-3, 2e-2, 5e-3, 1, 1},
               {CONE, 1, 4e-4, 1e-3, 4e-4, 1, 1},    {CONE, 4, 8e-3, 2e-2, 8e-3, 1, 1},
               {FIVE, 1, 6e-2, 1e-4, 2e-5, 5, 12},   {FIVE, 4, 4e-1, 5e-4, 5e-4, 5, 12},
               {OPPOSITE, 1, 1e-1, 1e-4, 1e-4, 2, 6}};
  (void)state;
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(cases); i++) {
    Cloud cloud = CloudOf(cases[i].kind, 4000, 64);
    Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
    Vec drift;

    SetKeys("softmax", cases[i].beta, 1);
    OK(TokensCreateVec(tokens, &drift));
    for (int grown = 0; grown < 2; grown++) {
      Attention attention = Mixed(tokens, grown ? cases[i].tol : ANY);
      const double most = grown ? cases[i].grown : cases[i].one;
      double off;

      OK(AttentionEvaluate(attention, tokens, drift));
      off = Difference(&cloud, tokens, drift, "softmax", cases[i].beta, 1, 0, NULL, 20);
      if (!(off <= most)) fail_msg("case %zu, k = %d: %g > %g", i, (int)Clusters(attention), off, most);
      assert_in_range(Clusters(attention), grown ? cases[i].least : 1, grown ? cases[i].most : 1);
      OK(AttentionDestroy(&attention));
    }
    OK(VecDestroy(&drift));
    OK(TokensDestroy(&tokens));
    CloudDestroy(&cloud);
  }
}

static const char *WeightsFile(void) {
  static char name[64];
  int size;

  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  snprintf(name, sizeof(name), "test_mixture_%d.h5", size);
  return name;
}

static int RemoveWeightsFile(void **state) {
  int rank;

  (void)state;
  SetKey("attention_weights", NULL);
  OK(MPI_Barrier(PETSC_COMM_WORLD));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  return rank ? 0 : remove(WeightsFile());
}

/* Two heads, with Q and K of `rows` rows, V, and biases where there are fewer rows than d. */
static void WriteHeads(PetscInt d, PetscInt rows) {
  static const char *const names[] = {"Q", "K", "V", "Q_bias", "K_bias", "V_bias"};
  double *values = malloc(sizeof(double) * d * d);
  Hdf hdf;

  OK(HdfOpen(PETSC_COMM_WORLD, WeightsFile(), "w", NULL, &hdf));
  for (int h = 0; h < 2; h++)
    for (int m = 0; m < (rows < d ? 6 : 3); m++) {
      const PetscInt n = m % 3 == 2 ? d : rows;
      const PetscInt64 shape[] = {n, d};
      char path[64];

      Normals((uint32_t)(100 + 10 * h + m), n * d, values);
      for (PetscInt i = 0; i < n * d; i++) values[i] *= m == 2 ? 1 : 0.3;
      snprintf(path, sizeof(path), "heads/%d/%s", h, names[m]);
      OK(HdfWriteReals(hdf, path, m < 3 ? 2 : 1, shape, values));
    }
  OK(HdfClose(&hdf));
  free(values);
}

/* Heads with biases and few rows, and without, against the engine that visits all pairs; same bits on any ranks. */
static void Heads(void **state) {
  (void)state;
  for (int k = 0; k < 6; k++) {
    Cloud cloud = CloudCreate(600, 10, CLUSTERS, k % 2);
    Tokens tokens = Place(PETSC_COMM_WORLD, &cloud), alone = Place(PETSC_COMM_SELF, &cloud);
    Attention attention, direct;
    Vec drift, exact, drift_alone;
    PetscReal size, off;

    WriteHeads(10, k < 3 ? 10 : 4);
    SetKeys(kinds[k % 3], 1, 1.3);
    SetKey("attention_weights", WeightsFile());
    OK(AttentionFromKeys(tokens, &direct));
    OK(TokensCreateVec(tokens, &exact));
    OK(AttentionEvaluate(direct, tokens, exact));
    attention = Mixed(tokens, 1e-3);
    OK(TokensCreateVec(tokens, &drift));
    OK(AttentionEvaluate(attention, tokens, drift));
    OK(VecNorm(exact, NORM_INFINITY, &size));
    OK(VecAXPY(exact, -1, drift));
    OK(VecNorm(exact, NORM_INFINITY, &off));
    CLOSE(off / size, 0, 1e-9);
    OK(AttentionDestroy(&attention));
    attention = Mixed(alone, 1e-3);
    OK(TokensCreateVec(alone, &drift_alone));
    OK(AttentionEvaluate(attention, alone, drift_alone));
    CheckSameBits(tokens, drift, drift_alone);
    OK(AttentionDestroy(&attention));
    OK(AttentionDestroy(&direct));
    OK(VecDestroy(&exact));
    OK(VecDestroy(&drift));
    OK(VecDestroy(&drift_alone));
    OK(TokensDestroy(&tokens));
    OK(TokensDestroy(&alone));
    CloudDestroy(&cloud);
  }
}

/* Fields, energies and errors do not depend on the number of ranks, nor on what was computed before. */
static void SameBits(void **state) {
  (void)state;
  for (Kind kind = SPREAD; kind <= OUTLIER; kind++) {
    Cloud cloud = CloudOf(kind, 1500, 24), other = CloudOf(FIVE, 1500, 24);
    Tokens tokens[2] = {Place(PETSC_COMM_WORLD, &cloud), Place(PETSC_COMM_SELF, &cloud)};
    AttentionError error[2];
    double energy[2];
    Vec drift[2], x, y;

    SetKeys("softmax", 2, 1);
    SetReal("energy_beta", 3);
    for (int k = 0; k < 2; k++) {
      Tokens from = Place(k ? PETSC_COMM_SELF : PETSC_COMM_WORLD, k ? &other : &cloud);
      Attention attention = Mixed(from, kind == FIVE ? 1e-3 : ANY);

      attention->gauge->tol = ANY;
      OK(TokensCreateVec(tokens[k], &drift[k]));
      OK(AttentionEvaluate(attention, from, drift[k])); /* at other places, alone */
      OK(TokensGetVec(tokens[k], &x));
      OK(TokensGetVec(from, &y));
      OK(VecCopy(x, y));
      OK(AttentionEvaluate(attention, from, drift[k]));
      OK(AttentionEnergy(attention, from, &energy[k]));
      OK(AttentionGetError(attention, from, &error[k]));
      OK(AttentionDestroy(&attention));
      OK(TokensDestroy(&from));
    }
    CheckSameBits(tokens[0], drift[0], drift[1]);
    assert_true(energy[0] == energy[1]);
    assert_memory_equal(&error[0], &error[1], sizeof(error[0]));
    SetKey("energy_beta", NULL);
    for (int k = 0; k < 2; k++) {
      OK(VecDestroy(&drift[k]));
      OK(TokensDestroy(&tokens[k]));
    }
    CloudDestroy(&cloud);
    CloudDestroy(&other);
  }
}

/* A mixture whose error is too large: refused where it was asked for, all pairs to the bit where it was not. */
static void TooLarge(void **state) {
  Cloud cloud = CloudOf(SPREAD, 6000, 16);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
  Attention attention, direct;
  AttentionError error;
  double energy[2];
  Vec drift, exact;
  PetscBool same;

  (void)state;
  SetKeys("softmax", 9, 1);
  OK(AttentionFromKeys(tokens, &direct));
  OK(TokensCreateVec(tokens, &drift));
  OK(TokensCreateVec(tokens, &exact));
  attention = Mixed(tokens, 1e-3);
  FAILS(AttentionEvaluate(attention, tokens, drift), PETSC_ERR_NOT_CONVERGED,
        "attention_engine = mixture: at attention_beta = 9 the rms error of Att is 0.0");
  OK(AttentionDestroy(&attention));

  SetKey("attention_engine", "auto");
  SetKey("attention_tol", "1e-3");
  OK(AttentionFromKeys(tokens, &attention));
  assert_true(attention->engine == &AttentionMixture);
  OK(AttentionEvaluate(attention, tokens, drift));
  OK(AttentionEvaluate(direct, tokens, exact));
  OK(VecEqual(drift, exact, &same));
  assert_true(same);
  OK(AttentionEnergy(attention, tokens, &energy[0]));
  OK(AttentionEnergy(direct, tokens, &energy[1]));
  assert_true(energy[0] == energy[1]);
  OK(AttentionGetError(attention, tokens, &error));
  assert_true(error.rms == 0 && error.energy == 0);
  OK(AttentionDestroy(&attention));
  SetKey("attention_tol", NULL); /* of which no mixture is capable */
  OK(AttentionFromKeys(tokens, &attention));
  assert_true(attention->engine == &AttentionDirect);
  OK(AttentionDestroy(&attention));
  OK(AttentionDestroy(&direct));
  OK(VecDestroy(&drift));
  OK(VecDestroy(&exact));
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

/* What it cannot do. */
static void Refusals(void **state) {
  static const struct {
    PetscInt d;
    const char *type, *mask;
  } cases[] = {{7, "softmax", NULL}, {9, "sinkhorn", NULL}, {9, "softmax", "causal"}};
  (void)state;
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(cases); i++) {
    Cloud cloud = CloudCreate(20, cases[i].d, UNIFORM, PETSC_FALSE);
    Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
    Attention attention;

    SetKeys(cases[i].type, 1, 1);
    SetKey("attention_mask", cases[i].mask);
    SetKey("attention_engine", "mixture");
    REFUSED(AttentionFromKeys(tokens, &attention), "attention_engine = mixture: ");
    SetKey("attention_mask", NULL);
    OK(TokensDestroy(&tokens));
    CloudDestroy(&cloud);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ClosedForm), cmocka_unit_test(TightClusters),
    cmocka_unit_test(Table),      cmocka_unit_test_teardown(Heads, RemoveWeightsFile),
    cmocka_unit_test(SameBits),   cmocka_unit_test(TooLarge),
    cmocka_unit_test(Refusals),
};
TEST_MAIN(tests)
