/* Attention with weights from a file: heads of general Q, K, V against the definition. */
#include "attention_oracle.h"
#include "io/hdf.h"
#include "keys.h"

/* One file per number of ranks: runs of this program may overlap. */
static const char *WeightsFile(void) {
  static char name[64];
  int size;

  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  snprintf(name, sizeof(name), "test_heads_%d.h5", size);
  return name;
}

static int RemoveWeightsFile(void **state) {
  int rank;

  (void)state;
  OK(MPI_Barrier(PETSC_COMM_WORLD));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  return rank ? 0 : remove(WeightsFile());
}

/* count heads with entries of standard deviation `size`, in the weights file. */
static Head *HeadsCreate(PetscInt count, PetscInt d, double size) {
  Head *heads = malloc(sizeof(*heads) * count);
  const PetscInt64 shape[] = {d, d};
  Hdf hdf;

  OK(HdfOpen(PETSC_COMM_WORLD, WeightsFile(), "w", NULL, &hdf));
  for (PetscInt h = 0; h < count; h++) {
    double **matrix[] = {&heads[h].Q, &heads[h].K, &heads[h].V};
    for (int m = 0; m < 3; m++) {
      const RngStream stream = {.seed = 11, .realization = (uint32_t)h, .step = (uint32_t)m, .purpose = RNG_TEST};
      char path[64];
      *matrix[m] = malloc(sizeof(double) * d * d);
      RngNormal(stream, 0, (size_t)d * d, *matrix[m]);
      for (PetscInt i = 0; i < d * d; i++) (*matrix[m])[i] *= m == 2 ? 1 : size;
      snprintf(path, sizeof(path), "heads/%d/%c", (int)h, "QKV"[m]);
      OK(HdfWriteReals(hdf, path, 2, shape, *matrix[m]));
    }
  }
  OK(HdfClose(&hdf));
  return heads;
}

static void HeadsDestroy(PetscInt count, Head *heads) {
  for (PetscInt h = 0; h < count; h++) {
    free(heads[h].Q);
    free(heads[h].K);
    free(heads[h].V);
  }
  free(heads);
}

static void CheckHeads(PetscInt N, PetscInt d, PetscInt count, double size, const char *type, PetscBool weighted,
                       PetscBool causal) {
  Head *heads = HeadsCreate(count, d, size);
  Cloud cloud = CloudCreate(N, d, UNIFORM, weighted);
  Tokens alone = Place(PETSC_COMM_SELF, &cloud), tokens = Place(PETSC_COMM_WORLD, &cloud);
  const double value = -0.7, logit = size * size * d;
  double energy;
  PetscReal norm;
  Attention attention;
  Vec drift, drift_alone;

  cloud.causal = causal;
  SetKeys(type, 1.5, value);
  SetKey("attention_mask", causal ? "causal" : NULL);
  SetKey("attention_weights", WeightsFile());
  OK(TokensCreateVec(tokens, &drift));
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEvaluate(attention, tokens, drift));
  OK(AttentionEnergy(attention, tokens, &energy));
  OK(AttentionDestroy(&attention));
  OK(VecNorm(drift, NORM_INFINITY, &norm));
  CLOSE(Difference(&cloud, tokens, drift, type, 1.5, value, count, heads, 20) / PetscMax(norm, 1), 0,
        1e-13 + 1e-14 * logit);
  CLOSE(energy / exp(1.5), Energy(&cloud, 1.5), 1e-13);

  OK(TokensCreateVec(alone, &drift_alone));
  OK(AttentionFromKeys(alone, &attention));
  OK(AttentionEvaluate(attention, alone, drift_alone));
  OK(AttentionDestroy(&attention));
  CheckSameBits(tokens, drift, drift_alone);

  SetKey("attention_weights", NULL);
  SetKey("attention_mask", NULL);
  OK(VecDestroy(&drift));
  OK(VecDestroy(&drift_alone));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&alone));
  CloudDestroy(&cloud);
  HeadsDestroy(count, heads);
}

static void GeneralWeights(void **state) {
  (void)state;
  for (int k = 0; k < 3; k++) {
    for (int causal = 0; causal < 2; causal++) {
      CheckHeads(300, 3, 1, 1, kinds[k], PETSC_FALSE, (PetscBool)causal);
      CheckHeads(530, 16, 2, 0.7, kinds[k], PETSC_TRUE, (PetscBool)causal);
      CheckHeads(40, 65, 3, 0.3, kinds[k], PETSC_FALSE, (PetscBool)causal);
    }
  }
}

/* Logits of some hundreds of either sign: e^{logit} itself would overflow. */
static void LargeLogits(void **state) {
  (void)state;
  CheckHeads(300, 8, 2, 16, "softmax", PETSC_TRUE, PETSC_FALSE);
  CheckHeads(300, 8, 2, 16, "l2", PETSC_TRUE, PETSC_FALSE);
  CheckHeads(300, 8, 2, 16, "l2", PETSC_TRUE, PETSC_TRUE);
}

static PetscErrorCode Quiet(MPI_Comm comm, int line, const char *function, const char *file, PetscErrorCode code,
                            PetscErrorType type, const char *message, void *context) {
  (void)comm, (void)line, (void)function, (void)file, (void)type;
  if (message && strstr(message, "attention_weights")) *(int *)context = 1;
  return code;
}

static void Refusals(void **state) {
  Head *heads = HeadsCreate(1, 4, 1e3);
  Cloud cloud = CloudCreate(30, 4, UNIFORM, PETSC_FALSE), other = CloudCreate(30, 5, UNIFORM, PETSC_FALSE);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud), wrong = Place(PETSC_COMM_WORLD, &other);
  const PetscInt64 shape[] = {4, 4};
  double bad[16] = {[5] = NAN};
  PetscErrorCode code;
  Attention attention;
  int named = 0;
  Vec drift;
  Hdf hdf;
  (void)state;

  OK(TokensCreateVec(tokens, &drift));
  SetKeys("usa", 1, 1);
  SetKey("attention_weights", WeightsFile());
  OK(PetscPushErrorHandler(Quiet, &named));

  code = AttentionFromKeys(wrong, &attention); /* shape */
  assert_int_equal((int)code, PETSC_ERR_USER_INPUT);
  assert_true(named);

  SetKey("attention_engine", "moments"); /* there are no moments for general weights */
  named = 0;
  code = AttentionFromKeys(tokens, &attention);
  assert_int_equal((int)code, PETSC_ERR_USER_INPUT);
  assert_true(named);
  SetKey("attention_engine", "auto");

  OK(AttentionFromKeys(tokens, &attention)); /* overflow, found when it happens */
  named = 0;
  code = AttentionEvaluate(attention, tokens, drift);
  assert_int_equal((int)code, PETSC_ERR_FP);
  assert_true(named);
  OK(AttentionDestroy(&attention));

  OK(HdfOpen(PETSC_COMM_WORLD, WeightsFile(), "w", NULL, &hdf)); /* NaN */
  for (int m = 0; m < 3; m++) {
    char path[64];
    snprintf(path, sizeof(path), "heads/0/%c", "QKV"[m]);
    OK(HdfWriteReals(hdf, path, 2, shape, bad));
  }
  OK(HdfClose(&hdf));
  named = 0;
  code = AttentionFromKeys(tokens, &attention);
  assert_int_equal((int)code, PETSC_ERR_USER_INPUT);
  assert_true(named);

  OK(HdfOpen(PETSC_COMM_WORLD, WeightsFile(), "w", NULL, &hdf)); /* no heads */
  OK(HdfWriteGroup(hdf, "heads"));
  OK(HdfClose(&hdf));
  named = 0;
  code = AttentionFromKeys(tokens, &attention);
  assert_int_equal((int)code, PETSC_ERR_USER_INPUT);
  assert_true(named);

  SetKey("attention_weights", "does-not-exist.h5");
  named = 0;
  code = AttentionFromKeys(tokens, &attention);
  assert_int_equal((int)code, PETSC_ERR_USER_INPUT);
  assert_true(named);

  OK(PetscPopErrorHandler());
  SetKey("attention_weights", NULL);
  OK(VecDestroy(&drift));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&wrong));
  CloudDestroy(&cloud);
  CloudDestroy(&other);
  HeadsDestroy(1, heads);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(GeneralWeights, RemoveWeightsFile),
    cmocka_unit_test_teardown(LargeLogits, RemoveWeightsFile),
    cmocka_unit_test_teardown(Refusals, RemoveWeightsFile),
};
TEST_MAIN(tests)
