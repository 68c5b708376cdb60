/* The numbers behind a draw of finite width, from its key. */
#include "noise/coupling_impl.h"

#include <string.h>

void CouplingDrawUnits(const CouplingKey *key, PetscInt first, PetscInt count, double U[], double bias_u[]) {
  const Noise noise = key->noise;
  const size_t n = (size_t)count, d = (size_t)noise->dim;

  RngNormal(NoiseStream(noise, key->realization, key->step, RNG_MLP_U), (uint64_t)first * d, n * d, U);
  memset(bias_u, 0, n * sizeof(double));
  if (!(noise->bias_u > 0)) return;
  RngNormal(NoiseStream(noise, key->realization, key->step, RNG_MLP_BIAS_U), (uint64_t)first, n, bias_u);
  for (PetscInt h = 0; h < count; h++) bias_u[h] *= noise->bias_u;
}

void CouplingDrawBias(const CouplingKey *key, double normals[]) {
  RngNormal(NoiseStream(key->noise, key->realization, key->step, RNG_MLP_BIAS_W), 0, (size_t)key->noise->dim, normals);
}

/* These stand where W stands when nothing is coupled. */
void CouplingDrawRest(const CouplingKey *key, PetscInt n, double z[]) {
  RngNormal(NoiseStream(key->noise, key->realization, key->step, RNG_MLP_W), 0, (size_t)(n * key->noise->dim), z);
}
