/* Study spde: the limit of infinitely many tokens solved for directly (THEORY.md section 4), beside tokens that start
 * from the same density and are driven by the same noise. */
#include <math.h>
#include <string.h>

#include <chorale/distance.h>

#include "study/spde/spde.h"

/* Quantiles that stand for a density on the circle: their distance to it, 1/QUANTILES or so, is far below that of N
 * tokens. */
enum { QUANTILES_LEAST = 4096, QUANTILES_MOST = 65536 };

typedef struct {
  Run run;
  PetscReal dt;
  PetscBool rule; /* weights of the tokens are those of a quadrature rule times the density */
  EnsembleLayout layout;
  Noise noise;
  Field field;
  Density density;
  System system;
  Tokens quantiles; /* on the circle only */
  Start start;
  SpdeSnapshots snapshots;
  PetscInt modes;
  PetscReal *state; /* [modes] coefficients of the density, for checkpoints */
} Spde;

static const QuantityText texts[] = {
    {"mass", "1", "integral of the density"},
    {"min_density", "1", "least value of the density with respect to the surface measure; uniform is 1/|S|"},
    {"energy", "1", "E_beta of the density"},
    {"distance", "1",
     "between tokens and density, on the circle W2, the upper end of what is certified, on the sphere MMD"},
    {"distance_kind", "-", "what distance is: W2 on the circle, MMD on the sphere"},
    {"distance_low", "1", "lower end of what is certified of distance: the same where W2 is proved exact, and of MMD"},
    {"entropy", "1", "-integral rho log(|S| rho) of the density rho: 0 when uniform, else negative"},
    {"tail", "1", "share of the density's L2 norm in the upper third of its degrees"},
    {"tokens_energy", "1", "E_beta of the tokens"},
    {"mmd", "1", "MMD, with kernel e^(attention_beta <x,y>), between tokens and density"},
    {"sobolev", "1", "distance of tokens and density in the Sobolev norm of order -2"},
    {"outgrown", "time", "time at which the density of a realization became too sharp for its degrees; NaN: never"},
    {"outgrown_count", "realizations", "realizations whose density became too sharp for its degrees"},
    {"outgrown_first", "time", "time at which the first of them did"},
    {"means_until", "time", "up to when all realizations are resolved: means end there"},
    {"resolved", "realizations", "realizations whose density is still held by its degrees"},
    {"snapshot_time", "time", "times of the snapshots of realization 0"},
    {"snapshot_angle", "rad", "angles of the map of the density: longitudes on the sphere"},
    {"snapshot_latitude", "rad", "latitudes of the map of the density"},
    {"snapshot_density", "1", "density on the map, with respect to the surface measure"},
    {"snapshot_spectrum", "1", "sum of the squares of the density's coefficients in every degree"},
    {"snapshot_tokens", "1", "positions of some of the tokens, evenly chosen"},
    {"snapshot_weights", "1", "weights of snapshot_tokens"},
    {0}};

static PetscErrorCode CheckStart(const StartOptions *start) {
  PetscFunctionBeginUser;
  PetscCheck(
      strcmp(start->init, "file"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
      "tokens_init = file: study spde takes a law with a density: uniform, quadrature, vmf, clusters or harmonic");
  PetscCheck(start->dim <= 3, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt64_FMT ": study spde solves on the circle (2) and the sphere (3)", start->dim);
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateObjects(Spde *spde, const ModelOptions *options) {
  const MPI_Comm shards = spde->layout.shards;
  const PetscInt64 count = options->start.count,
                   quantiles = PetscMin(PetscMax(16 * count, QUANTILES_LEAST), QUANTILES_MOST);
  DensityOptions density;

  PetscFunctionBeginUser;
  PetscCall(DensityOptionsRead(&density));
  density.scheme = options->scheme.type;
  density.independent = options->noise.independent;
  PetscCall(NoiseCreate((PetscInt)options->start.dim, &options->noise, &spde->noise));
  PetscCall(NoiseCreateField(spde->noise, &spde->field));
  PetscCall(SystemCreate(shards, count, options, &spde->system));
  PetscCall(DensityCreate(spde->system.attention, spde->noise, &density, &spde->density));
  PetscCall(DensityCheckStarts(spde->density, spde->layout.world, spde->layout.realizations));
  if (spde->rule)
    PetscCall(StartCreateRule(spde->system.tokens, &spde->start));
  else
    PetscCall(StartCreate(spde->system.tokens, &options->start, &spde->start));
  if (options->start.dim == 2) PetscCall(TokensCreate(shards, quantiles, 2, &spde->quantiles));
  PetscCall(SchemeCheck(spde->system.scheme, spde->noise, spde->dt));
  PetscCall(DensityGetSize(spde->density, NULL, &spde->modes, NULL));
  PetscCall(PetscMalloc1(spde->modes, &spde->state));
  PetscFunctionReturn(0);
}

static PetscErrorCode Declare(Results results) {
  static const char *const names[SPDE_NUMBERS] = {
      "mass_realizations",    "min_density_realizations", "energy_realizations",        "distance_realizations",
      "entropy_realizations", "tail_realizations",        "tokens_energy_realizations", "mmd_realizations",
      "sobolev_realizations", "distance_low_realizations"};

  PetscFunctionBeginUser;
  for (int i = 0; i < SPDE_NUMBERS; i++)
    PetscCall(ResultsDeclare(results, &(Quantity){.name = names[i], .kind = QUANTITY_FRAME}));
  PetscCall(ResultsDeclare(results, &(Quantity){.name = "outgrown", .kind = QUANTITY_REALIZATION}));
  PetscFunctionReturn(0);
}

/* On the sphere the density is transformed order by order. */
static PetscErrorCode ShareOrders(ModelOptions *model) {
  DensityOptions density;
  PetscInt shards;

  PetscFunctionBeginUser;
  PetscCall(DensityOptionsRead(&density));
  shards = DensityShards(&density, (PetscInt)model->start.dim);
  if (!shards || model->ensemble.shards) PetscFunctionReturn(0);
  model->ensemble.shards = shards;
  model->ensemble.reason = "the density has so many orders of harmonics";
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Spde *spde = state;
  ModelOptions model;
  SpdeOptions options;

  PetscFunctionBeginUser;
  spde->run = run;
  PetscCall(ModelOptionsRead(&model));
  PetscCall(ModelCheckTheory(&model, "spde"));
  PetscCall(DeckRead(SpdeKeys, &options));
  PetscCall(ModelCheckBeta(model.attention.beta));
  PetscCall(ModelCheckEnergyBeta(model.attention.energy_beta));
  PetscCall(CheckStart(&model.start));
  spde->dt = ModelStepSize(&model);
  if (!strcmp(options.particles, "quadrature") || !strcmp(model.start.init, "quadrature")) spde->rule = PETSC_TRUE;
  PetscCall(ShareOrders(&model));
  PetscCall(RunCreateEnsemble(run, &model.ensemble, TokensBlockCount(model.start.count), &spde->layout));
  PetscCall(CreateObjects(spde, &model));
  PetscCall(RunSetFrames(run, (PetscInt)model.layers.depth, model.layers.horizon, FRAMES_PRODUCT));
  PetscCall(SpdeSnapshotsCreate(spde->density, spde->system.tokens, options.snapshots, RunGetFrames(run)->count,
                                &spde->snapshots));
  PetscCall(Declare(RunGetResults(run)));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(spde->state));
  PetscCall(SpdeSnapshotsDestroy(&spde->snapshots));
  PetscCall(StartDestroy(&spde->start));
  PetscCall(TokensDestroy(&spde->quantiles));
  PetscCall(DensityDestroy(&spde->density));
  PetscCall(SystemDestroy(&spde->system));
  PetscCall(FieldDestroy(&spde->field));
  PetscCall(NoiseDestroy(&spde->noise));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  PetscCall(SystemKeep(&spde->system, "tokens", checkpoint));
  PetscCall(CheckpointAddReals(checkpoint, "density", spde->modes, spde->state));
  PetscCall(SpdeSnapshotsSave(&spde->snapshots, checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(void *state, StudyBrief *brief) {
  const Spde *spde = state;
  char density[STUDY_PHRASE];

  PetscFunctionBeginUser;
  PetscCall(SystemBrief(&spde->system, spde->noise, brief));
  PetscCall(DensityBrief(spde->density, sizeof(density), density));
  PetscCall(PetscStrlcat(brief->size, " beside a density", STUDY_PHRASE));
  if (brief->accuracy[0]) PetscCall(PetscStrlcat(brief->accuracy, "; ", STUDY_PHRASE));
  PetscCall(PetscStrlcat(brief->accuracy, density, STUDY_PHRASE));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  if (spde->layout.group == 0) {
    PetscCall(DensityView(spde->density));
    PetscCall(SystemView(&spde->system, spde->noise));
  }
  PetscCall(PetscPrintf(spde->layout.world,
                        "record     %" PetscInt_FMT " frames, at most %" PetscInt_FMT " snapshots\n",
                        RunGetFrames(spde->run)->count, spde->snapshots.most));
  PetscFunctionReturn(0);
}

static PetscErrorCode MeasureNumbers(Spde *spde, PetscReal numbers[SPDE_NUMBERS]) {
  PetscReal mmd2, sobolev2, low, high;
  DensityMeasures measures;

  PetscFunctionBeginUser;
  PetscCall(DensityMeasure(spde->density, &measures));
  PetscCall(DensityCompare(spde->density, spde->system.tokens, &mmd2, &sobolev2));
  numbers[SPDE_MASS] = measures.mass;
  numbers[SPDE_MINIMUM] = measures.minimum;
  numbers[SPDE_ENERGY] = measures.energy;
  numbers[SPDE_ENTROPY] = measures.entropy;
  numbers[SPDE_TAIL] = measures.tail;
  numbers[SPDE_MMD] = numbers[SPDE_DISTANCE] = numbers[SPDE_DISTANCE_LOW] = PetscSqrtReal(mmd2);
  numbers[SPDE_SOBOLEV] = PetscSqrtReal(sobolev2);
  PetscCall(AttentionEnergy(spde->system.attention, spde->system.tokens, &numbers[SPDE_TOKENS_ENERGY]));
  if (spde->quantiles) {
    PetscCall(DensityQuantiles(spde->density, spde->quantiles));
    PetscCall(DistanceCircleTransport(spde->system.tokens, spde->quantiles, &low, &high));
    numbers[SPDE_DISTANCE] = PetscSqrtReal(high);
    numbers[SPDE_DISTANCE_LOW] = PetscSqrtReal(low);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Spde *spde = state;
  const PetscReal time = RunGetFrames(spde->run)->time[f];

  PetscFunctionBeginUser;
  PetscCall(MeasureNumbers(spde, values));
  if (r == 0) PetscCall(SpdeSnapshotsTake(&spde->snapshots, f, time, spde->density, spde->system.tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  PetscCall(DensityStart(spde->density, r));
  PetscCall(TokensStart(spde->system.tokens, spde->start, r));
  if (spde->rule) PetscCall(DensityWeigh(spde->density, spde->system.tokens));
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

/* Until the end or until the density has become too sharp for the spectral resolution: what would follow is no
 * solution. */
static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  PetscCall(NoiseDraw(spde->noise, r, l, spde->field)); /* one field for both */
  PetscCall(DensityStep(spde->density, spde->field, spde->dt));
  PetscCall(SystemStep(&spde->system, r, l, spde->field, spde->dt));
  PetscCall(DensityTail(spde->density, NULL, ended));
  if (*ended) RunGetTail(spde->run)[0] = spde->dt * (PetscReal)(l + 1);
  PetscCall(KeepDensity(spde, PETSC_FALSE));
  PetscFunctionReturn(0);
}

/* The snapshots are those of realization 0 as far as it has got. */
static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Spde *spde = state;

  PetscFunctionBeginUser;
  if (samples->realizations) PetscCall(SpdeReport(spde->snapshots.dim, samples, results));
  PetscCall(ResultsPlaceTable(results));
  PetscCall(SpdeSnapshotsRecord(&spde->snapshots, RunGetLayout(spde->run), results));
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
    .brief = Brief,
    .view = View,
    .start = Begin,
    .resume = Resume,
    .step = Step,
    .frame = Measure,
    .report = Report,
    .destroy = Destroy,
};
