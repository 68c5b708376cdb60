/* The process grid: every realization once, groups of contiguous ranks, the automatic choice against a plain search. */
#include <math.h>
#include <stdlib.h>

#include <chorale/ensemble.h>

#include "expect.h"
#include "keys.h"

static void Configure(int realizations, const char *groups) {
  char text[16];

  OK(PetscSNPrintf(text, sizeof(text), "%d", realizations));
  SetKey("ensemble_realizations", text);
  SetKey("ensemble_groups", groups);
}

static int Size(void) {
  int size;

  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  return size;
}

/* Runs all realizations twice (EnsembleNext starts again) and counts who visited what. */
static void CheckCover(Ensemble ensemble, int realizations) {
  EnsembleLayout layout;
  int visits[64], owners[64], shards, wrong = 0;
  PetscInt r;

  OK(EnsembleGetLayout(ensemble, &layout));
  OK(MPI_Comm_size(layout.shards, &shards));
  for (int pass = 0; pass < 2; pass++) {
    PetscInt count = 0;

    memset(visits, 0, sizeof(visits));
    memset(owners, 0, sizeof(owners));
    while (EnsembleNext(ensemble, &r)) {
      wrong |= r != layout.group + count * layout.groups || r >= realizations;
      visits[r]++;
      owners[r] += layout.group;
      count++;
    }
    wrong |= count != layout.owned;
    OK(MPI_Allreduce(MPI_IN_PLACE, visits, realizations, MPI_INT, MPI_SUM, PETSC_COMM_WORLD));
    OK(MPI_Allreduce(MPI_IN_PLACE, owners, realizations, MPI_INT, MPI_SUM, PETSC_COMM_WORLD));
    for (int i = 0; i < realizations; i++) wrong |= visits[i] != shards || owners[i] % shards != 0;
  }
  OK(MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD));
  assert_int_equal(wrong, 0);
}

static void every_realization_is_visited_once(void **unused) {
  (void)unused;
  const int size = Size();

  for (int groups = 0; groups <= size; groups++) {
    for (int realizations = 1; realizations <= 9; realizations++) {
      Ensemble ensemble;
      EnsembleLayout layout;
      char text[16] = "auto";
      int rank, shard, shards, wrong;

      if (groups && size % groups) continue;
      if (groups) OK(PetscSNPrintf(text, sizeof(text), "%d", groups));
      Configure(realizations, text);
      OK(EnsembleFromKeys(3, &ensemble));
      OK(EnsembleGetLayout(ensemble, &layout));
      if (groups) assert_int_equal(layout.groups, groups);
      assert_int_equal(layout.realizations, realizations);
      OK(MPI_Comm_rank(layout.world, &rank));
      OK(MPI_Comm_rank(layout.shards, &shard));
      OK(MPI_Comm_size(layout.shards, &shards));
      assert_int_equal(shards * layout.groups, size);
      wrong = rank != layout.group * shards + shard; /* contiguous ranks, in world order */
      OK(MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD));
      assert_int_equal(wrong, 0);
      CheckCover(ensemble, realizations);
      if (realizations == 5) OK(EnsembleView(ensemble));
      OK(EnsembleDestroy(&ensemble));
      assert_null(ensemble);
    }
  }
}

/* In two stages, 0 .. first - 1 and first .. last - 1 of 9: each visited by its group, and in its order. */
static void stages_go_on_where_the_last_one_ended(void **unused) {
  (void)unused;
  for (PetscInt first = 1; first <= 9; first++)
    for (PetscInt last = first; last <= 9; last++) {
      const PetscInt ends[3] = {0, first, last};
      Ensemble ensemble;
      EnsembleLayout layout;
      PetscInt r, count = 0;
      int wrong = 0;

      Configure(9, "auto");
      OK(EnsembleFromKeys(1, &ensemble));
      for (int stage = 1; stage <= 2; stage++) {
        OK(EnsembleSetCount(ensemble, ends[stage - 1], ends[stage]));
        OK(EnsembleGetLayout(ensemble, &layout));
        for (; EnsembleNext(ensemble, &r); count++)
          wrong |= r != layout.group + count * layout.groups || r < ends[stage - 1] || r >= ends[stage];
        wrong |= count != layout.owned || layout.realizations != ends[stage];
      }
      OK(MPI_Allreduce(MPI_IN_PLACE, &count, 1, MPIU_INT, MPI_SUM, PETSC_COMM_WORLD));
      wrong |= count != last * (Size() / layout.groups);
      OK(MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD));
      assert_int_equal(wrong, 0);
      OK(EnsembleDestroy(&ensemble));
    }
}

/* Time of one step of all realizations, counted by walking through the groups' realizations and the shards' blocks. */
static int Walk(int realizations, int blocks, int ranks, int groups) {
  int slowest_group = 0, slowest_shard = 0;

  for (int g = 0; g < groups; g++) {
    int owned = 0;
    for (int r = g; r < realizations; r += groups) owned++;
    slowest_group = PetscMax(slowest_group, owned);
  }
  const int shards = ranks / groups;
  for (int s = 0; s < shards; s++) {
    int owned = 0;
    for (int b = s; b < blocks; b += shards) owned++;
    slowest_shard = PetscMax(slowest_shard, owned);
  }
  return slowest_group * slowest_shard;
}

static void automatic_choice_is_the_cheapest(void **unused) {
  (void)unused;
  const int size = Size();

  for (int realizations = 1; realizations <= 6; realizations++) {
    for (int blocks = 1; blocks <= 9; blocks++) {
      Ensemble ensemble;
      EnsembleLayout layout;
      int best = 0;

      for (int g = size; g >= 1; g--)
        if (size % g == 0 && (!best || Walk(realizations, blocks, size, g) < Walk(realizations, blocks, size, best)))
          best = g;
      Configure(realizations, "auto");
      OK(EnsembleFromKeys(blocks, &ensemble));
      OK(EnsembleGetLayout(ensemble, &layout));
      assert_int_equal(layout.groups, best);
      OK(EnsembleDestroy(&ensemble));
    }
  }
}

static void gathered_samples_stand_in_order(void **unused) {
  (void)unused;
  enum { R = 7, VALUES = 3 };
  const int size = Size();

  for (int groups = 1; groups <= size; groups++) {
    PetscReal mine[R][VALUES], all[R][VALUES];
    Ensemble ensemble;
    PetscInt r, i = 0;
    char text[16];
    int wrong = 0;

    if (size % groups) continue;
    OK(PetscSNPrintf(text, sizeof(text), "%d", groups));
    Configure(R, text);
    OK(EnsembleFromKeys(2, &ensemble));
    while (EnsembleNext(ensemble, &r)) {
      for (int v = 0; v < VALUES; v++) mine[i][v] = sin((double)r * VALUES + v);
      i++;
    }
    OK(EnsembleGather(ensemble, VALUES, mine[0], all[0]));
    for (int k = 0; k < R * VALUES; k++) wrong |= all[k / VALUES][k % VALUES] != sin((double)k);
    OK(MPI_Allreduce(MPI_IN_PLACE, &wrong, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD));
    assert_int_equal(wrong, 0);
    OK(EnsembleDestroy(&ensemble));
  }
}

static void bad_groups_are_refused(void **unused) {
  (void)unused;
  static const char *const bad[] = {"3", "0", "-1", "8", "two", "1.5", "1 2", "99999999999999999999"};

  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    Ensemble ensemble;

    Configure(4, bad[i]);
    REFUSED(EnsembleFromKeys(1, &ensemble), "ensemble_groups = ");
    assert_non_null(strstr(expect_message, bad[i]));
  }
  SetKey("ensemble_groups", "3");
  Ensemble ensemble;
  REFUSED(EnsembleFromKeys(1, &ensemble), Size() == 4 ? "auto, 1, 2, 4" : Size() == 2 ? "auto, 1, 2" : "auto, 1");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_realization_is_visited_once),
    cmocka_unit_test(stages_go_on_where_the_last_one_ended),
    cmocka_unit_test(automatic_choice_is_the_cheapest),
    cmocka_unit_test(gathered_samples_stand_in_order),
    cmocka_unit_test(bad_groups_are_refused),
};
TEST_MAIN(tests)
