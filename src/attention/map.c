/* Affine maps of tokens, as the matrices of heads are. */
#include "attention/impl.h"

#define ROWS 4 /* rows at a time: so many sums that do not wait for each other */

/* Rows r .. r + count - 1 of a group of tokens; `count` is a constant in every call. */
static inline void Multiply(int count, PetscInt columns, const double *matrix, const double *in, double *out) {
  double s[ROWS][PACK_GROUP] = {{0}};

  for (PetscInt c = 0; c < columns; c++) {
    for (int r = 0; r < count; r++) {
      for (int l = 0; l < PACK_GROUP; l++) s[r][l] += matrix[r * columns + c] * in[c * PACK_GROUP + l];
    }
  }
  for (int r = 0; r < count; r++) {
    for (int l = 0; l < PACK_GROUP; l++) out[r * PACK_GROUP + l] = s[r][l];
  }
}

/* Rows are in the outer loop: those in work stay in the first-level cache. */
void AttentionMapPack(const AttentionMap *map, PetscInt block, const double *in, double *out) {
  const PetscInt rows = map->rows, columns = map->columns;

  for (PetscInt r = 0; r < rows;) {
    const PetscInt count = r + ROWS <= rows ? ROWS : 1;
    const double *matrix = map->matrix + r * columns;

    for (PetscInt g = 0; g < block / PACK_GROUP; g++) {
      const double *x = in + g * (columns + 1) * PACK_GROUP;
      double *y = out + (g * (rows + 1) + r) * PACK_GROUP;

      if (count == ROWS)
        Multiply(ROWS, columns, matrix, x, y);
      else
        Multiply(1, columns, matrix, x, y);
      for (PetscInt i = 0; map->bias && i < count * PACK_GROUP; i++) y[i] += map->bias[r + i / PACK_GROUP];
    }
    r += count;
  }
}

PetscErrorCode AttentionMapDestroy(AttentionMap *map) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(map->matrix));
  PetscCall(PetscFree(map->bias));
  PetscFunctionReturn(0);
}
