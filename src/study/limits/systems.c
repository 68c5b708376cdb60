/* The systems of one realization. The limit SDE takes F small steps; a transformer of depth L takes a layer whenever
 * its F/L steps are complete, with the sum of their fields, so that all see one Brownian path (THEORY.md 9.5). */
#include <string.h>

#include <chorale/deck.h>
#include <chorale/sum.h>

#include "study/limits/limits.h"
#include "study/studies.h"

/* The transformers with one number of tokens. They share what does not move. */
typedef struct {
  PetscInt64 count;
  Tokens reference; /* the limit SDE's first `count` tokens; its own tokens for the largest count */
  Tokens *tokens;   /* [depths][widths] */
  Attention attention;
  Scheme layer;
} Family;

struct _p_LimitsSystems {
  LimitsGrid grid;
  MPI_Comm comm;
  Noise noise;
  Coupling coupling; /* NULL when all widths are infinite */
  Field fine;        /* of one step of the limit SDE */
  Field *layer;      /* [depths]: of the layer that fills, unit time */
  Tokens reference;
  Start start;
  Attention attention;
  Scheme scheme;
  Family *families; /* [counts] */
};

static PetscErrorCode FamilyCreate(LimitsSystems s, PetscInt64 count, const AttentionOptions *options, Family *family) {
  const PetscInt systems = s->grid.depths * s->grid.widths;

  PetscFunctionBeginUser;
  family->count = count;
  PetscCall(PetscCalloc1(systems, &family->tokens));
  if (count == s->grid.most) {
    for (PetscInt q = 0; q < systems; q++) PetscCall(TokensDuplicate(s->reference, &family->tokens[q]));
    family->reference = s->reference;
  } else {
    PetscCall(TokensCreate(s->comm, count, s->grid.dim, &family->reference));
    for (PetscInt q = 0; q < systems; q++) PetscCall(TokensDuplicate(family->reference, &family->tokens[q]));
  }
  PetscCall(AttentionCreate(family->reference, options, &family->attention));
  PetscCall(SchemeCreate(family->reference, &(SchemeOptions){.type = "layer"}, &family->layer));
  PetscFunctionReturn(0);
}

static PetscErrorCode FamilyDestroy(LimitsSystems s, Family *family) {
  PetscFunctionBeginUser;
  for (PetscInt q = 0; q < s->grid.depths * s->grid.widths; q++) PetscCall(TokensDestroy(&family->tokens[q]));
  if (family->reference != s->reference) PetscCall(TokensDestroy(&family->reference));
  PetscCall(PetscFree(family->tokens));
  PetscCall(AttentionDestroy(&family->attention));
  PetscCall(SchemeDestroy(&family->layer));
  PetscFunctionReturn(0);
}

/* A draw of one step is asked for at the stages of the limit SDE and at the tokens of every transformer. */
static PetscErrorCode CheckNoise(LimitsSystems s) {
  const LimitsGrid *grid = &s->grid;
  const PetscInt64 stages = 4; /* of flow; heun has two */
  PetscInt64 points = stages * grid->most;
  char what[128];

  PetscFunctionBeginUser;
  PetscCall(NoiseCheckCount(s->noise, grid->most));
  for (PetscInt i = 0; i < grid->counts; i++) points += grid->count[i] * grid->depths * grid->widths;
  PetscCall(PetscSNPrintf(what, sizeof(what),
                          "tokens_count = %" PetscInt64_FMT ", %" PetscInt_FMT " values of layers_depth, %" PetscInt_FMT
                          " of mlp_width",
                          grid->most, grid->depths, grid->widths));
  PetscCall(NoiseCheckPoints(s->noise, points, what));
  if (s->coupling) PetscCall(CouplingCheckCount(s->coupling, grid->most));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSystemsCreate(const LimitsGrid *grid, MPI_Comm shards, LimitsSystems *systems) {
  LimitsSystems s;
  CouplingOptions coupling;
  StudyObjects o;

  PetscFunctionBeginUser;
  PetscCall(StudyObjectsRead(&o));
  PetscCall(CouplingOptionsRead(&coupling));
  PetscCall(PetscNew(&s));
  s->grid = *grid;
  s->comm = shards;
  PetscCall(TokensCreate(shards, grid->most, grid->dim, &s->reference));
  PetscCall(StartCreate(s->reference, &o.start, &s->start));
  PetscCall(AttentionCreate(s->reference, &o.attention, &s->attention));
  PetscCall(SchemeCreate(s->reference, &o.scheme, &s->scheme));
  PetscCall(NoiseCreate(grid->dim, &o.noise, &s->noise));
  PetscCall(CouplingCreate(s->noise, &coupling, &s->coupling)); /* refuses noises without a field of the limit */
  if (!grid->coupled) PetscCall(CouplingDestroy(&s->coupling));
  PetscCall(CheckNoise(s));
  PetscCall(SchemeCheck(s->scheme, s->noise, grid->horizon / (PetscReal)grid->reference));
  PetscCall(NoiseCreateField(s->noise, &s->fine));
  PetscCall(PetscCalloc1(grid->depths, &s->layer));
  for (PetscInt j = 0; j < grid->depths; j++) PetscCall(NoiseCreateField(s->noise, &s->layer[j]));
  PetscCall(PetscCalloc1(grid->counts, &s->families));
  for (PetscInt i = 0; i < grid->counts; i++) PetscCall(FamilyCreate(s, grid->count[i], &o.attention, &s->families[i]));
  *systems = s;
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSystemsDestroy(LimitsSystems *systems) {
  LimitsSystems s = *systems;

  PetscFunctionBeginUser;
  if (!s) PetscFunctionReturn(0);
  for (PetscInt i = 0; i < s->grid.counts; i++) PetscCall(FamilyDestroy(s, &s->families[i]));
  PetscCall(PetscFree(s->families));
  for (PetscInt j = 0; j < s->grid.depths; j++) PetscCall(FieldDestroy(&s->layer[j]));
  PetscCall(PetscFree(s->layer));
  PetscCall(FieldDestroy(&s->fine));
  PetscCall(CouplingDestroy(&s->coupling));
  PetscCall(NoiseDestroy(&s->noise));
  PetscCall(SchemeDestroy(&s->scheme));
  PetscCall(AttentionDestroy(&s->attention));
  PetscCall(StartDestroy(&s->start));
  PetscCall(TokensDestroy(&s->reference));
  PetscCall(PetscFree(*systems));
  PetscFunctionReturn(0);
}

/* Work and memory of what this study adds: all layers of a realization, the matrices of a coupling, and what draws
 * remember until the shallowest layer is complete. */
static PetscErrorCode ViewCost(LimitsSystems s) {
  const LimitsGrid *grid = &s->grid;
  const PetscReal most = (PetscReal)grid->most;
  PetscReal layers = 0, units = 0, tokens = 0, pairs = 0, cubes = 0, draw;
  char coupling[PETSC_MAX_PATH_LEN];
  PetscInt64 shallow = grid->reference;

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < grid->depths; j++) {
    layers += (PetscReal)grid->depth[j];
    shallow = PetscMin(shallow, grid->depth[j]);
  }
  for (PetscInt k = 0; k < grid->widths; k++) units += (PetscReal)grid->width[k];
  for (PetscInt i = 0; i < grid->counts; i++) {
    const PetscReal N = (PetscReal)grid->count[i];
    tokens += N;
    pairs += N * (N + 2 * (PetscReal)grid->dim);
    cubes += N * N * N;
  }
  const PetscReal systems = (PetscReal)(grid->depths * grid->widths), points = 4 * most + tokens * systems;
  PetscCall(NoiseDrawBytes(s->noise, points, &draw));
  const PetscReal memory = 8 * (tokens * systems * (PetscReal)grid->dim + (s->coupling ? 4 * most * most : 0)) +
                           draw * (PetscReal)(grid->reference / shallow);
  PetscCall(PetscPrintf(s->comm,
                        "limits     per realization %" PetscInt_FMT
                        " transformers with %.6g layers in all, against %" PetscInt64_FMT " steps of the limit SDE\n",
                        grid->cells, (double)(layers * (PetscReal)(grid->counts * grid->widths)), grid->reference));
  PetscCall(PetscPrintf(s->comm, "           per rank: %.3g MB memory", (double)memory / 1e6));
  PetscCall(DeckGetString("limits_coupling", coupling));
  if (s->coupling && !strcmp(coupling, "tokens"))
    PetscCall(PetscPrintf(s->comm, "; couplings take about %.3g Gflop per realization",
                          1e-9 * (double)(layers * (units * pairs + 20 * (PetscReal)grid->widths * cubes))));
  PetscCall(PetscPrintf(s->comm, "\n"));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSystemsView(LimitsSystems s) {
  PetscFunctionBeginUser;
  PetscCall(TokensView(s->reference));
  PetscCall(AttentionView(s->attention));
  PetscCall(NoiseView(s->noise, s->comm));
  if (s->coupling) PetscCall(CouplingView(s->coupling, s->comm));
  PetscCall(SchemeView(s->scheme));
  PetscCall(ViewCost(s));
  PetscFunctionReturn(0);
}

/* Layer j takes in the field of one step: sqrt(dt) G, unit time for the layer. */
static PetscErrorCode Gather(LimitsSystems s, PetscInt j) {
  PetscFunctionBeginUser;
  PetscCall(FieldAdd(s->layer[j], 1 / PetscSqrtReal((PetscReal)(s->grid.reference / s->grid.depth[j])), s->fine));
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSystemsStart(LimitsSystems s, PetscInt r) {
  PetscFunctionBeginUser;
  PetscCall(TokensStart(s->reference, s->start, r));
  for (PetscInt i = 0; i < s->grid.counts; i++) {
    Family *family = &s->families[i];
    if (family->reference != s->reference) PetscCall(TokensExtract(s->reference, 0, family->reference));
    for (PetscInt q = 0; q < s->grid.depths * s->grid.widths; q++)
      PetscCall(TokensCopy(family->reference, family->tokens[q]));
  }
  for (PetscInt j = 0; j < s->grid.depths; j++) PetscCall(FieldZero(s->layer[j]));
  PetscFunctionReturn(0);
}

/* The least number of steps of the limit SDE after which layers of every depth are complete: the least common multiple
 * of the steps in a layer. */
static PetscInt64 Period(const LimitsGrid *grid) {
  PetscInt64 period = 1;

  for (PetscInt j = 0; j < grid->depths; j++) {
    const PetscInt64 steps = grid->reference / grid->depth[j];
    PetscInt64 a = period, b = steps;
    while (b) {
      const PetscInt64 rest = a % b;
      a = b;
      b = rest;
    }
    period *= steps / a;
  }
  return period;
}

/* Fields that layers have gathered are not kept but drawn again. Draws that remember where they were evaluated (gram)
 * would then be other functions: with them no layer may be half full. */
PetscErrorCode LimitsSystemsSave(LimitsSystems s, Checkpoint checkpoint, PetscInt64 *every) {
  PetscReal remembered;

  PetscFunctionBeginUser;
  PetscCall(NoiseDrawBytes(s->noise, 1, &remembered));
  *every = remembered > 0 ? Period(&s->grid) : 1;
  PetscCall(CheckpointAddTokens(checkpoint, "reference", s->reference));
  for (PetscInt i = 0; i < s->grid.counts; i++)
    for (PetscInt q = 0; q < s->grid.depths * s->grid.widths; q++) {
      char name[64];
      PetscCall(PetscSNPrintf(name, sizeof(name),
                              "tokens_%" PetscInt_FMT "_depth_%" PetscInt_FMT "_width_%" PetscInt_FMT, i,
                              q / s->grid.widths, q % s->grid.widths));
      PetscCall(CheckpointAddTokens(checkpoint, name, s->families[i].tokens[q]));
    }
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSystemsResume(LimitsSystems s, PetscInt r, PetscInt f) {
  const LimitsGrid *grid = &s->grid;
  PetscInt64 first = f;

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < grid->depths; j++) first = PetscMin(first, f - f % (grid->reference / grid->depth[j]));
  for (PetscInt g = (PetscInt)first; g < f; g++) {
    PetscCall(NoiseDraw(s->noise, r, g, s->fine));
    for (PetscInt j = 0; j < grid->depths; j++)
      if (g >= f - f % (grid->reference / grid->depth[j])) PetscCall(Gather(s, j));
  }
  PetscFunctionReturn(0);
}

/* sum_i w_i |x_i - y_i|^2 of tokens of one layout, the same on all ranks and for any number of them. */
static PetscErrorCode MeanSquare(Tokens a, Tokens b, PetscReal *mean) {
  const PetscReal scale = SumScale(4); /* |x - y| <= 2 */
  const double *x, *y, *weights;
  TokensLayout layout;
  PetscInt64 total = 0;
  Vec vx, vy;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(a, &layout));
  PetscCall(TokensGetWeights(a, &weights));
  PetscCall(TokensGetVec(a, &vx));
  PetscCall(TokensGetVec(b, &vy));
  PetscCall(VecGetArrayRead(vx, &x));
  PetscCall(VecGetArrayRead(vy, &y));
  for (PetscInt block = 0; block < layout.owned; block++) {
    PetscReal sum = 0;
    for (PetscInt c = 0; c < layout.dim; c++)
      for (PetscInt t = 0; t < layout.block; t++) {
        const PetscInt at = (block * layout.dim + c) * layout.block + t;
        sum += weights[block * layout.block + t] * PetscSqr(x[at] - y[at]);
      }
    total += SumRound(sum, scale);
  }
  PetscCall(VecRestoreArrayRead(vy, &y));
  PetscCall(VecRestoreArrayRead(vx, &x));
  PetscCall(SumAllreduce(layout.comm, 1, &total));
  *mean = (PetscReal)total / scale;
  PetscFunctionReturn(0);
}

/* The layers of depth number j that end with step f: every width, every number of tokens. */
static PetscErrorCode LayersStep(LimitsSystems s, PetscInt r, PetscInt f, PetscInt j, PetscReal worst[]) {
  const LimitsGrid *grid = &s->grid;
  const PetscReal dt = grid->horizon / (PetscReal)grid->depth[j];
  const PetscInt begin = f + 1 - (PetscInt)(grid->reference / grid->depth[j]); /* the key of the layer's weights */

  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < grid->widths; k++) {
    Field field = s->layer[j];
    if (grid->width[k] > 0) PetscCall(CouplingDraw(s->coupling, r, begin, grid->width[k], s->layer[j], &field));
    for (PetscInt i = 0; i < grid->counts; i++) {
      Family *family = &s->families[i];
      Tokens tokens = family->tokens[j * grid->widths + k];
      PetscReal *error = &worst[LimitsCell(grid, i, j, k)], now = 0;
      PetscCall(SchemeStep(family->layer, family->attention, field, dt, tokens));
      PetscCall(MeanSquare(tokens, family->reference, &now));
      if (!(*error >= now)) *error = now;
    }
  }
  PetscFunctionReturn(0);
}

PetscErrorCode LimitsSystemsStep(LimitsSystems s, PetscInt r, PetscInt f, PetscReal worst[]) {
  const LimitsGrid *grid = &s->grid;
  PetscBool due = PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCall(NoiseDraw(s->noise, r, f, s->fine));
  PetscCall(SchemeStep(s->scheme, s->attention, s->fine, grid->horizon / (PetscReal)grid->reference, s->reference));
  for (PetscInt j = 0; j < grid->depths; j++) {
    PetscCall(Gather(s, j));
    due = due || (f + 1) % (grid->reference / grid->depth[j]) == 0 ? PETSC_TRUE : PETSC_FALSE;
  }
  for (PetscInt i = 0; i < grid->counts && due; i++)
    if (s->families[i].reference != s->reference) PetscCall(TokensExtract(s->reference, 0, s->families[i].reference));
  for (PetscInt j = 0; j < grid->depths; j++) {
    if ((f + 1) % (grid->reference / grid->depth[j])) continue;
    PetscCall(LayersStep(s, r, f, j, worst));
    PetscCall(FieldZero(s->layer[j]));
  }
  PetscFunctionReturn(0);
}
