/* The phase map of THEORY.md section 5: where the theorem's conditions hold, over activation, dimension and bias. Pure
 * theory. */
#include <math.h>

#include "study/laws.h"
#include "study/sync/sync.h"

enum {
  DIM,
  BIAS_U,
  BIAS_W,
  LAMBDA1,
  LAMBDA_BAR,
  LAMBDA_RATE,
  BOUNDARY,
  RATE_BOUND,
  NUMBERS
}; /* columns behind the activation */

/* A frame is a row of the table. */
typedef struct {
  EnsembleLayout layout;
  Laws laws;
  PetscReal beta, boundary; /* boundary: of the activation and dimension in progress */
} Map;

static const QuantityText texts[] = {
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
    {0}};

/* lambda_bar for sigma_U = sigma_W = sigma. */
static PetscErrorCode LambdaBar(const Activation *activation, PetscInt dim, PetscReal sigma, PetscReal *lambda_bar) {
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCall(KernelCreate(activation, dim, sigma, sigma, &kernel));
  PetscCall(KernelCoercivity(kernel, lambda_bar));
  PetscCall(KernelDestroy(&kernel));
  PetscFunctionReturn(0);
}

/* A sigma beyond which lambda_bar < 0, d > 3: with k'(1) <= sup sigma'^2 / d and k(1) >= sigma_W^2 it is at most
 * (d-1)/d sup sigma'^2 - (d-3) sigma^2. */
static PetscReal Beyond(const Activation *activation, PetscInt dim) {
  const PetscReal d = (PetscReal)dim;
  PetscReal most = 0;

  for (int i = -1000; i <= 1000; i++) most = PetscMax(most, fabs(activation->derivative(0.01 * i)));
  return 1.01 * most * sqrt((d - 1) / (d * (d - 3)));
}

/* The largest sigma with lambda_bar = 0: beyond it lambda_bar < 0. NaN when lambda_bar has one sign for all sigma. For
 * every activation of the registry lambda_bar falls as sigma grows, so that there is no other
 * (tests/physics/test_sync.py looks); were one to rise again, a pair of roots closer than a step of the scan could be
 * missed. */
static PetscErrorCode Boundary(const Activation *activation, PetscInt dim, PetscReal *boundary) {
  enum { SCAN = 128, BISECTIONS = 60 };
  PetscReal low, high, value = -1;

  PetscFunctionBeginUser;
  *boundary = NAN;
  if (dim <= 3) PetscFunctionReturn(0); /* (d-1) k'(1) + (3-d) k(1) > 0 */
  high = Beyond(activation, dim);
  low = high;
  const PetscReal step = high / SCAN;
  for (PetscInt i = SCAN - 1; i >= 0 && value < 0; i--) {
    high = low;
    low = step * (PetscReal)i;
    PetscCall(LambdaBar(activation, dim, low, &value));
  }
  if (value < 0) PetscFunctionReturn(0);
  for (int i = 0; i < BISECTIONS; i++) {
    const PetscReal middle = 0.5 * (low + high);
    PetscCall(LambdaBar(activation, dim, middle, &value));
    if (value < 0)
      high = middle;
    else
      low = middle;
  }
  *boundary = 0.5 * (low + high);
  PetscFunctionReturn(0);
}

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

static PetscErrorCode Create(void *state, Run run) {
  Map *map = state;
  AttentionOptions attention;

  PetscFunctionBeginUser;
  PetscCall(AttentionOptionsRead(&attention));
  PetscCall(SyncCheckOneBeta());
  map->beta = attention.energy_beta;
  PetscCall(LawsRead(&map->laws));
  PetscCall(RunCreateEnsemble(run, NULL, 0, &map->layout));
  PetscCall(RunSetFrameList(run, LawsCount(&map->laws), NULL, NULL));
  PetscCall(ResultsDeclare(RunGetResults(run), &(Quantity){.kind = QUANTITY_FRAME, .rank = 1, .shape = {NUMBERS}}));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(((Map *)state)->laws.storage));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Map *map = state;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(map->layout.world, "map        %lld rows\n", (long long)LawsCount(&map->laws)));
  PetscFunctionReturn(0);
}

/* Every rank computes all of it: a row takes milliseconds. */
static PetscErrorCode Compute(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Map *map = state;
  const Law law = LawsGet(&map->laws, f);
  Kernel kernel;

  PetscFunctionBeginUser;
  (void)r;
  if (f % map->laws.biases == 0) PetscCall(Boundary(law.activation, law.dim, &map->boundary));
  values[DIM] = (PetscReal)law.dim;
  values[BIAS_U] = law.bias_u;
  values[BIAS_W] = law.bias_w;
  values[BOUNDARY] = map->boundary;
  PetscCall(KernelCreate(law.activation, law.dim, law.bias_u, law.bias_w, &kernel));
  PetscCall(KernelLyapunov(kernel, &values[LAMBDA1]));
  PetscCall(KernelCoercivity(kernel, &values[LAMBDA_BAR]));
  PetscCall(KernelRate(kernel, map->beta, &values[LAMBDA_RATE]));
  PetscCall(KernelRateBound(kernel, map->beta, &values[RATE_BOUND]));
  PetscCall(KernelDestroy(&kernel));
  PetscFunctionReturn(0);
}

static PetscErrorCode Resume(void *state, PetscInt r, PetscInt l) {
  Map *map = state;
  const Law law = LawsGet(&map->laws, l);

  PetscFunctionBeginUser;
  (void)r;
  PetscCall(Boundary(law.activation, law.dim, &map->boundary));
  PetscFunctionReturn(0);
}

static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Map *map = state;

  PetscFunctionBeginUser;
  for (PetscInt f = 0; f < samples->frames->count && samples->realizations; f++) {
    const PetscReal *row = samples->all + (size_t)f * NUMBERS;
    const Law law = LawsGet(&map->laws, f);
    if (f % map->laws.biases == 0) PetscCall(PrintBoundary(law.name, law.dim, row[BOUNDARY], results));
    PetscCall(ResultsLabeledRow(results, law.name, row));
  }
  PetscCall(ResultsPlaceTable(results));
  PetscFunctionReturn(0);
}

const Study StudySyncMap = {
    .name = "sync",
    .options = &SyncTable,
    .summary = "the phase map",
    .form = {.columns = "activation,dim,bias_u,bias_w,lambda1,lambda_bar,lambda_rate,boundary,lambda_rate_bound",
             .rows = 24,
             .texts = texts},
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
