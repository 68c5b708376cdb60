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

/* Tokens of the uniform law make most boxes, up to some N/8. */
static PetscErrorCode View(Tokens tokens) {
  TokensLayout layout;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCallMPI(MPI_Comm_size(layout.comm, &size));
  const PetscReal n = (PetscReal)layout.count, d = layout.dim, boxes = n / 8;
  PetscCall(PetscPrintf(
      layout.comm,
      "clusters   of all tokens, exact: up to %.3g MB memory per rank; per frame and rank at most about %.3g "
      "Gflop, all pairs, and far less unless tokens are scattered in many dimensions\n",
      1e-6 * (boxes * (16 * d + 64) + 8 * n + 40 * n * d / size), 2e-9 * n * n * d / size));
  PetscFunctionReturn(0);
}

const Extra ExtraClusters = {.declare = Declare, .evaluate = Evaluate, .view = View};
