/* What a noise is as a law: its kernel, its limits, its cost. */
#include "noise/impl.h"

PetscErrorCode NoiseCheckCount(Noise noise, PetscInt64 count) {
  PetscFunctionBeginUser;
  PetscCheck(noise->type->most == 0 || count <= noise->type->most, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT ": must be at most %" PetscInt_FMT " for noise_type %s", count,
             noise->type->most, noise->type->name);
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseCheckPoints(Noise noise, PetscInt64 points, const char *what) {
  PetscFunctionBeginUser;
  PetscCheck(noise->type->points == 0 || points <= noise->type->points, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "%s: noise_type %s would be asked for at %" PetscInt64_FMT " points per draw, at most %" PetscInt_FMT
             " are allowed: take fewer tokens or shorter lists",
             what, noise->type->name, points, noise->type->points);
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseDrawBytes(Noise noise, PetscReal points, PetscReal *bytes) {
  PetscFunctionBeginUser;
  *bytes = noise->type->points ? 8 * points * points : 0; /* a factor of all pairs */
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseGetCost(Noise noise, PetscReal count, PetscReal mine, PetscReal *flops, PetscReal *bytes) {
  PetscFunctionBeginUser;
  *flops = *bytes = 0;
  if (noise->type->cost) PetscCall(noise->type->cost(noise, count, mine, flops, bytes));
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseIsZero(Noise noise, PetscBool *zero) {
  PetscFunctionBeginUser;
  *zero = noise->type->zero;
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseIsOdd(Noise noise, PetscBool *odd) {
  PetscFunctionBeginUser;
  *odd = !noise->type->zero && noise->activation->odd && noise->bias_u == 0 && noise->bias_w == 0 ? PETSC_TRUE
                                                                                                  : PETSC_FALSE;
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseCheckBall(Noise noise) {
  PetscFunctionBeginUser;
  PetscCheck(noise->type->ball, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "noise_at = barycentre: barycentres lie inside the sphere and noise_type %s on it; take mlp or values",
             noise->type->name);
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseGetDegree(Noise noise, PetscInt *degree) {
  PetscFunctionBeginUser;
  *degree = noise->type->zero ? -1 : NOISE_DEGREE_NONE;
  if (noise->type->degree) PetscCall(noise->type->degree(noise, degree));
  PetscFunctionReturn(0);
}

/* Made when first asked for: mlp can draw without knowing its kernel. */
PetscErrorCode NoiseGetKernel(Noise noise, Kernel *kernel) {
  PetscFunctionBeginUser;
  if (!noise->type->zero && !noise->kernel)
    PetscCall(KernelCreate(noise->activation, noise->dim, noise->bias_u, noise->bias_w, &noise->kernel));
  *kernel = noise->kernel;
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseGetVariance(Noise noise, PetscReal *k1) {
  PetscReal derivative;
  Kernel kernel = NULL;

  PetscFunctionBeginUser;
  *k1 = 0;
  PetscCall(NoiseGetKernel(noise, &kernel));
  if (kernel) PetscCall(KernelAtOne(kernel, k1, &derivative));
  PetscFunctionReturn(0);
}
