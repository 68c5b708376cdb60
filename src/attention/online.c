/* Attention with any logits: every rank passes over all panels for its own queries, keeping the largest logit seen and
 * the sums relative to it (online softmax), so nothing overflows. Panels come in global order, hence the same bits for
 * any number of ranks. */
#include <chorale/sum.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "attention/impl.h"

typedef struct {
  double *query, *sum, *out; /* packs of the own blocks; out of one */
  double *maximum;           /* [owned * B] */
  double *bias, *image;      /* of the panel: bias(y) and K y */
} Work;

static PetscErrorCode WorkCreate(Attention attention, Work *work) {
  PetscFunctionBeginUser;
  PetscCall(PackAllocate(attention->length * attention->layout.owned, &work->query));
  PetscCall(PackAllocate(attention->length * attention->layout.owned, &work->sum));
  PetscCall(PackAllocate(attention->length, &work->out));
  PetscCall(PackAllocate((size_t)attention->layout.block * attention->layout.owned, &work->maximum));
  PetscCall(PackAllocate(attention->layout.block, &work->bias));
  PetscCall(PackAllocate(attention->length, &work->image));
  PetscFunctionReturn(0);
}

static void WorkDestroy(Work *work) {
  free(work->query);
  free(work->sum);
  free(work->out);
  free(work->maximum);
  free(work->bias);
  free(work->image);
}

/* Queries of own block k and empty sums. */
static void StartBlock(Attention attention, const AttentionHead *head, PetscInt b, Work *work) {
  const double *x = PanelsOwn(attention->panels, b).x;
  double *query = work->query + b * attention->length, *sum = work->sum + b * attention->length;

  if (head) TileMultiply(attention->shape, 1, head->query, x, query);
  for (size_t i = 0; i < attention->length; i++) {
    if (!head) query[i] = attention->exponent * x[i];
    sum[i] = 0;
  }
  for (PetscInt t = 0; t < attention->layout.block; t++) work->maximum[b * attention->layout.block + t] = -DBL_MAX;
}

static void Bias(Attention attention, const AttentionHead *head, TilePack panel, Work *work) {
  const PetscInt d = attention->layout.dim, n = d + 1;
  const PetscBool distance = head && head->key ? PETSC_TRUE : PETSC_FALSE;

  if (distance) TileMultiply(attention->shape, 1, head->key, panel.x, work->image);
  for (PetscInt t = 0; t < attention->layout.block; t++) {
    const size_t first = (size_t)(t / 8) * n * 8 + t % 8;
    double square = 0;
    for (PetscInt c = 0; distance && c < d; c++) square += work->image[first + c * 8] * work->image[first + c * 8];
    work->bias[t] = panel.x[first + (size_t)d * 8] > 0 ? -square : TILE_NEVER;
  }
}

/* drift of own block k += value V S/S0, or value V e^maximum S without normalization. S = S0 = 0 where the mask leaves
 * no token of weight to see. */
static void FinishBlock(Attention attention, const AttentionHead *head, PetscInt b, Work *work, double *drift) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim, n = d + 1;
  double *sum = work->sum + b * attention->length, *out = work->out;

  for (PetscInt t = 0; t < B; t++) {
    double *s = sum + (size_t)(t / 8) * n * 8 + t % 8;
    const double factor = attention->type->form == FORM_PLAIN ? exp(work->maximum[b * B + t])
                          : s[d * 8] != 0                     ? 1 / s[d * 8]
                                                              : 0;
    for (PetscInt c = 0; c < d; c++) s[c * 8] *= factor;
  }
  if (head)
    TileMultiply(attention->shape, 1, head->value, sum, out);
  else
    out = sum;
  for (PetscInt t = 0; t < B && (PetscInt64)(attention->layout.first + b) * B + t < attention->layout.count; t++) {
    for (PetscInt c = 0; c < d; c++)
      drift[(b * d + c) * B + t] += attention->value * out[(size_t)(t / 8 * n + c) * 8 + t % 8];
  }
}

static PetscErrorCode AddHead(Attention attention, Tokens tokens, const AttentionHead *head, const double *factors,
                              Work *work, double *drift) {
  const PetscInt B = attention->layout.block;
  TilePack panel;

  PetscFunctionBeginUser;
  PetscCall(PanelsStart(attention->panels, tokens, factors));
  for (PetscInt b = 0; b < attention->layout.owned; b++) StartBlock(attention, head, b, work);
  for (PetscInt J = 0; J < attention->layout.blocks; J++) {
    PetscCall(PanelsNext(attention->panels, &panel));
    if (attention->layout.owned) Bias(attention, head, panel, work);
    for (PetscInt b = 0; b < attention->layout.owned; b++) {
      const PetscInt i = attention->layout.first + b;

      if (attention->causal && i < J) continue;
      TileSumOnline(attention->shape, work->query + b * attention->length, panel, work->bias,
                    attention->causal && i == J ? PETSC_TRUE : PETSC_FALSE, work->maximum + b * B,
                    work->sum + b * attention->length);
      PetscCall(PanelsProgress(attention->panels));
    }
  }
  for (PetscInt b = 0; b < attention->layout.owned; b++) FinishBlock(attention, head, b, work, drift);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionOnline(Attention attention, Tokens tokens, const double *factors, Vec drift) {
  const PetscInt length = attention->layout.owned * attention->layout.block * attention->layout.dim;
  PetscMPIInt finite = 1;
  double *out;
  Work work;

  PetscFunctionBeginUser;
  if (!attention->panels) PetscCall(PanelsCreate(&attention->layout, &attention->panels));
  PetscCall(WorkCreate(attention, &work));
  PetscCall(VecSet(drift, 0));
  PetscCall(VecGetArray(drift, &out));
  for (PetscInt h = 0; h < PetscMax(attention->heads, 1); h++) {
    PetscCall(AddHead(attention, tokens, attention->heads ? &attention->head[h] : NULL, factors, &work, out));
  }
  for (PetscInt i = 0; i < length; i++) finite = finite && isfinite(out[i]);
  PetscCall(VecRestoreArray(drift, &out));
  WorkDestroy(&work);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &finite, 1, MPI_INT, MPI_MIN, attention->layout.comm));
  PetscCheck(finite, attention->layout.comm, PETSC_ERR_FP,
             "attention_weights = %s: the field of type %s is not finite; its logits are too large", attention->file,
             attention->type->name);
  PetscFunctionReturn(0);
}

/* ---- how spread out the weights are ---- */

/* Adds to sums[3] what own block b has: entropies over log(N) + 1, largest weights and 1 for each token that sees
 * weight, all over N. With weights p = e^{l - m}/S of sum 1 the largest is 1/S, and the entropy is log S - T/S. */
static void AddFocus(Attention attention, PetscInt b, const double *sum, PetscInt64 sums[3]) {
  const PetscInt B = attention->layout.block;
  const PetscReal N = (PetscReal)attention->layout.count, scale = SumScale(1.0) / N;

  for (PetscInt t = 0; t < TokensFilled(&attention->layout, b); t++) {
    const double S = sum[t], T = sum[B + t];

    if ((PetscInt64)(attention->layout.first + b) * B + t < attention->blind) continue;
    sums[0] += SumRound(PetscMax(log(S) - T / S, 0) / (log(N) + 1), scale);
    sums[1] += SumRound(1 / S, scale);
    sums[2] += SumRound(1, scale);
  }
}

/* The same of one head. Weights of tokens are a part of their logits. */
static PetscErrorCode AddFocusOfHead(Attention attention, Tokens tokens, const AttentionHead *head, Work *work,
                                     PetscInt64 sums[3]) {
  const PetscInt B = attention->layout.block, n = attention->layout.dim + 1;
  TilePack panel;

  PetscFunctionBeginUser;
  PetscCall(PanelsStart(attention->panels, tokens, NULL));
  for (PetscInt b = 0; b < attention->layout.owned; b++) StartBlock(attention, head, b, work);
  for (PetscInt J = 0; J < attention->layout.blocks; J++) {
    PetscCall(PanelsNext(attention->panels, &panel));
    if (attention->layout.owned) Bias(attention, head, panel, work);
    for (PetscInt t = 0; attention->layout.owned && t < B; t++) {
      const double w = panel.x[((size_t)(t / 8) * n + n - 1) * 8 + t % 8];
      work->bias[t] += w > 0 ? log(w) : 0;
    }
    for (PetscInt b = 0; b < attention->layout.owned; b++) {
      const PetscInt i = attention->layout.first + b;

      if (attention->causal && i < J) continue;
      TileSumEntropy(attention->shape, work->query + b * attention->length, panel, work->bias,
                     attention->causal && i == J ? PETSC_TRUE : PETSC_FALSE, work->maximum + b * B,
                     work->sum + b * attention->length);
      PetscCall(PanelsProgress(attention->panels));
    }
  }
  for (PetscInt b = 0; b < attention->layout.owned; b++)
    AddFocus(attention, b, work->sum + b * attention->length, sums);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionOnlineFocus(Attention attention, Tokens tokens, AttentionFocus *focus) {
  const PetscInt heads = PetscMax(attention->heads, 1);
  PetscInt64 total[3] = {0};
  PetscReal mean[3] = {0}; /* over the heads */
  Work work;

  PetscFunctionBeginUser;
  if (!attention->panels) PetscCall(PanelsCreate(&attention->layout, &attention->panels));
  PetscCall(AttentionFindBlind(attention, tokens));
  PetscCall(WorkCreate(attention, &work));
  for (PetscInt h = 0; h < heads; h++) {
    PetscCall(PetscArrayzero(total, 3));
    PetscCall(AddFocusOfHead(attention, tokens, attention->heads ? &attention->head[h] : NULL, &work, total));
    PetscCall(SumAllreduce(attention->layout.comm, 3, total));
    for (int i = 0; i < 3; i++) mean[i] += (PetscReal)total[i] / SumScale(1.0) / (PetscReal)heads;
  }
  WorkDestroy(&work);
  focus->entropy = mean[0] / mean[2] * (log((PetscReal)attention->layout.count) + 1);
  focus->largest = mean[1] / mean[2];
  PetscFunctionReturn(0);
}
