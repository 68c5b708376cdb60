/* The kernel of sigma(x) = slope x + jump max(x,0). With r = max(x,0):
 *
 *     E[sigma sigma] = slope (slope + jump) c + jump^2 kappa(c),   kappa = E[r(Z1) r(Z2)]  (arc-cosine kernel, Cho and
 * Saul 2009) kappa = v/(2 pi) (sin phi + (pi - phi) cos phi),   cos phi = c/v.
 *
 * kappa is singular at u = 1 and its Gegenbauer coefficients decay slowly, so these come from the random features
 * instead. A hidden unit is r(R <omega,x> + b), omega uniform on the sphere; with t = -b/R and Funk-Hecke,
 *
 *     c_n = dim(n) E[ R^2 tau_n(t)^2 ],   tau_n(t) = E_x[ max(x_1 - t, 0) P_n(x_1) ],
 *
 * and integrating Rodrigues' formula twice gives, for n >= 2 and |t| < 1, the polynomial of dimension d+4
 *
 *     tau_n(t) = (1-t^2)^{(d+1)/2} P^{(d+4)}_{n-2}(t) / (Z (d^2-1)),   Z = |S^{d-1}| / |S^{d-2}|.
 *
 * A square in closed form: no cancellation in any degree and dimension. */
#include "law/kernel/impl.h"
#include <math.h>

#include "law/sphere/quadrature.h"

/* sin a - a cos a of sin^2(a/2) and cos^2(a/2), without cancellation at small a. */
static PetscReal SineMinusArc(PetscReal sine, PetscReal cosine) {
  const PetscReal a = 2.0 * asin(sqrt(sine)), a2 = a * a;

  if (a > 0.3) return 2.0 * sqrt(sine * cosine) - a * (cosine - sine);
  return a * a2 *
         (1.0 / 3.0 -
          a2 * (1.0 / 30.0 - a2 * (1.0 / 840.0 - a2 * (1.0 / 45360.0 - a2 * (1.0 / 3991680.0 - a2 / 518918400.0)))));
}

/* q = (1/d)/v, so that 1 - c/v = q (1-u). */
static PetscReal Share(Kernel kernel) {
  return 1.0 / ((PetscReal)kernel->dim * kernel->variance);
}

/* kappa(u) and (kappa(1) - kappa(u))/(1-u) as functions of x = 1-u, which may be tiny. */
static PetscReal ArcCosine(Kernel kernel, PetscReal x) {
  const PetscReal y = PetscMin(1.0, 0.5 * Share(kernel) * x); /* sin^2(phi/2) */

  return kernel->variance / (2.0 * PETSC_PI) * SineMinusArc(1.0 - y, y);
}

static PetscReal ArcCosineSecant(Kernel kernel, PetscReal x) {
  const PetscReal q = Share(kernel), y = PetscMin(1.0, 0.5 * q * x);

  if (x <= 0.0) return 0.5 * kernel->variance * q;
  return kernel->variance / (2.0 * PETSC_PI) * (PETSC_PI * q - SineMinusArc(y, 1.0 - y) / x);
}

void KernelLinearDetect(Kernel kernel) {
  const Activation *a = kernel->activation;
  const PetscReal left = -a->value(-1.0), right = a->value(1.0);

  kernel->piecewise_linear =
      a->kink && a->value(-4.0) == -4.0 * left && a->value(4.0) == 4.0 * right ? PETSC_TRUE : PETSC_FALSE;
  if (!kernel->piecewise_linear) return;
  const PetscReal v = kernel->variance, d = (PetscReal)kernel->dim;
  kernel->slope = left;
  kernel->jump = right - left;
  /* E sigma^2 = (left^2 + right^2) v/2 and likewise for sigma'. */
  kernel->k1 = 0.5 * (left * left + right * right) * v + kernel->bias_w * kernel->bias_w;
  kernel->kp1 = 0.5 * (left * left + right * right) / d;
}

PetscReal KernelLinearValue(Kernel kernel, PetscReal u) {
  const PetscReal c = u / (PetscReal)kernel->dim + kernel->bias_u * kernel->bias_u;

  return kernel->slope * (kernel->slope + kernel->jump) * c + kernel->jump * kernel->jump * ArcCosine(kernel, 1.0 - u);
}

PetscReal KernelLinearSecant(Kernel kernel, PetscReal x) {
  return kernel->slope * (kernel->slope + kernel->jump) / (PetscReal)kernel->dim +
         kernel->jump * kernel->jump * ArcCosineSecant(kernel, x);
}

/* Z = int_{-1}^{1} (1-u^2)^{(d-3)/2} du, by Z_{d+2} = Z_d (d-1)/d. */
static PetscReal DensityIntegral(PetscInt d) {
  PetscReal z = d % 2 ? 2.0 : PETSC_PI;

  for (PetscInt i = d % 2 ? 3 : 2; i < d; i += 2) z *= (PetscReal)(i - 1) / (PetscReal)i;
  return z;
}

/* kappa's c_0 and c_1 = d E[kappa(u) u], integrated over the angle in panels that shrink towards theta = pi: a small
 * bias leaves a branch point just beyond. */
static PetscErrorCode ArcCosineLow(Kernel kernel, PetscReal c[2]) {
  enum { NODES = 128, PANELS = 30 };
  const PetscInt d = kernel->dim;
  PetscReal x[NODES], w[NODES], nodes[NODES], weights[NODES], total = 0.0;

  PetscFunctionBeginUser;
  PetscCall(QuadratureLegendre(NODES, 0.0, 1.0, x, w));
  c[0] = c[1] = 0.0;
  for (PetscInt panel = 0; panel < PANELS; panel++) {
    /* Distance to pi runs over [pi 2^{-panel-1}, pi 2^{-panel}], the last panel down to 0. */
    const PetscReal far = ldexp(PETSC_PI, -(int)panel), near = panel + 1 < PANELS ? 0.5 * far : 0.0;
    for (PetscInt i = 0; i < NODES; i++) {
      nodes[i] = near + (far - near) * x[i];
      weights[i] = (far - near) * w[i] * pow(sin(nodes[i]), (PetscReal)(d - 2));
    }
    for (PetscInt i = 0; i < NODES; i++) {
      const PetscReal sine = sin(0.5 * nodes[i]), u = -cos(nodes[i]); /* 1 - u = 2 - 2 sin^2 */
      const PetscReal k = ArcCosine(kernel, 2.0 * (1.0 - sine * sine));
      total += weights[i];
      c[0] += weights[i] * k;
      c[1] += weights[i] * k * u * (PetscReal)d;
    }
  }
  c[0] /= total;
  c[1] /= total;
  PetscFunctionReturn(0);
}

/* c[2+j] += weight * (orthonormal p^{(D)}_j(t))^2, D = d+4, j < count, with the root of the weight inside the
 * recurrence so that large d stays in range. log_weight may be very negative. */
static void AddSquares(PetscInt count, const PetscReal b[], PetscReal t, PetscReal log_weight, PetscReal c[]) {
  PetscReal p = exp(0.5 * log_weight), before = 0.0;

  for (PetscInt j = 0; j < count; j++) {
    c[2 + j] += p * p;
    const PetscReal next = (t * p - b[j] * before) / b[j + 1];
    before = p;
    p = next;
  }
}

/* E over t of (1-t^2)^{d+1} p_j(t)^2 R^2. The density of t, R^2 included, is
 *     (d^2-1) Z / (2 pi s d^{3/2}) (1 + t^2/(d s^2))^{-(d+3)/2},   s = sigma_U;
 * panels halve towards t = 0 until they resolve both its width s sqrt(d) and the 1/sqrt(d) of the polynomials' weight.
 */
static PetscErrorCode IntegrateSquares(Kernel kernel, PetscInt degree, const PetscReal b[], PetscReal c[]) {
  const PetscReal d = (PetscReal)kernel->dim, s = kernel->bias_u, width = PetscMin(s * sqrt(d), 1.0 / sqrt(d));
  const PetscInt nodes = degree + 64;
  const PetscReal prefactor =
      log((d * d - 1.0) * DensityIntegral(kernel->dim) / (2.0 * PETSC_PI * d * sqrt(d))) - log(s);
  PetscReal *x, *w;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(nodes, &x, nodes, &w));
  PetscCall(QuadratureLegendre(nodes, 0.0, 1.0, x, w));
  for (PetscReal right = 1.0, left = 0.5; right > 0.0; right = left, left = left > 0.25 * width ? 0.5 * left : 0.0) {
    for (PetscInt i = 0; i < nodes; i++) {
      const PetscReal t = left + (right - left) * x[i], ratio = t / (s * sqrt(d));
      const PetscReal density = prefactor - 0.5 * (d + 3.0) * log1p(ratio * ratio) + (d + 1.0) * log1p(-t * t);
      AddSquares(degree - 1, b, t, density + log(2.0 * (right - left) * w[i]), c); /* 2: even in t */
    }
  }
  PetscCall(PetscFree2(x, w));
  PetscFunctionReturn(0);
}

/* dim_d(n) / dim_{d+4}(n-2) turns P^{(d+4)}_{n-2} into the orthonormal polynomial. */
static PetscReal CountRatio(PetscReal d, PetscReal n) {
  return (d + 2.0) * (d + 1.0) * d * (d - 1.0) / ((n + d - 1.0) * (n + d - 2.0) * n * (n - 1.0));
}

PetscErrorCode KernelLinearCoefficients(Kernel kernel, PetscInt degree, PetscReal c[]) {
  const PetscReal d = (PetscReal)kernel->dim, s = kernel->bias_u, jump2 = kernel->jump * kernel->jump;
  const PetscReal linear = kernel->slope * (kernel->slope + kernel->jump);
  const PetscReal norm = DensityIntegral(kernel->dim) * (d * d - 1.0);
  PetscReal low[2], *b;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(c, degree + 1));
  PetscCall(PetscMalloc1(degree + 1, &b));
  b[0] = 0.0;
  for (PetscInt i = 1; i <= degree; i++) {
    const PetscReal k = (PetscReal)i;
    b[i] = sqrt(k * (k + d + 1.0) / ((2.0 * k + d + 2.0) * (2.0 * k + d)));
  }
  if (degree >= 2 && s > 0.0)
    PetscCall(IntegrateSquares(kernel, degree, b, c));
  else if (degree >= 2)
    AddSquares(degree - 1, b, 0.0, 0.0, c);
  for (PetscInt n = 2; n <= degree; n++) c[n] *= jump2 * CountRatio(d, (PetscReal)n) / (norm * norm);
  PetscCall(ArcCosineLow(kernel, low));
  c[0] = jump2 * low[0] + linear * s * s;
  if (degree >= 1) c[1] = jump2 * low[1] + linear / d;
  PetscCall(PetscFree(b));
  PetscFunctionReturn(0);
}
