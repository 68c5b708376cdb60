/* Twins as tokens of weight 0, the gradient of the energy against pairs of tokens, and the two caps. */
#include <math.h>
#include <stdlib.h>

#include "study/sync.h"
#include "test.h"

enum { MOST = 700, DIM = 4 };

/* Rows of all tokens on every rank. */
static void Rows(Tokens tokens, double rows[][DIM]) {
  TokensLayout layout;
  PetscInt64 first, n;
  double *mine;

  OK(TokensGetLayout(tokens, &layout));
  OK(PetscCalloc1(layout.count * DIM, &mine));
  OK(TokensGetRows(tokens, &first, &n, (double *)rows));
  for (PetscInt64 i = 0; i < n * DIM; i++) mine[first * DIM + i] = ((double *)rows)[i];
  assert_int_equal(MPI_Allreduce(mine, rows, (int)layout.count * DIM, MPI_DOUBLE, MPI_SUM, layout.comm), 0);
  OK(PetscFree(mine));
}

static Tokens Cloud(PetscInt64 count) {
  Tokens tokens = NULL;
  Start start = NULL;
  OK(TokensCreate(PETSC_COMM_WORLD, count, DIM, &tokens));
  OK(StartCreate(tokens, &start));
  OK(TokensStart(tokens, start, 3));
  OK(StartDestroy(&start));
  return tokens;
}

/* Number of twins per case; N = 330 makes several blocks. */
static void Pairs(void **state) {
  static const PetscInt64 twins[] = {0, 1, 77, 330};
  static double x[MOST][DIM], y[MOST][DIM];
  const double distance = 1e-5;
  (void)state;

  Tokens tokens = Cloud(330);
  Rows(tokens, x);
  for (size_t k = 0; k < sizeof(twins) / sizeof(twins[0]); k++) {
    const PetscInt64 n = twins[k];
    Twins pairs = NULL;
    Tokens set = NULL;
    PetscBool valid = PETSC_FALSE;
    PetscReal energy[2], *growth = NULL;
    Attention attention = NULL;

    OK(TwinsCreate(tokens, n, distance, &pairs));
    OK(TwinsStart(pairs, tokens, 3));
    OK(TwinsGetTokens(pairs, &set));
    OK(TokensIsValid(set, &valid));
    assert_true(valid);
    Rows(set, y);
    for (PetscInt64 i = 0; i < 330; i++) {
      const PetscInt64 at = i < n ? 2 * i : i + n;
      assert_memory_equal(x[i], y[at], sizeof(x[i]));
      if (i >= n) continue;
      double square = 0;
      for (int c = 0; c < DIM; c++) square += (y[at + 1][c] - x[i][c]) * (y[at + 1][c] - x[i][c]);
      CLOSE(sqrt(square), distance, 1e-9 * distance + 1e-15);
    }
    /* the same measure: the same energy */
    OK(AttentionCreate(tokens, &attention));
    OK(AttentionEnergy(attention, tokens, &energy[0]));
    OK(AttentionDestroy(&attention));
    OK(AttentionCreate(set, &attention));
    OK(AttentionEnergy(attention, set, &energy[1]));
    OK(AttentionDestroy(&attention));
    CLOSE(energy[1], energy[0], 1e-13);
    /* without a step nothing grows */
    OK(TwinsRenormalize(pairs));
    OK(TwinsGetGrowth(pairs, &growth));
    CLOSE(*growth, 0, 1e-9);
    OK(TwinsDestroy(&pairs));
    assert_null(pairs);
  }
  OK(TokensDestroy(&tokens));
}

/* gradient_i = -beta sum_j w_j e^{beta u_ij} x_j, whatever the engine and type; and dE/dt along a drift by differences.
 */
static void Gradient(void **state) {
  static const char *const types[] = {"softmax", "usa", "sinkhorn", "softmax"};
  static const char *const engines[] = {"direct", "direct", "auto", "moments"};
  static double x[MOST][DIM], g[MOST][DIM];
  const int N = 300;
  const double beta = 1.5, h = 1e-5;
  (void)state;

  SetKey("tokens_init", "vmf");
  SetKey("tokens_kappa", "2");
  SetKey("attention_beta", "1.5");
  SetKey("attention_value", "-1");
  for (int k = 0; k < 4; k++) {
    SetKey("attention_type", types[k]);
    SetKey("attention_engine", engines[k]);
    Tokens tokens = Cloud(N), moved = NULL;
    Attention attention = NULL;
    Vec drift, gradient, positions;
    PetscReal push, energy[2];

    OK(AttentionCreate(tokens, &attention));
    OK(TokensCreateVec(tokens, &drift));
    OK(TokensCreateVec(tokens, &gradient));
    OK(SyncPush(attention, tokens, drift, gradient, &push));
    Rows(tokens, x);
    OK(TokensDuplicate(tokens, &moved));
    OK(TokensGetVec(moved, &positions));
    OK(VecCopy(gradient, positions));
    Rows(moved, g);
    for (int i = 0; i < N; i++) {
      double sum[DIM] = {0};
      for (int j = 0; j < N; j++) {
        double u = 0;
        for (int c = 0; c < DIM; c++) u += x[i][c] * x[j][c];
        for (int c = 0; c < DIM; c++) sum[c] -= beta / N * exp(beta * u) * x[j][c];
      }
      for (int c = 0; c < DIM; c++) CLOSE(g[i][c], sum[c], 1e-10);
    }
    for (int side = 0; side < 2; side++) { /* drift is the projected one */
      OK(TokensCopy(tokens, moved));
      OK(TokensMove(moved, side ? h : -h, drift));
      OK(AttentionEnergy(attention, moved, &energy[side]));
    }
    CLOSE(push, (energy[1] - energy[0]) / (2 * h), 1e-8);
    assert_true(push > 0.01); /* v = -1 drives tokens apart */
    OK(VecDestroy(&gradient));
    OK(VecDestroy(&drift));
    OK(AttentionDestroy(&attention));
    OK(TokensDestroy(&moved));
    OK(TokensDestroy(&tokens));
  }
  SetKey("tokens_init", NULL);
  SetKey("tokens_kappa", NULL);
  SetKey("attention_beta", NULL);
  SetKey("attention_value", NULL);
  SetKey("attention_type", NULL);
  SetKey("attention_engine", NULL);
}

/* 300 tokens: 180 at e, 90 at -e, 30 elsewhere. */
static void Split(void **state) {
  const double e[DIM] = {0.5, -0.5, 0.1, 0.7}, norm = sqrt(0.25 + 0.25 + 0.01 + 0.49);
  Tokens tokens = Cloud(300);
  TokensLayout layout;
  PetscReal caps[SYNC_CAPS];
  double *x;
  Vec v;
  (void)state;

  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &v));
  OK(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const PetscInt i = (layout.first + b) * layout.block + t;
      for (int c = 0; c < DIM; c++)
        x[(b * DIM + c) * layout.block + t] = i < 30 ? c == 2 : i % 3 == 1 ? -e[c] / norm : e[c] / norm;
    }
  OK(VecRestoreArray(v, &x));
  OK(SyncSplit(tokens, caps));
  CLOSE(caps[SYNC_CAP_LARGE], 180 / 300.0, 1e-12);
  CLOSE(caps[SYNC_CAP_SMALL], 90 / 300.0, 1e-12);
  CLOSE(caps[SYNC_CAP_NONE], 30 / 300.0, 1e-12);
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(Pairs),
    cmocka_unit_test(Gradient),
    cmocka_unit_test(Split),
};
TEST_MAIN(tests)
