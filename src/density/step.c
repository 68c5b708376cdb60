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
static PetscErrorCode Flow(Density d, PetscReal dt, double *rho) {
  static const PetscReal node[4] = {0, 0.5, 0.5, 1}, weight[4] = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6};
  const PetscReal reach = (PetscReal)d->degree * (d->speed + (d->attention.zero ? 0 : dt * d->attention.most));
  const PetscInt substeps = PetscMax(1, (PetscInt)ceil(reach / REACH));
  const PetscReal h = 1 / (PetscReal)substeps;
  double *stage = d->work[0], *slope = d->work[1], *sum = d->work[2];

  PetscFunctionBeginUser;
  if (reach == 0) PetscFunctionReturn(0);
  for (PetscInt s = 0; s < substeps; s++) {
    PetscCall(PetscArraycpy(sum, rho, d->count));
    for (int i = 0; i < 4; i++) {
      if (i > 0) Add(d->count, h * node[i], rho, slope, stage);
      PetscCall(d->kind->transport(d, dt, i > 0 ? stage : rho, slope));
      Add(d->count, h * weight[i], sum, slope, sum);
    }
    PetscCall(PetscArraycpy(rho, sum, d->count));
  }
  PetscFunctionReturn(0);
}

/* rho' = e^{k(1) dt/2 Laplacian} (rho - div(rho (Att[rho] dt + dW))): the mean of noise alone decays exactly, and no
 * degree grows in mean square, since (1 + x) e^{-x} <= 1. */
static PetscErrorCode Euler(Density d, PetscReal dt, PetscReal k1, double *rho) {
  double *slope = d->work[1];

  PetscFunctionBeginUser;
  PetscCall(d->kind->transport(d, dt, rho, slope));
  for (PetscInt k = 0; k < d->count; k++) {
    const PetscReal n = (PetscReal)d->degrees[k], eigenvalue = n * (n + d->dim - 2);
    rho[k] = exp(-0.5 * k1 * dt * eigenvalue) * (rho[k] + slope[k]);
  }
  PetscFunctionReturn(0);
}

/* The eighth power of the degree: at a given rate at the highest, the lower half hardly feels it. */
static void Smooth(Density d, PetscReal dt, double *rho) {
  const PetscReal top = (PetscReal)d->degree * (PetscReal)(d->degree + d->dim - 2);

  for (PetscInt k = 0; k < d->count; k++) {
    const PetscReal n = (PetscReal)d->degrees[k], share = n * (n + d->dim - 2) / top;
    rho[k] *= exp(-d->hyperviscosity * dt * share * share * share * share);
  }
}

PetscErrorCode DensityStep(Density d, Field field, PetscReal dt) {
  PetscReal k1 = 0;
  PetscBool zero;
  double *rho;

  PetscFunctionBeginUser;
  PetscCheck(dt > 0, d->comm, PETSC_ERR_ARG_OUTOFRANGE, "step of size %.6g: must be positive", (double)dt);
  PetscCall(FieldIsZero(field, &zero));
  if (!zero) PetscCall(FieldGetVariance(field, &k1));
  PetscCall(d->kind->freeze(d, zero ? NULL : field, PetscSqrtReal(dt)));
  PetscCall(VecGetArray(d->state, &rho));
  if (d->ito)
    PetscCall(Euler(d, dt, k1, rho));
  else
    PetscCall(Flow(d, dt, rho));
  if (d->hyperviscosity > 0) Smooth(d, dt, rho);
  PetscCall(VecRestoreArray(d->state, &rho));
  PetscFunctionReturn(0);
}
