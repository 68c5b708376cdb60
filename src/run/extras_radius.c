/* The mean radius of tokens that have one, NEIGHBOURS.md (13.1): sum_i w_i r_i. */
#include <chorale/sum.h>

#include "run/extras.h"

static PetscErrorCode Declare(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Quantity *quantity) {
  PetscFunctionBeginUser;
  (void)count, (void)dim;
  if (!options->radius) PetscFunctionReturn(0);
  quantity->name = "radius";
  quantity->unit = "1";
  quantity->description = "sum_i w_i r_i, the mean length of the tokens' vectors";
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(const Quantity *quantity, Tokens tokens, Attention attention, PetscReal values[]) {
  PetscReal most = 0;
  PetscInt64 total = 0;
  const double *weights;
  TokensLayout layout;
  double *radius;

  PetscFunctionBeginUser;
  (void)quantity, (void)attention;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(TokensGetRadius(tokens, &radius));
  for (PetscInt i = 0; i < layout.owned * layout.block; i++) most = PetscMax(most, radius[i]);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &most, 1, MPIU_REAL, MPI_MAX, layout.comm));
  const PetscReal scale = SumScale(2 * most); /* weights add up to 1 up to rounding */
  for (PetscInt b = 0; b < layout.owned; b++) {
    PetscReal sum = 0;

    for (PetscInt t = b * layout.block; t < (b + 1) * layout.block; t++) sum += weights[t] * radius[t];
    total += SumRound(sum, scale);
  }
  PetscCall(SumAllreduce(layout.comm, 1, &total));
  values[0] = (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

const Extra ExtraRadius = {.declare = Declare, .evaluate = Evaluate};
