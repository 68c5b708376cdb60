/* What the measurements of whole steps share: the time of a step of the limit SDE at some N and d. */
#ifndef CHORALE_BENCH_STEPS_H
#define CHORALE_BENCH_STEPS_H

#include <time.h>

#include <chorale/attention.h>
#include <chorale/noise.h>
#include <chorale/scheme.h>

#include "bench.h"
#include "keys.h"

enum { REPEATS = 4, TOKENS = 4000000 };

/* One rank's own time, which others on the machine disturb least; of several, the time that passes. */
static inline double Seconds(void) {
  struct timespec t;
  PetscMPIInt size;

  if (MPI_Comm_size(PETSC_COMM_WORLD, &size) || size > 1 || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t))
    return MPI_Wtime();
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline PetscErrorCode Set(const char *name, const char *value) {
  PetscFunctionBeginUser;
  PetscCall(PetscOptionsSetValue(NULL, name, value));
  PetscFunctionReturn(0);
}

/* *best becomes the seconds of the fastest step, if that is less. */
static inline PetscErrorCode Measure(PetscInt N, PetscInt d, double *best) {
  Tokens tokens;
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(PETSC_COMM_WORLD, N, d, &tokens));
  PetscCall(BenchScatter(tokens, 0));
  PetscCall(AttentionFromKeys(tokens, &attention));
  PetscCall(NoiseFromKeys(d, &noise));
  PetscCall(NoiseCreateField(noise, &field));
  PetscCall(SchemeFromKeys(tokens, &scheme));
  for (PetscInt i = -1; i < PetscMax(REPEATS, TOKENS / N); i++) { /* the first warms up */
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    const double start = Seconds();
    PetscCall(NoiseDraw(noise, 0, i + 1, field));
    PetscCall(SchemeStep(scheme, attention, field, 1e-3, tokens));
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    if (i >= 0) *best = PetscMin(*best, Seconds() - start);
  }
  PetscCall(SchemeDestroy(&scheme));
  PetscCall(FieldDestroy(&field));
  PetscCall(NoiseDestroy(&noise));
  PetscCall(AttentionDestroy(&attention));
  PetscCall(TokensDestroy(&tokens));
  PetscFunctionReturn(0);
}

#endif
