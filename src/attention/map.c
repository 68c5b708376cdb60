/* Affine maps of tokens, as the matrices of heads are. */
#include "attention/impl.h"

#define GROUP 8 /* tokens of a pack that lie side by side */
#define ROWS  4 /* rows at a time: so many sums that do not wait for each other */

/* Rows r .. r + count - 1 of a group of tokens; `count` is a constant in every call. */
static inline void Multiply(int count, PetscInt columns, const double *matrix, const double *in, double *out) {
  double s[ROWS][GROUP] = {{0}};

  for (PetscInt c = 0; c < columns; c++) {
    for (int r = 0; r < count; r++) {
      for (int l = 0; l < GROUP; l++) s[r][l] += matrix[r * columns + c] * in[c * GROUP + l];
    }
  }
  for (int r = 0; r < count; r++) {
    for (int l = 0; l < GROUP; l++) out[r * GROUP + l] = s[r][l];
  }
}

void AttentionMapPack(const AttentionMap *map, PetscInt block, const double *in, double *out) {
  const PetscInt rows = map->rows, columns = map->columns;

  for (PetscInt t = 0; t < block; t += GROUP, in += (columns + 1) * GROUP, out += (rows + 1) * GROUP) {
    PetscInt r = 0;

    for (; r + ROWS <= rows; r += ROWS) Multiply(ROWS, columns, map->matrix + r * columns, in, out + r * GROUP);
    for (; r < rows; r++) Multiply(1, columns, map->matrix + r * columns, in, out + r * GROUP);
    for (r = 0; map->bias && r < rows; r++) {
      for (int l = 0; l < GROUP; l++) out[r * GROUP + l] += map->bias[r];
    }
  }
}

PetscErrorCode AttentionMapDestroy(AttentionMap *map) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(map->matrix));
  PetscCall(PetscFree(map->bias));
  PetscFunctionReturn(0);
}
