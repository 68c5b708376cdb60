/* Order-free sums against long double sums, over permutations and splits. */
#include <math.h>

#include <chorale/sum.h>

#include "test.h"

/* A stream of test numbers that owes nothing to the code under test: xorshift64*. */
static uint64_t state = 88172645463325252u;
static double Random(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (double)((state * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53;
}

static void scale_is_the_largest_power_of_two(void **unused) {
  (void)unused;
  for (int e = -300; e <= 300; e++) {
    for (int k = 0; k < 4; k++) {
      const double bound = ldexp(k == 0 ? 1.0 : 1 + Random(), e), scale = SumScale(bound);
      int exponent;

      CLOSE(frexp(scale, &exponent), 0.5, 0);
      assert_true(bound * scale <= 0x1p61);
      assert_true(bound * 2 * scale > 0x1p61);
    }
  }
}

static void rounding_is_to_nearest(void **unused) {
  (void)unused;
  const double scale = SumScale(3.0);
  for (int i = 0; i < 1000; i++) {
    const double value = 6 * Random() - 3;

    assert_true(fabsl((long double)SumRound(value, scale) / scale - value) <= 0.5L / scale);
  }
  assert_true(SumRound(-1.5, 1.0) == -2 && SumRound(2.5, 1.0) == 2);
}

enum { COUNT = 5000 };

/* Values over 12 orders of magnitude and both signs, so that a sum in double depends on its order. */
static void Fill(double *values) {
  state = 12345;
  for (int i = 0; i < COUNT; i++) values[i] = (2 * Random() - 1) * pow(10, -12 * Random());
}

static void order_and_split_do_not_matter(void **unused) {
  (void)unused;
  static double values[COUNT];
  PetscMPIInt rank, size;
  PetscInt64 reference = 0;
  long double exact = 0;
  const double scale = SumScale(COUNT);
  int plain_differs = 0;
  double plain = 0;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  Fill(values);
  for (int i = 0; i < COUNT; i++) {
    reference += SumRound(values[i], scale);
    exact += values[i];
    plain += values[i];
  }
  CLOSE((double)reference / scale, (double)exact, COUNT * 0x1p-61 * COUNT);
  for (int trial = 0; trial < 20; trial++) {
    PetscInt64 sums[3] = {0, 0, 0};
    double other = 0;

    for (int i = COUNT - 1; i > 0; i--) { /* the same shuffle on every rank */
      const int j = (int)(Random() * (i + 1));
      const double swap = values[i];
      values[i] = values[j];
      values[j] = swap;
    }
    for (int i = 0; i < COUNT; i++) {
      const PetscInt64 term = SumRound(values[i], scale);

      other += values[i];
      if (i % size == rank) sums[0] += term;                                /* dealt out */
      if (i / ((COUNT + size - 1) / size) == rank) sums[1] += term;         /* contiguous */
      if (rank == (i < trial * COUNT / 20 ? 0 : size - 1)) sums[2] += term; /* lopsided, some ranks with nothing */
    }
    if (other != plain) plain_differs++;
    OK(SumAllreduce(PETSC_COMM_WORLD, 3, sums));
    for (int k = 0; k < 3; k++) assert_true(sums[k] == reference);
  }
  assert_true(plain_differs > 0); /* the numbers are hard enough */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(scale_is_the_largest_power_of_two),
    cmocka_unit_test(rounding_is_to_nearest),
    cmocka_unit_test(order_and_split_do_not_matter),
};
TEST_MAIN(tests)
