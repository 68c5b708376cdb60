/* One full step of the limit SDE (moment attention + spectral noise + update, scheme euler, beta = 1, tol 1e-12),
 * tokens on all ranks: bench_step. Prints `name value unit` lines: token-steps per second and core, memory, and the
 * share of the allreduce. */
#include <chorale/error.h>
#include <chorale/harmonics.h>
#include <chorale/sum.h>

#include <sys/resource.h>

#include "bench_steps.h"

enum { ROUNDS = 3 };

/* Seconds of the step's reduction if it were of d + 1 moments of K harmonics, which it is at most. */
static PetscErrorCode MeasureAllreduce(PetscInt n, double *best) {
  PetscInt64 *values;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(n, &values));
  for (int i = 0; i < REPEATS * ROUNDS; i++) {
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    const double start = Seconds();
    PetscCall(SumAllreduce(PETSC_COMM_WORLD, n, values));
    *best = PetscMin(*best, Seconds() - start);
  }
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

enum { COUNTS = 3 };

/* All numbers of tokens in turn, several times. The memory is that of the first round, while counts ascend. */
static PetscErrorCode Case(PetscInt d, const char *degree, PetscInt attention_degree) {
  static const PetscInt counts[COUNTS] = {100000, 1000000, 10000000};
  double seconds[COUNTS], memory[COUNTS], allreduce = PETSC_MAX_REAL;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(Set("-noise_degree", degree));
  PetscCall(MeasureAllreduce((d + 1) * (PetscInt)HarmonicsCount(d, attention_degree), &allreduce));
  for (int i = 0; i < ROUNDS * COUNTS; i++) {
    const int k = i % COUNTS;
    struct rusage usage;

    if (i < COUNTS) seconds[k] = PETSC_MAX_REAL;
    PetscCall(Measure(counts[k], d, &seconds[k]));
    (void)getrusage(RUSAGE_SELF, &usage);
    if (i < COUNTS) memory[k] = 1024.0 * (double)usage.ru_maxrss / 8 / counts[k] * size / d;
  }
  for (int k = 0; k < COUNTS; k++) {
    const int n = (int)counts[k];
    PetscCall(
        PetscPrintf(PETSC_COMM_WORLD, "step_d%d_n%d %.4g token-steps/s/core\n", (int)d, n, n / seconds[k] / size));
    PetscCall(
        PetscPrintf(PETSC_COMM_WORLD, "step_d%d_n%d_allreduce %.4g %%\n", (int)d, n, 100 * allreduce / seconds[k]));
    PetscCall(
        PetscPrintf(PETSC_COMM_WORLD, "step_d%d_n%d_memory %.4g doubles/token/component\n", (int)d, n, memory[k]));
  }
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  const double N = 16384;
  double seconds = PETSC_MAX_REAL;

  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  if (Set("-attention_engine", "moments") || Set("-noise_type", "spectral") || Set("-scheme_type", "euler")) return 1;
  if (Case(2, "64", 16) || Case(3, "32", 16)) return 1;
  if (Set("-attention_engine", "direct") || Set("-noise_degree", "64") || Measure((PetscInt)N, 2, &seconds)) return 1;
  if (PetscPrintf(PETSC_COMM_WORLD, "direct_d2_n16384 %.4g token-steps/s/core\n", N / seconds)) return 1;
  seconds = PETSC_MAX_REAL;
  if (Set("-noise_degree", "32") || Measure((PetscInt)N, 3, &seconds)) return 1;
  if (PetscPrintf(PETSC_COMM_WORLD, "direct_d3_n16384 %.4g token-steps/s/core\n", N / seconds)) return 1;
  return PetscFinalize() != 0;
}
