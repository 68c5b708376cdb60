/* Harmonics of any dimension by recursion over it. A harmonic homogeneous polynomial H of degree l in R^{e-1} gives one
 * of each degree l + k in R^e,
 *
 *     H(x_1 .. x_{e-1}) r^k p_k(x_e / r),   r^2 = x_1^2 + .. + x_e^2,
 *
 * p_k orthonormal with respect to (1-t^2)^{lambda-1/2}, lambda = l + (e-2)/2: t p_k = b_{k+1} p_{k+1} + b_k p_{k-1},
 * b_k^2 = k (k + 2 lambda - 1) / (4 (k + lambda)(k + lambda - 1)). All pairs (H, k) together are an orthonormal basis.
 * The recurrence is linear, so it runs on the product with H itself: no division by r, and poles are points like any
 * other. Near them H may underflow; every value that comes of it is then far below rounding. */
#include "law/sphere/impl.h"

#include <math.h>

/* In long double: the rounding error of a step enters all later ones, and near a pole it grows like the square of their
 * number. */
PetscErrorCode HarmonicsTowerSetUp(Harmonics harmonics) {
  const PetscInt N = harmonics->degree;
  const size_t pairs = HarmonicsPair(N, N + 1), floors = (size_t)harmonics->dim - 2;
  long double lowest[2] = {2.0L / acosl(-1.0L), 0.5L}; /* p_0^2 of l = 0 at the next even and odd dimension */

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(floors * pairs, &harmonics->steps, floors * (size_t)(N + 1), &harmonics->seeds, floors,
                         &harmonics->tails));
  for (PetscInt e = 3; e <= harmonics->dim; e++) {
    for (PetscInt l = 0; l <= N; l++) {
      HarmonicsStep *step = harmonics->steps + (size_t)(e - 3) * pairs + HarmonicsPair(N, l);
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
      harmonics->seeds[(size_t)(e - 3) * (size_t)(N + 1) + l] = (double)sqrtl(square);
      square *= (2.0L * l + e) / (2.0L * l + e - 1.0L);
    }
  }
  for (PetscInt e = harmonics->dim; e >= 3; e--) {
    const double seed = harmonics->seeds[(size_t)(e - 3) * (size_t)(N + 1) + N];
    harmonics->tails[e - 3] = seed * (e < harmonics->dim ? harmonics->tails[e - 2] : 1.0);
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

static PetscErrorCode Flush(Walk *walk) {
  PetscFunctionBeginUser;
  if (walk->use && walk->slice.count) PetscCall(walk->use(&walk->slice, walk->context));
  walk->slice.first += walk->slice.count;
  walk->slice.count = 0;
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
static void Value(Walk *walk, PetscInt e, PetscInt k, const double *v, double *row, const double *current,
                  const double *before) {
  const PetscInt B = walk->slice.B, N = walk->h->degree, l = walk->l[e];
  const size_t floor = (size_t)(e - 3);

  if (k == 0) {
    Scale(B, walk->h->seeds[floor * (size_t)(N + 1) + l], v, row);
  } else {
    const HarmonicsStep step = walk->h->steps[floor * HarmonicsPair(N, N + 1) + HarmonicsPair(N, l) + k - 1];
    Step(B, step, walk->x + (size_t)(e - 1) * B, walk->squares + (size_t)e * B, current, k > 1 ? before : current, row);
  }
}

/* Emits the harmonics that follow from v, of degree l[e] in the first e - 1 coordinates: at the last dimension one for
 * each degree up to N; below it the only one, when v has the full degree N already. */
static PetscErrorCode Emit(Walk *walk, PetscInt e, const double *v) {
  const PetscInt B = walk->slice.B, N = walk->h->degree, l = walk->l[e];

  PetscFunctionBeginUser;
  if (walk->slice.count + N - l + 1 > walk->room) PetscCall(Flush(walk));
  double *row = walk->Y + (size_t)walk->slice.count * B;
  if (l == N) {
    Scale(B, e <= walk->h->dim ? walk->h->tails[e - 3] : 1.0, v, row);
  } else {
    for (PetscInt k = 0; k <= N - l; k++, row += B) Value(walk, e, k, v, row, k ? row - B : v, k > 1 ? row - 2 * B : v);
  }
  for (PetscInt k = 0; walk->degrees && k <= N - l; k++)
    walk->degrees[walk->slice.first + walk->slice.count + k] = l + k;
  walk->slice.count += N - l + 1;
  PetscFunctionReturn(0);
}

/* All harmonics over v, of degree m in the first two coordinates: depth first, dimension by dimension. */
static PetscErrorCode Climb(Walk *walk, PetscInt m, const double *v) {
  const PetscInt B = walk->slice.B, N = walk->h->degree;
  PetscInt e = 3;

  PetscFunctionBeginUser;
  walk->l[e] = m;
  walk->k[e] = -1;
  while (e >= 3) {
    double *rows = walk->rows + (size_t)e * 2 * B;
    const double *source = e == 3 ? v : rows - 2 * B + walk->k[e - 1] % 2 * B;

    if (walk->l[e] == N || e == walk->h->dim) {
      PetscCall(Emit(walk, e, source));
      e--;
    } else if (walk->l[e] + ++walk->k[e] > N) {
      e--;
    } else {
      const PetscInt k = walk->k[e];
      double *row = rows + k % 2 * B;
      Value(walk, e, k, source, row, rows + (k + 1) % 2 * B, row);
      walk->l[e + 1] = walk->l[e] + k;
      walk->k[e + 1] = -1;
      e++;
    }
  }
  PetscFunctionReturn(0);
}

/* On the circle the harmonics of each m are rows of their own. */
static PetscErrorCode Plain(Walk *walk, PetscInt m, const double *v) {
  PetscFunctionBeginUser;
  if (walk->slice.count == walk->room) PetscCall(Flush(walk));
  if (walk->degrees) walk->degrees[walk->slice.first + walk->slice.count] = m;
  Scale(walk->slice.B, 1.0, v, walk->Y + (size_t)walk->slice.count * walk->slice.B);
  walk->slice.count++;
  PetscFunctionReturn(0);
}

/* (x + iy)^m by rotation, whose error grows like m eps. */
static void Rotate(PetscInt B, const double *x, const double *y, double *re, double *im) {
#pragma omp simd
  for (PetscInt t = 0; t < B; t++) {
    const double a = re[t], b = im[t];
    re[t] = a * x[t] - b * y[t];
    im[t] = a * y[t] + b * x[t];
  }
}

static void Start(Walk *walk, double factor, double *re, double *im) {
  for (PetscInt t = 0; t < walk->slice.B; t++) re[t] = factor, im[t] = 0.0;
}

/* All cosines, then all sines. */
static PetscErrorCode Plane(Walk *walk, double *re, double *im) {
  const PetscInt B = walk->slice.B, N = walk->h->degree;

  PetscFunctionBeginUser;
  Start(walk, 1.0 / sqrt(2.0 * PETSC_PI), re, im);
  PetscCall(Plain(walk, 0, re));
  for (int sine = 0; sine < 2; sine++) {
    Start(walk, 1.0 / sqrt(PETSC_PI), re, im);
    for (PetscInt m = 1; m <= N; m++) {
      Rotate(B, walk->x, walk->x + B, re, im);
      PetscCall(Plain(walk, m, sine ? im : re));
    }
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Higher(Walk *walk, double *re, double *im) {
  const PetscInt B = walk->slice.B, N = walk->h->degree;

  PetscFunctionBeginUser;
  for (PetscInt t = 0; t < B; t++) walk->squares[2 * B + t] = walk->x[t] * walk->x[t] + walk->x[B + t] * walk->x[B + t];
  for (PetscInt e = 3; e <= walk->h->dim; e++) {
    const double *x = walk->x + (size_t)(e - 1) * B, *inner = walk->squares + (size_t)(e - 1) * B;
    double *outer = walk->squares + (size_t)e * B;
    for (PetscInt t = 0; t < B; t++) outer[t] = inner[t] + x[t] * x[t];
  }
  Start(walk, 1.0 / sqrt(2.0 * PETSC_PI), re, im);
  PetscCall(Climb(walk, 0, re));
  Start(walk, 1.0 / sqrt(PETSC_PI), re, im);
  for (PetscInt m = 1; m <= N; m++) {
    Rotate(B, walk->x, walk->x + B, re, im);
    PetscCall(Climb(walk, m, re));
    PetscCall(Climb(walk, m, im));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Run(Walk *walk) {
  const size_t floors = (size_t)walk->h->dim + 1, width = (size_t)PetscMax(walk->slice.B, 1);
  double *turn;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc5(floors, &walk->l, floors, &walk->k, floors * 2 * width, &walk->rows, floors * width,
                         &walk->squares, 2 * width, &turn));
  PetscCall((walk->h->dim == 2 ? Plane : Higher)(walk, turn, turn + walk->slice.B));
  PetscCall(Flush(walk));
  PetscCall(PetscFree5(walk->l, walk->k, walk->rows, walk->squares, turn));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsTower(Harmonics harmonics, PetscInt B, const double *x, PetscInt room, double *Y,
                              HarmonicsUse use, void *context) {
  Walk walk = {.h = harmonics, .slice = {.B = B, .Y = Y}, .room = room, .x = x, .Y = Y, .use = use, .context = context};

  PetscFunctionBeginUser;
  PetscCall(Run(&walk));
  PetscFunctionReturn(0);
}

PetscErrorCode HarmonicsTowerDegrees(Harmonics harmonics) {
  double nothing = 0.0;
  Walk walk = {.h = harmonics, .room = harmonics->count, .x = &nothing, .Y = &nothing, .degrees = harmonics->degrees};

  PetscFunctionBeginUser;
  PetscCall(Run(&walk));
  PetscFunctionReturn(0);
}
