/* Small-d products of the MLP. Each keeps a tile of 4 units (or components) x 8 tokens in registers: 8 vectors of 4
 * doubles. */
#include "noise/mlp.h"

#define ROWS 4

/* Two of them hold the 8 lanes; arrays are aligned to doubles only. Compilers without such registers split the vectors.
 */
typedef double Vector __attribute__((vector_size(32), aligned(8), may_alias));

static inline Vector Load(const double *a) {
  return *(const Vector *)a;
}

static inline void Store(double *a, Vector v) {
  *(Vector *)a = v;
}

void MlpSmallHidden(const MlpUnits *units, PetscInt d, PetscInt B, double scale, const double *X, double *hidden) {
  for (PetscInt u = 0; u < units->count; u += ROWS) {
    Vector sum[ROWS][2] = {{{0}}};
    for (PetscInt c = 0; c < d; c++) {
      const double *weight = units->U + c * units->stride + u;
      const Vector low = Load(X + c * B), high = Load(X + c * B + 4);
      for (int q = 0; q < ROWS; q++) {
        sum[q][0] += weight[q] * low;
        sum[q][1] += weight[q] * high;
      }
    }
    for (int q = 0; q < ROWS; q++) {
      Store(hidden + (u + q) * MLP_LANES, scale * sum[q][0] + units->bias_u[u + q]);
      Store(hidden + (u + q) * MLP_LANES + 4, scale * sum[q][1] + units->bias_u[u + q]);
    }
  }
}

void MlpSmallOutput(const MlpUnits *units, PetscInt d, PetscInt B, double scale, const double *hidden, double *G) {
  for (PetscInt c = 0; c < d; c += ROWS) {
    const PetscInt rows = PetscMin(ROWS, d - c);
    Vector sum[ROWS][2] = {{{0}}};
    const double *weight[ROWS];
    /* Missing components repeat the last: the tile keeps its shape and the surplus is dropped. */
    for (int q = 0; q < ROWS; q++) weight[q] = units->W + (c + PetscMin(q, rows - 1)) * units->stride;
    for (PetscInt u = 0; u < units->count; u++) {
      const Vector low = Load(hidden + u * MLP_LANES), high = Load(hidden + u * MLP_LANES + 4);
      for (int q = 0; q < ROWS; q++) {
        sum[q][0] += weight[q][u] * low;
        sum[q][1] += weight[q][u] * high;
      }
    }
    for (int q = 0; q < rows; q++) {
      double *g = G + (c + q) * B;
      Store(g, Load(g) + scale * sum[q][0]);
      Store(g + 4, Load(g + 4) + scale * sum[q][1]);
    }
  }
}
