/* Clusters of all tokens, NEIGHBOURS.md (16.5). */
#include "run/clusters.h"
#include "run/extras.h"

static PetscErrorCode Declare(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Quantity *quantity) {
  PetscFunctionBeginUser;
  (void)count, (void)dim;
  if (!options->clusters) PetscFunctionReturn(0);
  quantity->name = "clusters_all";
  quantity->unit = "1";
  quantity->description = "connected components of the graph <x_i,x_j> > 0.99 on all tokens";
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(const Quantity *quantity, Tokens tokens, Attention attention, PetscReal values[]) {
  TokensLayout layout;
  PetscInt clusters;
  const double *x;
  Vec positions;
  Boxes boxes;

  PetscFunctionBeginUser;
  (void)quantity, (void)attention;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(BoxesCreate(&layout, x, &boxes));
  PetscCall(ClustersCount(&boxes, &clusters));
  PetscCall(BoxesDestroy(&boxes));
  PetscCall(VecRestoreArrayRead(positions, &x));
  values[0] = (PetscReal)clusters;
  PetscFunctionReturn(0);
}

const Extra ExtraClusters = {.declare = Declare, .evaluate = Evaluate};
