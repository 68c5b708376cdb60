/* Fast analysis and synthesis on the circle. Modes are grouped around the multiples of M = 2R + 1: for |r| <= R
 *
 *     cos(Mq + r) = cos Mq cos r - sin Mq sin r,   sin(Mq + r) = sin Mq cos r + cos Mq sin r   (times theta),
 *
 * so that the pair Mq +- r needs only products of the 2Q + 1 outer functions 1, cos Mq, sin Mq (q <= Q) with the 2R + 1
 * inner ones 1, cos r, sin r: a product of matrices with as many flops as plain sums over known modes, while only about
 * sqrt(degree) of these have to be computed, each by few rotations. */
#include "law/sphere/harmonics_impl.h"
#include "law/sphere/harmonics_tile.h"

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

PetscReal HarmonicsCircleFlops(Harmonics h, PetscInt n) {
  return 2.0 * Cost(h->degree, h->circle->R, n);
}

PetscErrorCode HarmonicsCircleSetUp(Harmonics h) {
  struct HarmonicsCircle *c;
  PetscInt R = 1;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&c));
  for (PetscInt i = 2; i <= 8 + (PetscInt)sqrt((double)h->degree); i++) {
    if (Cost(h->degree, i, 2) < Cost(h->degree, R, 2))
      R = i; /* for two functions: the components of noise on the circle */
  }
  c->R = R;
  c->Q = (h->degree + R) / (2 * R + 1);
  c->columns = 2 * R + 1;
  c->outer = 2 * c->Q + 1;
  c->width = (c->columns + ANALYSIS_COLUMNS - 1) / ANALYSIS_COLUMNS * ANALYSIS_COLUMNS;
  PetscCall(PetscCalloc1((size_t)(c->width + c->outer) * PITCH + LINE, &c->fixed));
  c->P = LineBegin(c->fixed);
  c->U = c->P + (size_t)c->width * PITCH;
  h->circle = c;
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsCircleDestroy(Harmonics h) {
  struct HarmonicsCircle *c = h->circle;

  PetscFunctionBeginUser;
  if (!c) PetscFunctionReturn(0);
  PetscCall(PetscFree(c->fixed));
  PetscCall(PetscFree(c->sized));
  PetscCall(PetscFree(h->circle));
  PetscFunctionReturn(0);
}

static PetscErrorCode Reserve(struct HarmonicsCircle *c, PetscInt n) {
  PetscFunctionBeginUser;
  if (n <= c->n) PetscFunctionReturn(0);
  PetscCall(PetscFree(c->sized));
  PetscCall(PetscMalloc1((size_t)(n * c->outer) * (size_t)(PITCH + c->width) + LINE, &c->sized));
  c->T = LineBegin(c->sized);
  c->G = c->T + (size_t)(n * c->outer) * PITCH;
  c->n = n;
  PetscFunctionReturn(0);
}

typedef struct {
  Vec8 re, im;
} Complex;

INLINE Complex Times(Complex a, Complex b) {
  return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* Inner and outer functions of a strip of tokens; the strip begins at P and U, whose rows are PITCH long. Tokens beyond
 * `count` are 0, and so are their functions except the constant. */
INLINE void Strip(const struct HarmonicsCircle *c, PetscInt count, const double *x, const double *y, double *P,
                  double *U) {
  Complex z[4], w[4];

  for (int v = 0; v < 4; v++) {
    const PetscBool real = (PetscBool)(v * LANES < count);
    z[v].re = real ? Load(x + v * LANES) : (Vec8){0};
    z[v].im = real ? Load(y + v * LANES) : (Vec8){0};
    w[v] = z[v];
    Store(P + v * LANES, (Vec8){0} + 1.0);
    Store(U + v * LANES, (Vec8){0} + 1.0);
  }
  for (PetscInt r = 1; r <= c->R; r++) {
    for (int v = 0; v < 4; v++) {
      Store(P + r * PITCH + v * LANES, w[v].re);
      Store(P + (c->R + r) * PITCH + v * LANES, w[v].im);
      if (r < c->R) w[v] = Times(w[v], z[v]);
    }
  }
  for (int v = 0; v < 4; v++) w[v] = z[v] = Times(Times(w[v], w[v]), z[v]);
  for (PetscInt q = 1; q <= c->Q; q++) {
    for (int v = 0; v < 4; v++) {
      Store(U + (2 * q - 1) * PITCH + v * LANES, w[v].re);
      Store(U + 2 * q * PITCH + v * LANES, w[v].im);
      w[v] = Times(w[v], z[v]);
    }
  }
}

/* G of one function from its coefficients of 1, cos 1 .. cos N, sin 1 .. sin N: rows outer, columns inner. */
static void Pack(const struct HarmonicsCircle *c, PetscInt N, const double *coefficients, double *G) {
  const double *a = coefficients, *b = coefficients + N; /* b[0] is never used */
  const double scale = 1.0 / sqrt(PETSC_PI), constant = 1.0 / sqrt(2.0 * PETSC_PI);
  const PetscInt R = c->R, M = c->columns;

  for (PetscInt r = 1; r <= R; r++) {
    G[r] = r <= N ? scale * a[r] : 0.0;
    G[R + r] = r <= N ? scale * b[r] : 0.0;
  }
  G[0] = constant * a[0];
  for (PetscInt q = 1; q <= c->Q; q++) {
    const PetscInt m = M * q, both = PetscMax(0, PetscMin(R, N - m)); /* both m + r and m - r up to here */
    double *cosine = G + (2 * q - 1) * c->width, *sine = G + 2 * q * c->width;

    cosine[0] = m <= N ? scale * a[m] : 0.0;
    sine[0] = m <= N ? scale * b[m] : 0.0;
    for (PetscInt r = 1; r <= both; r++) {
      cosine[r] = scale * (a[m + r] + a[m - r]);
      cosine[R + r] = scale * (b[m + r] - b[m - r]);
      sine[r] = scale * (b[m + r] + b[m - r]);
      sine[R + r] = scale * (a[m - r] - a[m + r]);
    }
    for (PetscInt r = both + 1; r <= R; r++) {
      const PetscBool inside = (PetscBool)(m - r <= N);
      const double am = inside ? scale * a[m - r] : 0.0, bm = inside ? scale * b[m - r] : 0.0;
      cosine[r] = am, cosine[R + r] = -bm, sine[r] = bm, sine[R + r] = am;
    }
  }
}

/* The transpose of Pack. */
static void Unpack(const struct HarmonicsCircle *c, PetscInt N, const double *G, double *moments) {
  double *a = moments, *b = moments + N;
  const double scale = 1.0 / sqrt(PETSC_PI), constant = 1.0 / sqrt(2.0 * PETSC_PI);
  const PetscInt R = c->R, M = c->columns;

  a[0] = constant * G[0];
  for (PetscInt r = 1; r <= PetscMin(R, N); r++) {
    a[r] = scale * G[r];
    b[r] = scale * G[R + r];
  }
  for (PetscInt q = 1; q <= c->Q; q++) {
    const PetscInt m = M * q;
    const double *cosine = G + (2 * q - 1) * c->width, *sine = G + 2 * q * c->width;

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
INLINE void Combine(const struct HarmonicsCircle *c, PetscInt count, const double *T, double *out) {
  for (PetscInt v = 0; v < count; v += LANES) {
    Vec8 sum = Load(T + v);
    for (PetscInt j = 1; j < c->outer; j++) sum += Load(c->U + j * PITCH + v) * Load(T + j * PITCH + v);
    Store(out + v, sum);
  }
}

PetscErrorCode HarmonicsCircleSynthesize(Harmonics h, PetscInt B, const double *x, PetscInt n,
                                         const double *coefficients, double *out) {
  struct HarmonicsCircle *c = h->circle;

  PetscFunctionBeginUser;
  PetscCall(Reserve(c, n));
  for (PetscInt i = 0; i < n; i++)
    Pack(c, h->degree, coefficients + (size_t)i * h->count, c->G + (size_t)i * c->outer * c->width);
  for (PetscInt t = 0; t < B; t += STRIP) {
    Strip(c, B - t, x + t, x + B + t, c->P, c->U);
    SynthesisStrip(n * c->outer, c->columns, (ConstRows){c->G, c->width}, (ConstRows){c->P, PITCH}, PETSC_FALSE,
                   (Rows){c->T, PITCH});
    for (PetscInt i = 0; i < n; i++)
      Combine(c, PetscMin(STRIP, B - t), c->T + (size_t)i * c->outer * PITCH, out + i * B + t);
  }
  PetscFunctionReturn(0);
}

/* One function times all outer ones, over the tokens of a span. */
INLINE void Spread(const struct HarmonicsCircle *c, PetscInt count, const double *f, double *F) {
  for (PetscInt t = 0; t < count; t += LANES) {
    const Vec8 value = Load(f + t);
    for (PetscInt j = 0; j < c->outer; j++) Store(F + j * PITCH + t, value * Load(c->U + j * PITCH + t));
  }
}

PetscErrorCode HarmonicsCircleAnalyze(Harmonics h, PetscInt B, const double *x, PetscInt n, const double *f,
                                      double *moments) {
  struct HarmonicsCircle *c = h->circle;

  PetscFunctionBeginUser;
  PetscCall(Reserve(c, n));
  PetscCall(PetscArrayzero(c->G, (size_t)(n * c->outer) * (size_t)c->width));
  for (PetscInt first = 0; first < B; first += SPAN) {
    const PetscInt count = PetscMin(SPAN, B - first);
    for (PetscInt t = 0; t < count; t += STRIP)
      Strip(c, count - t, x + first + t, x + B + first + t, c->P + t, c->U + t);
    for (PetscInt i = 0; i < n; i++) Spread(c, count, f + i * B + first, c->T + (size_t)i * c->outer * PITCH);
    for (PetscInt column = 0; column < c->width; column += ANALYSIS_COLUMNS)
      AnalysisRows(n * c->outer, count, (ConstRows){c->T, PITCH}, (ConstRows){c->P + column * PITCH, PITCH},
                   (Rows){c->G + column, c->width});
  }
  for (PetscInt i = 0; i < n; i++)
    Unpack(c, h->degree, c->G + (size_t)i * c->outer * c->width, moments + (size_t)i * h->count);
  PetscFunctionReturn(0);
}
