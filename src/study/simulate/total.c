/* What a step and a rank cost, of plain realizations and of levels. */
#include "study/simulate/levels.h"

PetscErrorCode SimulateViewTotal(Run run, const System *system, Noise noise, PetscBool barycentre, PetscReal more) {
  PetscReal attention[3], noises[2], mean[2], scheme, results;
  PetscInt stages;
  PetscMPIInt size;
  PetscBool zero;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(system->tokens, &layout));
  PetscCallMPI(MPI_Comm_size(layout.comm, &size));
  const PetscReal mine = (PetscReal)((layout.blocks + size - 1) / size) * layout.block;
  PetscCall(AttentionIsZero(system->attention, &zero));
  PetscCall(AttentionGetCost(system->attention, &attention[0], &attention[1], &attention[2]));
  PetscCall(NoiseGetCost(noise, (PetscReal)layout.count, mine, &noises[0], &noises[1]));
  PetscCall(SchemeGetStages(system->scheme, &stages));
  PetscCall(SchemeGetBytes(system->scheme, &scheme));
  PetscCall(RunGetBytes(run, &results));
  if (barycentre) {
    PetscCall(AttentionBarycentreGetCost(system->attention, &mean[0], &mean[1]));
    noises[0] += mean[0];
    noises[1] += mean[1];
  }
  const PetscReal flops = (PetscReal)stages * ((zero ? 0 : attention[0]) + noises[0]);
  const PetscReal bytes = 8 * mine * (layout.dim + 1 + more) + attention[2] + noises[1] + scheme + results +
                          8 * mine * layout.dim; /* what goes to a checkpoint */
  PetscCall(PetscPrintf(layout.comm,
                        "total      per step and rank: %.3g Gflop beside random numbers; per rank: %.3g MB memory\n",
                        1e-9 * (double)flops, 1e-6 * (double)bytes));
  PetscFunctionReturn(0);
}
