/* Looking things up in a table on the sphere, see table_sphere.c. Tokens are visited in the order of tiles of the grid,
 * which then are in the first-level cache; values do not depend on that order. */
#include <math.h>

#include "base/lanes.h"
#include "base/vmath.h"
#include "law/sphere/table_sphere.h"

/* A register holds the functions, two or four of them, at neighbouring grid points, the first in a column whose number
 * is a multiple of theirs, so that no register lies across two cache lines. */
#define WIDE (LANES > TABLE_FUNCTIONS ? 8 : TABLE_FUNCTIONS)
typedef double Wide __attribute__((vector_size(8 * WIDE), aligned(8), may_alias));
#define MOST 8 /* registers of a row that are worked on together */

/* The cell along one angle, and where in it; of an angle that is not finite any cell, and NaN. */
static inline uint32_t Cell(double angle, double most, double *where) {
  const double inside = angle > 0 ? angle : 0, cell = floor(inside < most ? inside : most);

  *where = 2 * (angle - cell) - 1;
  return (uint32_t)(int)cell;
}

VMATH2(Angle, vatan2(s, t))

/* Tokens of a block, by their angles in cells, and by their columns' remainders by `together`. */
static void Locate(const TableSphere table, uint32_t together, PetscInt B, const double *restrict x, PetscInt offset) {
  const double *restrict y = x + B, *restrict z = y + B;
  const double scale = table->M / (2 * PETSC_PI), half = 0.5 * table->M, most = table->M;
  double *restrict theta = table->s + offset, *restrict phi = table->t + offset;
  uint32_t *restrict row = table->row + offset, *restrict column = table->column + offset,
                     *restrict key = table->key + offset;
  const uint32_t tiles = (uint32_t)(table->M / TABLE_TILE + 1);

#pragma omp simd
  for (PetscInt i = 0; i < B; i++) theta[i] = sqrt(x[i] * x[i] + y[i] * y[i]);
  Angle(B, theta, z, theta);
  Angle(B, y, x, phi);
#pragma omp simd
  for (PetscInt i = 0; i < B; i++) {
    theta[i] *= scale;
    phi[i] = scale * phi[i] + half;
  }
#pragma omp simd
  for (PetscInt i = 0; i < B; i++) {
    row[i] = Cell(theta[i], half, &theta[i]);
    column[i] = Cell(phi[i], most, &phi[i]);
    key[i] = (row[i] / TABLE_TILE * tiles + column[i] / TABLE_TILE) * TABLE_SHIFTS + (column[i] & (together - 1));
  }
}

/* order: the tokens sorted by key. */
static void Sort(TableSphere table, uint32_t count) {
  uint32_t begin = 0;

  for (PetscInt k = 0; k < table->bins; k++) table->begin[k] = 0;
  for (uint32_t i = 0; i < count; i++) table->begin[table->key[i]]++;
  for (PetscInt k = 0; k < table->bins; k++) {
    const uint32_t length = table->begin[k];
    table->begin[k] = begin;
    begin += length;
  }
  for (uint32_t i = 0; i < count; i++) table->order[table->begin[table->key[i]]++] = i;
}

/* A window in registers: its lower half, and the upper one from behind. */
typedef struct {
  Lanes low[TABLE_HALF / LANES], high[TABLE_HALF / LANES];
} Taps;

INLINE Taps Window(PetscInt terms, const double *polynomials, double t) {
  const double square = t * t;
  Taps taps;

#pragma GCC unroll 4
  for (int v = 0; v < TABLE_HALF / LANES; v++) {
    const double *p = polynomials + v * LANES + (terms - 2) * TABLE_HALF;
    Lanes even = *(const Lanes *)p, odd = *(const Lanes *)(p + TABLE_HALF);
#pragma GCC unroll 16
    for (PetscInt k = terms - 4; k >= 0; k -= 2) {
      p -= 2 * TABLE_HALF;
      even = even * square + *(const Lanes *)p;
      odd = odd * square + *(const Lanes *)(p + TABLE_HALF);
    }
    taps.low[v] = even + odd * t;
    taps.high[v] = even - odd * t;
  }
  return taps;
}

/* The same in memory, from where one number at a time comes into all places of a register. */
INLINE void Spill(const Taps *taps, double *w) {
#pragma GCC unroll 4
  for (int v = 0; v < TABLE_HALF / LANES; v++) {
    *(Lanes *)(w + v * LANES) = taps->low[v];
    *(Lanes *)(w + TABLE_HALF + v * LANES) = taps->high[v];
  }
}

/* Where number k is then. */
INLINE PetscInt Place(PetscInt width, PetscInt k) {
  return k < width / 2 ? k : TABLE_HALF + width - 1 - k;
}

/* Its number k; 0 outside. */
INLINE double Tap(const Taps *taps, PetscInt width, PetscInt k) {
  const PetscInt lane = k < width / 2 ? k : width - 1 - k;

  if (lane < 0) return 0;
  return k < width / 2 ? taps->low[lane / LANES][lane % LANES] : taps->high[lane / LANES][lane % LANES];
}

/* For the register that begins with number k. */
INLINE Wide Weight(const Taps *taps, PetscInt width, PetscInt functions, PetscInt k) {
#define LANE(l) Tap(taps, width, k + l / functions)
#if LANES > TABLE_FUNCTIONS
  return (Wide){LANE(0), LANE(1), LANE(2), LANE(3), LANE(4), LANE(5), LANE(6), LANE(7)};
#else
  return (Wide){LANE(0), LANE(1), LANE(2), LANE(3)};
#endif
#undef LANE
}

/* The functions at a token: its stencil, which begins `shift` columns behind the grid's, in as many parts as let the
 * weights of one stay in registers. */
INLINE Wide Stencil(PetscInt width, PetscInt functions, PetscInt shift, const double *grid, PetscInt pitch,
                    const Taps *along, const Taps *around) {
  const PetscInt together = WIDE / functions, vectors = (width + shift + together - 1) / together;
  const PetscInt part = vectors > MOST ? vectors / 2 : vectors;
  double w[2 * TABLE_HALF];
  Wide even = {0}, odd = {0};

  Spill(along, w);
  LANES_WRITTEN(w);
#pragma GCC unroll 2
  for (PetscInt first = 0; first < vectors; first += part) {
    const double *g = grid + WIDE * first;
    Wide weight[MOST];
#pragma GCC unroll 8
    for (PetscInt j = 0; j < part; j++) weight[j] = Weight(around, width, functions, together * (first + j) - shift);
#pragma GCC unroll 8
    for (PetscInt r = 0; r < width; r += 2, g += 2 * pitch) {
      Wide a = weight[0] * *(const Wide *)g, b = weight[0] * *(const Wide *)(g + pitch);
#pragma GCC unroll 8
      for (PetscInt j = 1; j < part; j++) {
        a += weight[j] * *(const Wide *)(g + WIDE * j);
        b += weight[j] * *(const Wide *)(g + pitch + WIDE * j);
      }
      even += w[Place(width, r)] * a;
      odd += w[Place(width, r + 1)] * b;
    }
  }
  return even + odd;
}

/* Tokens of a chunk, in this order, whose columns have this remainder; returns the first that has not. */
INLINE PetscInt Run(const TableSphere table, const TableWindow window, PetscInt functions, PetscInt shift, PetscInt k,
                    PetscInt count, PetscInt B, double *out) {
  const PetscInt pitch = functions * table->columns, n = table->n, together = WIDE / functions;

  for (; k < count; k++) {
    const uint32_t i = table->order[k];
    const PetscInt column = (PetscInt)table->column[i];
    const double *grid = table->data + table->row[i] * pitch + (column - shift) * functions;
    double *place = out + i / HARMONICS_BLOCK * (size_t)(n * B) + i % HARMONICS_BLOCK;

    if (column % together != shift) break;
    const Taps along = Window(window.terms, table->polynomials, table->s[i]),
               around = Window(window.terms, table->polynomials, table->t[i]);
    const Wide sum = Stencil(window.width, functions, shift, grid, pitch, &along, &around);
#if LANES > TABLE_FUNCTIONS
    const Quad values = (Quad){sum[0], sum[1], sum[2], sum[3]} + (Quad){sum[4], sum[5], sum[6], sum[7]};
#else
    const Quad values = sum;
#endif
    place[0] = values[0] + (functions == 2 ? values[2] : 0);
    if (n > 1) place[B] = values[1] + (functions == 2 ? values[3] : 0);
    if (functions > 2) place[2 * B] = values[2];
    if (n > 3) place[3 * B] = values[3];
  }
  return k;
}

INLINE void Chunk(const TableSphere table, PetscInt width, PetscInt terms, PetscInt functions, PetscInt count,
                  PetscInt B, double *out) {
  const TableWindow window = {.width = width, .terms = terms};
  const PetscInt together = WIDE / functions;
  PetscInt k = 0;

  while (k < count) {
    k = Run(table, window, functions, 0, k, count, B, out);
    if (together > 1) k = Run(table, window, functions, 1, k, count, B, out);
    if (together > 2) k = Run(table, window, functions, 2, k, count, B, out);
    if (together > 2) k = Run(table, window, functions, 3, k, count, B, out);
  }
}

PetscErrorCode TableSphereEvaluate(TableSphere table, PetscInt blocks, PetscInt B, const double *x, double *out) {
  const uint32_t together = table->single ? 1 : (uint32_t)(WIDE / table->functions);

  PetscFunctionBeginUser;
  while (blocks > 0) {
    const PetscInt part = PetscMin(blocks, SYNTHESIS_BLOCKS);

    for (PetscInt b = 0; b < part; b++) Locate(table, together, B, x + 3 * b * B, b * B);
    Sort(table, (uint32_t)(part * B));
    switch (10 * table->window->width + table->functions) { /* as in table_window.c */
    case 82:
      TableSphereSingle(table, part * B, B, out);
      break;
    case 102:
      Chunk(table, 10, 16, 2, part * B, B, out);
      break;
    case 104:
      Chunk(table, 10, 16, 4, part * B, B, out);
      break;
    case 122:
      Chunk(table, 12, 18, 2, part * B, B, out);
      break;
    case 124:
      Chunk(table, 12, 18, 4, part * B, B, out);
      break;
    case 142:
      Chunk(table, 14, 20, 2, part * B, B, out);
      break;
    default:
      Chunk(table, 14, 20, 4, part * B, B, out);
    }
    blocks -= part;
    x += part * 3 * B;
    out += part * table->n * B;
  }
  PetscFunctionReturn(0);
}
