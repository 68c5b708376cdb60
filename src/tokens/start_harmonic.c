/* Start from the uniform law perturbed by one harmonic: density proportional to 1 + a Re (x_1 + i x_2)^n, a circle's
 * cosine and a sphere's sectoral harmonic of degree n. */
#include <math.h>

#include "tokens/start_impl.h"

/* Rejection from uniform tokens, at least half of which are taken. As for von Mises-Fisher the attempt stands in the
 * step of the key. */
static PetscErrorCode Sample(Start start, PetscInt r, PetscInt64 i, PetscInt dim, double *x) {
  const uint32_t attempts = 10000;

  PetscFunctionBeginUser;
  for (uint32_t attempt = 0; attempt < attempts; attempt++) {
    const RngStream normals = {start->options.seed, (uint32_t)r, attempt, RNG_START};
    const RngStream radial = {start->options.seed, (uint32_t)r, attempt, RNG_START_RADIAL};
    PetscReal square = 0;
    double uniform;

    RngNormal(normals, (uint64_t)i * (uint64_t)dim, (size_t)dim, x);
    RngUniform(radial, (uint64_t)i, 1, &uniform);
    for (PetscInt c = 0; c < dim; c++) square += x[c] * x[c];
    const PetscReal n = (PetscReal)start->options.harmonic, radius = sqrt((x[0] * x[0] + x[1] * x[1]) / square);
    const PetscReal density = 1 + start->options.amplitude * pow(radius, n) * cos(n * atan2(x[1], x[0]));
    if (square > 0 && uniform * (1 + fabs(start->options.amplitude)) < density) PetscFunctionReturn(0);
  }
  SETERRQ(PETSC_COMM_SELF, PETSC_ERR_PLIB, "tokens_amplitude = %.6g: no accepted sample for token %" PetscInt64_FMT,
          (double)start->options.amplitude, i);
}

PetscErrorCode StartPlaceHarmonic(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const PetscInt filled = TokensFilled(layout, b), dim = layout->dim, block = layout->block;
  const PetscInt64 first = (PetscInt64)(layout->first + b) * block;
  double *token;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(dim, &token));
  for (PetscInt t = 0; t < filled; t++) {
    PetscCall(Sample(start, r, first + t, dim, token));
    for (PetscInt c = 0; c < dim; c++) x[c * block + t] = token[c];
  }
  PetscCall(PetscFree(token));
  PetscFunctionReturn(0);
}
