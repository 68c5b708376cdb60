/* The two-token diffusion of THEORY.md (6.1) in the angle theta, u = cos theta. With x = 1-u and the secant
 * S = (k(1) - k(u))/x everything cancels by hand:
 *
 *     A = h d_theta^2 - ((d-2) tan(theta/2) (k(1) - S) + 2 v sin(theta)/(1 + e^{beta x})) d_theta,
 *     h = x (k(1) + u S).
 *
 * In theta also ReLU's kernel and its solutions, which have powers x^{3/2}, are smooth. theta = 0 is a degenerate point
 * of A and takes no boundary condition; theta = pi is the antipode, where f is even: f_theta = 0.
 *
 * Near theta = 0 the process is a geometric Brownian motion with log theta drifting at lambda1 - v and variance
 * k(1) + k'(1) per time, so f varies over all scales down to exp(-(spread of log theta)). Hence elements (elements.h)
 * equal in s with theta/(pi - theta) = (sinh(alpha s)/sinh(alpha))/(sinh(gamma (1-s))/sinh(gamma)). A kernel that is
 * odd, or almost, is degenerate at theta = pi, too, and takes a large gamma. Large d or beta make fronts anywhere in
 * between: elements and steps become more until f no longer changes.
 *
 * Random values at barycentres, NEIGHBOURS.md (12.7), have both ends alike:
 *
 *     h = (a^2 + b^2) sin^2(theta)/d,   drift = 2 a b (d-2)/d sin(theta),   a = 1 - b = 1/(1 + e^{-beta x}).
 *
 * Noise of their own, NEIGHBOURS.md (14.4), adds 2 kappa (d_theta^2 + (d-2) cot(theta) d_theta). f is then even about
 * theta = 0, too, and has no scale below that at which it outweighs the common noise. */
#include "law/kernel/elements.h"
#include "law/kernel/impl.h"
#include "law/sphere/quadrature.h"
#include <chorale/twopoint.h>
#include <math.h>

#define TWOPOINT_TOLERANCE 1e-9  /* change of f between the last two resolutions */
#define TWOPOINT_STRETCH   200.0 /* at most: e^{-2 TWOPOINT_STRETCH} is still a number */
#define TWOPOINT_LEVELS    13
#define TWOPOINT_PANELS    16 /* at least, of TWOPOINT_NODES each, of the average over uniform tokens */
#define TWOPOINT_NODES     24

/* theta of s in [0,1]: smallest scales e^-near at theta = 0, e^-far at theta = pi. */
typedef struct {
  PetscReal near, far; /* alpha, gamma > 0 */
} Map;

/* 1 - f at the points of the elements. It solves the same equation, is 0 at theta = 0 and often decays, so that
 * rounding errors do too. */
typedef struct {
  PetscInt elements;
  Map map;
  PetscReal *gap;
} Solution;

/* log theta at theta = 0, and log (pi - theta) at theta = pi, under the noise alone. */
typedef struct {
  PetscReal drift, variance; /* per time */
} End;

struct _p_TwoPoint {
  Kernel kernel; /* NULL: random values at barycentres */
  PetscReal dim, beta, value, independent;
  PetscReal energy;                                      /* the beta of what is measured */
  PetscReal (*initial)(PetscReal beta, PetscReal theta); /* 1 - f at time 0 */
  End near, far;
  PetscReal rate; /* of the fastest modes of the size of the sphere */
  PetscReal even; /* k(1) + k(-1): twice the even part of k at the poles, a sum of coefficients c_n >= 0; 0 if odd */
  PetscReal time; /* of the solution in store; negative: none */
  Solution solution;
};

/* 1 - e^{beta (u-1)}. */
static PetscReal EnergyAtStart(PetscReal beta, PetscReal theta) {
  const PetscReal sine = sin(0.5 * theta);

  return -expm1(-2.0 * beta * sine * sine);
}

/* 1 - u. */
static PetscReal CosineAtStart(PetscReal beta, PetscReal theta) {
  const PetscReal sine = sin(0.5 * theta);

  (void)beta;
  return 2.0 * sine * sine;
}

static PetscErrorCode CheckBeta(PetscReal beta) {
  PetscFunctionBeginUser;
  PetscCheck(beta >= 0.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "two tokens: beta = %.6g is negative",
             (double)beta);
  PetscFunctionReturn(0);
}

static PetscErrorCode Make(PetscReal dim, PetscReal beta, PetscReal value, TwoPoint *out) {
  TwoPoint tp;

  PetscFunctionBeginUser;
  PetscCall(CheckBeta(beta));
  PetscCall(PetscNew(&tp));
  tp->dim = dim;
  tp->beta = tp->energy = beta;
  tp->value = value;
  tp->initial = EnergyAtStart;
  tp->time = -1.0;
  *out = tp;
  PetscFunctionReturn(0);
}

PetscErrorCode TwoPointCreate(Kernel kernel, PetscReal beta, PetscReal value, TwoPoint *out) {
  PetscReal lambda1;
  TwoPoint tp;

  PetscFunctionBeginUser;
  PetscCall(Make((PetscReal)kernel->dim, beta, value, &tp));
  *out = tp;
  PetscCall(KernelSecantSetUp(kernel));
  PetscCall(KernelLyapunov(kernel, &lambda1));
  tp->kernel = kernel;
  tp->near = tp->far = (End){.drift = lambda1, .variance = kernel->k1 + kernel->kp1};
  tp->rate = tp->dim * kernel->k1 + kernel->kp1 + fabs(value);
  tp->even = 2.0 * (kernel->k1 - KernelSecant(kernel, 2.0));
  if (tp->even <= 1e-12 * kernel->k1) tp->even = 0.0;
  PetscFunctionReturn(0);
}

/* 2 a b of random values, x = 1 - u. */
static PetscReal Mixing(PetscReal beta, PetscReal x) {
  const PetscReal e = exp(-PetscMin(700.0, beta * x));

  return 2.0 * e / ((1.0 + e) * (1.0 + e));
}

PetscErrorCode TwoPointCreateValues(PetscInt dim, PetscReal beta, PetscReal value, TwoPoint *out) {
  const PetscReal d = (PetscReal)dim, near = Mixing(beta, 0.0), far = Mixing(beta, 2.0);
  TwoPoint tp;

  PetscFunctionBeginUser;
  PetscCall(Make(d, beta, value, &tp));
  *out = tp;
  tp->near = (End){.drift = -((d - 2.0) * near + 1.0 - near) / d, .variance = 2.0 * (1.0 - near) / d};
  tp->far = (End){.drift = ((d - 2.0) * far - 1.0 + far) / d, .variance = 2.0 * (1.0 - far) / d};
  tp->rate = 1.0 + 1.0 / d + fabs(value);
  PetscFunctionReturn(0);
}

PetscErrorCode TwoPointMeasureEnergy(TwoPoint tp, PetscReal beta) {
  PetscFunctionBeginUser;
  PetscCall(CheckBeta(beta));
  tp->initial = EnergyAtStart;
  tp->energy = beta;
  tp->time = -1.0;
  PetscFunctionReturn(0);
}

PetscErrorCode TwoPointMeasureCosine(TwoPoint tp) {
  PetscFunctionBeginUser;
  tp->initial = CosineAtStart;
  tp->time = -1.0;
  PetscFunctionReturn(0);
}

PetscErrorCode TwoPointSetIndependent(TwoPoint tp, PetscReal kappa) {
  PetscFunctionBeginUser;
  PetscCheck(kappa >= 0.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "two tokens: kappa = %.6g is negative",
             (double)kappa);
  tp->independent = kappa;
  tp->time = -1.0;
  PetscFunctionReturn(0);
}

PetscErrorCode TwoPointDestroy(TwoPoint *tp) {
  PetscFunctionBeginUser;
  if (!*tp) PetscFunctionReturn(0);
  PetscCall(PetscFree((*tp)->solution.gap));
  PetscCall(PetscFree(*tp));
  PetscFunctionReturn(0);
}

/* theta = pi N/(N + M), and its first and second derivative. */
static void Angle(Map map, PetscReal s, PetscReal *theta, PetscReal *first, PetscReal *second) {
  const PetscReal a = map.near, c = map.far;
  const PetscReal N = sinh(a * s) / sinh(a), dN = a * cosh(a * s) / sinh(a);
  const PetscReal M = sinh(c * (1.0 - s)) / sinh(c), dM = -c * cosh(c * (1.0 - s)) / sinh(c);
  const PetscReal sum = N + M, cross = dN * M - N * dM;

  *theta = PETSC_PI * N / sum;
  if (first) *first = PETSC_PI * cross / (sum * sum);
  if (second) *second = PETSC_PI / (sum * sum) * ((a * a - c * c) * N * M - 2.0 * cross * (dN + dM) / sum);
}

/* s of theta <= pi/2, by bisection. */
static PetscReal InverseAngle(Map map, PetscReal theta) {
  PetscReal low = 0.0, high = 1.0;

  for (int i = 0; i < 56; i++) {
    const PetscReal middle = 0.5 * (low + high);
    PetscReal angle;
    Angle(map, middle, &angle, NULL, NULL);
    if (angle < theta)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static Map Mirror(Map map) {
  return (Map){.near = map.far, .far = map.near};
}

/* Attention's part of the drift; x = 1 - u. */
static PetscReal Pull(TwoPoint tp, PetscReal sine, PetscReal x) {
  return 2.0 * tp->value * sine / (1.0 + exp(PetscMin(700.0, tp->beta * x)));
}

/* A = h d_theta^2 - drift d_theta at s, given 1 - s as well: of random values at barycentres. */
static void ValuesCoefficients(TwoPoint tp, Map map, PetscReal s, PetscReal rest, PetscReal *h, PetscReal *drift) {
  PetscReal theta, far;

  Angle(map, s, &theta, NULL, NULL);
  Angle(Mirror(map), rest, &far, NULL, NULL);
  const PetscReal sine = sin(PetscMin(theta, far)), half = sin(0.5 * theta), x = 2.0 * half * half;
  const PetscReal mixing = Mixing(tp->beta, x);

  *h = sine * sine * (1.0 - mixing) / tp->dim;
  *drift = sine * mixing * (tp->dim - 2.0) / tp->dim + Pull(tp, sine, x);
}

/* Of a kernel. An odd one is mirrored beyond pi/2 from the other end, where its noise does not cancel. */
static void KernelCoefficientsAt(TwoPoint tp, Map map, PetscReal s, PetscReal rest, PetscReal *h, PetscReal *drift) {
  const PetscReal d = tp->dim, k1 = tp->kernel->k1;
  PetscReal near;

  Angle(map, s, &near, NULL, NULL);
  const PetscBool mirror = tp->even == 0.0 && near > 0.5 * PETSC_PI ? PETSC_TRUE : PETSC_FALSE;
  if (mirror) Angle(Mirror(map), rest, &near, NULL, NULL);
  const PetscReal sine = sin(0.5 * near), cosine = cos(0.5 * near);
  const PetscReal y = 2.0 * sine * sine, x = mirror ? 2.0 * cosine * cosine : y;
  const PetscReal secant = KernelSecant(tp->kernel, y);

  *h = y * (k1 + (1.0 - y) * secant);
  *drift = (mirror ? 2.0 - d : d - 2.0) * sine / cosine * (k1 - secant) + Pull(tp, sin(near), x);
}

/* Of theta at s, given 1 - s as well; 0 at the ends, where f_theta = 0 takes the place of the equation. */
static PetscReal Cotangent(Map map, PetscReal s, PetscReal rest) {
  PetscReal near, far;

  if (s == 0.0 || rest == 0.0) return 0.0;
  Angle(map, s, &near, NULL, NULL);
  Angle(Mirror(map), rest, &far, NULL, NULL);
  return near < far ? 1.0 / tan(near) : -1.0 / tan(far);
}

/* Of all noise. */
static void Coefficients(TwoPoint tp, Map map, PetscReal s, PetscReal rest, PetscReal *h, PetscReal *drift) {
  (tp->kernel ? KernelCoefficientsAt : ValuesCoefficients)(tp, map, s, rest, h, drift);
  if (tp->independent > 0.0) {
    *h += 2.0 * tp->independent;
    *drift -= 2.0 * tp->independent * (tp->dim - 2.0) * Cotangent(map, s, rest);
  }
}

/* f at time t. Fast modes decay fast, so steps may grow with time: the interval up to t 2^{-doublings} and each
 * doubling from there on have the same number of steps. */
static PetscErrorCode Solve(TwoPoint tp, PetscReal t, PetscInt doublings, PetscInt steps, Solution *out) {
  const PetscInt n = out->elements * ELEMENTS_DEGREE;
  Elements elements;
  PetscReal *a, *b;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n + 1, &out->gap));
  PetscCall(PetscMalloc2(n + 1, &a, n + 1, &b));
  for (PetscInt i = 0; i <= n; i++) {
    const PetscReal s = ElementsPoint(out->elements, i);
    PetscReal theta, slope, bend, h, drift;
    Angle(out->map, s, &theta, &slope, &bend);
    Coefficients(tp, out->map, s, ElementsPoint(out->elements, n - i), &h, &drift);
    a[i] = h / (slope * slope);
    b[i] = -drift / slope - a[i] * bend / slope;
    out->gap[i] = tp->initial(tp->energy, theta);
  }
  PetscCall(ElementsCreate(out->elements, a, b, &elements));
  for (PetscInt j = 0; j <= doublings; j++)
    PetscCall(ElementsAdvance(elements, ldexp(t, -(int)PetscMin(doublings, doublings - j + 1)), steps, out->gap));
  PetscCall(ElementsDestroy(&elements));
  PetscCall(PetscFree2(a, b));
  PetscFunctionReturn(0);
}

/* How far the smallest scale of f lies below 1, as a logarithm, where log theta drifts so fast: six standard deviations
 * of log theta outwards at any time up to t. */
static PetscReal Spread(PetscReal variance, PetscReal drift, PetscReal t) {
  const PetscReal spread = 6.0 * sqrt(variance);
  const PetscReal turn = drift < 0.0 ? 0.25 * (spread / drift) * (spread / drift) : t, when = PetscMin(t, turn);

  return drift * when + spread * sqrt(when);
}

/* The width 1/sqrt(beta) of the start, or of attention, at theta = 0. */
static PetscReal Width(TwoPoint tp) {
  return 0.5 * log1p(PetscMax(tp->beta, tp->energy));
}

/* At theta = 0 also that width; at theta = pi, which attention drives off, nothing below the
 * distance where the even part of the noise takes over, nor at either end where the tokens' own noise does. */
static Map Stretch(TwoPoint tp, PetscReal t) {
  const PetscReal push = 2.0 * tp->value / (1.0 + exp(2.0 * tp->beta)), own = 4.0 * tp->independent;
  PetscReal near = 1.0 + Spread(tp->near.variance, tp->near.drift - tp->value, t) + Width(tp);
  const PetscReal far = 1.0 + Spread(tp->far.variance, tp->far.drift + push, t);
  const PetscReal even = tp->even + own;
  const PetscReal most = even > 0.0 ? 0.5 * log1p(tp->far.variance / even) : TWOPOINT_STRETCH;

  if (own > 0.0) near = PetscMin(near, 1.0 + 0.5 * log1p(tp->near.variance / own) + Width(tp));
  return (Map){.near = PetscMin(TWOPOINT_STRETCH, near), .far = PetscMin(far, PetscMin(TWOPOINT_STRETCH, 1.0 + most))};
}

static PetscReal Change(const Solution *coarse, const Solution *fine) {
  PetscReal change = 0.0;

  for (PetscInt i = 0; i <= fine->elements * ELEMENTS_DEGREE; i++) {
    const PetscReal s = ElementsPoint(fine->elements, i);
    const PetscReal off = fabs(fine->gap[i] - ElementsInterpolate(coarse->elements, coarse->gap, s));
    if (!(off <= change)) change = off; /* so that it stays NaN, too */
  }
  return change;
}

static PetscErrorCode Advance(TwoPoint tp, PetscReal t) {
  PetscReal change = PETSC_MAX_REAL;
  Solution coarse = {.gap = NULL};

  PetscFunctionBeginUser;
  PetscCheck(t >= 0.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "two tokens: time = %.6g is negative", (double)t);
  if (t == tp->time || t == 0.0) PetscFunctionReturn(0);
  const Map map = Stretch(tp, t);
  const PetscReal rate = tp->rate + 2.0 * tp->independent * tp->dim;
  const PetscInt doublings = (PetscInt)PetscMax(0.0, ceil(log2(t * rate)));
  PetscInt elements = 4, steps = 4;
  for (PetscInt level = 0; level < TWOPOINT_LEVELS && change > TWOPOINT_TOLERANCE; level++) {
    Solution fine = {.elements = elements, .map = map};
    PetscCall(Solve(tp, t, doublings, steps, &fine));
    if (level > 0) change = Change(&coarse, &fine);
    PetscCall(PetscFree(coarse.gap));
    coarse = fine;
    elements += elements / 2;
    steps += steps / 2;
  }
  PetscCall(PetscFree(tp->solution.gap));
  tp->solution = coarse;
  tp->time = -1.0;
  PetscCheck(change <= TWOPOINT_TOLERANCE, PETSC_COMM_SELF, PETSC_ERR_CONV_FAILED,
             "two tokens: %s, d = %d, beta = %.6g, value = %.6g, time = %.6g: accurate to %.2g only",
             tp->kernel ? tp->kernel->activation->name : "random values", (int)tp->dim, (double)tp->beta,
             (double)tp->value, (double)t, (double)change);
  tp->time = t;
  PetscFunctionReturn(0);
}

/* 1 - f at s, where the angle is theta. */
static PetscReal GapAt(TwoPoint tp, PetscReal t, PetscReal s, PetscReal theta) {
  return t == 0.0 ? tp->initial(tp->energy, theta) : ElementsInterpolate(tp->solution.elements, tp->solution.gap, s);
}

PetscErrorCode TwoPointEvaluate(TwoPoint tp, PetscReal t, PetscInt n, const PetscReal u[], PetscReal f[]) {
  PetscFunctionBeginUser;
  PetscCall(Advance(tp, t));
  for (PetscInt i = 0; i < n; i++) {
    PetscCheck(u[i] >= -1.0 && u[i] <= 1.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
               "two tokens: u = %.6g is not in [-1,1]", (double)u[i]);
    const PetscReal theta = 2.0 * asin(sqrt(0.5 * (1.0 - u[i]))), rest = 2.0 * asin(sqrt(0.5 * (1.0 + u[i])));
    const Map map = tp->solution.map;
    PetscReal s = 0.0;
    if (t > 0.0) s = u[i] >= 0.0 ? InverseAngle(map, theta) : 1.0 - InverseAngle(Mirror(map), rest);
    f[i] = 1.0 - GapAt(tp, t, s, theta);
  }
  PetscFunctionReturn(0);
}

/* The angle has density sin^{d-2} theta, which for large d lives within a few 1/sqrt(d) of pi/2. At least as many
 * panels in s as there were elements resolve what they did. */
PetscErrorCode TwoPointUniform(TwoPoint tp, PetscReal t, PetscReal *f) {
  const PetscReal d = tp->dim, half = PetscMin(0.5 * PETSC_PI, 10.0 / sqrt(d));
  PetscReal s[TWOPOINT_NODES], w[TWOPOINT_NODES], sum = 0.0, total = 0.0;

  PetscFunctionBeginUser;
  PetscCall(Advance(tp, t));
  const Map map = t > 0.0 ? tp->solution.map : (Map){.near = 1.0 + Width(tp), .far = 1.0};
  const PetscInt panels = PetscMax(TWOPOINT_PANELS, t > 0.0 ? tp->solution.elements : 0);
  const PetscReal first = InverseAngle(map, 0.5 * PETSC_PI - half);
  const PetscReal last = 1.0 - InverseAngle(Mirror(map), 0.5 * PETSC_PI - half);
  const PetscReal width = (last - first) / (PetscReal)panels;
  PetscCall(QuadratureLegendre(TWOPOINT_NODES, 0.0, width, s, w));
  for (PetscInt panel = 0; panel < panels; panel++) {
    for (PetscInt i = 0; i < TWOPOINT_NODES; i++) {
      const PetscReal at = first + (PetscReal)panel * width + s[i];
      PetscReal theta, slope;
      Angle(map, at, &theta, &slope, NULL);
      const PetscReal weight = w[i] * slope * pow(PetscMax(0.0, sin(theta)), d - 2.0);
      sum += weight * GapAt(tp, t, at, theta);
      total += weight;
    }
  }
  *f = 1.0 - sum / total;
  PetscFunctionReturn(0);
}
