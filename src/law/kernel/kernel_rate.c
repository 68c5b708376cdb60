/* lambda_bar'(beta) from above. KernelRate finds a small value of F, which bounds the infimum from one side; a theorem
 * needs the other. Intervals of x = 1 - u are split until F is nowhere below what was found by more than a tolerance.
 *
 *     F = y/(e^y - 1) [ k(1)(d-3+x) + S (y (1+u) u - (d-2+u^2)) + y (1+u) k(1) ],   y = beta x,
 *
 * with the secant S = (k(1) - k(u))/x, of which a covariance kernel tells that |k'| <= k'(1): so (k'(1) - S(x)) x is
 * >= 0 and grows with x, which bounds S between two points by its values there, down to x = 0. */
#include "law/kernel/impl.h"
#include <math.h>

#define SPLITS    4000000 /* at most; what is left is bounded as it is */
#define TOLERANCE 1e-9    /* of the scale of F */
#define ROUNDING  1e-10   /* of that scale: digits of the secant */
#define DEPTH     200

typedef struct {
  PetscReal low, high;
} Range;

typedef struct {
  PetscReal a, b, below_a, below_b; /* ends, and k'(1) - S there */
} Piece;

static Range Product(Range x, Range y) {
  const PetscReal p[4] = {x.low * y.low, x.low * y.high, x.high * y.low, x.high * y.high};

  return (Range){PetscMin(PetscMin(p[0], p[1]), PetscMin(p[2], p[3])),
                 PetscMax(PetscMax(p[0], p[1]), PetscMax(p[2], p[3]))};
}

static PetscReal Decay(PetscReal y) {
  return y > 0 ? y / expm1(y) : 1;
}

/* A number that F is not below for x in [a,b]. */
static PetscReal Lower(Kernel kernel, PetscReal beta, const Piece *piece) {
  const PetscReal a = piece->a, b = piece->b, d = (PetscReal)kernel->dim, k1 = kernel->k1, slope = kernel->kp1;
  const Range u = {1 - b, 1 - a}, plus = {2 - b, 2 - a}, y = {beta * a, beta * b};
  const Range secant = {a > 0 ? PetscMax(-slope, slope - piece->below_b * b / a) : -slope,
                        slope - (b > 0 ? piece->below_a * a / b : 0)};
  const PetscReal least = u.low * u.high <= 0 ? 0 : PetscMin(u.low * u.low, u.high * u.high);
  const PetscReal most = PetscMax(u.low * u.low, u.high * u.high);
  const Range factor = Product(Product(y, plus), u);
  const Range mixed = Product(secant, (Range){factor.low - (d - 2 + most), factor.high - (d - 2 + least)});
  const PetscReal inner = k1 * (d - 3 + a) + mixed.low + k1 * y.low * plus.low;

  return inner * (inner > 0 ? Decay(y.high) : Decay(y.low));
}

static PetscReal Below(Kernel kernel, PetscReal x) {
  return PetscMax(0, kernel->kp1 - KernelSecant(kernel, x));
}

/* Depth first, halving; a piece that begins at 0 shrinks towards it. */
static PetscReal Infimum(Kernel kernel, PetscReal beta, PetscReal enough) {
  Piece stack[DEPTH];
  PetscInt n = 0, splits = 0;
  PetscReal bound = enough;

  stack[n++] = (Piece){0, 2, 0, Below(kernel, 2)};
  while (n > 0) {
    const Piece piece = stack[--n];
    const PetscReal lower = Lower(kernel, beta, &piece), middle = 0.5 * (piece.a + piece.b);
    if (lower >= enough) continue;
    if (n + 2 > DEPTH || ++splits > SPLITS || middle <= piece.a || middle >= piece.b) {
      bound = PetscMin(bound, lower);
      continue;
    }
    const PetscReal below = Below(kernel, middle);
    stack[n++] = (Piece){piece.a, middle, piece.below_a, below};
    stack[n++] = (Piece){middle, piece.b, below, piece.below_b};
  }
  return bound;
}

PetscErrorCode KernelRateBound(Kernel kernel, PetscReal beta, PetscReal *most) {
  const PetscReal scale = (PetscReal)kernel->dim * (kernel->k1 + kernel->kp1);
  PetscReal rate;

  PetscFunctionBeginUser;
  PetscCall(KernelRate(kernel, beta, &rate));
  *most = -Infimum(kernel, beta, -rate - TOLERANCE * scale) + ROUNDING * scale;
  PetscFunctionReturn(0);
}
