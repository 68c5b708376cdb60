/* What the measurements share: two clocks, the median, and dgemm as the measure of the machine.
 *
 * A ratio to dgemm is the median of ratios of neighbours: stretches of dgemm and of our own work alternate, so that a
 * machine whose speed changes changes both. One rank is measured in CPU time, which other programs take nothing from;
 * several ranks wait for each other, so they are measured in wall time, that of the slowest. */
#ifndef CHORALE_BENCH_H
#define CHORALE_BENCH_H

#include <stdlib.h>
#include <time.h>

#include <petscsys.h>

#include <petscblaslapack.h> /* needs petscsys.h before it */

#include <chorale/rng.h>
#include <chorale/tokens.h>

enum { BENCH_REPEATS = 7, BENCH_GEMM = 2048 };
#define BENCH_GEMM_FLOPS (2.0 * BENCH_GEMM * BENCH_GEMM * BENCH_GEMM)

typedef PetscErrorCode (*BenchWork)(void *context);

static inline double BenchCpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int BenchAscending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Sorts the values. */
static inline double BenchMedian(int n, double *values) {
  qsort(values, (size_t)n, sizeof(double), BenchAscending);
  return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

/* Seconds of one run: `wall` of the slowest rank, and `fair`, the same or the CPU time of a single rank. */
static inline PetscErrorCode BenchTime(BenchWork work, void *context, double *wall, double *fair) {
  PetscMPIInt size;
  double cpu;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
  *wall = -MPI_Wtime();
  cpu = -BenchCpu();
  PetscCall(work(context));
  cpu += BenchCpu();
  *wall += MPI_Wtime();
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, wall, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  *fair = size > 1 ? *wall : cpu;
  PetscFunctionReturn(0);
}

/* Median wall seconds of a run, after one to warm up. */
static inline PetscErrorCode BenchSeconds(BenchWork work, void *context, double *seconds) {
  double wall[BENCH_REPEATS], fair;

  PetscFunctionBeginUser;
  PetscCall(work(context));
  for (int i = 0; i < BENCH_REPEATS; i++) PetscCall(BenchTime(work, context, &wall[i], &fair));
  *seconds = BenchMedian(BENCH_REPEATS, wall);
  PetscFunctionReturn(0);
}

/* Uniform tokens, a set for each number `which`, by the same draws at any N: their first step is like any other. */
static inline PetscErrorCode BenchScatter(Tokens tokens, uint32_t which) {
  const RngStream stream = {.seed = 3, .step = which, .purpose = RNG_TEST};
  TokensLayout layout;
  double *values;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(VecGetArray(x, &values));
  RngNormal(stream, (uint64_t)layout.first * layout.block * layout.dim,
            (size_t)layout.owned * layout.block * layout.dim, values);
  PetscCall(VecRestoreArray(x, &values));
  PetscCall(TokensMove(tokens, 0, NULL));
  PetscFunctionReturn(0);
}

static inline PetscErrorCode BenchGemm(void *context) {
  const PetscBLASInt n = BENCH_GEMM;
  const double one = 1, zero = 0;
  double *a = context;

  PetscFunctionBeginUser;
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &n, &n, &n, &one, a, &n, a + n * n, &n, &zero, a + 2 * n * n, &n));
  PetscFunctionReturn(0);
}

typedef struct {
  double seconds;  /* median wall time of a run */
  double fair;     /* the same, of a single rank in CPU time */
  double fraction; /* of the rate of dgemm on as many ranks */
  double gemm;     /* that of one rank, flop/s */
} BenchResult;

/* Measures work that does so many flops on all ranks together. */
static inline PetscErrorCode BenchBesideGemm(BenchWork work, void *context, double flops, BenchResult *result) {
  const size_t n = (size_t)BENCH_GEMM * BENCH_GEMM;
  const RngStream stream = {.seed = 1, .purpose = RNG_TEST};
  double wall[BENCH_REPEATS], own[BENCH_REPEATS], gemm[BENCH_REPEATS + 1], ratio[BENCH_REPEATS], unused, *a;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(PetscMalloc1(3 * n, &a));
  RngNormal(stream, 0, 3 * n, a);
  PetscCall(BenchGemm(a));
  PetscCall(work(context));
  PetscCall(BenchTime(BenchGemm, a, &unused, &gemm[0]));
  for (int i = 0; i < BENCH_REPEATS; i++) {
    PetscCall(BenchTime(work, context, &wall[i], &own[i]));
    PetscCall(BenchTime(BenchGemm, a, &unused, &gemm[i + 1]));
    ratio[i] = flops / own[i] / size * 0.5 * (gemm[i] + gemm[i + 1]) / BENCH_GEMM_FLOPS;
  }
  PetscCall(PetscFree(a));
  *result = (BenchResult){.seconds = BenchMedian(BENCH_REPEATS, wall),
                          .fair = BenchMedian(BENCH_REPEATS, own),
                          .fraction = BenchMedian(BENCH_REPEATS, ratio),
                          .gemm = BENCH_GEMM_FLOPS / BenchMedian(BENCH_REPEATS + 1, gemm)};
  PetscFunctionReturn(0);
}

#endif
