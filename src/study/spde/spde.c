/* Study spde: the limit of infinitely many tokens solved for directly (THEORY.md section 4), beside tokens that start
 * from the same density and are driven by the same noise. */
#include <math.h>
#include <string.h>

#include <chorale/attention.h>
#include <chorale/deck.h>
#include <chorale/distance.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

#include "study/spde/spde.h"
#include "study/studies.h"

/* Quantiles that stand for a density on the circle: their distance to it, 1/QUANTILES or so, is far below that of N
 * tokens. */
enum { QUANTILES_LEAST = 4096, QUANTILES_MOST = 65536 };

typedef struct {
  Run run;
  PetscInt dim, depth;
  PetscReal horizon;
  PetscBool rule; /* spde_particles quadrature */
  EnsembleLayout layout;
  Noise noise;
  Field field;
  Density density;
  Tokens tokens, quantiles; /* quantiles on the circle only */
  Start start;
  Attention attention;
  Scheme scheme;
  SpdeSnapshots snapshots;
  PetscInt modes;
  PetscReal *state; /* [modes] coefficients of the density, for checkpoints */
} Spde;

static const QuantityText texts[] = {
    {"mass", "1", "integral of the density"},
    {"min_density", "1", "least value of the density with respect to the surface measure; uniform is 1/|S|"},
    {"energy", "1", "E_beta of the density"},
    {"distance", "1",
     "between tokens and density, on the circle W2 (an upper bound where it is not proved exact), on the sphere MMD"},
    {"entropy", "1", "-integral rho log(|S| rho) of the density rho: 0 when uniform, else negative"},
    {"tail", "1", "share of the density's L2 norm in the upper third of its degrees"},
    {"tokens_energy", "1", "E_beta of the tokens"},
    {"mmd", "1", "MMD, with kernel e^(beta <x,y>), between tokens and density"},
    {"sobolev", "1", "distance of tokens and density in the Sobolev norm of order -2"},
    {"outgrown", "time", "time at which the density of a realization outgrew its degrees; NaN: never"},
    {"outgrown_count", "realizations", "realizations whose density outgrew its degrees"},
    {"outgrown_first", "time", "time at which the first of them did"},
    {"means_until", "time", "up to when all realizations are resolved: means end there"},
    {"resolved", "realizations", "realizations whose density is still held by its degrees"},
    {"snapshot_time", "time", "times of the snapshots of realization 0"},
    {"snapshot_angle", "rad", "angles of the map of the density: longitudes on the sphere"},
    {"snapshot_latitude", "rad", "latitudes of the map of the density"},
    {"snapshot_density", "1", "density on the map, with respect to the surface measure"},
    {"snapshot_spectrum", "1", "sum of the squares of the density's coefficients in every degree"},
    {"snapshot_tokens", "1", "positions of some of the tokens, evenly chosen"},
    {"snapshot_weights", "1", "their weights"},
    {0}};

static PetscErrorCode Read(Spde *spde, PetscInt64 *count) {
  char particles[PETSC_MAX_PATH_LEN], init[PETSC_MAX_PATH_LEN];
  PetscInt64 dim, depth;

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
  PetscCall(DeckGetReal("layers_horizon", &spde->horizon));
  PetscCall(DeckGetString("spde_particles", particles));
  spde->dim = (PetscInt)dim;
  spde->depth = (PetscInt)depth;
  spde->rule = !strcmp(particles, "quadrature") || !strcmp(init, "quadrature") ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateObjects(Spde *spde, PetscInt64 count, const StudyObjects *options) {
  const MPI_Comm shards = spde->layout.shards;
  DensityOptions density;

  PetscFunctionBeginUser;
  PetscCall(DensityOptionsRead(&density));
  density.scheme = options->scheme.type;
  PetscCall(NoiseCreate(spde->dim, &options->noise, &spde->noise));
  PetscCall(NoiseCreateField(spde->noise, &spde->field));
  PetscCall(TokensCreate(shards, count, spde->dim, &spde->tokens));
  PetscCall(AttentionCreate(spde->tokens, &options->attention, &spde->attention));
  PetscCall(DensityCreate(spde->attention, spde->noise, &density, &spde->density));
  PetscCall(DensityCheckStarts(spde->density, spde->layout.world, spde->layout.realizations));
  if (spde->rule)
    PetscCall(StartCreateRule(spde->tokens, &spde->start));
  else
    PetscCall(StartCreate(spde->tokens, &options->start, &spde->start));
  if (spde->dim == 2)
    PetscCall(
        TokensCreate(shards, PetscMin(PetscMax(16 * count, QUANTILES_LEAST), QUANTILES_MOST), 2, &spde->quantiles));
  PetscCall(SchemeCreate(spde->tokens, &options->scheme, &spde->scheme));
  PetscCall(SchemeCheck(spde->scheme, spde->noise, spde->horizon / (PetscReal)spde->depth));
  PetscCall(DensityGetSize(spde->density, NULL, &spde->modes, NULL));
  PetscCall(PetscMalloc1(spde->modes, &spde->state));
  PetscFunctionReturn(0);
}

static PetscErrorCode Declare(Run run) {
  static const char *const names[SPDE_NUMBERS] = {
      "mass_realizations",          "min_density_realizations", "energy_realizations",
      "distance_realizations",      "entropy_realizations",     "tail_realizations",
      "tokens_energy_realizations", "mmd_realizations",         "sobolev_realizations"};

  PetscFunctionBeginUser;
  for (int i = 0; i < SPDE_NUMBERS; i++)
    PetscCall(RunDeclare(run, &(Quantity){.name = names[i], .kind = QUANTITY_FRAME}));
  PetscCall(RunDeclare(run, &(Quantity){.name = "outgrown", .kind = QUANTITY_REALIZATION}));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Spde *spde = state;
  StudyObjects options;
  PetscInt64 count;

  PetscFunctionBeginUser;
  spde->run = run;
  PetscCall(StudyCheckBeta());
  PetscCall(Read(spde, &count));
  PetscCall(StudyObjectsRead(&options));
  PetscCall(RunCreateEnsemble(run, &options.ensemble, TokensBlockCount(count), &spde->layout));
  PetscCall(CreateObjects(spde, count, &options));
  PetscCall(RunSetSteps(run, spde->depth));
  PetscCall(RunSetFrames(run, spde->depth, spde->horizon, FRAMES_PRODUCT));
  PetscCall(SpdeSnapshotsCreate(spde->density, spde->tokens, RunGetFrames(run)->count, &spde->snapshots));
  PetscCall(Declare(run));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(spde->state));
  PetscCall(SpdeSnapshotsDestroy(&spde->snapshots));
  PetscCall(SchemeDestroy(&spde->scheme));
  PetscCall(AttentionDestroy(&spde->attention));
  PetscCall(StartDestroy(&spde->start));
  PetscCall(TokensDestroy(&spde->quantiles));
  PetscCall(TokensDestroy(&spde->tokens));
  PetscCall(DensityDestroy(&spde->density));
  PetscCall(FieldDestroy(&spde->field));
  PetscCall(NoiseDestroy(&spde->noise));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  PetscCall(CheckpointAddTokens(checkpoint, "tokens", spde->tokens));
  PetscCall(CheckpointAddReals(checkpoint, "density", spde->modes, spde->state));
  PetscCall(SpdeSnapshotsSave(&spde->snapshots, checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  if (spde->layout.group == 0) {
    PetscCall(DensityView(spde->density));
    PetscCall(TokensView(spde->tokens));
    PetscCall(AttentionView(spde->attention));
    PetscCall(NoiseView(spde->noise, spde->layout.shards));
    PetscCall(SchemeView(spde->scheme));
  }
  PetscCall(PetscPrintf(spde->layout.world,
                        "record     %" PetscInt_FMT " frames, at most %" PetscInt_FMT " snapshots\n",
                        RunGetFrames(spde->run)->count, spde->snapshots.most));
  PetscFunctionReturn(0);
}

static PetscErrorCode MeasureNumbers(Spde *spde, PetscReal numbers[SPDE_NUMBERS]) {
  PetscReal mmd2, sobolev2, low, high;
  DensityMeasures m;

  PetscFunctionBeginUser;
  PetscCall(DensityMeasure(spde->density, &m));
  PetscCall(DensityCompare(spde->density, spde->tokens, &mmd2, &sobolev2));
  numbers[SPDE_MASS] = m.mass;
  numbers[SPDE_MINIMUM] = m.minimum;
  numbers[SPDE_ENERGY] = m.energy;
  numbers[SPDE_ENTROPY] = m.entropy;
  numbers[SPDE_TAIL] = m.tail;
  numbers[SPDE_MMD] = numbers[SPDE_DISTANCE] = PetscSqrtReal(mmd2);
  numbers[SPDE_SOBOLEV] = PetscSqrtReal(sobolev2);
  PetscCall(AttentionEnergy(spde->attention, spde->tokens, &numbers[SPDE_TOKENS_ENERGY]));
  if (spde->quantiles) {
    PetscCall(DensityQuantiles(spde->density, spde->quantiles));
    PetscCall(DistanceCircleTransport(spde->tokens, spde->quantiles, &low, &high));
    numbers[SPDE_DISTANCE] = PetscSqrtReal(high);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Spde *spde = state;
  const Frames *frames = RunGetFrames(spde->run);

  PetscFunctionBeginUser;
  PetscCall(MeasureNumbers(spde, values));
  if (r == 0)
    PetscCall(SpdeSnapshotsTake(&spde->snapshots, f, frames->count, frames->time[f], spde->density, spde->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  PetscCall(DensityStart(spde->density, r));
  PetscCall(TokensStart(spde->tokens, spde->start, r));
  if (spde->rule) PetscCall(DensityWeigh(spde->density, spde->tokens));
  PetscFunctionReturn(0);
}

/* The density's coefficients to where the checkpoint takes them from, or back. */
static PetscErrorCode KeepDensity(Spde *spde, PetscBool back) {
  PetscScalar *values;
  Vec coefficients;

  PetscFunctionBeginUser;
  PetscCall(DensityGetVec(spde->density, &coefficients));
  PetscCall(VecGetArray(coefficients, &values));
  PetscCall(PetscArraycpy(back ? values : spde->state, back ? spde->state : values, spde->modes));
  PetscCall(VecRestoreArray(coefficients, &values));
  PetscFunctionReturn(0);
}

static PetscErrorCode Resume(void *state, PetscInt r, PetscInt l) {
  PetscFunctionBeginUser;
  (void)r, (void)l;
  PetscCall(KeepDensity(state, PETSC_TRUE));
  PetscFunctionReturn(0);
}

/* Until the end or until the density has outgrown its degrees: what would follow is no solution. */
static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Spde *spde = state;
  const PetscReal dt = spde->horizon / (PetscReal)spde->depth;

  PetscFunctionBeginUser;
  PetscCall(NoiseDraw(spde->noise, r, l, spde->field)); /* one field for both */
  PetscCall(DensityStep(spde->density, spde->field, dt));
  PetscCall(SchemeStep(spde->scheme, spde->attention, spde->field, dt, spde->tokens));
  PetscCall(DensityTail(spde->density, NULL, ended));
  if (*ended) RunGetTail(spde->run)[0] = dt * (PetscReal)(l + 1);
  PetscCall(KeepDensity(spde, PETSC_FALSE));
  PetscFunctionReturn(0);
}

/* The snapshots are those of realization 0 as far as it has got. */
static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  if (samples->realizations) PetscCall(SpdeReport(spde->dim, samples, results));
  PetscCall(ResultsPlaceTable(results));
  PetscCall(SpdeSnapshotsRecord(&spde->snapshots, spde->layout.world, results));
  PetscFunctionReturn(0);
}

const Study StudySpde = {
    .name = "spde",
    .options = &SpdeTable,
    .summary = "the limit of infinitely many tokens: the density of the SPDE beside coupled tokens",
    .form = {.columns = "time,mass,min_density,energy,distance", .rows = 12, .texts = texts},
    .size = sizeof(Spde),
    .checkpoints = PETSC_TRUE,
    .create = Create,
    .keep = Keep,
    .view = View,
    .start = Begin,
    .resume = Resume,
    .step = Step,
    .frame = Measure,
    .report = Report,
    .destroy = Destroy,
};
