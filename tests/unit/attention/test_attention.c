/* Attention with default weights: direct sums against the definition. */
#include "attention_oracle.h"
#include "keys.h"

static void CheckDefault(PetscInt N, PetscInt d, Shape shape, PetscBool weighted, const char *type, double beta,
                         double value) {
  Cloud cloud = CloudCreate(N, d, shape, weighted);
  Tokens alone = Place(PETSC_COMM_SELF, &cloud), tokens = Place(PETSC_COMM_WORLD, &cloud);
  const double unit = strcmp(type, "usa") ? fabs(value) : fabs(value) * exp(beta);
  Attention attention;
  double energy, energy_alone;
  Vec drift, drift_alone;

  SetKeys(type, beta, value);
  OK(TokensCreateVec(tokens, &drift));
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEvaluate(attention, tokens, drift));
  OK(AttentionEnergy(attention, tokens, &energy));
  OK(AttentionDestroy(&attention));
  CLOSE(Difference(&cloud, tokens, drift, type, beta, value, 0, NULL, 40) / unit, 0, Tolerance(2 * beta));
  CLOSE(energy / exp(beta), Energy(&cloud, beta), Tolerance(beta));

  /* The same bits from one rank that owns all, in the other order of calls. */
  OK(TokensCreateVec(alone, &drift_alone));
  OK(AttentionFromKeys(alone, &attention));
  OK(AttentionEnergy(attention, alone, &energy_alone));
  OK(AttentionEvaluate(attention, alone, drift_alone));
  OK(AttentionDestroy(&attention));
  CheckSameBits(tokens, drift, drift_alone);
  assert_true(!memcmp(&energy, &energy_alone, sizeof(energy))); /* the energy is the same number on all ranks */

  OK(VecDestroy(&drift));
  OK(VecDestroy(&drift_alone));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&alone));
  CloudDestroy(&cloud);
}

static void Dimensions(void **state) {
  static const PetscInt dims[] = {2, 3, 5, 7, 8, 16, 23, 24, 25, 64, 100, 200};
  (void)state;
  for (size_t i = 0; i < sizeof(dims) / sizeof(dims[0]); i++) {
    for (int k = 0; k < 3; k++) CheckDefault(300, dims[i], UNIFORM, PETSC_FALSE, kinds[k], 1, k == 1 ? -0.5 : 1);
  }
}

static void Counts(void **state) {
  static const PetscInt counts[] = {1, 2, 7, 8, 33, 64, 250, 256, 257, 1000, 1300};
  (void)state;
  for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
    for (int k = 0; k < 3; k++) CheckDefault(counts[i], 3, UNIFORM, PETSC_FALSE, kinds[k], 2.5, 1);
  }
}

/* From nearly constant kernels to ones that see nearest neighbours only. */
static void Temperatures(void **state) {
  static const double betas[] = {1e-3, 1, 50, 300, 320, 600};
  (void)state;
  for (size_t i = 0; i < sizeof(betas) / sizeof(betas[0]); i++) {
    for (int k = 0; k < 3; k++) {
      for (Shape shape = UNIFORM; shape <= ANTIPODAL; shape++)
        CheckDefault(300, 5, shape, PETSC_FALSE, kinds[k], betas[i], 1);
    }
  }
}

/* Unequal weights; tokens of weight 0 at beta = 600 see nobody within reach of a fixed scale. */
static void Weights(void **state) {
  static const double betas[] = {1, 600};
  (void)state;
  for (int b = 0; b < 2; b++) {
    for (int k = 0; k < 3; k++) {
      CheckDefault(300, 3, UNIFORM, PETSC_TRUE, kinds[k], betas[b], 1);
      CheckDefault(530, 16, CLUSTERS, PETSC_TRUE, kinds[k], betas[b], -1);
    }
  }
}

/* The uniform law has no tangential drift (THEORY.md (6.7)). */
static void Equidistribution(void **state) {
  Cloud cloud = Polygon(320);
  (void)state;
  for (int k = 0; k < 3; k++) {
    Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
    TokensLayout layout;
    Attention attention;
    const double *out;
    double worst = 0, radial = INFINITY;
    Vec drift;

    SetKeys(kinds[k], 4, 1);
    OK(TokensGetLayout(tokens, &layout));
    OK(TokensCreateVec(tokens, &drift));
    OK(AttentionFromKeys(tokens, &attention));
    OK(AttentionEvaluate(attention, tokens, drift));
    OK(VecGetArrayRead(drift, &out));
    for (PetscInt b = 0; b < layout.owned; b++) {
      for (PetscInt t = 0; t < layout.block && (layout.first + b) * layout.block + t < cloud.N; t++) {
        const double *x = cloud.x + 2 * ((layout.first + b) * layout.block + t);
        const double a0 = out[2 * b * layout.block + t], a1 = out[(2 * b + 1) * layout.block + t];
        worst = fmax(worst, fabs(a0 * x[1] - a1 * x[0]));
        radial = fmin(radial, a0 * x[0] + a1 * x[1]);
      }
    }
    OK(VecRestoreArrayRead(drift, &out));
    OK(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
    OK(MPI_Allreduce(MPI_IN_PLACE, &radial, 1, MPI_DOUBLE, MPI_MIN, PETSC_COMM_WORLD));
    CLOSE(worst / (k == 1 ? exp(4) : 1), 0, 1e-13);
    assert_true(radial > 0.5);
    OK(AttentionDestroy(&attention));
    OK(VecDestroy(&drift));
    OK(TokensDestroy(&tokens));
  }
  CloudDestroy(&cloud);
}

static void Reuse(void **state) {
  (void)state;
  SetKeys("softmax", 3, 1);
  CheckReuse("softmax", 3, 1e-13, 1e-13);
}

static void Zero(void **state) {
  static const struct {
    const char *type;
    double value;
    PetscBool zero;
  } cases[] = {{"none", 1, PETSC_TRUE},
               {"softmax", 0, PETSC_TRUE},
               {"l2", 0, PETSC_TRUE},
               {"usa", -1, PETSC_FALSE},
               {"softmax", 1e-9, PETSC_FALSE}};
  Cloud cloud = CloudCreate(300, 3, UNIFORM, PETSC_FALSE);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
  (void)state;

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    Attention attention;
    PetscBool zero;
    PetscReal norm;
    double energy;
    Vec drift;

    SetKeys(cases[i].type, 2, cases[i].value);
    OK(TokensCreateVec(tokens, &drift));
    OK(VecSet(drift, 7));
    OK(AttentionFromKeys(tokens, &attention));
    OK(AttentionIsZero(attention, &zero));
    assert_int_equal(zero, cases[i].zero);
    OK(AttentionEvaluate(attention, tokens, drift));
    OK(VecNorm(drift, NORM_INFINITY, &norm));
    assert_int_equal(norm == 0, zero);
    OK(AttentionEnergy(attention, tokens, &energy)); /* energy does not depend on the type */
    CLOSE(energy / exp(2), Energy(&cloud, 2), 1e-13);
    OK(AttentionDestroy(&attention));
    OK(VecDestroy(&drift));
  }
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

/* All tokens in one place: no energy, and everyone is drawn to where it is. */
static void OnePoint(void **state) {
  Cloud cloud = CloudCreate(300, 6, UNIFORM, PETSC_FALSE);
  Tokens tokens;
  Attention attention;
  double energy;
  Vec drift;
  (void)state;

  for (PetscInt i = 6; i < 300 * 6; i++) cloud.x[i] = cloud.x[i % 6];
  tokens = Place(PETSC_COMM_WORLD, &cloud);
  SetKeys("softmax", 20, 1);
  OK(TokensCreateVec(tokens, &drift));
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEnergy(attention, tokens, &energy));
  CLOSE(energy / exp(20), 0, 1e-14);
  OK(AttentionEvaluate(attention, tokens, drift));
  CLOSE(Difference(&cloud, tokens, drift, "softmax", 20, 1, 0, NULL, 300), 0, 1e-14);
  OK(AttentionDestroy(&attention));
  OK(VecDestroy(&drift));
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Dimensions), cmocka_unit_test(Counts),           cmocka_unit_test(Temperatures),
    cmocka_unit_test(Weights),    cmocka_unit_test(Equidistribution), cmocka_unit_test(Reuse),
    cmocka_unit_test(Zero),       cmocka_unit_test(OnePoint),
};
TEST_MAIN(tests)
