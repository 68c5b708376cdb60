/* W2^2 on the circle with chordal cost: a closed form, exact auction, weights as copies, bounds of many tokens that
 * hold what is known to be true, and the same bits on one rank and on all. */
#include <math.h>
#include <stdlib.h>

#include <chorale/distance.h>
#include <chorale/rng.h>

#include "test.h"

/* weights NULL: all alike. */
static Tokens Place(MPI_Comm comm, PetscInt N, const double *angles, const double *weights) {
  TokensLayout layout;
  double *x, *local;
  Tokens tokens;
  Vec positions;

  OK(TokensCreate(comm, N, 2, &tokens));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &positions));
  OK(PetscCalloc1(layout.owned * layout.block, &local));
  OK(VecGetArray(positions, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const PetscInt i = (layout.first + b) * layout.block + t;
      x[2 * b * layout.block + t] = cos(angles[i]);
      x[(2 * b + 1) * layout.block + t] = sin(angles[i]);
      local[b * layout.block + t] = weights ? weights[i] : 1;
    }
  OK(VecRestoreArray(positions, &x));
  OK(TokensSetWeights(tokens, local));
  OK(PetscFree(local));
  return tokens;
}

typedef struct {
  double low, high, plan, auction;
} Found;

static Found Measure(MPI_Comm comm, PetscInt N, const double *a, const double *u, PetscInt M, const double *b,
                     const double *v, PetscBool auction) {
  Tokens mu = Place(comm, N, a, u), nu = Place(comm, M, b, v);
  double geodesic, low;
  Found found = {0};

  OK(DistanceCircleTransport(mu, nu, &found.low, &found.high));
  OK(DistanceCircle(mu, nu, &geodesic, &found.plan));
  if (auction) OK(DistanceAuction(mu, nu, 1e-12, &low, &found.auction));
  assert_true(found.low <= found.high && found.high <= found.plan + 1e-11);
  OK(TokensDestroy(&mu));
  OK(TokensDestroy(&nu));
  return found;
}

/* N angles over an arc of this length, all within `wide`. */
static void Draw(uint32_t which, PetscInt N, double center, double wide, double *angles) {
  RngUniform((RngStream){.seed = 4, .step = which, .purpose = RNG_TEST}, 0, (size_t)N, angles);
  for (PetscInt i = 0; i < N; i++) angles[i] = center + wide * (angles[i] - 0.5);
}

/* The plan of angles squared costs 35% more (issue of version 0.5.0). */
static void two_tokens(void **unused) {
  const double a[] = {0, 1.76}, b[] = {0, 4.38};
  const Found found = Measure(PETSC_COMM_WORLD, 2, a, NULL, 2, b, NULL, PETSC_TRUE);
  (void)unused;

  CLOSE(found.high, 1.8670267214, 1e-10);
  CLOSE(found.low, found.high, 0);
  CLOSE(found.auction, found.high, 1e-14);
  CLOSE(found.plan, 2.5143790170, 1e-10);
}

/* From clusters apart, whose best plan turns the order around, to near measures, whose quantiles are joined. */
static void few_tokens(void **unused) {
  enum { MOST = 1000 };
  double a[MOST], b[MOST];
  int worse = 0;
  (void)unused;

  for (uint32_t k = 0; k < 120; k++) {
    const PetscInt N = 1 + (PetscInt)(k * k) % 97, M = N * (k % 3 ? 1 : 1 + (PetscInt)k % 5);
    const double wide = 2 * PETSC_PI / (1 << k % 5);
    Draw(2 * k, N, 0, wide, a);
    Draw(2 * k + 1, M, k % 7 ? 0.3 * (k % 7) : 3, wide, b);
    const Found found = Measure(PETSC_COMM_WORLD, N, a, NULL, M, b, NULL, PETSC_TRUE);
    CLOSE(found.high, found.auction, 1e-12);
    CLOSE(found.low, found.high, 0);
    worse += found.plan > found.high + 1e-9;
  }
  assert_true(worse > 20); /* where the plan of angles squared is not the best */
}

/* Masses 1, 2, 3 as so many copies. */
static void weights(void **unused) {
  enum { N = 150, COPIES = 2 * N };
  double a[N], b[N], u[N], v[N], copies[2][COPIES];
  (void)unused;

  for (uint32_t k = 0; k < 6; k++) {
    PetscInt n[2] = {0, 0};
    Draw(300 + 2 * k, N, 0, 6, a);
    Draw(301 + 2 * k, N, k, 3, b);
    for (PetscInt i = 0; i < N; i++) {
      u[i] = 1 + i % 3;
      v[i] = 1 + (i * 7 + (PetscInt)k) % 3;
      for (int c = 0; c < u[i]; c++) copies[0][n[0]++] = a[i];
      for (int c = 0; c < v[i]; c++) copies[1][n[1]++] = b[i];
    }
    assert_true(n[0] == COPIES && n[1] == COPIES);
    const Found found = Measure(PETSC_COMM_WORLD, N, a, u, N, b, v, PETSC_FALSE);
    const Found same = Measure(PETSC_COMM_WORLD, COPIES, copies[0], NULL, COPIES, copies[1], NULL, PETSC_TRUE);
    CLOSE(found.high, same.auction, 1e-12);
    CLOSE(found.low, found.high, 0);
  }
}

/* More than DISTANCE_CIRCLE_PAIRS: tokens at 700 places thrice, so that the truth is that of 700 tokens. */
static void many_tokens(void **unused) {
  enum { N = 700, MANY = 3 * N };
  double a[N], b[N], all[2][MANY];
  int bounded = 0;
  (void)unused;

  for (uint32_t k = 0; k < 4; k++) {
    Draw(500 + 2 * k, N, 0, k % 2 ? 1 : 6, a);
    Draw(501 + 2 * k, N, 3, k < 2 ? 1 : 4, b);
    for (PetscInt i = 0; i < MANY; i++) {
      all[0][i] = a[i % N];
      all[1][i] = b[i % N];
    }
    const Found truth = Measure(PETSC_COMM_WORLD, N, a, NULL, N, b, NULL, PETSC_TRUE);
    const Found found = Measure(PETSC_COMM_WORLD, MANY, all[0], NULL, MANY, all[1], NULL, PETSC_FALSE);
    CLOSE(truth.high, truth.auction, 1e-12);
    assert_true(found.low <= truth.high + 1e-12 && truth.high <= found.high + 1e-12);
    assert_true(sqrt(found.high) - sqrt(found.low) < 0.05);
    bounded += found.low < found.high;
  }
  assert_true(bounded >= 2); /* others are proved to be exact */
}

/* Measures that are spread keep the plan of angles squared and its bits, as most of independent tokens do; whenever
 * another plan is better, it is a little. */
static void spread_measures(void **unused) {
  enum { N = 512, M = 4096 };
  double *a = malloc(N * sizeof(*a)), *b = malloc(M * sizeof(*b));
  int same = 0;
  (void)unused;

  for (uint32_t k = 0; k < 20; k++) {
    Draw(700 + k, N, 0, 2 * PETSC_PI, a);
    for (PetscInt j = 0; j < M; j++) b[j] = 2 * PETSC_PI * j / M;
    const Found found = Measure(PETSC_COMM_WORLD, N, a, NULL, M, b, NULL, PETSC_FALSE);
    same += found.high == found.plan;
    CLOSE(found.low, found.high, 0);
    CLOSE(found.high, found.plan, 1e-4 * found.plan);
  }
  assert_true(same >= 12);
  free(a);
  free(b);
}

static Found OfCase(MPI_Comm comm, uint32_t k) {
  enum { MOST = 2200 };
  static const PetscInt counts[][2] = {{700, 700}, {700, 500}, {2200, 2000}, {300, 1500}};
  double *a = malloc(MOST * sizeof(*a)), *b = malloc(MOST * sizeof(*b)), *u = malloc(MOST * sizeof(*u));
  const PetscInt N = counts[k / 2][0], M = counts[k / 2][1];

  Draw(800 + 2 * k, N, 0, 6.2, a);
  Draw(801 + 2 * k, M, k % 2 ? 0 : 2, k % 2 ? 6.2 : 2, b);
  for (PetscInt i = 0; i < N; i++) u[i] = 1 + i % 2;
  const Found found = Measure(comm, N, a, u, M, b, NULL, PETSC_FALSE);
  free(a);
  free(b);
  free(u);
  return found;
}

/* Every rank computes some of the cases alone, and all compare all. */
static void same_bits(void **unused) {
  enum { CASES = 8 };
  double alone[CASES][2];
  Found all[CASES];
  int rank, size;
  (void)unused;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  for (uint32_t k = 0; k < CASES; k++) all[k] = OfCase(PETSC_COMM_WORLD, k);
  for (int k = 0; k < CASES; k++) {
    Found found = {.low = -INFINITY, .high = -INFINITY};
    if (k % size == rank) found = OfCase(PETSC_COMM_SELF, (uint32_t)k);
    alone[k][0] = found.low;
    alone[k][1] = found.high;
  }
  OK(MPI_Allreduce(MPI_IN_PLACE, alone, 2 * CASES, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  for (int k = 0; k < CASES; k++) {
    CLOSE(all[k].low, alone[k][0], 0);
    CLOSE(all[k].high, alone[k][1], 0);
  }
}

/* So many that no rank has all of them: near measures, far ones, few places, and weights that lie on few tokens, so
 * that ranks which share the tokens do not share the mass; on every rank alone, and together. */
static void shared_measures(void **unused) {
  enum { KINDS = 5, N = 20011, M = 17003 };
  double *a, *b, *u, *v;
  (void)unused;

  OK(PetscMalloc4(N, &a, M, &b, N, &u, M, &v));
  for (int kind = 0; kind < KINDS; kind++) {
    const double center = kind == 1 ? PETSC_PI : kind == 2 ? 1.3 : 0.02;
    const PetscBool heavy = kind == 3 ? PETSC_TRUE : PETSC_FALSE;

    Draw(40 + (uint32_t)kind, N, 0, kind == 4 ? 1.5 : 2 * PETSC_PI, a);
    Draw(50 + (uint32_t)kind, M, center, kind == 4 ? 2 : 2 * PETSC_PI, b);
    for (PetscInt i = 0; i < N && kind == 2; i++) a[i] = floor(a[i]);
    for (PetscInt i = 0; i < M && kind == 2; i++) b[i] = floor(b[i] / 2);
    for (PetscInt i = 0; i < N; i++) u[i] = exp(-20 * fabs(a[i]));
    for (PetscInt i = 0; i < M; i++) v[i] = exp(-20 * fabs(b[i] - 1));
    const Found all = Measure(PETSC_COMM_WORLD, N, a, heavy ? u : NULL, M, b, heavy ? v : NULL, PETSC_FALSE);
    const Found one = Measure(PETSC_COMM_SELF, N, a, heavy ? u : NULL, M, b, heavy ? v : NULL, PETSC_FALSE);
    CLOSE(all.low, one.low, 0);
    CLOSE(all.high, one.high, 0);
    CLOSE(all.plan, one.plan, 0);
  }
  OK(PetscFree4(a, b, u, v));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(two_tokens),      cmocka_unit_test(few_tokens),      cmocka_unit_test(weights),
    cmocka_unit_test(many_tokens),     cmocka_unit_test(spread_measures), cmocka_unit_test(same_bits),
    cmocka_unit_test(shared_measures),
};
TEST_MAIN(tests)
