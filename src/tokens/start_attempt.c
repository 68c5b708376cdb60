/* Laws that are drawn token by token, by rejection from a uniform point: von Mises-Fisher, of density proportional to
 * exp(kappa <x,mean>), around e_1 (vmf) or around random centres (clusters); and the uniform law perturbed by one
 * harmonic. */
#include <math.h>

#include "tokens/start_impl.h"

/* One attempt of Wood's rejection sampler (A. T. A. Wood, Commun. Statist. Simula. 23 (1994) 157), which corrects
 * Ulrich (1984): Z ~ Beta((d-1)/2, (d-1)/2) is mapped to the cosine W = (1 - (1+b) Z) / (1 - (1-b) Z), accepted against
 * log(uniform). Z = (1-u)/2 with u the first coordinate of a uniform point g/|g|, whose other coordinates give the
 * direction off the axis, so an attempt moves a uniform point along its meridian: kappa = 0 leaves it where it was. g
 * is overwritten by the result. Everything is written in 1-W, 1-u and 1+u, so nothing cancels at large kappa. */
static PetscBool AttemptFisher(const StartOptions *options, PetscInt dim, PetscReal uniform, double *g) {
  const PetscReal kappa = options->kappa;
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

/* Token i belongs to centre i mod clusters. Drawing the centre again for every token costs no more than the token. */
static void FinishCluster(const StartOptions *options, PetscInt r, PetscInt64 i, PetscInt dim, double *x,
                          double *centre) {
  const RngStream centres = {.seed = options->seed, .realization = (uint32_t)r, .purpose = RNG_START_CENTRES};

  RngNormal(centres, (uint64_t)(i % options->clusters) * (uint64_t)dim, (size_t)dim, centre);
  TurnTo(dim, centre, x);
}

/* Density proportional to 1 + a Re (x_1 + i x_2)^n, a circle's cosine and a sphere's sectoral harmonic of degree n: at
 * least half of the points are taken. */
static PetscBool AttemptHarmonic(const StartOptions *options, PetscInt dim, PetscReal uniform, double *x) {
  const PetscReal n = (PetscReal)options->harmonic, a = options->amplitude;
  PetscReal square = 0;

  for (PetscInt c = 0; c < dim; c++) square += x[c] * x[c];
  const PetscReal radius = sqrt((x[0] * x[0] + x[1] * x[1]) / square);
  const PetscReal density = 1 + a * pow(radius, n) * cos(n * atan2(x[1], x[0]));
  return square > 0 && uniform * (1 + fabs(a)) < density ? PETSC_TRUE : PETSC_FALSE;
}

const StartLaw StartFisher = {.name = "vmf", .attempt = AttemptFisher};
const StartLaw StartClusters = {.name = "clusters", .attempt = AttemptFisher, .finish = FinishCluster};
const StartLaw StartHarmonic = {.name = "harmonic", .attempt = AttemptHarmonic};
