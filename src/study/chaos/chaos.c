/* Study chaos: how fast the empirical measure of N tokens approaches the mean-field limit along the same common noise,
 * THEORY.md (4.3). */
#include "study/chaos/chaos.h"

static const QuantityText texts[] = {
    {"tokens", "tokens", "number N of tokens of the system"},
    {"w2sq", "1",
     "W2^2 by `method` between N tokens and the reference, its supremum over the frames: the upper end of what is "
     "certified, the cost of a plan"},
    {"w2sq_low", "1", "supremum over the frames of the certified lower end of W2^2"},
    {"w2sq_high", "1", "w2sq once more: W2^2 is not above it"},
    {"w2sq_gap", "1", "largest of (w2sq_high - w2sq_low) / w2sq_high over the N"},
    {"mmd2", "1", "MMD^2, with kernel e^(beta <x,y>), of N tokens to the reference, its supremum over the frames"},
    {"coupling", "1", "(1/N) sum_i |x_i - y_i|^2, y_i being what token i is coupled to, its supremum over the frames"},
    {"correlation", "1", "correlation of two tokens given the noise, as an array of N at the last frame"},
    {"reference_tokens", "tokens", "tokens of the nested reference, or nodes of the quadrature"},
    {"slope_w2sq", "1", "slope of log w2sq against log N"},
    {"slope_mmd2", "1", "slope of log mmd2 against log N"},
    {"slope_coupling", "1", "slope of log coupling against log N"},
    {"bound", "1", "the paper's rate r_d(N) of W2^2, without its constant"},
    {"intrinsic", "1", "rate of W2^2 of smooth laws in the d - 1 dimensions of the sphere, without its constant"},
    {"method", "-", "how W2 is computed"},
    {"reference", "-",
     "what N tokens are compared with: twin, another N tokens; nested, more of them; or a quadrature"},
    {"slope_bound", "1", "slope of log bound against log N"},
    {"slope_intrinsic", "1", "slope of log intrinsic against log N"},
    {0}};

/* The numbers of a realization, [CHAOS_NUMBERS][frames][counts]; without fresh starts nothing tells a correlation. */
static PetscErrorCode Declare(const ChaosDesign *design, Results results) {
  const char *const names[CHAOS_NUMBERS] = {"w2sq_frames", "mmd2_frames", "coupling_frames", "w2sq_low_frames",
                                            design->restarts ? "correlation_frames" : NULL};

  PetscFunctionBeginUser;
  for (int k = 0; k < CHAOS_NUMBERS; k++)
    PetscCall(ResultsDeclare(results, &(Quantity){.name = names[k],
                                                  .kind = QUANTITY_REALIZATION,
                                                  .rank = 2,
                                                  .shape = {design->frames, design->counts}}));
  PetscFunctionReturn(0);
}

/* A draw of one step is asked for at the stages of every system. */
static PetscErrorCode CheckNoise(const Chaos *chaos) {
  const ChaosDesign *design = &chaos->design;
  char what[64];
  PetscInt stages;

  PetscFunctionBeginUser;
  PetscCall(NoiseCheckCount(chaos->noise, design->largest));
  PetscCall(SchemeGetStages(chaos->system[0].scheme, &stages));
  PetscCall(PetscSNPrintf(what, sizeof(what), "tokens_count = %" PetscInt64_FMT " and %" PetscInt_FMT " smaller",
                          design->count[design->counts - 1], design->counts - 1));
  PetscCall(NoiseCheckPoints(chaos->noise, stages * (design->total + design->compared), what));
  PetscCall(SchemeCheck(chaos->system[0].scheme, chaos->noise, design->dt));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Chaos *chaos = state;
  ChaosDesign *design = &chaos->design;
  ModelOptions options;

  PetscFunctionBeginUser;
  chaos->run = run;
  PetscCall(ModelOptionsRead(&options));
  PetscCall(ChaosDesignRead(&options, design));
  if (design->reference == CHAOS_TWIN) PetscCall(RunFix(run, "chaos_reference", NULL)); /* see ChaosStartSystems */
  if (design->restarts) PetscCall(RunFix(run, "chaos_restarts", NULL));
  PetscCall(RunCreateEnsemble(run, &options.ensemble, TokensBlockCount(design->largest), &chaos->layout));
  PetscCall(NoiseCreate(design->dim, &options.noise, &chaos->noise));
  PetscCall(NoiseCreateField(chaos->noise, &chaos->field));
  PetscCall(ChaosCreateSystems(chaos, &options));
  PetscCall(CheckNoise(chaos));
  PetscCall(RunSetFrames(run, design->depth, design->horizon, FRAMES_SHARE));
  PetscCall(RunSetSteps(run, design->walks * design->depth));
  design->frames = RunGetFrames(run)->count;
  PetscCall(Declare(design, RunGetResults(run)));
  PetscCall(PetscCalloc1((size_t)design->walks * design->frames * design->counts * design->dim, &chaos->means));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Chaos *chaos = state;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(chaos->means));
  PetscCall(ChaosDestroySystems(chaos));
  PetscCall(FieldDestroy(&chaos->field));
  PetscCall(NoiseDestroy(&chaos->noise));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Chaos *chaos = state;
  const ChaosDesign *design = &chaos->design;

  PetscFunctionBeginUser;
  PetscCall(ChaosKeepSystems(chaos, checkpoint));
  if (design->restarts)
    PetscCall(CheckpointAddReals(checkpoint, "means", design->walks * design->frames * design->counts * design->dim,
                                 chaos->means));
  PetscFunctionReturn(0);
}

/* The system with most tokens. */
static const System *Largest(const Chaos *chaos) {
  return chaos->reference.tokens ? &chaos->reference : &chaos->twin[chaos->design.counts - 1];
}

static PetscErrorCode Brief(void *state, StudyBrief *brief) {
  static const char *const beside[] = {
      [CHAOS_NESTED] = "more of them", [CHAOS_QUADRATURE] = "the limit", [CHAOS_TWIN] = "as many others"};
  const Chaos *chaos = state;
  const ChaosDesign *design = &chaos->design;

  PetscFunctionBeginUser;
  PetscCall(SystemBrief(Largest(chaos), chaos->noise, brief));
  PetscCall(PetscSNPrintf(
      brief->size, STUDY_PHRASE,
      "%" PetscInt64_FMT " to %" PetscInt64_FMT " tokens in R^%" PetscInt_FMT " (%" PetscInt_FMT " systems) against %s",
      design->count[0], design->count[design->counts - 1], design->dim, design->counts, beside[design->reference]));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Chaos *chaos = state;

  PetscFunctionBeginUser;
  PetscCall(ChaosDesignView(&chaos->design, &chaos->layout));
  if (chaos->layout.group == 0) {
    PetscCall(PetscPrintf(chaos->layout.shards, "the largest set of tokens:\n"));
    PetscCall(SystemView(Largest(chaos), chaos->noise));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Guess(void *state, StudyGuess *guess) {
  Chaos *chaos = state;
  PetscReal flops, bytes, pace, sum = 0;

  PetscFunctionBeginUser;
  PetscCall(ChaosTransportPace(chaos, &pace));
  *guess = (StudyGuess){.transport = pace * ChaosTransportSeconds(&chaos->design),
                        .growth = ChaosTransportGrowth(&chaos->design)};
  for (PetscInt i = 0; i < chaos->design.counts; i++) {
    PetscCall(SystemGetCost(&chaos->system[i], chaos->noise, &flops, &bytes));
    sum += chaos->twin[i].tokens ? 2 * flops : flops;
  }
  flops = 0;
  if (chaos->reference.tokens) PetscCall(SystemGetCost(&chaos->reference, chaos->noise, &flops, &bytes));
  guess->step = ModelSeconds(sum + flops);
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Chaos *chaos = state;

  PetscFunctionBeginUser;
  PetscCall(ChaosStartSystems(chaos, r, r + chaos->design.walks * chaos->layout.realizations, PETSC_FALSE));
  PetscFunctionReturn(0);
}

/* The mean tokens of start s in a frame. */
static PetscErrorCode MeanTokens(Chaos *chaos, PetscInt s, PetscInt frame) {
  const ChaosDesign *design = &chaos->design;
  PetscReal *means = chaos->means + (size_t)(s * design->frames + frame) * design->counts * design->dim;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; design->restarts && i < design->counts; i++)
    PetscCall(ChaosMeanToken(chaos->system[i].tokens, means + i * design->dim));
  PetscFunctionReturn(0);
}

/* A frame of the first start. */
static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Chaos *chaos = state;

  PetscFunctionBeginUser;
  (void)r, (void)values;
  PetscCall(ChaosMeasure(chaos, RunGetTail(chaos->run) + (size_t)f * chaos->design.counts));
  PetscCall(MeanTokens(chaos, 0, f));
  PetscFunctionReturn(0);
}

/* The correlations of a realization, from the mean tokens of all its starts. */
static void Correlate(const Chaos *chaos) {
  const ChaosDesign *design = &chaos->design;
  const PetscInt cells = design->frames * design->counts, dim = design->dim;
  PetscReal *correlation = RunGetTail(chaos->run) + CHAOS_CORRELATION * cells;

  for (PetscInt k = 0; k < cells; k++)
    correlation[k] = ChaosCorrelation(design->count[k % design->counts], dim, design->walks, cells * dim,
                                      chaos->means + (size_t)k * dim);
}

/* Step l along the noise path of realization r, which is walked once from its first start with all that is compared and
 * once from each fresh start. Fresh starts are those of the realizations r + R, r + 2R, ..., which the ensemble of R
 * does not have. */
static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Chaos *chaos = state;
  const ChaosDesign *design = &chaos->design;
  const PetscInt s = l / design->depth, step = l % design->depth, frame = FramesAt(RunGetFrames(chaos->run), step + 1);
  const PetscBool alone = s > 0 ? PETSC_TRUE : PETSC_FALSE;

  PetscFunctionBeginUser;
  (void)ended;
  if (alone && step == 0) {
    PetscCall(ChaosStartSystems(chaos, r + s * chaos->layout.realizations, 0, PETSC_TRUE));
    PetscCall(MeanTokens(chaos, s, 0));
  }
  /* one function on the sphere, shared by all tokens of all systems */
  PetscCall(NoiseDraw(chaos->noise, r, step, chaos->field));
  PetscCall(ChaosStepSystems(chaos, r, step, s));
  if (alone && frame >= 0) PetscCall(MeanTokens(chaos, s, frame));
  if (alone && l + 1 == design->walks * design->depth) Correlate(chaos);
  PetscFunctionReturn(0);
}

const Study StudyChaos = {
    .name = "chaos",
    .options = &ChaosTable,
    .summary = "propagation of chaos: empirical measures of N tokens against the mean-field limit",
    .form = {.columns = "tokens,w2sq,w2sq_sem,mmd2,mmd2_sem,coupling,coupling_sem",
             .headline = "slope_w2sq,slope_mmd2,slope_coupling",
             .texts = texts},
    .size = sizeof(Chaos),
    .checkpoints = PETSC_TRUE,
    .create = Create,
    .keep = Keep,
    .brief = Brief,
    .view = View,
    .guess = Guess,
    .start = Begin,
    .step = Step,
    .frame = Measure,
    .report = ChaosReport,
    .destroy = Destroy,
};
