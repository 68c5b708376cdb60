#include "density/legendre.h"

#include <math.h>
#include <petscblaslapack.h>

#include "base/plan.h"
#include "base/traffic.h"
#include "law/sphere/quadrature.h"

enum { COLUMNS = 4 }; /* cosine and sine of two functions */

struct _p_Legendre {
  MPI_Comm comm;
  PetscInt degree, rings, half;
  PetscMPIInt rank, size;
  PetscBool alone;      /* the other ranks are planned */
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
static PetscInt Rows(Legendre legendre, PetscInt m, PetscInt parity) {
  return (legendre->degree + 3 - m - parity) / 2;
}

static double *Row(Legendre legendre, PetscInt m, PetscInt n) {
  const PetscInt parity = (n - m) % 2, start = parity ? Rows(legendre, m, 0) : 0;
  return legendre->table[m] + (size_t)(start + (n - m) / 2) * legendre->half;
}

PetscInt LegendreOffset(PetscInt degree, PetscInt m) {
  return m ? (degree + 1) + (m - 1) * (2 * degree + 2 - m) : 0;
}

/* The values of order m by the recurrence in the degree. Near the poles those of high order underflow; all that follow
 * from them are then far below rounding. */
static PetscErrorCode Tabulate(Legendre legendre, PetscInt m) {
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((size_t)(legendre->degree + 2 - m) * legendre->half, &legendre->table[m]));
  for (PetscInt i = 0; i < legendre->half; i++) {
    const PetscReal z = legendre->z[legendre->half + i], sine = sqrt((1 - z) * (1 + z));
    PetscReal before = 0, current = sqrt(0.5);

    for (PetscInt j = 1; j <= m; j++) current *= sine * sqrt(1 + 0.5 / (PetscReal)j);
    for (PetscInt n = m; n <= legendre->degree + 1; n++) {
      const PetscReal next = (z * current - Step(m, n) * before) / Step(m, n + 1);
      Row(legendre, m, n)[i] = current;
      before = current;
      current = next;
    }
  }
  PetscFunctionReturn(0);
}

/* Consecutive orders to each rank, of about as many coefficients. */
static void DealOrders(Legendre legendre) {
  const PetscReal all = 0.5 * (PetscReal)(legendre->degree + 2) * (PetscReal)(legendre->degree + 1);
  PetscReal before = 0;
  PetscMPIInt rank = 0;

  legendre->first[0] = 0;
  for (PetscInt m = 0; m <= legendre->degree; m++) {
    while (rank + 1 < legendre->size && before >= all * (rank + 1) / legendre->size) legendre->first[++rank] = m;
    before += (PetscReal)(legendre->degree + 1 - m);
  }
  while (rank < legendre->size) legendre->first[++rank] = legendre->degree + 1;
}

PetscErrorCode LegendreCreate(MPI_Comm comm, PetscInt degree, PetscInt rings, Legendre *handle) {
  Legendre legendre;

  PetscFunctionBeginUser;
  PetscCheck(rings % 2 == 0, comm, PETSC_ERR_ARG_OUTOFRANGE, "an even number of rings, not %d", (int)rings);
  PetscCall(PetscNew(&legendre));
  legendre->comm = comm;
  legendre->degree = degree;
  legendre->rings = rings;
  legendre->half = rings / 2;
  /* That of a plan has the first orders, also of tokens the last: without order 0 there is no density. */
  PetscCallMPI(MPI_Comm_rank(comm, &legendre->rank));
  PetscCall(PlanSize(comm, &legendre->size));
  PetscCall(PlanIsPart(comm, &legendre->alone));
  PetscCall(PetscMalloc2(rings, &legendre->z, rings, &legendre->w));
  PetscCall(QuadratureLegendre(rings, -1, 1, legendre->z, legendre->w));
  PetscCall(PetscMalloc3(legendre->size + 1, &legendre->first, legendre->size, &legendre->counts, legendre->size,
                         &legendre->offsets));
  DealOrders(legendre);
  PetscCall(PetscCalloc1(degree + 1, &legendre->table));
  for (PetscInt m = legendre->first[legendre->rank]; m < legendre->first[legendre->rank + 1]; m++)
    PetscCall(Tabulate(legendre, m));
  PetscCall(PetscMalloc2(COLUMNS * (degree + 2), &legendre->packed, 2 * COLUMNS * legendre->half, &legendre->sum));
  *handle = legendre;
  PetscFunctionReturn(0);
}

PetscErrorCode LegendreDestroy(Legendre *handle) {
  Legendre legendre = *handle;

  PetscFunctionBeginUser;
  if (!legendre) PetscFunctionReturn(0);
  for (PetscInt m = 0; m <= legendre->degree; m++) PetscCall(PetscFree(legendre->table[m]));
  PetscCall(PetscFree(legendre->table));
  PetscCall(PetscFree2(legendre->z, legendre->w));
  PetscCall(PetscFree3(legendre->first, legendre->counts, legendre->offsets));
  PetscCall(PetscFree2(legendre->packed, legendre->sum));
  PetscCall(PetscFree(*handle));
  PetscFunctionReturn(0);
}

PetscErrorCode LegendreGetRule(Legendre legendre, const PetscReal **z, const PetscReal **weights) {
  PetscFunctionBeginUser;
  if (z) *z = legendre->z;
  if (weights) *weights = legendre->w;
  PetscFunctionReturn(0);
}

PetscReal LegendreBytes(Legendre legendre) {
  PetscReal numbers = 0;
  for (PetscInt m = legendre->first[legendre->rank]; m < legendre->first[legendre->rank + 1]; m++)
    numbers += (PetscReal)(legendre->degree + 2 - m) * legendre->half;
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
static PetscErrorCode Share(Legendre legendre, PetscInt (*start)(Legendre, PetscInt, PetscInt), PetscInt most,
                            double *array) {
  PetscFunctionBeginUser;
  if (legendre->size == 1) PetscFunctionReturn(0);
  for (PetscMPIInt r = 0; r < legendre->size; r++) {
    const PetscInt begin = PetscMin(legendre->first[r], most + 1), end = PetscMin(legendre->first[r + 1], most + 1);
    PetscCall(PetscMPIIntCast(start(legendre, most, begin), &legendre->offsets[r]));
    PetscCall(PetscMPIIntCast(start(legendre, most, end) - start(legendre, most, begin), &legendre->counts[r]));
  }
  const PetscInt all = start(legendre, most, most + 1), own = legendre->counts[0];
  TrafficGather(all);
  if (legendre->alone)
    PetscCall(PetscArrayzero(array + own, all - own));
  else
    PetscCallMPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, array, legendre->counts, legendre->offsets,
                                MPI_DOUBLE, legendre->comm));
  PetscFunctionReturn(0);
}

static PetscInt ModesStart(Legendre legendre, PetscInt most, PetscInt m) {
  (void)most;
  return 2 * m * legendre->rings;
}

static PetscInt CoefficientsStart(Legendre legendre, PetscInt most, PetscInt m) {
  (void)most;
  return m <= legendre->degree ? LegendreOffset(legendre->degree, m) : (legendre->degree + 1) * (legendre->degree + 1);
}

/* A column by parity of n - m: value(n) for n = m .. last to the room of l->packed. */
static inline double *Place(Legendre legendre, PetscInt m, PetscInt column, PetscInt n) {
  const PetscInt parity = (n - m) % 2, start = parity ? Rows(legendre, m, 0) : 0;
  return legendre->packed + column * (legendre->degree + 2) + start + (n - m) / 2;
}

/* Columns 0 and 1: coefficients f_n of cosine and sine; 2 and 3: those of (1 - z^2) df/dz,
 * from (1 - z^2) dP_n/dz = (n + 1) e_n P_{n-1} - n e_{n+1} P_{n+1}. */
static void Pack(Legendre legendre, PetscInt m, PetscInt most, const PetscReal *factor, const double *c,
                 PetscBool slope) {
  for (PetscInt column = 0; column < 2; column++) {
    const double *f = c + LegendreOffset(legendre->degree, m) + column * (legendre->degree + 1 - m) - m;
    const PetscBool empty = m == 0 && column == 1 ? PETSC_TRUE : PETSC_FALSE;

    for (PetscInt n = m; n <= most + 1; n++) {
      const PetscReal below = n > m ? (PetscReal)(n - 1) : 0, above = (PetscReal)(n + 2);
      const double here = empty || n > most ? 0 : (factor ? factor[n] : 1) * f[n];
      const double lower = empty || n == m ? 0 : (factor ? factor[n - 1] : 1) * f[n - 1];
      const double upper = empty || n + 1 > most ? 0 : (factor ? factor[n + 1] : 1) * f[n + 1];
      *Place(legendre, m, column, n) = here;
      if (slope) *Place(legendre, m, 2 + column, n) = above * Step(m, n + 1) * upper - below * Step(m, n) * lower;
    }
  }
}

/* Complex modes on the rings from the sums over even and odd n - m of cosine and sine, column and column + 1. Those of
 * df/dz swap parities, which the packing has done. */
static void Unfold(Legendre legendre, PetscInt m, PetscInt column, double *mode) {
  const double scale = m ? 0.5 / sqrt(PETSC_PI) : 1 / sqrt(2 * PETSC_PI);
  const PetscInt half = legendre->half;
  const double *restrict even = legendre->sum + column * half, *restrict odd = even + COLUMNS * half;

  for (PetscInt i = 0; i < half; i++) {
    double *north = mode + 2 * (half + i), *south = mode + 2 * (half - 1 - i);
    north[0] = scale * (even[i] + odd[i]);
    north[1] = -scale * (even[half + i] + odd[half + i]);
    south[0] = scale * (even[i] - odd[i]);
    south[1] = -scale * (even[half + i] - odd[half + i]);
  }
}

PetscErrorCode LegendreSynthesize(Legendre legendre, PetscInt most, const PetscReal *factor, const double *c,
                                  double *modes, double *slope) {
  const PetscInt columns = slope ? 4 : 2, end = PetscMin(legendre->first[legendre->rank + 1], most + 1);

  PetscFunctionBeginUser;
  for (PetscInt m = legendre->first[legendre->rank]; m < end; m++) {
    Pack(legendre, m, most, factor, c, slope != NULL ? PETSC_TRUE : PETSC_FALSE);
    for (PetscInt parity = 0; parity < 2; parity++) {
      const PetscInt rows = (most + 3 - m - parity) / 2, start = parity ? Rows(legendre, m, 0) : 0;
      double *sum = legendre->sum + parity * COLUMNS * legendre->half;
      PetscCall(Multiply("N", legendre->half, columns, rows, legendre->table[m] + (size_t)start * legendre->half,
                         legendre->half, legendre->packed + start, legendre->degree + 2, sum, legendre->half));
    }
    Unfold(legendre, m, 0, modes + 2 * m * legendre->rings);
    if (slope) Unfold(legendre, m, 2, slope + 2 * m * legendre->rings);
  }
  PetscCall(Share(legendre, ModesStart, most, modes));
  if (slope) PetscCall(Share(legendre, ModesStart, most, slope));
  PetscFunctionReturn(0);
}

/* Cosine and sine parts of the integrals over longitude, by parity, with the weights of the rings. */
static void Fold(Legendre legendre, PetscInt m, const PetscReal *weights, PetscInt column, const double *mode) {
  const double scale = m ? 1 / sqrt(PETSC_PI) : 1 / sqrt(2 * PETSC_PI);
  const PetscInt half = legendre->half;
  double *restrict even = legendre->sum + column * half, *restrict odd = even + COLUMNS * half;

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
static void Combine(Legendre legendre, PetscInt m, double *out) {
  const PetscInt N = legendre->degree;

  for (PetscInt column = 0; column < (m ? 2 : 1); column++) {
    double *row = out + LegendreOffset(N, m) + column * (N + 1 - m) - m;
    const PetscReal turn = column ? (PetscReal)m : -(PetscReal)m;

    for (PetscInt n = m; n <= N; n++) {
      const PetscReal below = n > m ? (PetscReal)(n + 1) * Step(m, n) * *Place(legendre, m, column, n - 1) : 0;
      const PetscReal above = (PetscReal)n * Step(m, n + 1) * *Place(legendre, m, column, n + 1);
      row[n] = above - below + turn * *Place(legendre, m, 3 - column, n);
    }
  }
}

PetscErrorCode LegendreDivergence(Legendre legendre, const PetscReal *weights, const double *theta, const double *phi,
                                  double *out) {
  PetscFunctionBeginUser;
  for (PetscInt m = legendre->first[legendre->rank]; m < legendre->first[legendre->rank + 1]; m++) {
    Fold(legendre, m, weights, 0, theta + 2 * m * legendre->rings);
    Fold(legendre, m, weights, 2, phi + 2 * m * legendre->rings);
    for (PetscInt parity = 0; parity < 2; parity++) {
      const PetscInt start = parity ? Rows(legendre, m, 0) : 0;
      PetscCall(Multiply("T", Rows(legendre, m, parity), COLUMNS, legendre->half,
                         legendre->table[m] + (size_t)start * legendre->half, legendre->half,
                         legendre->sum + parity * COLUMNS * legendre->half, legendre->half, legendre->packed + start,
                         legendre->degree + 2));
    }
    Combine(legendre, m, out);
  }
  PetscCall(Share(legendre, CoefficientsStart, legendre->degree, out));
  PetscFunctionReturn(0);
}
