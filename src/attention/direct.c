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
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  if (r->panel[s] < 0) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_rank(a->layout.comm, &rank));
  PetscCallMPI(MPI_Wait(&r->request[s], MPI_STATUS_IGNORE));
  if (PanelsOwner(a->panels, r->panel[s]) == rank) {
    PetscInt64 *own = a->sums.fixed + (r->panel[s] - a->layout.first) * a->length;
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
static PetscErrorCode PanelSums(Attention a, PetscReal exponent, PetscInt j, TilePack panel, PetscInt64 *fixed,
                                Returns *r, double *part[2]) {
  PetscFunctionBeginUser;
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    const PetscInt i = a->layout.first + k;
    const TilePack own = PanelsOwn(a->panels, k);
    int done;

    if (!Mine(i, j)) continue;
    /* The smaller block first, whoever works, so that no rounding can tell. */
    if (i == j)
      TileSumSelf(a->shape, exponent, own, part[0]);
    else if (i < j)
      TileSumPair(a->shape, exponent, own, panel, part[0], part[1]);
    else
      TileSumPair(a->shape, exponent, panel, own, part[1], part[0]);
    TileRound(a->length, part[0], a->sums.fixed + k * a->length);
    if (i != j) TileRound(a->length, part[1], fixed);
    PetscCall(PanelsProgress(a->panels));
    PetscCallMPI(MPI_Test(&r->request[(j + 1) % 2], &done, MPI_STATUS_IGNORE));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionDirectSums(Attention a, Tokens tokens, PetscReal exponent) {
  const PetscBool travel = PanelsTravel(a->panels);
  const PetscInt first = a->layout.first, end = first + a->layout.owned;
  double *part[2];
  TilePack panel;
  Returns r;

  PetscFunctionBeginUser;
  memset(a->sums.fixed, 0, a->length * a->layout.owned * sizeof(PetscInt64));
  for (int i = 0; i < 2; i++) PetscCall(PackAllocate(a->length, &part[i]));
  PetscCall(ReturnsCreate(a, &r));
  PetscCall(PanelsStart(a->panels, tokens));
  for (PetscInt j = 0; j < a->layout.blocks; j++) {
    const PetscBool own = (PetscBool)(first <= j && j < end);

    PetscCall(PanelsNext(a->panels, &panel));
    if (travel) PetscCall(ReturnsFinish(a, &r, j % 2));
    PetscCall(
        PanelSums(a, exponent, j, panel, own ? a->sums.fixed + (j - first) * a->length : r.fixed[j % 2], &r, part));
    if (travel) PetscCall(ReturnsStart(a, &r, j));
  }
  for (int s = 0; s < 2; s++) {
    PetscCall(ReturnsFinish(a, &r, s));
    free(r.fixed[s]);
    free(part[s]);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionDirectEnergy(Attention a, Tokens tokens, PetscReal exponent, PetscInt64 *total) {
  const PetscReal scale = SumScale(1.0);
  TilePack panel;

  PetscFunctionBeginUser;
  *total = 0;
  PetscCall(PanelsStart(a->panels, tokens));
  for (PetscInt j = 0; j < a->layout.blocks; j++) {
    PetscCall(PanelsNext(a->panels, &panel));
    for (PetscInt k = 0; k < a->layout.owned; k++) {
      const PetscInt i = a->layout.first + k;
      const TilePack own = PanelsOwn(a->panels, k);

      if (!Mine(i, j)) continue;
      if (i == j)
        *total += SumRound(TileEnergy(a->shape, exponent, own, own), scale);
      else if (i < j)
        *total += SumRound(2 * TileEnergy(a->shape, exponent, own, panel), scale);
      else
        *total += SumRound(2 * TileEnergy(a->shape, exponent, panel, own), scale);
      PetscCall(PanelsProgress(a->panels));
    }
  }
  PetscCall(SumAllreduce(a->layout.comm, 1, total));
  PetscFunctionReturn(0);
}
