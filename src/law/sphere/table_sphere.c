/* Functions on the sphere in three dimensions from a grid of numbers around each token. Continued over the poles, from
 * (theta, phi) to (-theta, phi + pi), a function of degree n is a trigonometric polynomial of degree n in both angles,
 * and so can be interpolated as those are in non-uniform fast Fourier transforms (type 2; Barnett, Magland, af
 * Klinteberg, SIAM J. Sci. Comput. 41, C479, 2019): in one angle,
 *
 *     sum_k c_k e^{ik theta} = sum_j g_j W(theta/step - j),   g_j = sum_k c_k / w(k/M) e^{ik j step},  step = 2 pi / M,
 *
 * up to aliasing, with the transform w of a window W that is 0 beyond width/2. Here it is that of Kaiser and Bessel,
 *
 *     W(y) = I_0(b sqrt(1 - (2y/width)^2)),   w(f) = width sinh(q)/q,  q = sqrt(b^2 - (pi width f)^2).
 *
 * With the widths and shapes b of table_window.c the sum is off by at most the errors that stand there of e^{ik theta}
 * for all |k| <= M/fineness (found by evaluating it over theta/step in [0,1] and k/M, as test_synthesis.c does again;
 * only the ratio k/M matters, so this holds at any degree), hence by twice that for both angles.
 *
 * In theta the numbers g come from matrices made once per order m, in phi from others: making a table is products of
 * matrices, from coefficients or from values on rings: equidistant ones around and, since order m is even or odd in
 * theta as m is, at the points of a discrete cosine and sine transform from pole to pole.
 *
 * Sums of cosines and of sines, over even and over odd m, are even or odd about all quarters of a turn: the four of a
 * quarter of the columns make those of all. */
#include "law/sphere/table_sphere.h"

#include <math.h>
#include <petscblaslapack.h>

#include "law/sphere/impl.h"

/* Divisible by 4, which makes whole cells from pole to pole. */
static PetscInt Around(const TableWindow *window, PetscInt degree) {
  return PetscMax(16, (window->fineness * degree + 3) / 4 * 4);
}

/* Blocks of a ring, each of at most HARMONICS_BLOCK points, and points of a block. */
static PetscInt Parts(PetscInt degree) {
  return (2 * degree + 1 + HARMONICS_BLOCK) / HARMONICS_BLOCK;
}

static PetscInt PartPoints(PetscInt degree) {
  return ((2 * degree + 1 + Parts(degree)) / Parts(degree) + 7) / 8 * 8;
}

/* Columns of a quarter of a turn, with both ends. */
static PetscInt Quarter(PetscInt M) {
  return M / 4 + 1;
}

/* Where cos m phi stands among the orders: even ones, then odd ones, and then the sines alike, with a place for m = 0.
 */
static PetscInt Order(PetscInt degree, PetscInt m) {
  return m / 2 + (m % 2 ? degree / 2 + 1 : 0);
}

static PetscInt Functions(PetscInt n) {
  return n <= 2 ? 2 : TABLE_FUNCTIONS;
}

/* With two more for stencils that begin before the cell. Rows are whole cache lines (halves in single precision, whose
 * stencils begin anywhere), an odd number of them: those of a tile would else crowd in a few sets of the cache. */
static PetscInt Columns(const TableWindow *window, PetscInt degree, PetscInt n) {
  const PetscInt line = TABLE_LINE / Functions(n);
  return ((Around(window, degree) + window->width + 2 + line - 1) / line | 1) * line;
}

TableCost TableSphereCost(PetscInt degree, PetscInt n, PetscReal tol) {
  const TableWindow *window = TableWindowFind(tol, degree, n);
  const PetscReal width = (PetscReal)window->width, rings = degree + 1.0, orders = 2.0 * degree + 1;
  const PetscReal around = (PetscReal)Around(window, degree), rows = around / 2 + width,
                  columns = (PetscReal)Columns(window, degree, n);
  const PetscReal pairs = 0.5 * rings * (degree + 2.0), ring = (PetscReal)(Parts(degree) * PartPoints(degree));
  const PetscReal quarter = (PetscReal)Quarter(Around(window, degree));
  const PetscReal grid = rows * columns * (window->single ? 0.5 : 1) * Functions(n) +
                         (orders + 1) * (quarter + n * rows) + 6.0 * TABLE_CHUNK;
  return (TableCost){.token = 2 * Functions(n) * width * (width + 2) + 4.0 * TABLE_HALF * window->terms + 80,
                     .set = 2 * n * rows * (orders * quarter + 2 * pairs),
                     .values = 2 * n * orders * (rows * (quarter + rings) + rings * ring),
                     .bytes = sizeof(double) * (grid + pairs * rows),
                     .values_bytes =
                         sizeof(double) * (grid + ring * (4 * rings + orders) + rings * (2 * rows + orders)),
                     .points = rings * ring,
                     .error = TableWindowError(window),
                     .single = window->single};
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

/* The numbers of the window as polynomials. */
static void SetPolynomials(TableSphere table) {
  TableWindowPolynomials(table->window, table->polynomials);
  for (PetscInt p = 0; p < table->window->terms * TABLE_HALF; p++) {
    float *both = table->both + p / TABLE_HALF * 2 * TABLE_HALF + p % TABLE_HALF;
    both[0] = both[TABLE_HALF] = (float)table->polynomials[p];
  }
}

/* Matrices from samples to g on the rows: trigonometric interpolation, each mode over its transform. */
static PetscErrorCode SetTheta(TableSphere table, Harmonics harmonics) {
  const PetscInt N = table->degree, samples = (2 * N + 9) / 8 * 8;
  double *values, *matrix, *inverse;
  PetscInt k = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(HarmonicsPair(N, N + 1) * table->rows, &table->theta));
  PetscCall(PetscMalloc3((size_t)samples * harmonics->count, &values, (size_t)samples * table->rows, &matrix, N + 1,
                         &inverse));
  PetscCall(Sample(harmonics, samples, values));
  for (PetscInt j = 0; j <= N; j++)
    inverse[j] = (j ? 2.0 : 1.0) / (samples * TableWindowTransform(table->window, table->M, j));
  for (PetscInt i = 0; i < samples; i++) {
    for (PetscInt r = 0; r < table->rows; r++) {
      const double angle = 2 * PETSC_PI * ((double)(r - TableBefore(table->window)) / table->M - (double)i / samples);
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

/* phi is counted from half a turn before the first column. */
static void SetPhi(TableSphere table) {
  const PetscInt quarter = Quarter(table->M);

  for (PetscInt m = 0; m <= table->degree; m++) {
    const double inverse = (m % 2 ? -1 : 1) / TableWindowTransform(table->window, table->M, m);
    double *cosine = table->phi + Order(table->degree, m) * quarter, *sine = cosine + (table->degree + 1) * quarter;
    for (PetscInt j = 0; j < quarter; j++) {
      const double angle = 2 * PETSC_PI * (double)(m * j % table->M) / table->M;
      cosine[j] = inverse * cos(angle);
      sine[j] = inverse * sin(angle);
    }
  }
}

PetscErrorCode TableSphereCreate(PetscInt degree, PetscInt n, PetscReal tol, TableSphere *handle) {
  const PetscInt orders = 2 * degree + 2, numbers = TABLE_TERMS * TABLE_HALF;
  TableSphere table;
  PetscInt length;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&table));
  table->window = TableWindowFind(tol, degree, n);
  table->n = n;
  table->degree = degree;
  table->functions = Functions(n);
  table->M = Around(table->window, degree);
  table->rows = table->M / 2 + table->window->width;
  table->columns = Columns(table->window, degree, n);
  table->bins = TABLE_SHIFTS * (table->M / 2 / TABLE_TILE + 1) * (table->M / TABLE_TILE + 1);
  length = table->rows * table->columns;
  PetscCall(PetscCalloc4(orders * Quarter(table->M), &table->phi, n * orders * table->rows, &table->orders,
                         4 * Quarter(table->M) * TABLE_ROWS, &table->planes, table->columns * table->functions,
                         &table->line));
  const PetscInt grid = length * table->functions / (table->window->single ? 2 : 1); /* of an even number */
  PetscCall(PetscCalloc1(2 * numbers + grid + TABLE_LINE, &table->room));
  table->polynomials = TableBegin(table->room);
  table->both = (float *)(table->polynomials + numbers);
  table->data = table->polynomials + 2 * numbers;
  if (table->window->single) table->single = (float *)table->data;
  PetscCall(PetscMalloc6(table->bins, &table->end, TABLE_CHUNK, &table->key, TABLE_CHUNK, &table->point, TABLE_CHUNK,
                         &table->s, TABLE_CHUNK, &table->t, TABLE_CHUNK, &table->spots));
  SetPolynomials(table);
  SetPhi(table);
  *handle = table;
  PetscFunctionReturn(0);
}

PetscErrorCode TableSphereDestroy(TableSphere *handle) {
  TableSphere table = *handle;

  PetscFunctionBeginUser;
  if (!table) PetscFunctionReturn(0);
  PetscCall(PetscFree(table->theta));
  PetscCall(PetscFree4(table->phi, table->orders, table->planes, table->line));
  PetscCall(PetscFree4(table->points, table->modes, table->upright, table->ring));
  PetscCall(PetscFree(table->room));
  PetscCall(PetscFree6(table->end, table->key, table->point, table->s, table->t, table->spots));
  PetscCall(PetscFree(*handle));
  PetscFunctionReturn(0);
}

/* One function of a row, from its four sums at a quarter of a turn, `pitch` apart. */
static void Unfold(TableSphere table, PetscInt pitch, const double *sums, double *row) {
  const PetscInt M = table->M, F = table->functions, before = TableBefore(table->window);
  double *restrict at = row + before * F;

  for (PetscInt j = 0; j < Quarter(M); j++) {
    const double even = sums[j], odd = sums[pitch + j], even_sine = sums[2 * pitch + j], odd_sine = sums[3 * pitch + j];

    at[j * F] = (even + odd) + (even_sine + odd_sine);
    at[(M / 2 - j) * F] = (even - odd) - (even_sine - odd_sine);
    at[(M / 2 + j) * F] = (even - odd) + (even_sine - odd_sine);
    if (j) at[(M - j) * F] = (even + odd) - (even_sine + odd_sine);
  }
  for (PetscInt j = 0; j < before; j++) row[j * F] = row[(j + M) * F];
  for (PetscInt j = before + M; j < table->columns; j++) row[j * F] = row[(j - M) * F];
}

/* The same, in the precision of the grid, whose number `first` is the first of this function and row. */
static void SetRow(TableSphere table, PetscInt pitch, const double *sums, PetscInt first) {
  const PetscInt F = table->functions;

  Unfold(table, pitch, sums, table->single ? table->line : table->data + first);
  if (!table->single) return;
  for (PetscInt j = 0; j < table->columns; j++) table->single[first + j * F] = (float)table->line[j * F];
}

/* From the orders to the grid, a few rows at a time, which stay in a cache. */
static PetscErrorCode Finish(TableSphere table) {
  const PetscInt degree = table->degree, quarter = Quarter(table->M), pitch = quarter * TABLE_ROWS,
                 begin[5] = {0, degree / 2 + 1, degree + 1, degree + 1 + degree / 2 + 1, 2 * degree + 2};

  PetscFunctionBeginUser;
  for (PetscInt first = 0; first < table->rows; first += TABLE_ROWS) {
    const PetscInt rows = PetscMin(TABLE_ROWS, table->rows - first);

    for (PetscInt i = 0; i < table->n; i++) {
      const double *orders = table->orders + i * begin[4] * table->rows + first;

      for (PetscInt s = 0; s < 4; s++)
        PetscCall(Product("T", quarter, rows, begin[s + 1] - begin[s], table->phi + begin[s] * quarter, quarter,
                          orders + begin[s] * table->rows, table->rows, table->planes + s * pitch, quarter));
      for (PetscInt r = 0; r < rows; r++)
        SetRow(table, pitch, table->planes + r * quarter, (first + r) * table->columns * table->functions + i);
    }
  }
  PetscFunctionReturn(0);
}

PetscErrorCode TableSphereSet(TableSphere table, Harmonics harmonics, const double *coefficients) {
  const PetscInt N = table->degree, orders = 2 * N + 2;

  PetscFunctionBeginUser;
  if (!table->theta) PetscCall(SetTheta(table, harmonics));
  for (PetscInt m = 0; m <= N; m++) {
    const double *theta = table->theta + HarmonicsPair(N, m) * table->rows;
    const PetscInt length = N - m + 1;
    for (PetscInt part = 0; part < (m ? 2 : 1); part++, coefficients += length)
      PetscCall(Product("N", table->rows, table->n, length, theta, table->rows, coefficients, harmonics->count,
                        table->orders + (Order(N, m) + part * (N + 1)) * table->rows, orders * table->rows));
  }
  PetscCall(Finish(table));
  PetscFunctionReturn(0);
}

/* Points and modes of the rings. */
static void SetRings(TableSphere table) {
  const PetscInt around = table->parts * table->B;

  for (PetscInt p = 0; p < table->rings * around; p++) {
    const double theta = PETSC_PI * ((double)(p / around) + 0.5) / table->rings,
                 phi = 2 * PETSC_PI * (double)(p % around) / around;
    double *x = table->points + p / table->B * 3 * table->B + p % table->B;
    x[0] = sin(theta) * cos(phi);
    x[table->B] = sin(theta) * sin(phi);
    x[2 * table->B] = cos(theta);
  }
  for (PetscInt m = 0; m <= table->degree; m++) {
    for (PetscInt j = 0; j < around; j++) {
      const double phi = 2 * PETSC_PI * (double)(m * j % around) / around;
      table->modes[(m ? 2 * m - 1 : 0) * around + j] = (m ? 2.0 : 1.0) / around * cos(phi);
      if (m) table->modes[2 * m * around + j] = 2.0 / around * sin(phi);
    }
  }
}

/* Cosine and sine transforms over the rings, each mode over its transform, at the rows. */
static void SetUpright(TableSphere table) {
  const PetscInt rings = table->rings, rows = table->rows;
  double *even = table->upright, *odd = even + rings * rows, *cosine = table->ring, *sine = cosine + rings;

  for (PetscInt k = 0; k <= table->degree; k++) {
    const double factor = (k ? 2 : 1) / (rings * TableWindowTransform(table->window, table->M, k));
    for (PetscInt i = 0; i < rings; i++) {
      cosine[i] = factor * cos(PETSC_PI * k * ((double)i + 0.5) / rings);
      sine[i] = factor * sin(PETSC_PI * k * ((double)i + 0.5) / rings);
    }
    for (PetscInt r = 0; r < rows; r++) {
      const double angle = 2 * PETSC_PI * k * (double)(r - TableBefore(table->window)) / table->M;
      const double a = cos(angle), b = sin(angle);
      for (PetscInt i = 0; i < rings; i++) {
        even[i * rows + r] += a * cosine[i];
        odd[i * rows + r] += b * sine[i];
      }
    }
  }
}

PetscErrorCode TableSphereGetPoints(TableSphere table, PetscInt *blocks, PetscInt *B, const double **x) {
  PetscFunctionBeginUser;
  if (!table->points) {
    table->rings = table->degree + 1;
    table->parts = Parts(table->degree);
    table->B = PartPoints(table->degree);
    const PetscInt around = table->parts * table->B, orders = 2 * table->degree + 1;
    PetscCall(PetscCalloc4(3 * table->rings * around, &table->points, orders * around, &table->modes,
                           2 * table->rings * table->rows, &table->upright, table->rings * (orders + around),
                           &table->ring));
    SetRings(table);
    SetUpright(table);
  }
  *blocks = table->rings * table->parts;
  *B = table->B;
  *x = table->points;
  PetscFunctionReturn(0);
}

PetscErrorCode TableSphereSetValues(TableSphere table, PetscInt odd, const double *values) {
  const PetscInt n = table->n, rings = table->rings, B = table->B, around = table->parts * B, rows = table->rows,
                 orders = 2 * table->degree + 1;
  double *modes = table->ring, *by_ring = modes + orders * rings;

  PetscFunctionBeginUser;
  for (PetscInt f = 0; f < n; f++) {
    for (PetscInt p = 0; p < rings * around; p++)
      by_ring[p % around * rings + p / around] = values[(p / B * n + f) * B + p % B];
    PetscCall(Product("N", rings, orders, around, by_ring, rings, table->modes, around, modes, rings));
    for (PetscInt m = 0; m <= table->degree; m++) {
      const PetscInt order = m ? 2 * m - 1 : 0, place = f * (orders + 1) + Order(table->degree, m);
      PetscCall(Product("N", rows, m ? 2 : 1, rings, table->upright + (m + odd) % 2 * rings * rows, rows,
                        modes + order * rings, rings, table->orders + place * rows, (table->degree + 1) * rows));
    }
  }
  PetscCall(Finish(table));
  PetscFunctionReturn(0);
}
