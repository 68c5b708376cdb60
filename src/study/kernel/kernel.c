/* Study kernel: THEORY.md section 2 as a table, one row per activation, dimension, bias and beta. */
#include <chorale/deck.h>
#include <chorale/kernel.h>
#include <chorale/table.h>

#include "study/studies.h"

#define COLUMNS "activation,dim,bias_u,bias_w,beta,k1,kp1,lambda1,lambda_bar,lambda_rate"

enum { LIST_MAX = 256 };

/* The lists of the deck. Without kernel_bias the two standard deviations are the single mlp_bias_u and mlp_bias_w. */
typedef struct {
  PetscInt activations, dims, biases, betas, degree; /* degree -1: no coefficients */
  const char *activation[LIST_MAX];
  char *activation_storage;
  PetscInt64 dim[LIST_MAX];
  PetscReal bias_u[LIST_MAX], bias_w[LIST_MAX], beta[LIST_MAX];
} Lists;

static PetscErrorCode ReadLists(Lists *lists) {
  PetscInt64 degree;
  PetscBool both;

  PetscFunctionBeginUser;
  lists->activations = lists->dims = lists->biases = lists->betas = LIST_MAX;
  PetscCall(DeckGetStringList("mlp_activation", &lists->activations, lists->activation, &lists->activation_storage));
  PetscCall(DeckGetIntList("tokens_dim", &lists->dims, lists->dim));
  PetscCall(DeckGetRealList("attention_beta", &lists->betas, lists->beta));
  PetscCall(DeckHas("kernel_bias", &both));
  if (both) {
    PetscCall(DeckGetRealList("kernel_bias", &lists->biases, lists->bias_u));
    PetscCall(PetscArraycpy(lists->bias_w, lists->bias_u, lists->biases));
  } else {
    lists->biases = 1;
    PetscCall(DeckGetReal("mlp_bias_u", &lists->bias_u[0]));
    PetscCall(DeckGetReal("mlp_bias_w", &lists->bias_w[0]));
  }
  PetscCall(DeckGetInt("kernel_degree", &degree));
  lists->degree = (PetscInt)degree;
  PetscFunctionReturn(0);
}

/* The fixed columns, then c0 .. cn. */
static PetscErrorCode CreateTable(PetscInt degree, Table *table) {
  const size_t room = sizeof(COLUMNS) + 16 * (size_t)(degree + 1);
  char *columns;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(room, &columns));
  PetscCall(PetscStrncpy(columns, COLUMNS, room));
  for (PetscInt n = 0; n <= degree; n++) {
    char name[16];
    PetscCall(PetscSNPrintf(name, sizeof(name), ",c%d", (int)n));
    PetscCall(PetscStrlcat(columns, name, room));
  }
  PetscCall(TableCreate(PETSC_COMM_WORLD, columns, table));
  PetscCall(PetscFree(columns));
  PetscFunctionReturn(0);
}

/* One law of the MLP: a row for every beta. */
static PetscErrorCode AddRows(const Lists *lists, PetscInt a, PetscInt i, PetscInt b, PetscReal c[], Table table) {
  const PetscInt dim = (PetscInt)lists->dim[i];
  const PetscReal bias_u = lists->bias_u[b], bias_w = lists->bias_w[b];
  PetscReal k1, kp1, lambda1, lambda_bar, rate;
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCall(KernelCreate(ActivationFind(lists->activation[a]), dim, bias_u, bias_w, &kernel));
  PetscCall(KernelAtOne(kernel, &k1, &kp1));
  PetscCall(KernelLyapunov(kernel, &lambda1));
  PetscCall(KernelCoercivity(kernel, &lambda_bar));
  if (lists->degree >= 0) PetscCall(KernelCoefficients(kernel, lists->degree, c));
  for (PetscInt j = 0; j < lists->betas; j++) {
    PetscCall(KernelRate(kernel, lists->beta[j], &rate));
    const PetscReal values[] = {bias_u, bias_w, lists->beta[j], k1, kp1, lambda1, lambda_bar, rate};
    PetscCall(TableAddString(table, lists->activation[a]));
    PetscCall(TableAddInt(table, dim));
    for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) PetscCall(TableAddReal(table, values[v]));
    for (PetscInt n = 0; n <= lists->degree; n++) PetscCall(TableAddReal(table, c[n]));
  }
  PetscCall(KernelDestroy(&kernel));
  PetscFunctionReturn(0);
}

/* The full product, activation outermost. Every rank computes all of it: it takes milliseconds. */
static PetscErrorCode FillTable(const Lists *lists, Table table) {
  PetscReal *c;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(lists->degree + 1, &c));
  for (PetscInt a = 0; a < lists->activations; a++)
    for (PetscInt i = 0; i < lists->dims; i++)
      for (PetscInt b = 0; b < lists->biases; b++) PetscCall(AddRows(lists, a, i, b, c, table));
  PetscCall(PetscFree(c));
  PetscFunctionReturn(0);
}

PetscErrorCode StudyKernel(void) {
  Lists *lists;
  Table table;
  PetscBool dry_run;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&lists));
  PetscCall(ReadLists(lists));
  PetscCall(TableCheckOutput(PETSC_COMM_WORLD, COLUMNS));
  PetscCall(DeckGetFlag("dry_run", &dry_run));
  if (dry_run) {
    PetscCall(DeckView());
    const long long laws = (long long)lists->activations * lists->dims * lists->biases, rows = laws * lists->betas;
    PetscCall(PetscPrintf(PETSC_COMM_WORLD,
                          "table      %lld rows of %d numbers; every rank computes all %lld kernels, each in "
                          "milliseconds\n           per rank: %.3g MB memory\n",
                          rows, (int)(10 + lists->degree + 1), laws,
                          1e-6 * (double)TableBytes(rows, 10 + lists->degree + 1)));
  } else {
    PetscCall(CreateTable(lists->degree, &table));
    PetscCall(FillTable(lists, table));
    PetscCall(TableFinish(table, 0));
    PetscCall(TableDestroy(&table));
  }
  PetscCall(PetscFree(lists->activation_storage));
  PetscCall(PetscFree(lists));
  PetscFunctionReturn(0);
}
