/* Looking two functions up in a table on the sphere in single precision, see table_lookup.c. The window is as wide as
 * half a register of AVX-512, so that a row of a stencil is one register wherever it begins. */
#include "base/lanes.h"
#include "law/sphere/table_sphere.h"

enum {
  WIDTH = 8,  /* of the window, */
  TERMS = 10, /* and of its polynomials, as in table_window.c */
  NUMBERS = 2 * WIDTH,
  ROW = 2 * LANES, /* numbers of a register, */
  ROWS = NUMBERS / ROW,
  BATCH = 32
};
typedef float Row __attribute__((vector_size(4 * ROW), aligned(4), may_alias));
typedef float Four __attribute__((vector_size(16)));

/* Registers of all numbers of a token's windows: WIDTH at s for its rows, as many at t for its columns. */
#if LANES == 8
#define PLACE(v, s, t) ((Row){s, s, s, s, s, s, s, s, t, t, t, t, t, t, t, t})
#else
#define PLACE(v, s, t) ((Row){0} + ((v) < ROWS / 2 ? s : t))
#endif

INLINE void Windows(const float *polynomials, float s, float t, Row window[ROWS]) {
#pragma GCC unroll 4
  for (int v = 0; v < ROWS; v++) {
    const Row place = PLACE(v, s, t), square = place * place;
    const float *p = polynomials + v * ROW + (TERMS - 2) * NUMBERS;
    Row even = *(const Row *)p, odd = *(const Row *)(p + NUMBERS);
#pragma GCC unroll 16
    for (int i = TERMS - 4; i >= 0; i -= 2) {
      p -= 2 * NUMBERS;
      even = even * square + *(const Row *)p;
      odd = odd * square + *(const Row *)(p + NUMBERS);
    }
    window[v] = even + odd * place;
  }
}

/* Those of the columns, each twice: for both functions. */
INLINE void Double(const Row window[ROWS], Row around[ROWS]) {
#if LANES == 8
  around[0] = __builtin_shufflevector(window[0], window[0], 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
#elif LANES == 4
  around[0] = __builtin_shufflevector(window[1], window[1], 0, 0, 1, 1, 2, 2, 3, 3);
  around[1] = __builtin_shufflevector(window[1], window[1], 4, 4, 5, 5, 6, 6, 7, 7);
#else
#pragma GCC unroll 2
  for (int v = 0; v < 2; v++) {
    around[2 * v] = __builtin_shufflevector(window[2 + v], window[2 + v], 0, 0, 1, 1);
    around[2 * v + 1] = __builtin_shufflevector(window[2 + v], window[2 + v], 2, 2, 3, 3);
  }
#endif
}

/* The functions, which alternate in a register, at one token. */
INLINE Four Stencil(const float *grid, PetscInt pitch, const float *along, const Row *around) {
  Row sum = {0};

#pragma GCC unroll 4
  for (int v = 0; v < ROWS; v++) {
    const float *g = grid + v * ROW;
    Row even = along[0] * *(const Row *)g, odd = along[1] * *(const Row *)(g + pitch);
#pragma GCC unroll 8
    for (int r = 2; r < WIDTH; r += 2) {
      even += along[r] * *(const Row *)(g + r * pitch);
      odd += along[r + 1] * *(const Row *)(g + (r + 1) * pitch);
    }
    sum += around[v] * (even + odd);
  }
#if LANES == 8
  return ((Four){sum[0], sum[1], sum[2], sum[3]} + (Four){sum[4], sum[5], sum[6], sum[7]}) +
         ((Four){sum[8], sum[9], sum[10], sum[11]} + (Four){sum[12], sum[13], sum[14], sum[15]});
#elif LANES == 4
  return (Four){sum[0], sum[1], sum[2], sum[3]} + (Four){sum[4], sum[5], sum[6], sum[7]};
#else
  return sum;
#endif
}

/* Windows of BATCH tokens first, then their stencils: a processor looks so far ahead that one token's chain of
 * operations runs beside those of the next ones if it is not too long. */
void TableSphereSingle(const struct TableSphere *table, PetscInt count, PetscInt B, double *out) {
  const PetscInt pitch = 2 * table->columns, n = table->n;
  _Alignas(64) float windows[BATCH][NUMBERS];

  for (PetscInt first = 0; first < count; first += BATCH) {
    const TableSpot *spots = table->spots + first;
    const PetscInt batch = PetscMin(BATCH, count - first);

    for (PetscInt k = 0; k < batch; k++) {
      Row window[ROWS];
      Windows(table->both, (float)spots[k].s, (float)spots[k].t, window);
#pragma GCC unroll 4
      for (int v = 0; v < ROWS; v++) *(Row *)(windows[k] + v * ROW) = window[v];
    }
    for (PetscInt k = 0; k < batch; k++) {
      const uint32_t i = spots[k].token;
      double *place = out + i / HARMONICS_BLOCK * (size_t)(n * B) + i % HARMONICS_BLOCK;
      Row around[ROWS];

      Double((const Row *)windows[k], around);
      const Four sum = Stencil(table->single + 2 * (size_t)spots[k].point, pitch, windows[k], around);
      place[0] = sum[0] + sum[2];
      if (n > 1) place[B] = sum[1] + sum[3];
    }
  }
}
