#include "density/legendre.h"

#include <math.h>
#include <petscblaslapack.h>

#include <chorale/quadrature.h>

enum { COLUMNS = 4 }; /* cosine and sine of two functions */

struct _p_Legendre {
  MPI_Comm comm;
  PetscInt degree, rings, half;
  PetscMPIInt rank, size;
  PetscInt *first;      /* [size + 1]: orders first[rank] .. first[rank + 1] - 1 are this rank's */
  double **table;       /* [degree + 1]: P_n^m on the northern rings, [n - m even][half], then [n - m odd][half] */
  PetscReal *z, *w;     /* [rings] */
  double *packed, *sum; /* [COLUMNS][degree + 2]: by parity; [2][COLUMNS][half]: even and odd */
  PetscMPIInt *counts, *offsets;
};

/* z P_n = e_{n+1} P_{n+1} + e_n P_{n-1}. */
static PetscReal Step(PetscInt m, PetscInt n) {
  const PetscReal a = (PetscReal)m, b = (PetscReal)n;
  return sqrt((b - a) * (b + a) / ((2 * b - 1) * (2 * b + 1)));
}

/* Degrees m .. degree + 1 of one parity of n - m, and where a table keeps them. */
static PetscInt Rows(Legendre l, PetscInt m, PetscInt parity) {
  return (l->degree + 3 - m - parity) / 2;
}

static double *Row(Legendre l, PetscInt m, PetscInt n) {
  const PetscInt parity = (n - m) % 2, start = parity ? Rows(l, m, 0) : 0;
  return l->table[m] + (size_t)(start + (n - m) / 2) * l->half;
}

PetscInt LegendreOffset(PetscInt degree, PetscInt m) {
  return m ? (degree + 1) + (m - 1) * (2 * degree + 2 - m) : 0;
}

/* The values of order m by the recurrence in the degree. Near the poles those of high order underflow; all that follow
 * from them are then far below rounding. */
static PetscErrorCode Tabulate(Legendre l, PetscInt m) {
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)(l->degree + 2 - m) * l->half, &l->table[m]));
  for (PetscInt i = 0; i < l->half; i++) {
    const PetscReal z = l->z[l->half + i], sine = sqrt((1 - z) * (1 + z));
    PetscReal before = 0, current = sqrt(0.5);

    for (PetscInt j = 1; j <= m; j++) current *= sine * sqrt(1 + 0.5 / (PetscReal)j);
    for (PetscInt n = m; n <= l->degree + 1; n++) {
      const PetscReal next = (z * current - Step(m, n) * before) / Step(m, n + 1);
      Row(l, m, n)[i] = current;
      before = current;
      current = next;
    }
  }
  PetscFunctionReturn(0);
}

/* Consecutive orders to each rank, of about as many coefficients. */
static void DealOrders(Legendre l) {
  const PetscReal all = 0.5 * (PetscReal)(l->degree + 2) * (PetscReal)(l->degree + 1);
  PetscReal before = 0;
  PetscMPIInt rank = 0;

  l->first[0] = 0;
  for (PetscInt m = 0; m <= l->degree; m++) {
    while (rank + 1 < l->size && before >= all * (rank + 1) / l->size) l->first[++rank] = m;
    before += (PetscReal)(l->degree + 1 - m);
  }
  while (rank < l->size) l->first[++rank] = l->degree + 1;
}

PetscErrorCode LegendreCreate(MPI_Comm comm, PetscInt degree, PetscInt rings, Legendre *legendre) {
  Legendre l;

  PetscFunctionBeginUser;
  PetscCheck(rings % 2 == 0, comm, PETSC_ERR_ARG_OUTOFRANGE, "an even number of rings, not %d", (int)rings);
  PetscCall(PetscNew(&l));
  l->comm = comm;
  l->degree = degree;
  l->rings = rings;
  l->half = rings / 2;
  PetscCallMPI(MPI_Comm_rank(comm, &l->rank));
  PetscCallMPI(MPI_Comm_size(comm, &l->size));
  PetscCall(PetscMalloc2(rings, &l->z, rings, &l->w));
  PetscCall(QuadratureLegendre(rings, -1, 1, l->z, l->w));
  PetscCall(PetscMalloc3(l->size + 1, &l->first, l->size, &l->counts, l->size, &l->offsets));
  DealOrders(l);
  PetscCall(PetscCalloc1(degree + 1, &l->table));
  for (PetscInt m = l->first[l->rank]; m < l->first[l->rank + 1]; m++) PetscCall(Tabulate(l, m));
  PetscCall(PetscMalloc2(COLUMNS * (degree + 2), &l->packed, 2 * COLUMNS * l->half, &l->sum));
  *legendre = l;
  PetscFunctionReturn(0);
}

PetscErrorCode LegendreDestroy(Legendre *legendre) {
  Legendre l = *legendre;

  PetscFunctionBeginUser;
  if (!l) PetscFunctionReturn(0);
  for (PetscInt m = 0; m <= l->degree; m++) PetscCall(PetscFree(l->table[m]));
  PetscCall(PetscFree(l->table));
  PetscCall(PetscFree2(l->z, l->w));
  PetscCall(PetscFree3(l->first, l->counts, l->offsets));
  PetscCall(PetscFree2(l->packed, l->sum));
  PetscCall(PetscFree(*legendre));
  PetscFunctionReturn(0);
}

PetscErrorCode LegendreGetRule(Legendre l, const PetscReal **z, const PetscReal **weights) {
  PetscFunctionBeginUser;
  if (z) *z = l->z;
  if (weights) *weights = l->w;
  PetscFunctionReturn(0);
}

PetscReal LegendreBytes(Legendre l) {
  PetscReal numbers = 0;
  for (PetscInt m = l->first[l->rank]; m < l->first[l->rank + 1]; m++)
    numbers += (PetscReal)(l->degree + 2 - m) * l->half;
  return sizeof(double) * numbers;
}

/* c[columns] = a b with a of the table (or its transpose), leading dimensions as given. */
static PetscErrorCode Multiply(const char *transpose, PetscInt rows, PetscInt columns, PetscInt inner, const double *a,
                               PetscInt lda, const double *b, PetscInt ldb, double *c, PetscInt ldc) {
  const double one = 1, zero = 0;
  PetscBLASInt M, N, K, LA, LB, LC;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(rows, &M));
  PetscCall(PetscBLASIntCast(columns, &N));
  PetscCall(PetscBLASIntCast(inner, &K));
  PetscCall(PetscBLASIntCast(lda, &LA));
  PetscCall(PetscBLASIntCast(ldb, &LB));
  PetscCall(PetscBLASIntCast(ldc, &LC));
  PetscCallBLAS("BLASgemm", BLASgemm_(transpose, "N", &M, &N, &K, &one, a, &LA, b, &LB, &zero, c, &LC));
  PetscFunctionReturn(0);
}

/* The ranks' parts of an array in which order m holds the numbers start(m) .. start(m + 1) - 1. */
static PetscErrorCode Share(Legendre l, PetscInt (*start)(Legendre, PetscInt, PetscInt), PetscInt most, double *array) {
  PetscFunctionBeginUser;
  if (l->size == 1) PetscFunctionReturn(0);
  for (PetscMPIInt r = 0; r < l->size; r++) {
    const PetscInt begin = PetscMin(l->first[r], most + 1), end = PetscMin(l->first[r + 1], most + 1);
    PetscCall(PetscMPIIntCast(start(l, most, begin), &l->offsets[r]));
    PetscCall(PetscMPIIntCast(start(l, most, end) - start(l, most, begin), &l->counts[r]));
  }
  PetscCallMPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, array, l->counts, l->offsets, MPI_DOUBLE, l->comm));
  PetscFunctionReturn(0);
}

static PetscInt ModesStart(Legendre l, PetscInt most, PetscInt m) {
  (void)most;
  return 2 * m * l->rings;
}

static PetscInt CoefficientsStart(Legendre l, PetscInt most, PetscInt m) {
  (void)most;
  return m <= l->degree ? LegendreOffset(l->degree, m) : (l->degree + 1) * (l->degree + 1);
}

/* A column by parity of n - m: value(n) for n = m .. last to the room of l->packed. */
static inline double *Place(Legendre l, PetscInt m, PetscInt column, PetscInt n) {
  const PetscInt parity = (n - m) % 2, start = parity ? Rows(l, m, 0) : 0;
  return l->packed + column * (l->degree + 2) + start + (n - m) / 2;
}

/* Columns 0 and 1: coefficients f_n of cosine and sine; 2 and 3: those of (1 - z^2) df/dz,
 * from (1 - z^2) dP_n/dz = (n + 1) e_n P_{n-1} - n e_{n+1} P_{n+1}. */
static void Pack(Legendre l, PetscInt m, PetscInt most, const PetscReal *factor, const double *c, PetscBool slope) {
  for (PetscInt column = 0; column < 2; column++) {
    const double *f = c + LegendreOffset(l->degree, m) + column * (l->degree + 1 - m) - m;
    const PetscBool empty = (PetscBool)(m == 0 && column == 1);

    for (PetscInt n = m; n <= most + 1; n++) {
      const PetscReal below = n > m ? (PetscReal)(n - 1) : 0, above = (PetscReal)(n + 2);
      const double here = empty || n > most ? 0 : (factor ? factor[n] : 1) * f[n];
      const double lower = empty || n == m ? 0 : (factor ? factor[n - 1] : 1) * f[n - 1];
      const double upper = empty || n + 1 > most ? 0 : (factor ? factor[n + 1] : 1) * f[n + 1];
      *Place(l, m, column, n) = here;
      if (slope) *Place(l, m, 2 + column, n) = above * Step(m, n + 1) * upper - below * Step(m, n) * lower;
    }
  }
}

/* Complex modes on the rings from the sums over even and odd n - m of cosine and sine, column and column + 1. Those of
 * df/dz swap parities, which the packing has done. */
static void Unfold(Legendre l, PetscInt m, PetscInt column, double *mode) {
  const double scale = m ? 0.5 / sqrt(PETSC_PI) : 1 / sqrt(2 * PETSC_PI);
  const PetscInt half = l->half;
  const double *restrict even = l->sum + column * half, *restrict odd = even + COLUMNS * half;

  for (PetscInt i = 0; i < half; i++) {
    double *north = mode + 2 * (half + i), *south = mode + 2 * (half - 1 - i);
    north[0] = scale * (even[i] + odd[i]);
    north[1] = -scale * (even[half + i] + odd[half + i]);
    south[0] = scale * (even[i] - odd[i]);
    south[1] = -scale * (even[half + i] - odd[half + i]);
  }
}

PetscErrorCode LegendreSynthesize(Legendre l, PetscInt most, const PetscReal *factor, const double *c, double *modes,
                                  double *slope) {
  const PetscInt columns = slope ? 4 : 2, end = PetscMin(l->first[l->rank + 1], most + 1);

  PetscFunctionBeginUser;
  for (PetscInt m = l->first[l->rank]; m < end; m++) {
    Pack(l, m, most, factor, c, (PetscBool)(slope != NULL));
    for (PetscInt parity = 0; parity < 2; parity++) {
      const PetscInt rows = (most + 3 - m - parity) / 2, start = parity ? Rows(l, m, 0) : 0;
      double *sum = l->sum + parity * COLUMNS * l->half;
      PetscCall(Multiply("N", l->half, columns, rows, l->table[m] + (size_t)start * l->half, l->half, l->packed + start,
                         l->degree + 2, sum, l->half));
    }
    Unfold(l, m, 0, modes + 2 * m * l->rings);
    if (slope) Unfold(l, m, 2, slope + 2 * m * l->rings);
  }
  PetscCall(Share(l, ModesStart, most, modes));
  if (slope) PetscCall(Share(l, ModesStart, most, slope));
  PetscFunctionReturn(0);
}

/* Cosine and sine parts of the integrals over longitude, by parity, with the weights of the rings. */
static void Fold(Legendre l, PetscInt m, const PetscReal *weights, PetscInt column, const double *mode) {
  const double scale = m ? 1 / sqrt(PETSC_PI) : 1 / sqrt(2 * PETSC_PI);
  const PetscInt half = l->half;
  double *restrict even = l->sum + column * half, *restrict odd = even + COLUMNS * half;

  for (PetscInt i = 0; i < half; i++) {
    const double *north = mode + 2 * (half + i), *south = mode + 2 * (half - 1 - i);
    const double w = scale * weights[half + i];
    even[i] = w * (north[0] + south[0]);
    even[half + i] = -w * (north[1] + south[1]);
    odd[i] = w * (north[0] - south[0]);
    odd[half + i] = -w * (north[1] - south[1]);
  }
}

/* Coefficients of order m from moments of G_theta (columns 0, 1) and G_phi (2, 3): grad Y = (-(1 - z^2) dY/dz, dY/dphi)
 * / sin(theta). */
static void Combine(Legendre l, PetscInt m, double *out) {
  const PetscInt N = l->degree;

  for (PetscInt column = 0; column < (m ? 2 : 1); column++) {
    double *row = out + LegendreOffset(N, m) + column * (N + 1 - m) - m;
    const PetscReal turn = column ? (PetscReal)m : -(PetscReal)m;

    for (PetscInt n = m; n <= N; n++) {
      const PetscReal below = n > m ? (PetscReal)(n + 1) * Step(m, n) * *Place(l, m, column, n - 1) : 0;
      const PetscReal above = (PetscReal)n * Step(m, n + 1) * *Place(l, m, column, n + 1);
      row[n] = above - below + turn * *Place(l, m, 3 - column, n);
    }
  }
}

PetscErrorCode LegendreDivergence(Legendre l, const PetscReal *weights, const double *theta, const double *phi,
                                  double *out) {
  PetscFunctionBeginUser;
  for (PetscInt m = l->first[l->rank]; m < l->first[l->rank + 1]; m++) {
    Fold(l, m, weights, 0, theta + 2 * m * l->rings);
    Fold(l, m, weights, 2, phi + 2 * m * l->rings);
    for (PetscInt parity = 0; parity < 2; parity++) {
      const PetscInt start = parity ? Rows(l, m, 0) : 0;
      PetscCall(Multiply("T", Rows(l, m, parity), COLUMNS, l->half, l->table[m] + (size_t)start * l->half, l->half,
                         l->sum + parity * COLUMNS * l->half, l->half, l->packed + start, l->degree + 2));
    }
    Combine(l, m, out);
  }
  PetscCall(Share(l, CoefficientsStart, l->degree, out));
  PetscFunctionReturn(0);
}
