/* Causal attention by both engines: against the definition, and what it leaves as it is. */
#include "attention_oracle.h"
#include "expect.h"
#include "keys.h"

static void SetCausal(const char *type, const char *engine, double beta, double value) {
  SetKeys(type, beta, value);
  SetKey("attention_engine", engine);
  SetKey("attention_mask", "causal");
  SetKey("attention_tol", strcmp(engine, "moments") ? NULL : "1e-14");
}

static int Clear(void **state) {
  (void)state;
  SetKey("attention_mask", NULL);
  SetKey("attention_tol", NULL);
  return 0;
}

/* At every token, within tol in units of the largest field; and the same bits from one rank that owns all tokens. */
static void CheckField(Cloud *cloud, const char *type, const char *engine, double beta, double tol) {
  Tokens alone = Place(PETSC_COMM_SELF, cloud), tokens = Place(PETSC_COMM_WORLD, cloud);
  const double value = -0.7, unit = fabs(value) * (strcmp(type, "usa") ? 1 : exp(beta));
  Attention attention;
  double energy;
  Vec drift, drift_alone;

  cloud->causal = PETSC_TRUE;
  SetCausal(type, engine, beta, value);
  OK(TokensCreateVec(tokens, &drift));
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEvaluate(attention, tokens, drift));
  OK(AttentionEnergy(attention, tokens, &energy));
  OK(AttentionDestroy(&attention));
  CLOSE(Difference(cloud, tokens, drift, type, beta, value, 0, NULL, cloud->N) / unit, 0, tol);
  CLOSE(energy / exp(beta), Energy(cloud, beta), 1e-13); /* that of all pairs */

  OK(TokensCreateVec(alone, &drift_alone));
  OK(AttentionFromKeys(alone, &attention));
  OK(AttentionEvaluate(attention, alone, drift_alone));
  OK(AttentionDestroy(&attention));
  CheckSameBits(tokens, drift, drift_alone);
  OK(VecDestroy(&drift));
  OK(VecDestroy(&drift_alone));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&alone));
}

static const char *const engines[] = {"direct", "moments"};

/* Less than a piece of moments_causal.c, several, and several blocks; whole ones and not; weights alike and not. */
static void Definition(void **state) {
  static const PetscInt counts[] = {1, 7, 64, 200, 530, 768};
  (void)state;
  for (PetscInt d = 2; d <= 5; d++) {
    for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(counts); i++) {
      for (int k = 0; k < 6; k++) {
        Cloud cloud = CloudCreate(counts[i], d, UNIFORM, (PetscBool)(i % 2));
        CheckField(&cloud, kinds[k / 2], engines[k % 2], 1, 1e-12);
        CloudDestroy(&cloud);
      }
    }
  }
}

/* Kernels that see nearest neighbours, and tokens at two places. */
static void Narrow(void **state) {
  Cloud uniform = CloudCreate(600, 2, UNIFORM, PETSC_FALSE), clusters = CloudCreate(600, 3, CLUSTERS, PETSC_FALSE);
  (void)state;
  CheckField(&uniform, "softmax", "direct", 300, 2e-12);
  CheckField(&clusters, "l2", "direct", 20, 1e-12);
  CheckField(&clusters, "usa", "moments", 20, 1e-12);
  CloudDestroy(&uniform);
  CloudDestroy(&clusters);
}

/* The first tokens have no weight, or so little that sums in fixed point, and those of moments, lose their digits. */
static void FirstWeights(void **state) {
  static const double first[] = {0, 1e-14};
  (void)state;
  for (int i = 0; i < 2; i++) {
    Cloud cloud = CloudCreate(530, 3, UNIFORM, PETSC_FALSE);
    for (PetscInt j = 0; j < 300; j++) cloud.w[j] = first[i];
    for (PetscInt j = 300; j < 530; j++) cloud.w[j] = (1 - 300 * first[i]) / 230;
    for (int k = 0; k < 6; k++) CheckField(&cloud, kinds[k / 2], engines[k % 2], 2, 1e-12);
    CloudDestroy(&cloud);
  }
}

/* A token of no weight which sees only tokens that its kernel does not reach. */
static void OutOfReach(void **state) {
  Cloud cloud = CloudCreate(200, 3, UNIFORM, PETSC_FALSE);
  (void)state;
  for (PetscInt i = 0; i < cloud.N; i++) {
    for (PetscInt c = 0; c < 3; c++) cloud.x[3 * i + c] = (c == 2) * (i == 150 ? -1 : 1) + 1e-2 * cloud.x[3 * i + c];
    cloud.w[i] = i == 150 ? 0 : 1. / 199;
  }
  Normalize(&cloud);
  for (int k = 0; k < 2; k++) CheckField(&cloud, "softmax", engines[k], 200, 1e-12);
  CloudDestroy(&cloud);
}

/* The gradient of the energy is that of all pairs, for a kernel that is the energy's and for another. */
static void Gradient(void **state) {
  Cloud cloud = CloudCreate(300, 3, UNIFORM, PETSC_TRUE);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
  Vec gradient[2];
  PetscReal norm;
  (void)state;
  for (int k = 0; k < 4; k++) {
    for (int causal = 0; causal < 2; causal++) {
      Attention attention;
      SetCausal(k / 2 ? "l2" : "softmax", engines[k % 2], 2, 1);
      if (!causal) SetKey("attention_mask", NULL);
      OK(TokensCreateVec(tokens, &gradient[causal]));
      OK(AttentionFromKeys(tokens, &attention));
      OK(AttentionEvaluate(attention, tokens, gradient[causal])); /* its sums do not serve */
      OK(AttentionEnergyGradient(attention, tokens, gradient[causal]));
      OK(AttentionDestroy(&attention));
    }
    OK(VecAXPY(gradient[0], -1, gradient[1]));
    OK(VecNorm(gradient[0], NORM_INFINITY, &norm));
    CLOSE(norm, 0, 1e-12);
    for (int i = 0; i < 2; i++) OK(VecDestroy(&gradient[i]));
  }
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

/* It is no gradient flow: the energy can grow. */
static void NoGradientFlow(void **state) {
  Tokens tokens = RandomTokens(PETSC_COMM_WORLD, 30, 3);
  AttentionPotential potential;
  Attention attention;
  PetscReal low, high;
  (void)state;
  SetCausal("softmax", "direct", 1, 1);
  OK(AttentionFromKeys(tokens, &attention));
  REFUSED(AttentionGetPotential(attention, &potential), "attention_mask = causal: has no potential");
  OK(AttentionEnergyRate(attention, 1, &low, &high));
  assert_true(low == 0 && high == INFINITY);
  OK(AttentionDestroy(&attention));
  SetCausal("sinkhorn", "direct", 1, 1);
  REFUSED(AttentionFromKeys(tokens, &attention), "attention_mask = causal: attention_type sinkhorn");
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(Definition, Clear),   cmocka_unit_test_teardown(Narrow, Clear),
    cmocka_unit_test_teardown(FirstWeights, Clear), cmocka_unit_test_teardown(OutOfReach, Clear),
    cmocka_unit_test_teardown(Gradient, Clear),     cmocka_unit_test_teardown(NoGradientFlow, Clear),
};
TEST_MAIN(tests)
