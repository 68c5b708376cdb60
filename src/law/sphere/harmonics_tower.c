/* Harmonics of any dimension by recursion over it. A harmonic homogeneous polynomial H of degree l in R^{e-1} gives one
 * of each degree l + k in R^e,
 *
 *     H(x_1 .. x_{e-1}) r^k p_k(x_e / r),   r^2 = x_1^2 + .. + x_e^2,
 *
 * p_k orthonormal with respect to (1-t^2)^{lambda-1/2}, lambda = l + (e-2)/2: t p_k = b_{k+1} p_{k+1} + b_k p_{k-1},
 * b_k^2 = k (k + 2 lambda - 1) / (4 (k + lambda)(k + lambda - 1)). All pairs (H, k) together are an orthonormal basis.
 * The recurrence is linear, so it runs on the product with H itself: no division by r, and poles are points like any
 * other. Near them H may underflow; every value that comes of it is then far below rounding. */
#include "law/sphere/harmonics_impl.h"

#include <math.h>

/* In long double: the rounding error of a step enters all later ones, and near a pole it grows like the square of their
 * number. */
PetscErrorCode HarmonicsTowerSetUp(Harmonics h) {
  const PetscInt N = h->degree;
  const size_t pairs = HarmonicsPair(N, N + 1), floors = (size_t)h->dim - 2;
  long double lowest[2] = {2.0L / acosl(-1.0L), 0.5L}; /* p_0^2 of l = 0 at the next even and odd dimension */

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(floors * pairs, &h->steps, floors * (size_t)(N + 1), &h->seeds, floors, &h->tails));
  for (PetscInt e = 3; e <= h->dim; e++) {
    for (PetscInt l = 0; l <= N; l++) {
      HarmonicsStep *step = h->steps + (size_t)(e - 3) * pairs + HarmonicsPair(N, l);
      const long double lambda = (long double)l + 0.5L * (long double)(e - 2);
      long double b = 0.0L;
      for (PetscInt i = 0; i <= N - l; i++) {
        const long double k = (long double)(i + 1);
        const long double next = 0.5L * sqrtl(k * (k + 2.0L * lambda - 1.0L) / ((k + lambda) * (k + lambda - 1.0L)));
        step[i] = (HarmonicsStep){.up = (double)(1.0L / next), .down = (double)(b / next)};
        b = next;
      }
    }
    /* p_0^2 = Gamma(lambda+1) / (sqrt(pi) Gamma(lambda+1/2)): the next dimension but one begins one lambda higher. */
    long double square = lowest[e % 2];
    lowest[e % 2] *= (long double)e / (e - 1.0L);
    for (PetscInt l = 0; l <= N; l++) {
      h->seeds[(size_t)(e - 3) * (size_t)(N + 1) + l] = (double)sqrtl(square);
      square *= (2.0L * l + e) / (2.0L * l + e - 1.0L);
    }
  }
  for (PetscInt e = h->dim; e >= 3; e--) {
    const double seed = h->seeds[(size_t)(e - 3) * (size_t)(N + 1) + N];
    h->tails[e - 3] = seed * (e < h->dim ? h->tails[e - 2] : 1.0);
  }
  PetscFunctionReturn(0);
}

typedef struct {
  Harmonics h;
  HarmonicsSlice slice;
  PetscInt room;
  const double *x;
  double *Y;
  PetscInt *degrees; /* [K] to be filled, or NULL */
  HarmonicsUse use;
  void *context;
  PetscInt *l, *k; /* [dim + 1]: entry and current degree at each dimension */
  double *rows;    /* [dim + 1][2][B]: the last two values of the recurrence at each dimension */
  double *squares; /* [dim + 1][B]: r^2 of the first so many coordinates */
} Walk;

static PetscErrorCode Flush(Walk *w) {
  PetscFunctionBeginUser;
  if (w->use && w->slice.count) PetscCall(w->use(&w->slice, w->context));
  w->slice.first += w->slice.count;
  w->slice.count = 0;
  PetscFunctionReturn(0);
}

/* next may be the same as before. */
static void Step(PetscInt B, HarmonicsStep step, const double *x, const double *square, const double *current,
                 const double *before, double *next) {
#pragma omp simd
  for (PetscInt t = 0; t < B; t++) next[t] = step.up * (x[t] * current[t]) - step.down * (square[t] * before[t]);
}

static void Scale(PetscInt B, double factor, const double *v, double *row) {
#pragma omp simd
  for (PetscInt t = 0; t < B; t++) row[t] = factor * v[t];
}

/* Value k at dimension e: v at degree l for k = 0, else from the values k - 1 and k - 2. */
static void Value(Walk *w, PetscInt e, PetscInt k, const double *v, double *row, const double *current,
                  const double *before) {
  const PetscInt B = w->slice.B, N = w->h->degree, l = w->l[e];
  const size_t floor = (size_t)(e - 3);

  if (k == 0) {
    Scale(B, w->h->seeds[floor * (size_t)(N + 1) + l], v, row);
  } else {
    const HarmonicsStep step = w->h->steps[floor * HarmonicsPair(N, N + 1) + HarmonicsPair(N, l) + k - 1];
    Step(B, step, w->x + (size_t)(e - 1) * B, w->squares + (size_t)e * B, current, k > 1 ? before : current, row);
  }
}

/* Emits the harmonics that follow from v, of degree l[e] in the first e - 1 coordinates: at the last dimension one for
 * each degree up to N; below it the only one, when v has the full degree N already. */
static PetscErrorCode Emit(Walk *w, PetscInt e, const double *v) {
  const PetscInt B = w->slice.B, N = w->h->degree, l = w->l[e];

  PetscFunctionBeginUser;
  if (w->slice.count + N - l + 1 > w->room) PetscCall(Flush(w));
  double *row = w->Y + (size_t)w->slice.count * B;
  if (l == N) {
    Scale(B, e <= w->h->dim ? w->h->tails[e - 3] : 1.0, v, row);
  } else {
    for (PetscInt k = 0; k <= N - l; k++, row += B) Value(w, e, k, v, row, k ? row - B : v, k > 1 ? row - 2 * B : v);
  }
  for (PetscInt k = 0; w->degrees && k <= N - l; k++) w->degrees[w->slice.first + w->slice.count + k] = l + k;
  w->slice.count += N - l + 1;
  PetscFunctionReturn(0);
}

/* All harmonics over v, of degree m in the first two coordinates: depth first, dimension by dimension. */
static PetscErrorCode Climb(Walk *w, PetscInt m, const double *v) {
  const PetscInt B = w->slice.B, N = w->h->degree;
  PetscInt e = 3;

  PetscFunctionBeginUser;
  w->l[e] = m;
  w->k[e] = -1;
  while (e >= 3) {
    double *rows = w->rows + (size_t)e * 2 * B;
    const double *source = e == 3 ? v : rows - 2 * B + w->k[e - 1] % 2 * B;

    if (w->l[e] == N || e == w->h->dim) {
      PetscCall(Emit(w, e, source));
      e--;
    } else if (w->l[e] + ++w->k[e] > N) {
      e--;
    } else {
      const PetscInt k = w->k[e];
      double *row = rows + k % 2 * B;
      Value(w, e, k, source, row, rows + (k + 1) % 2 * B, row);
      w->l[e + 1] = w->l[e] + k;
      w->k[e + 1] = -1;
      e++;
    }
  }
  PetscFunctionReturn(0);
}

/* On the circle the harmonics of each m are rows of their own. */
static PetscErrorCode Plain(Walk *w, PetscInt m, const double *v) {
  PetscFunctionBeginUser;
  if (w->slice.count == w->room) PetscCall(Flush(w));
  if (w->degrees) w->degrees[w->slice.first + w->slice.count] = m;
  Scale(w->slice.B, 1.0, v, w->Y + (size_t)w->slice.count * w->slice.B);
  w->slice.count++;
  PetscFunctionReturn(0);
}

/* (x + iy)^m by rotation, whose error grows like m eps. */
static void Turn(PetscInt B, const double *x, const double *y, double *re, double *im) {
#pragma omp simd
  for (PetscInt t = 0; t < B; t++) {
    const double a = re[t], b = im[t];
    re[t] = a * x[t] - b * y[t];
    im[t] = a * y[t] + b * x[t];
  }
}

static void Start(Walk *w, double factor, double *re, double *im) {
  for (PetscInt t = 0; t < w->slice.B; t++) re[t] = factor, im[t] = 0.0;
}

/* All cosines, then all sines. */
static PetscErrorCode Circle(Walk *w, double *re, double *im) {
  const PetscInt B = w->slice.B, N = w->h->degree;

  PetscFunctionBeginUser;
  Start(w, 1.0 / sqrt(2.0 * PETSC_PI), re, im);
  PetscCall(Plain(w, 0, re));
  for (int sine = 0; sine < 2; sine++) {
    Start(w, 1.0 / sqrt(PETSC_PI), re, im);
    for (PetscInt m = 1; m <= N; m++) {
      Turn(B, w->x, w->x + B, re, im);
      PetscCall(Plain(w, m, sine ? im : re));
    }
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Higher(Walk *w, double *re, double *im) {
  const PetscInt B = w->slice.B, N = w->h->degree;

  PetscFunctionBeginUser;
  for (PetscInt t = 0; t < B; t++) w->squares[2 * B + t] = w->x[t] * w->x[t] + w->x[B + t] * w->x[B + t];
  for (PetscInt e = 3; e <= w->h->dim; e++) {
    const double *x = w->x + (size_t)(e - 1) * B, *inner = w->squares + (size_t)(e - 1) * B;
    double *outer = w->squares + (size_t)e * B;
    for (PetscInt t = 0; t < B; t++) outer[t] = inner[t] + x[t] * x[t];
  }
  Start(w, 1.0 / sqrt(2.0 * PETSC_PI), re, im);
  PetscCall(Climb(w, 0, re));
  Start(w, 1.0 / sqrt(PETSC_PI), re, im);
  for (PetscInt m = 1; m <= N; m++) {
    Turn(B, w->x, w->x + B, re, im);
    PetscCall(Climb(w, m, re));
    PetscCall(Climb(w, m, im));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(Walk *w) {
  const size_t floors = (size_t)w->h->dim + 1, width = (size_t)PetscMax(w->slice.B, 1);
  double *turn;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc5(floors, &w->l, floors, &w->k, floors * 2 * width, &w->rows, floors * width, &w->squares,
                         2 * width, &turn));
  PetscCall((w->h->dim == 2 ? Circle : Higher)(w, turn, turn + w->slice.B));
  PetscCall(Flush(w));
  PetscCall(PetscFree5(w->l, w->k, w->rows, w->squares, turn));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsTower(Harmonics h, PetscInt B, const double *x, PetscInt room, double *Y, HarmonicsUse use,
                              void *context) {
  Walk w = {.h = h, .slice = {.B = B, .Y = Y}, .room = room, .x = x, .Y = Y, .use = use, .context = context};

  PetscFunctionBeginUser;
  PetscCall(Run(&w));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsTowerDegrees(Harmonics h) {
  double nothing = 0.0;
  Walk w = {.h = h, .room = h->count, .x = &nothing, .Y = &nothing, .degrees = h->degrees};

  PetscFunctionBeginUser;
  PetscCall(Run(&w));
  PetscFunctionReturn(0);
}
