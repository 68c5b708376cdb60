/* The phase map of THEORY.md section 5: where the theorem's conditions hold, over activation, dimension and bias, and
 * which moments decay, NEIGHBOURS.md section 15. Pure theory. */
#include <math.h>

#include "study/laws.h"
#include "study/sync/sync.h"

#define COLUMNS "activation,dim,bias_u,bias_w,lambda1,lambda_bar,lambda_rate,boundary,lambda_rate_bound"
#define ADDED   ",pstar,pstar_limit,moment,moment_rate,moment_boundary,moment_limit" /* by kernel_moments */
enum {
  DIM,
  BIAS_U,
  BIAS_W,
  LAMBDA1,
  LAMBDA_BAR,
  LAMBDA_RATE,
  BOUNDARY,
  RATE_BOUND,
  NUMBERS,
  PSTAR = NUMBERS,
  PSTAR_LIMIT,
  MOMENT,
  MOMENT_RATE,
  MOMENT_BOUNDARY,
  MOMENT_LIMIT,
  ALL
}; /* columns behind the activation */

/* A frame is a row of the table: a moment, innermost, of a law. */
typedef struct {
  EnsembleLayout layout;
  Laws laws;
  PetscReal beta;
  PetscInt moments; /* 0: a row for each law, of NUMBERS columns */
  PetscReal p[LAWS_LIST];
  PetscReal boundary, of_moment[LAWS_LIST]; /* of the activation and dimension in progress */
  PetscReal row[ALL];                       /* of the law in progress */
  Kernel kernel;                            /* and its kernel */
} Map;

static const QuantityText texts[] = {
    {"activation", "-", "activation of the hidden layer"},
    {"dim", "1", "dimension d of the tokens"},
    {"bias_u", "1", "standard deviation of the bias inside of the activation"},
    {"bias_w", "1", "standard deviation of the bias of the output"},
    {"lambda1", "1/time", "top Lyapunov exponent of the noise"},
    {"lambda_bar", "1/time", "the theorem's lambda_bar of the noise, which must be negative"},
    {"lambda_rate", "1/time",
     "the theorem's rate lambda_bar'(beta) of the energy, as a search finds it: a lower bound"},
    {"boundary", "1", "bias_u = bias_w beyond which lambda_bar < 0; NaN where it has one sign for all"},
    {"lambda_rate_bound", "1/time",
     "a proved upper bound of lambda_bar'(beta): where it is < 0 noise alone synchronizes"},
    {"pstar", "1", "p* of the noise: Lambda(p) < 0 for p from 0 to p*"},
    {"pstar_limit", "1", "limit of p* for d to infinity without biases; NaN where p* grows like d"},
    {"moment", "1", "exponent p of the moments in this row"},
    {"moment_rate", "1/time", "Lambda(p), the growth rate of the p-th moment of the distance of two tokens"},
    {"moment_boundary", "1",
     "bias_u = bias_w beyond which Lambda(p) < 0; NaN where it has one sign for all, that of pstar - moment"},
    {"moment_limit", "1", "limit of d moment_boundary for d to infinity; NaN where large d have no boundary"},
    {0}};

static PetscErrorCode PrintBoundary(const char *activation, PetscInt dim, PetscReal boundary, Results results) {
  const int sign = dim <= 3 ? 1 : -1;

  PetscFunctionBeginUser;
  if (isnan(boundary))
    PetscCall(ResultsSay(results, "boundary   %s, d = %" PetscInt_FMT ": none, lambda_bar %s 0 for every sigma\n",
                         activation, dim, sign > 0 ? ">" : "<"));
  else
    PetscCall(ResultsSay(results, "boundary   %s, d = %" PetscInt_FMT ": lambda_bar < 0 for sigma > %.9g\n", activation,
                         dim, (double)boundary));
  PetscFunctionReturn(0);
}

/* What becomes of an activation for large d, NEIGHBOURS.md (15.12) and (15.13). */
static PetscErrorCode PrintLimits(const Map *map, const char *activation, Results results) {
  const char *before = "Lambda(p) < 0 for d sigma >";
  MomentLimits limits;

  PetscFunctionBeginUser;
  PetscCall(KernelMomentLimits(ActivationFind(activation), &limits));
  if (limits.offset > 0) {
    PetscCall(ResultsSay(results, "moments    %s, d -> infinity: p* - d -> %.6g without bias\n", activation,
                         (double)(-1 - 2 * limits.slope / limits.offset)));
    PetscFunctionReturn(0);
  }
  PetscCall(ResultsSay(results, "moments    %s, d -> infinity: p* -> %.6g without bias; ", activation,
                       (double)MomentLimitsRoot(&limits)));
  for (PetscInt i = 0; i < map->moments; i++) {
    const PetscReal edge = MomentLimitsBoundary(&limits, map->p[i]);
    if (isnan(edge)) continue;
    PetscCall(ResultsSay(results, "%s %.6g (p = %.6g)", before, (double)edge, (double)map->p[i]));
    before = ",";
  }
  PetscCall(ResultsSay(results, "\n"));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadMoments(Map *map) {
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(DeckHas("kernel_moments", &given));
  if (!given) PetscFunctionReturn(0);
  map->moments = LAWS_LIST;
  PetscCall(DeckGetRealList("kernel_moments", &map->moments, map->p));
  for (PetscInt i = 0; i < map->moments; i++)
    PetscCheck(map->p[i] > 0, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "kernel_moments = %.6g: must be positive with sync_map", (double)map->p[i]);
  PetscFunctionReturn(0);
}

/* Rows of a law. */
static PetscInt Rows(const Map *map) {
  return PetscMax(1, map->moments);
}

static PetscErrorCode Create(void *state, Run run) {
  Map *map = state;
  AttentionOptions attention;

  PetscFunctionBeginUser;
  PetscCall(AttentionOptionsRead(&attention));
  PetscCall(SyncCheckOneBeta());
  map->beta = attention.energy_beta;
  PetscCall(LawsRead(&map->laws));
  PetscCall(ReadMoments(map));
  const PetscInt width = map->moments ? ALL : NUMBERS;
  PetscCall(RunCreateEnsemble(run, NULL, 0, &map->layout));
  PetscCall(RunSetFrameList(run, LawsCount(&map->laws) * Rows(map), NULL, NULL));
  PetscCall(ResultsDeclare(RunGetResults(run), &(Quantity){.kind = QUANTITY_FRAME, .rank = 1, .shape = {width}}));
  if (map->moments) PetscCall(ResultsSetColumns(RunGetResults(run), COLUMNS ADDED));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Map *map = state;

  PetscFunctionBeginUser;
  PetscCall(KernelDestroy(&map->kernel));
  PetscCall(PetscFree(map->laws.storage));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Map *map = state;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(map->layout.world, "map        %lld rows\n", (long long)LawsCount(&map->laws) * Rows(map)));
  PetscFunctionReturn(0);
}

/* Boundaries of an activation in a dimension. */
static PetscErrorCode SetBoundaries(Map *map, const Law *law) {
  PetscFunctionBeginUser;
  PetscCall(KernelMomentBoundary(law->activation, law->dim, 2, &map->boundary));
  for (PetscInt i = 0; i < map->moments; i++)
    if (map->p[i] == 2)
      map->of_moment[i] = map->boundary;
    else
      PetscCall(KernelMomentBoundary(law->activation, law->dim, map->p[i], &map->of_moment[i]));
  PetscFunctionReturn(0);
}

/* What the rows of a law have in common. */
static PetscErrorCode SetLaw(Map *map, const Law *law) {
  PetscReal *row = map->row;

  PetscFunctionBeginUser;
  row[DIM] = (PetscReal)law->dim;
  row[BIAS_U] = law->bias_u;
  row[BIAS_W] = law->bias_w;
  row[BOUNDARY] = map->boundary;
  PetscCall(KernelDestroy(&map->kernel));
  PetscCall(KernelCreate(law->activation, law->dim, law->bias_u, law->bias_w, &map->kernel));
  PetscCall(KernelLyapunov(map->kernel, &row[LAMBDA1]));
  PetscCall(KernelCoercivity(map->kernel, &row[LAMBDA_BAR]));
  PetscCall(KernelRate(map->kernel, map->beta, &row[LAMBDA_RATE]));
  PetscCall(KernelRateBound(map->kernel, map->beta, &row[RATE_BOUND]));
  PetscCall(KernelMomentRoot(map->kernel, &row[PSTAR]));
  PetscFunctionReturn(0);
}

/* Every rank computes all of it: a row takes milliseconds. */
static PetscErrorCode Compute(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Map *map = state;
  const PetscInt i = f % Rows(map), l = f / Rows(map);
  const Law law = LawsGet(&map->laws, l);
  MomentLimits limits;

  PetscFunctionBeginUser;
  (void)r;
  if (i == 0 && l % map->laws.biases == 0) PetscCall(SetBoundaries(map, &law));
  if (i == 0) PetscCall(SetLaw(map, &law));
  PetscCall(PetscArraycpy(values, map->row, NUMBERS));
  if (!map->moments) PetscFunctionReturn(0);
  const PetscReal p = map->p[i];
  PetscCall(KernelMomentLimits(law.activation, &limits));
  values[PSTAR] = map->row[PSTAR];
  values[PSTAR_LIMIT] = MomentLimitsRoot(&limits);
  values[MOMENT] = p;
  PetscCall(KernelMomentExponent(map->kernel, p, &values[MOMENT_RATE]));
  values[MOMENT_BOUNDARY] = map->of_moment[i];
  values[MOMENT_LIMIT] = MomentLimitsBoundary(&limits, p);
  PetscFunctionReturn(0);
}

static PetscErrorCode Resume(void *state, PetscInt r, PetscInt f) {
  Map *map = state;
  const Law law = LawsGet(&map->laws, f / Rows(map));

  PetscFunctionBeginUser;
  (void)r;
  PetscCall(SetBoundaries(map, &law));
  PetscCall(SetLaw(map, &law));
  PetscFunctionReturn(0);
}

static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Map *map = state;
  const PetscInt same = map->laws.biases * Rows(map); /* rows of an activation and dimension */

  PetscFunctionBeginUser;
  for (PetscInt f = 0; f < samples->frames->count && samples->realizations; f++) {
    const PetscReal *row = samples->all + (size_t)f * (size_t)samples->columns;
    const Law law = LawsGet(&map->laws, f / Rows(map));
    if (!map->moments && f % same == 0) PetscCall(PrintBoundary(law.name, law.dim, row[BOUNDARY], results));
    if (map->moments && f % (same * map->laws.dims) == 0) PetscCall(PrintLimits(map, law.name, results));
    PetscCall(ResultsLabeledRow(results, law.name, row));
  }
  PetscCall(ResultsPlaceTable(results));
  PetscFunctionReturn(0);
}

const Study StudySyncMap = {
    .name = "sync",
    .options = &SyncTable,
    .summary = "the phase map",
    .form = {.columns = COLUMNS, .rows = 24, .texts = texts},
    .size = sizeof(Map),
    .checkpoints = PETSC_TRUE,
    .quiet = PETSC_TRUE,
    .create = Create,
    .view = View,
    .resume = Resume,
    .frame = Compute,
    .report = Report,
    .destroy = Destroy,
};
