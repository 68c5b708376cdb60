#include "attention/panel.h"

#include <stdlib.h>
#include <string.h>

struct _p_Panels {
  TokensLayout layout;
  PetscMPIInt rank, size;
  size_t length;        /* numbers per pack */
  double *x, *wx;       /* packs of the own blocks */
  double *in[2], *wide; /* two panels that travel, and the weighted coordinates of the one in work */
  MPI_Request request;  /* of the panel that travels */
  PetscInt next;        /* panel that PanelsNext returns */
};

PetscErrorCode PackAllocate(size_t n, void *pack) {
  PetscFunctionBeginUser;
  n = (PetscMax(n, 1) * sizeof(double) + 63) / 64 * 64;
  *(void **)pack = aligned_alloc(64, n);
  PetscCheck(*(void **)pack, PETSC_COMM_SELF, PETSC_ERR_MEM, "attention: no memory for %zu bytes", n);
  memset(*(void **)pack, 0, n);
  PetscFunctionReturn(0);
}

PetscErrorCode PanelsCreate(const TokensLayout *layout, Panels *panels) {
  Panels p;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&p));
  p->layout = *layout;
  p->length = (size_t)layout->block * (layout->dim + 1);
  p->request = MPI_REQUEST_NULL;
  PetscCallMPI(MPI_Comm_rank(layout->comm, &p->rank));
  PetscCallMPI(MPI_Comm_size(layout->comm, &p->size));
  PetscCall(PackAllocate(p->length * layout->owned, &p->x));
  PetscCall(PackAllocate(p->length * layout->owned, &p->wx));
  if (PanelsTravel(p)) {
    for (int i = 0; i < 2; i++) PetscCall(PackAllocate(p->length, &p->in[i]));
    PetscCall(PackAllocate(p->length, &p->wide));
  }
  *panels = p;
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
static void Widen(const TokensLayout *layout, const double *x, double *wx) {
  const PetscInt d = layout->dim;

  for (PetscInt t = 0; t < layout->block; t += 8, x += (d + 1) * 8, wx += (d + 1) * 8) {
    const double *w = x + d * 8;
    for (PetscInt c = 0; c < d; c++) {
      for (int l = 0; l < 8; l++) wx[c * 8 + l] = w[l] * x[c * 8 + l];
    }
    for (int l = 0; l < 8; l++) wx[d * 8 + l] = w[l];
  }
}

/* Where panel J can be read: in the owner's own pack, elsewhere where it arrived. */
static double *PanelOf(Panels p, PetscInt J) {
  return PanelsOwner(p, J) == p->rank ? p->x + (J - p->layout.first) * p->length : p->in[J % 2];
}

static PetscErrorCode Send(Panels p, PetscInt J) {
  PetscFunctionBeginUser;
  if (PanelsTravel(p) && J < p->layout.blocks) {
    PetscCallMPI(
        MPI_Ibcast(PanelOf(p, J), (PetscMPIInt)p->length, MPI_DOUBLE, PanelsOwner(p, J), p->layout.comm, &p->request));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode PanelsStart(Panels p, Tokens tokens, const double *factors) {
  const PetscInt d = p->layout.dim, B = p->layout.block;
  const double *from, *weights;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(x, &from));
  for (PetscInt k = 0; k < p->layout.owned; k++) {
    double *to = p->x + k * p->length;
    for (PetscInt t = 0; t < B; t += 8, to += (d + 1) * 8) {
      for (PetscInt c = 0; c < d; c++) memcpy(to + c * 8, from + (k * d + c) * B + t, 8 * sizeof(double));
      for (int l = 0; l < 8; l++) to[d * 8 + l] = weights[k * B + t + l] * (factors ? factors[k * B + t + l] : 1);
    }
    Widen(&p->layout, p->x + k * p->length, p->wx + k * p->length);
  }
  PetscCall(VecRestoreArrayRead(x, &from));
  p->next = 0;
  PetscCall(Send(p, 0));
  PetscFunctionReturn(0);
}

PetscErrorCode PanelsNext(Panels p, TilePack *pack) {
  const PetscInt J = p->next++;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Wait(&p->request, MPI_STATUS_IGNORE));
  PetscCall(Send(p, J + 1));
  if (PanelsOwner(p, J) == p->rank) {
    *pack = PanelsOwn(p, J - p->layout.first);
  } else {
    if (PanelsTravel(p)) Widen(&p->layout, p->in[J % 2], p->wide);
    *pack = (TilePack){p->in[J % 2], p->wide};
  }
  PetscFunctionReturn(0);
}

TilePack PanelsOwn(Panels p, PetscInt k) {
  return (TilePack){p->x + k * p->length, p->wx + k * p->length};
}

PetscErrorCode PanelsProgress(Panels p) {
  int done;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Test(&p->request, &done, MPI_STATUS_IGNORE));
  PetscFunctionReturn(0);
}

PetscMPIInt PanelsOwner(Panels p, PetscInt J) {
  const PetscInt blocks = p->layout.blocks;
  PetscMPIInt rank = (PetscMPIInt)((PetscInt64)J * p->size / blocks);

  while (TokensFirstBlock(blocks, rank + 1, p->size) <= J) rank++;
  while (TokensFirstBlock(blocks, rank, p->size) > J) rank--;
  return rank;
}

PetscBool PanelsTravel(Panels p) {
  return (PetscBool)(p->size > 1 && p->layout.blocks > 1);
}

PetscLogDouble PanelsMemory(Panels p) {
  return (double)sizeof(double) * (double)p->length * (2.0 * p->layout.owned + (PanelsTravel(p) ? 3 : 0));
}
