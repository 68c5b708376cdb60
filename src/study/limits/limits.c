/* Study limits: the theorem of THEORY.md (3.4). Transformers of finite depth and width against the limit SDE on the
 * same Brownian path: E max_t (1/N) sum_i |X_i^{L,m}(t) - X_i(t)|^2 over the layer times t. */
#include "study/limits/limits.h"

static const QuantityText texts[] = {
    {"tokens", "tokens", "number N of tokens of the transformer and of the limit SDE that it is compared with"},
    {"depth", "layers", "depth L of the transformer"},
    {"width", "neurons", "width m of its MLPs, inf for the Gaussian limit"},
    {"error", "1",
     "E max over the layer times, or sup over all times with limits_supremum all, of (1/N) sum_i |X_i of the "
     "transformer - X_i of the limit SDE|^2"},
    {"sem", "1", "standard error of error over the realizations"},
    {"samples", "1", "error of every realization, for every number of tokens, depth and width of the lists"},
    {"error_layers", "1", "E max over the layer times, beside the sup over all times"},
    {"samples_layers", "1", "error_layers of every realization"},
    {"slope_depth", "1",
     "slope of log error against log L, or log (L/log L) with limits_supremum all, at infinite width and most tokens; "
     "the theorem's is -1"},
    {"slope_width", "1",
     "slope of log (error less that of infinite width) against log m at the largest L; the theorem's is -1"},
    {"fit_depth", "layers",
     "a of the fit error = a/L + b/m, or a (log L)/L + b/m with limits_supremum all, at most tokens"},
    {"fit_width", "neurons", "b of the fit error = a/L + b/m at most tokens"},
    {"fit_r2", "1", "share of the variance of the errors that the fit explains"},
    {"fit_floor", "1", "c of the fit error = a/L + b/m + c for fewer tokens than the limit SDE has"},
    {"log_verdict", "-", "whether the errors tell a logarithm of L from none"},
    {"log_slope", "layers", "a of the fit error = (a log L + b)/L at infinite width and most tokens"},
    {"log_constant", "layers", "b of the fit error = (a log L + b)/L at infinite width and most tokens"},
    {"log_slope_layers", "layers", "a of the fit error = (a log L + b)/L to the errors at layer times"},
    {"log_constant_layers", "layers", "b of the fit error = (a log L + b)/L to the errors at layer times"},
    {"law_misfit", "1",
     "of errors over all times and over layer times: misfit of a/L, a (log L)/L and (a log L + b)/L, about 1 where the "
     "law holds"},
    {"law_chance", "1", "probability of a misfit as large or larger where the law holds"},
    {0}};

static PetscErrorCode Create(void *state, Run run) {
  Limits *limits = state;
  const LimitsGrid *grid = &limits->grid;
  ModelOptions options;

  PetscFunctionBeginUser;
  limits->run = run;
  PetscCall(ModelOptionsRead(&options));
  PetscCall(ModelCheckTheory(&options, "limits"));
  PetscCall(LimitsGridRead(&options, &limits->grid));
  PetscCall(RunCreateEnsemble(run, &options.ensemble, TokensBlockCount(grid->most), &limits->layout));
  PetscCall(LimitsCreateSystems(limits, &options));
  PetscCall(RunSetSteps(run, (PetscInt)grid->reference));
  PetscCall(ResultsDeclare(RunGetResults(run), &(Quantity){.name = "samples",
                                                           .kind = QUANTITY_REALIZATION,
                                                           .rank = 3,
                                                           .shape = {grid->counts, grid->depths, grid->widths}}));
  if (!grid->all) PetscFunctionReturn(0);
  PetscCall(ResultsSetColumns(RunGetResults(run), "tokens,depth,width,error,sem,error_layers,error_layers_sem"));
  PetscCall(ResultsDeclare(RunGetResults(run), &(Quantity){.name = "samples_layers",
                                                           .kind = QUANTITY_REALIZATION,
                                                           .rank = 3,
                                                           .shape = {grid->counts, grid->depths, grid->widths}}));
  PetscFunctionReturn(0);
}

const Study StudyLimits = {
    .name = "limits",
    .options = &LimitsTable,
    .summary = "the theorem on depth and width: transformers against the limit SDE on one Brownian path",
    .form = {.columns = "tokens,depth,width,error,sem", .headline = "slope_depth,slope_width", .texts = texts},
    .size = sizeof(Limits),
    .checkpoints = PETSC_TRUE,
    .create = Create,
    .keep = LimitsKeep,
    .brief = LimitsBrief,
    .view = LimitsView,
    .start = LimitsStart,
    .resume = LimitsResume,
    .step = LimitsStep,
    .report = LimitsReport,
    .destroy = LimitsDestroy,
};
