/* Study simulate: the transformer of THEORY.md section 1 as an ensemble of realizations, watched through its
 * observables. */
#include <chorale/observables.h>

#include <string.h>

#include "run/extras.h"
#include "study/studies.h"

typedef struct {
  Run run;
  PetscReal dt;
  EnsembleLayout layout;
  System system;
  PetscBool barycentre; /* noise is asked for there */
  PetscBool rows;       /* tokens start from the rows of a file, which are kept */
  Start start;
  Noise noise;
  Field field;
  Extras extras;
} Simulation;

static PetscErrorCode CreateObjects(Simulation *simulation, const ModelOptions *options) {
  const PetscInt64 count = options->start.count;

  PetscFunctionBeginUser;
  PetscCall(SystemCreate(simulation->layout.shards, count, options, &simulation->system));
  PetscCall(StartCreate(simulation->system.tokens, &options->start, &simulation->start));
  PetscCall(NoiseCreate((PetscInt)options->start.dim, &options->noise, &simulation->noise));
  PetscCall(NoiseCheckCount(simulation->noise, count));
  PetscCall(NoiseCreateField(simulation->noise, &simulation->field));
  PetscCall(SchemeCheck(simulation->system.scheme, simulation->noise, simulation->dt));
  PetscCall(RunSetTrajectories(simulation->run, simulation->system.tokens));
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
  simulation->rows = strcmp(options.start.init, "file") ? PETSC_FALSE : PETSC_TRUE;
  PetscCall(RunCreateEnsemble(run, &options.ensemble, RunReads(run) ? 1 : TokensBlockCount(options.start.count),
                              &simulation->layout));
  PetscCall(RunSetFrames(run, (PetscInt)options.layers.depth, options.layers.horizon, FRAMES_SHARE));
  PetscCall(ExtrasOptionsRead(&extras));
  PetscCall(ExtrasCreate(options.start.count, (PetscInt)options.start.dim, &extras, &simulation->extras));
  PetscCall(RunDeclareObservables(run, options.attention.energy_beta));
  PetscCall(ExtrasDeclare(simulation->extras, RunGetResults(run)));
  if (!RunReads(run)) PetscCall(CreateObjects(simulation, &options));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
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

/* Flops of a step on the rank that has most, beside random numbers, and memory of what makes them. */
static PetscErrorCode GetCost(Simulation *simulation, PetscReal *flops, PetscReal *bytes) {
  PetscReal attention[3], noise[2], mean[2], scheme;
  PetscInt stages;
  PetscMPIInt size;
  PetscBool zero;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(simulation->system.tokens, &layout));
  PetscCallMPI(MPI_Comm_size(layout.comm, &size));
  const PetscReal mine = (PetscReal)((layout.blocks + size - 1) / size) * layout.block;
  PetscCall(AttentionIsZero(simulation->system.attention, &zero));
  PetscCall(AttentionGetCost(simulation->system.attention, &attention[0], &attention[1], &attention[2]));
  PetscCall(NoiseGetCost(simulation->noise, (PetscReal)layout.count, mine, &noise[0], &noise[1]));
  PetscCall(SchemeGetStages(simulation->system.scheme, &stages));
  PetscCall(SchemeGetBytes(simulation->system.scheme, &scheme));
  if (simulation->barycentre) {
    PetscCall(AttentionBarycentreGetCost(simulation->system.attention, &mean[0], &mean[1]));
    noise[0] += mean[0];
    noise[1] += mean[1];
  }
  *flops = (PetscReal)stages * ((zero ? 0 : attention[0]) + noise[0]);
  *bytes = 8 * mine * (layout.dim * (simulation->rows ? 2 : 1) + 1) + attention[2] + noise[1] + scheme +
           8 * mine * layout.dim; /* what goes to a checkpoint */
  PetscFunctionReturn(0);
}

static PetscErrorCode Cost(void *state, PetscReal *work) {
  PetscReal bytes;

  PetscFunctionBeginUser;
  PetscCall(GetCost(state, work, &bytes));
  PetscFunctionReturn(0);
}

/* All of it together on the rank that has most. */
static PetscErrorCode ViewTotal(Simulation *simulation) {
  PetscReal flops, bytes, results;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(simulation->system.tokens, &layout));
  PetscCall(GetCost(simulation, &flops, &bytes));
  PetscCall(RunGetBytes(simulation->run, &results));
  PetscCall(PetscPrintf(layout.comm,
                        "total      per step and rank: %.3g Gflop beside random numbers; per rank: %.3g MB memory\n",
                        1e-9 * (double)flops, 1e-6 * (double)(bytes + results)));
  PetscFunctionReturn(0);
}

/* What runs, how exact and at what cost. */
static PetscErrorCode View(void *state) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  if (simulation->layout.group || !simulation->system.tokens) PetscFunctionReturn(0);
  PetscCall(SystemView(&simulation->system, simulation->noise));
  PetscCall(ExtrasView(simulation->extras, simulation->system.tokens));
  PetscCall(ViewTotal(simulation));
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
  /* G: one function on the sphere, shared by all tokens */
  PetscCall(NoiseDraw(simulation->noise, r, l, simulation->field));
  PetscCall(SystemStep(&simulation->system, r, l, simulation->field, simulation->dt));
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  (void)r, (void)f;
  PetscCall(ObservablesEvaluate(simulation->system.tokens, simulation->system.attention, values));
  PetscCall(ExtrasEvaluate(simulation->extras, simulation->system.tokens, simulation->system.attention,
                           values + OBSERVE_VALUES));
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
    .create = Create,
    .keep = Keep,
    .view = View,
    .cost = Cost,
    .start = Begin,
    .step = Step,
    .frame = Measure,
    .destroy = Destroy,
};
