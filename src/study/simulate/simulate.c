/* Study simulate: the transformer of THEORY.md section 1 as an ensemble of realizations, watched through its
 * observables. */
#include <chorale/attention.h>
#include <chorale/deck.h>
#include <chorale/noise.h>
#include <chorale/observables.h>
#include <chorale/scheme.h>
#include <chorale/start.h>
#include <chorale/tokens.h>

#include "study/studies.h"

typedef struct {
  Run run;
  PetscInt depth; /* L */
  PetscReal dt;
  EnsembleLayout layout;
  Tokens tokens;
  Start start;
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;
} Simulation;

static PetscErrorCode CreateObjects(Simulation *simulation, PetscInt64 count, PetscInt dim,
                                    const StudyObjects *options) {
  PetscFunctionBeginUser;
  PetscCall(TokensCreate(simulation->layout.shards, count, dim, &simulation->tokens));
  PetscCall(StartCreate(simulation->tokens, &options->start, &simulation->start));
  PetscCall(AttentionCreate(simulation->tokens, &options->attention, &simulation->attention));
  PetscCall(NoiseCreate(dim, &options->noise, &simulation->noise));
  PetscCall(NoiseCheckCount(simulation->noise, count));
  PetscCall(NoiseCreateField(simulation->noise, &simulation->field));
  PetscCall(SchemeCreate(simulation->tokens, &options->scheme, &simulation->scheme));
  PetscCall(SchemeCheck(simulation->scheme, simulation->noise, simulation->dt));
  PetscCall(RunSetTrajectories(simulation->run, simulation->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Simulation *simulation = state;
  PetscInt64 count = 1, dim = 0;
  LayersOptions layers;
  StudyObjects options;

  PetscFunctionBeginUser;
  simulation->run = run;
  if (!RunReads(run)) PetscCall(StudyGetSize(&count, &dim));
  PetscCall(LayersOptionsRead(&layers));
  if (RunReads(run)) {
    PetscCall(EnsembleOptionsRead(&options.ensemble));
    PetscCall(AttentionOptionsRead(&options.attention));
  } else
    PetscCall(StudyObjectsRead(&options));
  simulation->depth = (PetscInt)layers.depth;
  simulation->dt = layers.horizon / (PetscReal)layers.depth;
  PetscCall(RunCreateEnsemble(run, &options.ensemble, TokensBlockCount(count), &simulation->layout));
  PetscCall(RunSetSteps(run, simulation->depth));
  PetscCall(RunSetFrames(run, simulation->depth, layers.horizon, FRAMES_SHARE));
  PetscCall(RunDeclareObservables(run, options.attention.beta));
  if (!RunReads(run)) PetscCall(CreateObjects(simulation, count, (PetscInt)dim, &options));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  PetscCall(SchemeDestroy(&simulation->scheme));
  PetscCall(FieldDestroy(&simulation->field));
  PetscCall(NoiseDestroy(&simulation->noise));
  PetscCall(AttentionDestroy(&simulation->attention));
  PetscCall(StartDestroy(&simulation->start));
  PetscCall(TokensDestroy(&simulation->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  if (simulation->tokens) PetscCall(CheckpointAddTokens(checkpoint, "tokens", simulation->tokens));
  PetscFunctionReturn(0);
}

/* All of it together on the rank that has most. */
static PetscErrorCode ViewTotal(Simulation *simulation) {
  PetscReal attention[3], noise[2], scheme, results;
  PetscInt stages;
  PetscMPIInt size;
  PetscBool zero, file;
  char init[PETSC_MAX_PATH_LEN];
  TokensLayout l;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(simulation->tokens, &l));
  PetscCallMPI(MPI_Comm_size(l.comm, &size));
  const PetscReal mine = (PetscReal)((l.blocks + size - 1) / size) * l.block;
  PetscCall(AttentionIsZero(simulation->attention, &zero));
  PetscCall(AttentionGetCost(simulation->attention, &attention[0], &attention[1], &attention[2]));
  PetscCall(NoiseGetCost(simulation->noise, (PetscReal)l.count, mine, &noise[0], &noise[1]));
  PetscCall(SchemeGetStages(simulation->scheme, &stages));
  PetscCall(SchemeGetBytes(simulation->scheme, &scheme));
  PetscCall(RunGetBytes(simulation->run, &results));
  PetscCall(DeckGetString("tokens_init", init));
  PetscCall(PetscStrcmp(init, "file", &file)); /* its rows are kept */
  const PetscReal flops = (PetscReal)stages * ((zero ? 0 : attention[0]) + noise[0]);
  const PetscReal bytes = 8 * mine * (l.dim * (file ? 2 : 1) + 1) + attention[2] + noise[1] + scheme + results +
                          8 * mine * l.dim; /* what goes to a checkpoint */
  PetscCall(PetscPrintf(l.comm,
                        "total      per step and rank: %.3g Gflop beside random numbers; per rank: %.3g MB memory\n",
                        1e-9 * (double)flops, 1e-6 * (double)bytes));
  PetscFunctionReturn(0);
}

/* What runs, how exact and at what cost. */
static PetscErrorCode View(void *state) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  if (simulation->layout.group || !simulation->tokens) PetscFunctionReturn(0);
  PetscCall(TokensView(simulation->tokens));
  PetscCall(AttentionView(simulation->attention));
  PetscCall(NoiseView(simulation->noise, simulation->layout.shards));
  PetscCall(SchemeView(simulation->scheme));
  PetscCall(ViewTotal(simulation));
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  PetscCall(TokensStart(simulation->tokens, simulation->start, r));
  PetscFunctionReturn(0);
}

/* One layer. */
static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  (void)ended;
  /* G: one function on the sphere, shared by all tokens */
  PetscCall(NoiseDraw(simulation->noise, r, l, simulation->field));
  PetscCall(
      SchemeStep(simulation->scheme, simulation->attention, simulation->field, simulation->dt, simulation->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Simulation *simulation = state;

  PetscFunctionBeginUser;
  (void)r, (void)f;
  PetscCall(ObservablesEvaluate(simulation->tokens, simulation->attention, values));
  PetscFunctionReturn(0);
}

const Study StudySimulate = {
    .name = "simulate",
    .options = &SimulateTable,
    .summary = "the transformer: tokens through L random layers, an ensemble of realizations",
    .form = {.integers = 1, .rows = 20},
    .size = sizeof(Simulation),
    .checkpoints = PETSC_TRUE,
    .thins = PETSC_TRUE,
    .create = Create,
    .keep = Keep,
    .view = View,
    .start = Begin,
    .step = Step,
    .frame = Measure,
    .destroy = Destroy,
};
