/* What every cmocka program of chorale shares. A test runs on all ranks: assert only on values that are equal on all of
 * them (an assert on one rank jumps past collectives and hangs). */
#ifndef CHORALE_TEST_H
#define CHORALE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <petscsys.h>

#include <chorale/error.h>
#include <chorale/study.h>

/* A chorale or PETSc call that must succeed. */
#define OK(call) assert_int_equal((int)(call), 0)

/* Relative or absolute closeness, with the numbers in the message. */
#define CLOSE(actual, expected, tolerance)                                                                             \
  do {                                                                                                                 \
    const double a_ = (actual), e_ = (expected), t_ = (tolerance);                                                     \
    if (!(a_ - e_ <= t_ && e_ - a_ <= t_))                                                                             \
      fail_msg("%s = %.17g, expected %.17g within %.3g (off by %.3g)", #actual, a_, e_, t_, a_ - e_);                  \
  } while (0)

/* Sets a deck key as a user's option would; NULL clears it. */
static inline void SetKey(const char *key, const char *value) {
  char name[128];
  OK(PetscSNPrintf(name, sizeof(name), "-%s", key));
  if (value)
    OK(PetscOptionsSetValue(NULL, name, value));
  else
    OK(PetscOptionsClearValue(NULL, name));
}

static inline void SetInt(const char *key, long value) {
  char text[32];
  OK(PetscSNPrintf(text, sizeof(text), "%ld", value));
  SetKey(key, text);
}

static inline void SetReal(const char *key, double value) {
  char text[32];
  OK(PetscSNPrintf(text, sizeof(text), "%.17g", value));
  SetKey(key, text);
}

/* The largest value of all ranks. */
static inline double Worst(double value) {
  double worst;
  OK(MPI_Allreduce(&value, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  return worst;
}

/* main of a test program: int main(int argc, char **argv) { return TestMain(argc, argv, tests, count); } */
static inline int TestMain(int argc, char **argv, const struct CMUnitTest *tests, size_t count) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush() || DeckUse(StudyOptions, NULL)) return 1;
  int failed = _cmocka_run_group_tests("chorale", tests, count, NULL, NULL), worst = 1;
  if (MPI_Allreduce(&failed, &worst, 1, MPI_INT, MPI_MAX, PETSC_COMM_WORLD) || PetscFinalize()) return 1;
  return worst != 0;
}
#define TEST_MAIN(tests)                                                                                               \
  int main(int argc, char **argv) {                                                                                    \
    return TestMain(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));                                              \
  }

#endif
