/* Speed of the MLP layer, beside dgemm: lines `name value unit`. Times are of the slowest rank, rates are of all ranks
 * together. */
#include <chorale/error.h>
#include <chorale/noise.h>

#include "bench.h"
#include "keys.h"

enum { WIDTH = 2048 };

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

static PetscErrorCode CaseCreate(PetscInt N, PetscInt d, PetscInt layers, Case *c) {
  PetscFunctionBeginUser;
  c->layers = layers;
  PetscCall(NoiseFromKeys(d, &c->noise));
  PetscCall(NoiseCreateField(c->noise, &c->field));
  PetscCall(TokensCreate(PETSC_COMM_WORLD, N, d, &c->tokens));
  PetscCall(TokensCreateVec(c->tokens, &c->g));
  PetscFunctionReturn(0);
}

static PetscErrorCode CaseDestroy(Case *c) {
  PetscFunctionBeginUser;
  PetscCall(VecDestroy(&c->g));
  PetscCall(TokensDestroy(&c->tokens));
  PetscCall(FieldDestroy(&c->field));
  PetscCall(NoiseDestroy(&c->noise));
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(void) {
  static const PetscInt dims[] = {4, 64, 128};
  PetscMPIInt size;
  BenchResult large = {0};
  Case c;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  PetscCall(PetscOptionsSetValue(NULL, "-noise_type", "mlp"));
  PetscCall(PetscOptionsSetValue(NULL, "-mlp_activation", "relu"));
  PetscCall(PetscOptionsSetValue(NULL, "-mlp_width", "2048"));
  PetscCall(CaseCreate(8192, 64, 2, &c));
  PetscCall(BenchBesideGemm(Layers, &c, 4.0 * 8192 * 64 * WIDTH * (double)c.layers, &large));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "dgemm %.4g GF/s\n", 1e-9 * large.gemm * size));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "mlp_n8192_d64 %.4g s\n", large.seconds / (double)c.layers));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "mlp_n8192_d64_fair %.4g s\n", large.fair / (double)c.layers));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "mlp_n8192_d64_fraction %.4g of_dgemm\n", large.fraction));
  PetscCall(CaseDestroy(&c));
  for (int i = 0; i < 3; i++) {
    double seconds = 0;
    PetscCall(CaseCreate(64, dims[i], 50, &c));
    PetscCall(BenchSeconds(Layers, &c, &seconds));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "mlp_n64_d%" PetscInt_FMT " %.4g us\n", dims[i],
                          1e6 * seconds / (double)c.layers));
    PetscCall(CaseDestroy(&c));
  }
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  const PetscErrorCode code = Run();
  return PetscFinalize() || code;
}
