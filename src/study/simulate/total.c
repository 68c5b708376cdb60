/* What a step and a rank cost, of plain realizations and of levels. */
#include "base/plan.h"
#include "study/simulate/levels.h"

PetscErrorCode SimulateGetCost(const System *system, Noise noise, PetscBool barycentre, PetscReal *flops,
                               PetscReal *bytes) {
  PetscReal mean[2] = {0};
  PetscInt stages;

  PetscFunctionBeginUser;
  PetscCall(SchemeGetStages(system->scheme, &stages));
  if (barycentre) PetscCall(AttentionBarycentreGetCost(system->attention, &mean[0], &mean[1]));
  PetscCall(SystemGetCost(system, noise, flops, bytes));
  *flops += (PetscReal)stages * mean[0];
  *bytes += mean[1];
  PetscFunctionReturn(0);
}

PetscErrorCode SimulateViewTotal(Run run, const System *system, Noise noise, PetscBool barycentre, PetscReal more) {
  PetscReal flops, bytes, results;
  PetscMPIInt size;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(system->tokens, &layout));
  PetscCall(PlanSize(layout.comm, &size));
  PetscCall(SimulateGetCost(system, noise, barycentre, &flops, &bytes));
  const PetscReal mine = (PetscReal)((layout.blocks + size - 1) / size) * layout.block;
  PetscCall(RunGetBytes(run, 8 * mine * layout.dim, &results));
  bytes += results + 8 * more * mine;
  PetscCall(PetscPrintf(layout.comm,
                        "total      per step and rank: %.3g Gflop beside random numbers; per rank: %.3g MB memory\n",
                        1e-9 * (double)flops, 1e-6 * (double)bytes));
  PetscFunctionReturn(0);
}
