/* In which units the energy is. */
#include <math.h>

#include "attention/impl.h"

#define BETA_NATURAL 700 /* largest beta whose e^beta has room to be summed in double precision */

const char *AttentionEnergyUnit(PetscReal beta) {
  return beta <= BETA_NATURAL ? "1" : "e^beta";
}

PetscReal AttentionEnergyScale(PetscReal beta) {
  return beta <= BETA_NATURAL ? exp(beta) : 1;
}
