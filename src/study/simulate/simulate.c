/* Study simulate: the transformer of THEORY.md section 1 as an ensemble of realizations, watched through its
 * observables. */
#include <chorale/attention.h>
#include <chorale/checkpoint.h>
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
  Checkpoint checkpoint;
} Simulation;

static PetscErrorCode Create(Simulation *s) {
  PetscInt64 count, dim, depth;
  EnsembleLayout layout;
  StudyObjects o;

  PetscFunctionBeginUser;
  PetscCall(StudyObjectsRead(&o));
  PetscCall(StudyGetSize(&count, &dim));
  PetscCall(DeckGetInt("layers_depth", &depth));
  PetscCall(DeckGetReal("layers_horizon", &s->horizon));
  s->depth = (PetscInt)depth;
  PetscCall(EnsembleCreate(&o.ensemble, TokensBlockCount(count), &s->ensemble));
  PetscCall(EnsembleGetLayout(s->ensemble, &layout));
  PetscCall(TokensCreate(layout.shards, count, (PetscInt)dim, &s->tokens));
  PetscCall(StartCreate(s->tokens, &o.start, &s->start));
  PetscCall(AttentionCreate(s->tokens, &o.attention, &s->attention));
  PetscCall(NoiseCreate((PetscInt)dim, &o.noise, &s->noise));
  PetscCall(NoiseCheckCount(s->noise, count));
  PetscCall(NoiseCreateField(s->noise, &s->field));
  PetscCall(SchemeCreate(s->tokens, &o.scheme, &s->scheme));
  PetscCall(SchemeCheck(s->scheme, s->noise, s->horizon / (PetscReal)s->depth));
  PetscCall(RecordCreate("simulate", s->ensemble, s->tokens, s->depth, s->horizon, &s->record));
  PetscCall(CheckpointCreate("simulate", s->ensemble, s->depth, &s->checkpoint));
  PetscCall(CheckpointAddTokens(s->checkpoint, "tokens", s->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Simulation *s) {
  PetscFunctionBeginUser;
  PetscCall(CheckpointDestroy(&s->checkpoint));
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

/* All of it together on the rank that has most. */
static PetscErrorCode ViewTotal(Simulation *s) {
  PetscReal attention[3], noise[2], scheme, record;
  PetscInt stages;
  PetscMPIInt size;
  PetscBool zero, file;
  char init[PETSC_MAX_PATH_LEN];
  TokensLayout l;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(s->tokens, &l));
  PetscCallMPI(MPI_Comm_size(l.comm, &size));
  const PetscReal mine = (PetscReal)((l.blocks + size - 1) / size) * l.block;
  PetscCall(AttentionIsZero(s->attention, &zero));
  PetscCall(AttentionGetCost(s->attention, &attention[0], &attention[1], &attention[2]));
  PetscCall(NoiseGetCost(s->noise, (PetscReal)l.count, mine, &noise[0], &noise[1]));
  PetscCall(SchemeGetStages(s->scheme, &stages));
  PetscCall(SchemeGetBytes(s->scheme, &scheme));
  PetscCall(RecordGetBytes(s->record, &record));
  PetscCall(DeckGetString("tokens_init", init));
  PetscCall(PetscStrcmp(init, "file", &file)); /* its rows are kept */
  const PetscReal flops = (PetscReal)stages * ((zero ? 0 : attention[0]) + noise[0]);
  const PetscReal bytes = 8 * mine * (l.dim * (file ? 2 : 1) + 1) + attention[2] + noise[1] + scheme + record;
  PetscCall(PetscPrintf(l.comm,
                        "total      per step and rank: %.3g Gflop beside random numbers; per rank: %.3g MB memory\n",
                        1e-9 * (double)flops, 1e-6 * (double)bytes));
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
  if (layout.group == 0) PetscCall(ViewTotal(s));
  PetscCall(CheckpointView(s->checkpoint));
  PetscFunctionReturn(0);
}

/* Realization r at its start, or where a checkpoint left it: *l layers are done. */
static PetscErrorCode Begin(Simulation *s, PetscInt r, PetscInt *l) {
  PetscInt there;

  PetscFunctionBeginUser;
  PetscCall(TokensStart(s->tokens, s->start, r));
  PetscCall(CheckpointResume(s->checkpoint, r, l));
  there = *l;
  PetscCall(RecordResume(s->record, r, s->tokens, l));
  if (there && !*l) PetscCall(TokensStart(s->tokens, s->start, r));
  if (!*l) PetscCall(RecordFrame(s->record, r, 0, s->tokens, s->attention));
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(Simulation *s, PetscBool *stopped) {
  const PetscReal dt = s->horizon / (PetscReal)s->depth;
  EnsembleLayout layout;
  Progress progress;
  PetscInt64 done = 0;
  PetscInt r, l;

  PetscFunctionBeginUser;
  *stopped = PETSC_FALSE;
  PetscCall(EnsembleGetLayout(s->ensemble, &layout));
  PetscCall(RecordSetCheckpoint(s->record, s->checkpoint));
  PetscCall(ProgressCreate(layout.world, "simulate", (PetscInt64)layout.owned * s->depth, &progress));
  while (!*stopped && EnsembleNext(s->ensemble, &r)) {
    PetscCall(Begin(s, r, &l));
    done += l;
    while (l < s->depth && !*stopped) {
      PetscCall(NoiseDraw(s->noise, r, l, s->field)); /* G: one function on the sphere, shared by all tokens */
      PetscCall(SchemeStep(s->scheme, s->attention, s->field, dt, s->tokens));
      l++;
      if (RecordDue(s->record, l)) PetscCall(RecordFrame(s->record, r, l, s->tokens, s->attention));
      PetscCall(ProgressUpdate(progress, ++done));
      PetscCall(CheckpointStep(s->checkpoint, r, l, stopped));
    }
  }
  PetscCall(CheckpointFinish(s->checkpoint, stopped));
  PetscCall(ProgressDestroy(&progress));
  if (*stopped) PetscFunctionReturn(0);
  PetscCall(RecordFinish(s->record));
  PetscCall(CheckpointRemove(s->checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode StudySimulate(void) {
  Simulation s = {0};
  PetscBool dry, complete, stopped = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(Create(&s));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (dry) PetscCall(DeckView());
  PetscCall(View(&s));
  PetscCall(CheckpointIsComplete(s.checkpoint, &complete));
  if (!dry && !complete) PetscCall(Run(&s, &stopped));
  const PetscErrorCode code = stopped ? CheckpointStopped(s.checkpoint) : 0;
  PetscCall(Destroy(&s));
  PetscFunctionReturn(code);
}
