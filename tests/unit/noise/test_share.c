/* Noises that share what is drawn: the same values as without, drawn once. */
#include <petsclog.h>

#include "noise_case.h"

enum { TOKENS = 300, DIM = 5, WIDTH = 300 /* three chunks of units, the last one short */ };

static Noise MakeMlp(const char *activation, PetscInt width, double bias_u, double bias_w, PetscInt seed) {
  Noise noise;

  SetLaw("mlp", activation, bias_u, bias_w, -1);
  SetInt("mlp_width", width);
  SetInt("ensemble_seed", seed);
  OK(NoiseFromKeys(DIM, &noise));
  return noise;
}

static PetscBool AreShared(Noise a, Noise b) {
  PetscBool shared;

  OK(NoiseShare(a, b, &shared));
  return shared;
}

/* How often units were drawn so far. */
static PetscInt Draws(void) {
  PetscEventPerfInfo info;
  PetscLogEvent event;

  OK(PetscLogEventGetId("MLPDraw", &event));
  OK(PetscLogEventGetPerfInfo(PETSC_DETERMINE, event, &info));
  return info.count;
}

static void Evaluate(Noise noise, PetscInt realization, PetscInt step, Tokens tokens, Vec values) {
  Field field;

  OK(NoiseCreateField(noise, &field));
  OK(NoiseDraw(noise, realization, step, field));
  OK(FieldEvaluate(field, tokens, values));
  OK(FieldDestroy(&field));
}

/* Layers in the order of a sweep, and out of it; by a noise that shares and by one that does not. */
static void ValuesAreTheSameAndDrawnOnce(void **state) {
  static const PetscInt keys[][2] = {{0, 0}, {0, 1}, {0, 1}, {2, 1}, {0, 0}};
  Noise shares[2] = {MakeMlp("relu", WIDTH, 0.3, 0, 4), MakeMlp("tanh", WIDTH, 0.3, 0.2, 4)};
  Noise alone[2] = {MakeMlp("relu", WIDTH, 0.3, 0, 4), MakeMlp("tanh", WIDTH, 0.3, 0.2, 4)};
  Tokens tokens = RandomTokens(PETSC_COMM_WORLD, TOKENS, DIM);
  Vec found, expected;
  PetscInt before, layer = 0;
  (void)state;

  OK(PetscLogDefaultBegin());
  OK(TokensCreateVec(tokens, &found));
  OK(TokensCreateVec(tokens, &expected));
  assert_true(AreShared(shares[1], shares[0]));
  for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
    for (int i = 0; i < 2; i++) {
      before = Draws();
      Evaluate(shares[i], keys[k][0], keys[k][1], tokens, found);
      if (!k && !i) layer = Draws() - before;
      assert_int_equal(Draws() - before, i || k == 2 ? 0 : layer);
      Evaluate(alone[i], keys[k][0], keys[k][1], tokens, expected);
      assert_true(Difference(found, expected) == 0);
      assert_true(Size(found) > 0);
    }
  }
  OK(NoiseDestroy(&shares[0])); /* the other one goes on */
  Evaluate(shares[1], 3, 3, tokens, found);
  Evaluate(alone[1], 3, 3, tokens, expected);
  assert_true(Difference(found, expected) == 0);
  OK(NoiseDestroy(&shares[1]));
  for (int i = 0; i < 2; i++) OK(NoiseDestroy(&alone[i]));
  OK(VecDestroy(&found));
  OK(VecDestroy(&expected));
  OK(TokensDestroy(&tokens));
}

/* Two teams of layers so wide that one of them is in memory: what comes back is drawn again. */
static void TeamsTakeTurns(void **state) {
  enum { MANY = 1200 };
  Tokens tokens = RandomTokens(PETSC_COMM_WORLD, TOKENS, DIM);
  Vec found, expected;
  (void)state;

  OK(TokensCreateVec(tokens, &found));
  OK(TokensCreateVec(tokens, &expected));
  Noise teams[2][2], alone[2];
  for (int t = 0; t < 2; t++) {
    for (int i = 0; i < 2; i++) teams[t][i] = MakeMlp("relu", MANY, 0.3 * t, 0, 4);
    alone[t] = MakeMlp("relu", MANY, 0.3 * t, 0, 4);
    assert_true(AreShared(teams[t][1], teams[t][0]));
  }
  for (int k = 0; k < 4; k++) {
    Evaluate(alone[k % 2], 0, 7, tokens, expected);
    for (int i = 0; i < 2; i++) {
      Evaluate(teams[k % 2][i], 0, 7, tokens, found);
      assert_true(Difference(found, expected) == 0);
    }
  }
  for (int i = 0; i < 2; i++) {
    OK(NoiseDestroy(&teams[1 - i][0]));
    Evaluate(teams[1 - i][1], 0, 8, tokens, found);
    OK(NoiseDestroy(&teams[1 - i][1]));
    OK(NoiseDestroy(&alone[i]));
  }
  OK(VecDestroy(&found));
  OK(VecDestroy(&expected));
  OK(TokensDestroy(&tokens));
}

static void OnlyWhatIsDrawnAlikeIsShared(void **state) {
  Noise one = MakeMlp("relu", WIDTH, 0.3, 0, 4), other;
  (void)state;

  assert_true(AreShared(one, one));
  for (int i = 0; i < 5; i++) {
    SetKey("mlp_weights", i == 3 ? "uniform" : "gaussian");
    other = MakeMlp("relu", i == 0 ? WIDTH + 1 : WIDTH, i == 1 ? 0.4 : 0.3, 0, i == 2 ? 5 : 4);
    assert_int_equal(AreShared(other, one), i == 4);
    OK(NoiseDestroy(&other));
  }
  other = MakeNoise(DIM, "spectral", "relu", 0.3, 0, 4);
  assert_false(AreShared(other, one));
  assert_false(AreShared(one, other));
  OK(NoiseDestroy(&other));
  OK(NoiseDestroy(&one));
}

/* A layer of a million hidden units takes 80 MB. */
static void LargeLayersAreNotKept(void **state) {
  Noise one = MakeMlp("relu", 1000000, 0, 0, 4), other = MakeMlp("tanh", 1000000, 0, 0, 4);
  PetscReal flops, bytes;
  (void)state;

  assert_false(AreShared(other, one));
  OK(NoiseGetCost(one, 1, 1, &flops, &bytes));
  assert_true(bytes < 2.1e6);
  OK(NoiseDestroy(&other));
  OK(NoiseDestroy(&one));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ValuesAreTheSameAndDrawnOnce),
    cmocka_unit_test(TeamsTakeTurns),
    cmocka_unit_test(OnlyWhatIsDrawnAlikeIsShared),
    cmocka_unit_test(LargeLayersAreNotKept),
};
TEST_MAIN(tests)
