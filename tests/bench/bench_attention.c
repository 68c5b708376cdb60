/* Direct softmax attention beside dgemm, tokens on all ranks: bench_attention [N d]... Prints `name value unit` lines.
 */
#include <chorale/attention.h>
#include <chorale/error.h>

#include "bench.h"
#include "keys.h"

typedef struct {
  Tokens tokens;
  Attention attention;
  Vec drift;
} Case;

/* At new positions, as far as the sums know. */
static PetscErrorCode Evaluate(void *context) {
  const Case *c = context;

  PetscFunctionBeginUser;
  PetscCall(TokensMove(c->tokens, 0, NULL));
  PetscCall(AttentionEvaluate(c->attention, c->tokens, c->drift));
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(PetscInt N, PetscInt d, BenchResult *result) {
  Case c;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(PETSC_COMM_WORLD, N, d, &c.tokens));
  PetscCall(BenchScatter(c.tokens, 0));
  PetscCall(TokensCreateVec(c.tokens, &c.drift));
  PetscCall(AttentionFromKeys(c.tokens, &c.attention));
  PetscCall(BenchBesideGemm(Evaluate, &c, 4.0 * N * N * d, result));
  PetscCall(AttentionDestroy(&c.attention));
  PetscCall(VecDestroy(&c.drift));
  PetscCall(TokensDestroy(&c.tokens));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  static const PetscInt usual[] = {8192, 64, 16384, 8};
  const int cases = argc >= 3 ? (argc - 1) / 2 : 2;

  PetscCall(PetscInitialize(&argc, &argv, NULL, NULL));
  PetscCall(ErrorHandlerPush());
  for (int i = 0; i < cases; i++) {
    const PetscInt N = argc >= 3 ? atoi(argv[1 + 2 * i]) : usual[2 * i],
                   d = argc >= 3 ? atoi(argv[2 + 2 * i]) : usual[2 * i + 1];
    char name[64];
    BenchResult result = {0};

    PetscCall(Measure(N, d, &result));
    PetscCall(PetscSNPrintf(name, sizeof(name), "attention_%" PetscInt_FMT "_%" PetscInt_FMT, N, d));
    if (i == 0) PetscCall(PetscPrintf(PETSC_COMM_WORLD, "dgemm_rate %.4g flop/s\n", result.gemm));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s %.4g s\n", name, result.seconds));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s_fair %.4g s\n", name, result.fair));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s_fraction %.4g of dgemm x ranks\n", name, result.fraction));
  }
  PetscCall(PetscFinalize());
  return 0;
}
