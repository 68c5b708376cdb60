/* Amplitudes of harmonics, NEIGHBOURS.md (16.1): |S|/dim(n) sum_k (sum_i w_i Y_nk(x_i))^2 for degree n. */
#include <chorale/harmonics.h>
#include <chorale/sphere.h>
#include <chorale/sum.h>

#include "run/extras.h"

#define MODES_MOST 20000 /* harmonics, as with the moments of attention */

static PetscErrorCode Declare(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Quantity *quantity) {
  PetscReal harmonics;

  PetscFunctionBeginUser;
  (void)count;
  if (!options->modes) PetscFunctionReturn(0);
  harmonics = dim > HARMONICS_DIM ? PETSC_INFINITY : HarmonicsCount(dim, (PetscInt)options->modes);
  PetscCheck(harmonics <= MODES_MOST, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "output_modes = %" PetscInt64_FMT ": must have at most %d harmonics, and tokens_dim at most %d",
             options->modes, MODES_MOST, HARMONICS_DIM);
  quantity->name = "modes";
  quantity->unit = "1";
  quantity->description = "sum_ij w_i w_j P_n(<x_i,x_j>) for the degrees n = 1, 2, ...";
  quantity->rank = 1;
  quantity->shape[0] = (PetscInt)options->modes;
  PetscFunctionReturn(0);
}

/* moments[K] = sum_i w_i Y_k(x_i) / most, where no |Y_k| is above `most`, as integers. */
static PetscErrorCode Analyze(Harmonics harmonics, PetscReal most, Tokens tokens, PetscInt K, PetscInt64 *moments) {
  const PetscReal scale = SumScale(1);
  const double *x, *weights;
  double *part;
  TokensLayout layout;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(PetscMalloc1(K, &part));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    PetscCall(HarmonicsAnalyze(harmonics, layout.block, x + b * layout.dim * layout.block, 1,
                               weights + b * layout.block, part));
    for (PetscInt k = 0; k < K; k++) moments[k] += SumRound(part[k] / most, scale);
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(PetscFree(part));
  PetscCall(SumAllreduce(layout.comm, K, moments));
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(const Quantity *quantity, Tokens tokens, Attention attention, PetscReal values[]) {
  const PetscInt modes = quantity->shape[0];
  const PetscInt *degrees;
  PetscInt64 *moments;
  PetscInt K;
  TokensLayout layout;
  Harmonics harmonics;

  PetscFunctionBeginUser;
  (void)attention;
  PetscCall(TokensGetLayout(tokens, &layout));
  const PetscReal area = SphereArea(layout.dim);
  PetscCall(HarmonicsCreate(layout.dim, modes, &harmonics));
  PetscCall(HarmonicsGetSize(harmonics, &K, &degrees));
  /* By the addition theorem Y_k^2 <= dim(n)/|S|, and dim(n) < K. */
  const PetscReal most = PetscSqrtReal((PetscReal)K / area);
  PetscCall(PetscCalloc1(K, &moments));
  PetscCall(Analyze(harmonics, most, tokens, K, moments));
  for (PetscInt n = 1; n <= modes; n++) values[n - 1] = 0;
  for (PetscInt k = 0; k < K; k++) {
    const PetscInt n = degrees[k];
    if (n > 0) values[n - 1] += PetscSqr(most * (PetscReal)moments[k] / SumScale(1));
  }
  for (PetscInt n = 1; n <= modes; n++) values[n - 1] *= area / SphereHarmonicCount(layout.dim, n);
  PetscCall(PetscFree(moments));
  PetscCall(HarmonicsDestroy(&harmonics));
  PetscFunctionReturn(0);
}

const Extra ExtraModes = {.declare = Declare, .evaluate = Evaluate};
