/* The flow in substeps that adapt: how far from steps without an error, and how the error follows the tolerance. */
#include "expect.h"
#include "scheme_model.h"

enum { N = 300, DIM = 3 };
static const double T = 4, BETA = 4;

/* Where all tokens are after L layers. */
static void Moved(MPI_Comm comm, const char *norm, PetscReal tol, PetscInt L, double *rows) {
  Tokens tokens = StartedTokens(comm, N, DIM, "uniform", 0);
  const SchemeOptions options = {.type = "flow", .norm = norm, .alpha = 1, .tol = tol};
  Model model;
  Vec x;

  model = MakeModel(tokens, "flow", BETA, 1, "none");
  OK(SchemeDestroy(&model.scheme));
  OK(SchemeCreate(tokens, &options, &model.scheme));
  for (PetscInt l = 0; l < L; l++) {
    OK(SchemeSetTime(model.scheme, (double)l * T / (double)L));
    OK(SchemeStep(model.scheme, model.attention, model.field, T / (double)L, tokens));
  }
  OK(TokensGetVec(tokens, &x));
  OK(TokensGather(tokens, x, rows));
  DestroyModel(&model);
  OK(TokensDestroy(&tokens));
}

/* The largest difference of two coordinates. */
static double Apart(const double *a, const double *b) {
  double apart = 0;
  for (int i = 0; i < N * DIM; i++) apart = PetscMax(apart, fabs(a[i] - b[i]));
  return apart;
}

static const char *const norms[] = {"post", "pre", "ngpt", "depth"};
enum { NORMS = sizeof(norms) / sizeof(norms[0]) };

/* After many steps: each norm on one rank, all ranks at once. */
static void Exact(double rows[NORMS][N * DIM]) {
  int rank, size;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  memset(rows, 0, sizeof(rows[0]) * NORMS);
  for (int i = rank; i < NORMS; i += size) Moved(PETSC_COMM_SELF, norms[i], 0, 400, rows[i]);
  OK(MPI_Allreduce(MPI_IN_PLACE, rows, NORMS * N * DIM, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
}

/* Two layers, each longer than a step could be. */
static void TheErrorFollowsTheTolerance(void **state) {
  double exact[NORMS][N * DIM], coarse[N * DIM], fine[N * DIM];
  (void)state;

  Exact(exact);
  for (int i = 0; i < NORMS; i++) {
    Moved(PETSC_COMM_WORLD, norms[i], 1e-4, 2, coarse);
    Moved(PETSC_COMM_WORLD, norms[i], 1e-8, 2, fine);
    const double loose = Apart(coarse, exact[i]), tight = Apart(fine, exact[i]);

    print_message("%s: %.2e at 1e-4, %.2e at 1e-8\n", norms[i], loose, tight);
    assert_true(tight < 1e-6 && tight > 1e-11);
    assert_true(loose < 1e-2 && loose > 30 * tight);
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(TheErrorFollowsTheTolerance)};
TEST_MAIN(tests)
