#include <string.h>

#include <chorale/deck.h>

#include "noise/impl.h"

#define ADDRESS(name) &NOISE_TYPE(name)
static const NoiseType *const types[] = {NOISES(ADDRESS)};

PetscErrorCode NoiseCreate(PetscInt dim, Noise *handle) {
  char name[PETSC_MAX_PATH_LEN];
  PetscInt64 seed;
  Noise noise;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("noise_type", name));
  PetscCall(DeckGetInt("ensemble_seed", &seed));
  PetscCall(PetscNew(&noise));
  noise->dim = dim;
  noise->seed = (uint64_t)seed;
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
    if (!strcmp(name, types[i]->name)) noise->type = types[i];
  /* No communicator here: every rank finds the same deck, and the error handler lets one of them speak. */
  PetscCheck(noise->type, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "noise_type = %s: must be one of: mlp spectral gram none", name);
  PetscCall(DeckGetString("mlp_activation", name));
  PetscCall(DeckGetReal("mlp_bias_u", &noise->bias_u));
  PetscCall(DeckGetReal("mlp_bias_w", &noise->bias_w));
  noise->activation = ActivationFind(name);
  PetscCheck(noise->activation, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT, "mlp_activation = %s: no such activation", name);
  if (noise->type->create) PetscCall(noise->type->create(noise));
  *handle = noise;
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
