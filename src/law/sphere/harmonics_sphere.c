/* Fast analysis and synthesis on the sphere in three dimensions. With w = x + iy, the functions of order m are Re w^m
 * and Im w^m times polynomials in z, which are computed once for both and for all functions, degree after degree, in a
 * normalisation that saves an operation:
 *
 *     P_{k+1} = 2z P_k - 4 b_k^2 P_{k-1},  P_0 = 1,   degree m + k, b_k^2 = k (k + 2m) / ((2k + 2m + 1)(2k + 2m - 1)),
 *
 * see harmonics_tower.c. Those of order m + 1 are sums of those of order m, from (k + a) C_k^a = a (C_k^{a+1} -
 * C_{k-2}^{a+1}) for Gegenbauer polynomials, in this normalisation
 *
 *     P_k^{m+1} = P_k^m + c_k P_{k-2}^{m+1},  c_k = k (k-1) / ((m + k + 1/2)(m + k - 1/2)) < 1:
 *
 * columns of even order serve the next odd order too, after such a recurrence over its coefficients. The orthonormal
 * ones are s_k P_k; s goes to the coefficients. Up to the budget's degree 1482 the P stay below 1e168, but s_k may
 * reach 1e322 where w^m underflows: hence (1.5 w)^m in its place, below 1e261. */
#include "law/sphere/harmonics_tile.h"
#include "law/sphere/impl.h"

#include <math.h>

#define BASE 1.5
/* Pieces of work whose data stay in the first-level cache. Columns at a distance that is a power of 2 would compete
 * for the same cache lines. */
#define CHUNK  128                   /* columns of a strip, in a synthesis */
#define BATCH  4                     /* columns of a block, in an analysis: whole tiles */
#define COLUMN (PADDED_BLOCK + LINE) /* between rows or columns of tokens */
/* The products of so few rows with so many columns stay in registers; the columns then need no memory. */
#define FEW     4
#define AT_ONCE (LANES == 8 ? 4 : 2)

struct HarmonicsSphere {
  double *lower; /* [pairs (m,k), and one]: 4 b_k^2 */
  double *scale; /* [pairs (m,k)]: s_k */
  double *carry; /* [pairs (m,k)] for odd m: c_k of the order below */
  double *G;     /* [4n][degree + 1 in whole batches]: coefficients or moments of two orders */
  double *F;     /* [4n][COLUMN]: sums over degrees, or functions times w^m */
  double *P;     /* [BATCH][COLUMN]: columns of an analysis; those beyond the degree are anything finite */
  double *room;  /* where G and F were allocated */
  PetscInt width, n;
};

PetscErrorCode HarmonicsSphereSetUp(Harmonics harmonics) {
  const PetscInt N = harmonics->degree;
  const size_t pairs = HarmonicsPair(N, N + 1);
  struct HarmonicsSphere *sphere;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&sphere));
  PetscCall(PetscCalloc3(pairs + 1, &sphere->lower, pairs, &sphere->scale, pairs, &sphere->carry));
  sphere->width = (N + BATCH) / BATCH * BATCH;
  for (PetscInt m = 0; m <= N; m++) {
    double *lower = sphere->lower + HarmonicsPair(N, m), *scale = sphere->scale + HarmonicsPair(N, m);
    scale[0] = harmonics->seeds[m] * pow(BASE, -(double)m) / sqrt((m ? 1.0 : 2.0) * PETSC_PI);
    for (PetscInt i = 0; i <= N - m; i++) {
      const double k = (double)i, l = (double)(m + i);
      lower[i] = 4.0 * k * (k + 2.0 * m) / ((2.0 * l + 1.0) * (2.0 * l - 1.0));
      sphere->carry[HarmonicsPair(N, m) + i] = k * (k - 1.0) / ((l - 0.5) * (l - 1.5));
      if (i < N - m) scale[i + 1] = scale[i] * 0.5 * harmonics->steps[HarmonicsPair(N, m) + i].up;
    }
  }
  harmonics->sphere = sphere;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsSphereDestroy(Harmonics harmonics) {
  struct HarmonicsSphere *sphere = harmonics->sphere;

  PetscFunctionBeginUser;
  if (!sphere) PetscFunctionReturn(0);
  PetscCall(PetscFree3(sphere->lower, sphere->scale, sphere->carry));
  PetscCall(PetscFree(sphere->room));
  PetscCall(PetscFree(harmonics->sphere));
  PetscFunctionReturn(0);
}

/* Products, columns of every second order, rotations and sums over the orders. */
PetscReal HarmonicsSphereFlops(Harmonics harmonics, PetscInt n) {
  const PetscReal orders = (PetscReal)harmonics->degree + 1.0;
  return 2.0 * (PetscReal)n * (PetscReal)harmonics->count + 0.75 * orders * (orders + 1.0) +
         (6.0 + 4.0 * (PetscReal)n) * orders;
}

static PetscErrorCode Reserve(struct HarmonicsSphere *sphere, PetscInt n) {
  PetscFunctionBeginUser;
  if (n <= sphere->n) PetscFunctionReturn(0);
  PetscCall(PetscFree(sphere->room));
  PetscCall(
      PetscCalloc1((size_t)BATCH * COLUMN + (size_t)(4 * n) * (size_t)(COLUMN + sphere->width) + LINE, &sphere->room));
  sphere->P = LineBegin(sphere->room);
  sphere->F = sphere->P + BATCH * COLUMN;
  sphere->G = sphere->F + (size_t)(4 * n) * COLUMN;
  sphere->n = n;
  PetscFunctionReturn(0);
}

/* Tokens of a block in whole strips; those beyond it are 0. */
typedef struct {
  _Alignas(64) double x[PADDED_BLOCK], y[PADDED_BLOCK], z[PADDED_BLOCK]; /* BASE x, BASE y, 2z */
  double re[PADDED_BLOCK], im[PADDED_BLOCK];                             /* BASE^m w^m, in a synthesis */
} Points;

static void Begin(PetscInt B, const double *x, Points *p) {
  for (PetscInt t = 0; t < PADDED_BLOCK; t++) {
    const PetscBool real = t < B ? PETSC_TRUE : PETSC_FALSE;
    p->x[t] = real ? BASE * x[t] : 0.0;
    p->y[t] = real ? BASE * x[B + t] : 0.0;
    p->z[t] = real ? 2.0 * x[2 * B + t] : 0.0;
  }
}

/* re + i im at the tokens of a register, times w. */
INLINE void Turn(const Points *p, PetscInt t, Lanes re, Lanes im, double *turned_re, double *turned_im) {
  const Lanes x = Load(p->x + t), y = Load(p->y + t);

  Store(turned_re + t, re * x - im * y);
  Store(turned_im + t, re * y + im * x);
}

/* w^m to w^{m+1}, of a strip. */
INLINE void TurnStrip(PetscInt first, Points *p) {
  for (PetscInt t = first; t < first + STRIP; t += LANES) Turn(p, t, Load(p->re + t), Load(p->im + t), p->re, p->im);
}

/* The next `count` columns of a strip; P and Q are the values after them and at the last of them. */
INLINE void Columns(PetscInt count, const double *lower, const Lanes z[4], Lanes next[4], Lanes last[4],
                    PetscInt stride, double *P) {
  for (PetscInt k = 0; k < count; k++, P += stride) {
    for (int v = 0; v < 4; v++) {
      const Lanes now = next[v];
      Store(P + v * LANES, now);
      next[v] = z[v] * now - lower[k] * last[v];
      last[v] = now;
    }
  }
}

/* Rows of order m: cos of function 0, sin of function 0, cos of function 1, ..; one per function at m = 0. */
static inline PetscInt Parts(PetscInt m) {
  return m ? 2 : 1;
}

/* Coefficients of order m, times s, in terms of the columns of the even order: G[row][k]. */
static void Pack(const Harmonics harmonics, PetscInt m, PetscInt n, const double *coefficients, double *G) {
  const PetscInt length = harmonics->degree - m + 1, parts = Parts(m), width = harmonics->sphere->width;
  const double *scale = harmonics->sphere->scale + HarmonicsPair(harmonics->degree, m);
  const double *carry = harmonics->sphere->carry + HarmonicsPair(harmonics->degree, m);

  for (PetscInt row = 0; row < n * parts; row++, G += width) {
    const double *c = coefficients + (size_t)(row / parts) * harmonics->count + row % parts * length;
    for (PetscInt k = 0; k < length; k++) G[k] = scale[k] * c[k];
    if (m % 2 == 0) continue;
    for (PetscInt k = length - 3; k >= 0; k--) G[k] += carry[k + 2] * G[k + 2];
    G[length] = 0.0;
  }
}

/* The transpose of Pack. */
static void Unpack(const Harmonics harmonics, PetscInt m, PetscInt n, double *G, double *moments) {
  const PetscInt length = harmonics->degree - m + 1, parts = Parts(m), width = harmonics->sphere->width;
  const double *scale = harmonics->sphere->scale + HarmonicsPair(harmonics->degree, m);
  const double *carry = harmonics->sphere->carry + HarmonicsPair(harmonics->degree, m);

  for (PetscInt row = 0; row < n * parts; row++, G += width) {
    double *c = moments + (size_t)(row / parts) * harmonics->count + row % parts * length;
    for (PetscInt k = 2; m % 2 && k < length; k++) G[k] += carry[k] * G[k - 2];
    for (PetscInt k = 0; k < length; k++) c[k] = scale[k] * G[k];
  }
}

/* out += Re w^m T_cos + Im w^m T_sin of one strip. */
INLINE void Combine(PetscInt m, PetscInt n, PetscInt count, const double *T, const double *re, const double *im,
                    PetscInt stride, double *out) {
  for (PetscInt t = 0; t < count; t += LANES) {
    const Lanes a = Load(re + t), b = Load(im + t);
    for (PetscInt i = 0; i < n; i++) {
      double *sum = out + i * stride + t;
      if (m == 0)
        Store(sum, Load(T + i * COLUMN + t));
      else
        Store(sum, Load(sum) + a * Load(T + 2 * i * COLUMN + t) + b * Load(T + (2 * i + 1) * COLUMN + t));
    }
  }
}

/* Do all tokens have one z, as those on a ring of a table have? */
static PetscBool Level(PetscInt B, const double *z) {
  for (PetscInt t = 1; t < B; t++)
    if (z[t] != z[0]) return PETSC_FALSE;
  return PETSC_TRUE;
}

/* Sums over degrees of `rows` rows, at one strip, in s->F. */
static void Sum(const struct HarmonicsSphere *sphere, PetscInt rows, PetscInt length, const double *lower,
                const double *z_strip) {
  _Alignas(64) double P[CHUNK * STRIP];
  Lanes z[4], next[4], last[4];

  for (int v = 0; v < 4; v++) {
    z[v] = Load(z_strip + v * LANES);
    next[v] = (Lanes){0} + 1.0;
    last[v] = (Lanes){0};
  }
  for (PetscInt k = 0; k < length; k += CHUNK) {
    const PetscInt columns = PetscMin(CHUNK, length - k);
    Columns(columns, lower + k, z, next, last, STRIP, P);
    SynthesisStrip(rows, columns, (ConstRows){sphere->G + k, sphere->width}, (ConstRows){P, STRIP},
                   k > 0 ? PETSC_TRUE : PETSC_FALSE, (Rows){sphere->F, COLUMN});
  }
}

PetscErrorCode HarmonicsSphereSynthesize(Harmonics harmonics, PetscInt B, const double *x, PetscInt n,
                                         const double *coefficients, double *out) {
  const struct HarmonicsSphere *sphere = harmonics->sphere;
  Points p;

  PetscFunctionBeginUser;
  PetscCall(Reserve(harmonics->sphere, n));
  Begin(B, x, &p);
  const PetscBool level = Level(B, p.z);
  for (PetscInt t = 0; t < PADDED_BLOCK; t++) p.re[t] = 1.0, p.im[t] = 0.0;
  for (PetscInt m = 0; m <= harmonics->degree; m += 2) {
    const PetscInt length = harmonics->degree - m + 1, even = n * Parts(m);
    const PetscBool odd = length > 1 ? PETSC_TRUE : PETSC_FALSE; /* order m + 1 exists */

    Pack(harmonics, m, n, coefficients, sphere->G);
    coefficients += Parts(m) * length;
    if (odd) Pack(harmonics, m + 1, n, coefficients, sphere->G + (size_t)even * sphere->width);
    coefficients += 2 * (length - 1);
    for (PetscInt t = 0; t < B; t += STRIP) {
      const PetscInt count = PetscMin(STRIP, B - t);
      if (m) TurnStrip(t, &p);
      if (!t || !level) /* on one level the sums are the same at all strips */
        Sum(sphere, odd ? even + 2 * n : even, length, sphere->lower + HarmonicsPair(harmonics->degree, m), p.z + t);
      Combine(m, n, count, sphere->F, p.re + t, p.im + t, B, out + t);
      if (!odd) continue;
      TurnStrip(t, &p);
      Combine(m + 1, n, count, sphere->F + even * COLUMN, p.re + t, p.im + t, B, out + t);
    }
  }
  PetscFunctionReturn(0);
}

/* Rows of order m, functions times Re w^m and Im w^m, from those of order m - 1. */
INLINE void Raise(PetscInt m, PetscInt n, PetscInt count, const Points *p, const double *from, double *to) {
  for (PetscInt i = 0; i < n; i++, from += Parts(m - 1) * COLUMN, to += 2 * COLUMN) {
    for (PetscInt t = 0; t < count; t += LANES)
      Turn(p, t, Load(from + t), m > 1 ? Load(from + COLUMN + t) : (Lanes){0}, to, to + COLUMN);
  }
}

/* G[row][0..columns-1] <- products of few rows with the next columns; next and last go on to those after them. */
INLINE void Few(PetscInt rows, PetscInt columns, PetscInt count, const double *lower, const double *z, double *next,
                double *last, ConstRows F, Rows G) {
  Lanes sum[FEW][AT_ONCE];

#pragma GCC unroll 4
  for (PetscInt r = 0; r < rows; r++) {
#pragma GCC unroll 4
    for (PetscInt c = 0; c < columns; c++) sum[r][c] = (Lanes){0};
  }
  for (PetscInt t = 0; t < count; t += LANES) {
    const Lanes twice = Load(z + t);
    Lanes now = Load(next + t), before = Load(last + t);
#pragma GCC unroll 4
    for (PetscInt c = 0; c < columns; c++) {
      const Lanes after = twice * now - lower[c] * before;
#pragma GCC unroll 4
      for (PetscInt r = 0; r < rows; r++) sum[r][c] += now * Load(F.data + r * F.stride + t);
      before = now;
      now = after;
    }
    Store(next + t, now);
    Store(last + t, before);
  }
#pragma GCC unroll 4
  for (PetscInt r = 0; r < rows; r++) {
#pragma GCC unroll 4
    for (PetscInt c = 0; c < columns; c++) G.data[r * G.stride + c] = LaneSum(sum[r][c]);
  }
}

INLINE void FewRows(PetscInt rows, PetscInt length, const double *lower, PetscInt count, const double *z, double *next,
                    double *last, const struct HarmonicsSphere *sphere) {
  const ConstRows F = {sphere->F, COLUMN};
  PetscInt k = 0;

  for (; k + AT_ONCE <= length; k += AT_ONCE)
    Few(rows, AT_ONCE, count, lower + k, z, next, last, F, (Rows){sphere->G + k, sphere->width});
  for (; k < length; k += 2) Few(rows, 2, count, lower + k, z, next, last, F, (Rows){sphere->G + k, sphere->width});
}

static void ManyRows(PetscInt rows, PetscInt length, const double *lower, PetscInt count, const double *z_block,
                     double *next, double *last, const struct HarmonicsSphere *sphere) {
  double *P = sphere->P;

  for (PetscInt i = 0; i < rows * sphere->width; i++) sphere->G[i] = 0;
  for (PetscInt k = 0; k < length; k += BATCH) {
    for (PetscInt t = 0; t < count; t += STRIP) {
      Lanes z[4], a[4], b[4];
      for (int v = 0; v < 4; v++) {
        z[v] = Load(z_block + t + v * LANES);
        a[v] = Load(next + t + v * LANES);
        b[v] = Load(last + t + v * LANES);
      }
      Columns(PetscMin(BATCH, length - k), lower + k, z, a, b, COLUMN, P + t);
      for (int v = 0; v < 4; v++) {
        Store(next + t + v * LANES, a[v]);
        Store(last + t + v * LANES, b[v]);
      }
    }
    for (PetscInt c = 0; c < PetscMin(BATCH, length - k); c += ANALYSIS_COLUMNS)
      AnalysisRows(rows, count, (ConstRows){sphere->F, COLUMN}, (ConstRows){P + c * COLUMN, COLUMN},
                   (Rows){sphere->G + k + c, sphere->width});
  }
}

/* G <- products of the rows s->F with all columns, over `count` tokens. */
static void Project(const struct HarmonicsSphere *sphere, PetscInt rows, PetscInt length, const double *lower,
                    PetscInt count, const double *z) {
  _Alignas(64) double next[PADDED_BLOCK], last[PADDED_BLOCK];

  for (PetscInt t = 0; t < PADDED_BLOCK; t++) next[t] = 1.0, last[t] = 0.0;
  switch (rows) {
  case 1:
    FewRows(1, length, lower, count, z, next, last, sphere);
    break;
  case 2:
    FewRows(2, length, lower, count, z, next, last, sphere);
    break;
  case 3:
    FewRows(3, length, lower, count, z, next, last, sphere);
    break;
  case FEW:
    FewRows(FEW, length, lower, count, z, next, last, sphere);
    break;
  default:
    ManyRows(rows, length, lower, count, z, next, last, sphere);
  }
}

PetscErrorCode HarmonicsSphereAnalyze(Harmonics harmonics, PetscInt B, const double *x, PetscInt n, const double *f,
                                      double *moments) {
  const struct HarmonicsSphere *sphere = harmonics->sphere;
  Points p;

  PetscFunctionBeginUser;
  PetscCall(Reserve(harmonics->sphere, n));
  Begin(B, x, &p);
  for (PetscInt i = 0; i < n; i++) PetscCall(PetscArraycpy(sphere->F + i * COLUMN, f + i * B, B));
  for (PetscInt m = 0; m <= harmonics->degree; m += 2) {
    const PetscInt length = harmonics->degree - m + 1, even = n * Parts(m);
    const PetscBool odd = length > 1 ? PETSC_TRUE : PETSC_FALSE; /* order m + 1 exists */
    const PetscInt rows = odd ? even + 2 * n : even;

    if (m) Raise(m, n, B, &p, sphere->F + n * Parts(m - 2) * COLUMN, sphere->F);
    if (odd) Raise(m + 1, n, B, &p, sphere->F, sphere->F + even * COLUMN);
    Project(sphere, rows, length, sphere->lower + HarmonicsPair(harmonics->degree, m), B, p.z);
    Unpack(harmonics, m, n, sphere->G, moments);
    moments += Parts(m) * length;
    if (odd) Unpack(harmonics, m + 1, n, sphere->G + (size_t)even * sphere->width, moments);
    moments += 2 * (length - 1);
  }
  PetscFunctionReturn(0);
}
