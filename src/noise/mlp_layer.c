/* Chunks depend on m and d alone. They pass through the caches a few at a time and are forgotten, unless several noises
 * share them, those of the cells of a sweep that take their steps together: then a layer is kept until the next one. */
#include "noise/mlp_layer.h"

#include "base/log.h"

/* Chunks drawn at a time, so that the tokens pass through the caches once for all of them: at most so many, and unless
 * a single one takes more, no more than this many bytes, which the last-level cache should keep. */
#define CHUNKS      8
#define CHUNK_BYTES 2e6
/* A layer that is shared takes no more than this. Even from memory it comes faster than it is drawn. */
#define LAYER_BYTES 6.4e7

struct _p_MlpLayer {
  PetscInt dim, width;
  PetscInt at_once; /* chunks that are drawn at a time */
  PetscInt room;    /* chunks that are held: so many, or all of the layer */
  PetscInt owners;  /* noises */
  PetscInt drawn;   /* chunks of the layer `realization`, `step` that are there, if all have room */
  PetscInt realization, step;
  MlpUnits *units; /* [room]; their arrays follow each other in those of the first; NULL where another layer is kept */
};

static PetscLogEvent draw_event;
/* The layer that is kept beyond the chunks at work. The teams of a sweep go one after another, so one has memory. */
static MlpLayer kept;

static double ChunkBytes(PetscInt dim) {
  return sizeof(double) * (2.0 * MLP_PITCH * (double)dim + MLP_CHUNK);
}

PetscInt MlpLayerChunks(MlpLayer layer) {
  return (layer->width - 1) / MLP_CHUNK + 1;
}

PetscInt MlpLayerAtOnce(MlpLayer layer) {
  return layer->at_once;
}

PetscReal MlpLayerBytes(MlpLayer layer) {
  return (PetscReal)layer->room * ChunkBytes(layer->dim);
}

static PetscErrorCode Allocate(MlpLayer layer, PetscInt room) {
  const PetscInt size = MLP_PITCH * layer->dim;
  MlpUnits *units;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(room, &layer->units));
  units = layer->units;
  PetscCall(PetscMalloc2(room * size, &units[0].U, room * size, &units[0].W));
  PetscCall(PetscCalloc1(room * MLP_CHUNK, &units[0].bias_u));
  for (PetscInt i = 1; i < room; i++) {
    units[i].U = units[0].U + i * size;
    units[i].W = units[0].W + i * size;
    units[i].bias_u = units[0].bias_u + i * MLP_CHUNK;
  }
  layer->room = room;
  layer->drawn = 0;
  PetscFunctionReturn(0);
}

static PetscErrorCode Free(MlpLayer layer) {
  PetscFunctionBeginUser;
  if (!layer->units) PetscFunctionReturn(0);
  PetscCall(PetscFree2(layer->units[0].U, layer->units[0].W));
  PetscCall(PetscFree(layer->units[0].bias_u));
  PetscCall(PetscFree(layer->units));
  if (kept == layer) kept = NULL;
  PetscFunctionReturn(0);
}

static PetscErrorCode Keep(MlpLayer layer) {
  PetscFunctionBeginUser;
  if (kept) PetscCall(Free(kept));
  PetscCall(Allocate(layer, layer->room));
  kept = layer;
  PetscFunctionReturn(0);
}

PetscErrorCode MlpLayerCreate(PetscInt dim, PetscInt width, MlpLayer *handle) {
  MlpLayer layer;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("MLPDraw", &draw_event));
  PetscCall(PetscNew(&layer));
  layer->dim = dim;
  layer->width = width;
  layer->owners = 1;
  layer->at_once = PetscMax(1, PetscMin(CHUNKS, (PetscInt)(CHUNK_BYTES / ChunkBytes(dim))));
  layer->at_once = PetscMin(layer->at_once, MlpLayerChunks(layer)); /* no more than there are */
  PetscCall(Allocate(layer, layer->at_once));
  *handle = layer;
  PetscFunctionReturn(0);
}

PetscErrorCode MlpLayerDestroy(MlpLayer *handle) {
  MlpLayer layer = *handle;

  PetscFunctionBeginUser;
  if (!layer) PetscFunctionReturn(0);
  if (--layer->owners == 0) {
    PetscCall(Free(layer));
    PetscCall(PetscFree(layer));
  }
  *handle = NULL;
  PetscFunctionReturn(0);
}

PetscErrorCode MlpLayerShare(MlpLayer *layer, MlpLayer other, PetscBool *shared) {
  const PetscInt chunks = MlpLayerChunks(other);

  PetscFunctionBeginUser;
  *shared = (double)chunks * ChunkBytes(other->dim) <= LAYER_BYTES ? PETSC_TRUE : PETSC_FALSE;
  if (!*shared || *layer == other) PetscFunctionReturn(0);
  PetscCall(MlpLayerDestroy(layer));
  *layer = other;
  other->owners++;
  if (other->room == chunks) PetscFunctionReturn(0);
  PetscCall(Free(other));
  other->room = chunks; /* Keep finds the memory */
  PetscFunctionReturn(0);
}

/* Draws a chunk of units from unit `first` on, a multiple of MLP_CHUNK and so of RNG_GROUP. Chunks follow each other in
 * the index of a stream, each component by component with the units rounded up to a whole group of draws. */
static void DrawUnits(MlpLayer layer, Noise noise, PetscInt realization, PetscInt step, PetscInt first,
                      MlpUnits *units) {
  const RngStream U = NoiseStream(noise, realization, step, RNG_MLP_U);
  const RngStream W = NoiseStream(noise, realization, step, RNG_MLP_W);
  size_t n;

  units->count = PetscMin(MLP_CHUNK, layer->width - first);
  n = (size_t)(units->count + RNG_GROUP - 1) / RNG_GROUP * RNG_GROUP;
  for (PetscInt c = 0; c < layer->dim; c++) {
    const uint64_t index = (uint64_t)first * (uint64_t)layer->dim + (uint64_t)c * n;
    RngNormal(U, index, n, units->U + c * MLP_PITCH);
    RngCentred(noise->weights, W, index, n, units->W + c * MLP_PITCH);
  }
  if (noise->bias_u > 0) { /* else they stay 0 */
    RngNormal(NoiseStream(noise, realization, step, RNG_MLP_BIAS_U), (uint64_t)first, n, units->bias_u);
    for (size_t u = 0; u < n; u++) units->bias_u[u] *= noise->bias_u;
  }
}

PetscErrorCode MlpLayerDraw(MlpLayer layer, Noise noise, PetscInt realization, PetscInt step, PetscInt first,
                            PetscInt count, const MlpUnits **units) {
  const PetscBool keeps = layer->room == MlpLayerChunks(layer) ? PETSC_TRUE : PETSC_FALSE;
  PetscInt i = 0;
  MlpUnits *to;

  PetscFunctionBeginUser;
  if (!layer->units) PetscCall(Keep(layer));
  to = layer->units + (keeps ? first : 0);
  if (!keeps || layer->realization != realization || layer->step != step) layer->drawn = 0;
  if (keeps) i = PetscMax(0, layer->drawn - first);
  layer->realization = realization;
  layer->step = step;
  if (i < count) PetscCall(PetscLogEventBegin(draw_event, 0, 0, 0, 0));
  for (PetscInt k = i; k < count; k++) DrawUnits(layer, noise, realization, step, (first + k) * MLP_CHUNK, &to[k]);
  if (i < count) PetscCall(PetscLogEventEnd(draw_event, 0, 0, 0, 0));
  if (first <= layer->drawn) layer->drawn = PetscMax(layer->drawn, first + count);
  *units = to;
  PetscFunctionReturn(0);
}
