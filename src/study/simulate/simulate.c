/* Study simulate: the transformer of THEORY.md section 1 as an ensemble of realizations, watched through its
 * observables. */
#include <chorale/observables.h>

#include <string.h>

#include "run/control.h"
#include "run/extras.h"
#include "study/simulate/levels.h"
#include "study/studies.h"

typedef struct {
  Run run;
  PetscReal dt;
  EnsembleLayout layout;
  System system;
  PetscBool barycentre; /* noise is asked for there */
  PetscReal kept;       /* numbers of a token's row in a file that tokens start from */
  Start start;
  Noise noise;
  Field field;
  Extras extras;
  Control control;
} Simulation;

static PetscErrorCode CreateObjects(Simulation *simulation, const ModelOptions *options) {
  const PetscInt64 count = options->start.count;
  PetscBool layered;

  PetscFunctionBeginUser;
  PetscCall(SystemCreate(simulation->layout.shards, count, options, &simulation->system));
  PetscCall(StartCreate(simulation->system.tokens, &options->start, &simulation->start));
  PetscCall(NoiseCreate((PetscInt)options->start.dim, &options->noise, &simulation->noise));
  PetscCall(NoiseCheckCount(simulation->noise, count));
  PetscCall(NoiseCreateField(simulation->noise, &simulation->field));
  PetscCall(SchemeCheck(simulation->system.scheme, simulation->noise, simulation->dt));
  if (simulation->control) PetscCall(SchemeSetWatcher(simulation->system.scheme, ControlWatch, simulation->control));
  PetscCall(RunSetTrajectories(simulation->run, simulation->system.tokens));
  PetscCall(AttentionIsLayered(simulation->system.attention, &layered));
  if (layered) PetscCall(RunFix(simulation->run, NULL, "attention_weights"));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Simulation *simulation = state;
  ModelOptions options;
  ExtrasOptions extras;

  PetscFunctionBeginUser;
  simulation->run = run;
  PetscCall(ModelOptionsRead(&options));
  simulation->dt = ModelStepSize(&options);
  simulation->barycentre = ModelAtBarycentre(&options);
  simulation->kept = strcmp(options.start.init, "file") ? 0 : (PetscReal)options.start.dim;
  PetscCall(RunCreateEnsemble(run, &options.ensemble, RunReads(run) ? 1 : TokensBlockCount(options.start.count),
                              &simulation->layout));
  PetscCall(RunSetFrames(run, (PetscInt)options.layers.depth, options.layers.horizon, FRAMES_SHARE));
  PetscCall(ExtrasOptionsRead(&extras));
  PetscCall(ExtrasCreate(options.start.count, (PetscInt)options.start.dim, &extras, &simulation->extras));
  PetscCall(RunDeclareObservables(run, options.attention.energy_beta));
  PetscCall(ExtrasDeclare(simulation->extras, RunGetResults(run)));
  PetscCall(ControlCreate(RunGetResults(run), &options.start, (PetscInt)options.layers.depth, simulation->dt,
                          &simulation->control));
  if (!RunReads(run)) PetscCall(CreateObjects(simulation, &options));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  PetscCall(ControlDestroy(&simulation->control));
  PetscCall(ExtrasDestroy(&simulation->extras));
  PetscCall(FieldDestroy(&simulation->field));
  PetscCall(NoiseDestroy(&simulation->noise));
  PetscCall(StartDestroy(&simulation->start));
  PetscCall(SystemDestroy(&simulation->system));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  if (simulation->system.tokens) PetscCall(SystemKeep(&simulation->system, "tokens", checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode Cost(void *state, PetscReal *work) {
  const Simulation *simulation = state;
  PetscReal bytes;

  PetscFunctionBeginUser;
  PetscCall(SimulateGetCost(&simulation->system, simulation->noise, simulation->barycentre, work, &bytes));
  PetscFunctionReturn(0);
}

static PetscErrorCode Share(void *state, void *other, PetscBool *shared) {
  const Simulation *simulation = state, *before = other;

  PetscFunctionBeginUser;
  PetscCall(NoiseShare(simulation->noise, before->noise, shared));
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(void *state, StudyBrief *brief) {
  const Simulation *simulation = state;

  PetscFunctionBeginUser;
  PetscCall(SystemBrief(&simulation->system, simulation->noise, brief));
  PetscFunctionReturn(0);
}

/* What runs, how exact and at what cost. */
static PetscErrorCode View(void *state) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  if (simulation->layout.group || !simulation->system.tokens) PetscFunctionReturn(0);
  PetscCall(SystemView(&simulation->system, simulation->noise));
  PetscCall(ExtrasView(simulation->extras, simulation->system.tokens));
  PetscCall(ControlView(simulation->control, simulation->layout.shards));
  PetscCall(SimulateViewTotal(simulation->run, &simulation->system, simulation->noise, simulation->barycentre,
                              simulation->kept));
  PetscFunctionReturn(0);
}

/* A frame has the kernel sums of attention, for the energy. */
static PetscErrorCode Guess(void *state, StudyGuess *guess) {
  Simulation *simulation = state;
  PetscReal step, frame, travel, bytes;

  PetscFunctionBeginUser;
  PetscCall(SimulateGetCost(&simulation->system, simulation->noise, simulation->barycentre, &step, &bytes));
  PetscCall(AttentionGetCost(simulation->system.attention, &frame, &travel, &bytes));
  *guess = (StudyGuess){.step = ModelSeconds(step), .frame = ModelSeconds(frame)};
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  PetscCall(TokensStart(simulation->system.tokens, simulation->start, r));
  PetscCall(AttentionSetStep(simulation->system.attention, 0));
  PetscFunctionReturn(0);
}

/* One layer. */
static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  (void)ended;
  PetscCall(ControlSetStep(simulation->control, l, RunGetTail(simulation->run)));
  /* G: one function on the sphere, shared by all tokens */
  PetscCall(NoiseDraw(simulation->noise, r, l, simulation->field));
  PetscCall(SystemStep(&simulation->system, r, l, simulation->field, simulation->dt));
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  (void)r;
  PetscCall(ObservablesEvaluate(simulation->system.tokens, simulation->system.attention, values));
  if (!f)
    PetscCall(ControlBegin(simulation->control, values[ObservableFirst(OBSERVE_ORDER)], RunGetTail(simulation->run)));
  PetscCall(ExtrasEvaluate(simulation->extras, simulation->system.tokens, simulation->system.attention,
                           values + OBSERVE_VALUES));
  PetscFunctionReturn(0);
}

static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  const Simulation *simulation = state;

  PetscFunctionBeginUser;
  PetscCall(ControlReport(simulation->control, samples, results));
  PetscFunctionReturn(0);
}

static PetscErrorCode Select(Run run, StudyFinder find, const Study **study) {
  PetscBool levels;

  PetscFunctionBeginUser;
  (void)run, (void)find;
  PetscCall(LevelsAsked(&levels));
  if (levels) *study = &StudySimulateLevels;
  PetscFunctionReturn(0);
}

const Study StudySimulate = {
    .name = "simulate",
    .options = &SimulateTable,
    .summary = "the transformer: tokens through L random layers, an ensemble of realizations",
    .form = {.integers = 1, .rows = 20, .headline = "energy_mean,energy_sem,order_mean,order_sem"},
    .size = sizeof(Simulation),
    .checkpoints = PETSC_TRUE,
    .thins = PETSC_TRUE,
    .grows = PETSC_TRUE,
    .select = Select,
    .others = (const Study *const[]){&StudySimulateLevels, NULL},
    .create = Create,
    .keep = Keep,
    .brief = Brief,
    .view = View,
    .cost = Cost,
    .share = Share,
    .guess = Guess,
    .start = Begin,
    .step = Step,
    .frame = Measure,
    .report = Report,
    .destroy = Destroy,
};
