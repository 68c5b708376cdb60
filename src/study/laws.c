#include "study/laws.h"

#include <chorale/noise.h>

PetscErrorCode LawsRead(Laws *laws) {
  NoiseOptions noise;
  PetscBool both;

  PetscFunctionBeginUser;
  laws->activations = laws->dims = laws->biases = LAWS_LIST;
  PetscCall(DeckGetStringList("mlp_activation", &laws->activations, laws->activation, &laws->storage));
  PetscCall(DeckGetIntList("tokens_dim", &laws->dims, laws->dim));
  PetscCall(DeckHas("kernel_bias", &both));
  if (both) {
    PetscCall(DeckGetRealList("kernel_bias", &laws->biases, laws->bias_u));
    PetscCall(PetscArraycpy(laws->bias_w, laws->bias_u, laws->biases));
  } else {
    PetscCall(DeckRead(MlpKeys, &noise));
    laws->biases = 1;
    laws->bias_u[0] = noise.bias_u;
    laws->bias_w[0] = noise.bias_w;
  }
  PetscFunctionReturn(0);
}

PetscInt LawsCount(const Laws *laws) {
  return laws->activations * laws->dims * laws->biases;
}

Law LawsGet(const Laws *laws, PetscInt i) {
  const PetscInt bias = i % laws->biases, dim = i / laws->biases % laws->dims;
  const char *name = laws->activation[i / laws->biases / laws->dims];

  return (Law){name, ActivationFind(name), (PetscInt)laws->dim[dim], laws->bias_u[bias], laws->bias_w[bias]};
}
