/* Fields as objects, for every type of noise: they add, draws are their keys, bits do not depend on ranks. */
#include "keys.h"
#include "noise_case.h"

enum { TYPES = 3, FIELDS = 4 }; /* the first TYPES share a law */
static const char *const types[FIELDS] = {"mlp", "spectral", "gram", "values"};

static Noise SomeNoise(int type, PetscInt d) {
  return MakeNoise(d, types[type], type ? "silu" : "relu", 0.3, 0.2, 6);
}

static Vec Evaluated(Field field, Tokens tokens) {
  Vec g;
  OK(TokensCreateVec(tokens, &g));
  OK(FieldEvaluate(field, tokens, g));
  return g;
}

/* y = 0.5 a - 2 b as a field has those values at every token, in whichever order the three are evaluated. */
static void SumsAreLinear(void **state) {
  (void)state;
  for (int type = 0; type < FIELDS; type++)
    for (int order = 0; order < 2; order++) {
      const PetscInt d = 3;
      Tokens tokens = RandomTokens(PETSC_COMM_WORLD, 300, d);
      Noise noise = SomeNoise(type, d);
      Field a, b, y;
      Vec ga, gb, gy, expected;
      OK(NoiseCreateField(noise, &a));
      OK(NoiseCreateField(noise, &b));
      OK(NoiseCreateField(noise, &y));
      OK(NoiseDraw(noise, 3, 1, a));
      OK(NoiseDraw(noise, 3, 2, b));
      OK(FieldZero(y));
      OK(FieldAdd(y, 0.5, a));
      OK(FieldAdd(y, -2, b));
      if (order) gy = Evaluated(y, tokens);
      ga = Evaluated(a, tokens);
      gb = Evaluated(b, tokens);
      if (!order) gy = Evaluated(y, tokens);
      OK(VecDuplicate(ga, &expected));
      OK(VecCopy(ga, expected));
      OK(VecAXPBY(expected, -2, 0.5, gb));
      assert_true(Size(expected) > 0.1);
      CLOSE(Difference(gy, expected) / Size(expected), 0, 1e-14);
      OK(FieldAdd(y, 3, y)); /* y itself may be added */
      OK(FieldEvaluate(y, tokens, gy));
      OK(VecScale(expected, 4));
      CLOSE(Difference(gy, expected) / Size(expected), 0, 1e-14);
      OK(FieldDestroy(&a)); /* a sum outlives its terms */
      OK(FieldDestroy(&b));
      OK(FieldEvaluate(y, tokens, gy));
      CLOSE(Difference(gy, expected) / Size(expected), 0, 1e-14);
      OK(VecDestroy(&ga));
      OK(VecDestroy(&gb));
      OK(VecDestroy(&gy));
      OK(VecDestroy(&expected));
      OK(FieldDestroy(&y));
      OK(NoiseDestroy(&noise));
      OK(TokensDestroy(&tokens));
    }
}

/* FieldZero is 0, 0 + G is G bit for bit, and a draw replaces what was there. */
static void ZeroAndOverwrite(void **state) {
  (void)state;
  for (int type = 0; type < FIELDS; type++) {
    const PetscInt d = 4;
    Tokens tokens = RandomTokens(PETSC_COMM_WORLD, 260, d);
    Noise noise = SomeNoise(type, d);
    Field a, y;
    Vec ga, gy;
    OK(NoiseCreateField(noise, &a));
    OK(NoiseCreateField(noise, &y));
    FAILS(FieldEvaluate(a, tokens, NULL), PETSC_ERR_ORDER, "before NoiseDraw");
    FAILS(FieldAdd(y, 1, a), PETSC_ERR_ORDER, "before NoiseDraw");
    OK(NoiseDraw(noise, 0, 5, a));
    ga = Evaluated(a, tokens);
    assert_true(Size(ga) > 0.1);
    OK(NoiseDraw(noise, 1, 1, y));
    OK(FieldAdd(y, 2, a));
    OK(FieldZero(y));
    gy = Evaluated(y, tokens);
    assert_true(Size(gy) == 0);
    OK(FieldAdd(y, 1, a));
    OK(FieldEvaluate(y, tokens, gy));
    assert_true(Difference(gy, ga) == 0);
    OK(FieldAdd(y, 1, a));
    OK(NoiseDraw(noise, 0, 5, y));
    OK(FieldEvaluate(y, tokens, gy));
    assert_true(Difference(gy, ga) == 0);
    OK(VecDestroy(&ga));
    OK(VecDestroy(&gy));
    OK(FieldDestroy(&a));
    OK(FieldDestroy(&y));
    OK(NoiseDestroy(&noise));
    OK(TokensDestroy(&tokens));
  }
}

/* The same (seed, realization, step) gives the same bits in a new noise, any other key another field. */
static void DrawIsItsKey(void **state) {
  const int keys[4][3] = {{17, 1, 2}, {17, 1, 3}, {17, 2, 2}, {18, 1, 2}};
  (void)state;
  for (int type = 0; type < FIELDS; type++) {
    Tokens tokens = RandomTokens(PETSC_COMM_WORLD, 300, 3);
    Vec g[5];
    for (int i = 0; i < 5; i++) {
      Noise noise;
      Field field;
      SetLaw(types[type], "tanh", 0.1, 0.1, 5);
      SetInt("ensemble_seed", keys[i % 4][0]);
      OK(NoiseFromKeys(3, &noise));
      OK(NoiseCreateField(noise, &field));
      OK(NoiseDraw(noise, keys[i % 4][1], keys[i % 4][2], field));
      g[i] = Evaluated(field, tokens);
      OK(FieldDestroy(&field));
      OK(NoiseDestroy(&noise));
    }
    for (int i = 1; i < 4; i++) assert_true(Difference(g[i], g[0]) > 0.1 * Size(g[0]));
    assert_true(Difference(g[4], g[0]) == 0);
    for (int i = 0; i < 5; i++) OK(VecDestroy(&g[i]));
    OK(TokensDestroy(&tokens));
  }
}

/* Do this rank's blocks of split have the bits of the same blocks of whole, which is on one rank? */
static int BitsDiffer(Field a, Field b, Tokens split, Tokens whole) {
  Vec va = Evaluated(a, split), vb = Evaluated(b, whole);
  const double *ga, *gb;
  TokensLayout layout;
  int differ = 0, any;
  OK(TokensGetLayout(split, &layout));
  OK(VecGetArrayRead(va, &ga));
  OK(VecGetArrayRead(vb, &gb));
  for (PetscInt i = 0; i < layout.owned; i++)
    for (PetscInt c = 0; c < layout.dim; c++) {
      const PetscInt row = (i * layout.dim + c) * layout.block, shift = layout.first * layout.dim * layout.block;
      const size_t bytes = (size_t)TokensFilled(&layout, i) * sizeof(double);
      if (memcmp(ga + row, gb + shift + row, bytes)) differ = 1;
    }
  OK(VecRestoreArrayRead(va, &ga));
  OK(VecRestoreArrayRead(vb, &gb));
  OK(VecDestroy(&va));
  OK(VecDestroy(&vb));
  OK(MPI_Allreduce(&differ, &any, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD));
  return any;
}

/* Draws and sums of draws, twice at moving tokens, have the same bits on all ranks together as on one. */
static void BitsDoNotDependOnRanks(void **state) {
  const PetscInt N = 700, dims[] = {2, 3, 5};
  (void)state;
  for (int type = 0; type < FIELDS; type++)
    for (int j = 0; j < 3; j++) {
      const PetscInt d = dims[j];
      Tokens tokens[2] = {RandomTokens(PETSC_COMM_WORLD, N, d), RandomTokens(PETSC_COMM_SELF, N, d)};
      Noise noise[2] = {SomeNoise(type, d), SomeNoise(type, d)}; /* two, since gram draws are remembered */
      Field y[2], x[2];
      for (int i = 0; i < 2; i++) {
        OK(NoiseCreateField(noise[i], &y[i]));
        OK(NoiseCreateField(noise[i], &x[i]));
        OK(NoiseDraw(noise[i], 1, 2, y[i]));
        OK(NoiseDraw(noise[i], 1, 3, x[i]));
        OK(FieldAdd(y[i], -0.7, x[i]));
      }
      assert_false(BitsDiffer(y[0], y[1], tokens[0], tokens[1]));
      for (int i = 0; i < 2; i++) {
        Vec g = Evaluated(y[i], tokens[i]);
        OK(TokensMove(tokens[i], 0.01, g));
        OK(VecDestroy(&g));
      }
      assert_false(BitsDiffer(y[0], y[1], tokens[0], tokens[1]));
      for (int i = 0; i < 2; i++) {
        OK(FieldDestroy(&y[i]));
        OK(FieldDestroy(&x[i]));
        OK(NoiseDestroy(&noise[i]));
        OK(TokensDestroy(&tokens[i]));
      }
    }
}

/* The variance is k(1) of the kernel, in closed form for the rectifier: (1/d + sigma_U^2)/2 + sigma_W^2. */
static void VarianceIsTheKernelsAtOne(void **state) {
  (void)state;
  for (int type = 0; type < TYPES; type += 2) { /* spectral has its own test */
    Noise noise = MakeNoise(4, types[type], "relu", 0.3, 0.2, -1);
    PetscReal k1, from_field;
    Field field;
    OK(NoiseCreateField(noise, &field));
    SetKey("mlp_activation", "tanh"); /* the noise has read its keys */
    OK(NoiseGetVariance(noise, &k1));
    OK(FieldGetVariance(field, &from_field));
    CLOSE(k1, 0.5 * (0.25 + 0.09) + 0.04, 1e-14);
    assert_true(from_field == k1);
    OK(FieldDestroy(&field));
    OK(NoiseDestroy(&noise));
  }
}

/* The sum of 4 draws over sqrt(4) has the law of one. */
static void SumsOfDrawsHaveTheLaw(void **state) {
  double points[CASE_POINTS * 3], exact[CASE_POINTS][CASE_POINTS];
  (void)state;
  CasePoints(3, points);
  ExactKernel("relu", 3, 0.3, 0.2, points, exact);
  for (int type = 0; type < TYPES; type += 2) {
    Noise noise = MakeNoise(3, types[type], "relu", 0.3, 0.2, -1);
    CheckCovariance(noise, 3, points, CASE_POINTS, 4, 30000, exact);
    OK(NoiseDestroy(&noise));
  }
}

/* spectral and mlp beside gram, the reference: |sum_i a_i G(x_i)|^2 / d for several signs a_i has the same mean within
 * 4 standard errors of the difference, which see 3 percent. Its square, the joint law of all eight points beyond their
 * covariance, is that of a Gaussian in spectral and gram, and larger in mlp of width 24 by about 1/24 of a share. */
static void TypesHaveOneLaw(void **state) {
  enum { SUMS = 4, D = 5, DRAWS = 24000 };
  double points[CASE_POINTS * D], g[CASE_POINTS * D], mean[TYPES][SUMS + 1], error[TYPES][SUMS + 1];
  PetscMPIInt rank, size;
  (void)state;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  CasePoints(D, points);
  for (int type = 0; type < TYPES; type++) {
    Moment sum[SUMS + 1] = {{0, 0}}, total[SUMS + 1];
    Noise noise = MakeNoise(D, types[type], "sigmoid", 0.4, 0.3, 5);
    Tokens tokens = TokensAt(PETSC_COMM_SELF, CASE_POINTS, D, points);
    Field field;
    Vec work;
    OK(NoiseCreateField(noise, &field));
    OK(TokensCreateVec(tokens, &work));
    for (PetscInt r = rank; r < DRAWS; r += size) {
      OK(NoiseDraw(noise, r, type, field)); /* step: the types share no normals */
      ValuesAt(field, tokens, work, g);
      for (int k = 0; k < SUMS; k++) {
        double square = 0;
        for (PetscInt c = 0; c < D; c++) {
          double value = 0;
          for (int i = 0; i < CASE_POINTS; i++) value += (i >> k & 1 ? -1 : 1) * g[i * D + c] / CASE_POINTS;
          square += value * value / D;
        }
        AddMoment(&sum[k], square, DRAWS);
        if (k == 0) AddMoment(&sum[SUMS], square * square, DRAWS);
      }
    }
    OK(MPI_Allreduce(sum, total, 2 * (SUMS + 1), MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
    for (int k = 0; k <= SUMS; k++) {
      mean[type][k] = total[k].mean;
      error[type][k] = StandardError(total[k], DRAWS);
    }
    OK(VecDestroy(&work));
    OK(FieldDestroy(&field));
    OK(NoiseDestroy(&noise));
    OK(TokensDestroy(&tokens));
  }
  for (int type = 0; type < TYPES - 1; type++) {
    for (int k = 0; k <= SUMS; k++) {
      const double off = hypot(error[type][k], error[TYPES - 1][k]);
      if (k < SUMS || type > 0) CLOSE(mean[type][k], mean[TYPES - 1][k], 4 * off);
      if (k < SUMS) assert_true(4 * off < 0.03 * mean[TYPES - 1][k]);
    }
  }
}

static void NoneIsZero(void **state) {
  Tokens tokens = RandomTokens(PETSC_COMM_WORLD, 300, 4);
  Noise noise = MakeNoise(4, "none", "relu", 0, 0, -1), other = SomeNoise(0, 4);
  Field x, y, foreign;
  PetscBool zero;
  PetscReal k1;
  Kernel kernel;
  Vec g;
  (void)state;
  OK(NoiseCreateField(noise, &x));
  OK(NoiseCreateField(noise, &y));
  OK(NoiseDraw(noise, 0, 0, x));
  OK(FieldZero(y));
  OK(FieldAdd(y, 2, x));
  g = Evaluated(y, tokens);
  assert_true(Size(g) == 0);
  OK(FieldIsZero(y, &zero));
  assert_true(zero);
  OK(FieldGetVariance(y, &k1));
  assert_true(k1 == 0);
  OK(NoiseGetKernel(noise, &kernel));
  assert_null(kernel);
  OK(NoiseCreateField(other, &foreign));
  OK(NoiseDraw(other, 0, 0, foreign));
  FAILS(FieldAdd(y, 1, foreign), PETSC_ERR_ARG_WRONG, "two noises");
  OK(FieldDestroy(&foreign));
  OK(FieldDestroy(&x));
  OK(FieldDestroy(&y));
  OK(VecDestroy(&g));
  OK(NoiseDestroy(&other));
  OK(NoiseDestroy(&noise));
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(SumsAreLinear),
    cmocka_unit_test(ZeroAndOverwrite),
    cmocka_unit_test(DrawIsItsKey),
    cmocka_unit_test(BitsDoNotDependOnRanks),
    cmocka_unit_test(VarianceIsTheKernelsAtOne),
    cmocka_unit_test(SumsOfDrawsHaveTheLaw),
    cmocka_unit_test(TypesHaveOneLaw),
    cmocka_unit_test(NoneIsZero),
};
TEST_MAIN(tests)
