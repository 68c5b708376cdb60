/* The phase map of THEORY.md section 5: where the theorem's conditions hold, over activation, dimension and bias. Pure
 * theory. */
#include <chorale/checkpoint.h>
#include <chorale/deck.h>
#include <chorale/kernel.h>
#include <math.h>

#include "study/sync/sync.h"

#define COLUMNS "activation,dim,bias_u,bias_w,lambda1,lambda_bar,lambda_rate,boundary"
#define ROWS    24 /* that are printed */

enum { LIST_MAX = 256 };

/* Without kernel_bias the two standard deviations are the single mlp_bias_u and mlp_bias_w. */
typedef struct {
  PetscInt activations, dims, biases;
  const char *activation[LIST_MAX];
  char *activation_storage;
  PetscInt64 dim[LIST_MAX];
  PetscReal bias_u[LIST_MAX], bias_w[LIST_MAX], beta;
} Lists;

static PetscErrorCode ReadLists(Lists *lists) {
  PetscBool both;

  PetscFunctionBeginUser;
  lists->activations = lists->dims = lists->biases = LIST_MAX;
  PetscCall(DeckGetStringList("mlp_activation", &lists->activations, lists->activation, &lists->activation_storage));
  PetscCall(DeckGetIntList("tokens_dim", &lists->dims, lists->dim));
  PetscCall(DeckGetReal("attention_beta", &lists->beta));
  PetscCall(DeckHas("kernel_bias", &both));
  if (both) {
    PetscCall(DeckGetRealList("kernel_bias", &lists->biases, lists->bias_u));
    PetscCall(PetscArraycpy(lists->bias_w, lists->bias_u, lists->biases));
  } else {
    lists->biases = 1;
    PetscCall(DeckGetReal("mlp_bias_u", &lists->bias_u[0]));
    PetscCall(DeckGetReal("mlp_bias_w", &lists->bias_w[0]));
  }
  PetscFunctionReturn(0);
}

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

/* The largest sigma with lambda_bar = 0: beyond it lambda_bar < 0. NaN when lambda_bar has one sign for all sigma;
 * *sign is that beyond. For every activation of the registry lambda_bar falls as sigma grows, so that there is no other
 * (tests/test_sync.py looks); were one to rise again, a pair of roots closer than a step of the scan could be missed.
 */
static PetscErrorCode Boundary(const Activation *activation, PetscInt dim, PetscReal *boundary, int *sign) {
  enum { SCAN = 128, BISECTIONS = 60 };
  PetscReal low, high, value = -1;

  PetscFunctionBeginUser;
  *boundary = NAN;
  *sign = dim <= 3 ? 1 : -1; /* (d-1) k'(1) + (3-d) k(1) > 0 */
  if (dim <= 3) PetscFunctionReturn(0);
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

static PetscErrorCode PrintBoundary(const char *activation, PetscInt dim, PetscReal boundary, int sign) {
  PetscFunctionBeginUser;
  if (isnan(boundary))
    PetscCall(PetscPrintf(PETSC_COMM_WORLD,
                          "boundary   %s, d = %" PetscInt_FMT ": none, lambda_bar %s 0 for every sigma\n", activation,
                          dim, sign > 0 ? ">" : "<"));
  else
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "boundary   %s, d = %" PetscInt_FMT ": lambda_bar < 0 for sigma > %.9g\n",
                          activation, dim, (double)boundary));
  PetscFunctionReturn(0);
}

/* All biases of one activation and dimension. */
static PetscErrorCode AddRows(const Lists *lists, PetscInt a, PetscInt i, PetscReal boundary, Findings findings) {
  const PetscInt dim = (PetscInt)lists->dim[i];
  PetscReal lambda1, lambda_bar, rate;
  Kernel kernel;

  PetscFunctionBeginUser;
  for (PetscInt b = 0; b < lists->biases; b++) {
    PetscCall(KernelCreate(ActivationFind(lists->activation[a]), dim, lists->bias_u[b], lists->bias_w[b], &kernel));
    PetscCall(KernelLyapunov(kernel, &lambda1));
    PetscCall(KernelCoercivity(kernel, &lambda_bar));
    PetscCall(KernelRate(kernel, lists->beta, &rate));
    PetscCall(KernelDestroy(&kernel));
    const PetscReal row[] = {(PetscReal)dim, lists->bias_u[b], lists->bias_w[b], lambda1, lambda_bar, rate, boundary};
    PetscCall(FindingsLabeledRow(findings, lists->activation[a], row));
  }
  PetscFunctionReturn(0);
}

/* Every rank computes all of it: a row takes milliseconds. */
static PetscErrorCode Fill(const Lists *lists, Findings findings) {
  PetscReal boundary;
  int sign;

  PetscFunctionBeginUser;
  for (PetscInt a = 0; a < lists->activations; a++)
    for (PetscInt i = 0; i < lists->dims; i++) {
      PetscCall(Boundary(ActivationFind(lists->activation[a]), (PetscInt)lists->dim[i], &boundary, &sign));
      PetscCall(PrintBoundary(lists->activation[a], (PetscInt)lists->dim[i], boundary, sign));
      PetscCall(AddRows(lists, a, i, boundary, findings));
    }
  PetscFunctionReturn(0);
}

/* There is nothing to checkpoint, but a job that resumes may replace only what is its own, and need not begin again. */
static PetscErrorCode IsComplete(PetscBool *complete) {
  Checkpoint checkpoint;
  EnsembleOptions options;
  Ensemble ensemble;

  PetscFunctionBeginUser;
  PetscCall(EnsembleOptionsRead(&options));
  PetscCall(EnsembleCreate(&options, 1, &ensemble));
  PetscCall(CheckpointCreate("sync", ensemble, 1, &checkpoint));
  PetscCall(CheckpointIsComplete(checkpoint, complete));
  PetscCall(CheckpointDestroy(&checkpoint));
  PetscCall(EnsembleDestroy(&ensemble));
  PetscFunctionReturn(0);
}

PetscErrorCode SyncMap(void) {
  Lists *lists;
  Findings findings;
  PetscBool dry_run, complete;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&lists));
  PetscCall(ReadLists(lists));
  PetscCall(FindingsCreate(PETSC_COMM_WORLD, "sync", COLUMNS, &findings));
  PetscCall(IsComplete(&complete));
  PetscCall(DeckGetFlag("dry_run", &dry_run));
  if (dry_run) {
    PetscCall(DeckView());
    PetscCall(FindingsView(findings));
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "map        %lld rows\n",
                          (long long)lists->activations * lists->dims * lists->biases));
  } else if (!complete) {
    PetscCall(Fill(lists, findings));
    PetscCall(FindingsFinish(findings, ROWS));
  }
  PetscCall(FindingsDestroy(&findings));
  PetscCall(PetscFree(lists->activation_storage));
  PetscCall(PetscFree(lists));
  PetscFunctionReturn(0);
}
