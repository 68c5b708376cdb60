/* General weights: several heads of Q, K, V from an HDF5 file. */

#include <math.h>

#include "attention/impl.h"
#include "io/hdf.h"

/* heads/<name>/<matrix>, d x d, finite. All ranks read all of it. */
static PetscErrorCode ReadMatrix(Attention attention, Hdf hdf, const char *head, const char *matrix, double *values) {
  const PetscInt d = attention->layout.dim;
  char path[PETSC_MAX_PATH_LEN];
  PetscInt64 shape[8];
  int rank;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, sizeof(path), "heads/%s/%s", head, matrix));
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  PetscCheck(rank == 2 && shape[0] == d && shape[1] == d, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: '%s' must have the shape %" PetscInt_FMT " x %" PetscInt_FMT " of tokens_dim",
             attention->file, path, d, d);
  PetscCall(HdfReadRows(hdf, path, 0, d, values));
  for (PetscInt i = 0; i < d * d; i++) {
    PetscCheck(isfinite(values[i]), attention->layout.comm, PETSC_ERR_USER_INPUT,
               "attention_weights = %s: '%s' must hold finite numbers, not %.6g", attention->file, path, values[i]);
  }
  PetscFunctionReturn(0);
}

void AttentionKeyQuery(PetscInt rows, PetscInt d, double scale, const double *key, const double *query, double *out) {
  for (PetscInt m = 0; m < rows; m++) {
    for (PetscInt r = 0; r < d; r++) {
      const double k = scale * key[m * d + r];
      for (PetscInt c = 0; c < d; c++) out[r * d + c] += k * query[m * d + c];
    }
  }
}

static PetscErrorCode ReadHead(Attention attention, Hdf hdf, const char *name, AttentionHead *head) {
  const PetscInt d = attention->layout.dim;
  double *query;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(d * d, &query));
  PetscCall(PetscMalloc1(d * d, &head->key));
  PetscCall(PetscMalloc1(d * d, &head->value));
  PetscCall(PetscCalloc1(d * d, &head->query));
  PetscCall(ReadMatrix(attention, hdf, name, "Q", query));
  PetscCall(ReadMatrix(attention, hdf, name, "K", head->key));
  PetscCall(ReadMatrix(attention, hdf, name, "V", head->value));
  /* -|Qx-Ky|^2 = 2 <Qx,Ky> - |Ky|^2 up to what depends on x alone. */
  AttentionKeyQuery(d, d, attention->type->distance ? 2 : 1, head->key, query, head->query);
  if (!attention->type->distance) PetscCall(PetscFree(head->key));
  PetscCall(PetscFree(query));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadHeads(Attention attention, Hdf hdf) {
  char **names;

  PetscFunctionBeginUser;
  PetscCall(HdfList(hdf, "heads", &attention->heads, &names));
  PetscCheck(attention->heads > 0, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: group 'heads' must hold at least one head <h>/{Q,K,V}", attention->file);
  PetscCall(PetscCalloc1(attention->heads, &attention->head));
  for (PetscInt h = 0; h < attention->heads; h++) {
    PetscCall(ReadHead(attention, hdf, names[h], &attention->head[h]));
    PetscCall(PetscFree(names[h]));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionHeadsRead(Attention attention) {
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(attention->layout.comm, attention->file, "r", "attention_weights", &hdf));
  code = ReadHeads(attention, hdf);
  PetscCall(HdfClose(&hdf)); /* HDF5 would close an open file after MPI_Finalize, and fail */
  PetscCall(code);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionHeadsDestroy(Attention attention) {
  PetscFunctionBeginUser;
  for (PetscInt h = 0; h < attention->heads; h++) {
    PetscCall(PetscFree(attention->head[h].query));
    PetscCall(PetscFree(attention->head[h].key));
    PetscCall(PetscFree(attention->head[h].value));
  }
  PetscCall(PetscFree(attention->head));
  PetscCall(PetscFree(attention->random.normals));
  PetscFunctionReturn(0);
}
