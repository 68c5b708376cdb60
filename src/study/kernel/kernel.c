/* Study kernel: THEORY.md section 2 as a table, one row per activation, dimension, bias and beta. */
#include <limits.h>

#include "study/kernel/added.h"
#include "study/studies.h"

#define COLUMNS "activation,dim,bias_u,bias_w,beta,k1,kp1,lambda1,lambda_bar,lambda_rate"
#define LAST    ",lambda_rate_bound"
enum {
  DIM,
  BIAS_U,
  BIAS_W,
  BETA,
  K1,
  KP1,
  LAMBDA1,
  LAMBDA_BAR,
  LAMBDA_RATE,
  NUMBERS
}; /* then c0 .. c[degree], LAST, added */

/* A frame is a row of the table. */
typedef struct {
  EnsembleLayout layout;
  Laws laws;
  Added added;
  PetscInt betas, degree; /* degree -1: no coefficients */
  PetscReal beta[LAWS_LIST];
  PetscInt width, last; /* numbers of a row; where LAST stands */
  PetscReal *row;       /* of the law in progress */
} Theory;

/* The fixed columns, then c0 .. cn, then what later versions added. */
static PetscErrorCode NameColumns(Results results, const Added *added, PetscInt degree) {
  const size_t room = sizeof(COLUMNS) + sizeof(LAST) + ADDED_NAME * (size_t)(degree + 1 + AddedCount(added));
  char *columns;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(room, &columns));
  PetscCall(PetscStrncpy(columns, COLUMNS, room));
  for (PetscInt n = 0; n <= degree; n++) {
    char name[16];
    PetscCall(PetscSNPrintf(name, sizeof(name), ",c%d", (int)n));
    PetscCall(PetscStrlcat(columns, name, room));
  }
  PetscCall(PetscStrlcat(columns, LAST, room));
  PetscCall(AddedNames(added, room, columns));
  PetscCall(ResultsSetColumns(results, columns));
  PetscCall(PetscFree(columns));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(void *state, Run run) {
  Theory *theory = state;
  KernelOptions options;

  PetscFunctionBeginUser;
  theory->betas = LAWS_LIST;
  PetscCall(LawsRead(&theory->laws));
  PetscCall(DeckGetRealList("attention_beta", &theory->betas, theory->beta));
  PetscCall(DeckRead(KernelKeys, &options));
  theory->degree = (PetscInt)options.degree;
  PetscCall(AddedRead(&theory->laws, &theory->added));
  theory->last = NUMBERS + theory->degree + 1;
  theory->width = theory->last + 1 + AddedCount(&theory->added);
  const PetscInt64 rows = (PetscInt64)LawsCount(&theory->laws) * theory->betas;
  PetscCheck(rows <= INT_MAX / theory->width, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "attention_beta: with the other lists there are %" PetscInt64_FMT " rows, more than a table can have",
             rows);
  PetscCall(PetscCalloc1(theory->width, &theory->row));
  PetscCall(RunCreateEnsemble(run, NULL, 0, &theory->layout));
  PetscCall(RunSetFrameList(run, (PetscInt)rows, NULL, NULL));
  PetscCall(
      ResultsDeclare(RunGetResults(run), &(Quantity){.kind = QUANTITY_FRAME, .rank = 1, .shape = {theory->width}}));
  PetscCall(NameColumns(RunGetResults(run), &theory->added, theory->degree));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(void *state) {
  Theory *theory = state;

  PetscFunctionBeginUser;
  PetscCall(PetscFree(theory->row));
  PetscCall(PetscFree(theory->laws.storage));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(void *state) {
  Theory *theory = state;
  const long long laws = LawsCount(&theory->laws), rows = laws * theory->betas;
  const int numbers = (int)theory->width;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(theory->layout.world,
                        "table      %lld rows of %d numbers; every rank computes all %lld kernels, each in "
                        "milliseconds\n           per rank: %.3g MB memory\n",
                        rows, numbers + 1, laws, 1e-6 * 4 * sizeof(PetscReal) * (double)rows * numbers));
  PetscFunctionReturn(0);
}

/* One law of the MLP: a row for every beta. */
static PetscErrorCode Compute(void *state, PetscInt r, PetscInt f, PetscReal values[]) {
  Theory *theory = state;
  const Law law = LawsGet(&theory->laws, f / theory->betas);
  PetscReal *row = theory->row;
  Kernel kernel;

  PetscFunctionBeginUser;
  (void)r;
  PetscCall(KernelCreate(law.activation, law.dim, law.bias_u, law.bias_w, &kernel));
  if (f % theory->betas == 0) {
    row[DIM] = (PetscReal)law.dim;
    row[BIAS_U] = law.bias_u;
    row[BIAS_W] = law.bias_w;
    PetscCall(KernelAtOne(kernel, &row[K1], &row[KP1]));
    PetscCall(KernelLyapunov(kernel, &row[LAMBDA1]));
    PetscCall(KernelCoercivity(kernel, &row[LAMBDA_BAR]));
    if (theory->degree >= 0) PetscCall(KernelCoefficients(kernel, theory->degree, row + NUMBERS));
  }
  row[BETA] = theory->beta[f % theory->betas];
  PetscCall(KernelRate(kernel, row[BETA], &row[LAMBDA_RATE]));
  PetscCall(KernelRateBound(kernel, row[BETA], &row[theory->last]));
  PetscCall(AddedCompute(&theory->added, kernel, law.dim, row[BETA], row + theory->last + 1));
  PetscCall(KernelDestroy(&kernel));
  PetscCall(PetscArraycpy(values, row, theory->width));
  PetscFunctionReturn(0);
}

static PetscErrorCode Report(void *state, const Samples *samples, Results results) {
  Theory *theory = state;

  PetscFunctionBeginUser;
  for (PetscInt f = 0; f < samples->frames->count; f++)
    PetscCall(ResultsLabeledRow(results, LawsGet(&theory->laws, f / theory->betas).name,
                                samples->all + (size_t)f * samples->columns));
  PetscFunctionReturn(0);
}

const Study StudyKernel = {
    .name = "kernel",
    .options = &KernelTable,
    .summary = "the theory: covariance kernel, Lyapunov exponent and rates of an activation",
    .form = {.integers = 1, .only_table = PETSC_TRUE},
    .size = sizeof(Theory),
    .quiet = PETSC_TRUE,
    .create = Create,
    .view = View,
    .frame = Compute,
    .report = Report,
    .destroy = Destroy,
};
