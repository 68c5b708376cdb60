/* Functions on the circle as polynomials on cells. The coordinate of a point on one of four faces, |x| > |y| or not and
 * the sign of the larger, is the smaller coordinate u, |u| <= 1/sqrt 2: no angle is ever computed. Each face has equal
 * cells in u, each cell the polynomial of degree TERMS - 1 through the values at its Chebyshev nodes.
 *
 * Error: e^{in theta} is e^{in asin u} up to a constant factor. In the ellipse around a cell of half-width h with foci
 * at its ends and sum of half-axes rho h it is analytic and at most M = e^{n max |Im asin|}, so that the interpolation
 * is off by at most 4 M rho^{1 - TERMS} / (rho - 1) (Trefethen, Approximation Theory and Approximation Practice,
 * theorem 8.2). Re z <= R = 1/sqrt 2 + h ((rho + 1/rho)/2 - 1) and Im z <= b = h (rho - 1/rho)/2 there, and Im asin z =
 * acosh of half the sum of distances from 1 and -1, largest at R + ib. There are as many cells as make this less than
 * TOLERANCE at the best rho, for the highest n. */
#include "law/sphere/table.h"

#include <math.h>

#define TERMS     12
#define TOLERANCE 4e-15
#define FACES     4
#define GROUP     8 /* cells whose polynomials are made together */

struct TableCircle {
  PetscInt n, cells;                                      /* cells of a face */
  PetscInt together;                                      /* cells of a block of points */
  PetscInt stride;                                        /* doubles of a cell */
  double *nodes;                                          /* [FACES cells/together][TERMS][2][together] */
  double *values;                                         /* [FACES cells/together][TERMS][n][together] */
  double chebyshev[TERMS * TERMS], powers[TERMS * TERMS]; /* see table.h */
  double *data;                                           /* [FACES cells][stride] */
};

/* Two functions are kept two powers to a vector, more than two one power. */
static PetscInt Stride(PetscInt n) {
  return n <= 2 ? 2 * TERMS : TABLE_FUNCTIONS * TERMS;
}

static double Bound(PetscInt degree, PetscInt cells) {
  const double h = PetscSqrtReal(0.5) / cells;
  double best = 1;

  for (double rho = 1.5;; rho *= 1.05) {
    const double R = PetscSqrtReal(0.5) + h * (0.5 * (rho + 1 / rho) - 1), b = 0.5 * h * (rho - 1 / rho);
    if (R >= 1) return best; /* asin is not analytic there */
    const double M = exp(degree * acosh(0.5 * (hypot(R + 1, b) + hypot(R - 1, b))));
    best = PetscMin(best, 4 * M * pow(rho, 1 - TERMS) / (rho - 1));
  }
}

/* Whole vectors of cells. Every step asks again for those of the same degree. */
static PetscInt Cells(PetscInt degree) {
  static PetscInt last = -1, cells;

  if (degree == last) return cells;
  last = degree;
  cells = 8;
  while (Bound(degree, cells) > TOLERANCE) cells += PetscMax(8, cells / 16 / 8 * 8);
  return cells;
}

TableCost TableCircleCost(PetscInt degree, PetscInt n, PetscReal tol) {
  const PetscReal cells = FACES * (PetscReal)Cells(degree);

  (void)tol; /* TOLERANCE costs little */
  return (TableCost){.token = 2.0 * Stride(n) + 12,
                     .set = cells * TERMS * n * (2.0 * degree + 2.0 * TERMS),
                     .values = cells * TERMS * n * 2.0 * TERMS,
                     .bytes = sizeof(double) * cells * (Stride(n) + (2 + n) * TERMS),
                     .values_bytes = sizeof(double) * cells * (Stride(n) + (2 + n) * TERMS),
                     .error = TOLERANCE,
                     .points = cells * TERMS};
}

/* The point at t of a cell, counted over all faces. */
static void Point(PetscInt cells, PetscInt cell, double t, double *x, double *y) {
  const PetscInt face = cell / cells;
  const double u = (2 * (cell % cells) + 1 - cells + t) / (2 * PetscSqrtReal(0.5) * cells); /* as in Locate */
  const double large = (face % 2 ? -1 : 1) * sqrt((1 - u) * (1 + u));

  *x = face < 2 ? large : u;
  *y = face < 2 ? u : large;
}

PetscErrorCode TableCircleCreate(PetscInt degree, PetscInt n, PetscReal tol, TableCircle *handle) {
  TableCircle table;

  PetscFunctionBeginUser;
  (void)tol;
  PetscCall(PetscNew(&table));
  table->n = n;
  table->cells = Cells(degree);
  table->together = PetscMin(HARMONICS_BLOCK, table->cells);
  while (table->cells % table->together) table->together -= 8;
  table->stride = Stride(n);
  PetscCall(
      PetscMalloc2(2 * TERMS * FACES * table->cells, &table->nodes, n * TERMS * FACES * table->cells, &table->values));
  PetscCall(PetscCalloc1(FACES * table->cells * table->stride, &table->data));
  TableChebyshev(TERMS, table->chebyshev);
  TablePowers(TERMS, table->powers);
  for (PetscInt p = 0; p < TERMS * FACES * table->cells; p++) {
    const PetscInt B = table->together, block = p / B, k = block % TERMS, cell = block / TERMS * B + p % B;
    double *x = table->nodes + 2 * block * B + p % B;
    Point(table->cells, cell, TableNode(TERMS, k), x, x + B);
  }
  *handle = table;
  PetscFunctionReturn(0);
}

PetscErrorCode TableCircleDestroy(TableCircle *table) {
  PetscFunctionBeginUser;
  if (!*table) PetscFunctionReturn(0);
  PetscCall(PetscFree2((*table)->nodes, (*table)->values));
  PetscCall(PetscFree((*table)->data));
  PetscCall(PetscFree(*table));
  PetscFunctionReturn(0);
}

/* Place of power p of function i in a cell. */
static PetscInt Place(PetscInt n, PetscInt p, PetscInt i) {
  return n <= 2 ? 2 * p + i : TABLE_FUNCTIONS * p + i;
}

/* out[TERMS][GROUP] = matrix[TERMS][TERMS] in[TERMS][GROUP] of a group of cells, whose rows are `pitch` apart. */
static inline void Transform(const double *restrict matrix, PetscBool upper, const double *restrict in, PetscInt pitch,
                             double *restrict out) {
  for (PetscInt p = 0; p < TERMS; p++) {
    double sum[GROUP] = {0};

    for (PetscInt j = upper ? p : 0; j < TERMS; j++) {
#pragma omp simd
      for (PetscInt t = 0; t < GROUP; t++) sum[t] += matrix[p * TERMS + j] * in[j * pitch + t];
    }
    for (PetscInt t = 0; t < GROUP; t++) out[p * GROUP + t] = sum[t];
  }
}

PetscErrorCode TableCircleGetPoints(TableCircle table, PetscInt *blocks, PetscInt *B, const double **x) {
  PetscFunctionBeginUser;
  *blocks = TERMS * FACES * table->cells / table->together;
  *B = table->together;
  *x = table->nodes;
  PetscFunctionReturn(0);
}

PetscErrorCode TableCircleSetValues(TableCircle table, PetscInt odd, const double *values) {
  const PetscInt n = table->n, B = table->together;

  PetscFunctionBeginUser;
  (void)odd;
  for (PetscInt first = 0; first < FACES * table->cells; first += B, values += TERMS * n * B) {
    for (PetscInt i = 0; i < n; i++) {
      for (PetscInt g = 0; g < B; g += GROUP) {
        double series[TERMS * GROUP], rows[TERMS * GROUP], *cell = table->data + (first + g) * table->stride;

        Transform(table->chebyshev, PETSC_FALSE, values + i * B + g, n * B, series);
        Transform(table->powers, PETSC_TRUE, series, GROUP, rows);
        for (PetscInt t = 0; t < GROUP; t++, cell += table->stride)
          for (PetscInt p = 0; p < TERMS; p++) cell[Place(n, p, i)] = rows[p * GROUP + t];
      }
    }
  }
  PetscFunctionReturn(0);
}

PetscErrorCode TableCircleSet(TableCircle table, Harmonics harmonics, const double *coefficients) {
  const PetscInt B = table->together;

  PetscFunctionBeginUser;
  for (PetscInt b = 0; b < TERMS * FACES * table->cells / B; b++)
    PetscCall(HarmonicsSynthesize(harmonics, B, table->nodes + 2 * b * B, table->n, coefficients,
                                  table->values + table->n * b * B));
  PetscCall(TableCircleSetValues(table, 0, table->values));
  PetscFunctionReturn(0);
}

/* Cells of the tokens, and where in them these are; a token that is not finite gets a cell as well, and t = NaN. */
static void Locate(PetscInt cells, PetscInt B, const double *restrict x, int *restrict cell, double *restrict t) {
  const double *restrict y = x + B;
  const double count = cells, middle = 0.5 * count, scale = PetscSqrtReal(0.5) * count, last = count - 0.5;

#pragma omp simd
  for (PetscInt i = 0; i < B; i++) {
    const double a = fabs(x[i]), b = fabs(y[i]);
    const double u = a > b ? y[i] : x[i], large = a > b ? x[i] : y[i];
    const double face = (a > b ? 0 : 2 * count) + (large < 0 ? count : 0);
    const double s = u * scale + middle;
    double inside = s > 0 ? s : 0;

    inside = floor(inside < last ? inside : last);
    cell[i] = (int)(inside + face);
    t[i] = u * (2 * scale) - (2 * (inside - middle) + 1); /* one rounding where multiplication and addition fuse */
  }
}

/* Lanes are the functions at even and at odd powers. */
static void Pairs(const double *data, PetscInt B, const int *restrict cell, const double *restrict t, PetscInt n,
                  double *restrict out) {
  for (PetscInt i = 0; i < B; i++) {
    const double *p = data + (size_t)cell[i] * 2 * TERMS, square = t[i] * t[i];
    const Quad q = {square, square, square, square};
    Quad sum = QuadLoad(p + 2 * TERMS - 4);
#pragma GCC unroll 16
    for (PetscInt k = 2 * TERMS - 8; k >= 0; k -= 4) sum = sum * q + QuadLoad(p + k);
    out[i] = sum[0] + t[i] * sum[2];
    if (n > 1) out[B + i] = sum[1] + t[i] * sum[3];
  }
}

static void Quads(const double *data, PetscInt B, const int *restrict cell, const double *restrict t, PetscInt n,
                  double *restrict out) {
  for (PetscInt i = 0; i < B; i++) {
    const double *p = data + (size_t)cell[i] * TABLE_FUNCTIONS * TERMS;
    const Quad q = {t[i], t[i], t[i], t[i]};
    Quad sum = QuadLoad(p + TABLE_FUNCTIONS * (TERMS - 1));
#pragma GCC unroll 16
    for (PetscInt k = TERMS - 2; k >= 0; k--) sum = sum * q + QuadLoad(p + TABLE_FUNCTIONS * k);
    out[i] = sum[0];
    out[B + i] = sum[1];
    out[2 * B + i] = sum[2];
    if (n > 3) out[3 * B + i] = sum[3];
  }
}

PetscErrorCode TableCircleEvaluate(TableCircle table, PetscInt blocks, PetscInt B, const double *x, double *out) {
  PetscFunctionBeginUser;
  for (PetscInt b = 0; b < blocks; b++, x += 2 * B, out += table->n * B) {
    int cell[HARMONICS_BLOCK];
    double t[HARMONICS_BLOCK];

    for (PetscInt i = 2 * B; i < 4 * B; i += TABLE_LINE) __builtin_prefetch(x + i); /* the next block */
    Locate(table->cells, B, x, cell, t);
    if (table->n <= 2)
      Pairs(table->data, B, cell, t, table->n, out);
    else
      Quads(table->data, B, cell, t, table->n, out);
  }
  PetscFunctionReturn(0);
}
