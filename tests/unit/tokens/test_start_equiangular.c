/* Equiangular starts: in every orientation alike, exact in each, and the same for any number of ranks. */
#include "keys.h"
#include "test.h"

#include <math.h>

static Tokens Create(MPI_Comm comm, PetscInt64 N, PetscInt d, double cosine, Start *start) {
  Tokens tokens;

  SetKey("tokens_init", "equiangular");
  SetReal("tokens_cosine", cosine);
  OK(TokensCreate(comm, N, d, &tokens));
  OK(StartFromKeys(tokens, start));
  return tokens;
}

static void Exact(void **state) {
  enum { N = 300, D = 301 };
  const double cosine = -1.0 / (N - 1) + 1e-6;
  double *x = malloc(sizeof(*x) * N * D), worst = 0;
  Start start, start_alone;
  Tokens tokens = Create(PETSC_COMM_WORLD, N, D, cosine, &start);
  Tokens alone = Create(PETSC_COMM_SELF, N, D, cosine, &start_alone);
  double *y = malloc(sizeof(*y) * N * D);
  Vec v, w;
  (void)state;

  OK(TokensStart(tokens, start, 2));
  OK(TokensStart(alone, start_alone, 2));
  OK(TokensGetVec(tokens, &v));
  OK(TokensGetVec(alone, &w));
  OK(TokensGather(tokens, v, x));
  OK(TokensGather(alone, w, y));
  assert_true(!memcmp(x, y, sizeof(*x) * N * D));
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt j = 0; j <= i; j++) {
      double u = 0;
      for (PetscInt c = 0; c < D; c++) u += x[i * D + c] * x[j * D + c];
      worst = fmax(worst, fabs(u - (i == j ? 1 : cosine)));
    }
  CLOSE(worst, 0, 1e-13);
  OK(StartDestroy(&start));
  OK(StartDestroy(&start_alone));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&alone));
  free(x);
  free(y);
}

/* Means of x and of x x^T - I/d over many orientations, at 4 standard errors, 1% for the latter. */
static void Isotropic(void **state) {
  enum { N = 3, D = 3, R = 20000 };
  double first[N][D] = {{0}}, second[N][D][D] = {{{0}}}, x[N * D];
  Start start;
  Tokens tokens = Create(PETSC_COMM_SELF, N, D, 0.2, &start);
  Vec v;
  (void)state;

  OK(TokensGetVec(tokens, &v));
  for (PetscInt r = 0; r < R; r++) {
    OK(TokensStart(tokens, start, r));
    OK(TokensGather(tokens, v, x));
    for (int i = 0; i < N; i++)
      for (int a = 0; a < D; a++) {
        first[i][a] += x[i * D + a] / R;
        for (int b = 0; b < D; b++) second[i][a][b] += x[i * D + a] * x[i * D + b] / R;
      }
  }
  for (int i = 0; i < N; i++)
    for (int a = 0; a < D; a++) {
      CLOSE(first[i][a], 0, 4 * sqrt(1. / D / R));
      for (int b = 0; b < D; b++)
        CLOSE(second[i][a][b], a == b ? 1. / D : 0, 4 * sqrt(4. / 45 / R)); /* x_a^2 scatters most */
    }
  OK(StartDestroy(&start));
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(Exact), cmocka_unit_test(Isotropic)};
TEST_MAIN(tests)
