/* General weights from an HDF5 file: heads/<h>, the same in every layer, or layers/<l>/heads/<h>, THEORY.md (1.10). */

#include "attention/impl.h"

PetscErrorCode AttentionWeightsCreate(Attention attention, PetscInt layers) {
  PetscFunctionBeginUser;
  attention->layers = layers;
  PetscCall(PetscCalloc1(layers, &attention->layer));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionUseLayer(Attention attention, PetscInt layer) {
  PetscFunctionBeginUser;
  if (attention->head != attention->layer[layer].head) attention->focus_stamp.id = 0; /* that of other weights */
  attention->heads = attention->layer[layer].heads;
  attention->head = attention->layer[layer].head;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionSetStep(Attention attention, PetscInt step) {
  PetscInt64 layer;

  PetscFunctionBeginUser;
  if (attention->layers < 2) PetscFunctionReturn(0);
  layer = (PetscInt64)step * attention->layers / attention->depth;
  PetscCall(AttentionUseLayer(attention, (PetscInt)PetscMin(layer, attention->layers - 1)));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadHeads(Attention attention, Hdf hdf, const char *group, AttentionLayer *layer) {
  char path[PETSC_MAX_PATH_LEN], **names;

  PetscFunctionBeginUser;
  PetscCall(HdfList(hdf, group, &layer->heads, &names));
  PetscCheck(layer->heads > 0, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: group '%s' must hold at least one head <h>/{Q,K,V}", attention->file, group);
  PetscCall(PetscCalloc1(layer->heads, &layer->head));
  for (PetscInt h = 0; h < layer->heads; h++) {
    PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s", group, names[h]));
    PetscCall(AttentionHeadRead(attention, hdf, path, &layer->head[h]));
    PetscCall(PetscFree(names[h]));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(0);
}

/* Weights constant in time on as many pieces as there are layers in the file. */
static PetscErrorCode ReadLayers(Attention attention, Hdf hdf, const char *study) {
  char path[PETSC_MAX_PATH_LEN], **names;
  PetscBool exists = PETSC_TRUE;
  PetscInt layers;

  PetscFunctionBeginUser;
  PetscCheck(!study, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: must have one layer in study %s, whose theory is that of one attention",
             attention->file, study);
  PetscCall(HdfList(hdf, "layers", &layers, &names));
  for (PetscInt l = 0; l < layers; l++) PetscCall(PetscFree(names[l]));
  PetscCall(PetscFree(names));
  for (PetscInt l = 0; l < layers && exists; l++) {
    PetscCall(PetscSNPrintf(path, sizeof(path), "layers/%" PetscInt_FMT, l));
    PetscCall(HdfExists(hdf, path, &exists));
  }
  PetscCheck(layers > 0 && exists, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: group 'layers' must hold layers 0, 1, .. without a gap", attention->file);
  PetscCheck(attention->depth > 0 && attention->depth % layers == 0, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: layers_depth = %" PetscInt_FMT " must be a multiple of its %" PetscInt_FMT
             " layers",
             attention->file, attention->depth, layers);
  PetscCall(AttentionWeightsCreate(attention, layers));
  for (PetscInt l = 0; l < layers; l++) {
    static const char *const known[] = {"heads", NULL};

    PetscCall(PetscSNPrintf(path, sizeof(path), "layers/%" PetscInt_FMT, l));
    PetscCall(AttentionCheckNames(attention, hdf, path, known));
    PetscCall(PetscSNPrintf(path, sizeof(path), "layers/%" PetscInt_FMT "/heads", l));
    PetscCall(ReadHeads(attention, hdf, path, &attention->layer[l]));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Read(Attention attention, Hdf hdf, const char *study) {
  PetscBool heads, layers;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(hdf, "heads", &heads));
  PetscCall(HdfExists(hdf, "layers", &layers));
  PetscCheck(!heads || !layers, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: must have 'heads' or 'layers', not both", attention->file);
  if (layers) {
    PetscCall(ReadLayers(attention, hdf, study));
  } else {
    PetscCall(AttentionWeightsCreate(attention, 1));
    PetscCall(ReadHeads(attention, hdf, "heads", &attention->layer[0]));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionWeightsRead(Attention attention, const char *study) {
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(attention->layout.comm, attention->file, "r", "attention_weights", &hdf));
  code = Read(attention, hdf, study);
  PetscCall(HdfClose(&hdf)); /* HDF5 would close an open file after MPI_Finalize, and fail */
  PetscCall(code);
  PetscCall(AttentionUseLayer(attention, 0));
  PetscFunctionReturn(0);
}

/* "4", or "2 to 9" */
static PetscErrorCode Range(const PetscInt most[2], size_t room, char *text) {
  PetscFunctionBeginUser;
  if (most[0] == most[1])
    PetscCall(PetscSNPrintf(text, room, "%" PetscInt_FMT, most[0]));
  else
    PetscCall(PetscSNPrintf(text, room, "%" PetscInt_FMT " to %" PetscInt_FMT, most[0], most[1]));
  PetscFunctionReturn(0);
}

/* Least and most rows over all heads of all layers; whether any has O, and biases. */
typedef struct {
  PetscInt heads[2], rows[2][2];
  PetscBool out, biased;
} Summary;

static void Extend(PetscInt value, PetscInt most[2]) {
  most[0] = PetscMin(most[0], value);
  most[1] = PetscMax(most[1], value);
}

static Summary Summarize(Attention attention) {
  Summary summary = {{PETSC_MAX_INT, 0}, {{PETSC_MAX_INT, 0}, {PETSC_MAX_INT, 0}}, PETSC_FALSE, PETSC_FALSE};

  for (PetscInt l = 0; l < attention->layers; l++) {
    const AttentionLayer *layer = &attention->layer[l];

    Extend(layer->heads, summary.heads);
    for (PetscInt h = 0; h < layer->heads; h++) {
      for (int i = 0; i < 2; i++) Extend(layer->head[h].ranks[i], summary.rows[i]);
      if (layer->head[h].out) summary.out = PETSC_TRUE;
      if (layer->head[h].biased) summary.biased = PETSC_TRUE;
    }
  }
  return summary;
}

PetscErrorCode AttentionWeightsView(Attention attention) {
  const Summary summary = Summarize(attention);
  const PetscInt d = attention->layout.dim;
  const MPI_Comm comm = attention->layout.comm;
  char heads[64], rows[2][64];

  PetscFunctionBeginUser;
  PetscCall(Range(summary.heads, sizeof(heads), heads));
  for (int i = 0; i < 2; i++) PetscCall(Range(summary.rows[i], sizeof(rows[i]), rows[i]));
  PetscCall(PetscPrintf(comm, "           "));
  if (attention->layers > 1) PetscCall(PetscPrintf(comm, "%" PetscInt_FMT " layers of ", attention->layers));
  PetscCall(PetscPrintf(comm, "%s heads from %s: Q, K %s x %" PetscInt_FMT ", V %s x %" PetscInt_FMT "%s%s\n", heads,
                        attention->file, rows[0], d, rows[1], d, summary.out ? " with O" : "",
                        summary.biased ? ", biases" : ""));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionWeightsDestroy(Attention attention) {
  PetscFunctionBeginUser;
  for (PetscInt l = 0; l < attention->layers; l++) {
    for (PetscInt h = 0; h < attention->layer[l].heads; h++)
      PetscCall(AttentionHeadDestroy(&attention->layer[l].head[h]));
    PetscCall(PetscFree(attention->layer[l].head));
  }
  PetscCall(PetscFree(attention->layer));
  PetscCall(PetscFree(attention->random.normals));
  PetscFunctionReturn(0);
}
