/* One full step of the limit SDE (moment attention + spectral noise + update, scheme euler, beta = 1, tol 1e-12),
 * tokens on all ranks: bench_step. Prints `name value unit` lines: token-steps per second and core, memory, and the
 * share of a step that its allreduces take, waiting included, by PETSc's events. */
#include <chorale/error.h>

#include <sys/resource.h>

#include "bench_steps.h"

enum { ROUNDS = 3 };

/* Seconds in an event so far, the mean over the ranks; 0 if there is none. */
static PetscErrorCode EventTime(const char *name, double *seconds) {
  PetscEventPerfInfo info;
  PetscLogEvent event;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  *seconds = 0;
  PetscCall(PetscLogEventGetId(name, &event));
  if (event >= 0) {
    PetscCall(PetscLogEventGetPerfInfo(0, event, &info));
    *seconds = info.time;
  }
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, seconds, 1, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  *seconds /= size;
  PetscFunctionReturn(0);
}

/* The share of the allreduces in steps of their own, since events take time, too. */
static PetscErrorCode MeasureShare(PetscInt N, PetscInt d) {
  static const char *const names[] = {"AttnAllreduce", "SchemeStep", "SpectralDraw"};
  double before[3], after[3], unused = PETSC_MAX_REAL;

  PetscFunctionBeginUser;
  for (int i = 0; i < 3; i++) PetscCall(EventTime(names[i], &before[i]));
  PetscCall(Measure(N, d, &unused));
  for (int i = 0; i < 3; i++) {
    PetscCall(EventTime(names[i], &after[i]));
    after[i] -= before[i];
  }
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "step_d%d_n%d_allreduce %.4g %%\n", (int)d, (int)N,
                        100 * after[0] / (after[1] + after[2])));
  PetscFunctionReturn(0);
}

enum { COUNTS = 3 };

/* All numbers of tokens in turn, several times. The memory is that of the first round, while counts ascend. */
static PetscErrorCode Case(PetscInt d, const char *degree) {
  static const PetscInt counts[COUNTS] = {100000, 1000000, 10000000};
  double seconds[COUNTS], memory[COUNTS];
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(Set("-noise_degree", degree));
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
        PetscPrintf(PETSC_COMM_WORLD, "step_d%d_n%d_memory %.4g doubles/token/component\n", (int)d, n, memory[k]));
  }
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  const double N = 16384;
  double seconds = PETSC_MAX_REAL;

  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  if (Set("-attention_engine", "moments") || Set("-noise_type", "spectral") || Set("-scheme_type", "euler")) return 1;
  if (Case(2, "64") || Case(3, "32")) return 1;
  if (PetscLogDefaultBegin()) return 1;
  for (PetscInt n = 100000; n <= 1000000; n *= 10)
    if (Set("-noise_degree", "64") || MeasureShare(n, 2) || Set("-noise_degree", "32") || MeasureShare(n, 3)) return 1;
  if (Set("-attention_engine", "direct") || Set("-noise_degree", "64") || Measure((PetscInt)N, 2, &seconds)) return 1;
  if (PetscPrintf(PETSC_COMM_WORLD, "direct_d2_n16384 %.4g token-steps/s/core\n", N / seconds)) return 1;
  seconds = PETSC_MAX_REAL;
  if (Set("-noise_degree", "32") || Measure((PetscInt)N, 3, &seconds)) return 1;
  if (PetscPrintf(PETSC_COMM_WORLD, "direct_d3_n16384 %.4g token-steps/s/core\n", N / seconds)) return 1;
  return PetscFinalize() != 0;
}
