/* Study limits: the theorem of THEORY.md (3.4). Transformers of finite depth and width against the limit SDE on the
 * same Brownian path: E max_t (1/N) sum_i |X_i^{L,m}(t) - X_i(t)|^2 over the layer times t. */
#include <chorale/checkpoint.h>
#include <chorale/deck.h>
#include <chorale/ensemble.h>
#include <chorale/progress.h>

#include "study/limits/limits.h"
#include "study/studies.h"

typedef struct {
  LimitsGrid grid;
  Ensemble ensemble;
  EnsembleLayout layout;
  LimitsSystems systems;
  PetscInt64 every; /* steps between possible checkpoints */
  Findings findings;
  PetscReal *mine; /* [owned][cells] errors of this group's realizations */
  Checkpoint checkpoint;
} Limits;

static PetscErrorCode Create(Limits *l) {
  EnsembleOptions ensemble;

  PetscFunctionBeginUser;
  PetscCall(LimitsGridRead(&l->grid));
  PetscCall(EnsembleOptionsRead(&ensemble));
  PetscCall(EnsembleCreate(&ensemble, TokensBlockCount(l->grid.most), &l->ensemble));
  PetscCall(EnsembleGetLayout(l->ensemble, &l->layout));
  PetscCall(LimitsSystemsCreate(&l->grid, l->layout.shards, &l->systems));
  PetscCall(FindingsCreate(l->layout.world, "limits", "tokens,depth,width,error,sem", &l->findings));
  PetscCall(PetscCalloc1((size_t)l->layout.owned * (size_t)l->grid.cells, &l->mine));
  PetscCall(CheckpointCreate("limits", l->ensemble, (PetscInt)l->grid.reference, &l->checkpoint));
  PetscCall(LimitsSystemsSave(l->systems, l->checkpoint, &l->every));
  PetscCall(CheckpointAddRows(l->checkpoint, "errors", l->grid.cells, l->mine));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Limits *l) {
  PetscFunctionBeginUser;
  PetscCall(CheckpointDestroy(&l->checkpoint));
  PetscCall(PetscFree(l->mine));
  PetscCall(FindingsDestroy(&l->findings));
  PetscCall(LimitsSystemsDestroy(&l->systems));
  PetscCall(EnsembleDestroy(&l->ensemble));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Limits *l) {
  PetscFunctionBeginUser;
  PetscCall(EnsembleView(l->ensemble));
  if (l->layout.group == 0) PetscCall(LimitsSystemsView(l->systems));
  PetscCall(FindingsView(l->findings));
  PetscCall(CheckpointView(l->checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(Limits *l, PetscBool *stopped) {
  const LimitsGrid *grid = &l->grid;
  PetscReal *worst = l->mine;
  Progress progress;
  PetscInt64 done = 0;
  PetscInt r, f = 0;

  PetscFunctionBeginUser;
  *stopped = PETSC_FALSE;
  PetscCall(ProgressCreate(l->layout.world, "limits", l->layout.owned * grid->reference, &progress));
  for (; !*stopped && EnsembleNext(l->ensemble, &r); worst += grid->cells) {
    PetscCall(LimitsSystemsStart(l->systems, r));
    PetscCall(CheckpointResume(l->checkpoint, r, &f));
    if (f < grid->reference) PetscCall(LimitsSystemsResume(l->systems, r, f));
    done += f;
    while (f < grid->reference && !*stopped) {
      PetscCall(LimitsSystemsStep(l->systems, r, f++, worst));
      PetscCall(ProgressUpdate(progress, ++done));
      if (f % l->every == 0) PetscCall(CheckpointStep(l->checkpoint, r, f, stopped));
    }
  }
  PetscCall(CheckpointFinish(l->checkpoint, stopped));
  PetscCall(ProgressDestroy(&progress));
  PetscFunctionReturn(0);
}

/* What the realizations that are done say. */
static PetscErrorCode Report(Limits *l, PetscBool partial) {
  const LimitsGrid *grid = &l->grid;
  PetscReal *all;
  PetscInt done;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)l->layout.realizations * (size_t)grid->cells, &all));
  PetscCall(EnsembleGather(l->ensemble, grid->cells, l->mine, all));
  PetscCall(CheckpointKeepDone(l->checkpoint, grid->cells, all, &done));
  if (partial) PetscCall(FindingsBeginPartial(l->findings, done));
  if (done)
    PetscCall(LimitsReport(grid, done, all, l->findings));
  else
    PetscCall(FindingsFinish(l->findings, 0));
  PetscCall(PetscFree(all));
  PetscFunctionReturn(0);
}

static PetscErrorCode Publish(void *context) {
  PetscFunctionBeginUser;
  PetscCall(Report(context, PETSC_TRUE));
  PetscFunctionReturn(0);
}

static PetscErrorCode Finish(Limits *l) {
  PetscFunctionBeginUser;
  PetscCall(Report(l, PETSC_FALSE));
  PetscCall(CheckpointRemove(l->checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode StudyLimits(void) {
  Limits l = {.findings = NULL};
  PetscBool dry, complete, stopped = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(Create(&l));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (dry) PetscCall(DeckView());
  PetscCall(View(&l));
  PetscCall(CheckpointIsComplete(l.checkpoint, &complete));
  if (!dry && !complete) {
    PetscCall(CheckpointSetPublish(l.checkpoint, Publish, &l));
    PetscCall(Run(&l, &stopped));
    if (!stopped) PetscCall(Finish(&l));
  }
  const PetscErrorCode code = stopped ? CheckpointStopped(l.checkpoint) : 0;
  PetscCall(Destroy(&l));
  PetscFunctionReturn(code);
}
