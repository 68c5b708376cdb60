/* The random attractor as several starts see it: diameters, limit points, and the test of a uniform law. */
#include <chorale/rng.h>
#include <math.h>

#include "place.h"
#include "study/sync/starts.h"

/* n tokens within `width` of e_1, every third of them at the antipode if asked for. */
static void Around(PetscInt n, PetscInt d, double width, PetscBool antipodes, double *rows) {
  RandomPoints(3, n, d, rows);
  for (PetscInt i = 0; i < n; i++) {
    double square = 0;
    for (PetscInt c = 0; c < d; c++) rows[i * d + c] = width * rows[i * d + c] + (c == 0);
    for (PetscInt c = 0; c < d; c++) square += rows[i * d + c] * rows[i * d + c];
    for (PetscInt c = 0; c < d; c++) rows[i * d + c] *= (antipodes && i % 3 == 1 ? -1 : 1) / sqrt(square);
  }
}

static void LimitPoints(void **state) {
  enum { N = 61, D = 4 };
  double rows[N * D], x[2 * D] = {0}, diameters[STARTS_COLUMNS], tail[1 + D];
  (void)state;
  x[0] = x[D + 1] = 1; /* e_1 and e_2 */
  OK(StartsDiameters(PETSC_COMM_WORLD, 2, D, x, diameters));
  CLOSE(diameters[STARTS_DIAMETER], sqrt(2), 1e-15);
  CLOSE(diameters[STARTS_FOLDED], sqrt(2), 1e-15);
  StartsAttractor(2, D, x, diameters, tail);
  for (int c = 0; c <= D; c++) assert_true(isnan(tail[c]));
  for (int antipodes = 0; antipodes < 2; antipodes++) {
    Around(N, D, 1e-6, (PetscBool)antipodes, rows);
    OK(StartsDiameters(PETSC_COMM_WORLD, N, D, rows, diameters));
    CLOSE(diameters[STARTS_DIAMETER], antipodes ? 2 : 2e-6, 1e-6);
    assert_true(diameters[STARTS_FOLDED] > 1e-6 && diameters[STARTS_FOLDED] < 2.1e-6);
    StartsAttractor(N, D, rows, diameters, tail);
    assert_true(tail[STARTS_POINTS] == 1 + antipodes);
    CLOSE(tail[STARTS_ATTRACTOR], 1, 1e-11); /* rows begin at e_1 */
  }
}

/* R limit points, uniform but for a share of them at e_1, so many of them axes. */
static StartsUniform Test(PetscInt R, PetscInt d, double share, PetscInt axes) {
  double tail[500 * 6], point[6];
  for (PetscInt r = 0; r < R; r++) {
    RandomPoints((uint32_t)r, 1, d, point);
    tail[r * (1 + d)] = r < axes ? 2 : 1;
    for (PetscInt c = 0; c < d; c++) tail[r * (1 + d) + 1 + c] = r < share * (double)R ? c == 0 : point[c];
  }
  return StartsTestUniform(R, d, (size_t)(1 + d), tail);
}

static void UniformLaw(void **state) {
  (void)state;
  for (PetscInt d = 2; d <= 5; d++) {
    StartsUniform found = Test(500, d, 0, 0);
    assert_true(found.verdict == SYNC_AGREES && found.one == 500 && found.two == 0);
    assert_true(fabs(found.first) < 3 && fabs(found.second) < 3);
    found = Test(500, d, 0.25, 0);
    assert_true(found.verdict == SYNC_DISAGREES && found.first > 4 && found.second > 4);
    found = Test(500, d, 0.25, 200); /* axes have no direction */
    assert_true(found.verdict == SYNC_DISAGREES && isnan(found.first) && found.second > 4 && found.two == 200);
    found = Test(19, d, 1, 0);
    assert_true(found.verdict == SYNC_UNRESOLVED && isnan(found.first) && isnan(found.second));
  }
}

/* Chi-square's 4 deviations are as rare as a normal variable's: of 400 tests with 50 points the mean and the square are
 * those of a normal one. */
static void LawOfTheTest(void **state) {
  enum { TESTS = 400, R = 50, D = 3 };
  double sums[2][2] = {{0}};
  (void)state;
  for (int k = 0; k < TESTS; k++) {
    double tail[R * (1 + D)];
    for (PetscInt r = 0; r < R; r++) {
      RandomPoints((uint32_t)(1000 + k * R + r), 1, D, tail + r * (1 + D) + 1);
      tail[r * (1 + D)] = 1;
    }
    const StartsUniform found = StartsTestUniform(R, D, 1 + D, tail);
    const double off[] = {found.first, found.second};
    for (int i = 0; i < 2; i++) sums[i][0] += off[i] / TESTS, sums[i][1] += off[i] * off[i] / TESTS;
  }
  for (int i = 0; i < 2; i++) {
    CLOSE(sums[i][0], 0, 4 / sqrt(TESTS));
    CLOSE(sums[i][1], 1, 4 * sqrt(2.0 / TESTS));
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(LimitPoints), cmocka_unit_test(UniformLaw),
                                          cmocka_unit_test(LawOfTheTest)};
TEST_MAIN(tests)
