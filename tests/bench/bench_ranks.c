/* Several ranks against one, of one machine and in one run: mpirun -n RANKS bench_ranks. Some work by rank 0 alone,
 * while the others sleep, and the same work by all ranks, in turn. Prints `name value unit` lines, medians of ratios of
 * neighbours. That of dgemm, of which every rank then does as much as the one, is the machine's own limit. */
#include <unistd.h>

#include <chorale/attention.h>
#include <chorale/error.h>
#include <chorale/noise.h>

#include "bench.h"
#include "keys.h"

enum { PAIRS = 9 };

typedef struct {
  Tokens tokens;
  Attention attention; /* or NULL */
  Noise noise;         /* or NULL */
  Field field;
  Vec out;
} Case;

static PetscErrorCode CaseCreate(MPI_Comm comm, PetscInt N, PetscInt d, PetscBool attention, Case *c) {
  PetscFunctionBeginUser;
  *c = (Case){0};
  PetscCall(TokensCreate(comm, N, d, &c->tokens));
  PetscCall(BenchScatter(c->tokens, 0));
  PetscCall(TokensCreateVec(c->tokens, &c->out));
  if (attention) {
    PetscCall(AttentionFromKeys(c->tokens, &c->attention));
  } else {
    PetscCall(NoiseFromKeys(d, &c->noise));
    PetscCall(NoiseCreateField(c->noise, &c->field));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode CaseDestroy(Case *c) {
  PetscFunctionBeginUser;
  if (c->attention) PetscCall(AttentionDestroy(&c->attention));
  if (c->field) PetscCall(FieldDestroy(&c->field));
  if (c->noise) PetscCall(NoiseDestroy(&c->noise));
  PetscCall(VecDestroy(&c->out));
  PetscCall(TokensDestroy(&c->tokens));
  PetscFunctionReturn(0);
}

/* At new positions, as far as the sums know; a new layer. */
static PetscErrorCode Evaluate(void *context) {
  Case *c = context;

  PetscFunctionBeginUser;
  PetscCall(TokensMove(c->tokens, 0, NULL));
  if (c->attention) {
    PetscCall(AttentionEvaluate(c->attention, c->tokens, c->out));
  } else {
    PetscCall(NoiseDraw(c->noise, 0, 0, c->field));
    PetscCall(FieldEvaluate(c->field, c->tokens, c->out));
  }
  PetscFunctionReturn(0);
}

/* Seconds of rank 0, known to all; the others take no processor from it. */
static PetscErrorCode Alone(BenchWork work, void *context, double *seconds) {
  MPI_Request request;
  PetscMPIInt rank;
  int done = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
  if (!rank) {
    *seconds = -MPI_Wtime();
    PetscCall(work(context));
    *seconds += MPI_Wtime();
  }
  PetscCallMPI(MPI_Ibarrier(PETSC_COMM_WORLD, &request));
  while (!done) {
    PetscCallMPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
    if (!done) (void)usleep(500);
  }
  PetscCallMPI(MPI_Bcast(seconds, 1, MPI_DOUBLE, 0, PETSC_COMM_WORLD));
  PetscFunctionReturn(0);
}

/* `one` is work for rank 0 alone, `all` for all ranks, in which each does `each` times what rank 0 does alone. */
static PetscErrorCode Scaling(const char *name, BenchWork work, void *one, void *all, double each) {
  double ratio[PAIRS], alone, together, unused;

  PetscFunctionBeginUser;
  for (int i = -1; i < PAIRS; i++) { /* the first warms up */
    PetscCall(Alone(work, one, &alone));
    PetscCall(BenchTime(work, all, &together, &unused));
    ratio[PetscMax(i, 0)] = each * alone / together;
  }
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s_ranks %.4g x\n", name, BenchMedian(PAIRS, ratio)));
  PetscFunctionReturn(0);
}

static PetscErrorCode Compare(const char *name, PetscInt N, PetscInt d, PetscBool attention) {
  PetscMPIInt rank;
  Case one = {0}, all;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (!rank) PetscCall(CaseCreate(PETSC_COMM_SELF, N, d, attention, &one));
  PetscCall(CaseCreate(PETSC_COMM_WORLD, N, d, attention, &all));
  PetscCall(Scaling(name, Evaluate, &one, &all, 1));
  PetscCall(CaseDestroy(&all));
  if (!rank) PetscCall(CaseDestroy(&one));
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(void) {
  const size_t n = (size_t)BENCH_GEMM * BENCH_GEMM;
  const RngStream stream = {.seed = 1, .purpose = RNG_TEST};
  PetscMPIInt size;
  double *a;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(PetscOptionsSetValue(NULL, "-noise_type", "mlp"));
  PetscCall(PetscOptionsSetValue(NULL, "-mlp_width", "2048"));
  PetscCall(PetscMalloc1(3 * n, &a));
  RngNormal(stream, 0, 3 * n, a);
  PetscCall(Scaling("dgemm", BenchGemm, a, a, size));
  PetscCall(PetscFree(a));
  PetscCall(Compare("attention_8192_64", 8192, 64, PETSC_TRUE));
  PetscCall(Compare("attention_16384_8", 16384, 8, PETSC_TRUE));
  PetscCall(Compare("mlp_8192_64", 8192, 64, PETSC_FALSE));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  const PetscErrorCode code = Run();
  return PetscFinalize() || code;
}
