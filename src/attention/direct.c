/* The direct engine: kernel sums over all pairs of tokens, each unordered pair of blocks once.
 *
 * Every rank sees the panels in global order and does those of its tiles {own block i, panel j} that the checkerboard
 * gives to the owner of i, which halves the work between any two ranks and within any panel. A tile adds to the sums of
 * i and of j, so contributions come in an order that depends on the ranks: each is rounded to fixed point and added as
 * an integer (chorale/sum.h; the kernel is in (0,1] and weights add up to 1, so all sums are at most 1). Sums of j
 * travel back to its owner while later panels are worked on. */
#include <chorale/sum.h>

#include <stdlib.h>
#include <string.h>

#include "attention/impl.h"

/* Sums are exact to 2^-62 per tile, so a token whose S0 is smaller than this would lose digits. Every token sees
 * itself, so S0 >= w_i: only tokens of (nearly) no weight that are far from all others are so small. */
#define SMALL_SUM 0x1p-24

/* Does the owner of i work on the pair {i,j} when j is the panel? Of a pair i < j the owner of i does if i + j is even,
 * else that of j. */
static PetscBool Mine(PetscInt i, PetscInt j) {
  return (PetscBool)(i == j || (i < j) == ((i + j) % 2 == 0));
}

/* Sums that go back to the panel's owner: two in flight. */
typedef struct {
  PetscInt64 *fixed[2];
  MPI_Request request[2];
  PetscInt panel[2]; /* of which the request is, -1 for none */
} Returns;

static PetscErrorCode ReturnsCreate(Attention a, Returns *r) {
  PetscFunctionBeginUser;
  for (int s = 0; s < 2; s++) {
    r->fixed[s] = NULL;
    if (PanelsTravel(a->panels)) PetscCall(PackAllocate(a->length, &r->fixed[s]));
    r->request[s] = MPI_REQUEST_NULL;
    r->panel[s] = -1;
  }
  PetscFunctionReturn(0);
}

/* Completes the request of slot s, on the owner adds what arrived, and clears the slot. */
static PetscErrorCode ReturnsFinish(Attention a, Returns *r, int s) {
  PetscInt64 *fixed = a->data;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  if (r->panel[s] < 0) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_rank(a->layout.comm, &rank));
  PetscCallMPI(MPI_Wait(&r->request[s], MPI_STATUS_IGNORE));
  if (PanelsOwner(a->panels, r->panel[s]) == rank) {
    PetscInt64 *own = fixed + (r->panel[s] - a->layout.first) * a->length;
    for (size_t i = 0; i < a->length; i++) own[i] += r->fixed[s][i];
  }
  memset(r->fixed[s], 0, a->length * sizeof(PetscInt64));
  r->panel[s] = -1;
  PetscFunctionReturn(0);
}

static PetscErrorCode ReturnsStart(Attention a, Returns *r, PetscInt j) {
  const PetscMPIInt owner = PanelsOwner(a->panels, j);
  const int s = j % 2;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(a->layout.comm, &rank));
  PetscCallMPI(MPI_Ireduce(rank == owner ? MPI_IN_PLACE : (void *)r->fixed[s], r->fixed[s], (PetscMPIInt)a->length,
                           MPIU_INT64, MPI_SUM, owner, a->layout.comm, &r->request[s]));
  r->panel[s] = j;
  PetscFunctionReturn(0);
}

/* All own tiles of panel j; fixed are the sums of j. part[2] is zero on entry and on return. */
static PetscErrorCode PanelSums(Attention a, PetscInt j, TilePack panel, PetscInt64 *fixed, Returns *r,
                                double *part[2]) {
  PetscInt64 *own_fixed = a->data;

  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    const PetscInt i = a->layout.first + k;
    const TilePack own = PanelsOwn(a->panels, k);
    int done;

    if (!Mine(i, j)) continue;
    /* The block of smaller index first, whichever rank does the work: rounding is then the same. */
    if (i == j)
      TileSumSelf(a->shape, a->exponent, own, part[0]);
    else if (i < j)
      TileSumPair(a->shape, a->exponent, own, panel, part[0], part[1]);
    else
      TileSumPair(a->shape, a->exponent, panel, own, part[1], part[0]);
    TileRound(a->length, part[0], own_fixed + k * a->length);
    if (i != j) TileRound(a->length, part[1], fixed);
    PetscCall(PanelsProgress(a->panels));
    PetscCallMPI(MPI_Test(&r->request[(j + 1) % 2], &done, MPI_STATUS_IGNORE));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Sum(Attention a, Tokens tokens, const double *factors, PetscBool scalar) {
  const PetscBool travel = PanelsTravel(a->panels);
  const PetscInt first = a->layout.first, end = first + a->layout.owned;
  PetscInt64 *fixed = a->data;
  double *part[2];
  TilePack panel;
  Returns r;

  PetscFunctionBeginUser;
  (void)scalar; /* S0 alone would save little: most of the work is the kernel */
  memset(fixed, 0, a->length * a->layout.owned * sizeof(PetscInt64));
  for (int i = 0; i < 2; i++) PetscCall(PackAllocate(a->length, &part[i]));
  PetscCall(ReturnsCreate(a, &r));
  PetscCall(PanelsStart(a->panels, tokens, factors));
  for (PetscInt j = 0; j < a->layout.blocks; j++) {
    const PetscBool own = (PetscBool)(first <= j && j < end);

    PetscCall(PanelsNext(a->panels, &panel));
    if (travel) PetscCall(ReturnsFinish(a, &r, j % 2));
    PetscCall(PanelSums(a, j, panel, own ? fixed + (j - first) * a->length : r.fixed[j % 2], &r, part));
    if (travel) PetscCall(ReturnsStart(a, &r, j));
  }
  for (int s = 0; s < 2; s++) {
    PetscCall(ReturnsFinish(a, &r, s));
    free(r.fixed[s]);
    free(part[s]);
  }
  PetscFunctionReturn(0);
}

/* 2^61 sum_ij w_i w_j e^{beta (<x_i,x_j> - 1)}. */
static PetscErrorCode TotalOfPairs(Attention a, Tokens tokens, PetscInt64 *total) {
  const PetscReal scale = SumScale(1.0);
  TilePack panel;

  PetscFunctionBeginUser;
  *total = 0;
  PetscCall(PanelsStart(a->panels, tokens, NULL));
  for (PetscInt j = 0; j < a->layout.blocks; j++) {
    PetscCall(PanelsNext(a->panels, &panel));
    for (PetscInt k = 0; k < a->layout.owned; k++) {
      const PetscInt i = a->layout.first + k;
      const TilePack own = PanelsOwn(a->panels, k);

      if (!Mine(i, j)) continue;
      if (i == j)
        *total += SumRound(TileEnergy(a->shape, a->beta, own, own), scale);
      else if (i < j)
        *total += SumRound(2 * TileEnergy(a->shape, a->beta, own, panel), scale);
      else
        *total += SumRound(2 * TileEnergy(a->shape, a->beta, panel, own), scale);
      PetscCall(PanelsProgress(a->panels));
    }
  }
  PetscCall(SumAllreduce(a->layout.comm, 1, total));
  PetscFunctionReturn(0);
}

/* The same from the sums in hand, 2^61 sum_i w_i S0_i. */
static PetscErrorCode TotalOfSums(Attention a, Tokens tokens, PetscInt64 *total) {
  const PetscInt B = a->layout.block, n = a->layout.dim + 1;
  const PetscInt64 *fixed = a->data;
  const double *weights;

  PetscFunctionBeginUser;
  PetscCall(TokensGetWeights(tokens, &weights));
  *total = 0;
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    double part = 0;
    for (PetscInt t = 0; t < B; t++) {
      const size_t i = ((size_t)(t / 8) * n + n - 1) * 8 + t % 8;
      part += weights[k * B + t] * (double)fixed[k * a->length + i];
    }
    *total += SumRound(part, 1.0);
  }
  PetscCall(SumAllreduce(a->layout.comm, 1, total));
  PetscFunctionReturn(0);
}

static PetscErrorCode Energy(Attention a, Tokens tokens, PetscBool current, PetscReal *gap) {
  const PetscReal scale = SumScale(1.0);
  PetscInt64 total;

  PetscFunctionBeginUser;
  if (current)
    PetscCall(TotalOfSums(a, tokens, &total));
  else
    PetscCall(TotalOfPairs(a, tokens, &total));
  *gap = (double)((PetscInt64)scale - total) / scale; /* weights add up to 1; the difference is exact in fixed point */
  PetscFunctionReturn(0);
}

static PetscErrorCode Get(Attention a, PetscInt k, const double *x, PetscBool scalar, double *s) {
  const PetscInt B = a->layout.block, n = a->layout.dim + 1;
  const PetscInt64 *fixed = (const PetscInt64 *)a->data + k * a->length;
  const PetscReal unit = 1 / SumScale(1.0);

  PetscFunctionBeginUser;
  (void)x;
  for (PetscInt c = scalar ? n - 1 : 0; c < n; c++, s += B) {
    for (PetscInt t = 0; t < B; t++) s[t] = unit * (double)fixed[((size_t)(t / 8) * n + c) * 8 + t % 8];
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Attention a) {
  PetscFunctionBeginUser;
  PetscCall(AttentionPanels(a));
  PetscCall(PackAllocate(a->length * a->layout.owned, &a->data));
  a->small = SMALL_SUM;
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Attention a) {
  PetscFunctionBeginUser;
  free(a->data);
  PetscFunctionReturn(0);
}

/* Default weights: panels are sent out, and their sums come back. Heads: panels are sent out, once per head. */
static void Cost(Attention a, double *travel, double *memory) {
  const double length = (double)a->length * sizeof(double), passes = a->heads ? (double)a->heads : 2;

  *travel = PanelsTravel(a->panels) ? passes * length * a->layout.blocks : 0;
  *memory = PanelsMemory(a->panels) + length * (a->layout.owned * (a->heads ? 3.0 : 1.0) + 4);
}

const AttentionEngine AttentionDirect = {"direct", PETSC_FALSE, Create, Destroy, Sum, Get, NULL, Energy, Cost};
