#include <limits.h>

#include <chorale/ensemble.h>

#include "base/plan.h"

struct _p_Ensemble {
  EnsembleLayout layout;
  PetscInt next;   /* the realization that EnsembleNext returns */
  PetscInt blocks; /* of tokens: the automatic choice was made for so many */
  PetscInt most;   /* shards that share a step, because of this */
  const char *reason;
  PetscBool automatic;
  PetscBool part;  /* of another ensemble, whose shards these are */
  PetscInt number; /* of this rank's group in that one */
};

/* What there is to do. */
typedef struct {
  PetscInt realizations, blocks, most;
} Work;

/* The cost of a grid: blocks that a rank of the slowest group updates when all its realizations take one step. */
static PetscInt64 Cost(const Work *work, PetscInt ranks, PetscInt groups) {
  const PetscInt shards = PetscMin(ranks / groups, work->most);
  return ((PetscInt64)work->realizations + groups - 1) / groups * ((work->blocks + shards - 1) / shards);
}

/* The divisor of the number of ranks with least cost; among equals that which would have it if all shards shared a
 * step; then the largest, since groups do not communicate. */
static PetscInt ChooseGroups(const Work *work, PetscInt ranks) {
  const Work unbounded = {work->realizations, work->blocks, PETSC_MAX_INT};
  PetscInt best = 1;

  for (PetscInt groups = 2; groups <= ranks; groups++) {
    if (ranks % groups) continue;
    const PetscInt64 more = Cost(work, ranks, groups) - Cost(work, ranks, best);
    if (more < 0 || (more == 0 && Cost(&unbounded, ranks, groups) <= Cost(&unbounded, ranks, best))) best = groups;
  }
  return best;
}

/* The groups that were asked for: a divisor of the number of ranks. */
static PetscErrorCode CheckGroups(PetscInt64 groups, PetscInt ranks) {
  char allowed[512] = "auto";
  size_t length;

  PetscFunctionBeginUser;
  if (groups >= 1 && groups <= ranks && ranks % groups == 0) PetscFunctionReturn(0);
  for (PetscInt g = 1; g <= ranks; g++) {
    if (ranks % g) continue;
    PetscCall(PetscStrlen(allowed, &length));
    PetscCall(PetscSNPrintf(allowed + length, sizeof(allowed) - length, ", %" PetscInt_FMT, g));
  }
  SETERRQ(PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
          "ensemble_groups = %" PetscInt64_FMT ": must divide the %" PetscInt_FMT " ranks (allowed: %s)", groups, ranks,
          allowed);
}

/* How many of the first `count` realizations are those of the group. */
static PetscInt CountOwned(const EnsembleLayout *layout, PetscInt count) {
  return layout->group < count ? (count - 1 - layout->group) / layout->groups + 1 : 0;
}

/* What this group has to do, from its number. */
static void Share(Ensemble ensemble) {
  EnsembleLayout *layout = &ensemble->layout;

  layout->owned = CountOwned(layout, layout->realizations);
  ensemble->next = layout->group;
}

PetscErrorCode EnsembleCreate(const EnsembleOptions *options, PetscInt blocks, Ensemble *handle) {
  Ensemble ensemble;
  EnsembleLayout *layout;
  PetscMPIInt rank, size;

  PetscFunctionBeginUser;
  PetscCheck(blocks >= 1, PETSC_COMM_WORLD, PETSC_ERR_ARG_OUTOFRANGE, "an ensemble needs at least one block of tokens");
  PetscCheck(options->realizations >= 1 && options->realizations <= INT_MAX, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "ensemble_realizations = %" PetscInt64_FMT ": must be from 1 to %d", options->realizations, INT_MAX);
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  PetscCall(PlanRanks(&size));
  PetscCall(PetscNew(&ensemble));
  layout = &ensemble->layout;
  layout->world = PETSC_COMM_WORLD;
  layout->realizations = (PetscInt)options->realizations;
  ensemble->blocks = blocks;
  ensemble->most = options->shards ? options->shards : PETSC_MAX_INT;
  ensemble->reason = options->reason;
  const Work work = {layout->realizations, blocks, ensemble->most};
  ensemble->automatic = options->groups == ENSEMBLE_GROUPS_AUTO ? PETSC_TRUE : PETSC_FALSE;
  if (!ensemble->automatic) PetscCall(CheckGroups(options->groups, size));
  layout->groups = ensemble->automatic ? ChooseGroups(&work, size) : (PetscInt)options->groups;
  layout->group = rank / (size / layout->groups);
  Share(ensemble);
  PetscCallMPI(MPI_Comm_split(PETSC_COMM_WORLD, layout->group, rank, &layout->shards));
  PetscCall(PlanShare(layout->shards, size / layout->groups));
  *handle = ensemble;
  PetscFunctionReturn(0);
}

PetscErrorCode EnsembleCreatePart(Ensemble whole, PetscInt realizations, Ensemble *handle) {
  Ensemble ensemble;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&ensemble));
  *ensemble = *whole;
  ensemble->part = PETSC_TRUE;
  ensemble->number = whole->layout.group;
  ensemble->layout.realizations = realizations;
  Share(ensemble);
  *handle = ensemble;
  PetscFunctionReturn(0);
}

PetscErrorCode EnsembleTurn(Ensemble part, PetscInt first) {
  const PetscInt groups = part->layout.groups;

  PetscFunctionBeginUser;
  part->layout.group = (part->number + groups - first % groups) % groups;
  Share(part);
  PetscFunctionReturn(0);
}

PetscErrorCode EnsembleDestroy(Ensemble *ensemble) {
  PetscFunctionBeginUser;
  if (!*ensemble) PetscFunctionReturn(0);
  if (!(*ensemble)->part) PetscCallMPI(MPI_Comm_free(&(*ensemble)->layout.shards));
  PetscCall(PetscFree(*ensemble));
  PetscFunctionReturn(0);
}

/* The share of the time that ranks have blocks to work on, since groups divide the ranks and blocks are whole; and the
 * fewest ranks that are as fast, in groups as they would be chosen. On rank 0. */
static PetscErrorCode ViewBusy(Ensemble ensemble, PetscInt ranks) {
  const PetscInt realizations = ensemble->layout.realizations, blocks = ensemble->blocks;
  const Work work = {realizations, blocks, ensemble->most};
  const PetscInt64 cost = Cost(&work, ranks, ensemble->layout.groups);
  const double share = (double)realizations * blocks / ((double)cost * ranks);
  PetscInt fewest = (PetscInt)PetscMax(1, ((PetscInt64)realizations * blocks + cost - 1) / cost);

  PetscFunctionBeginUser;
  while (fewest < ranks && Cost(&work, fewest, ChooseGroups(&work, fewest)) > cost) fewest++;
  PetscCall(PetscPrintf(PETSC_COMM_SELF, "           ranks have work for %.3g%% of the time", 100 * share));
  if (fewest < ranks)
    PetscCall(
        PetscPrintf(PETSC_COMM_SELF, "; %" PetscInt_FMT " rank%s would be as fast", fewest, fewest == 1 ? "" : "s"));
  PetscCall(PetscPrintf(PETSC_COMM_SELF, "\n"));
  if (ranks / ensemble->layout.groups > ensemble->most)
    PetscCall(PetscPrintf(PETSC_COMM_SELF, "           more than %" PetscInt_FMT " shard%s of a group: no faster, %s\n",
                          ensemble->most, ensemble->most == 1 ? "" : "s", ensemble->reason));
  PetscFunctionReturn(0);
}

PetscErrorCode EnsembleView(Ensemble ensemble) {
  const EnsembleLayout *layout = &ensemble->layout;
  PetscMPIInt rank, size;

  PetscFunctionBeginUser;
  PetscCall(PlanRanks(&size));
  const PetscInt shards = size / layout->groups;
  PetscCall(PetscPrintf(layout->world,
                        "ensemble   %d rank%s = %" PetscInt_FMT " group%s of realizations x %" PetscInt_FMT
                        " shard%s of tokens (%s)\n",
                        size, size == 1 ? "" : "s", layout->groups, layout->groups == 1 ? "" : "s", shards,
                        shards == 1 ? "" : "s", ensemble->automatic ? "auto" : "as asked"));
  PetscCall(PetscPrintf(layout->world,
                        "           %" PetscInt_FMT " realization%s, at most %" PetscInt_FMT
                        " per group; %" PetscInt_FMT " token block%s, at most %" PetscInt_FMT " per shard\n",
                        layout->realizations, layout->realizations == 1 ? "" : "s",
                        (layout->realizations - 1) / layout->groups + 1, ensemble->blocks,
                        ensemble->blocks == 1 ? "" : "s", (ensemble->blocks - 1) / shards + 1));
  PetscCallMPI(MPI_Comm_rank(layout->world, &rank));
  if (size > 1 && !rank) PetscCall(ViewBusy(ensemble, size));
  PetscFunctionReturn(0);
}

PetscBool EnsembleNext(Ensemble ensemble, PetscInt *r) {
  const EnsembleLayout *layout = &ensemble->layout;

  if (ensemble->next >= layout->realizations) {
    ensemble->next = layout->group;
    return PETSC_FALSE;
  }
  *r = ensemble->next;
  /* Written so that the last step cannot overflow for huge ensembles. */
  ensemble->next = layout->groups > layout->realizations - *r ? layout->realizations : *r + layout->groups;
  return PETSC_TRUE;
}

PetscErrorCode EnsembleSetCount(Ensemble ensemble, PetscInt done, PetscInt count) {
  EnsembleLayout *layout = &ensemble->layout;

  PetscFunctionBeginUser;
  layout->realizations = count;
  layout->owned = CountOwned(layout, count);
  ensemble->next = layout->group + CountOwned(layout, done) * layout->groups;
  PetscFunctionReturn(0);
}

PetscErrorCode EnsembleGetLayout(Ensemble ensemble, EnsembleLayout *layout) {
  PetscFunctionBeginUser;
  *layout = ensemble->layout;
  PetscFunctionReturn(0);
}

PetscErrorCode EnsembleGather(Ensemble ensemble, PetscInt n, const PetscReal mine[], PetscReal all[]) {
  const EnsembleLayout *layout = &ensemble->layout;
  PetscMPIInt shard;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(layout->shards, &shard));
  PetscCall(PetscArrayzero(all, (size_t)layout->realizations * (size_t)n));
  for (PetscInt i = 0; i < layout->owned && !shard; i++)
    PetscCall(
        PetscArraycpy(all + (size_t)(layout->group + i * layout->groups) * (size_t)n, mine + (size_t)i * (size_t)n, n));
  /* One rank holds each number and the others add zeros, so that the sum is exact in any order. As many realizations at
   * once as a count of MPI, an int, allows. */
  const PetscInt most = PetscMax(1, PETSC_MPI_INT_MAX / PetscMax(1, n));
  for (PetscInt r = 0; r < layout->realizations; r += most)
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, all + (size_t)r * (size_t)n,
                               (PetscMPIInt)(n * PetscMin(most, layout->realizations - r)), MPIU_REAL, MPI_SUM,
                               layout->world));
  PetscFunctionReturn(0);
}
