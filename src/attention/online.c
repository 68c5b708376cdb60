/* Attention with any logits: every rank passes over all panels for its own queries, keeping the largest logit seen and
 * the sums relative to it (online softmax), so nothing overflows. Panels come in global order, hence the same bits for
 * any number of ranks. */
#include <chorale/sum.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "attention/impl.h"
#include "base/traffic.h"

typedef struct {
  PetscInt rows, width;               /* of the head in work: numbers of a token in its logits, and in its sums */
  double *query, *sum, *out;          /* packs of the own blocks; out of one */
  double *maximum;                    /* [owned * B] */
  double *bias, *image, *key, *value; /* of the panel */
  const double *keys, *values;        /* its packs: those two, or its own */
} Work;

/* Room for any of the heads. */
static PetscErrorCode WorkCreate(Attention attention, Work *work) {
  const size_t B = (size_t)attention->layout.block, owned = (size_t)attention->layout.owned;
  PetscInt rows = 1, width = 1, square = 1;

  PetscFunctionBeginUser;
  for (PetscInt h = 0; h < PetscMax(attention->heads, 1); h++) {
    const AttentionHead *head = attention->heads ? &attention->head[h] : NULL;

    rows = PetscMax(rows, AttentionHeadRows(attention, head));
    width = PetscMax(width, AttentionHeadWidth(attention, head));
    if (head) square = PetscMax(square, head->square.rows);
  }
  PetscCall(PackAllocate(owned * B * (size_t)(rows + 1), &work->query));
  PetscCall(PackAllocate(owned * B * (size_t)(PetscMax(width, 1) + 1), &work->sum));
  PetscCall(PackAllocate(attention->length, &work->out));
  PetscCall(PackAllocate(owned * B, &work->maximum));
  PetscCall(PackAllocate(B, &work->bias));
  PetscCall(PackAllocate(B * (size_t)(square + 1), &work->image));
  PetscCall(PackAllocate(B * (size_t)(rows + 1), &work->key));
  PetscCall(PackAllocate(B * (size_t)(width + 1), &work->value));
  PetscFunctionReturn(0);
}

static void WorkDestroy(Work *work) {
  free(work->query);
  free(work->sum);
  free(work->out);
  free(work->maximum);
  free(work->bias);
  free(work->image);
  free(work->key);
  free(work->value);
}

static double *SumOf(Attention attention, PetscInt b, const Work *work) {
  return work->sum + (size_t)(b * attention->layout.block) * (size_t)(work->width + 1);
}

static double *QueryOf(Attention attention, PetscInt b, const Work *work) {
  return work->query + (size_t)(b * attention->layout.block) * (size_t)(work->rows + 1);
}

/* Queries of all own blocks and empty sums. */
static void StartBlocks(Attention attention, const AttentionHead *head, Work *work) {
  const PetscInt B = attention->layout.block;

  work->rows = AttentionHeadRows(attention, head);
  work->width = AttentionHeadWidth(attention, head);
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    const double *x = PanelsOwn(attention->panels, b).x, scale = head ? 1 : attention->exponent;
    double *query = QueryOf(attention, b, work), *sum = SumOf(attention, b, work);

    if (head && head->query.matrix)
      AttentionMapPack(&head->query, B, x, query);
    else
      for (size_t i = 0; i < attention->length; i++) query[i] = scale * x[i];
    for (PetscInt i = 0; i < B * (work->width + 1); i++) sum[i] = 0;
    for (PetscInt t = 0; t < B; t++) work->maximum[b * B + t] = -DBL_MAX;
  }
}

/* The weight of token t of a panel. */
static double WeightOf(Attention attention, TilePack panel, PetscInt t) {
  const PetscInt d = attention->layout.dim;

  return panel.x[((size_t)(t / 8) * (d + 1) + d) * 8 + t % 8];
}

/* bias_j = -|square y_j|^2; the square is that of the key where the head has no other. */
static void Bias(Attention attention, const AttentionHead *head, TilePack panel, Work *work) {
  const PetscBool other = head && head->square.matrix ? PETSC_TRUE : PETSC_FALSE;
  const PetscInt rows = !head || !head->distance ? 0 : other ? head->square.rows : work->rows;
  const PetscInt n = (other ? rows : work->rows) + 1;
  const double *image = other ? work->image : work->keys;

  if (other) AttentionMapPack(&head->square, attention->layout.block, panel.x, work->image);
  for (PetscInt t = 0; t < attention->layout.block; t++) {
    const size_t first = (size_t)(t / 8) * n * 8 + t % 8;
    double square = 0;

    for (PetscInt c = 0; c < rows; c++) square += image[first + c * 8] * image[first + c * 8];
    work->bias[t] = WeightOf(attention, panel, t) > 0 ? -square : TILE_NEVER;
  }
}

/* Keys and biases of a panel. */
static void KeysOf(Attention attention, const AttentionHead *head, TilePack panel, Work *work) {
  work->keys = panel.x;
  if (head && head->key.matrix) {
    AttentionMapPack(&head->key, attention->layout.block, panel.x, work->key);
    work->keys = work->key;
  }
  Bias(attention, head, panel, work);
}

/* What its tokens add to sums. */
static void ValuesOf(Attention attention, const AttentionHead *head, TilePack panel, Work *work) {
  const PetscInt n = work->width + 1;

  work->values = panel.wx;
  if (!head || !head->enter.matrix) return;
  AttentionMapPack(&head->enter, attention->layout.block, panel.wx, work->value);
  for (PetscInt t = 0; t < attention->layout.block; t++)
    work->value[((size_t)(t / 8) * n + n - 1) * 8 + t % 8] = WeightOf(attention, panel, t);
  work->values = work->value;
}

/* drift of own block k += value V S/S0, or value V e^maximum S without normalization. S = S0 = 0 where the mask leaves
 * no token of weight to see. */
static void FinishBlock(Attention attention, const AttentionHead *head, PetscInt b, Work *work, double *drift) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim, n = work->width + 1;
  const double *bias = head ? head->leave.bias : NULL;
  double *sum = SumOf(attention, b, work), *out = work->out;

  for (PetscInt t = 0; t < B; t++) {
    double *s = sum + (size_t)(t / 8) * n * 8 + t % 8, *total = s + (size_t)(n - 1) * 8;
    const double factor = attention->type->form == FORM_PLAIN ? exp(work->maximum[b * B + t])
                          : *total != 0                       ? 1 / *total
                                                              : 0;
    for (PetscInt c = 0; c < n; c++) s[c * 8] *= factor;
  }
  if (head)
    AttentionMapPack(&(AttentionMap){d, n - 1, head->leave.matrix, NULL}, B, sum, out);
  else
    out = sum;
  for (PetscInt t = 0; t < B && (PetscInt64)(attention->layout.first + b) * B + t < attention->layout.count; t++) {
    const double total = sum[((size_t)(t / 8) * n + n - 1) * 8 + t % 8];

    for (PetscInt c = 0; c < d; c++) {
      const double o = out[(size_t)(t / 8 * (d + 1) + c) * 8 + t % 8];
      drift[(b * d + c) * B + t] += attention->value * (bias ? o + total * bias[c] : o);
    }
  }
}

/* The sums of a head over all panels, which have been sent for. */
static PetscErrorCode SumHead(Attention attention, const AttentionHead *head, Work *work) {
  const PetscInt B = attention->layout.block;
  TilePack panel;

  PetscFunctionBeginUser;
  StartBlocks(attention, head, work);
  for (PetscInt J = 0; J < attention->layout.blocks; J++) {
    PetscCall(PanelsNext(attention->panels, &panel));
    if (attention->layout.owned) {
      KeysOf(attention, head, panel, work);
      ValuesOf(attention, head, panel, work);
    }
    for (PetscInt b = 0; b < attention->layout.owned; b++) {
      const PetscInt i = attention->layout.first + b;

      if (attention->causal && i < J) continue;
      TileSumOnline((TileShape){B, work->rows}, QueryOf(attention, b, work), work->keys, work->bias,
                    attention->causal && i == J ? PETSC_TRUE : PETSC_FALSE, work->width, work->values,
                    work->maximum + b * B, SumOf(attention, b, work));
      PetscCall(PanelsProgress(attention->panels));
    }
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode AddHead(Attention attention, Tokens tokens, const AttentionHead *head, const double *factors,
                              Work *work, double *drift) {
  PetscFunctionBeginUser;
  PetscCall(PanelsStart(attention->panels, tokens, factors));
  PetscCall(SumHead(attention, head, work));
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
    PetscCall(AddHead(attention, tokens, attention->heads ? &attention->head[h] : NULL,
                      factors ? factors + h * attention->layout.owned * attention->layout.block : NULL, &work, out));
  }
  for (PetscInt i = 0; i < length; i++) finite = finite && isfinite(out[i]);
  PetscCall(VecRestoreArray(drift, &out));
  WorkDestroy(&work);
  TrafficSum(1);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &finite, 1, MPI_INT, MPI_MIN, attention->layout.comm));
  PetscCheck(finite, attention->layout.comm, PETSC_ERR_FP,
             "attention_weights = %s: the field of type %s is not finite; its logits are too large", attention->file,
             attention->type->name);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionOnlineTotals(Attention attention, Tokens tokens, const AttentionHead *head,
                                     const double *factors, double *totals) {
  const PetscInt length = attention->layout.owned * attention->layout.block;
  Work work;

  PetscFunctionBeginUser;
  if (!attention->panels) PetscCall(PanelsCreate(&attention->layout, &attention->panels));
  PetscCall(WorkCreate(attention, &work));
  PetscCall(PanelsStart(attention->panels, tokens, factors));
  PetscCall(SumHead(attention, head, &work));
  for (PetscInt i = 0; i < length; i++) totals[i] = work.maximum[i] + log(work.sum[i]); /* sums of one number each */
  WorkDestroy(&work);
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
  const PetscInt B = attention->layout.block;
  TilePack panel;

  PetscFunctionBeginUser;
  PetscCall(PanelsStart(attention->panels, tokens, NULL));
  StartBlocks(attention, head, work);
  for (PetscInt J = 0; J < attention->layout.blocks; J++) {
    PetscCall(PanelsNext(attention->panels, &panel));
    if (attention->layout.owned) KeysOf(attention, head, panel, work);
    for (PetscInt t = 0; attention->layout.owned && t < B; t++) {
      const double w = WeightOf(attention, panel, t);
      work->bias[t] += w > 0 ? log(w) : 0;
    }
    for (PetscInt b = 0; b < attention->layout.owned; b++) {
      const PetscInt i = attention->layout.first + b;

      if (attention->causal && i < J) continue;
      TileSumEntropy((TileShape){B, work->rows}, QueryOf(attention, b, work), work->keys, work->bias,
                     attention->causal && i == J ? PETSC_TRUE : PETSC_FALSE, work->maximum + b * B,
                     SumOf(attention, b, work));
      PetscCall(PanelsProgress(attention->panels));
    }
  }
  for (PetscInt b = 0; b < attention->layout.owned; b++) AddFocus(attention, b, SumOf(attention, b, work), sums);
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
