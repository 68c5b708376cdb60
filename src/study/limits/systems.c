/* The systems of one realization. The limit SDE takes F small steps; a transformer of depth L takes a layer whenever
 * its F/L steps are complete, with the sum of their fields, so that all see one Brownian path (NUMERICS.md 9.5). */
#include <string.h>

#include "study/limits/limits.h"

static PetscErrorCode CreateFamily(const Limits *limits, PetscInt64 count, const ModelOptions *options,
                                   LimitsFamily *family) {
  const PetscInt systems = limits->grid.depths * limits->grid.widths;

  PetscFunctionBeginUser;
  family->reference = limits->limit.tokens;
  if (count < limits->grid.most)
    PetscCall(TokensCreate(limits->layout.shards, count, (PetscInt)options->start.dim, &family->reference));
  PetscCall(PetscCalloc1(systems, &family->tokens));
  for (PetscInt q = 0; q < systems; q++) PetscCall(TokensDuplicate(family->reference, &family->tokens[q]));
  PetscCall(AttentionCreate(family->reference, &options->attention, &family->attention));
  PetscCall(SchemeCreate(family->reference, &(SchemeOptions){.type = "layer"}, &family->layer));
  PetscFunctionReturn(0);
}

static PetscErrorCode DestroyFamily(const Limits *limits, LimitsFamily *family) {
  PetscFunctionBeginUser;
  for (PetscInt q = 0; q < limits->grid.depths * limits->grid.widths; q++) PetscCall(TokensDestroy(&family->tokens[q]));
  if (family->reference != limits->limit.tokens) PetscCall(TokensDestroy(&family->reference));
  PetscCall(PetscFree(family->tokens));
  PetscCall(AttentionDestroy(&family->attention));
  PetscCall(SchemeDestroy(&family->layer));
  PetscFunctionReturn(0);
}

/* A draw of one step is asked for at the stages of the limit SDE and at the tokens of every transformer. */
static PetscErrorCode CheckNoise(const Limits *limits) {
  const LimitsGrid *grid = &limits->grid;
  const PetscInt64 stages = 4; /* of flow; heun has two */
  PetscInt64 points = stages * grid->most;
  char what[128];

  PetscFunctionBeginUser;
  PetscCall(NoiseCheckCount(limits->noise, grid->most));
  for (PetscInt i = 0; i < grid->counts; i++) points += grid->count[i] * grid->depths * grid->widths;
  PetscCall(PetscSNPrintf(what, sizeof(what),
                          "tokens_count = %" PetscInt64_FMT ", %" PetscInt_FMT " values of layers_depth, %" PetscInt_FMT
                          " of mlp_width",
                          grid->most, grid->depths, grid->widths));
  PetscCall(NoiseCheckPoints(limits->noise, points, what));
  if (limits->coupling) PetscCall(CouplingCheckCount(limits->coupling, grid->most));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsCreateSystems(Limits *limits, const ModelOptions *options) {
  const LimitsGrid *grid = &limits->grid;
  CouplingOptions coupling;

  PetscFunctionBeginUser;
  PetscCall(CouplingOptionsRead(&coupling));
  limits->coupled = coupling.type;
  limits->polynomial = ActivationIsPolynomial(ActivationFind(options->noise.activation));
  PetscCall(SystemCreate(limits->layout.shards, grid->most, options, &limits->limit));
  PetscCall(StartCreate(limits->limit.tokens, &options->start, &limits->start));
  PetscCall(NoiseCreate((PetscInt)options->start.dim, &options->noise, &limits->noise));
  PetscCall(
      CouplingCreate(limits->noise, &coupling, &limits->coupling)); /* refuses noises without a field of the limit */
  if (!grid->finite) PetscCall(CouplingDestroy(&limits->coupling));
  PetscCall(CheckNoise(limits));
  PetscCall(SchemeCheck(limits->limit.scheme, limits->noise, grid->horizon / (PetscReal)grid->reference));
  PetscCall(NoiseCreateField(limits->noise, &limits->fine));
  PetscCall(PetscCalloc2(grid->depths, &limits->layer, grid->counts, &limits->family));
  for (PetscInt j = 0; j < grid->depths; j++) PetscCall(NoiseCreateField(limits->noise, &limits->layer[j]));
  for (PetscInt i = 0; i < grid->counts; i++)
    PetscCall(CreateFamily(limits, grid->count[i], options, &limits->family[i]));
  if (grid->all) PetscCall(LimitsSupremumCreate(limits, &limits->supremum));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsDestroy(void *state) {
  Limits *limits = state;

  PetscFunctionBeginUser;
  PetscCall(LimitsSupremumDestroy(&limits->supremum));
  for (PetscInt i = 0; i < limits->grid.counts; i++) PetscCall(DestroyFamily(limits, &limits->family[i]));
  for (PetscInt j = 0; j < limits->grid.depths; j++) PetscCall(FieldDestroy(&limits->layer[j]));
  PetscCall(PetscFree2(limits->layer, limits->family));
  PetscCall(FieldDestroy(&limits->fine));
  PetscCall(CouplingDestroy(&limits->coupling));
  PetscCall(NoiseDestroy(&limits->noise));
  PetscCall(StartDestroy(&limits->start));
  PetscCall(SystemDestroy(&limits->limit));
  PetscFunctionReturn(0);
}

/* Work and memory of what this study adds: all layers of a realization, the matrices of a coupling, and what draws
 * remember until the shallowest layer is complete. */
static PetscErrorCode ViewCost(const Limits *limits, const TokensLayout *layout) {
  const LimitsGrid *grid = &limits->grid;
  const PetscReal most = (PetscReal)grid->most, dim = (PetscReal)layout->dim;
  PetscReal layers = 0, units = 0, tokens = 0, pairs = 0, cubes = 0, draw;
  PetscInt64 shallow = grid->reference;

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < grid->depths; j++) {
    layers += (PetscReal)grid->depth[j];
    shallow = PetscMin(shallow, grid->depth[j]);
  }
  for (PetscInt k = 0; k < grid->widths; k++) units += (PetscReal)PetscMax(grid->width[k], 0);
  for (PetscInt i = 0; i < grid->counts; i++) {
    const PetscReal N = (PetscReal)grid->count[i];
    tokens += N;
    pairs += N * (N + 2 * dim);
    cubes += N * N * N;
  }
  const PetscReal systems = (PetscReal)(grid->depths * grid->widths), points = 4 * most + tokens * systems;
  PetscCall(NoiseDrawBytes(limits->noise, points, &draw));
  const PetscReal memory = 8 * (tokens * systems * dim + (limits->coupling ? 4 * most * most : 0)) +
                           draw * (PetscReal)(grid->reference / shallow);
  PetscCall(PetscPrintf(layout->comm,
                        "limits     per realization %" PetscInt_FMT
                        " transformers with %.6g layers in all, against %" PetscInt64_FMT " steps of the limit SDE\n",
                        grid->cells, (double)(layers * (PetscReal)(grid->counts * grid->widths)), grid->reference));
  PetscCall(PetscPrintf(layout->comm, "           per rank: %.3g MB memory", (double)memory / 1e6));
  if (limits->coupling && !strcmp(limits->coupled, "tokens"))
    PetscCall(PetscPrintf(layout->comm, "; couplings take about %.3g Gflop per realization",
                          1e-9 * (double)(layers * (units * pairs + 20 * (PetscReal)grid->widths * cubes))));
  PetscCall(PetscPrintf(layout->comm, "\n"));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsBrief(void *state, StudyBrief *brief) {
  const Limits *limits = state;
  const LimitsGrid *grid = &limits->grid;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(limits->limit.tokens, &layout));
  PetscCall(SystemBrief(&limits->limit, limits->noise, brief));
  PetscCall(PetscSNPrintf(brief->size, STUDY_PHRASE,
                          "at most %" PetscInt64_FMT " tokens in R^%" PetscInt_FMT ", %" PetscInt_FMT
                          " transformer%s beside the limit SDE",
                          grid->most, layout.dim, grid->cells, grid->cells == 1 ? "" : "s"));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsView(void *state) {
  const Limits *limits = state;
  TokensLayout layout;

  PetscFunctionBeginUser;
  if (limits->layout.group) PetscFunctionReturn(0);
  PetscCall(TokensGetLayout(limits->limit.tokens, &layout));
  PetscCall(SystemView(&limits->limit, limits->noise));
  if (limits->coupling) PetscCall(CouplingView(limits->coupling, layout.comm));
  PetscCall(ViewCost(limits, &layout));
  PetscFunctionReturn(0);
}

/* Steps of the limit SDE in a layer of depth number j. */
static PetscInt LayerSteps(const LimitsGrid *grid, PetscInt j) {
  return (PetscInt)(grid->reference / grid->depth[j]);
}

/* Layer j takes in the field of one step: sqrt(dt) G, unit time for the layer. */
static PetscErrorCode Gather(const Limits *limits, PetscInt j) {
  PetscFunctionBeginUser;
  PetscCall(FieldAdd(limits->layer[j], 1 / PetscSqrtReal((PetscReal)LayerSteps(&limits->grid, j)), limits->fine));
  PetscFunctionReturn(0);
}

/* The first tokens of the limit SDE, for every family that has fewer. */
static PetscErrorCode ExtractReferences(const Limits *limits) {
  const Tokens all = limits->limit.tokens;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < limits->grid.counts; i++)
    if (limits->family[i].reference != all) PetscCall(TokensExtract(all, 0, limits->family[i].reference));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsStart(void *state, PetscInt r) {
  const Limits *limits = state;

  PetscFunctionBeginUser;
  PetscCall(TokensStart(limits->limit.tokens, limits->start, r));
  PetscCall(ExtractReferences(limits));
  for (PetscInt i = 0; i < limits->grid.counts; i++)
    for (PetscInt q = 0; q < limits->grid.depths * limits->grid.widths; q++)
      PetscCall(TokensCopy(limits->family[i].reference, limits->family[i].tokens[q]));
  for (PetscInt j = 0; j < limits->grid.depths; j++) PetscCall(FieldZero(limits->layer[j]));
  PetscFunctionReturn(0);
}

/* The least number of steps of the limit SDE after which layers of every depth are complete: the least common multiple
 * of the steps in a layer. */
static PetscInt Period(const LimitsGrid *grid) {
  PetscInt period = 1;

  for (PetscInt j = 0; j < grid->depths; j++) {
    PetscInt a = period, b = LayerSteps(grid, j);
    while (b) {
      const PetscInt rest = a % b;
      a = b;
      b = rest;
    }
    period *= LayerSteps(grid, j) / a;
  }
  return period;
}

/* Fields that layers have gathered are not kept but drawn again. Draws that remember where they were evaluated (gram)
 * would then be other functions: with them no layer may be half full. */
PetscErrorCode LimitsKeep(void *state, Checkpoint checkpoint) {
  const Limits *limits = state;
  const LimitsGrid *grid = &limits->grid;
  PetscReal remembered;

  PetscFunctionBeginUser;
  PetscCall(NoiseDrawBytes(limits->noise, 1, &remembered));
  if (remembered > 0) PetscCall(RunSetStride(limits->run, Period(grid)));
  PetscCall(SystemKeep(&limits->limit, "reference", checkpoint));
  for (PetscInt i = 0; i < grid->counts; i++)
    for (PetscInt q = 0; q < grid->depths * grid->widths; q++) {
      char name[64];
      PetscCall(PetscSNPrintf(name, sizeof(name),
                              "tokens_%" PetscInt_FMT "_depth_%" PetscInt_FMT "_width_%" PetscInt_FMT, i,
                              q / grid->widths, q % grid->widths));
      PetscCall(CheckpointAddTokens(checkpoint, name, limits->family[i].tokens[q]));
    }
  PetscFunctionReturn(0);
}

/* After a checkpoint brought back the tokens as they were after f steps: what the layers that were being filled had
 * gathered. */
PetscErrorCode LimitsResume(void *state, PetscInt r, PetscInt f) {
  const Limits *limits = state;
  const LimitsGrid *grid = &limits->grid;
  PetscInt first = f;

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < grid->depths; j++) first = PetscMin(first, f - f % LayerSteps(grid, j));
  for (PetscInt g = first; g < f; g++) {
    PetscCall(NoiseDraw(limits->noise, r, g, limits->fine));
    for (PetscInt j = 0; j < grid->depths; j++)
      if (g >= f - f % LayerSteps(grid, j)) PetscCall(Gather(limits, j));
  }
  PetscFunctionReturn(0);
}

/* The layers of depth number j that end with step f: every width, every number of tokens. Errors, NaN at first, are
 * raised to those at the ends of the layers. */
static PetscErrorCode LayersStep(const Limits *limits, PetscInt r, PetscInt f, PetscInt j, PetscReal worst[]) {
  const LimitsGrid *grid = &limits->grid;
  const PetscReal dt = grid->horizon / (PetscReal)grid->depth[j];
  const PetscInt begin = f + 1 - LayerSteps(grid, j); /* the key of the layer's weights */

  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < grid->widths; k++) {
    const PetscInt width = (PetscInt)grid->width[k];
    Field field = limits->layer[j];
    if (width != LIMITS_INFINITE) PetscCall(CouplingDraw(limits->coupling, r, begin, width, limits->layer[j], &field));
    for (PetscInt i = 0; i < grid->counts; i++) {
      const LimitsFamily *family = &limits->family[i];
      Tokens tokens = family->tokens[j * grid->widths + k];
      PetscReal *error = &worst[LimitsCell(grid, i, j, k)], now = 0;
      PetscCall(SchemeStep(family->layer, family->attention, field, dt, tokens));
      PetscCall(TokensMeanSquare(tokens, family->reference, PETSC_TRUE, &now));
      if (!(*error >= now)) *error = now;
    }
  }
  PetscFunctionReturn(0);
}

/* Step f of the limit SDE, and the layers that end with it. */
PetscErrorCode LimitsStep(void *state, PetscInt r, PetscInt f, PetscBool *ended) {
  const Limits *limits = state;
  const LimitsGrid *grid = &limits->grid;
  PetscReal *worst = RunGetTail(limits->run), *layers = grid->all ? worst + grid->cells : worst;
  PetscBool due = PETSC_FALSE;

  PetscFunctionBeginUser;
  (void)ended;
  PetscCall(NoiseDraw(limits->noise, r, f, limits->fine));
  if (grid->all) PetscCall(LimitsSupremumBegin(limits));
  PetscCall(SystemStep(&limits->limit, r, f, limits->fine, grid->horizon / (PetscReal)grid->reference));
  if (grid->all) PetscCall(LimitsSupremumStep(limits, r, f, worst));
  for (PetscInt j = 0; j < grid->depths; j++) {
    PetscCall(Gather(limits, j));
    due = due || (f + 1) % LayerSteps(grid, j) == 0 ? PETSC_TRUE : PETSC_FALSE;
  }
  if (due) PetscCall(ExtractReferences(limits));
  for (PetscInt j = 0; j < grid->depths; j++) {
    if ((f + 1) % LayerSteps(grid, j)) continue;
    PetscCall(LayersStep(limits, r, f, j, layers));
    PetscCall(FieldZero(limits->layer[j]));
  }
  for (PetscInt cell = 0; grid->all && cell < grid->cells; cell++)
    if (worst[cell] < layers[cell]) worst[cell] = layers[cell];
  PetscFunctionReturn(0);
}
