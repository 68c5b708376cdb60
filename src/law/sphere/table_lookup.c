/* Looking things up in a table on the sphere, see table_sphere.c. Tokens are visited in the order of tiles of the grid,
 * which then are in the first-level cache; values do not depend on that order. */
#include <math.h>

#include "base/lanes.h"
#include "base/vmath.h"
#include "law/sphere/table_sphere.h"

/* A register holds the functions at one grid point or at two neighbours, of which the first is in an even column, so
 * that no register lies across two cache lines: TOGETHER of them. */
#define TOGETHER (LANES > TABLE_FUNCTIONS ? 2 : 1)
#define WIDE     (TOGETHER * TABLE_FUNCTIONS)
typedef double Wide __attribute__((vector_size(8 * WIDE), aligned(8), may_alias));
#define MOST 14 /* numbers of a window */

/* The cell along one angle, and where in it; of an angle that is not finite any cell, and NaN. */
static inline uint32_t Cell(double angle, double most, double *where) {
  const double inside = angle > 0 ? angle : 0, cell = floor(inside < most ? inside : most);

  *where = 2 * (angle - cell) - 1;
  return (uint32_t)(int)cell;
}

VMATH2(Angle, vatan2(s, t))

/* Tokens of a block, by their angles in cells. */
static void Locate(const TableSphere table, PetscInt B, const double *restrict x, PetscInt offset) {
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
    key[i] = (row[i] / TABLE_TILE * tiles + column[i] / TABLE_TILE) * 2 + column[i] % 2;
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
INLINE Wide Weight(const Taps *taps, PetscInt width, PetscInt k) {
  const double a = Tap(taps, width, k);
#if LANES > TABLE_FUNCTIONS
  const double b = Tap(taps, width, k + 1);
  return (Wide){a, a, a, a, b, b, b, b};
#else
  return (Wide){a, a, a, a};
#endif
}

/* The functions at a token: its stencil, which begins `shift` columns behind the grid's, in as many parts as let the
 * weights of one stay in registers. */
INLINE void Stencil(PetscInt width, PetscInt shift, const double *grid, PetscInt pitch, const Taps *along,
                    const Taps *around, double *out) {
  const PetscInt vectors = (width + shift + TOGETHER - 1) / TOGETHER, part = TOGETHER > 1 ? vectors : vectors / 2;
  double w[2 * TABLE_HALF];
  Wide even = {0}, odd = {0};

  Spill(along, w);
  LANES_WRITTEN(w);
#pragma GCC unroll 2
  for (PetscInt first = 0; first < vectors; first += part) {
    const double *g = grid + WIDE * first;
    Wide weight[MOST / 2 + 1];
#pragma GCC unroll 8
    for (PetscInt j = 0; j < part; j++) weight[j] = Weight(around, width, TOGETHER * (first + j) - shift);
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
  even += odd;
#if LANES > TABLE_FUNCTIONS
  QuadStore(out, ((Quad){even[0], even[1], even[2], even[3]} + (Quad){even[4], even[5], even[6], even[7]}));
#else
  QuadStore(out, even);
#endif
}

/* Tokens of a chunk, in this order, whose columns are even, or odd for shift = 1; returns the first that is not. */
INLINE PetscInt Run(const TableSphere table, PetscInt width, PetscInt terms, PetscInt shift, PetscInt k, PetscInt count,
                    PetscInt B, double *out) {
  const PetscInt pitch = TABLE_FUNCTIONS * table->columns, n = table->n;

  for (; k < count; k++) {
    const uint32_t i = table->order[k], column = table->column[i];
    const double *grid = table->data + table->row[i] * pitch + ((PetscInt)column - shift) * TABLE_FUNCTIONS;
    double *place = out + i / HARMONICS_BLOCK * (size_t)(n * B) + i % HARMONICS_BLOCK, values[TABLE_FUNCTIONS];

    if (TOGETHER > 1 && (PetscInt)(column % 2) != shift) break;
    const Taps along = Window(terms, table->polynomials, table->s[i]),
               around = Window(terms, table->polynomials, table->t[i]);
    Stencil(width, shift, grid, pitch, &along, &around, values);
    for (PetscInt c = 0; c < n; c++) place[c * B] = values[c];
  }
  return k;
}

INLINE void Chunk(const TableSphere table, PetscInt width, PetscInt terms, PetscInt count, PetscInt B, double *out) {
  PetscInt k = 0;

  while (k < count) {
    k = Run(table, width, terms, 0, k, count, B, out);
    if (TOGETHER > 1) k = Run(table, width, terms, 1, k, count, B, out);
  }
}

PetscErrorCode TableSphereEvaluate(TableSphere table, PetscInt blocks, PetscInt B, const double *x, double *out) {
  PetscFunctionBeginUser;
  while (blocks > 0) {
    const PetscInt part = PetscMin(blocks, SYNTHESIS_BLOCKS);

    for (PetscInt b = 0; b < part; b++) Locate(table, B, x + 3 * b * B, b * B);
    Sort(table, (uint32_t)(part * B));
    switch (table->window->width) { /* as in table_window.c */
    case 10:
      Chunk(table, 10, 16, part * B, B, out);
      break;
    case 12:
      Chunk(table, 12, 18, part * B, B, out);
      break;
    default:
      Chunk(table, 14, 20, part * B, B, out);
    }
    blocks -= part;
    x += part * 3 * B;
    out += part * table->n * B;
  }
  PetscFunctionReturn(0);
}
