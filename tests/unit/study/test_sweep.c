/* How the cells of a sweep are shared out over groups of ranks. */
#include "expect.h"

#include "study/sweep.h"

/* Most and least work of a group. */
static void Loads(PetscInt n, const PetscReal work[], PetscInt R, PetscInt groups, PetscReal *most, PetscReal *least) {
  PetscInt order[64], first[64];
  PetscReal load[64] = {0};

  OK(SweepShare(n, work, R, groups, order, first));
  for (PetscInt i = 0; i < n; i++) {
    if (i) assert_true(work[order[i - 1]] >= work[order[i]]);
    assert_true(0 <= first[i] && first[i] < groups);
    for (PetscInt r = 0; r < R; r++) load[(first[i] + r) % groups] += work[i];
  }
  *most = *least = load[0];
  for (PetscInt g = 1; g < groups; g++) {
    *most = PetscMax(*most, load[g]);
    *least = PetscMin(*least, load[g]);
  }
}

/* The largest comes first, and what follows goes where there is least. */
static void LongestFirst(void **state) {
  const PetscReal work[] = {1, 8, 2, 4, 3};
  PetscReal most, least;
  (void)state;
  Loads(5, work, 1, 2, &most, &least);
  assert_true(most == 9 && least == 9); /* 8 + 1, 4 + 3 + 2 */
  Loads(5, work, 2, 2, &most, &least);
  assert_true(most == least);
  Loads(5, work, 1, 1, &most, &least);
  assert_true(most == 18);
}

/* Groups differ by no more than one realization of the largest cell. */
static void Balanced(void **state) {
  PetscReal work[60], most, least;
  (void)state;
  for (PetscInt i = 0; i < 60; i++) work[i] = 1 + (i * 37) % 23;
  for (PetscInt groups = 1; groups <= 16; groups++)
    for (PetscInt R = 1; R <= 5; R++) {
      Loads(60, work, R, groups, &most, &least);
      assert_true(most - least <= 23);
    }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(LongestFirst), cmocka_unit_test(Balanced)};
  return TestMain(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
