/* Study chaos: how fast the empirical measure of N tokens approaches the mean-field limit along the same common noise,
 * THEORY.md (4.3). */
#include <chorale/checkpoint.h>
#include <chorale/deck.h>
#include <chorale/progress.h>

#include "study/chaos/chaos.h"
#include "study/studies.h"

#define COLUMNS "tokens,w2sq,w2sq_sem,mmd2,mmd2_sem,coupling,coupling_sem"

typedef struct {
  ChaosDesign design;
  Ensemble ensemble;
  EnsembleLayout layout;
  Noise noise;
  Field field;
  ChaosSystems systems;
  Findings findings;
  PetscReal *numbers; /* [owned][CHAOS_NUMBERS][frames][counts] */
  PetscReal *means;   /* of one realization: [starts][frames][counts][d] */
  char methods[64];   /* of W2^2 */
  Checkpoint checkpoint;
} Chaos;

/* Steps are those of all walks along the noise path of a realization, one after the other. */
static PetscErrorCode CreateCheckpoint(Chaos *c) {
  const ChaosDesign *d = &c->design;
  const PetscInt cells = d->frames * d->counts;

  PetscFunctionBeginUser;
  PetscCall(CheckpointCreate("chaos", c->ensemble, d->walks * d->depth, &c->checkpoint));
  PetscCall(ChaosSystemsSave(&c->systems, c->checkpoint));
  if (d->restarts) PetscCall(CheckpointAddReals(c->checkpoint, "means", d->walks * cells * d->dim, c->means));
  PetscCall(CheckpointAddRows(c->checkpoint, "numbers", CHAOS_NUMBERS * cells, c->numbers));
  PetscFunctionReturn(0);
}

/* A draw of one step is asked for at the stages of every system. */
static PetscErrorCode CheckNoise(const Chaos *c) {
  const ChaosDesign *d = &c->design;
  const PetscInt64 total = ChaosTotal(d), compared = d->reference == CHAOS_TWIN ? total : ChaosLargest(d);
  char what[64];
  PetscInt stages;

  PetscFunctionBeginUser;
  PetscCall(SchemeGetStages(c->systems.system[0].scheme, &stages));
  PetscCall(PetscSNPrintf(what, sizeof(what), "tokens_count = %" PetscInt64_FMT " and %" PetscInt_FMT " smaller",
                          d->count[d->counts - 1], d->counts - 1));
  PetscCall(NoiseCheckPoints(c->noise, stages * (total + compared), what));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Chaos *c) {
  const ChaosDesign *d = &c->design;
  EnsembleOptions ensemble;
  NoiseOptions noise;

  PetscFunctionBeginUser;
  PetscCall(StudyCheckBeta());
  PetscCall(ChaosDesignRead(&c->design));
  PetscCall(NoiseOptionsRead(&noise));
  PetscCall(EnsembleOptionsRead(&ensemble));
  PetscCall(EnsembleCreate(&ensemble, TokensBlockCount(ChaosLargest(d)), &c->ensemble));
  PetscCall(EnsembleGetLayout(c->ensemble, &c->layout));
  PetscCall(NoiseCreate(d->dim, &noise, &c->noise));
  PetscCall(NoiseCheckCount(c->noise, ChaosLargest(d)));
  PetscCall(NoiseCreateField(c->noise, &c->field));
  PetscCall(ChaosSystemsCreate(d, c->layout.shards, &c->systems));
  PetscCall(CheckNoise(c));
  PetscCall(SchemeCheck(c->systems.system[0].scheme, c->noise, d->horizon / (PetscReal)d->depth));
  PetscCall(FindingsCreate(c->layout.world, "chaos", COLUMNS, &c->findings));
  PetscCall(PetscCalloc1((size_t)c->layout.owned * d->frames * CHAOS_NUMBERS * d->counts, &c->numbers));
  PetscCall(PetscCalloc1((size_t)d->walks * d->frames * d->counts * d->dim, &c->means));
  PetscCall(ChaosMethods(d, &c->systems, sizeof(c->methods), c->methods));
  PetscCall(CreateCheckpoint(c));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Chaos *c) {
  PetscFunctionBeginUser;
  PetscCall(CheckpointDestroy(&c->checkpoint));
  PetscCall(PetscFree(c->means));
  PetscCall(PetscFree(c->numbers));
  PetscCall(FindingsDestroy(&c->findings));
  PetscCall(ChaosSystemsDestroy(&c->systems));
  PetscCall(FieldDestroy(&c->field));
  PetscCall(NoiseDestroy(&c->noise));
  PetscCall(EnsembleDestroy(&c->ensemble));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Chaos *c) {
  PetscFunctionBeginUser;
  PetscCall(EnsembleView(c->ensemble));
  PetscCall(ChaosDesignView(&c->design, c->layout.world));
  if (c->layout.group == 0) {
    PetscCall(PetscPrintf(c->layout.shards, "the largest set of tokens:\n"));
    PetscCall(ChaosSystemsView(&c->systems));
    PetscCall(NoiseView(c->noise, c->layout.shards));
  }
  PetscCall(PetscPrintf(c->layout.world, "transport  %s\n", c->methods));
  PetscCall(FindingsView(c->findings));
  PetscCall(CheckpointView(c->checkpoint));
  PetscFunctionReturn(0);
}

/* One frame of start s: the distances on the first start's path, and the mean tokens of all. */
static PetscErrorCode Frame(Chaos *c, PetscInt s, PetscInt frame, PetscReal *numbers) {
  const ChaosDesign *d = &c->design;

  PetscFunctionBeginUser;
  if (s == 0) PetscCall(ChaosMeasure(d, &c->systems, d->frames * d->counts, numbers + frame * d->counts));
  for (PetscInt i = 0; d->restarts && i < d->counts; i++)
    PetscCall(ChaosMeanToken(c->systems.system[i].tokens,
                             c->means + (size_t)((s * d->frames + frame) * d->counts + i) * d->dim));
  PetscFunctionReturn(0);
}

/* Realization r at its start, or where a checkpoint left it: *step steps are done. */
static PetscErrorCode Begin(Chaos *c, PetscInt r, PetscInt *step) {
  PetscFunctionBeginUser;
  PetscCall(ChaosSystemsStart(&c->systems, r, r + c->design.walks * c->layout.realizations, PETSC_FALSE));
  PetscCall(CheckpointResume(c->checkpoint, r, step));
  PetscFunctionReturn(0);
}

/* Step `step` along the noise path of realization r, which is walked once from its first start with all that is
 * compared and once from each fresh start. Fresh starts are those of the realizations r + R, r + 2R, ..., which the
 * ensemble of R does not have. */
static PetscErrorCode Advance(Chaos *c, PetscInt r, PetscInt step, PetscReal *numbers) {
  const ChaosDesign *d = &c->design;
  const PetscInt s = step / d->depth, l = step % d->depth, frame = (l + d->every) / d->every;
  const PetscBool alone = (PetscBool)(s > 0);

  PetscFunctionBeginUser;
  if (l == 0) {
    if (alone) PetscCall(ChaosSystemsStart(&c->systems, r + s * c->layout.realizations, 0, PETSC_TRUE));
    PetscCall(Frame(c, s, 0, numbers));
  }
  PetscCall(NoiseDraw(c->noise, r, l, c->field)); /* one function on the sphere, shared by all tokens of all systems */
  PetscCall(ChaosSystemsStep(&c->systems, c->field, d->horizon / (PetscReal)d->depth, alone));
  if (l + 1 == ChaosFrameStep(d, frame)) PetscCall(Frame(c, s, frame, numbers));
  PetscFunctionReturn(0);
}

/* The correlations of a realization, from the mean tokens of all its starts. */
static void Correlate(const Chaos *c, PetscReal *numbers) {
  const ChaosDesign *d = &c->design;
  const PetscInt cells = d->frames * d->counts;

  for (PetscInt k = 0; k < cells; k++)
    numbers[CHAOS_CORRELATION * cells + k] = d->restarts
                                                 ? ChaosCorrelation(d->count[k % d->counts], d->dim, d->restarts + 1,
                                                                    cells * d->dim, c->means + (size_t)k * d->dim)
                                                 : NAN;
}

static PetscErrorCode Run(Chaos *c, PetscBool *stopped) {
  const ChaosDesign *d = &c->design;
  const PetscInt steps = d->walks * d->depth, length = CHAOS_NUMBERS * d->frames * d->counts;
  PetscReal *numbers = c->numbers;
  PetscInt64 done = 0;
  PetscInt r, step;
  Progress progress;

  PetscFunctionBeginUser;
  *stopped = PETSC_FALSE;
  PetscCall(ProgressCreate(c->layout.world, "chaos", (PetscInt64)c->layout.owned * steps, &progress));
  for (; !*stopped && EnsembleNext(c->ensemble, &r); numbers += length) {
    PetscCall(Begin(c, r, &step));
    done += step;
    while (step < steps && !*stopped) {
      PetscCall(Advance(c, r, step++, numbers));
      if (step == steps) Correlate(c, numbers);
      PetscCall(ProgressUpdate(progress, ++done));
      PetscCall(CheckpointStep(c->checkpoint, r, step, stopped));
    }
  }
  PetscCall(CheckpointFinish(c->checkpoint, stopped));
  PetscCall(ProgressDestroy(&progress));
  PetscFunctionReturn(0);
}

/* What the realizations that are done say. */
static PetscErrorCode Report(Chaos *c, PetscBool partial) {
  const PetscInt length = CHAOS_NUMBERS * c->design.frames * c->design.counts;
  EnsembleLayout part = c->layout;
  PetscReal *all;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)c->layout.realizations * length, &all));
  PetscCall(EnsembleGather(c->ensemble, length, c->numbers, all));
  PetscCall(CheckpointKeepDone(c->checkpoint, length, all, &part.realizations));
  if (partial) PetscCall(FindingsBeginPartial(c->findings, part.realizations));
  if (part.realizations)
    PetscCall(ChaosReport(&c->design, &part, all, c->methods, c->findings));
  else
    PetscCall(FindingsFinish(c->findings, 0));
  PetscCall(PetscFree(all));
  PetscFunctionReturn(0);
}

static PetscErrorCode Publish(void *context) {
  PetscFunctionBeginUser;
  PetscCall(Report(context, PETSC_TRUE));
  PetscFunctionReturn(0);
}

static PetscErrorCode Finish(Chaos *c) {
  PetscFunctionBeginUser;
  PetscCall(Report(c, PETSC_FALSE));
  PetscCall(CheckpointRemove(c->checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode StudyChaos(void) {
  Chaos *c;
  PetscBool dry, complete, stopped = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&c));
  PetscCall(Create(c));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (dry) PetscCall(DeckView());
  PetscCall(View(c));
  PetscCall(CheckpointIsComplete(c->checkpoint, &complete));
  if (!dry && !complete) {
    PetscCall(CheckpointSetPublish(c->checkpoint, Publish, c));
    PetscCall(Run(c, &stopped));
    if (!stopped) PetscCall(Finish(c));
  }
  const PetscErrorCode code = stopped ? CheckpointStopped(c->checkpoint) : 0;
  PetscCall(Destroy(c));
  PetscCall(PetscFree(c));
  PetscFunctionReturn(code);
}
