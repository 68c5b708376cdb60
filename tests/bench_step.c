/* One full step of the limit SDE (moment attention + spectral noise + update, scheme euler, beta = 1, tol 1e-12),
 * tokens on all ranks: bench_step. Prints `name value unit` lines: token-steps per second and core, memory, and the
 * share of the allreduce. */
#include <chorale/attention.h>
#include <chorale/error.h>
#include <chorale/harmonics.h>
#include <chorale/noise.h>
#include <chorale/rng.h>
#include <chorale/scheme.h>
#include <chorale/sum.h>

#include <stdlib.h>
#include <sys/resource.h>

enum { REPEATS = 5 };

static int Ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static PetscErrorCode Set(const char *name, const char *value) {
  PetscFunctionBeginUser;
  PetscCall(PetscOptionsSetValue(NULL, name, value));
  PetscFunctionReturn(0);
}

/* Uniform tokens by the same draws at any N: their first step is like any other. */
static PetscErrorCode Scatter(Tokens tokens) {
  const RngStream stream = {.seed = 3, .purpose = RNG_TEST};
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

/* Median seconds of one step. */
static PetscErrorCode Measure(PetscInt N, PetscInt d, double *median) {
  Tokens tokens;
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;
  double seconds[REPEATS];

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(PETSC_COMM_WORLD, N, d, &tokens));
  PetscCall(Scatter(tokens));
  PetscCall(AttentionCreate(tokens, &attention));
  PetscCall(NoiseCreate(d, &noise));
  PetscCall(NoiseCreateField(noise, &field));
  PetscCall(SchemeCreate(tokens, &scheme));
  for (PetscInt i = -1; i < REPEATS; i++) { /* the first warms up */
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    const double start = MPI_Wtime();
    PetscCall(NoiseDraw(noise, 0, i + 1, field));
    PetscCall(SchemeStep(scheme, attention, field, 1e-3, tokens));
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    if (i >= 0) seconds[i] = MPI_Wtime() - start;
  }
  qsort(seconds, REPEATS, sizeof(double), Ascending);
  *median = seconds[REPEATS / 2];
  PetscCall(SchemeDestroy(&scheme));
  PetscCall(FieldDestroy(&field));
  PetscCall(NoiseDestroy(&noise));
  PetscCall(AttentionDestroy(&attention));
  PetscCall(TokensDestroy(&tokens));
  PetscFunctionReturn(0);
}

/* Median seconds of the step's only reduction, d + 1 moments of K harmonics. */
static PetscErrorCode MeasureAllreduce(PetscInt n, double *median) {
  double seconds[REPEATS];
  PetscInt64 *values;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(n, &values));
  for (int i = 0; i < REPEATS; i++) {
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    const double start = MPI_Wtime();
    PetscCall(SumAllreduce(PETSC_COMM_WORLD, n, values));
    seconds[i] = MPI_Wtime() - start;
  }
  PetscCall(PetscFree(values));
  qsort(seconds, REPEATS, sizeof(double), Ascending);
  *median = seconds[REPEATS / 2];
  PetscFunctionReturn(0);
}

static PetscErrorCode Case(PetscInt d, const char *degree, PetscInt attention_degree) {
  static const PetscInt counts[] = {100000, 1000000, 10000000};
  PetscMPIInt size;
  double seconds, allreduce = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(Set("-noise_degree", degree));
  PetscCall(MeasureAllreduce((d + 1) * (PetscInt)HarmonicsCount(d, attention_degree), &allreduce));
  for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
    struct rusage usage;
    PetscCall(Measure(counts[i], d, &seconds));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "step_d%d_n%d %.4g token-steps/s/core\n", (int)d, (int)counts[i],
                          counts[i] / seconds / size));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "step_d%d_n%d_allreduce %.4g %%\n", (int)d, (int)counts[i],
                          100 * allreduce / seconds));
    (void)getrusage(RUSAGE_SELF, &usage);
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "step_d%d_n%d_memory %.4g doubles/token/component\n", (int)d,
                          (int)counts[i], 1024.0 * (double)usage.ru_maxrss / 8 / counts[i] * size / d));
  }
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  const double N = 16384;
  double seconds;

  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  if (Set("-attention_engine", "moments") || Set("-noise_type", "spectral") || Set("-scheme_type", "euler")) return 1;
  if (Case(2, "64", 16) || Case(3, "32", 16)) return 1;
  if (Set("-attention_engine", "direct") || Set("-noise_degree", "64") || Measure((PetscInt)N, 2, &seconds)) return 1;
  if (PetscPrintf(PETSC_COMM_WORLD, "direct_d2_n16384 %.4g token-steps/s/core\n", N / seconds)) return 1;
  if (Set("-noise_degree", "32") || Measure((PetscInt)N, 3, &seconds)) return 1;
  if (PetscPrintf(PETSC_COMM_WORLD, "direct_d3_n16384 %.4g token-steps/s/core\n", N / seconds)) return 1;
  return PetscFinalize() != 0;
}
