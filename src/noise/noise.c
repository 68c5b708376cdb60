#include <string.h>

#include "noise/impl.h"
#include "noise/spectral.h"

static const NoiseType *const types[] = {&NoiseTypeMlp, &NoiseTypeSpectral, &NoiseTypeGram, &NoiseTypeNone};

const char *NoiseTypeName(PetscInt i) {
  return i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(types) ? types[i]->name : NULL;
}

PetscErrorCode NoiseCreate(PetscInt dim, const NoiseOptions *options, Noise *noise) {
  Noise n;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&n));
  n->dim = dim;
  n->seed = options->seed;
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
    if (!strcmp(options->type, types[i]->name)) n->type = types[i];
  /* No communicator here: every rank finds the same deck, and the error handler lets one of them speak. */
  PetscCheck(n->type, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT, "noise_type = %s: there is no such noise", options->type);
  n->bias_u = options->bias_u;
  n->bias_w = options->bias_w;
  n->activation = ActivationFind(options->activation);
  PetscCheck(n->activation, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT, "mlp_activation = %s: no such activation",
             options->activation);
  if (n->type->create) PetscCall(n->type->create(n, options));
  *noise = n;
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseGetType(Noise noise, const char **name) {
  PetscFunctionBeginUser;
  *name = noise->type->name;
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseDestroy(Noise *noise) {
  PetscFunctionBeginUser;
  if (!*noise) PetscFunctionReturn(0);
  if ((*noise)->type->destroy) PetscCall((*noise)->type->destroy(*noise));
  PetscCall(KernelDestroy(&(*noise)->kernel));
  PetscCall(PetscFree(*noise));
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseView(Noise noise, MPI_Comm comm) {
  PetscFunctionBeginUser;
  PetscCall(noise->type->view(noise, comm));
  PetscFunctionReturn(0);
}

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

PetscErrorCode NoiseGetDegree(Noise noise, PetscInt *degree) {
  Harmonics harmonics;

  PetscFunctionBeginUser;
  *degree = noise->type->zero ? -1 : NOISE_DEGREE_NONE;
  if (noise->type == &NoiseTypeSpectral) PetscCall(SpectralGetBasis(noise, &harmonics, degree));
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
