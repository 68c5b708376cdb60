/* One step of the density, THEORY.md section 4. */
#include <math.h>

#include "density/impl.h"

/* RK4 is stable on the imaginary axis up to 2.83; a transport of speed b has eigenvalues up to i b degree. Half of it
 * also moves the resolved degrees accurately. */
#define REACH 1.4

static void Add(PetscInt n, double scale, const double *x, const double *y, double *z) {
  for (PetscInt k = 0; k < n; k++) z[k] = x[k] + scale * y[k];
}

/* d rho/ds = -div(rho (Att[rho] dt + dW)) over s in [0,1], the field frozen: the transport of the tokens' scheme flow,
 * and Stratonovich for the same reason. */
static PetscErrorCode Flow(Density density, PetscReal dt, double *rho) {
  static const PetscReal node[4] = {0, 0.5, 0.5, 1}, weight[4] = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6};
  const PetscReal reach =
      (PetscReal)density->degree * (density->speed + (density->attention.zero ? 0 : dt * density->attention.most));
  const PetscInt substeps = PetscMax(1, (PetscInt)ceil(reach / REACH));
  const PetscReal h = 1 / (PetscReal)substeps;
  double *inner = density->work[0], *slope = density->work[1], *sum = density->work[2];

  PetscFunctionBeginUser;
  if (reach == 0) PetscFunctionReturn(0);
  for (PetscInt s = 0; s < substeps; s++) {
    PetscCall(PetscArraycpy(sum, rho, density->count));
    for (int i = 0; i < 4; i++) {
      if (i > 0) Add(density->count, h * node[i], rho, slope, inner);
      PetscCall(density->kind->transport(density, dt, i > 0 ? inner : rho, slope));
      Add(density->count, h * weight[i], sum, slope, sum);
    }
    PetscCall(PetscArraycpy(rho, sum, density->count));
  }
  PetscFunctionReturn(0);
}

/* rho' = e^{rate dt Laplacian} rho, exactly: harmonics are eigenfunctions. */
static void Diffuse(Density density, PetscReal dt, PetscReal rate, double *rho) {
  for (PetscInt k = 0; k < density->count; k++) {
    const PetscReal n = (PetscReal)density->degrees[k], eigenvalue = n * (n + density->dim - 2);
    rho[k] *= exp(-rate * dt * eigenvalue);
  }
}

/* rho' = e^{k(1) dt/2 Laplacian} (rho - div(rho (Att[rho] dt + dW))): the mean of noise alone decays exactly, and no
 * degree grows in mean square, since (1 + x) e^{-x} <= 1. */
static PetscErrorCode Euler(Density density, PetscReal dt, PetscReal k1, double *rho) {
  double *slope = density->work[1];

  PetscFunctionBeginUser;
  PetscCall(density->kind->transport(density, dt, rho, slope));
  for (PetscInt k = 0; k < density->count; k++) rho[k] += slope[k];
  Diffuse(density, dt, 0.5 * k1, rho);
  PetscFunctionReturn(0);
}

/* The eighth power of the degree: at a given rate at the highest, the lower half hardly feels it. */
static void Smooth(Density density, PetscReal dt, double *rho) {
  const PetscReal top = (PetscReal)density->degree * (PetscReal)(density->degree + density->dim - 2);

  for (PetscInt k = 0; k < density->count; k++) {
    const PetscReal n = (PetscReal)density->degrees[k], share = n * (n + density->dim - 2) / top;
    rho[k] *= exp(-density->options.hyperviscosity * dt * share * share * share * share);
  }
}

PetscErrorCode DensityStep(Density density, Field field, PetscReal dt) {
  const PetscReal own = density->options.independent;
  PetscReal k1 = 0;
  PetscBool zero;
  double *rho;

  PetscFunctionBeginUser;
  PetscCheck(dt > 0, density->comm, PETSC_ERR_ARG_OUTOFRANGE, "step of size %.6g: must be positive", (double)dt);
  PetscCall(FieldIsZero(field, &zero));
  if (!zero) PetscCall(FieldGetVariance(field, &k1));
  PetscCall(density->kind->freeze(density, zero ? NULL : field, PetscSqrtReal(dt)));
  PetscCall(VecGetArray(density->state, &rho));
  if (own > 0) Diffuse(density, 0.5 * dt, own, rho); /* half before and half after, as of the tokens */
  if (density->ito)
    PetscCall(Euler(density, dt, k1, rho));
  else
    PetscCall(Flow(density, dt, rho));
  if (own > 0) Diffuse(density, 0.5 * dt, own, rho);
  if (density->options.hyperviscosity > 0) Smooth(density, dt, rho);
  PetscCall(VecRestoreArray(density->state, &rho));
  PetscFunctionReturn(0);
}
