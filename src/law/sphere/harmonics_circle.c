/* Fast analysis and synthesis on the circle. Modes are grouped around the multiples of M = 2R + 1: for |r| <= R
 *
 *     cos(Mq + r) = cos Mq cos r - sin Mq sin r,   sin(Mq + r) = sin Mq cos r + cos Mq sin r   (times theta),
 *
 * so that the pair Mq +- r needs only products of the 2Q + 1 outer functions 1, cos Mq, sin Mq (q <= Q) with the 2R + 1
 * inner ones 1, cos r, sin r: a product of matrices with as many flops as plain sums over known modes, while only about
 * sqrt(degree) of these have to be computed, each by few rotations. */
#include "law/sphere/harmonics_tile.h"
#include "law/sphere/impl.h"

#include <math.h>

/* Tokens of a sub-block of an analysis: what is computed for them stays in the first-level cache. Rows at a distance
 * that is a power of 2 would compete for the same cache lines. */
#define SPAN  128
#define PITCH (SPAN + LINE)

struct HarmonicsCircle {
  PetscInt R, Q, columns, outer; /* columns = 2R + 1, outer = 2Q + 1 */
  PetscInt width;                /* columns in whole analysis tiles */
  PetscInt n;                    /* functions that the arrays have room for */
  double *G;                     /* [n][outer][width]: coefficients or moments of products */
  double *P;                     /* [width][PITCH]: inner functions; columns beyond 2R + 1 are 0 */
  double *U;                     /* [outer][PITCH]: outer functions */
  double *fixed, *sized;         /* where they were allocated */
  double *T;                     /* [n][outer][PITCH]: sums over the inner, or functions times the outer */
};

/* Fused operations per token: rotations, products, and the sum over the outer functions. */
static PetscReal Cost(PetscInt degree, PetscInt R, PetscInt n) {
  const PetscReal Q = (PetscReal)((degree + R) / (2 * R + 1)), inner = 2.0 * (PetscReal)R + 1.0, outer = 2.0 * Q + 1.0;
  return 4.0 * ((PetscReal)R + Q) + (PetscReal)n * outer * (inner + 1.0);
}

PetscReal HarmonicsCircleFlops(Harmonics harmonics, PetscInt n) {
  return 2.0 * Cost(harmonics->degree, harmonics->circle->R, n);
}

PetscErrorCode HarmonicsCircleSetUp(Harmonics harmonics) {
  struct HarmonicsCircle *circle;
  PetscInt R = 1;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&circle));
  for (PetscInt i = 2; i <= 8 + (PetscInt)sqrt((double)harmonics->degree); i++) {
    if (Cost(harmonics->degree, i, 2) < Cost(harmonics->degree, R, 2))
      R = i; /* for two functions: the components of noise on the circle */
  }
  circle->R = R;
  circle->Q = (harmonics->degree + R) / (2 * R + 1);
  circle->columns = 2 * R + 1;
  circle->outer = 2 * circle->Q + 1;
  circle->width = (circle->columns + ANALYSIS_COLUMNS - 1) / ANALYSIS_COLUMNS * ANALYSIS_COLUMNS;
  PetscCall(PetscCalloc1((size_t)(circle->width + circle->outer) * PITCH + LINE, &circle->fixed));
  circle->P = LineBegin(circle->fixed);
  circle->U = circle->P + (size_t)circle->width * PITCH;
  harmonics->circle = circle;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsCircleDestroy(Harmonics harmonics) {
  struct HarmonicsCircle *circle = harmonics->circle;

  PetscFunctionBeginUser;
  if (!circle) PetscFunctionReturn(0);
  PetscCall(PetscFree(circle->fixed));
  PetscCall(PetscFree(circle->sized));
  PetscCall(PetscFree(harmonics->circle));
  PetscFunctionReturn(0);
}

static PetscErrorCode Reserve(struct HarmonicsCircle *circle, PetscInt n) {
  PetscFunctionBeginUser;
  if (n <= circle->n) PetscFunctionReturn(0);
  PetscCall(PetscFree(circle->sized));
  PetscCall(PetscMalloc1((size_t)(n * circle->outer) * (size_t)(PITCH + circle->width) + LINE, &circle->sized));
  circle->T = LineBegin(circle->sized);
  circle->G = circle->T + (size_t)(n * circle->outer) * PITCH;
  circle->n = n;
  PetscFunctionReturn(0);
}

typedef struct {
  Lanes re, im;
} Complex;

INLINE Complex Times(Complex a, Complex b) {
  return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* Inner and outer functions of a strip of tokens; the strip begins at P and U, whose rows are PITCH long. Tokens beyond
 * `count` are 0, and so are their functions except the constant. */
INLINE void Strip(const struct HarmonicsCircle *circle, PetscInt count, const double *x, const double *y, double *P,
                  double *U) {
  Complex z[4], w[4];

  for (int v = 0; v < 4; v++) {
    const PetscBool real = v * LANES < count ? PETSC_TRUE : PETSC_FALSE;
    z[v].re = real ? Load(x + v * LANES) : (Lanes){0};
    z[v].im = real ? Load(y + v * LANES) : (Lanes){0};
    w[v] = z[v];
    Store(P + v * LANES, (Lanes){0} + 1.0);
    Store(U + v * LANES, (Lanes){0} + 1.0);
  }
  for (PetscInt r = 1; r <= circle->R; r++) {
    for (int v = 0; v < 4; v++) {
      Store(P + r * PITCH + v * LANES, w[v].re);
      Store(P + (circle->R + r) * PITCH + v * LANES, w[v].im);
      if (r < circle->R) w[v] = Times(w[v], z[v]);
    }
  }
  for (int v = 0; v < 4; v++) w[v] = z[v] = Times(Times(w[v], w[v]), z[v]);
  for (PetscInt q = 1; q <= circle->Q; q++) {
    for (int v = 0; v < 4; v++) {
      Store(U + (2 * q - 1) * PITCH + v * LANES, w[v].re);
      Store(U + 2 * q * PITCH + v * LANES, w[v].im);
      w[v] = Times(w[v], z[v]);
    }
  }
}

/* G of one function from its coefficients of 1, cos 1 .. cos N, sin 1 .. sin N: rows outer, columns inner. */
static void Pack(const struct HarmonicsCircle *circle, PetscInt N, const double *coefficients, double *G) {
  const double *a = coefficients, *b = coefficients + N; /* b[0] is never used */
  const double scale = 1.0 / sqrt(PETSC_PI), constant = 1.0 / sqrt(2.0 * PETSC_PI);
  const PetscInt R = circle->R, M = circle->columns;

  for (PetscInt r = 1; r <= R; r++) {
    G[r] = r <= N ? scale * a[r] : 0.0;
    G[R + r] = r <= N ? scale * b[r] : 0.0;
  }
  G[0] = constant * a[0];
  for (PetscInt q = 1; q <= circle->Q; q++) {
    const PetscInt m = M * q, both = PetscMax(0, PetscMin(R, N - m)); /* both m + r and m - r up to here */
    double *cosine = G + (2 * q - 1) * circle->width, *sine = G + 2 * q * circle->width;

    cosine[0] = m <= N ? scale * a[m] : 0.0;
    sine[0] = m <= N ? scale * b[m] : 0.0;
    for (PetscInt r = 1; r <= both; r++) {
      cosine[r] = scale * (a[m + r] + a[m - r]);
      cosine[R + r] = scale * (b[m + r] - b[m - r]);
      sine[r] = scale * (b[m + r] + b[m - r]);
      sine[R + r] = scale * (a[m - r] - a[m + r]);
    }
    for (PetscInt r = both + 1; r <= R; r++) {
      const PetscBool inside = m - r <= N ? PETSC_TRUE : PETSC_FALSE;
      const double am = inside ? scale * a[m - r] : 0.0, bm = inside ? scale * b[m - r] : 0.0;
      cosine[r] = am, cosine[R + r] = -bm, sine[r] = bm, sine[R + r] = am;
    }
  }
}

/* The transpose of Pack. */
static void Unpack(const struct HarmonicsCircle *circle, PetscInt N, const double *G, double *moments) {
  double *a = moments, *b = moments + N;
  const double scale = 1.0 / sqrt(PETSC_PI), constant = 1.0 / sqrt(2.0 * PETSC_PI);
  const PetscInt R = circle->R, M = circle->columns;

  a[0] = constant * G[0];
  for (PetscInt r = 1; r <= PetscMin(R, N); r++) {
    a[r] = scale * G[r];
    b[r] = scale * G[R + r];
  }
  for (PetscInt q = 1; q <= circle->Q; q++) {
    const PetscInt m = M * q;
    const double *cosine = G + (2 * q - 1) * circle->width, *sine = G + 2 * q * circle->width;

    if (m <= N) a[m] = scale * cosine[0], b[m] = scale * sine[0];
    for (PetscInt r = PetscMax(1, m - N); r <= R; r++) {
      a[m - r] = scale * (cosine[r] + sine[R + r]);
      b[m - r] = scale * (sine[r] - cosine[R + r]);
    }
    for (PetscInt r = 1; r <= PetscMin(R, N - m); r++) {
      a[m + r] = scale * (cosine[r] - sine[R + r]);
      b[m + r] = scale * (sine[r] + cosine[R + r]);
    }
  }
}

/* One function of a strip: the sum of U T over the outer functions. */
INLINE void Combine(const struct HarmonicsCircle *circle, PetscInt count, const double *T, double *out) {
  for (PetscInt v = 0; v < count; v += LANES) {
    Lanes sum = Load(T + v);
    for (PetscInt j = 1; j < circle->outer; j++) sum += Load(circle->U + j * PITCH + v) * Load(T + j * PITCH + v);
    Store(out + v, sum);
  }
}

PetscErrorCode HarmonicsCircleSynthesize(Harmonics harmonics, PetscInt B, const double *x, PetscInt n,
                                         const double *coefficients, double *out) {
  struct HarmonicsCircle *circle = harmonics->circle;

  PetscFunctionBeginUser;
  PetscCall(Reserve(circle, n));
  for (PetscInt i = 0; i < n; i++)
    Pack(circle, harmonics->degree, coefficients + (size_t)i * harmonics->count,
         circle->G + (size_t)i * circle->outer * circle->width);
  for (PetscInt t = 0; t < B; t += STRIP) {
    Strip(circle, B - t, x + t, x + B + t, circle->P, circle->U);
    SynthesisStrip(n * circle->outer, circle->columns, (ConstRows){circle->G, circle->width},
                   (ConstRows){circle->P, PITCH}, PETSC_FALSE, (Rows){circle->T, PITCH});
    for (PetscInt i = 0; i < n; i++)
      Combine(circle, PetscMin(STRIP, B - t), circle->T + (size_t)i * circle->outer * PITCH, out + i * B + t);
  }
  PetscFunctionReturn(0);
}

/* One function times all outer ones, over the tokens of a span. */
INLINE void Spread(const struct HarmonicsCircle *circle, PetscInt count, const double *f, double *F) {
  for (PetscInt t = 0; t < count; t += LANES) {
    const Lanes value = Load(f + t);
    for (PetscInt j = 0; j < circle->outer; j++) Store(F + j * PITCH + t, value * Load(circle->U + j * PITCH + t));
  }
}

PetscErrorCode HarmonicsCircleAnalyze(Harmonics harmonics, PetscInt B, const double *x, PetscInt n, const double *f,
                                      double *moments) {
  struct HarmonicsCircle *circle = harmonics->circle;

  PetscFunctionBeginUser;
  PetscCall(Reserve(circle, n));
  PetscCall(PetscArrayzero(circle->G, (size_t)(n * circle->outer) * (size_t)circle->width));
  for (PetscInt first = 0; first < B; first += SPAN) {
    const PetscInt count = PetscMin(SPAN, B - first);
    for (PetscInt t = 0; t < count; t += STRIP)
      Strip(circle, count - t, x + first + t, x + B + first + t, circle->P + t, circle->U + t);
    for (PetscInt i = 0; i < n; i++)
      Spread(circle, count, f + i * B + first, circle->T + (size_t)i * circle->outer * PITCH);
    for (PetscInt column = 0; column < circle->width; column += ANALYSIS_COLUMNS)
      AnalysisRows(n * circle->outer, count, (ConstRows){circle->T, PITCH},
                   (ConstRows){circle->P + column * PITCH, PITCH}, (Rows){circle->G + column, circle->width});
  }
  for (PetscInt i = 0; i < n; i++)
    Unpack(circle, harmonics->degree, circle->G + (size_t)i * circle->outer * circle->width,
           moments + (size_t)i * harmonics->count);
  PetscFunctionReturn(0);
}
