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
#include "base/plan.h"
#include "base/traffic.h"

/* Does the owner of i work on the pair {i,j} when j is the panel? Of a pair i < j the owner of i does if i + j is even,
 * else that of j. */
static PetscBool Mine(PetscInt i, PetscInt j) {
  return i == j || (i < j) == ((i + j) % 2 == 0) ? PETSC_TRUE : PETSC_FALSE;
}

/* Sums that go back to the owner of a group of panels: two groups in flight. */
typedef struct {
  PetscInt64 *fixed[2];
  MPI_Request request[2];
  PanelsGroup group[2]; /* of which the request is, of no panel for none */
} Returns;

static PetscErrorCode ReturnsCreate(Attention attention, Returns *returns) {
  PetscFunctionBeginUser;
  for (int s = 0; s < 2; s++) {
    returns->fixed[s] = NULL;
    if (PanelsTravel(attention->panels))
      PetscCall(PackAllocate(PANELS_TOGETHER * attention->length, &returns->fixed[s]));
    returns->request[s] = MPI_REQUEST_NULL;
    returns->group[s].count = 0;
  }
  PetscFunctionReturn(0);
}

/* Completes the request of slot s, on the owner adds what arrived, and clears the slot. */
static PetscErrorCode ReturnsFinish(Attention attention, Returns *returns, int s) {
  const PanelsGroup group = returns->group[s];
  const size_t length = (size_t)group.count * attention->length;
  PetscInt64 *fixed = attention->data;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  if (!group.count) PetscFunctionReturn(0);
  PetscCall(PlanRank(attention->layout.comm, &rank));
  PetscCallMPI(MPI_Wait(&returns->request[s], MPI_STATUS_IGNORE));
  if (group.owner == rank) {
    PetscInt64 *own = fixed + (group.first - attention->layout.first) * attention->length;
    for (size_t i = 0; i < length; i++) own[i] += returns->fixed[s][i];
  }
  memset(returns->fixed[s], 0, length * sizeof(PetscInt64));
  returns->group[s].count = 0;
  PetscFunctionReturn(0);
}

static PetscErrorCode ReturnsStart(Attention attention, Returns *returns, int s, PanelsGroup group) {
  PetscMPIInt rank;
  PetscBool part;

  PetscFunctionBeginUser;
  PetscCall(PlanIsPart(attention->layout.comm, &part));
  TrafficWay(group.count * (PetscInt64)attention->length);
  returns->group[s] = group;
  if (part) PetscFunctionReturn(0);
  PetscCall(PlanRank(attention->layout.comm, &rank));
  PetscCallMPI(MPI_Ireduce(rank == group.owner ? MPI_IN_PLACE : (void *)returns->fixed[s], returns->fixed[s],
                           (PetscMPIInt)((size_t)group.count * attention->length), MPIU_INT64, MPI_SUM, group.owner,
                           attention->layout.comm, &returns->request[s]));
  PetscFunctionReturn(0);
}

/* The sums of two blocks, that of smaller index first, whichever rank does the work: rounding is then the same. Under
 * the mask the later one alone sees the other. */
static void SumPair(Attention attention, TilePack first, TilePack last, double *sum_first, double *sum_last) {
  if (attention->causal)
    TileSumPair(attention->shape, attention->exponent, last, first, sum_last, NULL);
  else
    TileSumPair(attention->shape, attention->exponent, first, last, sum_first, sum_last);
}

/* All own tiles of panel j; fixed are the sums of j. part[2] is zero on entry and on return; *flying proceeds. */
static PetscErrorCode PanelSums(Attention attention, PetscInt j, TilePack panel, PetscInt64 *fixed, MPI_Request *flying,
                                double *part[2]) {
  PetscInt64 *own_fixed = attention->data;

  PetscFunctionBeginUser;
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    const PetscInt i = attention->layout.first + b;
    const TilePack own = PanelsOwn(attention->panels, b);
    int done;

    if (!Mine(i, j)) continue;
    if (i == j)
      TileSumSelf(attention->shape, attention->exponent, own, attention->causal, part[0]);
    else if (i < j)
      SumPair(attention, own, panel, part[0], part[1]);
    else
      SumPair(attention, panel, own, part[1], part[0]);
    if (!attention->causal || i >= j) TileRound(attention->length, part[0], own_fixed + b * attention->length);
    if (i != j && (!attention->causal || i < j)) TileRound(attention->length, part[1], fixed);
    PetscCall(PanelsProgress(attention->panels));
    PetscCallMPI(MPI_Test(flying, &done, MPI_STATUS_IGNORE));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Sum(Attention attention, Tokens tokens, const double *factors, PetscBool scalar) {
  const PetscBool travel = PanelsTravel(attention->panels);
  const PetscInt first = attention->layout.first, end = first + attention->layout.owned;
  PetscInt64 *fixed = attention->data;
  double *part[2];
  TilePack panel;
  Returns returns;
  int slot = 0; /* of the group of panel j */

  PetscFunctionBeginUser;
  (void)scalar; /* S0 alone would save little: most of the work is the kernel */
  memset(fixed, 0, attention->length * attention->layout.owned * sizeof(PetscInt64));
  for (int i = 0; i < 2; i++) PetscCall(PackAllocate(attention->length, &part[i]));
  PetscCall(ReturnsCreate(attention, &returns));
  PetscCall(PanelsStart(attention->panels, tokens, factors));
  for (PetscInt j = 0; j < attention->layout.blocks; j++) {
    const PanelsGroup group = PanelsGroupOf(attention->panels, j);
    const PetscBool own = first <= j && j < end ? PETSC_TRUE : PETSC_FALSE;
    PetscInt64 *const sums =
        own ? fixed + (j - first) * attention->length : returns.fixed[slot] + (j - group.first) * attention->length;

    PetscCall(PanelsNext(attention->panels, &panel));
    if (travel && j == group.first) PetscCall(ReturnsFinish(attention, &returns, slot));
    PetscCall(PanelSums(attention, j, panel, sums, &returns.request[!slot], part));
    if (j + 1 < group.first + group.count) continue;
    if (travel) PetscCall(ReturnsStart(attention, &returns, slot, group));
    slot = !slot;
  }
  for (int s = 0; s < 2; s++) {
    PetscCall(ReturnsFinish(attention, &returns, s));
    free(returns.fixed[s]);
    free(part[s]);
  }
  PetscFunctionReturn(0);
}

/* 2^61 sum_ij w_i w_j e^{beta (<x_i,x_j> - 1)}. */
static PetscErrorCode TotalOfPairs(Attention attention, Tokens tokens, PetscInt64 *total) {
  const PetscReal scale = SumScale(1.0);
  TilePack panel;

  PetscFunctionBeginUser;
  *total = 0;
  PetscCall(PanelsStart(attention->panels, tokens, NULL));
  for (PetscInt j = 0; j < attention->layout.blocks; j++) {
    PetscCall(PanelsNext(attention->panels, &panel));
    for (PetscInt b = 0; b < attention->layout.owned; b++) {
      const PetscInt i = attention->layout.first + b;
      const TilePack own = PanelsOwn(attention->panels, b);

      if (!Mine(i, j)) continue;
      if (i == j)
        *total += SumRound(TileEnergy(attention->shape, attention->beta, own, own), scale);
      else if (i < j)
        *total += SumRound(2 * TileEnergy(attention->shape, attention->beta, own, panel), scale);
      else
        *total += SumRound(2 * TileEnergy(attention->shape, attention->beta, panel, own), scale);
      PetscCall(PanelsProgress(attention->panels));
    }
  }
  PetscCall(SumAllreduce(attention->layout.comm, 1, total));
  PetscFunctionReturn(0);
}

/* The same from the sums in hand, 2^61 sum_i w_i S0_i. */
static PetscErrorCode TotalOfSums(Attention attention, Tokens tokens, PetscInt64 *total) {
  const PetscInt B = attention->layout.block, n = attention->layout.dim + 1;
  const PetscInt64 *fixed = attention->data;
  const double *weights;

  PetscFunctionBeginUser;
  PetscCall(TokensGetWeights(tokens, &weights));
  *total = 0;
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    double part = 0;
    for (PetscInt t = 0; t < B; t++) {
      const size_t i = ((size_t)(t / 8) * n + n - 1) * 8 + t % 8;
      part += weights[b * B + t] * (double)fixed[b * attention->length + i];
    }
    *total += SumRound(part, 1.0);
  }
  PetscCall(SumAllreduce(attention->layout.comm, 1, total));
  PetscFunctionReturn(0);
}

static PetscErrorCode Energy(Attention attention, Tokens tokens, PetscBool current, PetscReal *gap) {
  const PetscReal scale = SumScale(1.0);
  PetscInt64 total;

  PetscFunctionBeginUser;
  if (current)
    PetscCall(TotalOfSums(attention, tokens, &total));
  else
    PetscCall(TotalOfPairs(attention, tokens, &total));
  *gap = (double)((PetscInt64)scale - total) / scale; /* weights add up to 1; the difference is exact in fixed point */
  PetscFunctionReturn(0);
}

static PetscErrorCode Get(Attention attention, PetscInt b, const double *x, PetscBool scalar, double *s) {
  const PetscInt B = attention->layout.block, n = attention->layout.dim + 1;
  const PetscInt64 *fixed = (const PetscInt64 *)attention->data + b * attention->length;
  const PetscReal unit = 1 / SumScale(1.0);

  PetscFunctionBeginUser;
  (void)x;
  for (PetscInt c = scalar ? n - 1 : 0; c < n; c++, s += B) {
    for (PetscInt t = 0; t < B; t++) s[t] = unit * (double)fixed[((size_t)(t / 8) * n + c) * 8 + t % 8];
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Attention attention) {
  PetscFunctionBeginUser;
  if (!attention->panels) PetscCall(PanelsCreate(&attention->layout, &attention->panels));
  PetscCall(PackAllocate(attention->length * attention->layout.owned, &attention->data));
  attention->small = ATTENTION_SMALL;
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Attention attention) {
  PetscFunctionBeginUser;
  free(attention->data);
  PetscFunctionReturn(0);
}

/* Default weights: panels are sent out, and their sums come back. Heads: panels are sent out, once per head. */
static void Cost(Attention attention, double *travel, double *memory) {
  const double length = (double)attention->length * sizeof(double),
               passes = attention->heads ? (double)attention->heads : 2;

  const PetscBool travels = PanelsTravel(attention->panels);

  *travel = travels ? passes * length * attention->layout.blocks : 0;
  *memory = PanelsMemory(attention->panels) + length * (PanelsMost(attention->panels) * (attention->heads ? 3.0 : 1.0) +
                                                        2 + (travels ? 2 * PANELS_TOGETHER : 0));
}

const AttentionEngine AttentionDirect = {"direct", PETSC_FALSE, Create, Destroy, Sum, Get, NULL, Energy, Cost};
