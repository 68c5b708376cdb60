#include "attention/panel.h"

#include "base/plan.h"
#include "base/traffic.h"

#include <stdlib.h>
#include <string.h>

struct _p_Panels {
  TokensLayout layout;
  PetscMPIInt rank, size;
  PetscBool alone;      /* the other ranks are planned: its own panels take the place of theirs */
  size_t length;        /* numbers per pack */
  double *x, *wx;       /* packs of the own blocks */
  double *in[2], *wide; /* two groups that travel, and the weighted coordinates of the panel in work */
  MPI_Request request;  /* of the group that travels */
  PetscInt next;        /* panel that PanelsNext returns */
  int slot;             /* of `in`: the group in work */
};

PetscErrorCode PackAllocate(size_t n, void *pack) {
  PetscFunctionBeginUser;
  n = (PetscMax(n, 1) * sizeof(double) + 63) / 64 * 64;
  *(void **)pack = aligned_alloc(64, n);
  PetscCheck(*(void **)pack, PETSC_COMM_SELF, PETSC_ERR_MEM, "attention: no memory for %zu bytes", n);
  memset(*(void **)pack, 0, n);
  PetscFunctionReturn(0);
}

PetscErrorCode PanelsCreate(const TokensLayout *layout, Panels *handle) {
  Panels panels;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&panels));
  panels->layout = *layout;
  panels->length = (size_t)layout->block * (layout->dim + 1);
  panels->request = MPI_REQUEST_NULL;
  PetscCall(PlanRank(layout->comm, &panels->rank));
  PetscCall(PlanSize(layout->comm, &panels->size));
  PetscCall(PlanIsPart(layout->comm, &panels->alone));
  PetscCall(PackAllocate(panels->length * layout->owned, &panels->x));
  PetscCall(PackAllocate(panels->length * layout->owned, &panels->wx));
  if (PanelsTravel(panels)) {
    for (int i = 0; i < 2; i++) PetscCall(PackAllocate(PANELS_TOGETHER * panels->length, &panels->in[i]));
    PetscCall(PackAllocate(panels->length, &panels->wide));
  }
  *handle = panels;
  PetscFunctionReturn(0);
}

PetscErrorCode PanelsDestroy(Panels *panels) {
  PetscFunctionBeginUser;
  if (!*panels) PetscFunctionReturn(0);
  free((*panels)->x);
  free((*panels)->wx);
  free((*panels)->in[0]);
  free((*panels)->in[1]);
  free((*panels)->wide);
  PetscCall(PetscFree(*panels));
  PetscFunctionReturn(0);
}

/* wx from x; the last component of both is the weight. */
static void Widen(PetscInt d, PetscInt block, const double *x, double *wx) {
  for (PetscInt t = 0; t < block; t += PACK_GROUP, x += (d + 1) * PACK_GROUP, wx += (d + 1) * PACK_GROUP) {
    const double *w = x + d * PACK_GROUP;
    for (PetscInt c = 0; c < d; c++) {
      for (int l = 0; l < PACK_GROUP; l++) wx[c * PACK_GROUP + l] = w[l] * x[c * PACK_GROUP + l];
    }
    for (int l = 0; l < PACK_GROUP; l++) wx[d * PACK_GROUP + l] = w[l];
  }
}

void PackPositions(PetscInt d, PetscInt block, const double *x, double *pack) {
  for (PetscInt t = 0; t < block; t += PACK_GROUP, pack += (d + 1) * PACK_GROUP)
    for (PetscInt c = 0; c < d; c++) memcpy(pack + c * PACK_GROUP, x + c * block + t, PACK_GROUP * sizeof(double));
}

void PackBlock(PetscInt d, PetscInt block, const double *x, const double *w, const double *factors, double *pack,
               double *wide) {
  double *to = pack;

  PackPositions(d, block, x, pack);
  for (PetscInt t = 0; t < block; t += PACK_GROUP, to += (d + 1) * PACK_GROUP)
    for (int l = 0; l < PACK_GROUP; l++) to[d * PACK_GROUP + l] = w[t + l] * (factors ? factors[t + l] : 1);
  Widen(d, block, pack, wide);
}

/* The group that begins with panel J, from the owner's own packs, elsewhere to where none is in work. */
static PetscErrorCode Send(Panels panels, PetscInt J) {
  PetscFunctionBeginUser;
  if (PanelsTravel(panels) && J < panels->layout.blocks) {
    const PanelsGroup group = PanelsGroupOf(panels, J);
    double *const place = group.owner == panels->rank ? panels->x + (J - panels->layout.first) * panels->length
                                                      : panels->in[!panels->slot];
    TrafficWay(group.count * (PetscInt64)panels->length);
    if (panels->alone) PetscFunctionReturn(0);
    PetscCallMPI(MPI_Ibcast(place, (PetscMPIInt)((size_t)group.count * panels->length), MPI_DOUBLE, group.owner,
                            panels->layout.comm, &panels->request));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode PanelsStart(Panels panels, Tokens tokens, const double *factors) {
  const PetscInt d = panels->layout.dim, B = panels->layout.block;
  const double *from, *weights;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(x, &from));
  for (PetscInt b = 0; b < panels->layout.owned; b++)
    PackBlock(d, B, from + b * d * B, weights + b * B, factors ? factors + b * B : NULL, panels->x + b * panels->length,
              panels->wx + b * panels->length);
  PetscCall(VecRestoreArrayRead(x, &from));
  panels->next = 0;
  panels->slot = 0;
  PetscCall(Send(panels, 0));
  PetscFunctionReturn(0);
}

PetscErrorCode PanelsNext(Panels panels, TilePack *pack) {
  const PetscInt J = panels->next++;
  const PanelsGroup group = PanelsGroupOf(panels, J);

  PetscFunctionBeginUser;
  if (J == group.first) {
    PetscCallMPI(MPI_Wait(&panels->request, MPI_STATUS_IGNORE));
    panels->slot = !panels->slot;
    PetscCall(Send(panels, J + group.count));
  }
  if (group.owner == panels->rank) {
    *pack = PanelsOwn(panels, J - panels->layout.first);
  } else if (panels->alone) {
    *pack = PanelsOwn(panels, J % panels->layout.owned);
  } else {
    double *const x = panels->in[panels->slot] + (J - group.first) * panels->length;
    if (PanelsTravel(panels)) Widen(panels->layout.dim, panels->layout.block, x, panels->wide);
    *pack = (TilePack){x, panels->wide};
  }
  PetscFunctionReturn(0);
}

TilePack PanelsOwn(Panels panels, PetscInt b) {
  return (TilePack){panels->x + b * panels->length, panels->wx + b * panels->length};
}

PetscErrorCode PanelsProgress(Panels panels) {
  int done;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Test(&panels->request, &done, MPI_STATUS_IGNORE));
  PetscFunctionReturn(0);
}

static PetscMPIInt Owner(Panels panels, PetscInt J) {
  const PetscInt blocks = panels->layout.blocks;
  PetscMPIInt rank = (PetscMPIInt)((PetscInt64)J * panels->size / blocks);

  while (TokensFirstBlock(blocks, rank + 1, panels->size) <= J) rank++;
  while (TokensFirstBlock(blocks, rank, panels->size) > J) rank--;
  return rank;
}

PanelsGroup PanelsGroupOf(Panels panels, PetscInt J) {
  const PetscMPIInt owner = Owner(panels, J);
  const PetscInt begin = TokensFirstBlock(panels->layout.blocks, owner, panels->size),
                 end = TokensFirstBlock(panels->layout.blocks, owner + 1, panels->size),
                 first = J - (J - begin) % PANELS_TOGETHER;

  return (PanelsGroup){owner, first, PetscMin(PANELS_TOGETHER, end - first)};
}

PetscBool PanelsTravel(Panels panels) {
  return panels->size > 1 && panels->layout.blocks > 1 ? PETSC_TRUE : PETSC_FALSE;
}

PetscInt PanelsMost(Panels panels) {
  return (panels->layout.blocks + panels->size - 1) / panels->size;
}

PetscLogDouble PanelsMemory(Panels panels) {
  return (double)sizeof(double) * (double)panels->length *
         (2.0 * PanelsMost(panels) + (PanelsTravel(panels) ? 2 * PANELS_TOGETHER + 1 : 0));
}
