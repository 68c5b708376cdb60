#include <string.h>

#include "noise/impl.h"

#define ADDRESS(name) &NOISE_TYPE(name)
static const NoiseType *const types[] = {NOISES(ADDRESS)};

const char *NoiseTypeName(PetscInt i) {
  return i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(types) ? types[i]->name : NULL;
}

PetscErrorCode NoiseCreate(PetscInt dim, const NoiseOptions *options, Noise *handle) {
  Noise noise;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&noise));
  noise->dim = dim;
  noise->seed = options->seed;
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
    if (!strcmp(options->type, types[i]->name)) noise->type = types[i];
  /* No communicator here: every rank finds the same deck, and the error handler lets one of them speak. */
  PetscCheck(noise->type, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT, "noise_type = %s: there is no such noise",
             options->type);
  noise->bias_u = options->bias_u;
  noise->bias_w = options->bias_w;
  PetscCall(NoiseWeightsFind(options->weights, &noise->weights));
  noise->activation = ActivationFind(options->activation);
  PetscCheck(noise->activation, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT, "mlp_activation = %s: no such activation",
             options->activation);
  if (noise->type->create) PetscCall(noise->type->create(noise, options));
  *handle = noise;
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

PetscErrorCode NoiseShare(Noise noise, Noise other, PetscBool *shared) {
  PetscFunctionBeginUser;
  *shared = PETSC_FALSE;
  if (noise->type == other->type && noise->type->share && noise->dim == other->dim && noise->seed == other->seed)
    PetscCall(noise->type->share(noise, other, shared));
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseBrief(Noise noise, size_t room, char model[], char accuracy[]) {
  PetscFunctionBeginUser;
  PetscCall(PetscStrncpy(accuracy, "", room));
  if (noise->type->zero)
    PetscCall(PetscStrncpy(model, "no noise", room));
  else
    PetscCall(PetscSNPrintf(model, room, "%s noise, %s", noise->type->name, noise->activation->name));
  if (noise->type->brief) PetscCall(noise->type->brief(noise, room, model, accuracy));
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseView(Noise noise, MPI_Comm comm) {
  PetscFunctionBeginUser;
  PetscCall(noise->type->view(noise, comm));
  PetscFunctionReturn(0);
}
