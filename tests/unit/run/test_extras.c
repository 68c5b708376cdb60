/* Observables that keys ask for against plain loops over all pairs. */
#include "place.h"

#include <chorale/sphere.h>
#include <stdlib.h>
#include <string.h>

#include "run/extras.h"

enum { N = 700, MODES = 5 };

/* rows[N][d] on the sphere, half of them in one octant, and weights that add up to 1. */
static void Scatter(PetscInt d, double *rows, double *weights) {
  double total = 0;

  srand(7);
  for (PetscInt i = 0; i < N; i++) {
    double norm = 0;
    for (PetscInt c = 0; c < d; c++) {
      const double x = rand() / (double)RAND_MAX - (i % 2 ? 0 : 0.5);
      rows[i * d + c] = x;
      norm += x * x;
    }
    for (PetscInt c = 0; c < d; c++) rows[i * d + c] /= sqrt(norm);
    total += weights[i] = 0.5 + rand() / (double)RAND_MAX;
  }
  for (PetscInt i = 0; i < N; i++) weights[i] /= total;
}

/* (16.1) over all pairs. */
static void Slow(PetscInt d, const double *rows, const double *weights, double modes[MODES]) {
  PetscReal values[MODES + 1];

  memset(modes, 0, MODES * sizeof(*modes));
  for (PetscInt i = 0; i < N; i++) {
    for (PetscInt j = 0; j < N; j++) {
      double u = 0;
      for (PetscInt c = 0; c < d; c++) u += rows[i * d + c] * rows[j * d + c];
      SpherePolynomials(d, MODES, PetscClipInterval(u, -1, 1), values);
      for (PetscInt n = 1; n <= MODES; n++) modes[n - 1] += weights[i] * weights[j] * values[n];
    }
  }
}

static void ModesAreThoseOfAllPairs(void **state) {
  static double rows[N * 5], weights[N];

  (void)state;
  for (PetscInt d = 2; d <= 5; d++) {
    double modes[MODES];
    PetscReal values[MODES];
    PetscInt size;
    Extras extras;

    Scatter(d, rows, weights);
    Slow(d, rows, weights, modes);
    Tokens tokens = PlaceRows(PETSC_COMM_WORLD, N, d, rows, d, weights, 1);
    OK(ExtrasCreate(N, d, &(ExtrasOptions){.modes = MODES, .attention.engine = "direct"}, &extras));
    OK(ExtrasGetSize(extras, &size));
    assert_int_equal(size, MODES);
    OK(ExtrasEvaluate(extras, tokens, NULL, values));
    for (PetscInt n = 0; n < MODES; n++) CLOSE(values[n], modes[n], 1e-13);
    OK(ExtrasDestroy(&extras));
    OK(TokensDestroy(&tokens));
  }
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(ModesAreThoseOfAllPairs)};
TEST_MAIN(tests)
