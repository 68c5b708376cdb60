/* What is measured on a density, and its distance to tokens in moments. */
#include <math.h>
#include <stdlib.h>

#include <chorale/sphere.h>
#include <chorale/sum.h>

#include "density/impl.h"
#include "law/sphere/zonal.h"

PetscErrorCode DensitySpectrum(Density density, PetscReal power[]) {
  const double *rho;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(power, density->degree + 1));
  PetscCall(VecGetArrayRead(density->state, &rho));
  for (PetscInt k = 0; k < density->count; k++) power[density->degrees[k]] += rho[k] * rho[k];
  PetscCall(VecRestoreArrayRead(density->state, &rho));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityTail(Density density, PetscReal *tail, PetscBool *outgrown) {
  PetscReal upper = 0, all = 0;
  const double *rho;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayRead(density->state, &rho));
  for (PetscInt k = 0; k < density->count; k++) {
    all += rho[k] * rho[k];
    if (3 * density->degrees[k] > 2 * density->degree) upper += rho[k] * rho[k];
  }
  PetscCall(VecRestoreArrayRead(density->state, &rho));
  if (tail) *tail = PetscSqrtReal(upper / all);
  if (outgrown)
    *outgrown =
        !(PetscSqrtReal(upper / all) <= density->options.tol) ? PETSC_TRUE : PETSC_FALSE; /* NaN has outgrown it, too */
  PetscFunctionReturn(0);
}

/* THEORY.md (5.1) in moments: 1/2 e^beta sum_n e_n (1 - |S|/dim(n) sum_j rho_nj^2). */
static PetscErrorCode Energy(Density density, PetscReal *energy) {
  const DensityKernel *kernel = &density->energy;
  PetscReal *power, sum = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(density->degree + 1, &power));
  PetscCall(DensitySpectrum(density, power));
  for (PetscInt n = kernel->degree; n > 0; n--)
    sum += kernel->e[n] * (1 - power[n] * density->area / SphereHarmonicCount(density->dim, n));
  *energy = 0.5 * exp(kernel->beta) * sum;
  PetscCall(PetscFree(power));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityMeasure(Density density, DensityMeasures *measures) {
  const double *rho, *values, *weights;
  PetscInt n;

  PetscFunctionBeginUser;
  PetscCall(DensityTail(density, &measures->tail, NULL));
  PetscCall(Energy(density, &measures->energy));
  PetscCall(VecGetArrayRead(density->state, &rho));
  PetscCall(density->kind->grid(density, rho, &n, &values, &weights));
  PetscCall(VecRestoreArrayRead(density->state, &rho));
  measures->mass = measures->entropy = 0;
  measures->minimum = values[0];
  for (PetscInt i = 0; i < n; i++) {
    measures->mass += weights[i] * values[i];
    measures->minimum = PetscMin(measures->minimum, values[i]);
    if (values[i] > 0) measures->entropy -= weights[i] * values[i] * log(density->area * values[i]);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode DensityEvaluate(Density density, PetscInt B, const double *x, double *values) {
  const double *rho;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayRead(density->state, &rho));
  PetscCall(HarmonicsSynthesize(density->harmonics, B, x, 1, rho, values));
  PetscCall(VecRestoreArrayRead(density->state, &rho));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityWeigh(Density density, Tokens tokens) {
  TokensLayout layout;
  const double *x, *old;
  double *weights;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &v));
  PetscCall(TokensGetWeights(tokens, &old));
  PetscCall(PetscMalloc1(layout.owned * layout.block, &weights));
  PetscCall(VecGetArrayRead(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    PetscCall(DensityEvaluate(density, layout.block, x + b * layout.dim * layout.block, weights + b * layout.block));
  PetscCall(VecRestoreArrayRead(v, &x));
  for (PetscInt i = 0; i < layout.owned * layout.block; i++) weights[i] = old[i] * PetscMax(weights[i], 0);
  PetscCall(TokensSetWeights(tokens, weights));
  PetscCall(PetscFree(weights));
  PetscFunctionReturn(0);
}

/* Blocks are rounded to multiples of a power of two below |M_k| <= sqrt(dim(n)/|S|), the bound of the whole sum. */
PetscErrorCode DensityMoments(Density density, Tokens tokens, double moments[]) {
  TokensLayout layout;
  const double *x, *weights;
  PetscInt64 *fixed;
  PetscReal *scale;
  double *part;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &v));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(PetscCalloc1(density->count, &fixed));
  PetscCall(PetscMalloc2(density->count, &scale, density->count, &part));
  for (PetscInt k = 0; k < density->count; k++)
    scale[k] = SumScale(PetscSqrtReal(SphereHarmonicCount(density->dim, density->degrees[k]) / density->area));
  PetscCall(VecGetArrayRead(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    PetscCall(HarmonicsAnalyze(density->harmonics, layout.block, x + b * layout.dim * layout.block, 1,
                               weights + b * layout.block, part));
    for (PetscInt k = 0; k < density->count; k++) fixed[k] += SumRound(part[k], scale[k]);
  }
  PetscCall(VecRestoreArrayRead(v, &x));
  PetscCall(SumAllreduce(layout.comm, density->count, fixed));
  for (PetscInt k = 0; k < density->count; k++) moments[k] = (double)fixed[k] / scale[k];
  PetscCall(PetscFree2(scale, part));
  PetscCall(PetscFree(fixed));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityCompare(Density density, Tokens tokens, PetscReal *mmd2, PetscReal *sobolev2) {
  const double *rho;
  PetscReal *power;
  double *moments;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(density->degree + 1, &power));
  PetscCall(PetscMalloc1(density->count, &moments));
  PetscCall(DensityMoments(density, tokens, moments));
  PetscCall(VecGetArrayRead(density->state, &rho));
  for (PetscInt k = 0; k < density->count; k++)
    power[density->degrees[k]] += (rho[k] - moments[k]) * (rho[k] - moments[k]);
  PetscCall(VecRestoreArrayRead(density->state, &rho));
  *mmd2 = *sobolev2 = 0;
  for (PetscInt n = density->degree; n >= 0; n--) {
    const PetscReal weight = 1 + (PetscReal)n * (PetscReal)(n + density->dim - 2);
    *sobolev2 += density->area * power[n] / (weight * weight);
    if (n <= density->mmd.degree)
      *mmd2 +=
          exp(density->mmd.beta) * density->mmd.e[n] * density->area / SphereHarmonicCount(density->dim, n) * power[n];
  }
  PetscCall(PetscFree(moments));
  PetscCall(PetscFree(power));
  PetscFunctionReturn(0);
}

/* The cubic with values f[2] and slopes g[2] at the ends of an interval of length h, at t in [0,1]. */
static PetscReal Hermite(PetscReal h, const double f[2], const double g[2], PetscReal t) {
  const PetscReal s = 1 - t;
  return f[0] * s * s * (1 + 2 * t) + f[1] * t * t * (1 + 2 * s) + h * s * t * (g[0] * s - g[1] * t);
}

/* cdf[n + 1]: F at the nodes of the grid, made monotone where rho is negative; F' = rho there. The integral is exact.
 */
static PetscErrorCode Distribution(Density density, double **slopes, double **cdf, PetscInt *n) {
  const PetscInt N = density->degree;
  const double *rho, *values, *weights;
  double *integral;
  PetscReal offset;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(density->count, &integral));
  PetscCall(VecGetArrayRead(density->state, &rho));
  PetscCall(density->kind->grid(density, rho, n, &values, &weights));
  PetscCall(PetscMalloc2(*n + 1, slopes, *n + 1, cdf));
  for (PetscInt j = 0; j <= *n; j++) (*slopes)[j] = PetscMax(values[j % *n], 0);
  for (PetscInt m = 1; m <= N; m++) {
    integral[m] = -rho[N + m] / (PetscReal)m;
    integral[N + m] = rho[m] / (PetscReal)m;
  }
  PetscCall(VecRestoreArrayRead(density->state, &rho));
  PetscCall(density->kind->grid(density, integral, n, &values, &weights));
  offset = values[0];
  for (PetscInt j = 0; j <= *n; j++) {
    const PetscReal f = (values[j % *n] - offset) + (PetscReal)j / (PetscReal)*n;
    (*cdf)[j] = j ? PetscMax((*cdf)[j - 1], f) : 0;
  }
  PetscCall(PetscFree(integral));
  PetscFunctionReturn(0);
}

/* The angle with F = level. */
static PetscReal Quantile(PetscInt n, const double *slopes, const double *cdf, PetscReal level) {
  const PetscReal h = 2 * PETSC_PI / (PetscReal)n;
  PetscInt low = 0, high = n;
  PetscReal a = 0, b = 1;

  while (high - low > 1) {
    const PetscInt middle = (low + high) / 2;
    if (cdf[middle] <= level)
      low = middle;
    else
      high = middle;
  }
  for (int i = 0; i < 40; i++) {
    const PetscReal t = 0.5 * (a + b);
    if (Hermite(h, cdf + low, slopes + low, t) <= level)
      a = t;
    else
      b = t;
  }
  return h * ((PetscReal)low + 0.5 * (a + b));
}

PetscErrorCode DensityQuantiles(Density density, Tokens tokens) {
  double *slopes, *cdf, *x;
  TokensLayout layout;
  PetscInt n;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCheck(density->dim == 2 && layout.dim == 2, density->comm, PETSC_ERR_ARG_OUTOFRANGE,
             "quantiles exist on the circle only");
  PetscCall(Distribution(density, &slopes, &cdf, &n));
  PetscCall(TokensGetVec(tokens, &v));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    double *block = x + b * 2 * layout.block;
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const PetscReal i = (PetscReal)(layout.first + b) * layout.block + t;
      const PetscReal angle = Quantile(n, slopes, cdf, (i + 0.5) / (PetscReal)layout.count * cdf[n]);
      block[t] = cos(angle);
      block[layout.block + t] = sin(angle);
    }
  }
  PetscCall(VecRestoreArray(v, &x));
  PetscCall(PetscFree2(slopes, cdf));
  PetscFunctionReturn(0);
}
