/* Study limits: the theorem of PAPER.md section 3. Transformers of finite depth and width against the limit SDE on the
 * same Brownian path: E max_t (1/N) sum_i |X_i^{L,m}(t) - X_i(t)|^2 over the layer times t. */
#include <chorale/deck.h>
#include <chorale/ensemble.h>
#include <chorale/progress.h>

#include "study/limits.h"
#include "study/studies.h"

typedef struct {
  LimitsGrid grid;
  Ensemble ensemble;
  EnsembleLayout layout;
  LimitsSystems systems;
  Findings findings;
} Limits;

static PetscErrorCode Create(Limits *l) {
  PetscFunctionBeginUser;
  PetscCall(LimitsGridRead(&l->grid));
  PetscCall(EnsembleCreate(TokensBlockCount(l->grid.most), &l->ensemble));
  PetscCall(EnsembleGetLayout(l->ensemble, &l->layout));
  PetscCall(LimitsSystemsCreate(&l->grid, l->layout.shards, &l->systems));
  PetscCall(FindingsCreate(l->layout.world, "limits", "tokens,depth,width,error,sem", &l->findings));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Limits *l) {
  PetscFunctionBeginUser;
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
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(Limits *l) {
  const LimitsGrid *grid = &l->grid;
  PetscReal *mine, *all, *worst;
  Progress progress;
  PetscInt64 done = 0;
  PetscInt r;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1((size_t)l->layout.owned * (size_t)grid->cells, &mine));
  PetscCall(PetscMalloc1((size_t)l->layout.realizations * (size_t)grid->cells, &all));
  PetscCall(ProgressCreate(l->layout.world, "limits", l->layout.owned * grid->reference, &progress));
  worst = mine;
  while (EnsembleNext(l->ensemble, &r)) {
    PetscCall(LimitsSystemsStart(l->systems, r));
    for (PetscInt f = 0; f < grid->reference; f++) {
      PetscCall(LimitsSystemsStep(l->systems, r, f, worst));
      PetscCall(ProgressUpdate(progress, ++done));
    }
    worst += grid->cells;
  }
  PetscCall(ProgressDestroy(&progress));
  PetscCall(EnsembleGather(l->ensemble, grid->cells, mine, all));
  PetscCall(LimitsReport(grid, l->layout.realizations, all, l->findings));
  PetscCall(PetscFree(all));
  PetscCall(PetscFree(mine));
  PetscFunctionReturn(0);
}

PetscErrorCode StudyLimits(void) {
  Limits l = {.findings = NULL};
  PetscBool dry;

  PetscFunctionBeginUser;
  PetscCall(Create(&l));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (dry) PetscCall(DeckView("limits"));
  PetscCall(View(&l));
  if (!dry) PetscCall(Run(&l));
  PetscCall(Destroy(&l));
  PetscFunctionReturn(0);
}
