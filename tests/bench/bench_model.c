/* What the cost model of tools/bench --model is fitted to: bench_model on one rank and on two, and on more to check it.
 * Steps of the limit SDE by both engines, memory per token, and what messages take. Prints `name value unit` lines. */
#include <chorale/error.h>
#include <chorale/harmonics.h>
#include <chorale/sum.h>

#include <sys/resource.h>

#include "bench_steps.h"

enum { FEW = 1 << 16, MANY = 1 << 20, DIRECT = 8192, ROUNDS = 3, LARGE = 1 << 18, TRIES = 50 };

static double Memory(void) {
  struct rusage usage;

  (void)getrusage(RUSAGE_SELF, &usage);
  return 1024.0 * (double)usage.ru_maxrss;
}

/* Seconds of a sum, or else a broadcast, of n numbers: the fastest of many. */
static PetscErrorCode Message(PetscBool sum, PetscInt n, double *best) {
  PetscInt64 *values;

  PetscFunctionBeginUser;
  *best = PETSC_MAX_REAL;
  PetscCall(PetscCalloc1(n, &values));
  for (int i = 0; i < TRIES; i++) {
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    double seconds = -MPI_Wtime();
    if (sum)
      PetscCall(SumAllreduce(PETSC_COMM_WORLD, n, values));
    else
      PetscCallMPI(MPI_Bcast(values, (PetscMPIInt)n, MPIU_INT64, 0, PETSC_COMM_WORLD));
    seconds += MPI_Wtime(); /* of a broadcast, the receiver's */
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
    *best = PetscMin(*best, seconds);
  }
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

static PetscErrorCode Messages(void) {
  static const char *const names[2] = {"broadcast", "allreduce"};

  PetscFunctionBeginUser;
  for (int sum = 0; sum < 2; sum++) {
    double small, large;
    PetscCall(Message((PetscBool)sum, 1, &small));
    PetscCall(Message((PetscBool)sum, LARGE, &large));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s_latency %.4g s\n%s_bandwidth %.4g byte/s\n", names[sum], small,
                          names[sum], 8.0 * LARGE / (large - small)));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Steps(int d, const char *degree) {
  double few = PETSC_MAX_REAL, many = PETSC_MAX_REAL, direct = PETSC_MAX_REAL, memory;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(Set("-noise_degree", degree));
  PetscCall(Set("-attention_engine", "moments"));
  PetscCall(Measure(FEW, d, &few));
  memory = Memory();
  for (int i = 0; i < ROUNDS; i++) PetscCall(Measure(MANY, d, &many));
  memory = (Memory() - memory) * size / (MANY - FEW);
  PetscCall(Set("-attention_engine", "direct"));
  PetscCall(Measure(DIRECT, d, &direct));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "tokens_d%d %d -\nstep_d%d %.5g s\n", d, MANY, d, many));
  if (d == 2)
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "memory_d2 %.4g byte/token\n", memory)); /* before there was more */
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "direct_tokens_d%d %d -\ndirect_d%d %.5g s\n", d, DIRECT, d, direct));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "numbers_d%d %d -\n", d, (d + 1) * (int)HarmonicsCount(d, 16)));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  PetscMPIInt size;

  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  if (MPI_Comm_size(PETSC_COMM_WORLD, &size) || (size > 1 && Messages())) return 1;
  if (Set("-noise_type", "spectral") || Set("-scheme_type", "euler")) return 1;
  if (PetscPrintf(PETSC_COMM_WORLD, "memory_program %.4g byte\n", Memory())) return 1;
  if (Steps(2, "64") || Steps(3, "32")) return 1;
  return PetscFinalize() != 0;
}
