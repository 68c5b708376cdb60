/* The systems of study chaos: they start together and are moved by the same fields. */
#include "study/chaos/chaos.h"
#include "study/studies.h"

static PetscErrorCode SystemCreate(MPI_Comm comm, PetscInt64 count, PetscInt dim, const StudyObjects *o,
                                   ChaosSystem *s) {
  PetscFunctionBeginUser;
  PetscCall(TokensCreate(comm, count, dim, &s->tokens));
  PetscCall(AttentionCreate(s->tokens, &o->attention, &s->attention));
  PetscCall(SchemeCreate(s->tokens, &o->scheme, &s->scheme));
  PetscFunctionReturn(0);
}

static PetscErrorCode SystemDestroy(ChaosSystem *s) {
  PetscFunctionBeginUser;
  PetscCall(SchemeDestroy(&s->scheme));
  PetscCall(AttentionDestroy(&s->attention));
  PetscCall(TokensDestroy(&s->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode SystemStep(const ChaosSystem *s, Field field, PetscReal dt) {
  PetscFunctionBeginUser;
  PetscCall(SchemeStep(s->scheme, s->attention, field, dt, s->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode SystemView(const ChaosSystem *s) {
  PetscFunctionBeginUser;
  PetscCall(TokensView(s->tokens));
  PetscCall(AttentionView(s->attention));
  PetscCall(SchemeView(s->scheme));
  PetscFunctionReturn(0);
}

/* The nodes as a measure of their own: their weights never change. */
static PetscErrorCode CreateNodes(const ChaosDesign *design, MPI_Comm shards, const StartOptions *options,
                                  ChaosSystems *s) {
  Start start;

  PetscFunctionBeginUser;
  PetscCall(StartCreateLimit(s->reference.tokens, options, s->size, &s->limit));
  PetscCall(TokensCreate(shards, s->size, design->dim, &s->nodes));
  PetscCall(StartCreateLimit(s->nodes, options, s->size, &start));
  PetscCall(TokensStart(s->nodes, start, 0));
  PetscCall(StartDestroy(&start));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosSystemsCreate(const ChaosDesign *design, MPI_Comm shards, ChaosSystems *s) {
  StudyObjects o;

  PetscFunctionBeginUser;
  PetscCall(StudyObjectsRead(&o));
  PetscCall(PetscMemzero(s, sizeof(*s)));
  s->counts = design->counts;
  s->kind = design->reference;
  s->size = design->size;
  for (PetscInt i = 0; i < s->counts; i++) {
    PetscCall(SystemCreate(shards, design->count[i], design->dim, &o, &s->system[i]));
    if (s->kind == CHAOS_TWIN)
      PetscCall(SystemCreate(shards, design->count[i], design->dim, &o, &s->twin[i]));
    else
      PetscCall(TokensCreate(shards, design->count[i], design->dim, &s->partner[i]));
  }
  if (s->kind != CHAOS_TWIN) PetscCall(SystemCreate(shards, ChaosLargest(design), design->dim, &o, &s->reference));
  PetscCall(StartCreate(s->system[0].tokens, &o.start, &s->start));
  if (s->kind == CHAOS_QUADRATURE) PetscCall(CreateNodes(design, shards, &o.start, s));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosSystemsDestroy(ChaosSystems *s) {
  PetscFunctionBeginUser;
  PetscCall(TokensDestroy(&s->nodes));
  PetscCall(StartDestroy(&s->limit));
  PetscCall(StartDestroy(&s->start));
  PetscCall(SystemDestroy(&s->reference));
  for (PetscInt i = 0; i < s->counts; i++) {
    PetscCall(SystemDestroy(&s->system[i]));
    PetscCall(SystemDestroy(&s->twin[i]));
    PetscCall(TokensDestroy(&s->partner[i]));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosSystemsView(ChaosSystems *s) {
  PetscFunctionBeginUser;
  PetscCall(SystemView(s->kind == CHAOS_TWIN ? &s->twin[s->counts - 1] : &s->reference));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosSystemsSave(ChaosSystems *s, Checkpoint checkpoint) {
  char name[32];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < s->counts; i++) {
    PetscCall(PetscSNPrintf(name, sizeof(name), "system_%" PetscInt_FMT, i));
    PetscCall(CheckpointAddTokens(checkpoint, name, s->system[i].tokens));
    if (s->kind != CHAOS_TWIN) continue;
    PetscCall(PetscSNPrintf(name, sizeof(name), "twin_%" PetscInt_FMT, i));
    PetscCall(CheckpointAddTokens(checkpoint, name, s->twin[i].tokens));
  }
  if (s->kind != CHAOS_TWIN) PetscCall(CheckpointAddTokens(checkpoint, "reference", s->reference.tokens));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosSystemsStart(ChaosSystems *s, PetscInt start, PetscInt other, PetscBool alone) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < s->counts; i++) {
    PetscCall(TokensStart(s->system[i].tokens, s->start, start));
    if (!alone && s->kind == CHAOS_TWIN) PetscCall(TokensStart(s->twin[i].tokens, s->start, other));
  }
  /* Tokens are drawn by their index, so the first N of the reference, or of the copies, start where the N do. */
  if (!alone && s->kind != CHAOS_TWIN)
    PetscCall(TokensStart(s->reference.tokens, s->kind == CHAOS_QUADRATURE ? s->limit : s->start, start));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosSystemsStep(ChaosSystems *s, Field field, PetscReal dt, PetscBool alone) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < s->counts; i++) {
    PetscCall(SystemStep(&s->system[i], field, dt));
    if (!alone && s->kind == CHAOS_TWIN) PetscCall(SystemStep(&s->twin[i], field, dt));
  }
  if (!alone && s->kind != CHAOS_TWIN) PetscCall(SystemStep(&s->reference, field, dt));
  PetscFunctionReturn(0);
}
