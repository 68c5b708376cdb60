/* Attention by moments of spherical harmonics: against the definition, against direct sums, and what it refuses. */
#include "attention_oracle.h"
#include "keys.h"

#include "expect.h"

#include <chorale/harmonics.h>

#include "attention/impl.h"
#include "attention/moments_grid.h"
#include "law/sphere/synthesis.h"
#include "law/sphere/zonal.h"

static void SetEngine(const char *engine, const char *tol) {
  SetKey("attention_engine", engine);
  SetKey("attention_tol", tol);
}

/* Largest error of S and S0 of this engine over this rank's tokens (every `stride`-th), over all ranks. */
static double SumError(const Cloud *cloud, Tokens tokens, Attention a) {
  const PetscInt d = cloud->d, B = a->layout.block, stride = PetscMax(cloud->N / 48, 1);
  double *s = malloc(sizeof(double) * B * (d + 1)), worst = 0;
  const double *x;
  Vec v;

  OK(a->engine->sum(a, tokens, NULL, PETSC_FALSE));
  OK(TokensGetVec(tokens, &v));
  OK(VecGetArrayRead(v, &x));
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    OK(a->engine->get(a, k, x + k * d * B, PETSC_FALSE, s));
    for (PetscInt t = 0; t < B; t++) {
      const PetscInt i = (a->layout.first + k) * B + t;
      long double sum[8] = {0};
      if (i >= cloud->N || i % stride) continue;
      for (PetscInt j = 0; j < cloud->N; j++) {
        const long double e = cloud->w[j] * expl(a->exponent * (CloudCosine(cloud, i, j) - 1));
        for (PetscInt c = 0; c < d; c++) sum[c] += e * cloud->x[j * d + c];
        sum[d] += e;
      }
      for (PetscInt c = 0; c <= d; c++) {
        const double off = fabs((double)(s[c * B + t] - sum[c]));
        if (!(off <= worst)) worst = off;
      }
    }
  }
  OK(VecRestoreArrayRead(v, &x));
  free(s);
  if (isnan(worst)) worst = INFINITY;
  OK(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  return worst;
}

/* Z and numerator of the shifted kernel within 1e-12 for every beta from 0.01 to where 20000 harmonics end. */
static void Sums(void **state) {
  static const struct {
    PetscInt d;
    double betas[8];
  } cases[] = {{2, {0.01, 1, 5, 40, 300, 700, 1000, 2000}},
               {3, {0.01, 1, 5, 30, 200, 355}},
               {4, {0.01, 1, 5, 21.3}},
               {5, {0.01, 1, 4.7}},
               {6, {0.01, 0.3, 1.4}}};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    for (int b = 0; b < 8 && cases[i].betas[b] > 0; b++) {
      for (Shape shape = UNIFORM; shape <= ANTIPODAL; shape++) {
        Cloud cloud = CloudCreate(300, cases[i].d, shape, (PetscBool)(b % 2 == 0 || shape == CLUSTERS));
        Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
        /* l2 doubles beta: d = 2 up to 1400 */
        const char *type = cases[i].betas[b] == 700 ? "l2" : "softmax";
        Attention a;

        SetKeys(type, cases[i].betas[b], 1);
        SetEngine("moments", NULL);
        OK(AttentionFromKeys(tokens, &a));
        assert_true(a->engine == &AttentionMoments);
        CLOSE(SumError(&cloud, tokens, a), 0, 1e-12);
        OK(AttentionDestroy(&a));
        OK(TokensDestroy(&tokens));
        CloudDestroy(&cloud);
      }
    }
  }
}

/* Largest error of the drift over all tokens, times Z: by definition, in long double. */
static double DriftError(const Cloud *cloud, Tokens tokens, Vec drift, double beta) {
  TokensLayout layout;
  const double *out;
  double worst = 0;

  OK(TokensGetLayout(tokens, &layout));
  OK(VecGetArrayRead(drift, &out));
  for (PetscInt k = 0; k < layout.owned; k++) {
    for (PetscInt t = 0; t < layout.block; t++) {
      const PetscInt i = (layout.first + k) * layout.block + t, d = cloud->d;
      long double exact[8] = {0}, z = 0;
      if (i >= cloud->N) continue;
      AddField(cloud, "softmax", beta, 1, NULL, i, exact);
      for (PetscInt j = 0; j < cloud->N; j++) z += cloud->w[j] * expl(beta * (CloudCosine(cloud, i, j) - 1));
      for (PetscInt c = 0; c < d; c++)
        worst = fmax(worst, (double)(z * fabsl(out[(k * d + c) * layout.block + t] - exact[c])));
    }
  }
  OK(VecRestoreArrayRead(drift, &out));
  OK(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  return worst;
}

/* Where e^beta overflows: the drift to 1e-12/Z, and the energy as E_beta e^{-beta}, by both engines. The positions'
 * rounding alone, 1e-16 beta in the exponent, is 1e-12 at the largest beta. */
static void BeyondExp(void **state) {
  static const struct {
    PetscInt d;
    double beta;
    const char *engine;
  } cases[] = {{2, 1000, "moments"}, {2, 1e4, "moments"}, {2, 1000, "direct"},
               {3, 1000, "direct"},  {6, 1e4, "direct"},  {3, 1e4, "auto"}};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    for (Shape shape = UNIFORM; shape <= ANTIPODAL; shape++) {
      Cloud cloud = CloudCreate(300, cases[i].d, shape, PETSC_FALSE);
      Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
      const double beta = cases[i].beta, tol = beta > 1000 ? 4e-12 : 1e-12;
      Attention a;
      double energy;
      Vec drift;

      SetKeys("softmax", beta, 1);
      SetEngine(cases[i].engine, NULL);
      OK(TokensCreateVec(tokens, &drift));
      OK(AttentionFromKeys(tokens, &a));
      OK(AttentionEvaluate(a, tokens, drift));
      OK(AttentionEnergy(a, tokens, &energy));
      CLOSE(DriftError(&cloud, tokens, drift, beta), 0, tol);
      CLOSE(energy, Energy(&cloud, beta), tol);
      assert_string_equal(AttentionEnergyUnit(beta), "e^beta");
      OK(AttentionDestroy(&a));
      OK(VecDestroy(&drift));
      OK(TokensDestroy(&tokens));
      CloudDestroy(&cloud);
    }
  }
  assert_string_equal(AttentionEnergyUnit(700), "1");
}

/* Is there a table of d + 1 functions of this degree for so many tokens? */
static PetscBool HasTable(PetscInt d, PetscInt degree, PetscInt N) {
  SynthesisCost cost;
  Harmonics h;
  Synthesis s;

  OK(HarmonicsCreate(d, degree, &h));
  OK(SynthesisCreate(h, d + 1, &s));
  OK(SynthesisGetCost(s, &cost));
  OK(SynthesisDestroy(&s));
  OK(HarmonicsDestroy(&h));
  return (PetscBool)(N >= cost.from);
}

/* The same with so many tokens that moments of coordinates come from a grid, at degrees low and high, and the sums from
 * a table. */
static void SumsByGrid(void **state) {
  static const struct {
    PetscInt N, d;
    double beta;
    PetscBool table; /* are the sums interpolated? */
  } cases[] = {{600, 2, 1, PETSC_FALSE},  {1300, 2, 700, PETSC_FALSE}, {1300, 3, 1, PETSC_FALSE},
               {50000, 2, 1, PETSC_TRUE}, {60000, 3, 10, PETSC_TRUE},  {50000, 3, 200, PETSC_TRUE}};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    for (Shape shape = UNIFORM; shape <= ANTIPODAL; shape++) {
      Cloud cloud;
      Tokens tokens;
      Attention a;

      if (cases[i].N >= 30000 && shape != CLUSTERS) continue; /* the largest moments */
      cloud = CloudCreate(cases[i].N, cases[i].d, shape, PETSC_TRUE);
      tokens = Place(PETSC_COMM_WORLD, &cloud);
      SetKeys(cases[i].beta == 700 ? "l2" : "softmax", cases[i].beta, 1);
      SetEngine("moments", NULL);
      OK(AttentionFromKeys(tokens, &a));
      assert_true(2 * MomentsGridPoints(cases[i].d, a->truncation.degree) <= cloud.N);
      assert_int_equal(HasTable(cases[i].d, a->truncation.degree, cases[i].N), cases[i].table);
      CLOSE(SumError(&cloud, tokens, a), 0, 1e-12);
      OK(AttentionDestroy(&a));
      OK(TokensDestroy(&tokens));
      CloudDestroy(&cloud);
    }
  }
}

/* A larger attention_tol is met, and not overshot by more than two degrees. */
static void Tolerances(void **state) {
  static const char *const tols[] = {"1e-1", "1e-3", "1e-6", "1e-9", "1e-14"};
  (void)state;
  for (PetscInt d = 2; d <= 5; d++) {
    for (size_t i = 0; i < sizeof(tols) / sizeof(tols[0]); i++) {
      Cloud cloud = CloudCreate(40, d, CLUSTERS, PETSC_TRUE);
      Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
      const double tol = strtod(tols[i], NULL);
      double *e, rest = 1;
      Attention a;

      SetKeys("softmax", 1.5, 1);
      SetEngine("moments", tols[i]);
      OK(AttentionFromKeys(tokens, &a));
      assert_true(a->truncation.tail <= tol);
      CLOSE(SumError(&cloud, tokens, a), 0, tol + 1e-13);
      e = malloc(sizeof(double) * (a->truncation.degree + 1));
      OK(ZonalExponential(d, 1.5, a->truncation.degree, e));
      for (PetscInt n = 0; n <= a->truncation.degree - 3; n++) rest -= e[n]; /* the error where tokens coincide */
      assert_true(rest > tol);
      free(e);
      OK(AttentionDestroy(&a));
      OK(TokensDestroy(&tokens));
      CloudDestroy(&cloud);
    }
  }
}

/* Field and energy by definition, by direct sums, and bit for bit by one rank that owns all. */
static void CheckField(PetscInt N, PetscInt d, Shape shape, const char *type, double beta, double value,
                       const char *tol) {
  Cloud cloud = CloudCreate(N, d, shape, PETSC_TRUE);
  Tokens alone = Place(PETSC_COMM_SELF, &cloud), tokens = Place(PETSC_COMM_WORLD, &cloud);
  const double unit = strcmp(type, "usa") ? fabs(value) : fabs(value) * exp(beta);
  const double error = PetscMax(strtod(tol, NULL), 1e-12);
  Attention attention;
  double energy, energy_alone, energy_direct;
  Vec drift, drift_alone;

  SetKeys(type, beta, value);
  SetEngine("direct", tol);
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEnergy(attention, tokens, &energy_direct));
  OK(AttentionDestroy(&attention));
  SetEngine("moments", tol);
  OK(TokensCreateVec(tokens, &drift));
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEvaluate(attention, tokens, drift));
  OK(AttentionEnergy(attention, tokens, &energy));
  OK(AttentionDestroy(&attention));
  /* Relative to Z, which is some e^{-exponent} at least half the tokens away. */
  CLOSE(Difference(&cloud, tokens, drift, type, beta, value, 0, NULL, 40) / unit, 0,
        4 * error * (strcmp(type, "usa") ? exp(strcmp(type, "l2") ? beta : 2 * beta) : 1));
  CLOSE(energy / exp(beta), Energy(&cloud, beta), error);
  CLOSE(energy / exp(beta), energy_direct / exp(beta), error);

  OK(TokensCreateVec(alone, &drift_alone));
  OK(AttentionFromKeys(alone, &attention));
  OK(AttentionEnergy(attention, alone, &energy_alone));
  OK(AttentionEvaluate(attention, alone, drift_alone));
  OK(AttentionDestroy(&attention));
  CheckSameBits(tokens, drift, drift_alone);
  assert_true(!memcmp(&energy, &energy_alone, sizeof(energy)));

  OK(VecDestroy(&drift));
  OK(VecDestroy(&drift_alone));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&alone));
  CloudDestroy(&cloud);
}

static void Fields(void **state) {
  static const PetscInt counts[] = {1, 8, 250, 257, 1300};
  (void)state;
  for (int k = 0; k < 3; k++) {
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
      CheckField(counts[i], 3, UNIFORM, kinds[k], 1, k == 1 ? -0.5 : 1, "1e-12");
    for (PetscInt d = 2; d <= 5; d++) {
      for (Shape shape = UNIFORM; shape <= ANTIPODAL; shape++) CheckField(530, d, shape, kinds[k], 1.5, -1, "1e-12");
    }
    CheckField(530, 20, UNIFORM, kinds[k], 0.2, 1, "1e-3"); /* more functions than an analysis takes at once */
  }
}

/* The largest dimension, where one harmonic is 1e92 and the sphere's surface 1e-185: against direct sums. */
static void LargestDimension(void **state) {
  static const char *const engines[] = {"direct", "moments"};
  Cloud cloud = CloudCreate(64, HARMONICS_DIM, UNIFORM, PETSC_TRUE);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
  double energy[2], distance, size;
  Vec drift[2];
  (void)state;

  for (int i = 0; i < 2; i++) {
    Attention a;
    SetKeys("softmax", 1e-3, 1);
    SetEngine(engines[i], "1e-6");
    OK(TokensCreateVec(tokens, &drift[i]));
    OK(AttentionFromKeys(tokens, &a));
    OK(AttentionEvaluate(a, tokens, drift[i]));
    OK(AttentionEnergy(a, tokens, &energy[i]));
    OK(AttentionDestroy(&a));
  }
  OK(VecNorm(drift[0], NORM_INFINITY, &size));
  OK(VecAXPY(drift[1], -1, drift[0]));
  OK(VecNorm(drift[1], NORM_INFINITY, &distance));
  CLOSE(distance, 0, 1e-6);
  assert_true(size > 0.01);
  CLOSE(energy[1], energy[0], 1e-6);
  assert_true(energy[0] > 4e-4);
  for (int i = 0; i < 2; i++) OK(VecDestroy(&drift[i]));
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

/* Type none and value 0: the energy alone. */
static void EnergyAlone(void **state) {
  static const char *const types[] = {"none", "softmax"};
  Cloud cloud = CloudCreate(600, 4, UNIFORM, PETSC_TRUE);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
  (void)state;
  for (int i = 0; i < 2; i++) {
    Attention attention;
    double energy;
    SetKeys(types[i], 3, 0);
    SetEngine("moments", NULL);
    OK(AttentionFromKeys(tokens, &attention));
    OK(AttentionEnergy(attention, tokens, &energy));
    CLOSE(energy / exp(3), Energy(&cloud, 3), 1e-12);
    OK(AttentionDestroy(&attention));
  }
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

/* The energy of tokens that nearly coincide keeps its digits, and never is negative. */
static void NearlyTogether(void **state) {
  static const double widths[] = {0, 1e-5, 1e-3};
  (void)state;
  for (int i = 0; i < 3; i++) {
    Cloud cloud = CloudCreate(300, 3, UNIFORM, PETSC_FALSE);
    Attention attention;
    Tokens tokens;
    double energy;

    for (PetscInt t = 0; t < cloud.N; t++) {
      for (PetscInt c = 0; c < 3; c++) cloud.x[3 * t + c] = (c == 1) + widths[i] * cloud.x[3 * t + c];
    }
    Normalize(&cloud);
    tokens = Place(PETSC_COMM_WORLD, &cloud);
    SetKeys("softmax", 5, 1);
    SetEngine("moments", NULL);
    OK(AttentionFromKeys(tokens, &attention));
    OK(AttentionEnergy(attention, tokens, &energy));
    assert_true(energy >= 0);
    CLOSE(energy / exp(5), Energy(&cloud, 5), 1e-14);
    OK(AttentionDestroy(&attention));
    OK(TokensDestroy(&tokens));
    CloudDestroy(&cloud);
  }
}

static void Reuse(void **state) {
  (void)state;
  SetKeys("l2", 1, 1);
  SetEngine("moments", NULL);
  CheckReuse("l2", 1, 1e-11, 1e-12);
}

/* A token without weight that only sees tokens beyond the reach of the error: its Z = e^{-400} cannot come from
 * moments.
 */
static void OutOfReach(void **state) {
  Cloud cloud = CloudCreate(40, 3, UNIFORM, PETSC_FALSE);
  Tokens tokens;
  Attention attention;
  Vec drift;
  (void)state;

  for (PetscInt i = 0; i < cloud.N; i++) {
    for (PetscInt c = 0; c < 3; c++) cloud.x[3 * i + c] = (c == 2) * (i == 7 ? -1 : 1) + 1e-2 * cloud.x[3 * i + c];
    cloud.w[i] = i == 7 ? 0 : 1. / 39;
  }
  Normalize(&cloud);
  tokens = Place(PETSC_COMM_WORLD, &cloud);
  SetKeys("softmax", 200, 1);
  SetEngine("moments", NULL);
  OK(TokensCreateVec(tokens, &drift));
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEvaluate(attention, tokens, drift));
  CLOSE(Difference(&cloud, tokens, drift, "softmax", 200, 1, 0, NULL, 40), 0, 1e-12);
  OK(AttentionDestroy(&attention));
  OK(VecDestroy(&drift));
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

static void Choice(void **state) {
  static const struct {
    PetscInt64 N;
    PetscInt d;
    double beta;
    PetscBool moments;
  } cases[] = {{64, 3, 1, PETSC_FALSE},       {100000, 3, 1, PETSC_TRUE},
               {100000, 2, 100, PETSC_TRUE},  {2000, 6, 50, PETSC_FALSE}, /* beyond 20000 harmonics */
               {8192, 64, 1, PETSC_FALSE},    {4096, 300, 1e-6, PETSC_TRUE},
               {4096, 301, 1e-6, PETSC_FALSE}}; /* beyond harmonics */
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    Tokens tokens;
    Attention a;

    OK(TokensCreate(PETSC_COMM_WORLD, cases[i].N, cases[i].d, &tokens));
    SetKeys("softmax", cases[i].beta, 1);
    SetEngine("auto", NULL);
    OK(AttentionFromKeys(tokens, &a));
    assert_int_equal(a->engine == &AttentionMoments, cases[i].moments);
    OK(AttentionDestroy(&a));
    OK(TokensDestroy(&tokens));
  }
}

static void Refusals(void **state) {
  Tokens tokens;
  Attention attention;
  (void)state;

  OK(TokensCreate(PETSC_COMM_WORLD, 100, 6, &tokens));
  SetKeys("softmax", 50, 1);
  SetEngine("moments", NULL);
  REFUSED(AttentionFromKeys(tokens, &attention), "attention_engine = moments: attention_beta = 50");
  SetKey("attention_tol", "0.1"); /* the remedy that the line names */
  SetKey("attention_beta", "2");
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionDestroy(&attention));
  SetKey("attention_tol", NULL);
  OK(TokensDestroy(&tokens));
  OK(TokensCreate(PETSC_COMM_WORLD, 64, 440, &tokens));
  SetKey("attention_beta", "1e-6");
  REFUSED(AttentionFromKeys(tokens, &attention),
          "attention_engine = moments: must be auto or direct with tokens_dim = 440");
  SetKey("attention_engine", "fast");
  REFUSED(AttentionFromKeys(tokens, &attention), "attention_engine = fast");
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(BeyondExp),   cmocka_unit_test(Sums),           cmocka_unit_test(SumsByGrid),
    cmocka_unit_test(Tolerances),  cmocka_unit_test(Fields),         cmocka_unit_test(LargestDimension),
    cmocka_unit_test(EnergyAlone), cmocka_unit_test(NearlyTogether), cmocka_unit_test(Reuse),
    cmocka_unit_test(OutOfReach),  cmocka_unit_test(Choice),         cmocka_unit_test(Refusals),
};
TEST_MAIN(tests)
