/* Study simulate with scheme_levels: multilevel Monte Carlo over the depth, NUMERICS.md (9.15). A realization is one
 * estimate of all observables, made of independent samples of every level; their mean over the realizations is that of
 * depth L. All samples of a realization go through time together. */
#include "study/simulate/levels.h"

#include <chorale/observables.h>
#include <string.h>

/* The sets of tokens of a sample; one at level 0. */
typedef struct {
  Tokens path[LEVELS_PATHS];
} Sample;

typedef struct {
  Run run;
  LevelsPlan plan;
  PetscReal horizon;
  PetscBool barycentre; /* noise is asked for there */
  PetscReal kept;       /* numbers of a token's row in a file that tokens start from */
  EnsembleLayout layout;
  System system; /* its tokens are the layout of all */
  Start start;
  Noise noise;
  Field first, second, both; /* of two steps, and of the step that is both */
  Extras extras;
  Sample *sample;    /* [total], level by level */
  PetscReal *values; /* of one set of tokens */
} Levels;

/* Paths of a sample of level k. */
static LevelsPath Paths(PetscInt k) {
  return k ? LEVELS_PATHS : LEVELS_SWAPPED;
}

static PetscErrorCode CreateSamples(Levels *levels) {
  const LevelsPlan *plan = &levels->plan;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(plan->total, &levels->sample));
  for (PetscInt k = 0, i = 0; k < plan->count; k++)
    for (PetscInt s = 0; s < plan->samples[k]; s++, i++)
      for (int p = 0; p < (int)Paths(k); p++)
        PetscCall(TokensDuplicate(levels->system.tokens, &levels->sample[i].path[p]));
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateObjects(Levels *levels, ModelOptions *options) {
  const PetscInt64 count = options->start.count;
  PetscInt stages;
  char what[64];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(what, sizeof(what), "tokens_count = %" PetscInt64_FMT " with scheme_levels", count));
  options->attention.study = "simulate with scheme_levels";
  PetscCall(SystemCreate(levels->layout.shards, count, options, &levels->system));
  PetscCall(StartCreate(levels->system.tokens, &options->start, &levels->start));
  PetscCall(NoiseCreate((PetscInt)options->start.dim, &options->noise, &levels->noise));
  PetscCall(NoiseCheckCount(levels->noise, count));
  PetscCall(SchemeGetStages(levels->system.scheme, &stages));
  PetscCall(NoiseCheckPoints(levels->noise, (PetscInt64)LEVELS_PATHS * stages * count, what));
  PetscCall(SchemeCheck(levels->system.scheme, levels->noise, levels->horizon / levels->plan.depth[0]));
  PetscCall(NoiseCreateField(levels->noise, &levels->first));
  PetscCall(NoiseCreateField(levels->noise, &levels->second));
  PetscCall(NoiseCreateField(levels->noise, &levels->both));
  PetscCall(CreateSamples(levels));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Levels *levels = state;
  const Results results = RunGetResults(run);
  ModelOptions options;
  ExtrasOptions extras;

  PetscFunctionBeginUser;
  levels->run = run;
  PetscCall(ModelOptionsRead(&options));
  levels->horizon = options.layers.horizon;
  levels->barycentre = ModelAtBarycentre(&options);
  levels->kept = strcmp(options.start.init, "file") ? 0 : (PetscReal)options.start.dim;
  PetscCall(LevelsPlanRead(&options, &levels->plan));
  PetscCall(RunCreateEnsemble(run, &options.ensemble, RunReads(run) ? 1 : TokensBlockCount(options.start.count),
                              &levels->layout));
  PetscCall(RunSetFrames(run, (PetscInt)options.layers.depth, options.layers.horizon, FRAMES_SHARE));
  PetscCall(LevelsCheckFrames(&levels->plan, RunGetFrames(run)));
  PetscCall(RunSetStride(run, levels->plan.stride));
  PetscCall(RunFix(run, NULL, "scheme_levels"));
  PetscCall(ExtrasOptionsRead(&extras));
  PetscCall(ExtrasCreate(options.start.count, (PetscInt)options.start.dim, &extras, &levels->extras));
  PetscCall(RunDeclareObservables(run, options.attention.energy_beta));
  PetscCall(ExtrasDeclare(levels->extras, results));
  PetscCall(ResultsDeclare(results, &(Quantity){.name = "level_paths",
                                                .kind = QUANTITY_REALIZATION,
                                                .rank = 3,
                                                .shape = {levels->plan.count, LEVELS_WATCHED, LEVELS_PATHS}}));
  PetscCall(PetscMalloc1(ResultsColumns(results), &levels->values));
  if (!RunReads(run)) PetscCall(CreateObjects(levels, &options));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Levels *levels = state;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; levels->sample && i < levels->plan.total; i++)
    for (int p = 0; p < LEVELS_PATHS; p++) PetscCall(TokensDestroy(&levels->sample[i].path[p]));
  PetscCall(PetscFree(levels->sample));
  PetscCall(PetscFree(levels->values));
  PetscCall(ExtrasDestroy(&levels->extras));
  PetscCall(FieldDestroy(&levels->first));
  PetscCall(FieldDestroy(&levels->second));
  PetscCall(FieldDestroy(&levels->both));
  PetscCall(NoiseDestroy(&levels->noise));
  PetscCall(StartDestroy(&levels->start));
  PetscCall(SystemDestroy(&levels->system));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Levels *levels = state;
  char name[64];

  PetscFunctionBeginUser;
  for (PetscInt i = 0; levels->sample && i < levels->plan.total; i++)
    for (int p = 0; p < LEVELS_PATHS && levels->sample[i].path[p]; p++) {
      PetscCall(PetscSNPrintf(name, sizeof(name), "sample_%" PetscInt_FMT "_path_%d", i, p));
      PetscCall(CheckpointAddTokens(checkpoint, name, levels->sample[i].path[p]));
    }
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(void *state, StudyBrief *brief) {
  const Levels *levels = state;
  const LevelsPlan *plan = &levels->plan;
  char depths[64];

  PetscFunctionBeginUser;
  PetscCall(SystemBrief(&levels->system, levels->noise, brief));
  PetscCall(PetscSNPrintf(depths, sizeof(depths), ", depths %.0f to %.0f", (double)plan->depth[0],
                          (double)plan->depth[plan->count - 1]));
  PetscCall(PetscStrlcat(brief->size, depths, STUDY_PHRASE));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Levels *levels = state;
  const LevelsPlan *plan = &levels->plan;
  PetscReal steps = 0, sets = plan->samples[0];
  TokensLayout layout;

  PetscFunctionBeginUser;
  if (levels->layout.group || !levels->sample) PetscFunctionReturn(0);
  PetscCall(SystemView(&levels->system, levels->noise));
  PetscCall(ExtrasView(levels->extras, levels->system.tokens));
  PetscCall(TokensGetLayout(levels->system.tokens, &layout));
  for (PetscInt k = 0; k < plan->count; k++) {
    steps += plan->samples[k] * plan->cost[k];
    if (k) sets += (PetscReal)LEVELS_PATHS * plan->samples[k];
    PetscCall(PetscPrintf(layout.comm, "%s depth %.0f: %" PetscInt_FMT " samples of %.0f steps\n",
                          k ? "          " : "levels    ", (double)plan->depth[k], plan->samples[k],
                          (double)plan->cost[k]));
  }
  PetscCall(PetscPrintf(layout.comm, "           a realization takes %.0f steps\n", (double)steps));
  PetscCall(SimulateViewTotal(levels->run, &levels->system, levels->noise, levels->barycentre,
                              sets * (layout.dim + 1) + levels->kept));
  PetscFunctionReturn(0);
}

/* Samples are numbered through all realizations: no two have a random number in common. */
static PetscInt Key(const LevelsPlan *plan, PetscInt r, PetscInt i) {
  return r * plan->total + i;
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Levels *levels = state;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < levels->plan.total; i++) {
    Tokens *path = levels->sample[i].path;
    PetscCall(TokensStart(path[LEVELS_FINE], levels->start, Key(&levels->plan, r, i)));
    for (int p = 1; p < LEVELS_PATHS && path[p]; p++) PetscCall(TokensCopy(path[LEVELS_FINE], path[p]));
  }
  PetscFunctionReturn(0);
}

/* A step of one set of tokens, l of its own depth. */
static PetscErrorCode Move(const Levels *levels, Tokens tokens, PetscInt key, PetscInt l, Field field, PetscReal dt) {
  System one = levels->system;

  PetscFunctionBeginUser;
  one.tokens = tokens;
  PetscCall(SystemStep(&one, key, l, field, dt));
  PetscFunctionReturn(0);
}

/* Steps l and l + 1 of the fine path, the same with their fields swapped, and the coarse path's step, which has both
 * of them: (9.16). */
static PetscErrorCode MovePair(const Levels *levels, const Sample *sample, PetscInt key, PetscInt l, PetscReal dt) {
  const Field first = levels->first, second = levels->second, both = levels->both;
  const PetscReal half = PetscSqrtReal(0.5);
  const Tokens *path = sample->path;

  PetscFunctionBeginUser;
  PetscCall(NoiseDraw(levels->noise, key, l, first));
  PetscCall(NoiseDraw(levels->noise, key, l + 1, second));
  PetscCall(FieldZero(both));
  PetscCall(FieldAdd(both, half, first));
  PetscCall(FieldAdd(both, half, second));
  PetscCall(Move(levels, path[LEVELS_FINE], key, l, first, dt));
  PetscCall(Move(levels, path[LEVELS_FINE], key, l + 1, second, dt));
  PetscCall(Move(levels, path[LEVELS_SWAPPED], key, l, second, dt));
  PetscCall(Move(levels, path[LEVELS_SWAPPED], key, l + 1, first, dt));
  PetscCall(Move(levels, path[LEVELS_COARSE], key, l / 2, both, 2 * dt));
  PetscFunctionReturn(0);
}

/* A sample of level k through step c of level 0. */
static PetscErrorCode Advance(const Levels *levels, PetscInt k, const Sample *sample, PetscInt key, PetscInt c) {
  const PetscReal dt = levels->horizon / levels->plan.depth[k];
  const PetscInt steps = 1 << k;

  PetscFunctionBeginUser;
  if (!k) {
    PetscCall(NoiseDraw(levels->noise, key, c, levels->first));
    PetscCall(Move(levels, sample->path[LEVELS_FINE], key, c, levels->first, dt));
  }
  for (PetscInt l = c * steps; k && l < (c + 1) * steps; l += 2) PetscCall(MovePair(levels, sample, key, l, dt));
  PetscFunctionReturn(0);
}

/* With the last layer of a step of level 0 that step of all samples. */
static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  const Levels *levels = state;
  const LevelsPlan *plan = &levels->plan;

  PetscFunctionBeginUser;
  (void)ended;
  if ((l + 1) % plan->stride) PetscFunctionReturn(0);
  for (PetscInt k = 0, i = 0; k < plan->count; k++)
    for (PetscInt s = 0; s < plan->samples[k]; s++, i++)
      PetscCall(Advance(levels, k, &levels->sample[i], Key(plan, r, i), l / plan->stride));
  PetscFunctionReturn(0);
}

/* The share of a path in the estimate. */
static PetscReal Weight(const LevelsPlan *plan, PetscInt k, int p) {
  const PetscReal n = plan->samples[k];

  if (!k) return 1 / n;
  return p == LEVELS_COARSE ? -1 / n : 0.5 / n;
}

/* The sum (9.15) of this realization, and at T its parts. */
static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Levels *levels = state;
  const LevelsPlan *plan = &levels->plan;
  const PetscInt columns = ResultsColumns(RunGetResults(levels->run)), parts = LEVELS_WATCHED * LEVELS_PATHS;
  const PetscBool last = f == RunGetFrames(levels->run)->count - 1 ? PETSC_TRUE : PETSC_FALSE;
  PetscReal *tail = RunGetTail(levels->run);

  PetscFunctionBeginUser;
  (void)r;
  PetscCall(PetscArrayzero(values, columns));
  for (PetscInt k = 0, i = 0; k < plan->count; k++)
    for (PetscInt s = 0; s < plan->samples[k]; s++, i++)
      for (int p = 0; p < (int)Paths(k); p++) {
        const Tokens tokens = levels->sample[i].path[p];
        PetscCall(ObservablesEvaluate(tokens, levels->system.attention, levels->values));
        PetscCall(ExtrasEvaluate(levels->extras, tokens, levels->system.attention, levels->values + OBSERVE_VALUES));
        for (PetscInt v = 0; v < columns; v++) values[v] += Weight(plan, k, p) * levels->values[v];
        for (PetscInt w = 0; last && w < LEVELS_WATCHED; w++) {
          PetscReal *part = &tail[k * parts + w * LEVELS_PATHS + p];
          *part = (s ? *part : 0) + levels->values[w] / plan->samples[k];
        }
      }
  PetscFunctionReturn(0);
}

static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  const Levels *levels = state;

  PetscFunctionBeginUser;
  PetscCall(LevelsReport(&levels->plan, samples, results));
  PetscFunctionReturn(0);
}

const Study StudySimulateLevels = {
    .name = "simulate",
    .options = &SimulateTable,
    .summary = "the means of depth L from several depths",
    .form = {.integers = 1, .rows = 20, .texts = LevelsTexts},
    .size = sizeof(Levels),
    .checkpoints = PETSC_TRUE,
    .thins = PETSC_TRUE,
    .create = Create,
    .keep = Keep,
    .brief = Brief,
    .view = View,
    .start = Begin,
    .step = Step,
    .frame = Measure,
    .report = Report,
    .destroy = Destroy,
};
