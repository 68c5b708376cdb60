/* One head of general weights from an HDF5 file, THEORY.md (1.8), (1.9). */

#include <math.h>
#include <string.h>

#include "attention/impl.h"

#define ROWS_MOST 100000 /* of a matrix */

/* Has the dataset this shape? rows 0 is for any number of them, columns 0 for a vector. */
static PetscErrorCode CheckShape(Attention attention, Hdf hdf, const char *path, PetscInt rows, PetscInt columns,
                                 PetscInt *found) {
  char expected[64], size[32] = "k";
  PetscInt64 shape[8];
  PetscBool right;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  right = rank == (columns ? 2 : 1) && shape[0] >= 1 && shape[0] <= ROWS_MOST && (!rows || shape[0] == rows) &&
                  (!columns || shape[1] == columns)
              ? PETSC_TRUE
              : PETSC_FALSE;
  if (rows) PetscCall(PetscSNPrintf(size, sizeof(size), "%" PetscInt_FMT, rows));
  PetscCall(PetscSNPrintf(expected, sizeof(expected), columns ? "%s x %" PetscInt_FMT : "%s", size, columns));
  PetscCheck(right, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: '%s' must have the shape %s with tokens_dim = %" PetscInt_FMT, attention->file,
             path, expected, attention->layout.dim);
  *found = (PetscInt)shape[0];
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionArrayRead(Attention attention, Hdf hdf, const char *group, const char *name, PetscInt *rows,
                                  PetscInt columns, double **values) {
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s", group, name));
  PetscCall(CheckShape(attention, hdf, path, *rows, columns, rows));
  const size_t size = (size_t)*rows * (size_t)PetscMax(columns, 1);
  PetscCall(PetscMalloc1(size, values));
  PetscCall(HdfReadRows(hdf, path, 0, *rows, *values));
  for (size_t i = 0; i < size; i++) {
    PetscCheck(isfinite((*values)[i]), attention->layout.comm, PETSC_ERR_USER_INPUT,
               "attention_weights = %s: '%s' must hold finite numbers, not %.6g", attention->file, path, (*values)[i]);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionArrayExists(Hdf hdf, const char *group, const char *name, PetscBool *exists) {
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s", group, name));
  PetscCall(HdfExists(hdf, path, exists));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionVectorRead(Attention attention, Hdf hdf, const char *group, const char *name, PetscInt rows,
                                   double **values) {
  PetscBool exists;

  PetscFunctionBeginUser;
  PetscCall(AttentionArrayExists(hdf, group, name, &exists));
  if (exists) PetscCall(AttentionArrayRead(attention, hdf, group, name, &rows, 0, values));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionCheckNames(Attention attention, Hdf hdf, const char *group, const char *const known[]) {
  PetscInt count;
  char **names;

  PetscFunctionBeginUser;
  PetscCall(HdfList(hdf, group, &count, &names));
  for (PetscInt i = 0; i < count; i++) {
    PetscBool found = PETSC_FALSE;

    for (int k = 0; known[k]; k++) found = found || !strcmp(known[k], names[i]) ? PETSC_TRUE : PETSC_FALSE;
    PetscCheck(found, attention->layout.comm, PETSC_ERR_USER_INPUT,
               "attention_weights = %s: '%s/%s' is not a name of a weight there", attention->file, group, names[i]);
    PetscCall(PetscFree(names[i]));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(0);
}

void AttentionTransposeMultiply(PetscInt rows, PetscInt d, double scale, const double *A, const double *B,
                                double *out) {
  for (PetscInt m = 0; m < rows; m++) {
    for (PetscInt r = 0; r < d; r++) {
      const double a = scale * A[m * d + r];
      for (PetscInt c = 0; c < d; c++) out[r * d + c] += a * B[m * d + c];
    }
  }
}

static void Scale(size_t n, double scale, double *values) {
  for (size_t i = 0; values && i < n; i++) values[i] *= scale;
}

/* Q and K, with -|Qx-Ky|^2 = 2 <Qx,Ky> - |Ky|^2 up to what depends on x alone. */
static PetscErrorCode ReadLogits(Attention attention, Hdf hdf, const char *path, AttentionHead *head) {
  const PetscInt d = attention->layout.dim;
  AttentionMap query = {.columns = d}, key = {.columns = d};
  const double factor = attention->type->distance ? 2 : 1;

  PetscFunctionBeginUser;
  PetscCall(AttentionArrayRead(attention, hdf, path, "Q", &query.rows, d, &query.matrix));
  key.rows = query.rows;
  PetscCall(AttentionArrayRead(attention, hdf, path, "K", &key.rows, d, &key.matrix));
  PetscCall(AttentionVectorRead(attention, hdf, path, "Q_bias", query.rows, &query.bias));
  PetscCall(AttentionVectorRead(attention, hdf, path, "K_bias", key.rows, &key.bias));
  head->distance = attention->type->distance;
  head->ranks[0] = query.rows;
  head->biased = query.bias || key.bias ? PETSC_TRUE : PETSC_FALSE;
  if (query.rows < d || query.bias || key.bias) {
    head->query = query;
    head->key = key;
    Scale((size_t)query.rows * (size_t)d, factor, query.matrix);
    Scale((size_t)query.rows, factor, query.bias);
    PetscFunctionReturn(0);
  }
  head->query = (AttentionMap){.rows = d, .columns = d};
  PetscCall(PetscCalloc1((size_t)d * (size_t)d, &head->query.matrix));
  AttentionTransposeMultiply(key.rows, d, factor, key.matrix, query.matrix, head->query.matrix);
  if (head->distance)
    head->square = key;
  else
    PetscCall(AttentionMapDestroy(&key));
  PetscCall(AttentionMapDestroy(&query));
  PetscFunctionReturn(0);
}

/* out[rows][columns] = A[rows][inner] B[inner][columns] */
static void Product(PetscInt rows, PetscInt inner, PetscInt columns, const double *A, const double *B, double *out) {
  for (PetscInt i = 0; i < rows; i++)
    for (PetscInt k = 0; k < inner; k++)
      for (PetscInt j = 0; j < columns; j++) out[i * columns + j] += A[i * inner + k] * B[k * columns + j];
}

/* The matrix that a map is in R^d, the identity where it has none. */
PetscErrorCode AttentionMapProduct(const AttentionMap *outer, const AttentionMap *inner, PetscInt d, double *out) {
  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(out, (size_t)d * (size_t)d));
  if (inner->matrix)
    Product(d, inner->rows, d, outer->matrix, inner->matrix, out);
  else
    PetscCall(PetscArraycpy(out, outer->matrix, (size_t)d * (size_t)d));
  PetscFunctionReturn(0);
}

/* bias of leave <- O b_V + b_O, 0 where the file has none of them */
static PetscErrorCode ReadOutputBias(Attention attention, Hdf hdf, const char *path, PetscInt inner, const double *O,
                                     AttentionMap *leave) {
  const PetscInt d = attention->layout.dim;
  double *bias = NULL, *values = NULL;

  PetscFunctionBeginUser;
  PetscCall(AttentionVectorRead(attention, hdf, path, "V_bias", inner, &values));
  PetscCall(AttentionVectorRead(attention, hdf, path, "O_bias", d, &bias));
  if (values && !bias) PetscCall(PetscCalloc1(d, &bias));
  if (values && O) Product(d, inner, 1, O, values, bias);
  for (PetscInt c = 0; values && !O && c < d; c++) bias[c] += values[c];
  PetscCall(PetscFree(values));
  leave->bias = bias;
  PetscFunctionReturn(0);
}

/* V and O: as they are where V has fewer rows than columns, else as their product. */
static PetscErrorCode ReadValues(Attention attention, Hdf hdf, const char *path, AttentionHead *head) {
  const PetscInt d = attention->layout.dim;
  AttentionMap inner = {.columns = d}, outer = {.rows = d};
  PetscBool product;

  PetscFunctionBeginUser;
  PetscCall(AttentionArrayExists(hdf, path, "O", &product));
  if (!product) inner.rows = d;
  PetscCall(AttentionArrayRead(attention, hdf, path, "V", &inner.rows, d, &inner.matrix));
  outer.columns = inner.rows;
  if (product) PetscCall(AttentionArrayRead(attention, hdf, path, "O", &outer.rows, outer.columns, &outer.matrix));
  PetscCall(ReadOutputBias(attention, hdf, path, inner.rows, outer.matrix, &outer));
  head->ranks[1] = inner.rows;
  head->out = product;
  if (outer.bias) head->biased = PETSC_TRUE;
  head->leave = outer;
  if (inner.rows < d) {
    head->enter = inner;
    PetscFunctionReturn(0);
  }
  head->leave.columns = d;
  head->leave.matrix = inner.matrix;
  if (product) {
    PetscCall(PetscMalloc1((size_t)d * (size_t)d, &head->leave.matrix));
    PetscCall(AttentionMapProduct(&outer, &inner, d, head->leave.matrix));
    PetscCall(PetscFree(outer.matrix));
    PetscCall(PetscFree(inner.matrix));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionHeadRead(Attention attention, Hdf hdf, const char *path, AttentionHead *head) {
  static const char *const known[] = {"Q", "K", "V", "O", "Q_bias", "K_bias", "V_bias", "O_bias", NULL};

  PetscFunctionBeginUser;
  PetscCall(AttentionCheckNames(attention, hdf, path, known));
  PetscCall(ReadLogits(attention, hdf, path, head));
  PetscCall(ReadValues(attention, hdf, path, head));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionHeadDestroy(AttentionHead *head) {
  PetscFunctionBeginUser;
  PetscCall(AttentionMapDestroy(&head->query));
  PetscCall(AttentionMapDestroy(&head->key));
  PetscCall(AttentionMapDestroy(&head->square));
  PetscCall(AttentionMapDestroy(&head->enter));
  PetscCall(AttentionMapDestroy(&head->leave));
  PetscFunctionReturn(0);
}

PetscInt AttentionHeadRows(Attention attention, const AttentionHead *head) {
  return head && head->query.matrix ? head->query.rows : attention->layout.dim;
}

PetscInt AttentionHeadWidth(Attention attention, const AttentionHead *head) {
  return head && head->enter.matrix ? head->enter.rows : attention->layout.dim;
}
