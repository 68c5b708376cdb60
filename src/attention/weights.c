/* General weights from an HDF5 file: heads/<h> and mlp, the same in every layer, or layers/<l>/heads/<h> and
 * layers/<l>/mlp, THEORY.md (1.10). */

#include "attention/impl.h"

PetscErrorCode AttentionWeightsCreate(Attention attention, PetscInt layers) {
  PetscFunctionBeginUser;
  attention->layers = layers;
  PetscCall(PetscCalloc1(layers, &attention->layer));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionUseLayer(Attention attention, PetscInt layer) {
  PetscFunctionBeginUser;
  if (attention->now != layer) attention->focus_stamp.id = 0; /* that of other weights */
  attention->now = layer;
  attention->heads = attention->layer[layer].heads;
  attention->head = attention->layer[layer].head;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionIsLayered(Attention attention, PetscBool *layered) {
  PetscFunctionBeginUser;
  *layered = attention->layers > 1 ? PETSC_TRUE : PETSC_FALSE;
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

/* What stands behind this prefix in the file: heads, an MLP, or both. */
static PetscErrorCode ReadLayer(Attention attention, Hdf hdf, const char *prefix, AttentionLayer *layer) {
  char path[PETSC_MAX_PATH_LEN], mlp[PETSC_MAX_PATH_LEN];
  PetscBool with_heads, with_mlp;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, sizeof(path), "%sheads", prefix));
  PetscCall(PetscSNPrintf(mlp, sizeof(mlp), "%smlp", prefix));
  PetscCall(HdfExists(hdf, path, &with_heads));
  PetscCall(HdfExists(hdf, mlp, &with_mlp));
  if (with_heads || !with_mlp) PetscCall(ReadHeads(attention, hdf, path, layer));
  if (with_mlp) PetscCall(AttentionMlpRead(attention, hdf, mlp, &layer->mlp));
  PetscFunctionReturn(0);
}

/* How many layers there are, 0, 1, .. */
static PetscErrorCode CountLayers(Attention attention, Hdf hdf, PetscInt *layers) {
  char path[PETSC_MAX_PATH_LEN], **names;
  PetscBool exists = PETSC_TRUE;

  PetscFunctionBeginUser;
  PetscCall(HdfList(hdf, "layers", layers, &names));
  for (PetscInt l = 0; l < *layers; l++) {
    PetscCall(PetscFree(names[l]));
    PetscCall(PetscSNPrintf(path, sizeof(path), "layers/%" PetscInt_FMT, l));
    if (exists) PetscCall(HdfExists(hdf, path, &exists));
  }
  PetscCall(PetscFree(names));
  PetscCheck(*layers > 0 && exists, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: group 'layers' must hold layers 0, 1, .. without a gap", attention->file);
  PetscCheck(attention->depth > 0 && attention->depth % *layers == 0, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: layers_depth = %" PetscInt_FMT " must be a multiple of its %" PetscInt_FMT
             " layers",
             attention->file, attention->depth, *layers);
  PetscFunctionReturn(0);
}

/* Weights constant in time on as many pieces as there are layers in the file. */
static PetscErrorCode ReadLayers(Attention attention, Hdf hdf) {
  static const char *const known[] = {"heads", "mlp", NULL};
  char path[PETSC_MAX_PATH_LEN];
  PetscInt layers;

  PetscFunctionBeginUser;
  PetscCall(CountLayers(attention, hdf, &layers));
  PetscCall(AttentionWeightsCreate(attention, layers));
  for (PetscInt l = 0; l < layers; l++) {
    AttentionLayer *layer = &attention->layer[l];

    PetscCall(PetscSNPrintf(path, sizeof(path), "layers/%" PetscInt_FMT, l));
    PetscCall(AttentionCheckNames(attention, hdf, path, known));
    PetscCall(PetscStrlcat(path, "/", sizeof(path)));
    PetscCall(ReadLayer(attention, hdf, path, layer));
    PetscCheck(
        !layer->heads == !attention->layer[0].heads && !layer->mlp.activation == !attention->layer[0].mlp.activation,
        attention->layout.comm, PETSC_ERR_USER_INPUT,
        "attention_weights = %s: 'heads' and 'mlp' must be in all layers or in none, see '%s'", attention->file, path);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Read(Attention attention, Hdf hdf, const char *study) {
  PetscBool heads, mlp, layers;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(hdf, "heads", &heads));
  PetscCall(HdfExists(hdf, "mlp", &mlp));
  PetscCall(HdfExists(hdf, "layers", &layers));
  PetscCheck(!((heads || mlp) && layers), attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: must have 'layers', or 'heads' and 'mlp', not both", attention->file);
  PetscCheck(
      !study || !(layers || mlp), attention->layout.comm, PETSC_ERR_USER_INPUT,
      "attention_weights = %s: must have heads alone, no layers and no mlp, in study %s, whose theory is that of "
      "one attention",
      attention->file, study);
  if (layers) {
    PetscCall(ReadLayers(attention, hdf));
  } else {
    PetscCall(AttentionWeightsCreate(attention, 1));
    PetscCall(ReadLayer(attention, hdf, "", &attention->layer[0]));
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
  PetscInt heads[2], rows[2][2], width[2]; /* width of the MLPs */
  PetscBool out, biased;
} Summary;

static void Extend(PetscInt value, PetscInt most[2]) {
  most[0] = PetscMin(most[0], value);
  most[1] = PetscMax(most[1], value);
}

static Summary Summarize(Attention attention) {
  Summary summary = {
      .heads = {PETSC_MAX_INT, 0}, .rows = {{PETSC_MAX_INT, 0}, {PETSC_MAX_INT, 0}}, .width = {PETSC_MAX_INT, 0}};

  for (PetscInt l = 0; l < attention->layers; l++) {
    const AttentionLayer *layer = &attention->layer[l];

    Extend(layer->heads, summary.heads);
    Extend(layer->mlp.up.rows, summary.width);
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
  const AttentionMlp *mlp = &attention->layer[0].mlp;
  char heads[64], rows[2][64], width[64];

  PetscFunctionBeginUser;
  PetscCall(Range(summary.heads, sizeof(heads), heads));
  PetscCall(Range(summary.width, sizeof(width), width));
  for (int i = 0; i < 2; i++) PetscCall(Range(summary.rows[i], sizeof(rows[i]), rows[i]));
  PetscCall(PetscPrintf(comm, "           "));
  if (attention->layers > 1) PetscCall(PetscPrintf(comm, "%" PetscInt_FMT " layers of ", attention->layers));
  if (attention->heads)
    PetscCall(PetscPrintf(comm, "%s heads from %s: Q, K %s x %" PetscInt_FMT ", V %s x %" PetscInt_FMT "%s%s\n", heads,
                          attention->file, rows[0], d, rows[1], d, summary.out ? " with O" : "",
                          summary.biased ? ", biases" : ""));
  if (mlp->activation)
    PetscCall(PetscPrintf(comm, "%sa fixed MLP from %s, %s of width %s: %s\n", attention->heads ? "           " : "",
                          attention->file, mlp->activation->name, width,
                          "in the drift, Att(x) + W sigma(U x + b) + c"));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionWeightsDestroy(Attention attention) {
  PetscFunctionBeginUser;
  for (PetscInt l = 0; l < attention->layers; l++) {
    for (PetscInt h = 0; h < attention->layer[l].heads; h++)
      PetscCall(AttentionHeadDestroy(&attention->layer[l].head[h]));
    PetscCall(PetscFree(attention->layer[l].head));
    PetscCall(AttentionMlpDestroy(&attention->layer[l].mlp));
  }
  PetscCall(PetscFree(attention->layer));
  PetscCall(PetscFree(attention->random.normals));
  PetscFunctionReturn(0);
}
