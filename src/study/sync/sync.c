/* Study sync: synchronization by noise (THEORY.md section 5). The ensemble of study simulate, in which tokens have
 * twins, beside what is exact: the energy of the two-token diffusion, the bound of the theorem, the Lyapunov exponent.
 */
#include <chorale/checkpoint.h>
#include <chorale/deck.h>
#include <chorale/observables.h>
#include <chorale/progress.h>
#include <chorale/scheme.h>
#include <math.h>

#include "study/studies.h"
#include "study/sync/sync.h"

#define COLUMNS "time,energy_mean,energy_sem,energy_exact,energy_bound"
#define ROWS    20 /* of the table that are printed */

/* Distance of twins: the smaller, the more linear, until rounding errors of 2^-52 matter. Noise gram knows the field at
 * a twin from its values at the tokens no better than to the square root of rounding errors. */
#define DISTANCE      0x1p-22
#define DISTANCE_GRAM 0x1p-10

typedef struct {
  PetscInt depth, every, frames, width; /* width: of the samples of a realization */
  PetscReal horizon;
  PetscInt64 count, twin_count;
  Ensemble ensemble;
  EnsembleLayout layout;
  Tokens tokens, set; /* set: tokens and twins, owned by twins */
  Start start;
  Twins twins;
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;
  Vec drift, gradient;
  SyncTheory theory;
  Findings findings;
  Checkpoint checkpoint;
  PetscReal *growth;       /* [TWINS_GROWTH] */
  PetscInt64 *step;        /* [frames] */
  PetscReal *time, *exact; /* [frames] */
  PetscReal *samples;      /* [owned][width] */
} Sync;

/* Lists are for the map. */
static PetscErrorCode CheckLists(void) {
  static const char *const keys[] = {"mlp_activation", "tokens_dim"};

  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
    enum { MOST = 256 };
    const char *values[MOST];
    char *storage;
    PetscInt n = MOST;
    PetscCall(DeckGetStringList(keys[i], &n, values, &storage));
    PetscCheck(n == 1, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s = %s,%s,...: must be one value without sync_map",
               keys[i], values[0], values[1]);
    PetscCall(PetscFree(storage));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode GetTwins(PetscInt64 count, PetscInt64 *twins, PetscReal *distance) {
  char text[PETSC_MAX_PATH_LEN], noise[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("sync_twins", text));
  PetscCall(DeckGetString("noise_type", noise));
  *distance = strcmp(noise, "gram") ? DISTANCE : DISTANCE_GRAM;
  *twins = count;
  if (!strcmp(text, "auto")) PetscFunctionReturn(0);
  PetscCall(DeckGetInt("sync_twins", twins));
  PetscCheck(*twins <= count, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "sync_twins = %" PetscInt64_FMT ": must be at most the number of tokens, %" PetscInt64_FMT, *twins, count);
  PetscFunctionReturn(0);
}

/* Step 0, every output_every steps, and the last. */
static PetscErrorCode CreateFrames(Sync *s) {
  PetscInt64 every;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("output_every", &every));
  s->every = (PetscInt)every;
  s->frames = 1 + (s->depth + s->every - 1) / s->every;
  s->width = s->frames * SYNC_COLUMNS + SYNC_TAIL;
  PetscCall(PetscMalloc3(s->frames, &s->step, s->frames, &s->time, s->frames, &s->exact));
  for (PetscInt f = 0; f < s->frames; f++) {
    s->step[f] = PetscMin((PetscInt64)f * s->every, s->depth);
    s->time[f] = s->horizon * (PetscReal)s->step[f] / (PetscReal)s->depth;
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateCheckpoint(Sync *s) {
  PetscFunctionBeginUser;
  PetscCall(TwinsGetGrowth(s->twins, &s->growth));
  PetscCall(CheckpointCreate("sync", s->ensemble, s->depth, &s->checkpoint));
  PetscCall(CheckpointAddTokens(s->checkpoint, "tokens", s->set));
  PetscCall(CheckpointAddReals(s->checkpoint, "growth", TWINS_GROWTH, s->growth));
  PetscCall(CheckpointAddFrames(s->checkpoint, "samples", s->frames, s->step, SYNC_COLUMNS, s->width, s->samples));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Sync *s) {
  PetscInt64 dim, depth;
  PetscReal distance = DISTANCE;
  StudyObjects o;

  PetscFunctionBeginUser;
  PetscCall(StudyCheckBeta());
  PetscCall(CheckLists());
  PetscCall(StudyObjectsRead(&o));
  PetscCall(StudyGetSize(&s->count, &dim));
  PetscCall(GetTwins(s->count, &s->twin_count, &distance));
  PetscCall(DeckGetInt("layers_depth", &depth));
  PetscCall(DeckGetReal("layers_horizon", &s->horizon));
  s->depth = (PetscInt)depth;
  PetscCall(CreateFrames(s));
  PetscCall(EnsembleCreate(&o.ensemble, TokensBlockCount(s->count + s->twin_count), &s->ensemble));
  PetscCall(EnsembleGetLayout(s->ensemble, &s->layout));
  PetscCall(TokensCreate(s->layout.shards, s->count, (PetscInt)dim, &s->tokens));
  PetscCall(StartCreate(s->tokens, &o.start, &s->start));
  PetscCall(TwinsCreate(s->tokens, s->twin_count, distance, &s->twins));
  PetscCall(TwinsGetTokens(s->twins, &s->set));
  PetscCall(AttentionCreate(s->set, &o.attention, &s->attention));
  PetscCall(NoiseCreate((PetscInt)dim, &o.noise, &s->noise));
  PetscCall(NoiseCheckCount(s->noise, s->count + s->twin_count));
  PetscCall(NoiseCreateField(s->noise, &s->field));
  PetscCall(SchemeCreate(s->set, &o.scheme, &s->scheme));
  PetscCall(SchemeCheck(s->scheme, s->noise, s->horizon / (PetscReal)s->depth));
  PetscCall(TokensCreateVec(s->set, &s->drift));
  PetscCall(TokensCreateVec(s->set, &s->gradient));
  PetscCall(SyncTheoryCreate(s->noise, s->attention, s->count, &s->theory));
  PetscCall(FindingsCreate(s->layout.world, "sync", COLUMNS, &s->findings));
  PetscCall(PetscCalloc1((size_t)s->layout.owned * (size_t)s->width, &s->samples));
  PetscCall(CreateCheckpoint(s));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Sync *s) {
  PetscFunctionBeginUser;
  PetscCall(CheckpointDestroy(&s->checkpoint));
  PetscCall(PetscFree(s->samples));
  PetscCall(PetscFree3(s->step, s->time, s->exact));
  PetscCall(FindingsDestroy(&s->findings));
  PetscCall(VecDestroy(&s->gradient));
  PetscCall(VecDestroy(&s->drift));
  PetscCall(SchemeDestroy(&s->scheme));
  PetscCall(FieldDestroy(&s->field));
  PetscCall(NoiseDestroy(&s->noise));
  PetscCall(AttentionDestroy(&s->attention));
  PetscCall(TwinsDestroy(&s->twins));
  PetscCall(StartDestroy(&s->start));
  PetscCall(TokensDestroy(&s->tokens));
  PetscCall(EnsembleDestroy(&s->ensemble));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Sync *s) {
  PetscFunctionBeginUser;
  PetscCall(EnsembleView(s->ensemble));
  if (s->layout.group == 0) {
    PetscCall(TokensView(s->set));
    PetscCall(PetscPrintf(s->layout.shards,
                          "           %" PetscInt64_FMT " of them are tokens, %" PetscInt64_FMT " twins of weight 0\n",
                          s->count, s->twin_count));
    PetscCall(AttentionView(s->attention));
    PetscCall(NoiseView(s->noise, s->layout.shards));
    PetscCall(SchemeView(s->scheme));
  }
  PetscCall(
      PetscPrintf(s->layout.world,
                  "frames     %" PetscInt_FMT " of %" PetscInt_FMT
                  " steps in each realization, energy %s; lambda1 %.6g, lambda_bar %.6g, lambda_bar'(beta) %.6g\n",
                  s->frames, s->depth, s->theory.exact ? "beside its exact value" : "without an exact value",
                  (double)s->theory.lambda1, (double)s->theory.lambda_bar, (double)s->theory.lambda_rate));
  PetscCall(FindingsView(s->findings));
  PetscCall(CheckpointView(s->checkpoint));
  PetscFunctionReturn(0);
}

/* Energy and push, push first: its kernel sums serve the energy. *rate is raised to their ratio. */
static PetscErrorCode MeasureEnergy(Sync *s, PetscReal *energy, PetscReal *push, PetscReal *rate) {
  PetscFunctionBeginUser;
  *push = 0;
  if (s->theory.pushes) PetscCall(SyncPush(s->attention, s->set, s->drift, s->gradient, push));
  PetscCall(AttentionEnergy(s->attention, s->set, energy));
  if (s->theory.pushes && !s->theory.gradient && *energy > SYNC_ROUNDING * exp(s->theory.beta) &&
      !(*push / *energy <= *rate))
    *rate = *push / *energy;
  PetscFunctionReturn(0);
}

/* One frame of the realization whose samples are row. Clusters are those of the first tokens: twins do not count. */
static PetscErrorCode Measure(Sync *s, PetscInt frame, PetscReal *row) {
  PetscReal values[OBSERVE_VALUES], *column = row + frame * SYNC_COLUMNS, *tail = row + s->frames * SYNC_COLUMNS;

  PetscFunctionBeginUser;
  PetscCall(MeasureEnergy(s, &column[SYNC_ENERGY], &column[SYNC_PUSH], &tail[SYNC_RATE]));
  PetscCall(TwinsGather(s->twins, s->tokens));
  PetscCall(ObservablesEvaluate(s->tokens, NULL, values));
  column[SYNC_ORDER] = values[ObservableGetInfo(OBSERVE_ORDER)->first];
  column[SYNC_CLUSTERS] = values[ObservableGetInfo(OBSERVE_CLUSTERS)->first];
  column[SYNC_GROWTH] = s->growth[TWINS_TOTAL];
  column[SYNC_MARTINGALE] = s->growth[TWINS_MARTINGALE];
  PetscFunctionReturn(0);
}

/* After step l of the realization whose samples are row; *frame is the next. The supremum of the theorem's epsilon is
 * over all steps. */
static PetscErrorCode MeasureStep(Sync *s, PetscInt l, PetscInt *frame, PetscReal *row) {
  PetscReal *tail = row + s->frames * SYNC_COLUMNS, energy, push;

  PetscFunctionBeginUser;
  if (l == s->step[*frame])
    PetscCall(Measure(s, (*frame)++, row));
  else if (s->theory.pushes && !s->theory.gradient)
    PetscCall(MeasureEnergy(s, &energy, &push, &tail[SYNC_RATE]));
  if (l == s->depth && s->theory.odd) PetscCall(SyncSplit(s->set, tail));
  PetscFunctionReturn(0);
}

/* Realization r at its start, or where a checkpoint left it: *l steps are done, *frame is the next. row are its
 * samples.
 */
static PetscErrorCode Begin(Sync *s, PetscInt r, PetscReal *row, PetscInt *l, PetscInt *frame) {
  PetscFunctionBeginUser;
  PetscCall(TokensStart(s->tokens, s->start, r));
  PetscCall(TwinsStart(s->twins, s->tokens, r));
  PetscCall(CheckpointResume(s->checkpoint, r, l));
  if (!*l) {
    row[s->frames * SYNC_COLUMNS + SYNC_RATE] = NAN;
    PetscCall(Measure(s, 0, row));
  }
  *frame = *l / s->every + 1;
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(Sync *s, PetscBool *stopped) {
  const PetscReal dt = s->horizon / (PetscReal)s->depth;
  PetscInt r, l = 0, frame = 0, i = 0;
  PetscInt64 done = 0;
  Progress progress;

  PetscFunctionBeginUser;
  *stopped = PETSC_FALSE;
  PetscCall(ProgressCreate(s->layout.world, "sync", (PetscInt64)s->layout.owned * s->depth, &progress));
  while (!*stopped && EnsembleNext(s->ensemble, &r)) {
    PetscReal *row = s->samples + (size_t)i++ * (size_t)s->width;
    PetscCall(Begin(s, r, row, &l, &frame));
    done += l;
    while (l < s->depth && !*stopped) {
      PetscCall(NoiseDraw(s->noise, r, l, s->field));
      PetscCall(TwinsForesee(s->twins, s->field, dt));
      PetscCall(SchemeStep(s->scheme, s->attention, s->field, dt, s->set));
      PetscCall(TwinsRenormalize(s->twins));
      PetscCall(MeasureStep(s, ++l, &frame, row));
      PetscCall(ProgressUpdate(progress, ++done));
      PetscCall(CheckpointStep(s->checkpoint, r, l, stopped));
    }
  }
  PetscCall(CheckpointFinish(s->checkpoint, stopped));
  PetscCall(ProgressDestroy(&progress));
  PetscFunctionReturn(0);
}

/* All samples of the realizations that are done, and what they say. */
static PetscErrorCode Report(Sync *s, PetscBool partial) {
  PetscInt64 seed;
  PetscReal *all;
  PetscInt done;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("ensemble_seed", &seed));
  PetscCall(PetscMalloc1((size_t)s->layout.realizations * (size_t)s->width, &all));
  PetscCall(EnsembleGather(s->ensemble, s->width, s->samples, all));
  PetscCall(CheckpointKeepDone(s->checkpoint, s->width, all, &done));
  if (partial) PetscCall(FindingsBeginPartial(s->findings, done));
  const SyncSamples samples = {done,    s->frames, s->count, s->twin_count, (uint64_t)seed, s->step,
                               s->time, s->exact,  all};
  if (done)
    PetscCall(SyncReport(s->layout.world, &s->theory, &samples, s->findings, ROWS));
  else
    PetscCall(FindingsFinish(s->findings, 0));
  PetscCall(PetscFree(all));
  PetscFunctionReturn(0);
}

static PetscErrorCode Publish(void *context) {
  PetscFunctionBeginUser;
  PetscCall(Report(context, PETSC_TRUE));
  PetscFunctionReturn(0);
}

static PetscErrorCode Finish(Sync *s) {
  PetscFunctionBeginUser;
  PetscCall(Report(s, PETSC_FALSE));
  PetscCall(CheckpointRemove(s->checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode Simulate(void) {
  Sync s = {0};
  PetscBool dry, complete, stopped = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(Create(&s));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (dry) PetscCall(DeckView());
  PetscCall(View(&s));
  PetscCall(CheckpointIsComplete(s.checkpoint, &complete));
  if (!dry && !complete) {
    PetscCall(SyncTheoryEnergy(&s.theory, s.count, s.layout.world, s.frames, s.time, s.exact));
    PetscCall(CheckpointSetPublish(s.checkpoint, Publish, &s));
    PetscCall(Run(&s, &stopped));
    if (!stopped) PetscCall(Finish(&s));
  }
  const PetscErrorCode code = stopped ? CheckpointStopped(s.checkpoint) : 0;
  PetscCall(Destroy(&s));
  PetscFunctionReturn(code);
}

PetscErrorCode StudySync(void) {
  PetscBool map;

  PetscFunctionBeginUser;
  PetscCall(DeckGetFlag("sync_map", &map));
  if (map)
    PetscCall(SyncMap());
  else
    PetscCall(Simulate());
  PetscFunctionReturn(0);
}
