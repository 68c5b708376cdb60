/* Distances between measures, CPU seconds of this process (the slowest rank), the best of some: bench_distance
 * [-only NAME]. Prints `name value unit` lines. */
#include <string.h>
#include <time.h>

#include <chorale/distance.h>
#include <chorale/error.h>

#include "bench.h"

static double Seconds(void) {
  struct timespec now;

  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Uniform tokens, equal weights. */
static PetscErrorCode Uniform(PetscInt64 N, PetscInt d, uint32_t which, Tokens *tokens) {
  PetscFunctionBeginUser;
  PetscCall(TokensCreate(PETSC_COMM_WORLD, N, d, tokens));
  PetscCall(BenchScatter(*tokens, which));
  PetscFunctionReturn(0);
}

typedef PetscErrorCode (*Measured)(Tokens mu, Tokens nu, PetscReal *value);

static PetscErrorCode Circle(Tokens mu, Tokens nu, PetscReal *value) {
  PetscReal chordal;
  return DistanceCircle(mu, nu, value, &chordal);
}

static PetscErrorCode Auction(Tokens mu, Tokens nu, PetscReal *value) {
  PetscReal low;
  return DistanceAuction(mu, nu, 1e-4, &low, value);
}

static PetscErrorCode Sliced(Tokens mu, Tokens nu, PetscReal *value) {
  return DistanceSliced(mu, nu, 32, value);
}

static PetscErrorCode Mmd(Tokens mu, Tokens nu, PetscReal *value) {
  return DistanceMMD(mu, nu, 1, value);
}

static PetscErrorCode Measure(const char *name, PetscInt64 N, PetscInt64 M, PetscInt d, Measured measured, int times) {
  double best = 1e300;
  PetscBool given;
  Tokens mu, nu;
  char only[16];

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsGetString(NULL, NULL, "-only", only, sizeof(only), &given));
  if (given && strcmp(only, name)) PetscFunctionReturn(0);
  PetscCall(Uniform(N, d, 0, &mu));
  PetscCall(Uniform(M, d, 1, &nu));
  for (int i = 0; i < times; i++) {
    double seconds = Seconds();
    PetscReal value;

    PetscCall(measured(mu, nu, &value));
    seconds = Seconds() - seconds;
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
    best = PetscMin(best, seconds);
  }
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s_d%" PetscInt_FMT "_n%" PetscInt64_FMT "_m%" PetscInt64_FMT " %.4g s\n",
                        name, d, N, M, best));
  PetscCall(TokensDestroy(&mu));
  PetscCall(TokensDestroy(&nu));
  PetscFunctionReturn(0);
}

static PetscErrorCode All(void) {
  PetscFunctionBeginUser;
  PetscCall(Measure("circle", 1000000, 1000000, 2, Circle, 3));
  PetscCall(Measure("circle", 10000000, 16384, 2, Circle, 3));
  PetscCall(Measure("circle", 10000000, 10000000, 2, Circle, 3));
  PetscCall(Measure("mmd", 1000000, 16384, 2, Mmd, 3));
  for (PetscInt d = 3; d <= 4; d++) {
    PetscCall(Measure("mmd", 100000, 100000, d, Mmd, 3));
    PetscCall(Measure("sliced", 100000, 100000, d, Sliced, 3));
  }
  PetscCall(Measure("auction", 100000, 100000, 3, Auction, 2));
  PetscCall(Measure("auction", 1000000, 1000000, 3, Auction, 1));
  PetscCall(Measure("auction", 50000, 50000, 4, Auction, 2));
  PetscCall(Measure("auction", 20000, 20000, 8, Auction, 2));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  const PetscErrorCode code = All();
  return PetscFinalize() ? 1 : ErrorExitCode(code);
}
