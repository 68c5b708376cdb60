/* General weights: several heads of Q, K, V from an HDF5 file. */
#include <chorale/h5.h>

#include <math.h>

#include "attention/impl.h"

/* heads/<name>/<matrix>, d x d, finite. All ranks read all of it. */
static PetscErrorCode ReadMatrix(Attention a, H5 h5, const char *head, const char *matrix, double *values) {
  const PetscInt d = a->layout.dim;
  char path[PETSC_MAX_PATH_LEN];
  PetscInt64 shape[8];
  int rank;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, sizeof(path), "heads/%s/%s", head, matrix));
  PetscCall(H5GetShape(h5, path, &rank, shape));
  PetscCheck(rank == 2 && shape[0] == d && shape[1] == d, a->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: '%s' must have the shape %" PetscInt_FMT " x %" PetscInt_FMT " of tokens_dim",
             a->file, path, d, d);
  PetscCall(H5ReadRows(h5, path, 0, d, values));
  for (PetscInt i = 0; i < d * d; i++) {
    PetscCheck(isfinite(values[i]), a->layout.comm, PETSC_ERR_USER_INPUT,
               "attention_weights = %s: '%s' must hold finite numbers, not %.6g", a->file, path, values[i]);
  }
  PetscFunctionReturn(0);
}

/* out = scale K^T Q */
static void KeyQuery(PetscInt d, double scale, const double *key, const double *query, double *out) {
  for (PetscInt m = 0; m < d; m++) {
    for (PetscInt r = 0; r < d; r++) {
      const double k = scale * key[m * d + r];
      for (PetscInt c = 0; c < d; c++) out[r * d + c] += k * query[m * d + c];
    }
  }
}

static PetscErrorCode ReadHead(Attention a, H5 h5, const char *name, AttentionHead *head) {
  const PetscInt d = a->layout.dim;
  double *query;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(d * d, &query));
  PetscCall(PetscMalloc1(d * d, &head->key));
  PetscCall(PetscMalloc1(d * d, &head->value));
  PetscCall(PetscCalloc1(d * d, &head->query));
  PetscCall(ReadMatrix(a, h5, name, "Q", query));
  PetscCall(ReadMatrix(a, h5, name, "K", head->key));
  PetscCall(ReadMatrix(a, h5, name, "V", head->value));
  /* -|Qx-Ky|^2 = 2 <Qx,Ky> - |Ky|^2 up to what depends on x alone. */
  KeyQuery(d, a->type->distance ? 2 : 1, head->key, query, head->query);
  if (!a->type->distance) PetscCall(PetscFree(head->key));
  PetscCall(PetscFree(query));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadHeads(Attention a, H5 h5) {
  char **names;

  PetscFunctionBeginUser;
  PetscCall(H5List(h5, "heads", &a->heads, &names));
  PetscCheck(a->heads > 0, a->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: group 'heads' must hold at least one head <h>/{Q,K,V}", a->file);
  PetscCall(PetscCalloc1(a->heads, &a->head));
  for (PetscInt h = 0; h < a->heads; h++) {
    PetscCall(ReadHead(a, h5, names[h], &a->head[h]));
    PetscCall(PetscFree(names[h]));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionHeadsRead(Attention a) {
  PetscErrorCode code;
  H5 h5;

  PetscFunctionBeginUser;
  PetscCall(H5Open(a->layout.comm, a->file, "r", "attention_weights", &h5));
  code = ReadHeads(a, h5);
  PetscCall(H5Close_(&h5)); /* HDF5 would close an open file after MPI_Finalize, and fail */
  PetscCall(code);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionHeadsDestroy(Attention a) {
  PetscFunctionBeginUser;
  for (PetscInt h = 0; h < a->heads; h++) {
    PetscCall(PetscFree(a->head[h].query));
    PetscCall(PetscFree(a->head[h].key));
    PetscCall(PetscFree(a->head[h].value));
  }
  PetscCall(PetscFree(a->head));
  PetscFunctionReturn(0);
}
