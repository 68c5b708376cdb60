/* Direct softmax attention against the dgemm rate of the same run, tokens on all ranks: bench_attention [N d]... Prints
 * `name value unit` lines. */
#include <chorale/attention.h>
#include <chorale/error.h>
#include <chorale/rng.h>

#include <petscblaslapack.h>
#include <stdlib.h>

static int Ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Best of 5 products of 2048 x 2048, flops per second on this rank. */
static PetscErrorCode GemmRate(double *rate) {
  const PetscBLASInt m = 2048;
  const double one = 1, zero = 0;
  const RngStream stream = {.seed = 1, .purpose = RNG_TEST};
  double *a, *b, *c, best = 1e300;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(m * m, &a, m * m, &b, m * m, &c));
  RngNormal(stream, 0, (size_t)m * m, a);
  RngNormal(stream, 0, (size_t)m * m, b);
  for (int i = 0; i < 5; i++) {
    const double start = MPI_Wtime();
    PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &m, &m, &m, &one, a, &m, b, &m, &zero, c, &m));
    best = PetscMin(best, MPI_Wtime() - start);
  }
  *rate = 2.0 * m * m * m / best;
  PetscCall(PetscFree3(a, b, c));
  PetscFunctionReturn(0);
}

/* Median of 5 evaluations at new positions, seconds. */
static PetscErrorCode Measure(PetscInt N, PetscInt d, double *median) {
  const RngStream stream = {.seed = 2, .purpose = RNG_TEST};
  Tokens tokens;
  TokensLayout layout;
  Attention attention;
  double seconds[5], *values;
  Vec drift;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(PETSC_COMM_WORLD, N, d, &tokens));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensCreateVec(tokens, &drift));
  PetscCall(VecGetArray(drift, &values));
  RngNormal(stream, (uint64_t)layout.first * layout.block * d, (size_t)layout.owned * layout.block * d, values);
  PetscCall(VecRestoreArray(drift, &values));
  PetscCall(TokensMove(tokens, 1e6, drift)); /* uniform on the sphere */
  PetscCall(AttentionCreate(tokens, &attention));
  for (int i = 0; i < 5; i++) {
    PetscCall(TokensMove(tokens, 0, NULL));
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    seconds[i] = MPI_Wtime();
    PetscCall(AttentionEvaluate(attention, tokens, drift));
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    seconds[i] = MPI_Wtime() - seconds[i];
  }
  qsort(seconds, 5, sizeof(double), Ascending);
  *median = seconds[2];
  PetscCall(AttentionDestroy(&attention));
  PetscCall(VecDestroy(&drift));
  PetscCall(TokensDestroy(&tokens));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  static const PetscInt usual[] = {8192, 64, 16384, 8};
  const int cases = argc >= 3 ? (argc - 1) / 2 : 2;
  PetscMPIInt size;
  double rate = 0;

  PetscCall(PetscInitialize(&argc, &argv, NULL, NULL));
  PetscCall(ErrorHandlerPush());
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(GemmRate(&rate));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "dgemm_rate %.4g flop/s\n", rate));
  for (int i = 0; i < cases; i++) {
    const PetscInt N = argc >= 3 ? atoi(argv[1 + 2 * i]) : usual[2 * i],
                   d = argc >= 3 ? atoi(argv[2 + 2 * i]) : usual[2 * i + 1];
    double seconds = 0;

    PetscCall(Measure(N, d, &seconds));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "attention_%" PetscInt_FMT "_%" PetscInt_FMT " %.4g s\n", N, d, seconds));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD,
                          "attention_%" PetscInt_FMT "_%" PetscInt_FMT "_fraction %.4g of dgemm x ranks\n", N, d,
                          4.0 * N * N * d / seconds / rate / size));
  }
  PetscCall(PetscFinalize());
  return 0;
}
