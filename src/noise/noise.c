#include <string.h>

#include "noise/impl.h"

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
