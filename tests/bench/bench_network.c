/* What messages between these ranks take, in the two numbers that -dry_run plans with (dry_latency, dry_bandwidth):
 * what sums over all ranks, of few numbers and of as many as steps have, add to work between them. Medians of rounds.
 * Ranks that take turns on a core wait for their turn, too. Prints `name value unit` lines. */
#include <chorale/error.h>
#include <chorale/sum.h>

#include "bench.h"

enum { FEW = 1, MANY = 1 << 14, TOGETHER = 20, ROUNDS = 25, WORK = 100000 };

static volatile double sink;

/* About 0.2 ms, as of a tile or two. */
static void Work(void) {
  double x = sink;

  for (int i = 0; i < WORK; i++) x = 0.999 * x + 0.5;
  sink = x;
}

/* Seconds of work and a sum of n numbers, 0 for none, in one of many that follow each other. */
static PetscErrorCode Round(PetscInt n, PetscInt64 *values, double *seconds) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
  *seconds = -MPI_Wtime();
  for (int k = 0; k < TOGETHER; k++) {
    Work();
    if (n) PetscCall(SumAllreduce(PETSC_COMM_WORLD, n, values));
  }
  PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
  *seconds = (*seconds + MPI_Wtime()) / TOGETHER;
  PetscFunctionReturn(0);
}

/* Medians of what sums of few and of many numbers add. */
static PetscErrorCode Sums(double *few, double *many) {
  double added[ROUNDS], more[ROUNDS], work = 0, with = 0;
  PetscInt64 *values;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(MANY, &values));
  PetscCall(Round(MANY, values, &with)); /* warms up */
  for (int i = 0; i < ROUNDS; i++) {
    PetscCall(Round(0, values, &work));
    PetscCall(Round(FEW, values, &with));
    PetscCall(Round(MANY, values, &more[i]));
    added[i] = with - work;
    more[i] -= with;
  }
  PetscCall(PetscFree(values));
  *few = BenchMedian(ROUNDS, added);
  *many = BenchMedian(ROUNDS, more);
  PetscFunctionReturn(0);
}

/* A sum goes there and back, in as many messages each way as the number of ranks has binary digits. */
int main(int argc, char **argv) {
  double few, many;
  PetscMPIInt size;

  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  if (MPI_Comm_size(PETSC_COMM_WORLD, &size) || Sums(&few, &many)) return 1;
  const double messages = 2 * PetscMax(1, PetscCeilReal(PetscLog2Real(size))), least = 1e-9;
  if (PetscPrintf(PETSC_COMM_WORLD, "latency %.4g us\nbandwidth %.4g GB/s\n", 1e6 * PetscMax(few, least) / messages,
                  1e-9 * 2 * 8 * (MANY - FEW) / PetscMax(many, least)))
    return 1;
  return PetscFinalize() != 0;
}
