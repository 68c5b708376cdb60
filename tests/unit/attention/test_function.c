/* Att as a function on the sphere: of as many degrees as it says, and no fewer. */
#include "attention_oracle.h"
#include "keys.h"

#include "expect.h"

#include "attention/impl.h"
#include "law/sphere/tabulation.h"

/* The largest |Z (Att - exact)| across x over all tokens, with Att from its values at the points of a table of this
 * degree. */
static double Error(const Cloud *cloud, Tokens tokens, Attention a, const char *type, PetscInt degree) {
  const PetscInt d = cloud->d, block = a->layout.block;
  PetscInt blocks, B;
  const double *x;
  double *values, *out, worst = 0;
  Tabulation table;
  Vec v;

  OK(TabulationCreate(d, degree, 2e-14, &table));
  OK(TabulationGetPoints(table, &blocks, &B, &x));
  values = malloc(sizeof(double) * (size_t)(blocks * d * B));
  out = malloc(sizeof(double) * (size_t)(block * d));
  OK(AttentionEvaluateAt(a, blocks, B, x, values));
  OK(TabulationSet(table, values));
  OK(TokensGetVec(tokens, &v));
  OK(VecGetArrayRead(v, &x));
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    OK(TabulationEvaluate(table, 1, block, x + k * d * block, out));
    for (PetscInt t = 0; t < block; t++) {
      const PetscInt i = (a->layout.first + k) * block + t;
      long double exact[8] = {0}, z = 0;
      if (i >= cloud->N) continue;
      AddField(cloud, type, a->beta, a->value, NULL, i, exact);
      for (PetscInt j = 0; j < cloud->N; j++) z += cloud->w[j] * expl(a->exponent * (CloudCosine(cloud, i, j) - 1));
      if (!strcmp(type, "usa")) z = expl(-a->exponent);
      long double along = 0;
      for (PetscInt c = 0; c < d; c++) {
        exact[c] -= out[c * block + t];
        along += exact[c] * cloud->x[i * d + c];
      }
      for (PetscInt c = 0; c < d; c++) worst = fmax(worst, (double)(z * fabsl(exact[c] - along * cloud->x[i * d + c])));
    }
  }
  OK(VecRestoreArrayRead(v, &x));
  OK(TabulationDestroy(&table));
  free(values), free(out);
  OK(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  return worst;
}

/* Within attention_tol for all shapes; with three fifths of the degrees some is not. That holds of the sphere, whose
 * table knows no others than these, and where the bound is sharp. */
static void Degrees(void **state) {
  static const double betas[] = {0.05, 0.3, 1, 2, 4};
  static const char *const tols[] = {"1e-12", "1e-8"};
  (void)state;
  for (int i = 0; i < 2 * 5 * 3 * 2; i++) {
    const PetscInt d = 2 + i % 2;
    const double beta = betas[i / 2 % 5];
    const char *type = kinds[i / 10 % 3], *tol = tols[i / 30];
    double fewer = 0, largest = 0;
    PetscInt degree = 0;
    for (Shape shape = UNIFORM; shape <= ANTIPODAL; shape++) {
      Cloud cloud = CloudCreate(200, d, shape, PETSC_FALSE);
      Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
      PetscBool pieces;
      PetscReal bound;
      Attention a;

      SetKeys(type, beta, shape == CLUSTERS ? -1 : 1);
      SetKey("attention_engine", "moments");
      SetKey("attention_tol", tol);
      OK(AttentionFromKeys(tokens, &a));
      OK(AttentionGetDegree(a, &degree, &bound));
      assert_true(bound == strtod(tol, NULL));
      OK(AttentionPrepare(a, tokens, &pieces));
      assert_int_equal(pieces, !strcmp(type, "usa") || exp(-2 * a->exponent) >= 2 * a->small);
      largest = fmax(largest, Error(&cloud, tokens, a, type, degree));
      fewer = fmax(fewer, Error(&cloud, tokens, a, type, degree * 3 / 5));
      OK(AttentionDestroy(&a));
      OK(TokensDestroy(&tokens));
      CloudDestroy(&cloud);
    }
    print_message("d = %d, %s, beta = %g, tol = %s: degree %d, %.2g of %s; %.2g with fewer\n", (int)d, type, beta, tol,
                  (int)degree, largest, tol, fewer);
    CLOSE(largest, 0, 3 * strtod(tol, NULL)); /* the kernel's in the numerator and in Z, and that of the degree */
    if (d == 3 && (!strcmp(type, "usa") || (i < 30 && beta <= 0.3))) assert_true(fewer > strtod(tol, NULL));
  }
  SetKey("attention_engine", NULL);
  SetKey("attention_tol", NULL);
}

/* What is no sum of harmonics, and what is nothing. */
static void Others(void **state) {
  static const char *const cases[][3] = {{"softmax", "direct", "none"},
                                         {"softmax", "moments", "causal"},
                                         {"sinkhorn", "moments", "none"},
                                         {"none", "direct", "none"}};
  Cloud cloud = CloudCreate(200, 3, UNIFORM, PETSC_FALSE);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud);
  (void)state;
  for (int i = 0; i < 4; i++) {
    PetscInt degree;
    PetscReal tol;
    Attention a;
    SetKeys(cases[i][0], 1, 1);
    SetKey("attention_engine", cases[i][1]);
    SetKey("attention_mask", cases[i][2]);
    OK(AttentionFromKeys(tokens, &a));
    OK(AttentionGetDegree(a, &degree, &tol));
    assert_true(degree == (i < 3 ? ATTENTION_DEGREE_NONE : -1));
    OK(AttentionDestroy(&a));
  }
  SetKey("attention_engine", NULL);
  SetKey("attention_mask", NULL);
  OK(TokensDestroy(&tokens));
  CloudDestroy(&cloud);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(Degrees), cmocka_unit_test(Others)};
TEST_MAIN(tests)
