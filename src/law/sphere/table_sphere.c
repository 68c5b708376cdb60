/* Functions on the sphere in three dimensions from a grid of numbers around each token. Continued over the poles, from
 * (theta, phi) to (-theta, phi + pi), a function of degree n is a trigonometric polynomial of degree n in both angles,
 * and so can be interpolated as those are in non-uniform fast Fourier transforms (type 2; Barnett, Magland, af
 * Klinteberg, SIAM J. Sci. Comput. 41, C479, 2019): in one angle,
 *
 *     sum_k c_k e^{ik theta} = sum_j g_j W(theta/step - j),   g_j = sum_k c_k / w(k/M) e^{ik j step},  step = 2 pi / M,
 *
 * up to aliasing, with the transform w of a window W that is 0 beyond WIDTH/2. Here it is that of Kaiser and Bessel,
 *
 *     W(y) = I_0(b sqrt(1 - (2y/WIDTH)^2)),   w(f) = WIDTH sinh(q)/q,  q = sqrt(b^2 - (pi WIDTH f)^2).
 *
 * With WIDTH = 14 and b = SHAPE the sum is off by at most 6.3e-15 of e^{ik theta} for all |k| <= M/FINENESS (found by
 * evaluating it over theta/step in [0,1] and k/M, as test_synthesis.c does again; only the ratio k/M matters, so this
 * holds at any degree), hence by less than 2e-14 for both angles and the polynomials below.
 *
 * In theta the numbers g come from matrices made once per order m, in phi from another one: making a table is a product
 * of matrices. Tokens are visited in the order of tiles of the grid, which then are in the first-level cache; values do
 * not depend on that order. */
#include "law/sphere/synthesis.h"

#include <petscblaslapack.h>

#include "base/vmath.h"
#include "law/sphere/impl.h"
#include "law/sphere/table.h"

#define WIDTH    TABLE_WIDTH
#define HALF     (WIDTH / 2)
#define FINENESS TABLE_FINENESS
#define SHAPE    TABLE_SHAPE
#define BEFORE   (HALF - 1) /* grid points of a stencil before the token's own cell */
/* The window is kept as polynomials on pieces of a cell, off by less than 2e-15 of its maximum: W is of exponential
 * type 2b/WIDTH, so a Chebyshev interpolation at TERMS nodes of a piece of 1/PIECES is off by 2 x^TERMS/TERMS! with
 * x = b/WIDTH/PIECES/2. */
#define PIECES 16
#define TERMS  9
#define PADDED 16 /* WIDTH in whole vectors */
#define TILE   16 /* cells of a tile in each direction */
#define CHUNK  (SYNTHESIS_BLOCKS * HARMONICS_BLOCK)

struct TableSphere {
  PetscInt n, degree, count; /* functions, K */
  PetscInt M, rows, columns; /* cells around; grid with all stencils */
  double *theta;             /* [pairs (m,l)][rows]: g of the functions of theta */
  double *phi;               /* [2 degree + 1][columns]: of 1, cos 1, sin 1, cos 2, .. */
  double *orders;            /* [n][2 degree + 1][rows] */
  double *planes;            /* [n][rows][columns] */
  double *data;              /* [rows][columns][TABLE_FUNCTIONS] */
  double *window;            /* [PIECES][TERMS][PADDED] */
  double *room;              /* where these two were allocated */
  PetscInt bins;
  uint32_t *begin;        /* [bins] */
  uint32_t *order, *key;  /* [CHUNK]: tokens by tiles */
  uint32_t *row, *column; /* [CHUNK]: cell x PIECES + piece */
  double *s, *t;          /* [CHUNK]: where in the pieces, in [-1,1] */
};

/* Divisible by 4, which makes whole cells from pole to pole. */
static PetscInt Around(PetscInt degree) {
  return PetscMax(16, (FINENESS * degree + 3) / 4 * 4);
}

TableCost TableSphereCost(PetscInt degree, PetscInt n) {
  const PetscReal rows = Around(degree) / 2 + WIDTH, columns = Around(degree) + WIDTH, orders = 2.0 * degree + 1;
  const PetscReal pairs = 0.5 * (degree + 1.0) * (degree + 2.0);
  return (TableCost){.token = 2.0 * TABLE_FUNCTIONS * WIDTH * (WIDTH + 2) + 4.0 * PADDED * (TERMS - 1) + 80,
                     .set = 2.0 * n * rows * (orders * columns + 2 * pairs),
                     .bytes = sizeof(double) * (rows * columns * (n + TABLE_FUNCTIONS) + pairs * rows +
                                                orders * (columns + n * rows) + 4.0 * CHUNK)};
}

/* W(y)/W(0) by the power series of I_0. */
static double Window(double y) {
  const double square = 0.25 * SHAPE * SHAPE, z = square * PetscMax(0, 1 - 4 * y * y / (WIDTH * WIDTH));
  double term = 1, sum = 1, term0 = 1, sum0 = 1;

  for (PetscInt k = 1; k < 120; k++) {
    sum += term *= z / ((double)k * k);
    sum0 += term0 *= square / ((double)k * k);
  }
  return sum / sum0;
}

/* w(k/M)/W(0), from the sum over the grid that it has to invert: exact for k = 0 and, up to the error above, for all.
 */
static double Transform(PetscInt M, PetscInt k) {
  double sum = Window(0);
  for (PetscInt j = 1; j <= HALF; j++) sum += 2 * Window(j) * cos(2 * PETSC_PI * k * j / M);
  return sum;
}

/* Polynomials of W(f - j), j = -BEFORE .. HALF, on the pieces of f in [0,1]. */
static void SetWindow(double *window) {
  double chebyshev[TERMS * TERMS], powers[TERMS * TERMS];

  TableChebyshev(TERMS, chebyshev);
  TablePowers(TERMS, powers);
  for (PetscInt piece = 0; piece < PIECES; piece++) {
    for (PetscInt j = 0; j < WIDTH; j++) {
      double values[TERMS], *out = window + piece * TERMS * PADDED + j;
      for (PetscInt k = 0; k < TERMS; k++)
        values[k] = Window((piece + 0.5 * (1 + TableNode(TERMS, k))) / PIECES - (double)(j - BEFORE));
      for (PetscInt i = 0; i < TERMS; i++) {
        double term = 0;
        for (PetscInt k = 0; k < TERMS; k++) term += chebyshev[i * TERMS + k] * values[k];
        for (PetscInt p = 0; p <= i; p++) out[p * PADDED] += powers[p * TERMS + i] * term;
      }
    }
  }
}

/* Values at `samples` equidistant angles, in the plane y = 0 all around, of all harmonics: those with cos m phi are
 * there the functions of theta, continued over the poles. */
static PetscErrorCode Sample(Harmonics harmonics, PetscInt samples, double *values) {
  double x[3 * 8], *Y;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(8 * (size_t)harmonics->count, &Y));
  for (PetscInt first = 0; first < samples; first += 8) {
    for (PetscInt i = 0; i < 8; i++) {
      const double angle = 2 * PETSC_PI * (first + i) / samples;
      x[i] = sin(angle);
      x[8 + i] = 0;
      x[16 + i] = cos(angle);
    }
    PetscCall(HarmonicsEvaluate(harmonics, 8, x, Y));
    for (PetscInt k = 0; k < harmonics->count; k++)
      PetscCall(PetscArraycpy(values + (size_t)k * samples + first, Y + 8 * k, 8));
  }
  PetscCall(PetscFree(Y));
  PetscFunctionReturn(0);
}

/* C (a x b, ldc) = A (a x c, lda) B (c x b, ldb), or with B^T; all column-major. */
static PetscErrorCode Product(const char *transpose, PetscInt a, PetscInt b, PetscInt c, const double *A, PetscInt lda,
                              const double *B, PetscInt ldb, double *C, PetscInt ldc) {
  const double one = 1, zero = 0;
  const PetscBLASInt m = (PetscBLASInt)a, n = (PetscBLASInt)b, k = (PetscBLASInt)c, la = (PetscBLASInt)lda,
                     lb = (PetscBLASInt)ldb, lc = (PetscBLASInt)ldc;

  PetscFunctionBeginUser;
  PetscCallBLAS("BLASgemm", BLASgemm_("N", transpose, &m, &n, &k, &one, A, &la, B, &lb, &zero, C, &lc));
  PetscFunctionReturn(0);
}

/* Matrices from samples to g on the rows: trigonometric interpolation, each mode over its transform. */
static PetscErrorCode SetTheta(TableSphere table, Harmonics harmonics) {
  const PetscInt N = table->degree, samples = (2 * N + 9) / 8 * 8;
  double *values, *matrix, *inverse;
  PetscInt k = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3((size_t)samples * harmonics->count, &values, (size_t)samples * table->rows, &matrix, N + 1,
                         &inverse));
  PetscCall(Sample(harmonics, samples, values));
  for (PetscInt j = 0; j <= N; j++) inverse[j] = (j ? 2.0 : 1.0) / (samples * Transform(table->M, j));
  for (PetscInt i = 0; i < samples; i++) {
    for (PetscInt r = 0; r < table->rows; r++) {
      const double angle = 2 * PETSC_PI * ((double)(r - BEFORE) / table->M - (double)i / samples);
      double sum = 0;
      for (PetscInt j = 0; j <= N; j++) sum += inverse[j] * cos(j * angle);
      matrix[i * table->rows + r] = sum;
    }
  }
  for (PetscInt m = 0; m <= N; m++) {
    const PetscInt length = N - m + 1;
    PetscCall(Product("N", table->rows, length, samples, matrix, table->rows, values + (size_t)k * samples, samples,
                      table->theta + HarmonicsPair(N, m) * table->rows, table->rows));
    k += (m ? 2 : 1) * length;
  }
  PetscCall(PetscFree3(values, matrix, inverse));
  PetscFunctionReturn(0);
}

static void SetPhi(TableSphere table) {
  for (PetscInt m = 0; m <= table->degree; m++) {
    const double inverse = 1 / Transform(table->M, m);
    for (PetscInt j = 0; j < table->columns; j++) {
      const double angle = 2 * PETSC_PI * m * ((double)(j - BEFORE) / table->M - 0.5);
      table->phi[(m ? 2 * m - 1 : 0) * table->columns + j] = inverse * cos(angle);
      if (m) table->phi[2 * m * table->columns + j] = inverse * sin(angle);
    }
  }
}

PetscErrorCode TableSphereCreate(Harmonics harmonics, PetscInt n, TableSphere *handle) {
  const PetscInt degree = harmonics->degree, orders = 2 * degree + 1;
  TableSphere table;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&table));
  table->n = n;
  table->degree = degree;
  table->count = harmonics->count;
  table->M = Around(degree);
  table->rows = table->M / 2 + WIDTH;
  table->columns = table->M + WIDTH;
  table->bins = (table->M / 2 / TILE + 1) * (table->M / TILE + 1);
  PetscCall(PetscMalloc4(HarmonicsPair(degree, degree + 1) * table->rows, &table->theta, orders * table->columns,
                         &table->phi, n * orders * table->rows, &table->orders, n * table->rows * table->columns,
                         &table->planes));
  PetscCall(PetscCalloc1(PIECES * TERMS * PADDED + table->rows * table->columns * TABLE_FUNCTIONS + TABLE_LINE,
                         &table->room));
  table->window = TableBegin(table->room);
  table->data = table->window + PIECES * TERMS * PADDED;
  PetscCall(PetscMalloc7(table->bins, &table->begin, CHUNK, &table->order, CHUNK, &table->key, CHUNK, &table->row,
                         CHUNK, &table->column, CHUNK, &table->s, CHUNK, &table->t));
  SetWindow(table->window);
  SetPhi(table);
  PetscCall(SetTheta(table, harmonics));
  *handle = table;
  PetscFunctionReturn(0);
}

PetscErrorCode TableSphereDestroy(TableSphere *handle) {
  TableSphere table = *handle;

  PetscFunctionBeginUser;
  if (!table) PetscFunctionReturn(0);
  PetscCall(PetscFree4(table->theta, table->phi, table->orders, table->planes));
  PetscCall(PetscFree(table->room));
  PetscCall(PetscFree7(table->begin, table->order, table->key, table->row, table->column, table->s, table->t));
  PetscCall(PetscFree(*handle));
  PetscFunctionReturn(0);
}

PetscErrorCode TableSphereSet(TableSphere table, const double *coefficients) {
  const PetscInt N = table->degree, orders = 2 * N + 1, points = table->rows * table->columns;

  PetscFunctionBeginUser;
  for (PetscInt m = 0, order = 0; m <= N; m++) {
    const double *theta = table->theta + HarmonicsPair(N, m) * table->rows;
    const PetscInt length = N - m + 1;
    for (PetscInt part = 0; part < (m ? 2 : 1); part++, order++, coefficients += length)
      PetscCall(Product("N", table->rows, table->n, length, theta, table->rows, coefficients, table->count,
                        table->orders + order * table->rows, orders * table->rows));
  }
  for (PetscInt i = 0; i < table->n; i++)
    PetscCall(Product("T", table->columns, table->rows, orders, table->phi, table->columns,
                      table->orders + i * orders * table->rows, table->rows, table->planes + i * points,
                      table->columns));
  for (PetscInt p = 0; p < points; p++) {
    double *at = table->data + TABLE_FUNCTIONS * p;
    for (PetscInt i = 0; i < table->n; i++) at[i] = table->planes[i * points + p];
  }
  PetscFunctionReturn(0);
}

/* The cell and its piece along one angle, and where in the piece; of an angle that is not finite any cell, and NaN. */
static inline uint32_t Piece(double angle, double most, double *where) {
  const double inside = angle > 0 ? angle : 0, cell = floor(inside < most ? inside : most);
  const double piece = PIECES * (angle - cell), begin = floor(piece > 0 ? piece : 0);
  const double first = begin < PIECES - 1 ? begin : PIECES - 1;

  *where = 2 * (piece - first) - 1;
  return (uint32_t)(int)(PIECES * cell + first);
}

VMATH2(Angle, vatan2(s, t))

/* Tokens of a block, by their angles in cells. */
static void Locate(const TableSphere table, PetscInt B, const double *restrict x, PetscInt offset) {
  const double *restrict y = x + B, *restrict z = y + B;
  const double scale = table->M / (2 * PETSC_PI), half = 0.5 * table->M, most = table->M;
  double *restrict theta = table->s + offset, *restrict phi = table->t + offset;
  uint32_t *restrict row = table->row + offset, *restrict column = table->column + offset,
                     *restrict key = table->key + offset;
  const uint32_t tiles = (uint32_t)(table->M / TILE + 1);

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
    row[i] = Piece(theta[i], half, &theta[i]);
    column[i] = Piece(phi[i], most, &phi[i]);
    key[i] = row[i] / (PIECES * TILE) * tiles + column[i] / (PIECES * TILE);
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

/* Windows of a token in both directions. */
static inline __attribute__((always_inline)) void Windows(const TableSphere table, uint32_t i, double *along,
                                                          double *around) {
  const double *a = table->window + table->row[i] % PIECES * (TERMS * PADDED);
  const double *b = table->window + table->column[i] % PIECES * (TERMS * PADDED);
  const Quad p = {table->s[i], table->s[i], table->s[i], table->s[i]},
             q = {table->t[i], table->t[i], table->t[i], table->t[i]};

#pragma GCC unroll 4
  for (PetscInt v = 0; v < PADDED; v += TABLE_FUNCTIONS) {
    Quad A = QuadLoad(a + (TERMS - 1) * PADDED + v), C = QuadLoad(b + (TERMS - 1) * PADDED + v);
#pragma GCC unroll 16
    for (PetscInt k = TERMS - 2; k >= 0; k--) {
      A = A * p + QuadLoad(a + k * PADDED + v);
      C = C * q + QuadLoad(b + k * PADDED + v);
    }
    QuadStore(along + v, A);
    QuadStore(around + v, C);
  }
}

/* The functions at a token: its stencil in two halves, whose weights stay in registers. */
static inline __attribute__((always_inline)) void Stencil(const double *grid, PetscInt pitch, const double *along,
                                                          const double *around, double *out) {
  Quad even = {0}, odd = {0};

#pragma GCC unroll 2
  for (PetscInt half = 0; half < WIDTH; half += HALF) {
    const double *g = grid + TABLE_FUNCTIONS * half;
    Quad weight[HALF];
#pragma GCC unroll 8
    for (PetscInt j = 0; j < HALF; j++) {
      const double w = around[half + j];
      weight[j] = (Quad){w, w, w, w};
    }
#pragma GCC unroll 8
    for (PetscInt r = 0; r < WIDTH; r += 2, g += 2 * pitch) {
      Quad a = weight[0] * QuadLoad(g), b = weight[0] * QuadLoad(g + pitch);
#pragma GCC unroll 8
      for (PetscInt j = 1; j < HALF; j++) {
        a += weight[j] * QuadLoad(g + TABLE_FUNCTIONS * j);
        b += weight[j] * QuadLoad(g + pitch + TABLE_FUNCTIONS * j);
      }
      even += along[r] * a;
      odd += along[r + 1] * b;
    }
  }
  QuadStore(out, even + odd);
}

PetscErrorCode TableSphereEvaluate(TableSphere table, PetscInt blocks, PetscInt B, const double *x, double *out) {
  const PetscInt pitch = TABLE_FUNCTIONS * table->columns, n = table->n;

  PetscFunctionBeginUser;
  while (blocks > 0) {
    const PetscInt part = PetscMin(blocks, SYNTHESIS_BLOCKS);

    for (PetscInt b = 0; b < part; b++) Locate(table, B, x + 3 * b * B, b * B);
    Sort(table, (uint32_t)(part * B));
    for (PetscInt k = 0; k < part * B; k++) {
      const uint32_t i = table->order[k];
      const double *grid = table->data + table->row[i] / PIECES * pitch + table->column[i] / PIECES * TABLE_FUNCTIONS;
      double *place = out + i / HARMONICS_BLOCK * (size_t)(n * B) + i % HARMONICS_BLOCK;
      double along[PADDED], around[PADDED], values[TABLE_FUNCTIONS];

      Windows(table, i, along, around);
      Stencil(grid, pitch, along, around, values);
      for (PetscInt c = 0; c < n; c++) place[c * B] = values[c];
    }
    blocks -= part;
    x += part * 3 * B;
    out += part * n * B;
  }
  PetscFunctionReturn(0);
}
