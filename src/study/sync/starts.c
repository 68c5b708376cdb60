/* Study sync with sync_starts: the random attractor of NEIGHBOURS.md section 17, as several starts along one noise path
 * see it. */
#include <chorale/observables.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "study/report.h"
#include "study/sync/starts.h"

typedef struct {
  Run run;
  PetscReal dt;
  PetscInt starts, dim;
  PetscInt64 count;
  EnsembleLayout layout;
  System *cloud; /* [starts]: each sees itself alone */
  Tokens seen;   /* the tokens of a cloud that are compared */
  PetscInt all;  /* of all clouds: rows of the union */
  double *rows;  /* [all][dim] */
  Start start;
  Noise noise;
  Field field;
  SyncTheory theory;
} Starts;

static const QuantityText texts[] = {
    {"diameter", "1", "largest |x - y| over the tokens of all starts, or over the first 4096/n of each of n"},
    {"folded", "1", "diameter with the lesser of |x - y| and |x + y|: how far the tokens are apart as axes"},
    {"points", "points", "limit points at the end: 1 if all tokens have met, 2 if as axes alone; NaN: neither yet"},
    {"attractor", "1", "the limit point, or one of the two, of every realization; NaN where there is none yet"},
    {"share_one", "1", "share of the realizations whose starts have met in one point"},
    {"share_two", "1", "share of the realizations whose starts have met in two antipodal points"},
    {"antipodal", "1", "1 if the noise is an odd field, whose own attractor is two antipodal points; else 0"},
    {"meeting", "1/time", "growth of log folded over the second half of the run, mean over meeting_paths"},
    {"meeting_paths", "realizations", "those whose starts have met, as points or as axes, by half of the run"},
    {"lambda1_cluster", "1/time", "top Lyapunov exponent once all tokens have met in one point"},
    {"uniform_first", "standard deviations", "how far the mean of the limit points is from that of a uniform law"},
    {"uniform_verdict", "-", "agrees, does not agree, or why neither is said: limit points of a uniform law"},
    {"uniform_second", "standard deviations", "how far the mean of a a^T of the limit points a is from uniform"},
    {0}};

/* Starts must differ, and be numbered: start s of realization r is that of realization r + s R. */
static PetscErrorCode CheckStarts(const Starts *starts, const ModelOptions *options) {
  const char *init = options->start.init;

  PetscFunctionBeginUser;
  PetscCheck(strcmp(init, "file") && strcmp(init, "quadrature"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_init = %s: must be a law that is drawn, uniform, vmf, clusters or harmonic, for sync_starts",
             init);
  PetscCheck(options->ensemble.realizations <= INT_MAX / starts->starts, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "sync_starts = %" PetscInt_FMT ": with %" PetscInt64_FMT
             " realizations there are more starts than can be numbered (%d)",
             starts->starts, options->ensemble.realizations, INT_MAX);
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateObjects(Starts *starts, const ModelOptions *options) {
  const MPI_Comm shards = starts->layout.shards;
  const PetscInt64 seen = PetscMin(starts->count, PetscMax(1, OBSERVE_SUBSET / starts->starts));
  PetscInt stages;
  char what[64];

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(starts->starts, &starts->cloud));
  for (PetscInt s = 0; s < starts->starts; s++)
    PetscCall(SystemCreate(shards, starts->count, options, &starts->cloud[s]));
  PetscCall(StartCreate(starts->cloud[0].tokens, &options->start, &starts->start));
  PetscCall(TokensCreate(shards, seen, starts->dim, &starts->seen));
  starts->all = starts->starts * (PetscInt)seen;
  PetscCall(PetscMalloc1(starts->all * starts->dim, &starts->rows));
  PetscCall(NoiseCreate(starts->dim, &options->noise, &starts->noise));
  PetscCall(NoiseCheckCount(starts->noise, starts->count));
  PetscCall(SchemeGetStages(starts->cloud[0].scheme, &stages));
  PetscCall(PetscSNPrintf(what, sizeof(what), "tokens_count = %" PetscInt64_FMT ", sync_starts = %" PetscInt_FMT,
                          starts->count, starts->starts));
  PetscCall(NoiseCheckPoints(starts->noise, stages * starts->starts * starts->count, what));
  PetscCall(NoiseCreateField(starts->noise, &starts->field));
  PetscCall(SchemeCheck(starts->cloud[0].scheme, starts->noise, starts->dt));
  PetscCall(SyncTheoryCreate(starts->noise, starts->cloud[0].attention, options, &starts->theory));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Starts *starts = state;
  ModelOptions options;
  SyncOptions sync;

  PetscFunctionBeginUser;
  starts->run = run;
  PetscCall(SyncCheckLists());
  PetscCall(ModelOptionsRead(&options));
  PetscCall(DeckRead(SyncKeys, &sync));
  PetscCall(ModelCheckEnergyBeta(options.attention.energy_beta));
  starts->starts = (PetscInt)sync.starts;
  starts->dim = (PetscInt)options.start.dim;
  starts->count = options.start.count;
  starts->dt = ModelStepSize(&options);
  PetscCall(CheckStarts(starts, &options));
  PetscCall(RunFix(run, "sync_starts", NULL)); /* starts are those of realizations beyond the ensemble */
  PetscCall(RunCreateEnsemble(run, &options.ensemble, TokensBlockCount(starts->count), &starts->layout));
  PetscCall(CreateObjects(starts, &options));
  PetscCall(RunSetFrames(run, (PetscInt)options.layers.depth, options.layers.horizon, FRAMES_PRODUCT));
  const Results results = RunGetResults(run);
  PetscCall(ResultsDeclare(results, &(Quantity){.name = "diameter", .kind = QUANTITY_FRAME}));
  PetscCall(ResultsDeclare(results, &(Quantity){.name = "folded", .kind = QUANTITY_FRAME}));
  PetscCall(ResultsDeclare(results, &(Quantity){.name = "points", .kind = QUANTITY_REALIZATION}));
  PetscCall(ResultsDeclare(
      results, &(Quantity){.name = "attractor", .kind = QUANTITY_REALIZATION, .rank = 1, .shape = {starts->dim}}));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Starts *starts = state;

  PetscFunctionBeginUser;
  PetscCall(FieldDestroy(&starts->field));
  PetscCall(NoiseDestroy(&starts->noise));
  PetscCall(PetscFree(starts->rows));
  PetscCall(TokensDestroy(&starts->seen));
  PetscCall(StartDestroy(&starts->start));
  for (PetscInt s = 0; starts->cloud && s < starts->starts; s++) PetscCall(SystemDestroy(&starts->cloud[s]));
  PetscCall(PetscFree(starts->cloud));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Starts *starts = state;
  char name[32];

  PetscFunctionBeginUser;
  for (PetscInt s = 0; s < starts->starts; s++) {
    PetscCall(PetscSNPrintf(name, sizeof(name), "start_%" PetscInt_FMT, s));
    PetscCall(CheckpointAddTokens(checkpoint, name, starts->cloud[s].tokens));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(void *state, StudyBrief *brief) {
  const Starts *starts = state;
  char count[64];

  PetscFunctionBeginUser;
  PetscCall(SystemBrief(&starts->cloud[0], starts->noise, brief));
  PetscCall(PetscSNPrintf(count, sizeof(count), ", %" PetscInt_FMT " starts", starts->starts));
  PetscCall(PetscStrlcat(brief->size, count, STUDY_PHRASE));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Starts *starts = state;

  PetscFunctionBeginUser;
  if (starts->layout.group) PetscFunctionReturn(0);
  PetscCall(SystemView(&starts->cloud[0], starts->noise));
  PetscCall(PetscPrintf(starts->layout.shards,
                        "starts     %" PetscInt_FMT " of such systems along one noise path, %" PetscInt_FMT
                        " tokens in all are compared\n",
                        starts->starts, starts->all));
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Starts *starts = state;

  PetscFunctionBeginUser;
  for (PetscInt s = 0; s < starts->starts; s++)
    PetscCall(TokensStart(starts->cloud[s].tokens, starts->start, r + s * starts->layout.realizations));
  PetscFunctionReturn(0);
}

static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Starts *starts = state;

  PetscFunctionBeginUser;
  (void)ended;
  PetscCall(NoiseDraw(starts->noise, r, l, starts->field)); /* one function on the sphere for all starts */
  for (PetscInt s = 0; s < starts->starts; s++)
    PetscCall(SystemStep(&starts->cloud[s], r, l, starts->field, starts->dt));
  PetscFunctionReturn(0);
}

/* The union on every rank, and its diameters. */
static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Starts *starts = state;
  TokensLayout layout;
  Vec x;

  PetscFunctionBeginUser;
  (void)r;
  PetscCall(TokensGetLayout(starts->seen, &layout));
  PetscCall(TokensGetVec(starts->seen, &x));
  for (PetscInt s = 0; s < starts->starts; s++) {
    PetscCall(TokensExtract(starts->cloud[s].tokens, 0, starts->seen));
    PetscCall(TokensGather(starts->seen, x, starts->rows + (size_t)s * (size_t)layout.count * (size_t)layout.dim));
  }
  PetscCall(StartsDiameters(layout.comm, starts->all, starts->dim, starts->rows, values));
  if (f == RunGetFrames(starts->run)->count - 1)
    StartsAttractor(starts->all, starts->dim, starts->rows, values, RunGetTail(starts->run));
  PetscFunctionReturn(0);
}

/* Growth of log folded over the second half, of the paths on which all have met by then: that is known before, and so
 * no choice of what follows. NaN where rounding errors have their share in it. */
static PetscErrorCode ReportMeeting(const Starts *starts, const Samples *samples, Results results) {
  const PetscInt R = samples->realizations, end = samples->frames->count - 1, half = end / 2;
  const PetscReal time = samples->frames->time[end] - samples->frames->time[half], rounding = 1e-12;
  PetscReal *rate;
  PetscInt met = 0;
  FitValue meeting;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(R, &rate));
  for (PetscInt r = 0; r < R; r++) {
    const PetscReal *row = samples->all + (size_t)r * (size_t)samples->width;
    const PetscReal from = row[half * STARTS_COLUMNS + STARTS_FOLDED], to = row[end * STARTS_COLUMNS + STARTS_FOLDED];
    if (!StartsHaveMet(from)) continue;
    rate[met++] = to > rounding ? log(to / from) / time : NAN;
  }
  meeting = met > 0 ? IntervalOfMean(met, 1, rate) : (FitValue){NAN, NAN, NAN};
  PetscCall(PetscFree(rate));
  PetscCall(ResultsFit(results, "meeting", meeting));
  PetscCall(ResultsScalar(results, "lambda1_cluster", starts->theory.lambda1_cluster));
  PetscCall(ResultsScalar(results, "meeting_paths", (PetscReal)met));
  if (isnan(meeting.value))
    PetscCall(ResultsSay(results, "meeting    no rate: %s\n",
                         met ? "diameters have reached rounding errors, take a shorter layers_horizon"
                             : "on no path have all met by half of the run, take a longer layers_horizon"));
  else
    PetscCall(ResultsSay(
        results,
        "meeting    log of the diameter grows by %.4g per time in the second half of the %" PetscInt_FMT
        " paths that have met by then, 95%% interval [%.4g, %.4g]; lambda1 once met %.4g\n",
        (double)meeting.value, met, (double)meeting.low, (double)meeting.high, (double)starts->theory.lambda1_cluster));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReportPoints(const Starts *starts, const Samples *samples, Results results) {
  const PetscInt R = samples->realizations;
  const PetscReal *tail = samples->all + samples->frames->count * STARTS_COLUMNS;
  const StartsUniform uniform = StartsTestUniform(R, starts->dim, (size_t)samples->width, tail);

  PetscFunctionBeginUser;
  PetscCall(ResultsScalar(results, "share_one", uniform.one / (PetscReal)R));
  PetscCall(ResultsScalar(results, "share_two", uniform.two / (PetscReal)R));
  PetscCall(ResultsScalar(results, "antipodal", starts->theory.odd ? 1 : 0));
  PetscCall(ResultsScalar(results, "uniform_first", uniform.first));
  PetscCall(ResultsScalar(results, "uniform_second", uniform.second));
  PetscCall(ResultsText(results, "uniform_verdict", SyncVerdictWord(uniform.verdict)));
  PetscCall(ResultsSay(
      results, "attractor  one point in %g, two antipodal points in %g of %" PetscInt_FMT " realizations%s\n",
      (double)uniform.one, (double)uniform.two, R, starts->theory.odd ? "; the noise is an odd field" : ""));
  if (!isnan(uniform.second)) PetscCall(ResultsSay(results, "           beside a uniform law:"));
  if (!isnan(uniform.first)) PetscCall(ResultsSay(results, " mean %+.2f,", (double)uniform.first));
  if (!isnan(uniform.second))
    PetscCall(ResultsSay(results, " second moments %+.2f standard deviations: %s\n", (double)uniform.second,
                         SyncVerdictWord(uniform.verdict)));
  PetscFunctionReturn(0);
}

static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Starts *starts = state;
  const PetscInt R = samples->realizations, width = samples->width;
  PetscReal *mean, *sem;

  PetscFunctionBeginUser;
  if (!R) PetscFunctionReturn(0);
  PetscCall(PetscMalloc2(width, &mean, width, &sem));
  FitMean(R, width, samples->all, mean, sem);
  for (PetscInt f = 0; f < samples->frames->count; f++) {
    const PetscReal *m = mean + f * STARTS_COLUMNS, *s = sem + f * STARTS_COLUMNS;
    const PetscReal row[] = {samples->frames->time[f], m[STARTS_DIAMETER], s[STARTS_DIAMETER], m[STARTS_FOLDED],
                             s[STARTS_FOLDED]};
    PetscCall(ResultsRow(results, row));
  }
  PetscCall(PetscFree2(mean, sem));
  PetscCall(ReportMeeting(starts, samples, results));
  PetscCall(ReportPoints(starts, samples, results));
  PetscFunctionReturn(0);
}

const Study StudySyncStarts = {
    .name = "sync",
    .options = &SyncTable,
    .summary = "the random attractor",
    .form = {.columns = "time,diameter_mean,diameter_sem,folded_mean,folded_sem", .rows = 20, .texts = texts},
    .size = sizeof(Starts),
    .checkpoints = PETSC_TRUE,
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
