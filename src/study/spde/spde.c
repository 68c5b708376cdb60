/* Study spde: the limit of infinitely many tokens solved for directly (THEORY.md section 4), beside tokens that start
 * from the same density and are driven by the same noise. */
#include <math.h>
#include <string.h>

#include <chorale/attention.h>
#include <chorale/checkpoint.h>
#include <chorale/deck.h>
#include <chorale/distance.h>
#include <chorale/progress.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

#include "study/spde/spde.h"
#include "study/studies.h"

#define COLUMNS "time,mass,min_density,energy,distance"

/* Quantiles that stand for a density on the circle: their distance to it, 1/QUANTILES or so, is far below that of N
 * tokens. */
enum { QUANTILES_LEAST = 4096, QUANTILES_MOST = 65536 };

typedef struct {
  PetscInt dim, depth, every, frames;
  PetscReal horizon;
  PetscBool rule; /* spde_particles quadrature */
  Ensemble ensemble;
  EnsembleLayout layout;
  Noise noise;
  Field field;
  Density density;
  Tokens tokens, quantiles; /* quantiles on the circle only */
  Start start;
  Attention attention;
  Scheme scheme;
  Findings findings;
  SpdeSnapshots snapshots;
  PetscReal *numbers;  /* [owned][frames][SPDE_NUMBERS] */
  PetscReal *outgrown; /* [owned] */
  PetscInt modes;
  PetscReal *state; /* [modes] coefficients of the density, for checkpoints */
  Checkpoint checkpoint;
} Spde;

static PetscErrorCode Read(Spde *s, PetscInt64 *count) {
  char particles[PETSC_MAX_PATH_LEN], init[PETSC_MAX_PATH_LEN];
  PetscInt64 dim, depth, every;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("tokens_init", init));
  PetscCheck(
      strcmp(init, "file"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
      "tokens_init = file: study spde takes a law with a density: uniform, quadrature, vmf, clusters or harmonic");
  PetscCall(DeckGetInt("tokens_count", count));
  PetscCall(DeckGetInt("tokens_dim", &dim));
  PetscCheck(dim <= 3, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt64_FMT ": study spde solves on the circle (2) and the sphere (3)", dim);
  PetscCall(DeckGetInt("layers_depth", &depth));
  PetscCall(DeckGetReal("layers_horizon", &s->horizon));
  PetscCall(DeckGetInt("output_every", &every));
  PetscCall(DeckGetString("spde_particles", particles));
  s->dim = (PetscInt)dim;
  s->depth = (PetscInt)depth;
  s->every = (PetscInt)PetscMin(every, depth);
  s->frames = (s->depth + s->every - 1) / s->every + 1;
  s->rule = (PetscBool)(!strcmp(particles, "quadrature") || !strcmp(init, "quadrature"));
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateCheckpoint(Spde *s) {
  PetscFunctionBeginUser;
  PetscCall(DensityGetSize(s->density, NULL, &s->modes, NULL));
  PetscCall(PetscMalloc1(s->modes, &s->state));
  PetscCall(CheckpointCreate("spde", s->ensemble, s->depth, &s->checkpoint));
  PetscCall(CheckpointAddTokens(s->checkpoint, "tokens", s->tokens));
  PetscCall(CheckpointAddReals(s->checkpoint, "density", s->modes, s->state));
  PetscCall(CheckpointAddRows(s->checkpoint, "numbers", s->frames * SPDE_NUMBERS, s->numbers));
  PetscCall(CheckpointAddRows(s->checkpoint, "outgrown", 1, s->outgrown));
  PetscCall(SpdeSnapshotsSave(&s->snapshots, s->checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Spde *s) {
  DensityOptions density;
  StudyObjects o;
  PetscInt64 count;

  PetscFunctionBeginUser;
  PetscCall(StudyCheckBeta());
  PetscCall(Read(s, &count));
  PetscCall(StudyObjectsRead(&o));
  PetscCall(DensityOptionsRead(&density));
  density.scheme = o.scheme.type;
  PetscCall(EnsembleCreate(&o.ensemble, TokensBlockCount(count), &s->ensemble));
  PetscCall(EnsembleGetLayout(s->ensemble, &s->layout));
  PetscCall(NoiseCreate(s->dim, &o.noise, &s->noise));
  PetscCall(NoiseCreateField(s->noise, &s->field));
  PetscCall(TokensCreate(s->layout.shards, count, s->dim, &s->tokens));
  PetscCall(AttentionCreate(s->tokens, &o.attention, &s->attention));
  PetscCall(DensityCreate(s->attention, s->noise, &density, &s->density));
  PetscCall(DensityCheckStarts(s->density, s->layout.world, s->layout.realizations));
  if (s->rule)
    PetscCall(StartCreateRule(s->tokens, &s->start));
  else
    PetscCall(StartCreate(s->tokens, &o.start, &s->start));
  if (s->dim == 2)
    PetscCall(TokensCreate(s->layout.shards, PetscMin(PetscMax(16 * count, QUANTILES_LEAST), QUANTILES_MOST), 2,
                           &s->quantiles));
  PetscCall(SchemeCreate(s->tokens, &o.scheme, &s->scheme));
  PetscCall(SchemeCheck(s->scheme, s->noise, s->horizon / (PetscReal)s->depth));
  PetscCall(SpdeSnapshotsCreate(s->density, s->tokens, s->frames, &s->snapshots));
  PetscCall(FindingsCreate(s->layout.world, "spde", COLUMNS, &s->findings));
  const size_t length = (size_t)s->layout.owned * (size_t)s->frames * SPDE_NUMBERS;
  PetscCall(PetscMalloc2(length, &s->numbers, s->layout.owned, &s->outgrown));
  /* NaN: not measured. Here and not where a realization begins, since resuming fills in all realizations at once. */
  for (size_t i = 0; i < length; i++) s->numbers[i] = NAN;
  for (PetscInt i = 0; i < s->layout.owned; i++) s->outgrown[i] = NAN;
  PetscCall(CreateCheckpoint(s));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Spde *s) {
  PetscFunctionBeginUser;
  PetscCall(CheckpointDestroy(&s->checkpoint));
  PetscCall(PetscFree(s->state));
  PetscCall(PetscFree2(s->numbers, s->outgrown));
  PetscCall(FindingsDestroy(&s->findings));
  PetscCall(SpdeSnapshotsDestroy(&s->snapshots));
  PetscCall(SchemeDestroy(&s->scheme));
  PetscCall(AttentionDestroy(&s->attention));
  PetscCall(StartDestroy(&s->start));
  PetscCall(TokensDestroy(&s->quantiles));
  PetscCall(TokensDestroy(&s->tokens));
  PetscCall(DensityDestroy(&s->density));
  PetscCall(FieldDestroy(&s->field));
  PetscCall(NoiseDestroy(&s->noise));
  PetscCall(EnsembleDestroy(&s->ensemble));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Spde *s) {
  PetscFunctionBeginUser;
  PetscCall(EnsembleView(s->ensemble));
  if (s->layout.group == 0) {
    PetscCall(DensityView(s->density));
    PetscCall(TokensView(s->tokens));
    PetscCall(AttentionView(s->attention));
    PetscCall(NoiseView(s->noise, s->layout.shards));
    PetscCall(SchemeView(s->scheme));
  }
  PetscCall(PetscPrintf(s->layout.world, "record     %" PetscInt_FMT " frames, at most %" PetscInt_FMT " snapshots\n",
                        s->frames, s->snapshots.most));
  PetscCall(FindingsView(s->findings));
  PetscCall(CheckpointView(s->checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(Spde *s, PetscReal numbers[SPDE_NUMBERS]) {
  PetscReal mmd2, sobolev2, low, high;
  DensityMeasures m;

  PetscFunctionBeginUser;
  PetscCall(DensityMeasure(s->density, &m));
  PetscCall(DensityCompare(s->density, s->tokens, &mmd2, &sobolev2));
  numbers[SPDE_MASS] = m.mass;
  numbers[SPDE_MINIMUM] = m.minimum;
  numbers[SPDE_ENERGY] = m.energy;
  numbers[SPDE_ENTROPY] = m.entropy;
  numbers[SPDE_TAIL] = m.tail;
  numbers[SPDE_MMD] = numbers[SPDE_DISTANCE] = PetscSqrtReal(mmd2);
  numbers[SPDE_SOBOLEV] = PetscSqrtReal(sobolev2);
  PetscCall(AttentionEnergy(s->attention, s->tokens, &numbers[SPDE_TOKENS_ENERGY]));
  if (s->quantiles) {
    PetscCall(DensityQuantiles(s->density, s->quantiles));
    PetscCall(DistanceCircleTransport(s->tokens, s->quantiles, &low, &high));
    numbers[SPDE_DISTANCE] = PetscSqrtReal(high);
  }
  PetscFunctionReturn(0);
}

static PetscReal FrameTime(const Spde *s, PetscInt frame) {
  return s->horizon * (PetscReal)PetscMin(frame * s->every, s->depth) / (PetscReal)s->depth;
}

/* Measures after l steps if a frame is due. */
static PetscErrorCode Frame(Spde *s, PetscInt r, PetscInt l, PetscReal *numbers) {
  const PetscInt frame = l == s->depth ? s->frames - 1 : l / s->every;

  PetscFunctionBeginUser;
  if (l % s->every && l != s->depth) PetscFunctionReturn(0);
  PetscCall(Measure(s, numbers + frame * SPDE_NUMBERS));
  if (r == 0) PetscCall(SpdeSnapshotsTake(&s->snapshots, frame, s->frames, FrameTime(s, frame), s->density, s->tokens));
  PetscFunctionReturn(0);
}

/* The density's coefficients to where the checkpoint takes them from, or back. */
static PetscErrorCode KeepDensity(Spde *s, PetscBool back) {
  PetscScalar *values;
  Vec coefficients;

  PetscFunctionBeginUser;
  PetscCall(DensityGetVec(s->density, &coefficients));
  PetscCall(VecGetArray(coefficients, &values));
  PetscCall(PetscArraycpy(back ? values : s->state, back ? s->state : values, s->modes));
  PetscCall(VecRestoreArray(coefficients, &values));
  PetscFunctionReturn(0);
}

/* Realization r at its start, or where a checkpoint left it: *l steps are done. */
static PetscErrorCode Begin(Spde *s, PetscInt r, PetscReal *numbers, PetscInt *l) {
  PetscFunctionBeginUser;
  PetscCall(DensityStart(s->density, r));
  PetscCall(TokensStart(s->tokens, s->start, r));
  if (s->rule) PetscCall(DensityWeigh(s->density, s->tokens));
  PetscCall(CheckpointResume(s->checkpoint, r, l));
  if (*l == 0)
    PetscCall(Frame(s, r, 0, numbers));
  else
    PetscCall(KeepDensity(s, PETSC_TRUE));
  PetscFunctionReturn(0);
}

/* Realization r, until the end or until the density has outgrown its degrees: what would follow is no solution. */
static PetscErrorCode Realize(Spde *s, PetscInt r, PetscReal *numbers, PetscReal *outgrown, Progress progress,
                              PetscInt64 before, PetscBool *stopped) {
  const PetscReal dt = s->horizon / (PetscReal)s->depth;
  PetscInt l = 0;
  PetscBool full;

  PetscFunctionBeginUser;
  PetscCall(Begin(s, r, numbers, &l));
  while (l < s->depth && !*stopped) {
    PetscCall(NoiseDraw(s->noise, r, l, s->field)); /* one field for both */
    PetscCall(DensityStep(s->density, s->field, dt));
    PetscCall(SchemeStep(s->scheme, s->attention, s->field, dt, s->tokens));
    l++;
    PetscCall(DensityTail(s->density, NULL, &full));
    if (full) {
      *outgrown = dt * (PetscReal)l;
      l = s->depth; /* done */
    } else
      PetscCall(Frame(s, r, l, numbers));
    PetscCall(ProgressUpdate(progress, before + l));
    PetscCall(KeepDensity(s, PETSC_FALSE));
    PetscCall(CheckpointStep(s->checkpoint, r, l, stopped));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(Spde *s, PetscBool *stopped) {
  Progress progress;
  PetscInt r, i = 0;

  PetscFunctionBeginUser;
  *stopped = PETSC_FALSE;
  PetscCall(ProgressCreate(s->layout.world, "spde", (PetscInt64)s->layout.owned * s->depth, &progress));
  for (; !*stopped && EnsembleNext(s->ensemble, &r); i++)
    PetscCall(Realize(s, r, s->numbers + (size_t)i * s->frames * SPDE_NUMBERS, s->outgrown + i, progress,
                      (PetscInt64)i * s->depth, stopped));
  PetscCall(CheckpointFinish(s->checkpoint, stopped));
  PetscCall(ProgressDestroy(&progress));
  PetscFunctionReturn(0);
}

/* What the realizations that are done say; the snapshots are those of realization 0 as far as it has got. */
static PetscErrorCode Report(Spde *s, PetscBool partial) {
  PetscReal *all, *outgrown, *time;
  PetscInt done;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3((size_t)s->layout.realizations * s->frames * SPDE_NUMBERS, &all, s->layout.realizations,
                         &outgrown, s->frames, &time));
  PetscCall(EnsembleGather(s->ensemble, s->frames * SPDE_NUMBERS, s->numbers, all));
  PetscCall(EnsembleGather(s->ensemble, 1, s->outgrown, outgrown));
  PetscCall(CheckpointKeepDone(s->checkpoint, s->frames * SPDE_NUMBERS, all, &done));
  PetscCall(CheckpointKeepDone(s->checkpoint, 1, outgrown, &done));
  for (PetscInt f = 0; f < s->frames; f++) time[f] = FrameTime(s, f);
  if (partial) PetscCall(FindingsBeginPartial(s->findings, done));
  if (done) PetscCall(SpdeReport(s->layout.world, s->dim, done, s->frames, time, all, outgrown, s->findings));
  PetscCall(SpdeSnapshotsRecord(&s->snapshots, s->layout.world, s->findings));
  PetscCall(FindingsFinish(s->findings, 12));
  PetscCall(PetscFree3(all, outgrown, time));
  PetscFunctionReturn(0);
}

static PetscErrorCode Publish(void *context) {
  PetscFunctionBeginUser;
  PetscCall(Report(context, PETSC_TRUE));
  PetscFunctionReturn(0);
}

static PetscErrorCode Finish(Spde *s) {
  PetscFunctionBeginUser;
  PetscCall(Report(s, PETSC_FALSE));
  PetscCall(CheckpointRemove(s->checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode StudySpde(void) {
  Spde s = {0};
  PetscBool dry, complete, stopped = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(Create(&s));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (dry) PetscCall(DeckView());
  PetscCall(View(&s));
  PetscCall(CheckpointIsComplete(s.checkpoint, &complete));
  if (!dry && !complete) {
    PetscCall(CheckpointSetPublish(s.checkpoint, Publish, &s));
    PetscCall(Run(&s, &stopped));
    if (!stopped) PetscCall(Finish(&s));
  }
  const PetscErrorCode code = stopped ? CheckpointStopped(s.checkpoint) : 0;
  PetscCall(Destroy(&s));
  PetscFunctionReturn(code);
}
