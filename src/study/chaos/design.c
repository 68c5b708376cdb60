/* What study chaos is asked to do: lists, references, restarts. */
#include <chorale/deck.h>

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/chaos/chaos.h"

#define BLOCK   256  /* nodes come in whole blocks */
#define NODES   4096 /* at least so many on the circle */
#define HEIGHTS 48   /* at least so many Gauss nodes in z on the sphere: 2 HEIGHTS^2 nodes */
#define ROUGH                                                                                                          \
  1e-3 /* W2^2 between the nodes and the measure they stand for, in units of that of N tokens on the circle */

static PetscErrorCode ReadCounts(ChaosDesign *d) {
  PetscFunctionBeginUser;
  d->counts = CHAOS_COUNTS;
  PetscCall(DeckGetIntList("tokens_count", &d->counts, d->count));
  PetscCheck(d->counts >= 1, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "tokens_count is empty: study chaos needs a list");
  for (PetscInt i = 1; i < d->counts; i++)
    PetscCheck(d->count[i - 1] < d->count[i], PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "tokens_count = %" PetscInt64_FMT ",%" PetscInt64_FMT
               ": the values of a list must ascend, none twice, for study chaos",
               d->count[i - 1], d->count[i]);
  PetscFunctionReturn(0);
}

/* What moments and fields of degree n see of the limit is exact for M > n nodes on the circle and for more than n/2
 * heights on the sphere, up to the spectrally small tail that the flow of smooth fields makes. W2^2 sees the nodes
 * themselves: (2 pi/M)^2/12 on the circle, where N tokens have (2 pi)^2/(12 N), and about 2/M on the sphere (half
 * the cell's area over pi). So the circle takes as many nodes as make the first ROUGH times the second. The sphere does
 * not follow N, since its transport costs some hundred M^2 exponentials: W2^2 of many tokens there is for twins. */
static PetscInt64 ChooseNodes(PetscInt dim, PetscInt64 most, PetscReal kappa) {
  PetscInt64 nodes = NODES, n = HEIGHTS;

  if (dim == 2) {
    while ((PetscReal)nodes * (PetscReal)nodes * ROUGH < (PetscReal)most || (PetscReal)nodes < 64 * sqrt(kappa))
      nodes *= 2;
    return nodes;
  }
  while ((PetscReal)n < 16 * sqrt(kappa)) n += 16;
  return 2 * n * n;
}

static PetscErrorCode ReadNodes(ChaosDesign *d) {
  char init[PETSC_MAX_PATH_LEN];
  PetscInt64 asked;
  PetscReal kappa;

  PetscFunctionBeginUser;
  PetscCheck(d->dim <= 3, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "chaos_reference = quadrature: needs tokens_dim 2 or 3, not %" PetscInt_FMT "; take twin or a number",
             d->dim);
  PetscCall(DeckGetInt("chaos_nodes", &asked));
  PetscCall(DeckGetReal("tokens_kappa", &kappa));
  PetscCall(DeckGetString("tokens_init", init));
  d->size = asked > 0 ? asked : ChooseNodes(d->dim, d->count[d->counts - 1], strcmp(init, "vmf") ? 0 : kappa);
  const PetscInt64 n = (PetscInt64)llround(sqrt((double)d->size / 2));
  PetscCheck(d->size % BLOCK == 0 && (d->dim == 2 || 2 * n * n == d->size), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "chaos_nodes = %" PetscInt64_FMT ": must be a multiple of 256%s", d->size,
             d->dim == 2 ? "" : " of the form 2 n^2, that is 512 k^2, for tokens_dim 3");
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadReference(ChaosDesign *d) {
  const PetscInt64 most = d->count[d->counts - 1];
  char text[PETSC_MAX_PATH_LEN];
  char *end;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("chaos_reference", text));
  d->reference = !strcmp(text, "twin") ? CHAOS_TWIN : !strcmp(text, "quadrature") ? CHAOS_QUADRATURE : CHAOS_NESTED;
  d->size = 0;
  if (d->reference == CHAOS_QUADRATURE) PetscCall(ReadNodes(d));
  if (d->reference == CHAOS_NESTED) {
    d->size = strtoll(text, &end, 10);
    PetscCheck(end != text && !*end && d->size > most, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "tokens_count = %" PetscInt64_FMT ": must be below chaos_reference = %s", most, text);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadRestarts(ChaosDesign *d) {
  PetscInt64 restarts, realizations;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("chaos_restarts", &restarts));
  PetscCall(DeckGetInt("ensemble_realizations", &realizations));
  PetscCheck(realizations <= INT_MAX / (restarts + 2), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "chaos_restarts = %" PetscInt64_FMT ": with %" PetscInt64_FMT
             " realizations there are more starts than can be numbered (%d)",
             restarts, realizations, INT_MAX);
  PetscCheck(restarts == 0 || d->count[0] >= 2, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT ": must be at least 2 with chaos_restarts, a pair of tokens",
             d->count[0]);
  d->restarts = (PetscInt)restarts;
  d->walks = d->restarts + 1;
  PetscCheck(d->depth <= INT_MAX / d->walks, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "chaos_restarts = %" PetscInt64_FMT ": with layers_depth = %" PetscInt_FMT
             " these are more steps than can be counted (%d)",
             restarts, d->depth, INT_MAX);
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosDesignRead(ChaosDesign *d) {
  char init[PETSC_MAX_PATH_LEN];
  PetscInt64 value;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("tokens_init", init));
  PetscCheck(!strcmp(init, "uniform") || !strcmp(init, "vmf"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "tokens_init = %s: study chaos needs independent tokens, uniform or vmf", init);
  PetscCall(DeckGetInt("tokens_dim", &value));
  d->dim = (PetscInt)value;
  PetscCall(DeckGetInt("layers_depth", &value));
  d->depth = (PetscInt)value;
  PetscCall(DeckGetReal("layers_horizon", &d->horizon));
  PetscCall(DeckGetReal("attention_beta", &d->beta));
  PetscCall(ReadCounts(d));
  PetscCall(ReadReference(d));
  PetscCall(ReadRestarts(d));
  PetscFunctionReturn(0);
}

PetscInt64 ChaosTotal(const ChaosDesign *d) {
  PetscInt64 total = 0;

  for (PetscInt i = 0; i < d->counts; i++) total += d->count[i];
  return total;
}

PetscInt64 ChaosLargest(const ChaosDesign *d) {
  const PetscInt64 most = d->count[d->counts - 1];

  return d->reference == CHAOS_TWIN ? most : d->reference == CHAOS_NESTED ? d->size : d->size + most;
}

PetscBool ChaosHasTransport(const ChaosDesign *d, PetscInt i) {
  const PetscInt64 other = d->reference == CHAOS_TWIN ? d->count[i] : d->size;

  return d->dim == 2 || (d->count[i] <= CHAOS_TRANSPORT && other <= CHAOS_TRANSPORT) ? PETSC_TRUE : PETSC_FALSE;
}

/* Where W2^2 comes from nodes that have a distance to the limit of their own, and where it is left out. */
static PetscErrorCode ViewTransport(const ChaosDesign *d, MPI_Comm comm) {
  PetscFunctionBeginUser;
  if (d->reference == CHAOS_QUADRATURE) {
    const PetscReal M = (PetscReal)d->size, own = d->dim == 2 ? PetscSqr(2 * PETSC_PI / M) / 12 : 2 / M;

    PetscCall(
        PetscPrintf(comm, "           W2^2 of the nodes themselves to a uniform limit: about %.2g\n", (double)own));
  }
  if (!ChaosHasTransport(d, d->counts - 1))
    PetscCall(PetscPrintf(comm, "           W2^2 is left out where a measure of more than %d tokens takes part\n",
                          CHAOS_TRANSPORT));
  PetscFunctionReturn(0);
}

PetscErrorCode ChaosDesignView(const ChaosDesign *d, MPI_Comm comm) {
  const PetscInt64 most = d->count[d->counts - 1], total = ChaosTotal(d);
  const PetscInt64 compared = d->reference == CHAOS_TWIN ? total : ChaosLargest(d);
  const PetscReal steps =
      (PetscReal)d->depth * ((PetscReal)(total + compared) + (PetscReal)d->restarts * (PetscReal)total);
  PetscReal bytes = (PetscReal)(total + compared) * 2 * (d->dim + 1) * sizeof(double);

  PetscFunctionBeginUser;
  if (d->reference != CHAOS_TWIN) bytes += (PetscReal)total * (d->dim + 1) * sizeof(double);
  PetscCall(PetscPrintf(comm,
                        "chaos      %" PetscInt_FMT " systems of N = %" PetscInt64_FMT " .. %" PetscInt64_FMT
                        " tokens along one noise path, %" PetscInt_FMT " frames\n",
                        d->counts, d->count[0], most, d->frames));
  if (d->reference == CHAOS_TWIN)
    PetscCall(PetscPrintf(comm, "           compared with twins: second starts of N tokens\n"));
  else if (d->reference == CHAOS_NESTED)
    PetscCall(PetscPrintf(
        comm, "           compared with one system of %" PetscInt64_FMT " tokens, N are its first N\n", d->size));
  else
    PetscCall(PetscPrintf(comm,
                          "           compared with the limit: %" PetscInt64_FMT
                          " quadrature nodes, and %" PetscInt64_FMT " independent copies moved by them\n",
                          d->size, most));
  PetscCall(ViewTransport(d, comm));
  if (d->restarts)
    PetscCall(
        PetscPrintf(comm, "           %" PetscInt_FMT " fresh starts of every N along the same noise\n", d->restarts));
  PetscCall(PetscPrintf(comm,
                        "           per realization: %.3g token steps, and %" PetscInt_FMT
                        " distances of each kind; about %.3g MB for all tokens and their fields\n",
                        (double)steps, d->frames * d->counts, (double)bytes / 1e6));
  PetscFunctionReturn(0);
}
