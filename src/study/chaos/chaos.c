/* Study chaos: how fast the empirical measure of N tokens approaches the mean-field limit along the same common noise,
 * THEORY.md (4.3). */
#include <chorale/deck.h>

#include <math.h>

#include "study/chaos/chaos.h"
#include "study/studies.h"

typedef struct {
  Run run;
  ChaosDesign design;
  EnsembleLayout layout;
  Noise noise;
  Field field;
  ChaosSystems systems;
  PetscReal *means; /* of one realization: [starts][frames][counts][d] */
  char methods[64]; /* of W2^2 */
} Chaos;

static const QuantityText texts[] = {
    {"tokens", "tokens", "number N of tokens of the system"},
    {"w2sq", "1",
     "W2^2 by `method` between N tokens and the reference, its supremum over the frames; by circle an upper bound "
     "where "
     "it is not proved exact, by sinkhorn within 1%"},
    {"mmd2", "1", "MMD^2, with kernel e^(beta <x,y>), of N tokens to the reference, its supremum over the frames"},
    {"coupling", "1", "(1/N) sum_i |x_i - y_i|^2, y_i being what token i is coupled to, its supremum over the frames"},
    {"correlation", "1", "correlation of two tokens given the noise, as an array of N at the last frame"},
    {"reference_tokens", "tokens", "tokens of the nested reference, or nodes of the quadrature"},
    {"slope_w2sq", "1", "slope of log w2sq against log N"},
    {"slope_mmd2", "1", "slope of log mmd2 against log N"},
    {"slope_coupling", "1", "slope of log coupling against log N"},
    {"bound", "1", "the paper's rate r_d(N) of W2^2, without its constant"},
    {"intrinsic", "1", "rate of W2^2 of smooth laws in the d - 1 dimensions of the sphere, without its constant"},
    {"slope_bound", "1", "slope of log bound against log N"},
    {"slope_intrinsic", "1", "slope of log intrinsic against log N"},
    {0}};

/* A draw of one step is asked for at the stages of every system. */
static PetscErrorCode CheckNoise(const Chaos *chaos) {
  const ChaosDesign *d = &chaos->design;
  const PetscInt64 total = ChaosTotal(d), compared = d->reference == CHAOS_TWIN ? total : ChaosLargest(d);
  char what[64];
  PetscInt stages;

  PetscFunctionBeginUser;
  PetscCall(SchemeGetStages(chaos->systems.system[0].scheme, &stages));
  PetscCall(PetscSNPrintf(what, sizeof(what), "tokens_count = %" PetscInt64_FMT " and %" PetscInt_FMT " smaller",
                          d->count[d->counts - 1], d->counts - 1));
  PetscCall(NoiseCheckPoints(chaos->noise, stages * (total + compared), what));
  PetscFunctionReturn(0);
}

/* The numbers of a realization, [CHAOS_NUMBERS][frames][counts]; without fresh starts nothing tells a correlation. */
static PetscErrorCode Declare(Chaos *chaos, Run run) {
  static const char *const names[CHAOS_NUMBERS] = {"w2sq_frames", "mmd2_frames", "coupling_frames",
                                                   "correlation_frames"};
  const ChaosDesign *d = &chaos->design;

  PetscFunctionBeginUser;
  for (int k = 0; k < CHAOS_NUMBERS; k++)
    PetscCall(RunDeclare(run, &(Quantity){.name = k == CHAOS_CORRELATION && !d->restarts ? NULL : names[k],
                                          .kind = QUANTITY_REALIZATION,
                                          .rank = 2,
                                          .shape = {d->frames, d->counts}}));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Chaos *chaos = state;
  ChaosDesign *d = &chaos->design;
  EnsembleOptions ensemble;
  NoiseOptions noise;

  PetscFunctionBeginUser;
  chaos->run = run;
  PetscCall(StudyCheckBeta());
  PetscCall(ChaosDesignRead(d));
  PetscCall(NoiseOptionsRead(&noise));
  PetscCall(EnsembleOptionsRead(&ensemble));
  PetscCall(RunCreateEnsemble(run, &ensemble, TokensBlockCount(ChaosLargest(d)), &chaos->layout));
  PetscCall(NoiseCreate(d->dim, &noise, &chaos->noise));
  PetscCall(NoiseCheckCount(chaos->noise, ChaosLargest(d)));
  PetscCall(NoiseCreateField(chaos->noise, &chaos->field));
  PetscCall(ChaosSystemsCreate(d, chaos->layout.shards, &chaos->systems));
  PetscCall(CheckNoise(chaos));
  PetscCall(SchemeCheck(chaos->systems.system[0].scheme, chaos->noise, d->horizon / (PetscReal)d->depth));
  PetscCall(RunSetSteps(run, d->walks * d->depth));
  PetscCall(RunSetFrames(run, d->depth, d->horizon, FRAMES_SHARE));
  d->frames = RunGetFrames(run)->count;
  PetscCall(Declare(chaos, run));
  PetscCall(PetscCalloc1((size_t)d->walks * d->frames * d->counts * d->dim, &chaos->means));
  PetscCall(ChaosMethods(d, &chaos->systems, sizeof(chaos->methods), chaos->methods));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Chaos *chaos = state;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(chaos->means));
  PetscCall(ChaosSystemsDestroy(&chaos->systems));
  PetscCall(FieldDestroy(&chaos->field));
  PetscCall(NoiseDestroy(&chaos->noise));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Chaos *chaos = state;
  const ChaosDesign *d = &chaos->design;

  PetscFunctionBeginUser;
  PetscCall(ChaosSystemsSave(&chaos->systems, checkpoint));
  if (d->restarts)
    PetscCall(CheckpointAddReals(checkpoint, "means", d->walks * d->frames * d->counts * d->dim, chaos->means));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Chaos *chaos = state;

  PetscFunctionBeginUser;
  PetscCall(ChaosDesignView(&chaos->design, chaos->layout.world));
  if (chaos->layout.group == 0) {
    PetscCall(PetscPrintf(chaos->layout.shards, "the largest set of tokens:\n"));
    PetscCall(ChaosSystemsView(&chaos->systems));
    PetscCall(NoiseView(chaos->noise, chaos->layout.shards));
  }
  PetscCall(PetscPrintf(chaos->layout.world, "transport  %s\n", chaos->methods));
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Chaos *chaos = state;

  PetscFunctionBeginUser;
  PetscCall(ChaosSystemsStart(&chaos->systems, r, r + chaos->design.walks * chaos->layout.realizations, PETSC_FALSE));
  PetscFunctionReturn(0);
}

/* The mean tokens of start s in a frame. */
static PetscErrorCode MeanTokens(Chaos *chaos, PetscInt s, PetscInt frame) {
  const ChaosDesign *d = &chaos->design;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; d->restarts && i < d->counts; i++)
    PetscCall(ChaosMeanToken(chaos->systems.system[i].tokens,
                             chaos->means + (size_t)((s * d->frames + frame) * d->counts + i) * d->dim));
  PetscFunctionReturn(0);
}

/* A frame of the first start. */
static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Chaos *chaos = state;
  const ChaosDesign *d = &chaos->design;

  PetscFunctionBeginUser;
  (void)r, (void)values;
  PetscCall(ChaosMeasure(d, &chaos->systems, d->frames * d->counts, RunGetTail(chaos->run) + (size_t)f * d->counts));
  PetscCall(MeanTokens(chaos, 0, f));
  PetscFunctionReturn(0);
}

/* The correlations of a realization, from the mean tokens of all its starts. */
static void Correlate(const Chaos *chaos) {
  const ChaosDesign *d = &chaos->design;
  const PetscInt cells = d->frames * d->counts;
  PetscReal *correlation = RunGetTail(chaos->run) + CHAOS_CORRELATION * cells;

  for (PetscInt k = 0; k < cells; k++)
    correlation[k] =
        ChaosCorrelation(d->count[k % d->counts], d->dim, d->walks, cells * d->dim, chaos->means + (size_t)k * d->dim);
}

/* Step l along the noise path of realization r, which is walked once from its first start with all that is compared and
 * once from each fresh start. Fresh starts are those of the realizations r + R, r + 2R, ..., which the ensemble of R
 * does not have. */
static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Chaos *chaos = state;
  const ChaosDesign *d = &chaos->design;
  const PetscInt s = l / d->depth, step = l % d->depth, frame = FramesAt(RunGetFrames(chaos->run), step + 1);
  const PetscBool alone = s > 0 ? PETSC_TRUE : PETSC_FALSE;

  PetscFunctionBeginUser;
  (void)ended;
  if (alone && step == 0) {
    PetscCall(ChaosSystemsStart(&chaos->systems, r + s * chaos->layout.realizations, 0, PETSC_TRUE));
    PetscCall(MeanTokens(chaos, s, 0));
  }
  /* one function on the sphere, shared by all tokens of all systems */
  PetscCall(NoiseDraw(chaos->noise, r, step, chaos->field));
  PetscCall(ChaosSystemsStep(&chaos->systems, chaos->field, d->horizon / (PetscReal)d->depth, alone));
  if (alone && frame >= 0) PetscCall(MeanTokens(chaos, s, frame));
  if (alone && l + 1 == d->walks * d->depth) Correlate(chaos);
  PetscFunctionReturn(0);
}

static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Chaos *chaos = state;

  PetscFunctionBeginUser;
  if (samples->realizations) PetscCall(ChaosReport(&chaos->design, samples, chaos->methods, results));
  PetscFunctionReturn(0);
}

const Study StudyChaos = {
    .name = "chaos",
    .options = &ChaosTable,
    .summary = "propagation of chaos: empirical measures of N tokens against the mean-field limit",
    .form = {.columns = "tokens,w2sq,w2sq_sem,mmd2,mmd2_sem,coupling,coupling_sem", .texts = texts},
    .size = sizeof(Chaos),
    .checkpoints = PETSC_TRUE,
    .create = Create,
    .keep = Keep,
    .view = View,
    .start = Begin,
    .step = Step,
    .frame = Measure,
    .report = Report,
    .destroy = Destroy,
};
