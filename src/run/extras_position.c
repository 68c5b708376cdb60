/* Cosines to the first token, NEIGHBOURS.md (11.4): of all tokens, and by position in the order of tokens, where the
 * mask of attention makes them differ. */
#include <chorale/sum.h>

#include "run/extras.h"

#define DECILES 10

static PetscErrorCode DeclareFirst(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Quantity *quantity) {
  PetscFunctionBeginUser;
  (void)count, (void)dim;
  if (!options->causal) PetscFunctionReturn(0);
  quantity->name = "cosine_first";
  quantity->unit = "1";
  quantity->description = "mean over the tokens of the cosine to the first";
  PetscFunctionReturn(0);
}

static PetscErrorCode DeclarePosition(PetscInt64 count, PetscInt dim, const ExtrasOptions *options,
                                      Quantity *quantity) {
  PetscFunctionBeginUser;
  (void)count, (void)dim;
  if (!options->causal) PetscFunctionReturn(0);
  quantity->name = "cosine_position";
  quantity->unit = "1";
  quantity->description =
      "the same over each tenth of the tokens in their order, i in [k N/10, (k + 1) N/10) of i = 0, 1, "
      "...; NaN where there is none";
  quantity->rank = 1;
  quantity->shape[0] = DECILES;
  PetscFunctionReturn(0);
}

/* first[d] <- the first token: one rank has it, the others add 0. */
static PetscErrorCode FirstToken(const TokensLayout *layout, const double *x, double *first) {
  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < layout->dim; c++)
    first[c] = layout->first == 0 && layout->owned > 0 ? x[c * layout->block] : 0;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, first, layout->dim, MPI_DOUBLE, MPI_SUM, layout->comm));
  PetscFunctionReturn(0);
}

/* Adds cosines over N to sum[n], and numbers to counts[n], for n equal shares of all tokens. */
static void AddBlock(const TokensLayout *layout, PetscInt b, const double *x, const double *first, PetscInt n,
                     PetscInt64 *sum, PetscInt64 *counts) {
  const PetscReal scale = SumScale(1);

  for (PetscInt t = 0; t < TokensFilled(layout, b); t++) {
    const PetscInt64 i = (PetscInt64)(layout->first + b) * layout->block + t;
    const PetscInt share = (PetscInt)(i * n / layout->count);
    double cosine = 0;

    for (PetscInt c = 0; c < layout->dim; c++) cosine += first[c] * x[c * layout->block + t];
    sum[share] += SumRound(cosine / (PetscReal)layout->count, scale);
    counts[share]++;
  }
}

static PetscErrorCode Evaluate(const Quantity *quantity, Tokens tokens, Attention attention, PetscReal values[]) {
  const PetscInt n = QuantitySize(quantity);
  PetscInt64 sum[2 * DECILES] = {0}; /* and counts */
  double *first;
  const double *x;
  TokensLayout layout;
  Vec positions;

  PetscFunctionBeginUser;
  (void)attention;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(PetscMalloc1(layout.dim, &first));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(FirstToken(&layout, x, first));
  for (PetscInt b = 0; b < layout.owned; b++)
    AddBlock(&layout, b, x + b * layout.dim * layout.block, first, n, sum, sum + DECILES);
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(PetscFree(first));
  PetscCall(SumAllreduce(layout.comm, 2 * DECILES, sum));
  for (PetscInt k = 0; k < n; k++)
    values[k] = (PetscReal)sum[k] / SumScale(1) * ((PetscReal)layout.count / (PetscReal)sum[DECILES + k]);
  PetscFunctionReturn(0);
}

const Extra ExtraFirst = {.declare = DeclareFirst, .evaluate = Evaluate};
const Extra ExtraPosition = {.declare = DeclarePosition, .evaluate = Evaluate};
