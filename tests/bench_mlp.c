/* Speed of the MLP layer, beside the dgemm rate of the same run: lines `name value unit`, each the median of 5. Times
 * are of the slowest rank, rates are of all ranks together. */
#include <stdio.h>
#include <stdlib.h>

#include <petscsys.h>

#include <petscblaslapack.h> /* needs petscsys.h before it */

#include <chorale/error.h>
#include <chorale/noise.h>
#include <chorale/rng.h>

enum { REPEATS = 5, WIDTH = 2048 };

static int Compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median over REPEATS of the slowest rank's seconds of work(context), after one run to warm up. */
static PetscErrorCode Median(PetscErrorCode (*work)(void *context), void *context, double *seconds) {
  double time[REPEATS];

  PetscFunctionBeginUser;
  PetscCall(work(context));
  for (int i = 0; i < REPEATS; i++) {
    PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
    time[i] = -MPI_Wtime();
    PetscCall(work(context));
    time[i] += MPI_Wtime();
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &time[i], 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  }
  qsort(time, REPEATS, sizeof(double), Compare);
  *seconds = time[REPEATS / 2];
  PetscFunctionReturn(0);
}

static PetscErrorCode Multiply(void *context) {
  const PetscBLASInt n = WIDTH;
  const double one = 1, zero = 0;
  double *a = context;

  PetscFunctionBeginUser;
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &n, &n, &n, &one, a, &n, a + n * n, &n, &zero, a + 2 * n * n, &n));
  PetscFunctionReturn(0);
}

/* The dgemm rate at 2048^3 of all ranks working at once, in flop/s. */
static PetscErrorCode DgemmRate(double *rate) {
  const size_t n = WIDTH;
  const RngStream stream = {.purpose = RNG_TEST};
  PetscMPIInt size;
  double *a, seconds;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(PetscMalloc1(3 * n * n, &a));
  RngNormal(stream, 0, 2 * n * n, a);
  PetscCall(Median(Multiply, a, &seconds));
  PetscCall(PetscFree(a));
  *rate = size * 2.0 * (double)(n * n * n) / seconds;
  PetscFunctionReturn(0);
}

typedef struct {
  Noise noise;
  Field field;
  Tokens tokens;
  Vec g;
  PetscInt layers;
} Case;

static PetscErrorCode Layers(void *context) {
  Case *c = context;

  PetscFunctionBeginUser;
  for (PetscInt l = 0; l < c->layers; l++) {
    PetscCall(NoiseDraw(c->noise, 0, l, c->field));
    PetscCall(FieldEvaluate(c->field, c->tokens, c->g));
  }
  PetscFunctionReturn(0);
}

/* Seconds per layer. */
static PetscErrorCode LayerTime(PetscInt N, PetscInt d, PetscInt layers, double *seconds) {
  Case c = {.layers = layers};

  PetscFunctionBeginUser;
  PetscCall(NoiseCreate(d, &c.noise));
  PetscCall(NoiseCreateField(c.noise, &c.field));
  PetscCall(TokensCreate(PETSC_COMM_WORLD, N, d, &c.tokens));
  PetscCall(TokensCreateVec(c.tokens, &c.g));
  PetscCall(Median(Layers, &c, seconds));
  *seconds /= layers;
  PetscCall(VecDestroy(&c.g));
  PetscCall(TokensDestroy(&c.tokens));
  PetscCall(FieldDestroy(&c.field));
  PetscCall(NoiseDestroy(&c.noise));
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(void) {
  static const PetscInt dims[] = {4, 64, 128};
  double rate, seconds;

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsSetValue(NULL, "-noise_type", "mlp"));
  PetscCall(PetscOptionsSetValue(NULL, "-mlp_activation", "relu"));
  PetscCall(PetscOptionsSetValue(NULL, "-mlp_width", "2048"));
  PetscCall(DgemmRate(&rate));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "dgemm %.4g GF/s\n", 1e-9 * rate));
  PetscCall(LayerTime(8192, 64, 1, &seconds));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "mlp_n8192_d64 %.4g s\n", seconds));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "mlp_n8192_d64_fraction %.4g of_dgemm\n",
                        4.0 * 8192 * 64 * WIDTH / seconds / rate));
  for (int i = 0; i < 3; i++) {
    PetscCall(LayerTime(64, dims[i], 50, &seconds));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "mlp_n64_d%" PetscInt_FMT " %.4g us\n", dims[i], 1e6 * seconds));
  }
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  const PetscErrorCode code = Run();
  return PetscFinalize() || code;
}
