#include "law/kernel/impl.h"
#include <math.h>

#include "law/sphere/quadrature.h"

PetscErrorCode MomentRulesSet(MomentRules *rules) {
  PetscFunctionBeginUser;
  PetscCall(QuadratureSphere(3, MOMENT_COARSE, rules->x[0], rules->w[0]));
  PetscCall(QuadratureSphere(3, MOMENT_FINE, rules->x[1], rules->w[1]));
  PetscFunctionReturn(0);
}

/* E[f(Z)^2], Z ~ N(0,v), by Gauss-Legendre panels with a break at 0. Panels are at most 1 wide both in Z, the scale of
 * every activation, and in standard deviations. */
static PetscReal SecondMoment(PetscReal (*f)(PetscReal), PetscReal v, PetscInt nodes, const PetscReal x[],
                              const PetscReal w[]) {
  const PetscReal range = 12.0, s = sqrt(v);
  const PetscInt panels = (PetscInt)ceil(range * PetscMax(1.0, s));
  const PetscReal width = range / (PetscReal)panels;
  PetscReal sum = 0.0;

  for (PetscInt panel = panels - 1; panel >= 0; panel--) { /* small contributions first */
    for (PetscInt i = 0; i < nodes; i++) {
      const PetscReal z = width * (PetscReal)panel + (0.5 * width + 0.5 * width * x[i]);
      const PetscReal right = f(s * z), left = f(-s * z);
      sum += w[i] * width * exp(-0.5 * z * z) * (right * right + left * left);
    }
  }
  return sum / sqrt(2.0 * PETSC_PI);
}

static PetscErrorCode ConvergedMoment(Kernel kernel, const MomentRules *rules, PetscReal (*f)(PetscReal),
                                      PetscReal *moment) {
  PetscFunctionBeginUser;
  PetscCheck(kernel->variance < 1e8, PETSC_COMM_SELF, PETSC_ERR_CONV_FAILED,
             "kernel of %s: bias_u = %.6g is too large for its quadrature", kernel->activation->name,
             (double)kernel->bias_u);
  const PetscReal coarse = SecondMoment(f, kernel->variance, MOMENT_COARSE, rules->x[0], rules->w[0]);
  *moment = SecondMoment(f, kernel->variance, MOMENT_FINE, rules->x[1], rules->w[1]);
  PetscCheck(fabs(*moment - coarse) <= 1e-13 * fabs(*moment), PETSC_COMM_SELF, PETSC_ERR_CONV_FAILED,
             "kernel of %s, d = %d, bias_u = %.6g: quadrature of its variance did not converge",
             kernel->activation->name, (int)kernel->dim, (double)kernel->bias_u);
  PetscFunctionReturn(0);
}

PetscErrorCode KernelCreateByRules(const Activation *activation, PetscInt dim, PetscReal bias_u, PetscReal bias_w,
                                   const MomentRules *rules, Kernel *out) {
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCheck(activation && dim >= 2 && bias_u >= 0.0 && bias_w >= 0.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "kernel: needs an activation, dim = %d >= 2, bias_u = %.6g >= 0, bias_w = %.6g >= 0", (int)dim,
             (double)bias_u, (double)bias_w);
  PetscCall(PetscNew(&kernel));
  kernel->activation = activation;
  kernel->dim = dim;
  kernel->bias_u = bias_u;
  kernel->bias_w = bias_w;
  kernel->variance = 1.0 / (PetscReal)dim + bias_u * bias_u;
  kernel->closed = KernelClosedFind(activation->name);
  KernelLinearDetect(kernel);
  if (!kernel->piecewise_linear) {
    PetscCall(ConvergedMoment(kernel, rules, activation->value, &kernel->k1));
    PetscCall(ConvergedMoment(kernel, rules, activation->derivative, &kernel->kp1));
    kernel->k1 += bias_w * bias_w;
    kernel->kp1 /= (PetscReal)dim;
  }
  *out = kernel;
  PetscFunctionReturn(0);
}

PetscErrorCode KernelCreate(const Activation *activation, PetscInt dim, PetscReal bias_u, PetscReal bias_w,
                            Kernel *kernel) {
  MomentRules rules;

  PetscFunctionBeginUser;
  PetscCall(MomentRulesSet(&rules));
  PetscCall(KernelCreateByRules(activation, dim, bias_u, bias_w, &rules, kernel));
  PetscFunctionReturn(0);
}

PetscErrorCode KernelDestroy(Kernel *kernel) {
  PetscFunctionBeginUser;
  if (!*kernel) PetscFunctionReturn(0);
  PetscCall(PetscFree((*kernel)->series));
  PetscCall(PetscFree((*kernel)->truncated));
  PetscCall(PetscFree(*kernel));
  PetscFunctionReturn(0);
}

PetscErrorCode KernelEvaluate(Kernel kernel, PetscReal u, PetscReal *k) {
  const PetscReal c = u / (PetscReal)kernel->dim + kernel->bias_u * kernel->bias_u;

  PetscFunctionBeginUser;
  PetscCheck(u >= -1.0 && u <= 1.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "kernel: u = %.6g is not in [-1,1]",
             (double)u);
  if (kernel->truncated) {
    *k = KernelTruncatedValue(kernel, u);
    PetscFunctionReturn(0);
  }
  if (kernel->piecewise_linear)
    *k = KernelLinearValue(kernel, u);
  else if (kernel->closed)
    *k = kernel->closed(kernel->variance, c, (1.0 - u) / (PetscReal)kernel->dim);
  else {
    PetscCall(KernelSeriesSetUp(kernel));
    *k = KernelSeriesValue(kernel, u);
  }
  *k += kernel->bias_w * kernel->bias_w;
  PetscFunctionReturn(0);
}

PetscErrorCode KernelAtOne(Kernel kernel, PetscReal *k1, PetscReal *kp1) {
  PetscFunctionBeginUser;
  *k1 = kernel->k1;
  *kp1 = kernel->kp1;
  PetscFunctionReturn(0);
}

PetscErrorCode KernelLyapunov(Kernel kernel, PetscReal *lambda1) {
  const PetscReal d = (PetscReal)kernel->dim;

  PetscFunctionBeginUser;
  *lambda1 = 0.5 * (d - 3.0) * kernel->kp1 - 0.5 * (d - 1.0) * kernel->k1;
  PetscFunctionReturn(0);
}

PetscErrorCode KernelCoercivity(Kernel kernel, PetscReal *lambda_bar) {
  const PetscReal d = (PetscReal)kernel->dim;

  PetscFunctionBeginUser;
  *lambda_bar = (d - 1.0) * kernel->kp1 - (d - 3.0) * kernel->k1;
  PetscFunctionReturn(0);
}

PetscErrorCode KernelCoefficients(Kernel kernel, PetscInt degree, PetscReal c[]) {
  PetscFunctionBeginUser;
  PetscCheck(degree >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "kernel: degree = %d is negative", (int)degree);
  if (kernel->truncated) {
    for (PetscInt n = 0; n <= degree; n++) c[n] = n <= kernel->degree ? kernel->truncated[n] : 0.0;
    PetscFunctionReturn(0);
  }
  if (kernel->piecewise_linear)
    PetscCall(KernelLinearCoefficients(kernel, degree, c));
  else {
    PetscCall(KernelSeriesSetUp(kernel));
    PetscCall(KernelSeriesCoefficients(kernel, degree, c));
  }
  c[0] += kernel->bias_w * kernel->bias_w;
  PetscFunctionReturn(0);
}

PetscErrorCode KernelSecantSetUp(Kernel kernel) {
  PetscFunctionBeginUser;
  if (!kernel->piecewise_linear && !kernel->truncated) PetscCall(KernelSeriesSetUp(kernel));
  PetscFunctionReturn(0);
}

PetscReal KernelSecant(Kernel kernel, PetscReal x) {
  if (x == 0.0) return kernel->kp1;
  if (kernel->truncated) return KernelTruncatedSecant(kernel, x);
  return kernel->piecewise_linear ? KernelLinearSecant(kernel, x) : KernelSeriesSecant(kernel, 1.0 - x);
}

/* F of THEORY.md (2.8) at u = 1 - x. With the secant S = (k(1) - k(u))/x the factor x cancels by hand:
 *
 *     F = (beta x)/(e^{beta x} - 1) [ k(1)(d-2-u) - S (d-2+u^2) + beta x (1+u)(k(1) + u S) ],
 *
 * exact down to x = 0, where it is -lambda_bar, and without overflow for any beta. */
static PetscReal RateFunction(Kernel kernel, PetscReal beta, PetscReal x) {
  const PetscReal u = 1.0 - x, d = (PetscReal)kernel->dim, k1 = kernel->k1, y = beta * x;
  const PetscReal decay = y > 0.0 ? y / expm1(y) : 1.0;
  const PetscReal secant = KernelSecant(kernel, x);

  return decay * (k1 * (d - 2.0 - u) - secant * (d - 2.0 + u * u) + y * (1.0 + u) * (k1 + u * secant));
}

/* Golden section in [a,b]; F is smooth inside, so this finds the local minimum that the scan has bracketed. */
static PetscReal GoldenMinimum(Kernel kernel, PetscReal beta, PetscReal a, PetscReal b) {
  const PetscReal ratio = 0.5 * (sqrt(5.0) - 1.0);
  PetscReal left = b - ratio * (b - a), right = a + ratio * (b - a);
  PetscReal f_left = RateFunction(kernel, beta, left), f_right = RateFunction(kernel, beta, right);
  PetscReal best = PetscMin(f_left, f_right);

  for (int i = 0; i < 60; i++) {
    if (f_left < f_right) {
      b = right, right = left, f_right = f_left;
      left = b - ratio * (b - a), f_left = RateFunction(kernel, beta, left);
    } else {
      a = left, left = right, f_left = f_right;
      right = a + ratio * (b - a), f_right = RateFunction(kernel, beta, right);
    }
    best = PetscMin(best, PetscMin(f_left, f_right));
  }
  return best;
}

/* Scan points x in [0,2]: geometric near 0, where beta and ReLU's square root set small scales, uniform beyond. */
#define SCAN_GEOMETRIC 320
#define SCAN_UNIFORM   480
static PetscReal ScanPoint(PetscInt i) {
  const PetscReal joint = 0.01;

  if (i == 0) return 0.0;
  if (i <= SCAN_GEOMETRIC) return joint * pow(10.0, -10.0 * (1.0 - (PetscReal)i / SCAN_GEOMETRIC));
  return joint + (2.0 - joint) * (PetscReal)(i - SCAN_GEOMETRIC) / SCAN_UNIFORM;
}

PetscErrorCode KernelRate(Kernel kernel, PetscReal beta, PetscReal *rate) {
  enum { POINTS = 1 + SCAN_GEOMETRIC + SCAN_UNIFORM };
  PetscReal f[POINTS], infimum;

  PetscFunctionBeginUser;
  PetscCheck(beta >= 0.0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "kernel: beta = %.6g is negative", (double)beta);
  PetscCall(KernelSecantSetUp(kernel));
  for (PetscInt i = 0; i < POINTS; i++) f[i] = RateFunction(kernel, beta, ScanPoint(i));
  infimum = f[0];
  for (PetscInt i = 1; i < POINTS; i++) {
    infimum = PetscMin(infimum, f[i]);
    const PetscReal after = i + 1 < POINTS ? f[i + 1] : PETSC_MAX_REAL;
    if (f[i] <= f[i - 1] && f[i] <= after) {
      const PetscReal b = ScanPoint(PetscMin(i + 1, POINTS - 1));
      infimum = PetscMin(infimum, GoldenMinimum(kernel, beta, ScanPoint(i - 1), b));
    }
  }
  *rate = 0.0 - infimum; /* not -0 */
  PetscFunctionReturn(0);
}
