/* The kernel of a smooth activation as a power series with positive coefficients.
 *
 * Given the bias b, the two pre-activations b + g/sqrt(d) have covariance u/d, so Mehler's formula gives
 *
 *     k(u) - sigma_W^2 = sum_m A_m u^m,   A_m = E_b[ alpha_m(b)^2 ],   alpha_m(b) = E_g[ sigma(b + g/sqrt(d)) h_m(g) ],
 *
 * with orthonormal Hermite polynomials h_m. sigma varies over a unit scale while g/sqrt(d) stays small, so few terms
 * are needed for every bias, and all of them are squares: sums, secants and Gegenbauer coefficients never cancel. sum_m
 * A_m = E sigma(Z)^2 is known independently, so the remainder max_u |sum_{m>M} A_m u^m| is measured, not estimated. */
#include "law/kernel/impl.h"
#include <math.h>

#include "law/sphere/quadrature.h"

#define SERIES_TOLERANCE 2e-13 /* of k(1): remainder, and change under refinement */
#define SERIES_LEVELS    4
#define SERIES_BIAS_MAX  1000.0

/* One resolution: Gauss-Hermite nodes in g, terms, spacing of the trapezoidal rule in b. */
typedef struct {
  PetscInt nodes, terms;
  PetscReal spacing;
} SeriesLevel;

/* basis[m][i] = sqrt(w_i) h_m(x_i): the root keeps the recurrence in range, |basis| <= 1 by Christoffel's identity. */
static void HermiteBasis(SeriesLevel level, const PetscReal x[], const PetscReal w[], PetscReal basis[]) {
  const PetscInt n = level.nodes;

  for (PetscInt i = 0; i < n; i++) {
    basis[i] = sqrt(w[i]);
    basis[n + i] = x[i] * basis[i];
  }
  for (PetscInt m = 1; m + 1 < level.terms; m++) {
    const PetscReal up = 1.0 / sqrt((PetscReal)(m + 1)), down = sqrt((PetscReal)m);
    for (PetscInt i = 0; i < n; i++)
      basis[(m + 1) * n + i] = (x[i] * basis[m * n + i] - down * basis[(m - 1) * n + i]) * up;
  }
}

/* series[m] += weight * alpha_m(b)^2. */
static void AddBias(Kernel kernel, SeriesLevel level, PetscReal b, PetscReal weight, const PetscReal x[],
                    const PetscReal basis[], PetscReal sigma[], PetscReal series[]) {
  const PetscReal scale = 1.0 / sqrt((PetscReal)kernel->dim);

  for (PetscInt i = 0; i < level.nodes; i++) sigma[i] = basis[i] * kernel->activation->value(b + scale * x[i]);
  for (PetscInt m = 0; m < level.terms; m++) {
    const PetscReal *row = basis + m * level.nodes;
    PetscReal alpha = 0.0;
#pragma omp simd reduction(+ : alpha)
    for (PetscInt i = 0; i < level.nodes; i++) alpha += row[i] * sigma[i];
    series[m] += weight * alpha * alpha;
  }
}

/* The trapezoidal rule converges geometrically for integrands analytic in a strip, and like exp(-2 pi^2 s^2/h^2) for
 * the Gaussian. */
static PetscErrorCode ComputeSeries(Kernel kernel, SeriesLevel level, PetscReal series[]) {
  const PetscReal s = kernel->bias_u;
  PetscReal *x, *w, *sigma, *basis;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(level.nodes, &x, level.nodes, &w, level.nodes, &sigma, level.nodes * level.terms, &basis));
  PetscCall(QuadratureNormal(level.nodes, x, w));
  HermiteBasis(level, x, w, basis);
  PetscCall(PetscArrayzero(series, level.terms));
  if (s > 0.0) {
    const PetscInt half = (PetscInt)ceil(9.5 * s / level.spacing);
    const PetscReal factor = level.spacing / (s * sqrt(2.0 * PETSC_PI));
    for (PetscInt j = -half; j <= half; j++) {
      const PetscReal b = (PetscReal)j * level.spacing;
      AddBias(kernel, level, b, factor * exp(-0.5 * (b / s) * (b / s)), x, basis, sigma, series);
    }
  } else
    AddBias(kernel, level, 0.0, 1.0, x, basis, sigma, series);
  PetscCall(PetscFree4(x, w, sigma, basis));
  PetscFunctionReturn(0);
}

/* Has the finer series changed nothing, and does it add up to E sigma(Z)^2? */
static PetscBool Converged(Kernel kernel, PetscInt coarse_terms, const PetscReal coarse[], PetscInt terms,
                           const PetscReal fine[]) {
  const PetscReal tolerance = SERIES_TOLERANCE * kernel->k1;
  PetscReal sum = 0.0, change = 0.0;

  for (PetscInt m = terms - 1; m >= 0; m--) {
    sum += fine[m];
    change += fabs(fine[m] - (m < coarse_terms ? coarse[m] : 0.0));
  }
  sum += kernel->bias_w * kernel->bias_w;
  return fabs(sum - kernel->k1) <= tolerance && change <= 2.0 * tolerance ? PETSC_TRUE : PETSC_FALSE;
}

/* Drops the last terms whose sum is below rounding of k(1), which makes evaluation fast. */
static PetscInt TrimmedTerms(Kernel kernel, PetscInt terms, const PetscReal series[]) {
  PetscReal tail = 0.0;

  while (terms > 1 && tail + series[terms - 1] < 1e-17 * kernel->k1) tail += series[--terms];
  return terms;
}

PetscErrorCode KernelSeriesSetUp(Kernel kernel) {
  PetscReal *coarse = NULL, *fine = NULL, spacing = PetscMin(0.5 * kernel->bias_u, 0.2);
  PetscInt coarse_terms = 0;
  PetscBool converged = PETSC_FALSE;

  PetscFunctionBeginUser;
  if (kernel->series) PetscFunctionReturn(0);
  PetscCheck(kernel->bias_u <= SERIES_BIAS_MAX, PETSC_COMM_SELF, PETSC_ERR_CONV_FAILED,
             "kernel of %s: bias_u = %.6g is beyond %.6g, where its quadrature no longer converges in reasonable time",
             kernel->activation->name, (double)kernel->bias_u, SERIES_BIAS_MAX);
  for (PetscInt i = 0; i < SERIES_LEVELS && !converged; i++, spacing *= 0.7) {
    const SeriesLevel level = {.nodes = 96 << i, .terms = 64 << i, .spacing = spacing};
    PetscCall(PetscMalloc1(level.terms, &fine));
    PetscCall(ComputeSeries(kernel, level, fine));
    if (i > 0) converged = Converged(kernel, coarse_terms, coarse, level.terms, fine);
    PetscCall(PetscFree(coarse));
    coarse = fine;
    coarse_terms = level.terms;
  }
  if (!converged) PetscCall(PetscFree(coarse));
  PetscCheck(converged, PETSC_COMM_SELF, PETSC_ERR_CONV_FAILED,
             "kernel of %s, d = %d, bias_u = %.6g: quadrature did not reach %.6g", kernel->activation->name,
             (int)kernel->dim, (double)kernel->bias_u, SERIES_TOLERANCE);
  kernel->series = coarse;
  kernel->terms = TrimmedTerms(kernel, coarse_terms, coarse);
  PetscFunctionReturn(0);
}

PetscReal KernelSeriesValue(Kernel kernel, PetscReal u) {
  PetscReal value = 0.0;

  for (PetscInt m = kernel->terms - 1; m >= 0; m--) value = value * u + kernel->series[m];
  return value;
}

/* (k(1) - k(u)) / (1 - u) = sum_m A_m (1 + u + ... + u^{m-1}), k'(1) at u = 1. */
PetscReal KernelSeriesSecant(Kernel kernel, PetscReal u) {
  PetscReal secant = 0.0, geometric = 0.0;

  for (PetscInt m = 1; m < kernel->terms; m++) {
    geometric = 1.0 + u * geometric;
    secant += kernel->series[m] * geometric;
  }
  return secant;
}

/* Horner's scheme in the basis P_n, where multiplication by u is the nonnegative operator
 *     u P_n = ( (n+d-2) P_{n+1} + n P_{n-1} ) / (2n+d-2). */
PetscErrorCode KernelSeriesCoefficients(Kernel kernel, PetscInt degree, PetscReal c[]) {
  const PetscInt d = kernel->dim, size = kernel->terms;
  PetscReal *current, *next;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(size + 1, &current));
  PetscCall(PetscCalloc1(size + 1, &next));
  for (PetscInt m = size - 1; m >= 0; m--) {
    const PetscInt top = size - 1 - m; /* degree after this step */
    PetscCall(PetscArrayzero(next, size + 1));
    for (PetscInt n = 0; n < top; n++) {
      const PetscReal up = n == 0 ? 1.0 : (PetscReal)(n + d - 2) / (PetscReal)(2 * n + d - 2);
      next[n + 1] += up * current[n];
      if (n > 0) next[n - 1] += (1.0 - up) * current[n];
    }
    next[0] += kernel->series[m];
    PetscReal *swap = current;
    current = next, next = swap;
  }
  for (PetscInt n = 0; n <= degree; n++) c[n] = n < size ? current[n] : 0.0;
  PetscCall(PetscFree(current));
  PetscCall(PetscFree(next));
  PetscFunctionReturn(0);
}
