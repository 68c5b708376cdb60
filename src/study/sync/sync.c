/* Study sync: synchronization by noise (THEORY.md section 5). The ensemble of study simulate, in which tokens have
 * twins, beside what is exact: the energy of the two-token diffusion, the bound of the theorem, the Lyapunov exponent.
 */
#include <chorale/observables.h>
#include <math.h>
#include <string.h>

#include "study/sync/sync.h"

/* Distance of twins: the smaller, the more linear, until rounding errors of 2^-52 matter. Noise gram knows the field at
 * a twin from its values at the tokens no better than to the square root of rounding errors. */
#define DISTANCE      0x1p-22
#define DISTANCE_GRAM 0x1p-10

static const QuantityText texts[] = {
    {"energy", "1", "E_beta of the tokens"},
    {"energy_exact", "1", "exact mean of energy, from the diffusion of two tokens; NaN where that is not known"},
    {"energy_bound", "1",
     "the theorem's bound e^((epsilon + lambda_rate_bound) t) E[E_beta(0)]; NaN without noise, and unless lambda_bar < "
     "0"},
    {"energy_off", "standard errors", "largest distance of energy_mean from energy_exact over the frames"},
    {"energy_off_time", "time", "time of energy_off"},
    {"energy_resolved", "time", "up to when the mean energy is resolved: later it is that of rare realizations"},
    {"bound_verdict", "-", "agrees, does not agree, or why neither is said: energy_mean below energy_bound"},
    {"theorem", "-", "whether the theorem on synchronization applies to this run"},
    {"verdict", "-", "the same in a sentence"},
    {"bound_excess", "standard errors", "most that energy_mean lies above energy_bound over the frames"},
    {"order", "1", "|sum_i w_i x_i|"},
    {"clusters", "1", "connected components of the graph <x_i,x_j> > 0.99 on the first min(N,4096) tokens"},
    {"clusters_end", "1", "clusters at the last frame, mean over the realizations"},
    {"growth", "1", "logarithm of the growth of the distances between tokens and twins, mean over the twins"},
    {"martingale", "1", "the share of growth that is linear in the noise: its mean is 0"},
    {"attention_push", "1/time", "dE_beta/dt along attention alone"},
    {"attention_rate", "1/time", "largest d log E_beta/dt along attention alone in this run: a lower bound of epsilon"},
    {"caps", "1", "shares of the tokens in the larger and the smaller of two opposite caps, and in none, at the end"},
    {"cap_large", "1", "share of the tokens in the larger cap at the end, mean over the realizations"},
    {"cap_small", "1",
     "share of the tokens in the smaller of two opposite caps at the end, mean over the realizations"},
    {"cap_none", "1", "share of the tokens in neither cap at the end, mean over the realizations"},
    {"antipodal", "1", "1 if the noise is an odd field, whose own attractor is two antipodal points; else 0"},
    {"lambda_bar", "1/time", "the theorem's lambda_bar of the noise, which must be negative"},
    {"lambda_rate", "1/time",
     "the theorem's rate lambda_bar'(beta) of the energy, as a search finds it: a lower bound"},
    {"lambda_rate_bound", "1/time", "a proved upper bound of lambda_bar'(beta)"},
    {"epsilon", "1/time",
     "a proved upper bound of the theorem's epsilon, the largest growth of the energy by attention"},
    {"epsilon_low", "1/time", "a proved lower bound of epsilon"},
    {"decay", "1/time", "rate of decay of energy_mean from decay_from to decay_to"},
    {"decay_exact", "1/time", "rate of decay of energy_exact over the same frames"},
    {"decay_from", "time", "first frame of the fit: the energy has fallen to a half"},
    {"decay_to", "time", "last frame of the fit: its mean is still known to a tenth"},
    {"lambda1", "1/time", "top Lyapunov exponent: mean growth of the twins, less martingale, per time"},
    {"lambda1_exact", "1/time", "top Lyapunov exponent of the noise alone"},
    {"lambda1_late", "1/time", "lambda1 over the second half of the run"},
    {"lambda1_cluster", "1/time", "top Lyapunov exponent once all tokens have met in one point"},
    {"spectrum_growth", "1",
     "growth less martingale of each exponent, mean over the twins, at the middle frame and at the end"},
    {"spectrum", "1/time", "all Lyapunov exponents: mean growth of the twins, less martingale, per time"},
    {"spectrum_exact", "1/time", "all Lyapunov exponents of the noise alone"},
    {"spectrum_late", "1/time", "spectrum over the second half of the run"},
    {"spectrum_cluster", "1/time", "all Lyapunov exponents once all tokens have met in one point"},
    {"spectrum_off", "standard errors", "largest distance of spectrum from spectrum_exact"},
    {"exponents_growth", "1",
     "growth less martingale of each exponent of the system, at the middle frame and at the end"},
    {"exponents", "1/time",
     "largest Lyapunov exponents of all tokens together: mean growth, less martingale, per time"},
    {"exponents_late", "1/time", "exponents over the second half of the run"},
    {"exponents_cluster", "1/time",
     "largest Lyapunov exponents of all tokens together once they have met in one point"},
    {"exponents_kaplan_yorke", "1", "Kaplan-Yorke dimension of exponents; a lower bound where it is their number"},
    {"moment_log", "1", "logarithm of the mean of |v|^p over the twins at the end, for each p of moment_p"},
    {"moment_p", "1", "exponents p of sync_moments"},
    {"moment", "1/time",
     "moment Lyapunov exponents: logarithm of the mean of |v|^p over twins and realizations, per time"},
    {"moment_exact", "1/time", "moment Lyapunov exponents of the noise alone"},
    {"moment_rare", "1", "1 where the mean is that of paths that so few realizations do not show; else 0"},
    {"kaplan_yorke", "1", "Kaplan-Yorke dimension of spectrum"},
    {"pair", "1", "|x-y|^2, mean over all pairs of tokens, those of a token with itself included"},
    {"pair_exact", "1", "exact mean of pair, from the diffusion of two tokens; NaN where that is not known"},
    {"pair_energy", "1", "bound of pair_mean by the energy, 4 energy_mean / sinh(beta)"},
    {"pair_bound", "1", "the theorem's bound of the mean of pair, 4 energy_bound / sinh(beta)"},
    {"pair_off", "standard errors", "largest distance of pair_mean from pair_exact over the frames"},
    {"pair_off_time", "time", "time of pair_off"},
    {"pair_resolved", "time", "up to when pair_mean is resolved: later it is that of rare realizations"},
    {"pair_bound_verdict", "-", "agrees, does not agree, or why neither is said: pair_mean below pair_bound"},
    {"pair_bound_excess", "standard errors", "most that pair_mean lies above pair_bound over the frames"},
    {"beta", "1", "the values of energy_beta"},
    {"beta_energy", "1", "E_beta at each beta"},
    {"beta_energy_exact", "1", "exact mean of beta_energy, as energy_exact"},
    {"beta_energy_bound", "1", "the theorem's bound of the mean of beta_energy, as energy_bound"},
    {"beta_bound_verdict", "-", "bound_verdict for the energies of all beta together"},
    {"beta_best_theorem", "-", "whether the theorem applies at beta_best"},
    {"beta_pair_bound", "1", "the theorem's bound of the mean square distance of pairs by each energy, as pair_bound"},
    {"beta_energy_off", "standard errors", "energy_off at each beta"},
    {"beta_bound_excess", "standard errors", "bound_excess at each beta"},
    {"beta_lambda_rate", "1/time", "lambda_rate at each beta"},
    {"beta_lambda_rate_bound", "1/time", "lambda_rate_bound at each beta"},
    {"beta_epsilon", "1/time", "epsilon at each beta"},
    {"beta_epsilon_low", "1/time", "epsilon_low at each beta"},
    {"beta_rate", "1/time",
     "beta_epsilon + beta_lambda_rate_bound: where lambda_bar < 0 the energy's mean grows no "
     "faster"},
    {"beta_applies", "1", "the theorem at each beta: 1 applies, 0 open, -1 does not apply"},
    {"beta_best", "1", "the beta of least beta_rate: where the theorem applies, of the largest guaranteed decay"},
    {"beta_best_rate", "1/time", "beta_rate at beta_best"},
    {"kaplan_yorke_exact", "1", "Kaplan-Yorke dimension of spectrum_exact"},
    {0}};

/* Columns and tail of the samples, those that are not measured without a name. */
static PetscErrorCode Declare(const Sync *sync, Results results) {
  const PetscBool twins = sync->twin_count > 0 ? PETSC_TRUE : PETSC_FALSE, pushes = sync->theory.pushes;
  const char *const frame[SYNC_COLUMNS] = {"energy",
                                           "order",
                                           "clusters",
                                           twins ? "growth" : NULL,
                                           twins ? "martingale" : NULL,
                                           pushes ? "attention_push" : NULL,
                                           "pair"};
  const Quantity caps = {sync->theory.odd ? "caps" : NULL, .kind = QUANTITY_REALIZATION, .rank = 1,
                         .shape = {SYNC_CAPS}};
  const Quantity rate = {pushes && !sync->theory.gradient ? "attention_rate_realization" : NULL,
                         .kind = QUANTITY_REALIZATION};

  PetscFunctionBeginUser;
  for (int i = 0; i < SYNC_COLUMNS; i++)
    PetscCall(ResultsDeclare(results, &(Quantity){.name = frame[i], .kind = QUANTITY_FRAME}));
  PetscCall(SyncBetasDeclare(sync, results));
  PetscCall(ResultsDeclare(results, &caps));
  PetscCall(ResultsDeclare(results, &rate));
  PetscCall(SyncSpectrumDeclare(sync, results));
  PetscCall(SyncMomentsDeclare(sync, results));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadTwins(Sync *sync, PetscInt dim) {
  SyncOptions options;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(SyncKeys, &options));
  sync->twin_count = options.twins == SYNC_TWINS_AUTO ? sync->count : options.twins;
  PetscCheck(sync->twin_count <= sync->count, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "sync_twins = %" PetscInt64_FMT ": must be at most the number of tokens, %" PetscInt64_FMT,
             sync->twin_count, sync->count);
  PetscCheck(!options.spectrum || dim <= TOKENS_BLOCK, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "sync_spectrum = true: tokens_dim must be at most %d", TOKENS_BLOCK);
  PetscCheck((PetscReal)options.exponents <= (PetscReal)sync->count * (dim - 1), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "sync_exponents = %" PetscInt64_FMT ": must be at most tokens_count (tokens_dim - 1)", options.exponents);
  sync->dim = dim;
  sync->copies_count = (PetscInt)options.exponents;
  sync->spectrum = options.spectrum;
  sync->exponents = options.spectrum ? dim - 1 : 1;
  PetscCall(SyncMomentsRead(sync));
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateObjects(Sync *sync, const ModelOptions *options) {
  const MPI_Comm shards = sync->layout.shards;
  const PetscInt64 all = TwinsSetCount(sync->count, sync->twin_count, sync->exponents);
  const PetscReal distance = strcmp(options->noise.type, "gram") ? DISTANCE : DISTANCE_GRAM;
  const PetscInt dim = (PetscInt)options->start.dim;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(shards, sync->count, dim, &sync->tokens));
  PetscCall(StartCreate(sync->tokens, &options->start, &sync->start));
  PetscCall(SystemCreate(shards, all, options, &sync->set));
  PetscCall(TwinsCreate(sync->tokens, sync->set.tokens, sync->twin_count, sync->exponents, distance,
                        options->start.seed, &sync->twins));
  if (sync->moments) PetscCall(TwinsKeepEach(sync->twins));
  if (sync->copies_count) PetscCall(CopiesCreate(shards, options, sync->copies_count, DISTANCE, &sync->copies));
  PetscCall(NoiseCreate(dim, &options->noise, &sync->noise));
  PetscCall(NoiseCheckCount(sync->noise, all));
  PetscCall(NoiseCreateField(sync->noise, &sync->field));
  PetscCall(SchemeCheck(sync->set.scheme, sync->noise, sync->dt));
  PetscCall(TokensCreateVec(sync->set.tokens, &sync->drift));
  PetscCall(TokensCreateVec(sync->set.tokens, &sync->gradient));
  PetscCall(SyncTheoryCreate(sync->noise, sync->set.attention, options, &sync->theory));
  PetscCall(SyncBetasCreate(sync, options));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Sync *sync = state;
  ModelOptions options;

  PetscFunctionBeginUser;
  sync->run = run;
  PetscCall(SyncCheckLists());
  PetscCall(ModelOptionsRead(&options));
  PetscCall(ModelCheckTheory(&options, "sync"));
  PetscCall(ModelCheckEnergyBeta(options.attention.energy_beta));
  sync->count = options.start.count;
  sync->depth = (PetscInt)options.layers.depth;
  sync->dt = ModelStepSize(&options);
  PetscCall(ReadTwins(sync, (PetscInt)options.start.dim));
  PetscCall(RunCreateEnsemble(run, &options.ensemble,
                              TokensBlockCount(TwinsSetCount(sync->count, sync->twin_count, sync->exponents)),
                              &sync->layout));
  PetscCall(CreateObjects(sync, &options));
  PetscCall(RunSetFrames(run, sync->depth, options.layers.horizon, FRAMES_PRODUCT));
  PetscCall(Declare(sync, RunGetResults(run)));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Sync *sync = state;

  PetscFunctionBeginUser;
  PetscCall(SyncBetasDestroy(sync));
  PetscCall(PetscFree2(sync->exact, sync->pair_exact));
  PetscCall(VecDestroy(&sync->gradient));
  PetscCall(VecDestroy(&sync->drift));
  PetscCall(FieldDestroy(&sync->field));
  PetscCall(NoiseDestroy(&sync->noise));
  PetscCall(CopiesDestroy(&sync->copies));
  PetscCall(TwinsDestroy(&sync->twins));
  PetscCall(SystemDestroy(&sync->set));
  PetscCall(StartDestroy(&sync->start));
  PetscCall(TokensDestroy(&sync->tokens));
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(void *state, Checkpoint checkpoint) {
  Sync *sync = state;

  PetscFunctionBeginUser;
  PetscCall(SystemKeep(&sync->set, "tokens", checkpoint));
  PetscCall(CheckpointAddReals(checkpoint, "growth", TWINS_GROWTH * sync->exponents, TwinsGrowth(sync->twins)));
  PetscCall(TwinsKeep(sync->twins, checkpoint));
  if (sync->copies) PetscCall(CopiesKeep(sync->copies, checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(void *state, StudyBrief *brief) {
  const Sync *sync = state;
  char twins[64];

  PetscFunctionBeginUser;
  PetscCall(SystemBrief(&sync->set, sync->noise, brief));
  PetscCall(PetscSNPrintf(twins, sizeof(twins), ", of which %" PetscInt64_FMT " are twins",
                          sync->twin_count * sync->exponents));
  PetscCall(PetscStrlcat(brief->size, twins, STUDY_PHRASE));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Sync *sync = state;
  const SyncTheory *theory = &sync->theory;

  PetscFunctionBeginUser;
  if (sync->layout.group == 0) {
    PetscCall(SystemView(&sync->set, sync->noise));
    PetscCall(PetscPrintf(sync->layout.shards, "twins      %" PetscInt64_FMT " of these tokens, of weight 0\n",
                          sync->twin_count * sync->exponents));
    if (sync->copies)
      PetscCall(PetscPrintf(sync->layout.shards,
                            "copies     %" PetscInt_FMT
                            " of all tokens, each at the cost of these and of one evaluation "
                            "of the noise more\n",
                            sync->copies_count));
  }
  PetscCall(PetscPrintf(
      sync->layout.world,
      "frames     %" PetscInt_FMT " of %" PetscInt_FMT
      " steps in each realization, energy %s; lambda1 %.6g, lambda_bar %.6g, lambda_bar'(beta) %.6g\n",
      RunGetFrames(sync->run)->count, sync->depth, theory->exact ? "beside its exact value" : "without an exact value",
      (double)theory->lambda1, (double)theory->lambda_bar, (double)theory->rate_bound));
  PetscFunctionReturn(0);
}

static PetscErrorCode Prepare(void *state) {
  Sync *sync = state;
  const Frames *frames = RunGetFrames(sync->run);

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(frames->count, &sync->exact, frames->count, &sync->pair_exact));
  PetscCall(SyncTheoryEnergy(&sync->theory, sync->count, sync->layout.world, frames->count, frames->time, sync->exact));
  PetscCall(
      SyncTheoryPairs(&sync->theory, sync->count, sync->layout.world, frames->count, frames->time, sync->pair_exact));
  PetscCall(SyncBetasPrepare(sync));
  PetscFunctionReturn(0);
}

/* Energy and push, push first: its kernel sums serve the energy. *rate is raised to their ratio. */
static PetscErrorCode MeasureEnergy(Sync *sync, PetscReal *energy, PetscReal *push, PetscReal *rate) {
  PetscFunctionBeginUser;
  *push = 0;
  if (sync->theory.pushes)
    PetscCall(SyncPush(sync->set.attention, sync->set.tokens, sync->drift, sync->gradient, push));
  PetscCall(AttentionEnergy(sync->set.attention, sync->set.tokens, energy));
  if (sync->theory.pushes && !sync->theory.gradient && *energy > SYNC_ROUNDING * exp(sync->theory.beta) &&
      !(*push / *energy <= *rate))
    *rate = *push / *energy;
  PetscFunctionReturn(0);
}

/* Clusters are those of the first tokens: twins do not count. */
static PetscErrorCode Measure(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Sync *sync = state;
  PetscReal observables[OBSERVE_VALUES], *tail = RunGetTail(sync->run);

  PetscFunctionBeginUser;
  (void)r;
  PetscCall(MeasureEnergy(sync, &values[SYNC_ENERGY], &values[SYNC_PUSH], &tail[SYNC_RATE]));
  PetscCall(SyncPairs(sync->set.tokens, sync->drift, &values[SYNC_PAIR]));
  PetscCall(SyncBetasMeasure(sync, values));
  PetscCall(TwinsGather(sync->twins, sync->tokens));
  PetscCall(ObservablesEvaluate(sync->tokens, NULL, observables));
  values[SYNC_ORDER] = observables[ObservableFirst(OBSERVE_ORDER)];
  values[SYNC_CLUSTERS] = observables[ObservableFirst(OBSERVE_CLUSTERS)];
  values[SYNC_GROWTH] = TwinsGrowth(sync->twins)[TWINS_TOTAL];
  values[SYNC_MARTINGALE] = TwinsGrowth(sync->twins)[TWINS_MARTINGALE];
  SyncSpectrumMeasure(sync, f);
  PetscCall(SyncMomentsMeasure(sync, f));
  if (f == RunGetFrames(sync->run)->count - 1 && sync->theory.odd) PetscCall(SyncSplit(sync->set.tokens, tail));
  PetscFunctionReturn(0);
}

static PetscErrorCode Begin(void *state, PetscInt r) {
  Sync *sync = state;

  PetscFunctionBeginUser;
  PetscCall(TokensStart(sync->tokens, sync->start, r));
  PetscCall(TwinsStart(sync->twins, sync->tokens, r));
  if (sync->copies) PetscCall(CopiesStart(sync->copies, sync->tokens, r));
  PetscFunctionReturn(0);
}

/* The supremum of the theorem's epsilon is over all steps, those of frames and others. */
static PetscErrorCode Step(void *state, PetscInt r, PetscInt l, PetscBool *ended) {
  Sync *sync = state;
  PetscReal energy, push;

  PetscFunctionBeginUser;
  (void)ended;
  PetscCall(NoiseDraw(sync->noise, r, l, sync->field));
  PetscCall(TwinsForesee(sync->twins, sync->field, sync->dt));
  if (sync->copies) {
    PetscCall(TwinsGather(sync->twins, sync->tokens));
    PetscCall(CopiesStep(sync->copies, sync->tokens, r, l, sync->field, sync->dt));
  }
  PetscCall(SystemStep(&sync->set, r, l, sync->field, sync->dt));
  PetscCall(TwinsRenormalize(sync->twins));
  if (sync->copies) {
    PetscCall(TwinsGather(sync->twins, sync->tokens));
    PetscCall(CopiesRenormalize(sync->copies, sync->tokens));
  }
  if (sync->theory.pushes && !sync->theory.gradient && FramesAt(RunGetFrames(sync->run), l + 1) < 0)
    PetscCall(MeasureEnergy(sync, &energy, &push, &RunGetTail(sync->run)[SYNC_RATE]));
  PetscFunctionReturn(0);
}

static PetscErrorCode Select(Run run, StudyFinder find, const Study **study) {
  SyncOptions options;

  PetscFunctionBeginUser;
  (void)run, (void)find;
  PetscCall(DeckRead(SyncKeys, &options));
  if (options.starts) *study = &StudySyncStarts;
  if (options.map) *study = &StudySyncMap;
  PetscFunctionReturn(0);
}

const Study StudySync = {
    .name = "sync",
    .options = &SyncTable,
    .summary = "synchronization by noise: energy, Lyapunov exponent and clusters beside the theorem",
    .form = {.columns = "time,energy_mean,energy_sem,energy_exact,energy_bound,pair_mean,pair_sem,pair_exact,"
                        "pair_energy,pair_bound",
             .rows = 20,
             .headline = "lambda1,lambda1_sem,lambda1_exact,lambda_bar,energy_mean",
             .texts = texts},
    .size = sizeof(Sync),
    .checkpoints = PETSC_TRUE,
    .thins = PETSC_TRUE,
    .select = Select,
    .others = (const Study *const[]){&StudySyncMap, &StudySyncStarts, NULL},
    .create = Create,
    .keep = Keep,
    .brief = Brief,
    .view = View,
    .prepare = Prepare,
    .start = Begin,
    .step = Step,
    .frame = Measure,
    .report = SyncReport,
    .destroy = Destroy,
};
