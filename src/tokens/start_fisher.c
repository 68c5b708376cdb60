/* von Mises-Fisher starts: density proportional to exp(kappa <x,mean>), around e_1 (vmf) or around random centres
 * (clusters). */
#include <math.h>

#include "tokens/start_impl.h"

/* One attempt of Wood's rejection sampler (A. T. A. Wood, Commun. Statist. Simula. 23 (1994) 157), which corrects
 * Ulrich (1984): Z ~ Beta((d-1)/2, (d-1)/2) is mapped to the cosine W = (1 - (1+b) Z) / (1 - (1-b) Z), accepted against
 * log(uniform). Z = (1-u)/2 with u the first coordinate of a uniform point g/|g|, whose other coordinates give the
 * direction off the axis, so an attempt moves a uniform point along its meridian: kappa = 0 leaves it where it was. g
 * is overwritten by the result. Everything is written in 1-W, 1-u and 1+u, so nothing cancels at large kappa. */
static PetscBool Attempt(PetscInt dim, PetscReal kappa, PetscReal uniform, double *g) {
  const PetscReal m = (PetscReal)(dim - 1), b = m / (2 * kappa + sqrt(4 * kappa * kappa + m * m));
  PetscReal rest = 0; /* |g|^2 without the first component */

  for (PetscInt c = 1; c < dim; c++) rest += g[c] * g[c];
  if (rest == 0) return PETSC_FALSE;
  const PetscReal norm = sqrt(g[0] * g[0] + rest), far = norm + fabs(g[0]), small = rest / (norm * far) / 2;
  const PetscReal z = g[0] > 0 ? small : far / norm / 2, one_minus_z = g[0] > 0 ? far / norm / 2 : small;
  const PetscReal denominator = one_minus_z + b * z; /* 1 - (1-b) Z */
  const PetscReal deficit = 2 * b * z / denominator; /* 1 - W */
  /* kappa (W - x0) + (d-1) log((1 - x0 W)/(1 - x0^2)) >= log U with x0 = (1-b)/(1+b) */
  if (kappa * (2 * b / (1 + b) - deficit) + m * log((1 + b) / (2 * denominator)) < log(uniform)) return PETSC_FALSE;
  const PetscReal off_axis = 2 * sqrt(b * z * one_minus_z) / denominator; /* sqrt(1 - W^2) */
  for (PetscInt c = 1; c < dim; c++) g[c] *= off_axis / sqrt(rest);
  g[0] = 1 - deficit;
  return PETSC_TRUE;
}

/* Token i of realization r around e_1, to x[d]. The attempt stands in the step of the key: every token has its own
 * sequence of attempts. */
static PetscErrorCode Sample(Start start, PetscInt r, PetscInt64 i, PetscInt dim, double *x) {
  const uint32_t attempts = 10000; /* at worst about a third is rejected */

  PetscFunctionBeginUser;
  for (uint32_t attempt = 0; attempt < attempts; attempt++) {
    const RngStream normals = {start->options.seed, (uint32_t)r, attempt, RNG_START};
    const RngStream radial = {start->options.seed, (uint32_t)r, attempt, RNG_START_RADIAL};
    double uniform;

    RngNormal(normals, (uint64_t)i * (uint64_t)dim, (size_t)dim, x);
    RngUniform(radial, (uint64_t)i, 1, &uniform);
    if (Attempt(dim, start->options.kappa, uniform, x)) PetscFunctionReturn(0);
  }
  SETERRQ(PETSC_COMM_SELF, PETSC_ERR_PLIB, "tokens_kappa = %.6g: no accepted sample for token %" PetscInt64_FMT,
          (double)start->options.kappa, i);
}

PetscErrorCode StartPlaceFisher(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
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

/* An isometry that takes e_1 to the direction of centre, applied to x: minus the reflection along e_1 + centre if the
 * first component of centre is positive, else the reflection along e_1 - centre, so that the mirror's normal never
 * cancels. */
static void TurnTo(PetscInt dim, const double *centre, double *x) {
  PetscReal norm = 0, along = 0, square = 0;

  for (PetscInt c = 0; c < dim; c++) norm += centre[c] * centre[c];
  norm = sqrt(norm);
  const PetscReal sign = centre[0] > 0 ? 1 : -1;
  for (PetscInt c = 0; c < dim; c++) {
    const PetscReal normal = centre[c] / norm + (c == 0 ? sign : 0);

    along += normal * x[c];
    square += normal * normal;
  }
  for (PetscInt c = 0; c < dim; c++) {
    const PetscReal normal = centre[c] / norm + (c == 0 ? sign : 0);

    x[c] = -sign * (x[c] - 2 * along / square * normal);
  }
}

PetscErrorCode StartPlaceClusters(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const RngStream centres = {.seed = start->options.seed, .realization = (uint32_t)r, .purpose = RNG_START_CENTRES};
  const PetscInt filled = TokensFilled(layout, b), dim = layout->dim, block = layout->block;
  const PetscInt64 first = (PetscInt64)(layout->first + b) * block;
  double *token, *centre;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(dim, &token, dim, &centre));
  for (PetscInt t = 0; t < filled; t++) {
    PetscCall(Sample(start, r, first + t, dim, token));
    /* Token i belongs to centre i mod clusters. Drawing the centre again for every token costs no more than the token.
     */
    RngNormal(centres, (uint64_t)((first + t) % start->options.clusters) * (uint64_t)dim, (size_t)dim, centre);
    TurnTo(dim, centre, token);
    for (PetscInt c = 0; c < dim; c++) x[c * block + t] = token[c];
  }
  PetscCall(PetscFree2(token, centre));
  PetscFunctionReturn(0);
}
