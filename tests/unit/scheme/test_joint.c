/* Attention and the noise in one table: against the two evaluated one by one, and when there is one. */
#include "expect.h"
#include "scheme_model.h"

#include "scheme/impl.h"

enum { MANY = 64000 };

static Model JointModel(Tokens tokens, const char *scheme, const char *type, double beta, double value,
                        const char *noise) {
  Model model;
  SetKey("attention_engine", "moments");
  SetKey("noise_degree", strcmp(noise, "spectral") ? NULL : "6");
  model = MakeModelOf(tokens, scheme, type, beta, value, noise);
  SetKey("attention_engine", NULL);
  SetKey("noise_degree", NULL);
  return model;
}

/* With the tolerance of attention, "1e-12" or more. */
static Model JointModelTo(const char *tol, Tokens tokens, const char *scheme, const char *type, double beta,
                          double value) {
  Model model;
  SetKey("attention_tol", tol);
  model = JointModel(tokens, scheme, type, beta, value, "spectral");
  SetKey("attention_tol", NULL);
  return model;
}

/* slope <- keep slope + share P (dt Att + sqrt(dt) G), each evaluated by itself. */
static void AddSlope(Model *model, PetscReal dt, Tokens tokens, double keep, double share, Vec slope) {
  Vec drift, noise;
  OK(TokensCreateVec(tokens, &drift));
  OK(TokensCreateVec(tokens, &noise));
  OK(AttentionEvaluate(model->attention, tokens, drift));
  OK(FieldEvaluate(model->field, tokens, noise));
  OK(TokensTangent(tokens, dt, drift, sqrt(dt), noise, drift));
  OK(VecAXPBY(slope, share, keep, drift));
  OK(VecDestroy(&drift));
  OK(VecDestroy(&noise));
}

/* One step of the Ito form by Euler, or by Heun. */
static void SlowStep(Model *model, const char *scheme, PetscReal dt, Tokens tokens) {
  TokensLayout layout;
  PetscReal k1;
  Vec slope;
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensCreateVec(tokens, &slope));
  OK(FieldGetVariance(model->field, &k1));
  AddSlope(model, dt, tokens, 0, 1, slope);
  if (!strcmp(scheme, "heun")) {
    Tokens inner;
    OK(TokensDuplicate(tokens, &inner));
    OK(TokensMove(inner, 1, slope));
    AddSlope(model, dt, inner, 0.5, 0.5, slope);
    OK(TokensMove(tokens, 1, slope));
    OK(TokensDestroy(&inner));
  } else {
    OK(TokensMoveTangent(tokens, 0.5 * dt * k1 * (layout.dim - 1), 1, slope, 0, NULL));
  }
  OK(VecDestroy(&slope));
}

static void IsTheSumOfBoth(void **state) {
  static const struct {
    PetscInt d;
    const char *scheme, *type;
    double beta, value;
  } cases[] = {{3, "euler", "softmax", 0.3, 1}, {3, "heun", "softmax", 0.2, -2}, {3, "euler", "usa", 2, 1},
               {3, "heun", "l2", 0.15, 1},      {2, "euler", "softmax", 0.3, 1}, {2, "heun", "usa", 1, 0.5}};
  const PetscReal dt = 0.1;
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    Tokens tokens = StartedTokens(PETSC_COMM_WORLD, MANY, cases[i].d, "uniform", 0), slow;
    Model model = JointModel(tokens, cases[i].scheme, cases[i].type, cases[i].beta, cases[i].value, "spectral");
    double distance;
    OK(TokensDuplicate(tokens, &slow));
    for (PetscInt step = 0; step < 2; step++) { /* the second from tokens that are not uniform */
      OK(NoiseDraw(model.noise, 0, step, model.field));
      SlowStep(&model, cases[i].scheme, dt, slow);
      OK(SchemeStep(model.scheme, model.attention, model.field, dt, tokens));
      assert_non_null(model.scheme->joint.table);
    }
    distance = Distance(tokens, slow);
    print_message("d = %d, %s, %s, beta = %g: %.2g\n", (int)cases[i].d, cases[i].scheme, cases[i].type, cases[i].beta,
                  distance);
    CLOSE(distance, 0, 1e-12);
    DestroyModel(&model);
    OK(TokensDestroy(&slow));
    OK(TokensDestroy(&tokens));
  }
}

/* Where attention_tol allows single precision the table is in it on the sphere, and no worse than it says: two steps
 * from uniform tokens, against fields that are as exact as always. */
static void SinglePrecision(void **state) {
  const PetscReal dt = 0.1;
  (void)state;
  for (PetscInt d = 2; d <= 3; d++) {
    Tokens tokens = StartedTokens(PETSC_COMM_WORLD, MANY, d, "uniform", 0), slow;
    Model model = JointModelTo("1e-6", tokens, "heun", "softmax", 0.3, 1),
          exact = JointModelTo("1e-12", slow = StartedTokens(PETSC_COMM_WORLD, MANY, d, "uniform", 0), "heun",
                               "softmax", 0.3, 1);
    SchemeTable table, fine;
    double distance;
    OK(SchemeGetJoint(model.scheme, model.attention, model.noise, &table));
    OK(SchemeGetJoint(exact.scheme, exact.attention, exact.noise, &fine));
    assert_true(table.single == (d == 3 ? PETSC_TRUE : PETSC_FALSE) && !fine.single);
    assert_true(table.error <= 1e-6 && fine.error <= 1e-12);
    for (PetscInt step = 0; step < 2; step++) {
      OK(NoiseDraw(model.noise, 0, step, model.field));
      OK(NoiseDraw(exact.noise, 0, step, exact.field));
      SlowStep(&exact, "heun", dt, slow);
      OK(SchemeStep(model.scheme, model.attention, model.field, dt, tokens));
      assert_non_null(model.scheme->joint.table);
    }
    distance = Distance(tokens, slow);
    print_message("d = %d: %.2g\n", (int)d, distance);
    CLOSE(distance, 0, 3e-6);
    if (d == 3) assert_true(distance > 1e-9);
    DestroyModel(&model);
    DestroyModel(&exact);
    OK(TokensDestroy(&slow));
    OK(TokensDestroy(&tokens));
  }
}

static PetscErrorCode Watch(void *context, Tokens tokens, Vec noise) {
  (void)context, (void)tokens, (void)noise;
  return 0;
}

/* What is said to be taken is taken: not by a scheme that is watched, which asks for the noise alone. */
static void IsSaid(void **state) {
  (void)state;
  for (int watched = 0; watched < 2; watched++) {
    Tokens tokens = StartedTokens(PETSC_COMM_WORLD, MANY, 3, "uniform", 0);
    Model model = JointModel(tokens, "euler", "softmax", 0.3, 1, "spectral");
    SchemeTable table;
    if (watched) OK(SchemeSetWatcher(model.scheme, Watch, NULL));
    OK(SchemeGetJoint(model.scheme, model.attention, model.noise, &table));
    assert_true((table.degree >= 0) == !watched);
    RunSteps(&model, 1, 0.01, tokens);
    assert_true((model.scheme->joint.table != NULL) == !watched);
    DestroyModel(&model);
    OK(TokensDestroy(&tokens));
  }
}

/* Few tokens, many degrees, fields that are no such sums: two evaluations. */
static void WhereItPays(void **state) {
  static const struct {
    PetscInt N, d;
    const char *type, *noise;
    double beta;
  } cases[] = {{2000, 3, "softmax", "spectral", 0.3}, {MANY, 3, "softmax", "spectral", 20},
               {MANY, 3, "softmax", "mlp", 0.3},      {MANY, 3, "softmax", "none", 0.3},
               {MANY, 3, "none", "spectral", 0.3},    {MANY, 4, "softmax", "spectral", 0.3}};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    Tokens tokens = StartedTokens(PETSC_COMM_WORLD, cases[i].N, cases[i].d, "uniform", 0);
    Model model = JointModel(tokens, "euler", cases[i].type, cases[i].beta, 1, cases[i].noise);
    RunSteps(&model, 1, 0.01, tokens);
    assert_null(model.scheme->joint.table);
    DestroyModel(&model);
    OK(TokensDestroy(&tokens));
  }
}

/* The bits of tokens split over the ranks are those of one rank; the last time in single precision. */
static void SameBits(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    const PetscInt d = i ? 3 : 2;
    uint64_t sum, alone = 0;
    PetscMPIInt rank;
    for (int whole = 0; whole < 2; whole++) {
      MPI_Comm comm = whole ? PETSC_COMM_SELF : PETSC_COMM_WORLD;
      OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
      if (whole && rank) continue;
      Tokens tokens = StartedTokens(comm, MANY, d, "uniform", 0);
      Model model = JointModelTo(i == 2 ? "1e-6" : "1e-12", tokens, d == 2 ? "heun" : "euler", "softmax", 0.3, 1);
      RunSteps(&model, 3, 0.3, tokens);
      assert_non_null(model.scheme->joint.table);
      OK(TokensChecksum(tokens, whole ? &alone : &sum));
      DestroyModel(&model);
      OK(TokensDestroy(&tokens));
    }
    OK(MPI_Bcast(&alone, 1, MPI_UINT64_T, 0, PETSC_COMM_WORLD));
    assert_true(sum == alone);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(IsTheSumOfBoth), cmocka_unit_test(SinglePrecision),
                                          cmocka_unit_test(IsSaid), cmocka_unit_test(WhereItPays),
                                          cmocka_unit_test(SameBits)};
TEST_MAIN(tests)
