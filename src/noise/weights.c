/* The laws of the entries of W by name, THEORY.md (2.10). */
#include <string.h>

#include "noise/impl.h"

/* In the order of RngLaw. */
static const char *const weights[RNG_LAWS] = {"gaussian", "rademacher", "uniform", "laplace"};

const char *NoiseWeightsName(PetscInt i) {
  return i < RNG_LAWS ? weights[i] : NULL;
}

PetscErrorCode NoiseWeightsFind(const char *name, RngLaw *law) {
  PetscInt i = 0;

  PetscFunctionBeginUser;
  while (name && i < RNG_LAWS && strcmp(name, weights[i])) i++;
  PetscCheck(i < RNG_LAWS, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT, "mlp_weights = %s: there is no such law", name);
  *law = (RngLaw)i;
  PetscFunctionReturn(0);
}
