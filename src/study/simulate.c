/* Study simulate: the transformer of PAPER.md section 1 as an ensemble of realizations, watched through its
 * observables. */
#include <chorale/attention.h>
#include <chorale/deck.h>
#include <chorale/ensemble.h>
#include <chorale/noise.h>
#include <chorale/progress.h>
#include <chorale/record.h>
#include <chorale/scheme.h>
#include <chorale/start.h>
#include <chorale/tokens.h>

#include "study/studies.h"

typedef struct {
  PetscInt depth;    /* L */
  PetscReal horizon; /* T */
  Ensemble ensemble;
  Tokens tokens;
  Start start;
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;
  Record record;
} Simulation;

/* N and d: from the deck, or from the file of initial tokens where the deck leaves them open. */
static PetscErrorCode GetSize(PetscInt64 *count, PetscInt64 *dim) {
  char init[PETSC_MAX_PATH_LEN];
  PetscBool file, given;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("tokens_count", count));
  PetscCall(DeckGetInt("tokens_dim", dim));
  PetscCall(DeckGetString("tokens_init", init));
  PetscCall(PetscStrcmp(init, "file", &file));
  if (file) {
    PetscInt64 rows, columns;

    PetscCall(StartFileShape(PETSC_COMM_WORLD, &rows, &columns));
    PetscCall(DeckHas("tokens_count", &given));
    if (!given) *count = rows;
    PetscCall(DeckHas("tokens_dim", &given));
    if (!given) *dim = columns;
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Simulation *s) {
  PetscInt64 count, dim, depth;
  EnsembleLayout layout;

  PetscFunctionBeginUser;
  PetscCall(GetSize(&count, &dim));
  PetscCall(DeckGetInt("layers_depth", &depth));
  PetscCall(DeckGetReal("layers_horizon", &s->horizon));
  s->depth = (PetscInt)depth;
  PetscCall(EnsembleCreate(TokensBlockCount(count), &s->ensemble));
  PetscCall(EnsembleGetLayout(s->ensemble, &layout));
  PetscCall(TokensCreate(layout.shards, count, (PetscInt)dim, &s->tokens));
  PetscCall(StartCreate(s->tokens, &s->start));
  PetscCall(AttentionCreate(s->tokens, &s->attention));
  PetscCall(NoiseCreate((PetscInt)dim, &s->noise));
  PetscCall(NoiseCheckCount(s->noise, count));
  PetscCall(NoiseCreateField(s->noise, &s->field));
  PetscCall(SchemeCreate(s->tokens, &s->scheme));
  PetscCall(RecordCreate("simulate", s->ensemble, s->tokens, s->depth, s->horizon, &s->record));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Simulation *s) {
  PetscFunctionBeginUser;
  PetscCall(RecordDestroy(&s->record));
  PetscCall(SchemeDestroy(&s->scheme));
  PetscCall(FieldDestroy(&s->field));
  PetscCall(NoiseDestroy(&s->noise));
  PetscCall(AttentionDestroy(&s->attention));
  PetscCall(StartDestroy(&s->start));
  PetscCall(TokensDestroy(&s->tokens));
  PetscCall(EnsembleDestroy(&s->ensemble));
  PetscFunctionReturn(0);
}

/* What runs, on how many ranks, how exact and at what cost. The objects of a group print once, for the first group. */
static PetscErrorCode View(Simulation *s) {
  EnsembleLayout layout;

  PetscFunctionBeginUser;
  PetscCall(EnsembleGetLayout(s->ensemble, &layout));
  PetscCall(EnsembleView(s->ensemble));
  if (layout.group == 0) {
    PetscCall(TokensView(s->tokens));
    PetscCall(AttentionView(s->attention));
    PetscCall(NoiseView(s->noise, layout.shards));
    PetscCall(SchemeView(s->scheme));
  }
  PetscCall(RecordView(s->record));
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(Simulation *s) {
  const PetscReal dt = s->horizon / (PetscReal)s->depth;
  EnsembleLayout layout;
  Progress progress;
  PetscInt64 done = 0;
  PetscInt r;

  PetscFunctionBeginUser;
  PetscCall(EnsembleGetLayout(s->ensemble, &layout));
  PetscCall(ProgressCreate(layout.world, "simulate", (PetscInt64)layout.owned * s->depth, &progress));
  while (EnsembleNext(s->ensemble, &r)) {
    PetscCall(TokensStart(s->tokens, s->start, r));
    PetscCall(RecordFrame(s->record, r, 0, s->tokens, s->attention));
    for (PetscInt l = 0; l < s->depth; l++) {
      PetscCall(NoiseDraw(s->noise, r, l, s->field)); /* G: one function on the sphere, shared by all tokens */
      PetscCall(SchemeStep(s->scheme, s->attention, s->field, dt, s->tokens));
      if (RecordDue(s->record, l + 1)) PetscCall(RecordFrame(s->record, r, l + 1, s->tokens, s->attention));
      PetscCall(ProgressUpdate(progress, ++done));
    }
  }
  PetscCall(ProgressDestroy(&progress));
  PetscCall(RecordFinish(s->record));
  PetscFunctionReturn(0);
}

PetscErrorCode StudySimulate(void) {
  Simulation s = {0};
  PetscBool dry;

  PetscFunctionBeginUser;
  PetscCall(Create(&s));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (dry) PetscCall(DeckView("simulate"));
  PetscCall(View(&s));
  if (!dry) PetscCall(Run(&s));
  PetscCall(Destroy(&s));
  PetscFunctionReturn(0);
}
