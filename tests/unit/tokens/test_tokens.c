/* Tokens: layout, moves, weights, equality and checksum, on any number of ranks. */
#include <math.h>
#include <stdlib.h>

#include <chorale/tokens.h>

#include "expect.h"

static const PetscInt64 counts[] = {1, 7, 8, 9, 64, 255, 256, 257, 1000, 2049};

/* A number in (-1,1) for (token, component, kind), equal for any layout; owes nothing to the code under test. */
static double Number(PetscInt64 i, PetscInt c, int kind) {
  uint64_t h =
      (uint64_t)(i * 4099 + c) * UINT64_C(6364136223846793005) + (uint64_t)kind * UINT64_C(1442695040888963407);

  for (int k = 0; k < 3; k++) h = (h ^ (h >> 29)) * UINT64_C(0xff51afd7ed558ccd);
  return (double)(h >> 11) * 0x1p-52 - 1 + 0x1p-54;
}

/* Writes Number(i, c, kind) * scale at the tokens of v; padding gets junk, which must not matter. */
static void FillVec(Tokens tokens, Vec v, int kind, double scale) {
  TokensLayout layout;
  double *x;

  OK(TokensGetLayout(tokens, &layout));
  OK(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt c = 0; c < layout.dim; c++)
      for (PetscInt t = 0; t < layout.block; t++)
        x[(b * layout.dim + c) * layout.block + t] =
            t < TokensFilled(&layout, b) ? scale * Number((PetscInt64)(layout.first + b) * layout.block + t, c, kind)
                                         : NAN;
  OK(VecRestoreArray(v, &x));
}

/* Tokens at directions of Number, with weights of Number. */
static void MakeTokens(MPI_Comm comm, PetscInt64 count, PetscInt dim, Tokens *tokens) {
  TokensLayout layout;
  Vec x;
  double *weights;

  OK(TokensCreate(comm, count, dim, tokens));
  OK(TokensGetLayout(*tokens, &layout));
  OK(TokensGetVec(*tokens, &x));
  FillVec(*tokens, x, 1, 1.0);
  OK(TokensMove(*tokens, 0, NULL));
  OK(PetscMalloc1(layout.owned * layout.block, &weights));
  for (PetscInt i = 0; i < layout.owned * layout.block; i++)
    weights[i] = 3.7 * (1 + Number((PetscInt64)layout.first * layout.block + i, 0, 2));
  OK(TokensSetWeights(*tokens, weights));
  OK(PetscFree(weights));
}

static void Agree(int *worst) {
  OK(MPI_Allreduce(MPI_IN_PLACE, worst, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD));
}

static void blocks_are_owned_once(void **unused) {
  (void)unused;
  for (PetscInt blocks = 1; blocks < 40; blocks++) {
    for (PetscInt shards = 1; shards < 12; shards++) {
      PetscInt least = blocks, most = 0;

      assert_int_equal(TokensFirstBlock(blocks, 0, shards), 0);
      assert_int_equal(TokensFirstBlock(blocks, shards, shards), blocks);
      for (PetscInt s = 0; s < shards; s++) {
        const PetscInt owned = TokensFirstBlock(blocks, s + 1, shards) - TokensFirstBlock(blocks, s, shards);

        least = PetscMin(least, owned);
        most = PetscMax(most, owned);
      }
      assert_true(least >= 0 && most - least <= 1);
    }
  }
}

static void layout_covers_all_tokens(void **unused) {
  (void)unused;
  for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
    const PetscInt64 N = counts[k];
    Tokens tokens;
    TokensLayout layout;
    Vec x;
    PetscInt local, global;
    const double *weights;
    PetscBool valid;
    PetscInt64 owned[2] = {0, 0};

    OK(TokensCreate(PETSC_COMM_WORLD, N, 5, &tokens));
    OK(TokensGetLayout(tokens, &layout));
    assert_int_equal(layout.block, N >= 256 ? 256 : (N + 7) / 8 * 8);
    assert_int_equal(layout.blocks, N >= 256 ? (N + 255) / 256 : 1);
    owned[0] = layout.owned;
    for (PetscInt b = 0; b < layout.owned; b++) owned[1] += TokensFilled(&layout, b);
    OK(MPI_Allreduce(MPI_IN_PLACE, owned, 2, MPIU_INT64, MPI_SUM, PETSC_COMM_WORLD));
    assert_int_equal(owned[0], layout.blocks);
    assert_int_equal(owned[1], N);
    OK(TokensGetVec(tokens, &x));
    OK(VecGetSize(x, &global));
    OK(VecGetLocalSize(x, &local));
    assert_int_equal(global, layout.blocks * layout.block * 5);
    int wrong = local != layout.owned * layout.block * 5;
    OK(TokensGetWeights(tokens, &weights));
    for (PetscInt b = 0; b < layout.owned; b++)
      for (PetscInt t = 0; t < layout.block; t++)
        wrong |= weights[b * layout.block + t] != (t < TokensFilled(&layout, b) ? 1.0 / (double)N : 0);
    Agree(&wrong);
    assert_int_equal(wrong, 0);
    OK(TokensIsValid(tokens, &valid));
    assert_true(valid);
    OK(TokensView(tokens));
    OK(TokensDestroy(&tokens));
  }
}

/* x <- LN(x + scale g) in long double, one token at a time. Returns the largest error in units of 2^-53, and the
 * largest | |x| - 1 |. */
static void CompareMove(PetscInt64 N, PetscInt dim, double scale, double *error, double *norm_error) {
  Tokens tokens, before;
  TokensLayout layout;
  Vec g, vx, vy;
  const double *x, *y, *increment;

  MakeTokens(PETSC_COMM_WORLD, N, dim, &tokens);
  OK(TokensDuplicate(tokens, &before));
  OK(TokensCreateVec(tokens, &g));
  FillVec(tokens, g, 3, 1.0);
  OK(TokensMove(tokens, scale, g));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(before, &vx));
  OK(TokensGetVec(tokens, &vy));
  OK(VecGetArrayRead(vx, &x));
  OK(VecGetArrayRead(vy, &y));
  OK(VecGetArrayRead(g, &increment));
  *error = *norm_error = 0;
  for (PetscInt b = 0; b < layout.owned; b++) {
    for (PetscInt t = 0; t < layout.block; t++) {
      long double norm = 0, moved = 0;

      for (PetscInt c = 0; c < dim; c++) {
        const PetscInt at = (b * dim + c) * layout.block + t;
        const long double v = (long double)x[at] + (long double)scale * increment[at];
        norm += v * v;
        moved += (long double)y[at] * y[at];
      }
      *norm_error = fmax(*norm_error, (double)fabsl(sqrtl(moved) - 1));
      for (PetscInt c = 0; c < dim; c++) {
        const PetscInt at = (b * dim + c) * layout.block + t;
        const long double expected = t < TokensFilled(&layout, b)
                                         ? ((long double)x[at] + (long double)scale * increment[at]) / sqrtl(norm)
                                         : c == 0;
        *error = fmax(*error, (double)fabsl(y[at] - expected) * 0x1p53);
        if (t >= TokensFilled(&layout, b) && y[at] != (c == 0)) *error = INFINITY;
      }
    }
  }
  OK(VecRestoreArrayRead(vx, &x));
  OK(VecRestoreArrayRead(vy, &y));
  OK(VecRestoreArrayRead(g, &increment));
  OK(MPI_Allreduce(MPI_IN_PLACE, error, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  OK(MPI_Allreduce(MPI_IN_PLACE, norm_error, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  OK(VecDestroy(&g));
  OK(TokensDestroy(&before));
  OK(TokensDestroy(&tokens));
}

static void move_equals_the_scalar_reference(void **unused) {
  (void)unused;
  static const struct {
    PetscInt64 count;
    PetscInt dim;
    double scale;
  } cases[] = {{1, 2, 0.3}, {64, 3, -0.1}, {1000, 2, 1.0}, {1000, 7, 0.5}, {520, 65, 0.01}, {300, 1024, 0.2}};

  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
    double error, norm_error;

    CompareMove(cases[k].count, cases[k].dim, cases[k].scale, &error, &norm_error);
    CLOSE(error, 0, 4);
    CLOSE(norm_error, 0, 1e-15);
  }
}

/* Writes one component of token i on the rank that owns it. */
static void Poke(Tokens tokens, PetscInt64 i, PetscInt c, double value) {
  TokensLayout layout;
  Vec v;
  double *x;

  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &v));
  const PetscInt64 b = i / layout.block - layout.first;
  OK(VecGetArray(v, &x));
  if (b >= 0 && b < layout.owned) x[(b * layout.dim + c) * layout.block + i % layout.block] = value;
  OK(VecRestoreArray(v, &x));
}

static void move_takes_any_norm(void **unused) {
  (void)unused;
  for (int e = -320; e <= 300; e += 20) {
    Tokens tokens;
    PetscBool valid;

    MakeTokens(PETSC_COMM_WORLD, 600, 3, &tokens);
    for (PetscInt c = 0; c < 3; c++) Poke(tokens, 599, c, (c + 1) * pow(10, e));
    OK(TokensMove(tokens, 0, NULL));
    OK(TokensIsValid(tokens, &valid));
    assert_true(valid);
    OK(TokensDestroy(&tokens));
  }
}

/* The rank that owns a lost token fails, the others do not wait for it. */
static void move_fails_without_a_direction(void **unused) {
  (void)unused;
  static const double lost[][2] = {{0, 0}, {NAN, 1}, {1, INFINITY}, {-INFINITY, 0}};

  for (size_t k = 0; k < sizeof(lost) / sizeof(lost[0]); k++) {
    Tokens tokens;
    int code;

    MakeTokens(PETSC_COMM_WORLD, 700, 2, &tokens);
    for (PetscInt c = 0; c < 2; c++) Poke(tokens, 513, c, lost[k][c]);
    OK(PetscPushErrorHandler(ExpectHandler, NULL));
    expect_message[0] = 0;
    code = (int)TokensMove(tokens, 0, NULL);
    OK(PetscPopErrorHandler());
    int silent = code != 0 && !strstr(expect_message, "token 513 ");
    Agree(&code);
    Agree(&silent);
    assert_int_equal(code, PETSC_ERR_FP);
    assert_int_equal(silent, 0);
    OK(TokensDestroy(&tokens));
  }
}

static void validity_sees_every_flaw(void **unused) {
  (void)unused;
  for (int flaw = 0; flaw < 5; flaw++) {
    Tokens tokens;
    PetscBool valid;
    const double *weights;
    TokensLayout layout;

    MakeTokens(PETSC_COMM_WORLD, 700, 3, &tokens);
    OK(TokensIsValid(tokens, &valid));
    assert_true(valid);
    OK(TokensGetLayout(tokens, &layout));
    OK(TokensGetWeights(tokens, &weights));
    if (flaw == 0) Poke(tokens, 699, 1, 0.9999999);
    if (flaw == 1) Poke(tokens, 300, 0, NAN);
    if (flaw == 2) Poke(tokens, 700, 1, 1e-300); /* padding */
    if (flaw == 3 && layout.first + layout.owned == layout.blocks && layout.owned)
      ((double *)weights)[layout.owned * layout.block - 1] = 1e-300; /* weight of padding */
    if (flaw == 4 && layout.first == 0 && layout.owned) ((double *)weights)[0] += 1e-11;
    OK(TokensIsValid(tokens, &valid));
    assert_false(valid);
    OK(TokensDestroy(&tokens));
  }
}

static void FlipBit(double *value, int bit) {
  uint64_t bits;

  memcpy(&bits, value, 8);
  bits ^= UINT64_C(1) << bit;
  memcpy(value, &bits, 8);
}

static void equality_and_checksum_see_every_bit(void **unused) {
  (void)unused;
  enum { N = 700, DIM = 5 };
  static const PetscInt64 places[][2] = {{0, 0}, {699, 4}, {255, 2}, {256, 0}, {511, DIM}, {0, DIM}}; /* DIM: weight */
  Tokens a, b;
  TokensLayout layout;
  Vec v;
  const double *weights;
  double *x;
  uint64_t original, changed, seen[6 * 64];
  PetscBool equal;

  MakeTokens(PETSC_COMM_WORLD, N, DIM, &a);
  OK(TokensDuplicate(a, &b));
  OK(TokensGetLayout(b, &layout));
  OK(TokensGetVec(b, &v));
  OK(TokensGetWeights(b, &weights));
  OK(TokensChecksum(a, &original));
  for (int k = 0; k < 6 * 64; k++) {
    const PetscInt64 i = places[k / 64][0], c = places[k / 64][1], block = i / layout.block - layout.first;
    double *place = NULL;

    OK(VecGetArray(v, &x));
    if (block >= 0 && block < layout.owned)
      place = c == DIM ? (double *)weights + block * layout.block + i % layout.block
                       : x + (block * DIM + c) * layout.block + i % layout.block;
    if (place) FlipBit(place, k % 64);
    OK(TokensIsEqual(a, b, &equal));
    OK(TokensChecksum(b, &changed));
    if (place) FlipBit(place, k % 64);
    OK(VecRestoreArray(v, &x));
    assert_false(equal);
    assert_true(changed != original);
    for (int j = 0; j < k; j++) assert_true(changed != seen[j]);
    seen[k] = changed;
  }
  OK(TokensIsEqual(a, b, &equal));
  OK(TokensChecksum(b, &changed));
  assert_true(equal && changed == original);
  OK(TokensDestroy(&b));
  OK(TokensCreate(PETSC_COMM_WORLD, N, DIM + 1, &b));
  OK(TokensIsEqual(a, b, &equal));
  assert_false(equal);
  OK(TokensDestroy(&a));
  OK(TokensDestroy(&b));
}

/* Moves, normalised weights and checksum give the bits of a single rank. */
static void results_do_not_depend_on_ranks(void **unused) {
  (void)unused;
  for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
    MPI_Comm comms[2] = {PETSC_COMM_WORLD, PETSC_COMM_SELF};
    uint64_t sums[2];

    for (int i = 0; i < 2; i++) {
      Tokens tokens;
      Vec g;

      MakeTokens(comms[i], counts[k], 5, &tokens);
      OK(TokensCreateVec(tokens, &g));
      FillVec(tokens, g, 4, 1.0);
      for (int step = 0; step < 3; step++) OK(TokensMove(tokens, 0.1, g));
      OK(TokensChecksum(tokens, &sums[i]));
      OK(VecDestroy(&g));
      OK(TokensDestroy(&tokens));
    }
    int wrong = sums[0] != sums[1];
    Agree(&wrong);
    assert_int_equal(wrong, 0);
  }
}

/* Against long double, with weights over many orders of magnitude. A block's 256 weights are added in double: 255
 * roundings, one more for the division, and far less for the fixed point. */
static void weights_are_normalised(void **unused) {
  (void)unused;
  enum { N = 3000 };
  Tokens tokens;
  TokensLayout layout;
  double *weights;
  const double *result;
  long double sum = 0;
  int wrong = 0;
  PetscBool valid;

  OK(TokensCreate(PETSC_COMM_WORLD, N, 2, &tokens));
  OK(TokensGetLayout(tokens, &layout));
  OK(PetscMalloc1(layout.owned * layout.block, &weights));
  for (PetscInt64 i = 0; i < N; i++) sum += exp(40 * Number(i, 0, 5));
  for (PetscInt i = 0; i < layout.owned * layout.block; i++)
    weights[i] = exp(40 * Number((PetscInt64)layout.first * layout.block + i, 0, 5));
  OK(TokensSetWeights(tokens, weights));
  OK(TokensGetWeights(tokens, &result));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < layout.block; t++) {
      const double expected = t < TokensFilled(&layout, b) ? (double)(weights[b * layout.block + t] / sum) : 0;
      wrong |= !(fabs(result[b * layout.block + t] - expected) <= 257 * 0x1p-53 * expected);
    }
  Agree(&wrong);
  assert_int_equal(wrong, 0);
  OK(TokensIsValid(tokens, &valid));
  assert_true(valid);
  for (PetscInt i = 0; i < layout.owned * layout.block; i++) weights[i] = 0;
  FAILS(TokensSetWeights(tokens, weights), PETSC_ERR_ARG_OUTOFRANGE, "zero");
  OK(PetscFree(weights));
  OK(TokensDestroy(&tokens));
}

static void rows_are_the_tokens(void **unused) {
  (void)unused;
  for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
    Tokens tokens;
    TokensLayout layout;
    Vec v;
    PetscInt64 first, n, total;
    double *rows;
    const double *x;

    MakeTokens(PETSC_COMM_WORLD, counts[k], 3, &tokens);
    OK(TokensGetLayout(tokens, &layout));
    OK(PetscMalloc1(3 * layout.owned * layout.block, &rows));
    OK(TokensGetRows(tokens, &first, &n, rows));
    OK(MPI_Allreduce(&n, &total, 1, MPIU_INT64, MPI_SUM, PETSC_COMM_WORLD));
    assert_int_equal(total, counts[k]);
    OK(TokensGetVec(tokens, &v));
    OK(VecGetArrayRead(v, &x));
    int wrong = n > 0 && first != (PetscInt64)layout.first * layout.block;
    for (PetscInt64 i = 0; i < n; i++)
      for (PetscInt c = 0; c < 3; c++)
        wrong |= rows[3 * i + c] != x[(i / layout.block * 3 + c) * layout.block + i % layout.block];
    OK(VecRestoreArrayRead(v, &x));
    Agree(&wrong);
    assert_int_equal(wrong, 0);
    OK(PetscFree(rows));
    OK(TokensDestroy(&tokens));
  }
}

/* Of positions and of weights, whoever has them. */
static void some_tokens_are_the_evenly_chosen(void **unused) {
  (void)unused;
  const double *x, *weights;
  double *rows, *all, chosen[3 * 64], chosen_weights[64];
  TokensLayout layout;
  PetscMPIInt rank;
  Tokens tokens;
  Vec v, w;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
    const PetscInt64 N = counts[k], m = PetscMin(N, 64);
    int wrong = 0;

    MakeTokens(PETSC_COMM_WORLD, N, 3, &tokens);
    OK(TokensGetLayout(tokens, &layout));
    OK(TokensGetWeights(tokens, &weights));
    OK(TokensGetVec(tokens, &v));
    OK(TokensCreateVec(tokens, &w));
    OK(VecGetArray(w, &all));
    for (PetscInt i = 0; i < 3 * layout.owned * layout.block; i++)
      all[i] = weights[i / (3 * layout.block) * layout.block + i % layout.block];
    OK(VecRestoreArray(w, &all));
    OK(VecGetArrayRead(v, &x));
    OK(TokensGatherSome(tokens, m, 3, x, chosen));
    OK(TokensGatherSome(tokens, m, 1, weights, chosen_weights));
    OK(VecRestoreArrayRead(v, &x));
    OK(PetscMalloc1(3 * N, &rows));
    OK(TokensGather(tokens, v, rows));
    for (PetscInt64 i = 0; i < 3 * m && !rank; i++) wrong |= chosen[i] != rows[i / 3 * N / m * 3 + i % 3];
    OK(TokensGather(tokens, w, rows));
    for (PetscInt64 i = 0; i < m && !rank; i++) wrong |= chosen_weights[i] != rows[i * N / m * 3];
    Agree(&wrong);
    assert_int_equal(wrong, 0);
    OK(PetscFree(rows));
    OK(VecDestroy(&w));
    OK(TokensDestroy(&tokens));
  }
}

static void too_many_tokens_are_refused(void **unused) {
  (void)unused;
  Tokens tokens;

  if (sizeof(PetscInt) > 4) skip();
  REFUSED(TokensCreate(PETSC_COMM_WORLD, (PetscInt64)1 << 30, 2, &tokens), "tokens_count = 1073741824: ");
  REFUSED(TokensCreate(PETSC_COMM_WORLD, 10000000000, 3, &tokens), "Debian's libpetsc64-real-dev");
  REFUSED(TokensCreate(PETSC_COMM_WORLD, 2097152, 1024, &tokens), "tokens_dim = 1024");
  FAILS(TokensCreate(PETSC_COMM_WORLD, 0, 3, &tokens), PETSC_ERR_ARG_OUTOFRANGE, "count");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(blocks_are_owned_once),
    cmocka_unit_test(layout_covers_all_tokens),
    cmocka_unit_test(move_equals_the_scalar_reference),
    cmocka_unit_test(move_takes_any_norm),
    cmocka_unit_test(move_fails_without_a_direction),
    cmocka_unit_test(validity_sees_every_flaw),
    cmocka_unit_test(equality_and_checksum_see_every_bit),
    cmocka_unit_test(results_do_not_depend_on_ranks),
    cmocka_unit_test(weights_are_normalised),
    cmocka_unit_test(rows_are_the_tokens),
    cmocka_unit_test(some_tokens_are_the_evenly_chosen),
    cmocka_unit_test(too_many_tokens_are_refused),
};
TEST_MAIN(tests)
