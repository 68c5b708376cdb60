/* Attention with any logits: every rank passes over all panels for its own queries, keeping the largest logit seen and
 * the sums relative to it (online softmax), so nothing overflows. Panels come in global order, hence the same bits for
 * any number of ranks. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "attention/impl.h"

/* A logit that keys without weight (padding, too) get, so that they never are the largest. */
#define NEVER (-1e300)

typedef struct {
  double *query, *sum, *out; /* packs of the own blocks; out of one */
  double *maximum;           /* [owned * B] */
  double *bias, *image;      /* of the panel: bias(y) and K y */
} Work;

static PetscErrorCode WorkCreate(Attention a, Work *w) {
  PetscFunctionBeginUser;
  PetscCall(PackAllocate(a->length * a->layout.owned, &w->query));
  PetscCall(PackAllocate(a->length * a->layout.owned, &w->sum));
  PetscCall(PackAllocate(a->length, &w->out));
  PetscCall(PackAllocate((size_t)a->layout.block * a->layout.owned, &w->maximum));
  PetscCall(PackAllocate(a->layout.block, &w->bias));
  PetscCall(PackAllocate(a->length, &w->image));
  PetscFunctionReturn(0);
}

static void WorkDestroy(Work *w) {
  free(w->query);
  free(w->sum);
  free(w->out);
  free(w->maximum);
  free(w->bias);
  free(w->image);
}

/* Queries of own block k and empty sums. */
static void StartBlock(Attention a, const AttentionHead *head, PetscInt k, Work *w) {
  const double *x = PanelsOwn(a->panels, k).x;
  double *query = w->query + k * a->length, *sum = w->sum + k * a->length;

  if (head) TileMultiply(a->shape, 1, head->query, x, query);
  for (size_t i = 0; i < a->length; i++) {
    if (!head) query[i] = a->exponent * x[i];
    sum[i] = 0;
  }
  for (PetscInt t = 0; t < a->layout.block; t++) w->maximum[k * a->layout.block + t] = -DBL_MAX;
}

static void Bias(Attention a, const AttentionHead *head, TilePack panel, Work *w) {
  const PetscInt d = a->layout.dim, n = d + 1;
  const PetscBool distance = (PetscBool)(head && head->key);

  if (distance) TileMultiply(a->shape, 1, head->key, panel.x, w->image);
  for (PetscInt t = 0; t < a->layout.block; t++) {
    const size_t first = (size_t)(t / 8) * n * 8 + t % 8;
    double square = 0;
    for (PetscInt c = 0; distance && c < d; c++) square += w->image[first + c * 8] * w->image[first + c * 8];
    w->bias[t] = panel.x[first + (size_t)d * 8] > 0 ? -square : NEVER;
  }
}

/* drift of own block k += value V S/S0, or value V e^maximum S without normalization. */
static void FinishBlock(Attention a, const AttentionHead *head, PetscInt k, Work *w, double *drift) {
  const PetscInt B = a->layout.block, d = a->layout.dim, n = d + 1;
  double *sum = w->sum + k * a->length, *out = w->out;

  for (PetscInt t = 0; t < B; t++) {
    double *s = sum + (size_t)(t / 8) * n * 8 + t % 8;
    const double factor = a->type->form != FORM_PLAIN ? 1 / s[d * 8] : exp(w->maximum[k * B + t]);
    for (PetscInt c = 0; c < d; c++) s[c * 8] *= factor;
  }
  if (head)
    TileMultiply(a->shape, 1, head->value, sum, out);
  else
    out = sum;
  for (PetscInt t = 0; t < B && (PetscInt64)(a->layout.first + k) * B + t < a->layout.count; t++) {
    for (PetscInt c = 0; c < d; c++) drift[(k * d + c) * B + t] += a->value * out[(size_t)(t / 8 * n + c) * 8 + t % 8];
  }
}

static PetscErrorCode AddHead(Attention a, Tokens tokens, const AttentionHead *head, const double *factors, Work *w,
                              double *drift) {
  const PetscInt B = a->layout.block;
  TilePack panel;

  PetscFunctionBeginUser;
  PetscCall(PanelsStart(a->panels, tokens, factors));
  for (PetscInt k = 0; k < a->layout.owned; k++) StartBlock(a, head, k, w);
  for (PetscInt J = 0; J < a->layout.blocks; J++) {
    PetscCall(PanelsNext(a->panels, &panel));
    if (a->layout.owned) Bias(a, head, panel, w);
    for (PetscInt k = 0; k < a->layout.owned; k++) {
      TileSumOnline(a->shape, w->query + k * a->length, panel, w->bias, w->maximum + k * B, w->sum + k * a->length);
      PetscCall(PanelsProgress(a->panels));
    }
  }
  for (PetscInt k = 0; k < a->layout.owned; k++) FinishBlock(a, head, k, w, drift);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionOnline(Attention a, Tokens tokens, const double *factors, Vec drift) {
  const PetscInt length = a->layout.owned * a->layout.block * a->layout.dim;
  PetscMPIInt finite = 1;
  double *out;
  Work w;

  PetscFunctionBeginUser;
  if (!a->panels) PetscCall(PanelsCreate(&a->layout, &a->panels));
  PetscCall(WorkCreate(a, &w));
  PetscCall(VecSet(drift, 0));
  PetscCall(VecGetArray(drift, &out));
  for (PetscInt h = 0; h < PetscMax(a->heads, 1); h++) {
    PetscCall(AddHead(a, tokens, a->heads ? &a->head[h] : NULL, factors, &w, out));
  }
  for (PetscInt i = 0; i < length; i++) finite = finite && isfinite(out[i]);
  PetscCall(VecRestoreArray(drift, &out));
  WorkDestroy(&w);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &finite, 1, MPI_INT, MPI_MIN, a->layout.comm));
  PetscCheck(finite, a->layout.comm, PETSC_ERR_FP,
             "attention_weights = %s: the field of type %s is not finite; its logits are too large", a->file,
             a->type->name);
  PetscFunctionReturn(0);
}
