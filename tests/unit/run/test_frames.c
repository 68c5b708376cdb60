/* The clock of a realization: which steps have a frame, equally spaced in time and in its logarithm. */
#include <chorale/frames.h>

#include <math.h>

#include "test.h"

static Frames Logarithmic(PetscInt steps, PetscInt64 log) {
  Frames frames;

  OK(FramesCreate(steps, 1, log, 2.0, FRAMES_SHARE, &frames));
  assert_int_equal(frames.count, PetscMin(log, steps) + 1);
  assert_int_equal(frames.step[0], 0);
  assert_int_equal(frames.step[frames.count - 1], steps);
  return frames;
}

/* Every step is told its frame, and no other has one. */
static void CheckClock(const Frames *frames, PetscInt steps) {
  PetscInt f = 0;

  for (PetscInt64 l = 0; l <= steps + 1; l++) {
    const PetscBool due = f < frames->count && frames->step[f] == l ? PETSC_TRUE : PETSC_FALSE;

    assert_int_equal(FramesAt(frames, l), due ? f : -1);
    if (due) assert_true(fabs(frames->time[f] - 2.0 * (double)l / (double)steps) < 1e-14);
    f += due;
  }
  assert_int_equal(f, frames->count);
}

static void EveryNumberOfFramesIsMet(void **state) {
  (void)state;
  for (PetscInt steps = 1; steps <= 130; steps += 43)
    for (PetscInt64 log = 1; log <= 140; log += log < 6 ? 1 : 19) {
      Frames frames = Logarithmic(steps, log);
      CheckClock(&frames, steps);
      OK(FramesDestroy(&frames));
    }
}

/* Steps grow by one factor, up to rounding, once they can. */
static void FramesAreEquallySpacedInTheLogarithm(void **state) {
  Frames frames = Logarithmic(1000000, 61);
  const double last = log(1000000.0 / (double)frames.step[30]) / 31;

  (void)state;
  assert_int_equal(frames.step[1], 1);
  assert_int_equal(frames.step[2], 2);
  for (PetscInt f = 30; f < 61; f++) {
    const double ratio = (double)frames.step[f + 1] / (double)frames.step[f];
    assert_true(fabs(log(ratio) - last) < 2.0 / (double)frames.step[30]);
  }
  OK(FramesDestroy(&frames));
}

static void FramesOfEqualStepsAreAsBefore(void **state) {
  const PetscInt64 step[5] = {0, 3, 6, 9, 10};
  Frames frames;

  (void)state;
  OK(FramesCreate(10, 3, 0, 2.0, FRAMES_SHARE, &frames));
  assert_int_equal(frames.count, 5);
  for (PetscInt f = 0; f < 5; f++) assert_int_equal(frames.step[f], step[f]);
  CheckClock(&frames, 10);
  OK(FramesDestroy(&frames));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(EveryNumberOfFramesIsMet),
    cmocka_unit_test(FramesAreEquallySpacedInTheLogarithm),
    cmocka_unit_test(FramesOfEqualStepsAreAsBefore),
};
TEST_MAIN(tests)
