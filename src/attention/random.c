/* Random heads: fresh Q, K, and V on request, for every step, NEIGHBOURS.md (12.12). Drawn by key on every rank alike.
 */
#include <math.h>

#include <chorale/rng.h>

#include "attention/impl.h"

/* Normals of one head: Q and K, [head_dim][d] each, and V[d][d]; drawn, as their places in the stream, whether V is
 * random or not. */
static size_t HeadNormals(Attention attention) {
  const size_t d = (size_t)attention->layout.dim, e = (size_t)attention->random.dim;

  return 2 * e * d + d * d;
}

PetscErrorCode AttentionHeadsRandom(Attention attention, const AttentionOptions *options) {
  const PetscInt d = attention->layout.dim;

  PetscFunctionBeginUser;
  PetscCheck(options->head_dim != 0 && options->head_dim <= d, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_head_dim = %" PetscInt64_FMT ": must be -1 or from 1 to tokens_dim, %" PetscInt_FMT,
             options->head_dim, d);
  attention->random.dim = options->head_dim > 0 ? (PetscInt)options->head_dim : d;
  attention->random.value = options->random_value;
  attention->random.seed = options->seed;
  PetscCall(AttentionWeightsCreate(attention, 1));
  attention->layer[0].heads = (PetscInt)options->heads;
  PetscCall(PetscMalloc1(HeadNormals(attention), &attention->random.normals));
  PetscCall(PetscCalloc1(attention->layer[0].heads, &attention->layer[0].head));
  PetscCall(AttentionUseLayer(attention, 0));
  for (PetscInt h = 0; h < attention->heads; h++) {
    AttentionHead *head = &attention->head[h];

    *head = (AttentionHead){.query = {d, d, NULL, NULL}, .leave = {d, d, NULL, NULL}};
    head->distance = attention->type->distance;
    PetscCall(PetscCalloc1(d * d, &head->query.matrix));
    PetscCall(PetscCalloc1(d * d, &head->leave.matrix));
    head->square = (AttentionMap){.rows = attention->random.dim, .columns = d};
    if (head->distance) PetscCall(PetscCalloc1(attention->random.dim * d, &head->square.matrix));
    for (PetscInt c = 0; c < d; c++) head->leave.matrix[c * d + c] = 1;
  }
  PetscFunctionReturn(0);
}

/* Entries of Q and K have the variance beta/sqrt(head_dim), those of V 1/d. */
static void SetHead(Attention attention, AttentionHead *head) {
  const PetscInt d = attention->layout.dim, rows = attention->random.dim;
  double *query = attention->random.normals, *key = query + rows * d, *value = key + rows * d;
  const double size = sqrt(attention->beta / sqrt((double)rows)), share = 1 / sqrt((double)d);

  for (PetscInt i = 0; i < 2 * rows * d; i++) query[i] *= size;
  for (PetscInt i = 0; i < d * d; i++) head->query.matrix[i] = 0;
  AttentionTransposeMultiply(rows, d, head->distance ? 2 : 1, key, query, head->query.matrix);
  for (PetscInt i = 0; i < rows * d && head->distance; i++) head->square.matrix[i] = key[i];
  for (PetscInt i = 0; i < d * d && attention->random.value; i++) head->leave.matrix[i] = share * value[i];
}

PetscErrorCode AttentionDraw(Attention attention, PetscInt realization, PetscInt step) {
  const RngStream stream = {attention->random.seed, (uint32_t)realization, (uint32_t)step, RNG_HEADS};

  PetscFunctionBeginUser;
  PetscCall(AttentionSetStep(attention, step));
  if (!attention->random.normals) PetscFunctionReturn(0);
  for (PetscInt h = 0; h < attention->heads; h++) {
    RngNormal(stream, (uint64_t)h * HeadNormals(attention), HeadNormals(attention), attention->random.normals);
    SetHead(attention, &attention->head[h]);
  }
  attention->random.drawn = PETSC_TRUE;
  PetscFunctionReturn(0);
}
