/* Fisher's law where it has a closed form, and how often a law that holds is refused. */
#include <chorale/rng.h>
#include <math.h>

#include "law/stats/misfit.h"
#include "test.h"

static void fisher(void **unused) {
  (void)unused;

  /* two degrees of freedom above: (1 + 2f/n)^{-n/2}; two below: 1 - (mf/(2 + mf))^{m/2} */
  for (double f = 1e-3; f < 1e3; f *= 3) {
    for (PetscInt n = 1; n < 300; n = 2 * n + 1)
      CLOSE(MisfitChance(f, 2, n) / pow(1 + 2 * f / (double)n, -0.5 * (double)n), 1, 1e-10);
    for (PetscInt m = 1; m < 300; m = 2 * m + 1)
      CLOSE(MisfitChance(f, m, 2), -expm1(0.5 * (double)m * log1p(-2 / (2 + (double)m * f))), 1e-10);
    CLOSE(MisfitChance(f, 1, 1), 1 - 2 / PETSC_PI * atan(sqrt(f)), 1e-12);
    CLOSE(MisfitChance(f, 3, 7) + MisfitChance(1 / f, 7, 3), 1, 1e-12);
  }
  CLOSE(MisfitChance(0, 3, 7), 1, 0);
}

/* Errors (a log L + b)/L of a realization's own a and b and of its own at every depth, at L = 4 .. 64. */
enum { DEPTHS = 5, R = 12, TRIALS = 20000 };

static void Draw(uint32_t trial, PetscReal samples[R][DEPTHS]) {
  PetscReal z[R][DEPTHS + 2];

  RngNormal((RngStream){11, trial, 0, RNG_TEST}, 0, R * (DEPTHS + 2), z[0]);
  for (int r = 0; r < R; r++)
    for (int j = 0; j < DEPTHS; j++) {
      const PetscReal L = 4 << j;
      samples[r][j] = ((1 + 0.3 * z[r][DEPTHS]) * log(L) + 1 + 0.5 * z[r][DEPTHS + 1] + 0.2 * z[r][j]) / L;
    }
}

/* Chances below c in a share c of the trials, each within four standard deviations; the law without a logarithm is
 * refused in many. */
static void chances(void **unused) {
  static const PetscReal levels[] = {0.5, 0.1, 0.01, 0.001};
  PetscReal samples[R][DEPTHS], a[DEPTHS][2], plain[DEPTHS];
  PetscInt below[4] = {0}, refused = 0;
  Misfit misfit;
  (void)unused;

  for (int j = 0; j < DEPTHS; j++) {
    const PetscReal L = 4 << j;
    a[j][0] = log(L) / L;
    a[j][1] = plain[j] = 1 / L;
  }
  for (uint32_t trial = 0; trial < TRIALS; trial++) {
    Draw(trial, samples);
    OK(MisfitMeasure(R, DEPTHS, samples[0], 2, a[0], &misfit));
    for (int i = 0; i < 4; i++) below[i] += misfit.chance < levels[i];
    OK(MisfitMeasure(R, DEPTHS, samples[0], 1, plain, &misfit));
    refused += MisfitRefused(misfit);
  }
  for (int i = 0; i < 4; i++)
    CLOSE((double)below[i] / TRIALS, levels[i], 4 * sqrt(levels[i] * (1 - levels[i]) / TRIALS));
  assert_true(refused > TRIALS / 2);
}

static void what_is_not_known(void **unused) {
  PetscReal samples[R][DEPTHS], a[DEPTHS][DEPTHS] = {{0}};
  Misfit misfit;
  (void)unused;

  Draw(0, samples);
  for (int j = 0; j < DEPTHS; j++) a[j][j] = 1;
  OK(MisfitMeasure(R, DEPTHS, samples[0], DEPTHS, a[0], &misfit));
  assert_true(isnan(misfit.misfit) && isnan(misfit.chance) && !MisfitRefused(misfit));
  for (int j = 0; j < DEPTHS; j++) a[0][j] = 1;
  OK(MisfitMeasure(7, DEPTHS, samples[0], 1, a[0], &misfit));
  assert_true(isnan(misfit.chance));
  OK(MisfitMeasure(8, DEPTHS, samples[0], 1, a[0], &misfit));
  assert_false(isnan(misfit.chance));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(fisher),
    cmocka_unit_test(chances),
    cmocka_unit_test(what_is_not_known),
};
TEST_MAIN(tests)
