/* The systems of study chaos: they start together and are moved by the same fields. */
#include "study/chaos/chaos.h"

/* The nodes as a measure of their own: their weights never change. */
static PetscErrorCode CreateNodes(Chaos *chaos, const ModelOptions *options) {
  const ChaosDesign *design = &chaos->design;
  Start start;

  PetscFunctionBeginUser;
  PetscCall(StartCreateLimit(chaos->reference.tokens, &options->start, design->size, &chaos->limit));
  PetscCall(TokensCreate(chaos->layout.shards, design->size, design->dim, &chaos->nodes));
  PetscCall(StartCreateLimit(chaos->nodes, &options->start, design->size, &start));
  PetscCall(TokensStart(chaos->nodes, start, 0));
  PetscCall(StartDestroy(&start));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosCreateSystems(Chaos *chaos, const ModelOptions *options) {
  const ChaosDesign *design = &chaos->design;
  const MPI_Comm shards = chaos->layout.shards;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < design->counts; i++) {
    PetscCall(SystemCreate(shards, design->count[i], options, &chaos->system[i]));
    if (design->reference == CHAOS_TWIN)
      PetscCall(SystemCreate(shards, design->count[i], options, &chaos->twin[i]));
    else
      PetscCall(TokensCreate(shards, design->count[i], design->dim, &chaos->partner[i]));
    chaos->twin[i].first = design->largest;
  }
  if (design->reference != CHAOS_TWIN) PetscCall(SystemCreate(shards, design->largest, options, &chaos->reference));
  PetscCall(StartCreate(chaos->system[0].tokens, &options->start, &chaos->start));
  if (design->reference == CHAOS_QUADRATURE) PetscCall(CreateNodes(chaos, options));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosDestroySystems(Chaos *chaos) {
  PetscFunctionBeginUser;
  PetscCall(TokensDestroy(&chaos->nodes));
  PetscCall(StartDestroy(&chaos->limit));
  PetscCall(StartDestroy(&chaos->start));
  PetscCall(SystemDestroy(&chaos->reference));
  for (PetscInt i = 0; i < chaos->design.counts; i++) {
    PetscCall(SystemDestroy(&chaos->system[i]));
    PetscCall(SystemDestroy(&chaos->twin[i]));
    PetscCall(TokensDestroy(&chaos->partner[i]));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosKeepSystems(const Chaos *chaos, Checkpoint checkpoint) {
  const PetscBool twins = chaos->design.reference == CHAOS_TWIN ? PETSC_TRUE : PETSC_FALSE;
  char name[32];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < chaos->design.counts; i++) {
    PetscCall(PetscSNPrintf(name, sizeof(name), "system_%" PetscInt_FMT, i));
    PetscCall(SystemKeep(&chaos->system[i], name, checkpoint));
    PetscCall(PetscSNPrintf(name, sizeof(name), "twin_%" PetscInt_FMT, i));
    if (twins) PetscCall(SystemKeep(&chaos->twin[i], name, checkpoint));
  }
  if (!twins) PetscCall(SystemKeep(&chaos->reference, "reference", checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosStartSystems(const Chaos *chaos, PetscInt start, PetscInt other, PetscBool alone) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < chaos->design.counts; i++) {
    PetscCall(TokensStart(chaos->system[i].tokens, chaos->start, start));
    if (!alone && chaos->twin[i].tokens) PetscCall(TokensStart(chaos->twin[i].tokens, chaos->start, other));
  }
  /* Tokens are drawn by their index, so the first N of the reference, or of the copies, start where the N do. */
  if (!alone && chaos->reference.tokens)
    PetscCall(TokensStart(chaos->reference.tokens, chaos->limit ? chaos->limit : chaos->start, start));
  PetscFunctionReturn(0);
}

/* Systems of one start share the noise of each token's own, as far as they share tokens; other starts have their own.
 */
PetscErrorCode ChaosStepSystems(const Chaos *chaos, PetscInt r, PetscInt l, PetscInt start) {
  const PetscBool alone = start > 0 ? PETSC_TRUE : PETSC_FALSE;
  const PetscReal dt = chaos->design.dt;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < chaos->design.counts; i++) {
    System system = chaos->system[i];
    system.first = start > 0 ? (start + 1) * chaos->design.largest : 0; /* the twins' are number 1 */
    PetscCall(SystemStep(&system, r, l, chaos->field, dt));
    if (!alone && chaos->twin[i].tokens) PetscCall(SystemStep(&chaos->twin[i], r, l, chaos->field, dt));
  }
  if (!alone && chaos->reference.tokens) PetscCall(SystemStep(&chaos->reference, r, l, chaos->field, dt));
  PetscFunctionReturn(0);
}
