/* The two-token diffusion of PAPER.md section 6 in the angle theta, u = cos theta. With x = 1-u and the secant
 * S = (k(1) - k(u))/x everything cancels by hand:
 *
 *     A = h d_theta^2 - ((d-2) tan(theta/2) (k(1) - S) + 2 v sin(theta)/(1 + e^{beta x})) d_theta,
 *     h = x (k(1) + u S).
 *
 * In theta also ReLU's kernel and its solutions, which have powers x^{3/2}, are smooth. theta = 0 is a degenerate point
 * of A and takes no boundary condition; theta = pi is the antipode, where f is even: f_theta = 0.
 *
 * Near theta = 0 the process is a geometric Brownian motion with log theta drifting at lambda1 - v and variance
 * k(1) + k'(1) per time, so f varies over all scales down to exp(-(spread of log theta)). Hence Chebyshev points in s
 * with theta = pi sinh(alpha s)/sinh(alpha). An odd kernel is degenerate at theta = pi too, and there theta = pi/2 (1 +
 * tanh(alpha (s - 1/2))/tanh(alpha/2)) resolves both ends. Time steps: the Pade approximant [4/5] of the exponential,
 * L-stable and of order 9, in partial fractions. Points and steps grow until f no longer changes. */
#include "law/kernel_impl.h"
#include <chorale/quadrature.h>
#include <chorale/twopoint.h>
#include <math.h>
#include <petscblaslapack.h>

#define TWOPOINT_TOLERANCE 1e-9 /* change of f between the last two resolutions */
#define TWOPOINT_LEVELS    7
#define TWOPOINT_CHECKS    64
#define TWOPOINT_NODES     256 /* of the average over uniform tokens */

/* theta of s in [0,1]. */
typedef struct {
  PetscReal stretch; /* alpha */
  PetscBool both;    /* both ends */
} Map;

/* 1 - f at the Chebyshev points s_j = sin^2(pi j/(2n)), j = 0..n. It solves the same equation, is 0 at theta = 0 and
 * often decays, so that rounding errors do too. */
typedef struct {
  PetscInt n;
  Map map;
  PetscReal *gap;
} Solution;

struct _p_TwoPoint {
  Kernel kernel;
  PetscReal beta, value;
  PetscBool odd;  /* k(-u) = -k(u) */
  PetscReal time; /* of the solution in store; negative: none */
  Solution solution;
};

PetscErrorCode TwoPointCreate(Kernel kernel, PetscReal beta, PetscReal value, TwoPoint *out) {
  TwoPoint tp;

  PetscFunctionBeginUser;
  PetscCheck(beta >= 0.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "two tokens: beta = %.6g is negative",
             (double)beta);
  PetscCall(PetscNew(&tp));
  PetscCall(KernelSecantSetUp(kernel));
  tp->kernel = kernel;
  tp->beta = beta;
  tp->value = value;
  tp->time = -1.0;
  /* k(1) + k(-1) is twice the even part at the poles, a sum of coefficients c_n >= 0. */
  const PetscReal even = 2.0 * (kernel->k1 - KernelSecant(kernel, 2.0));
  tp->odd = (PetscBool)(even <= 1e-12 * kernel->k1);
  *out = tp;
  PetscFunctionReturn(0);
}

PetscErrorCode TwoPointDestroy(TwoPoint *tp) {
  PetscFunctionBeginUser;
  if (!*tp) PetscFunctionReturn(0);
  PetscCall(PetscFree((*tp)->solution.gap));
  PetscCall(PetscFree(*tp));
  PetscFunctionReturn(0);
}

/* s_i; the difference of two of them is sin(pi (i+j)/(2n)) sin(pi (i-j)/(2n)). */
static PetscReal Point(PetscInt n, PetscInt i) {
  const PetscReal root = sin(0.5 * PETSC_PI * (PetscReal)i / (PetscReal)n);

  return root * root;
}

static PetscReal Angle(Map map, PetscReal s) {
  const PetscReal a = map.stretch;

  if (!map.both) return PETSC_PI * sinh(a * s) / sinh(a);
  return 0.5 * PETSC_PI * sinh(a * s) / (cosh(a * (s - 0.5)) * sinh(0.5 * a));
}

/* d theta / d s, and the ratio of the second derivative to it. */
static PetscReal Slope(Map map, PetscReal s) {
  const PetscReal a = map.stretch, c = cosh(a * (s - 0.5));

  return map.both ? 0.5 * PETSC_PI * a / (c * c * tanh(0.5 * a)) : PETSC_PI * a * cosh(a * s) / sinh(a);
}

static PetscReal Bend(Map map, PetscReal s) {
  return map.stretch * (map.both ? -2.0 * tanh(map.stretch * (s - 0.5)) : tanh(map.stretch * s));
}

static PetscReal InverseAngle(Map map, PetscReal theta) {
  if (!map.both) return asinh(theta / PETSC_PI * sinh(map.stretch)) / map.stretch;
  if (theta > 0.5 * PETSC_PI) return 1.0 - InverseAngle(map, PETSC_PI - theta);
  const PetscReal edge = tanh(0.5 * map.stretch), cut = 1.0 / cosh(0.5 * map.stretch), part = 2.0 / PETSC_PI * theta;
  return atanh(part * edge / (cut * cut + edge * edge * part)) / map.stretch;
}

/* 1 - e^{beta (u-1)}. */
static PetscReal Initial(TwoPoint tp, PetscReal theta) {
  const PetscReal sine = sin(0.5 * theta);

  return -expm1(-2.0 * tp->beta * sine * sine);
}

/* First and second differentiation matrices at the n+1 points, row-major; rows add up to 0 by construction of the
 * diagonal, which keeps constants constant. */
static void Differentiation(PetscInt n, PetscReal D1[], PetscReal D2[]) {
  const PetscReal unit = 0.5 * PETSC_PI / (PetscReal)n;

  for (PetscInt i = 0; i <= n; i++) {
    PetscReal *d1 = D1 + i * (n + 1), *d2 = D2 + i * (n + 1);
    d1[i] = d2[i] = 0.0;
    for (PetscInt pass = 0; pass < 2; pass++) { /* the second row needs the first one's diagonal */
      for (PetscInt j = 0; j <= n; j++) {
        if (j == i) continue;
        const PetscReal distance = sin(unit * (PetscReal)(i + j)) * sin(unit * (PetscReal)(i - j)); /* s_i - s_j */
        const PetscReal ends = (i == 0 || i == n ? 2.0 : 1.0) / (j == 0 || j == n ? 2.0 : 1.0);
        if (pass == 0) {
          d1[j] = ((i + j) % 2 ? -ends : ends) / distance;
          d1[i] -= d1[j];
        } else {
          d2[j] = 2.0 * d1[j] * (d1[i] - 1.0 / distance);
          d2[i] -= d2[j];
        }
      }
    }
  }
}

/* A = h d_theta^2 - drift d_theta at s, given 1 - s as well. For an odd kernel the noise part is mirrored from the
 * other end, where it does not cancel. */
static void Coefficients(TwoPoint tp, Map map, PetscReal s, PetscReal rest, PetscReal *h, PetscReal *drift) {
  const PetscBool mirror = (PetscBool)(tp->odd && s > 0.5);
  const PetscReal d = (PetscReal)tp->kernel->dim, k1 = tp->kernel->k1;
  const PetscReal near = Angle(map, mirror ? rest : s), sine = sin(0.5 * near), cosine = cos(0.5 * near);
  const PetscReal y = 2.0 * sine * sine, x = mirror ? 2.0 * cosine * cosine : y;
  const PetscReal secant = KernelSecant(tp->kernel, y);

  *h = y * (k1 + (1.0 - y) * secant);
  *drift = (mirror ? 2.0 - d : d - 2.0) * sine / cosine * (k1 - secant) +
           2.0 * tp->value * sin(near) / (1.0 + exp(PetscMin(700.0, tp->beta * x)));
}

/* The generator on the points 0..n-1, row-major [n][n]; last[j] gives f_n = sum_j last[j] f_j from f_theta(pi) = 0. */
static PetscErrorCode Generator(TwoPoint tp, PetscInt n, Map map, PetscReal A[], PetscReal last[]) {
  PetscReal *D1, *D2;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2((n + 1) * (n + 1), &D1, (n + 1) * (n + 1), &D2));
  Differentiation(n, D1, D2);
  for (PetscInt j = 0; j < n; j++) last[j] = -D1[n * (n + 1) + j] / D1[n * (n + 1) + n];
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal s = Point(n, i), slope = Slope(map, s);
    PetscReal h, drift;
    Coefficients(tp, map, s, Point(n, n - i), &h, &drift);
    const PetscReal second = h / (slope * slope), first = -drift / slope - second * Bend(map, s);
    const PetscReal *d1 = D1 + i * (n + 1), *d2 = D2 + i * (n + 1);
    const PetscReal end = second * d2[n] + first * d1[n];
    for (PetscInt j = 0; j < n; j++) A[i * n + j] = second * d2[j] + first * d1[j] + end * last[j];
  }
  PetscCall(PetscFree2(D1, D2));
  PetscFunctionReturn(0);
}

/* e^z ~ sum_j 2 Re c_j/(p_j - z) over two conjugate pairs, and once c/(p - z) with real p: poles and residues of the
 * Pade approximant of degree 4 over 5. */
enum { POLES = 3 };
static const struct {
  PetscReal pole[2], residue[2];
} pade[POLES] = {
    {{6.2867047517292766452, 0.0}, {273.34328946592193689, 0.0}},
    {{5.7009532986717894192, 3.2102656003085498884}, {-149.99844659754692662, -68.042279522022687079}},
    {{3.6556943254635722582, 6.543736899360077294}, {15.82680186458595818, 24.125645782244380718}},
};

/* Factors of p - tau A, for complex p as the real matrix [[Re, -Im], [Im, Re]]. */
typedef struct {
  PetscBLASInt size, *pivots;
  PetscReal *lu;
} Factors;

static PetscErrorCode Factorize(PetscInt n, const PetscReal A[], PetscReal tau, const PetscReal pole[2], Factors *out) {
  const PetscInt copies = pole[1] != 0.0 ? 2 : 1, size = copies * n;
  PetscBLASInt info;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(size, &out->size));
  PetscCall(PetscCalloc1(size * size, &out->lu));
  PetscCall(PetscMalloc1(size, &out->pivots));
  for (PetscInt c = 0; c < copies; c++) {
    for (PetscInt i = 0; i < n; i++) {
      for (PetscInt j = 0; j < n; j++) out->lu[(c * n + j) * size + c * n + i] = -tau * A[i * n + j];
      out->lu[(c * n + i) * size + c * n + i] += pole[0];
      if (copies == 2) out->lu[((1 - c) * n + i) * size + c * n + i] = c == 0 ? -pole[1] : pole[1];
    }
  }
  PetscCallBLAS("LAPACKgetrf", LAPACKgetrf_(&out->size, &out->size, out->lu, &out->size, out->pivots, &info));
  PetscCheck(info == 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "two tokens: dgetrf failed with %d", (int)info);
  PetscFunctionReturn(0);
}

/* f <- (approximant of e^{tau A}) f, by factors of its three terms. */
static PetscErrorCode Step(PetscInt n, const Factors factors[POLES], PetscReal f[], PetscReal right[]) {
  const PetscBLASInt one = 1;
  PetscBLASInt info;
  PetscReal *sum = right + 2 * n;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(sum, n));
  for (PetscInt p = 0; p < POLES; p++) {
    const PetscReal *residue = pade[p].residue, twice = factors[p].size > n ? 2.0 : 1.0;
    for (PetscInt i = 0; i < n; i++) right[i] = f[i], right[n + i] = 0.0;
    PetscCallBLAS("LAPACKgetrs", LAPACKgetrs_("N", &factors[p].size, &one, factors[p].lu, &factors[p].size,
                                              factors[p].pivots, right, &factors[p].size, &info));
    for (PetscInt i = 0; i < n; i++) sum[i] += twice * (residue[0] * right[i] - residue[1] * right[n + i]);
  }
  PetscCall(PetscArraycpy(f, sum, n));
  PetscFunctionReturn(0);
}

/* f advances by steps of equal length. */
static PetscErrorCode Steps(PetscInt n, const PetscReal A[], PetscReal length, PetscInt steps, PetscReal f[],
                            PetscReal work[]) {
  Factors factors[POLES];

  PetscFunctionBeginUser;
  for (PetscInt p = 0; p < POLES; p++) PetscCall(Factorize(n, A, length / (PetscReal)steps, pade[p].pole, &factors[p]));
  for (PetscInt step = 0; step < steps; step++) PetscCall(Step(n, factors, f, work));
  for (PetscInt p = 0; p < POLES; p++) {
    PetscCall(PetscFree(factors[p].lu));
    PetscCall(PetscFree(factors[p].pivots));
  }
  PetscFunctionReturn(0);
}

/* f at time t with n+1 points. What changes fast dies fast, so steps may grow with time: the interval up to t
 * 2^{-doublings} and each doubling from there have the same number of steps. */
static PetscErrorCode Solve(TwoPoint tp, PetscReal t, PetscInt doublings, PetscInt n, PetscInt steps, Solution *out) {
  PetscReal *A, *last, *work;

  PetscFunctionBeginUser;
  out->n = n;
  PetscCall(PetscMalloc1(n + 1, &out->gap));
  PetscCall(PetscMalloc3(n * n, &A, n, &last, 3 * n, &work));
  PetscCall(Generator(tp, n, out->map, A, last));
  for (PetscInt i = 0; i < n; i++) out->gap[i] = Initial(tp, Angle(out->map, Point(n, i)));
  for (PetscInt j = 0; j <= doublings; j++)
    PetscCall(Steps(n, A, ldexp(t, -(int)PetscMin(doublings, doublings - j + 1)), steps, out->gap, work));
  out->gap[n] = 0.0;
  for (PetscInt j = 0; j < n; j++) out->gap[n] += last[j] * out->gap[j];
  PetscCall(PetscFree3(A, last, work));
  PetscFunctionReturn(0);
}

/* The barycentric formula. */
static PetscReal Interpolate(const Solution *solution, PetscReal s) {
  const PetscInt n = solution->n;
  PetscReal numerator = 0.0, denominator = 0.0;

  for (PetscInt j = 0; j <= n; j++) {
    const PetscReal distance = s - Point(n, j);
    if (distance == 0.0) return solution->gap[j];
    const PetscReal weight = (j % 2 ? -1.0 : 1.0) * (j == 0 || j == n ? 0.5 : 1.0) / distance;
    numerator += weight * solution->gap[j];
    denominator += weight;
  }
  return numerator / denominator;
}

/* How far the smallest scale of f lies below pi, as a logarithm: six standard deviations of log theta outwards at any
 * time up to t, and the width 1/sqrt(beta) of the start. Where the antipode is degenerate, attention drives off it. */
static Map Stretch(TwoPoint tp, PetscReal lambda1, PetscReal t) {
  const PetscReal push = tp->odd ? PetscMax(-tp->value, 2.0 * tp->value / (1.0 + exp(2.0 * tp->beta))) : -tp->value;
  const PetscReal drift = lambda1 + push, spread = 6.0 * sqrt(tp->kernel->k1 + tp->kernel->kp1);
  const PetscReal turn = drift < 0.0 ? 0.25 * (spread / drift) * (spread / drift) : t, when = PetscMin(t, turn);
  const PetscReal stretch = 1.0 + drift * when + spread * sqrt(when) + 0.5 * log1p(tp->beta);

  return (Map){.stretch = PetscMin(60.0, stretch), .both = tp->odd};
}

static PetscReal Change(const Solution *coarse, const Solution *fine) {
  PetscReal change = 0.0;

  for (PetscInt i = 0; i <= TWOPOINT_CHECKS; i++) {
    const PetscReal s = (PetscReal)i / TWOPOINT_CHECKS;
    change = PetscMax(change, fabs(Interpolate(fine, s) - Interpolate(coarse, s)));
  }
  return change;
}

static PetscErrorCode Advance(TwoPoint tp, PetscReal t) {
  const Kernel kernel = tp->kernel;
  PetscReal lambda1, change = PETSC_MAX_REAL;
  Solution coarse = {.gap = NULL};

  PetscFunctionBeginUser;
  PetscCheck(t >= 0.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "two tokens: time = %.6g is negative", (double)t);
  if (t == tp->time || t == 0.0) PetscFunctionReturn(0);
  PetscCall(KernelLyapunov(kernel, &lambda1));
  const Map map = Stretch(tp, lambda1, t);
  const PetscReal rate = (PetscReal)kernel->dim * kernel->k1 + kernel->kp1 + fabs(tp->value);
  const PetscInt doublings = (PetscInt)PetscMax(0.0, ceil(log2(t * rate)));
  PetscInt n = 48, steps = 4;
  for (PetscInt level = 0; level < TWOPOINT_LEVELS && change > TWOPOINT_TOLERANCE; level++) {
    Solution fine = {.map = map};
    PetscCall(Solve(tp, t, doublings, n, steps, &fine));
    if (level > 0) change = Change(&coarse, &fine);
    PetscCall(PetscFree(coarse.gap));
    coarse = fine;
    n += n / 2;
    steps += steps / 2;
  }
  PetscCall(PetscFree(tp->solution.gap));
  tp->solution = coarse;
  tp->time = -1.0;
  PetscCheck(change <= TWOPOINT_TOLERANCE, PETSC_COMM_SELF, PETSC_ERR_CONV_FAILED,
             "two tokens: %s, d = %d, beta = %.6g, value = %.6g, time = %.6g: accurate to %.2g only",
             kernel->activation->name, (int)kernel->dim, (double)tp->beta, (double)tp->value, (double)t,
             (double)change);
  tp->time = t;
  PetscFunctionReturn(0);
}

static PetscReal GapAt(TwoPoint tp, PetscReal t, PetscReal theta) {
  return t == 0.0 ? Initial(tp, theta) : Interpolate(&tp->solution, InverseAngle(tp->solution.map, theta));
}

PetscErrorCode TwoPointEvaluate(TwoPoint tp, PetscReal t, PetscInt n, const PetscReal u[], PetscReal f[]) {
  PetscFunctionBeginUser;
  PetscCall(Advance(tp, t));
  for (PetscInt i = 0; i < n; i++) {
    PetscCheck(u[i] >= -1.0 && u[i] <= 1.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
               "two tokens: u = %.6g is not in [-1,1]", (double)u[i]);
    f[i] = 1.0 - GapAt(tp, t, 2.0 * asin(sqrt(0.5 * (1.0 - u[i]))));
  }
  PetscFunctionReturn(0);
}

/* The angle has density sin^{d-2} theta, which for large d lives within a few 1/sqrt(d) of pi/2. The rule in
 * s resolves the same scales as the points do. */
PetscErrorCode TwoPointUniform(TwoPoint tp, PetscReal t, PetscReal *f) {
  const PetscReal d = (PetscReal)tp->kernel->dim, half = PetscMin(0.5 * PETSC_PI, 10.0 / sqrt(d));
  PetscReal s[TWOPOINT_NODES], w[TWOPOINT_NODES], sum = 0.0, total = 0.0;

  PetscFunctionBeginUser;
  PetscCall(Advance(tp, t));
  const Map map = t > 0.0 ? tp->solution.map : (Map){.stretch = 1.0 + 0.5 * log1p(tp->beta)};
  PetscCall(QuadratureLegendre(TWOPOINT_NODES, InverseAngle(map, 0.5 * PETSC_PI - half),
                               InverseAngle(map, 0.5 * PETSC_PI + half), s, w));
  for (PetscInt i = 0; i < TWOPOINT_NODES; i++) {
    const PetscReal theta = Angle(map, s[i]);
    const PetscReal weight = w[i] * Slope(map, s[i]) * pow(sin(theta), d - 2.0);
    sum += weight * GapAt(tp, t, theta);
    total += weight;
  }
  *f = 1.0 - sum / total;
  PetscFunctionReturn(0);
}
