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
typedef double Pair __attribute__((vector_size(16)));
#define MOST 8 /* registers of a row that are worked on together */

/* The cell along one angle, and where in it; of an angle that is not finite any cell, and NaN. */
static inline uint32_t Cell(double angle, double most, double *where) {
  const double inside = angle > 0 ? angle : 0, cell = floor(inside < most ? inside : most);

  *where = 2 * (angle - cell) - 1;
  return (uint32_t)(int)cell;
}

VMATH2(Angle, vatan2(s, t))

/* Tokens of a block, by their angles in cells; their registers begin at a column whose number `together` divides. */
static void Locate(const TableSphere table, uint32_t together, PetscInt B, const double *restrict x, PetscInt offset) {
  const double *restrict y = x + B, *restrict z = y + B;
  const double scale = table->M / (2 * PETSC_PI), half = 0.5 * table->M, most = table->M;
  double *restrict theta = table->s + offset, *restrict phi = table->t + offset;
  uint32_t *restrict point = table->point + offset, *restrict key = table->key + offset;
  const uint32_t tiles = (uint32_t)(table->M / TABLE_TILE + 1), columns = (uint32_t)table->columns;

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
    const uint32_t row = Cell(theta[i], half, &theta[i]), column = Cell(phi[i], most, &phi[i]);
    const uint32_t shift = column & (together - 1);
    point[i] = row * columns + column - shift;
    key[i] = (row / TABLE_TILE * tiles + column / TABLE_TILE) * TABLE_SHIFTS + shift;
  }
}

/* Spots by bins. */
static void Sort(TableSphere table, uint32_t count) {
  uint32_t begin = 0;

  for (PetscInt k = 0; k < table->bins; k++) table->end[k] = 0;
  for (uint32_t i = 0; i < count; i++) table->end[table->key[i]]++;
  for (PetscInt k = 0; k < table->bins; k++) {
    const uint32_t length = table->end[k];
    table->end[k] = begin;
    begin += length;
  }
  for (uint32_t i = 0; i < count; i++) {
    const TableSpot spot = {.s = table->s[i], .t = table->t[i], .point = table->point[i], .token = i};
    table->spots[table->end[table->key[i]]++] = spot;
  }
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

/* The functions at a token: its stencil, which begins `shift` columns after the registers, in as many parts as let the
 * sums of one stay in registers. */
INLINE Wide Stencil(PetscInt width, PetscInt functions, PetscInt shift, const double *grid, PetscInt pitch,
                    const Taps *along, const Taps *around) {
  const PetscInt together = WIDE / functions, vectors = (width + shift + together - 1) / together;
  const PetscInt part = vectors > MOST ? vectors / 2 : vectors;
  double w[2 * TABLE_HALF];
  Wide total = {0};

  Spill(along, w);
  LANES_WRITTEN(w);
#pragma GCC unroll 2
  for (PetscInt first = 0; first < vectors; first += part) {
    const double *g = grid + WIDE * first;
    Wide sum[MOST];
#pragma GCC unroll 8
    for (PetscInt j = 0; j < part; j++) sum[j] = w[Place(width, 0)] * *(const Wide *)(g + WIDE * j);
#pragma GCC unroll 16
    for (PetscInt r = 1; r < width; r++) {
      g += pitch;
#pragma GCC unroll 8
      for (PetscInt j = 0; j < part; j++) sum[j] += w[Place(width, r)] * *(const Wide *)(g + WIDE * j);
    }
#pragma GCC unroll 8
    for (PetscInt j = 0; j < part; j++)
      total += Weight(around, width, functions, together * (first + j) - shift) * sum[j];
  }
  return total;
}

/* Tokens of a bin, whose columns have this remainder. */
INLINE void Bin(const TableSphere table, const TableWindow window, PetscInt functions, PetscInt shift, uint32_t begin,
                uint32_t end, PetscInt B, double *out) {
  const PetscInt pitch = functions * table->columns, n = table->n;

  for (const TableSpot *spot = table->spots + begin; spot < table->spots + end; spot++) {
    const uint32_t i = spot->token;
    const double *grid = table->data + spot->point * (size_t)functions;
    double *place = out + i / HARMONICS_BLOCK * (size_t)(n * B) + i % HARMONICS_BLOCK;
    const Taps along = Window(window.terms, table->polynomials, spot->s),
               around = Window(window.terms, table->polynomials, spot->t);
    const Wide sum = Stencil(window.width, functions, shift, grid, pitch, &along, &around);
#if LANES > TABLE_FUNCTIONS
    const Quad values = (Quad){sum[0], sum[1], sum[2], sum[3]} + (Quad){sum[4], sum[5], sum[6], sum[7]};
#else
    const Quad values = sum;
#endif
    const Pair first = {values[0], values[1]}, second = {values[2], values[3]};
    const Pair pair = functions == 2 ? first + second : first;
    place[0] = pair[0];
    if (n > 1) place[B] = pair[1];
    if (functions > 2) place[2 * B] = second[0];
    if (n > 3) place[3 * B] = second[1];
  }
}

INLINE void Chunk(const TableSphere table, PetscInt width, PetscInt terms, PetscInt functions, PetscInt B,
                  double *out) {
  const TableWindow window = {.width = width, .terms = terms};
  const PetscInt together = WIDE / functions;
  uint32_t begin = 0;

  for (PetscInt k = 0; k < table->bins; k += TABLE_SHIFTS) {
    const uint32_t *end = table->end + k;
    Bin(table, window, functions, 0, begin, end[0], B, out);
    if (together > 1) Bin(table, window, functions, 1, end[0], end[1], B, out);
    if (together > 2) Bin(table, window, functions, 2, end[1], end[2], B, out);
    if (together > 2) Bin(table, window, functions, 3, end[2], end[3], B, out);
    begin = end[TABLE_SHIFTS - 1];
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
      Chunk(table, 10, 12, 2, B, out);
      break;
    case 104:
      Chunk(table, 10, 12, 4, B, out);
      break;
    case 122:
      Chunk(table, 12, 14, 2, B, out);
      break;
    case 124:
      Chunk(table, 12, 14, 4, B, out);
      break;
    case 142:
      Chunk(table, 14, 16, 2, B, out);
      break;
    default:
      Chunk(table, 14, 16, 4, B, out);
    }
    blocks -= part;
    x += part * 3 * B;
    out += part * table->n * B;
  }
  PetscFunctionReturn(0);
}
