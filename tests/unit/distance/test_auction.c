/* The auction: its tree of prices and its lots against plain searches, degenerate measures, and the same bits where
 * ranks share the searches. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <chorale/distance.h>

#include "distance/lots.h"
#include "distance/price_tree.h"
#include "expect.h"
#include "place.h"

static const RngStream stream = {.seed = 8, .purpose = RNG_TEST};

static int Ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static Points Draw(PetscInt dim, PetscInt n, PetscInt places) {
  Points points = {.dim = dim, .n = n};

  OK(PetscMalloc2((size_t)n * dim, &points.x, n, &points.mass));
  RngNormal(stream, 0, (size_t)n * dim, points.x);
  for (PetscInt i = 0; i < n; i++) points.mass[i] = 1 + i % 3;
  for (PetscInt i = places; i < n; i++) memcpy(points.x + i * dim, points.x + i % places * dim, sizeof(double) * dim);
  return points;
}

static double Value(const Points *points, const double *price, PetscInt i, const double *x) {
  double value = price[i];
  for (PetscInt c = 0; c < points->dim; c++) value += PetscSqr(x[c] - points->x[i * points->dim + c]);
  return value;
}

/* The least values are those of all points, before and after prices rise. */
static void test_tree(void **state) {
  enum { FOUND = 8, MOST = 2000 };
  static const PetscInt sizes[][3] = {{1, 3, 1}, {7, 2, 7}, {16, 4, 3}, {17, 3, 17}, {129, 8, 129}, {MOST, 3, 300}};
  double x[8], price[MOST], all[MOST], values[FOUND];
  PetscInt found[FOUND];

  (void)state;
  for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
    Points points = Draw(sizes[k][1], sizes[k][0], sizes[k][2]);
    PriceTree tree;

    OK(PointsSort(&points));
    OK(PriceTreeCreate(&points, &tree));
    memset(price, 0, sizeof(price));
    for (PetscInt draw = 0; draw < 300; draw++) {
      const PetscInt raised = draw * 7 % points.n;

      RngNormal(stream, 50000 + 8 * (uint64_t)draw, 8, x);
      price[raised] += fabs(x[0]);
      PriceTreeSet(&tree, raised, price[raised]);
      PriceTreeFind(&tree, x, draw % 3 ? raised : -1, FOUND, found, values);
      for (PetscInt i = 0; i < points.n; i++) all[i] = Value(&points, price, i, x);
      for (PetscInt f = 0; f < PetscMin(FOUND, points.n); f++)
        CLOSE(values[f], Value(&points, price, found[f], x), 1e-13);
      qsort(all, (size_t)points.n, sizeof(double), Ascending);
      for (PetscInt f = 0; f < FOUND; f++) {
        if (f < points.n)
          CLOSE(values[f], all[f], 1e-13);
        else
          assert_true(found[f] == -1 && values[f] == PETSC_INFINITY);
      }
    }
    OK(PriceTreeDestroy(&tree));
    OK(PointsDestroy(&points));
  }
}

/* Lots leave a heap in the order of their prices. */
static void test_lots(void **state) {
  enum { N = 500 };
  double price[N];
  PetscInt top = LOTS_NONE;
  Lots lots;

  (void)state;
  OK(LotsCreate(&lots));
  RngNormal(stream, 0, N, price);
  for (int round = 0; round < 2; round++) { /* the second time in the places that are free again */
    for (PetscInt k = 0; k < N; k++) OK(LotsPush(&lots, price[k], 1 + k, k, &top));
    qsort(price, N, sizeof(double), Ascending);
    for (PetscInt k = 0; k < N; k++) {
      assert_true(lots.lot[top].price == price[k]);
      LotsPop(&lots, &top);
    }
    assert_int_equal(top, LOTS_NONE);
    assert_int_equal(lots.n, N);
  }
  OK(LotsDestroy(&lots));
}

/* Centres and masses of groups; the spread is what they do not see. */
static void test_coarse(void **state) {
  Points points = Draw(3, 103, 103), coarse, single;
  double mean[2][3] = {{0}}, square = 0, centre[3], largest, spread;
  PetscInt64 mass[2] = {0, 0};

  (void)state;
  OK(PointsCoarsen(&points, 4, &coarse, &spread));
  assert_int_equal(coarse.n, 26);
  for (PetscInt i = 0; i < points.n; i++) mass[0] += points.mass[i];
  for (PetscInt g = 0; g < coarse.n; g++) mass[1] += coarse.mass[g];
  assert_true(mass[0] == mass[1]);
  for (PetscInt i = 0; i < points.n; i++)
    for (PetscInt c = 0; c < 3; c++) {
      const double share = (double)points.mass[i] / (double)mass[0];
      mean[0][c] += share * points.x[3 * i + c];
      square += share * PetscSqr(points.x[3 * i + c] - coarse.x[i / 4 * 3 + c]);
    }
  for (PetscInt g = 0; g < coarse.n; g++)
    for (PetscInt c = 0; c < 3; c++) mean[1][c] += (double)coarse.mass[g] / (double)mass[1] * coarse.x[3 * g + c];
  CLOSE(spread, square, 1e-13);
  OK(PointsCoarsen(&points, 103, &single, &spread));
  OK(PointsCentre(&points, centre, &largest));
  for (PetscInt c = 0; c < 3; c++) {
    CLOSE(mean[0][c], mean[1][c], 1e-14);
    CLOSE(single.x[c], mean[0][c], 1e-14);
    CLOSE(centre[c], mean[0][c], 1e-14);
  }
  OK(PointsDestroy(&points));
  OK(PointsDestroy(&coarse));
  OK(PointsDestroy(&single));
}

/* Tokens in few places: share k / N of mu and share l / M of nu at -e_1, the others at e_1. */
static double TwoPlaces(PetscInt N, PetscInt k, PetscInt M, PetscInt l) {
  const PetscInt count[2] = {N, M}, there[2] = {k, l};
  double low, high;
  Tokens tokens[2];

  for (int m = 0; m < 2; m++) {
    double *x = calloc((size_t)count[m] * 3, sizeof(double));
    for (PetscInt i = 0; i < count[m]; i++) x[3 * i] = i < there[m] ? -1 : 1;
    tokens[m] = PlaceRows(PETSC_COMM_WORLD, count[m], 3, x, 3, NULL, 0);
    free(x);
  }
  OK(DistanceAuction(tokens[0], tokens[1], 1e-4, &low, &high));
  assert_true(0 <= low && low <= high && high - low <= 1e-4 * high);
  for (int m = 0; m < 2; m++) OK(TokensDestroy(&tokens[m]));
  return high;
}

static void test_degenerate(void **state) {
  (void)state;
  assert_true(TwoPlaces(1, 0, 1, 0) == 0);
  CLOSE(TwoPlaces(1, 0, 1, 1), 4, 1e-15);
  assert_true(TwoPlaces(1000, 0, 1000, 0) == 0); /* all tokens equal */
  CLOSE(TwoPlaces(1000, 0, 700, 700), 4, 1e-15);
  assert_true(TwoPlaces(1000, 500, 1000, 500) == 0);
  CLOSE(TwoPlaces(1000, 500, 1000, 499), 4e-3, 1e-4 * 4e-3);
  CLOSE(TwoPlaces(999, 333, 600, 300), 4. / 6, 1e-4);
}

/* mu = nu in another order; nearer than doubles tell: the ends stay ends. */
static void test_near(void **state) {
  enum { N = 900 };
  double x[3 * N], y[3 * N], low, high;

  (void)state;
  RngNormal(stream, 0, sizeof(x) / sizeof(x[0]), x);
  for (double step = 0; step<1e-3; step = step> 0 ? step * 1e4 : 1e-14) {
    double cost = 0;
    Tokens mu, nu;

    for (PetscInt i = 0; i < N; i++) {
      double length = 0;
      for (PetscInt c = 0; c < 3; c++) length += PetscSqr(x[3 * i + c]);
      for (PetscInt c = 0; c < 3; c++) x[3 * i + c] /= sqrt(length);
    }
    for (PetscInt i = 0; i < N; i++)
      for (PetscInt c = 0; c < 3; c++) y[3 * (i * 7 % N) + c] = x[3 * i + c] + (c == 0 ? step * sin(1 + i) : 0);
    for (PetscInt i = 0; i < N; i++) cost += PetscSqr(step * sin(1 + i)) / N;
    mu = PlaceRows(PETSC_COMM_WORLD, N, 3, x, 3, NULL, 0);
    nu = PlaceRows(PETSC_COMM_WORLD, N, 3, y, 3, NULL, 0);
    OK(DistanceAuction(mu, nu, 1e-6, &low, &high));
    assert_true(0 <= low && low <= high && (step > 0 || high == 0));
    CLOSE(high, cost, 1e-6 * cost + 1e-15 * (step > 0));
    OK(TokensDestroy(&mu));
    OK(TokensDestroy(&nu));
  }
}

/* Many enough for the ranks to share searches; one rank by itself against all together. */
static void test_shared_searches(void **state) {
  enum { N = 5000 };
  double *rows[2], ends[2][2];
  PetscMPIInt rank;

  (void)state;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  for (int m = 0; m < 2; m++) {
    rows[m] = malloc(sizeof(double) * N * 4);
    RngNormal((RngStream){.seed = 8, .step = (uint32_t)m, .purpose = RNG_TEST}, 0, (size_t)N * 4, rows[m]);
    for (PetscInt i = 0; i < N; i++) rows[m][4 * i + 3] = 1 + (i % 2) * PetscSqr(rows[m][4 * i + 3]);
  }
  for (int weighted = 0; weighted < 2; weighted++) {
    int differ = 0;

    for (int alone = 0; alone < 2; alone++) {
      const MPI_Comm comm = alone ? PETSC_COMM_SELF : PETSC_COMM_WORLD;
      Tokens tokens[2];

      if (alone && rank > 0) break; /* one is enough */
      for (int m = 0; m < 2; m++) tokens[m] = PlaceRows(comm, N, 3, rows[m], 4, weighted ? rows[m] + 3 : NULL, 4);
      for (int m = 0; m < 2; m++) OK(TokensMove(tokens[m], 0, NULL));
      OK(DistanceAuction(tokens[0], tokens[1], 1e-3, &ends[alone][0], &ends[alone][1]));
      for (int m = 0; m < 2; m++) OK(TokensDestroy(&tokens[m]));
    }
    if (rank == 0) differ = memcmp(ends[0], ends[1], sizeof(ends[0])) != 0;
    OK(MPI_Bcast(&differ, 1, MPI_INT, 0, PETSC_COMM_WORLD));
    assert_int_equal(differ, 0);
    assert_true(ends[0][1] - ends[0][0] <= 1e-3 * ends[0][1]);
  }
  for (int m = 0; m < 2; m++) free(rows[m]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_tree),       cmocka_unit_test(test_lots), cmocka_unit_test(test_coarse),
    cmocka_unit_test(test_degenerate), cmocka_unit_test(test_near), cmocka_unit_test(test_shared_searches),
};
TEST_MAIN(tests)
