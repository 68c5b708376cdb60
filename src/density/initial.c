/* Densities of the initial laws of chorale/start.h. */
#include <math.h>
#include <string.h>

#include <chorale/rng.h>
#include <chorale/sphere.h>

#include "density/impl.h"
#include "law/sphere/zonal.h"

/* Mean over the points of x[d][B] with weights f[B], the padding's 0, of von Mises-Fisher densities e^{kappa (u - 1)} /
 * (|S| e_0): their coefficients are e_n / (e_0 dim(n)) times the points' moments. Added to rho. */
static PetscErrorCode AddFisher(Density density, PetscReal kappa, PetscInt B, const double *x, const double *f,
                                double *rho) {
  double *moments;
  PetscReal *e;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(density->count, &moments, density->degree + 1, &e));
  PetscCall(HarmonicsAnalyze(density->harmonics, B, x, 1, f, moments));
  PetscCall(ZonalExponential(density->dim, kappa, density->degree, e));
  for (PetscInt k = 0; k < density->count; k++) {
    const PetscInt n = density->degrees[k];
    rho[k] += e[n] / (e[0] * SphereHarmonicCount(density->dim, n)) * moments[k];
  }
  PetscCall(PetscFree2(moments, e));
  PetscFunctionReturn(0);
}

/* The same directions of the centres as those of the tokens' start. */
static PetscErrorCode AddClusters(Density density, PetscInt r, PetscReal kappa, PetscInt64 clusters, double *rho) {
  const RngStream stream = {
      .seed = density->options.start.seed, .realization = (uint32_t)r, .purpose = RNG_START_CENTRES};
  double x[3 * HARMONICS_BLOCK], f[HARMONICS_BLOCK], centre[3];

  PetscFunctionBeginUser;
  for (PetscInt64 first = 0; first < clusters; first += HARMONICS_BLOCK) {
    for (PetscInt t = 0; t < HARMONICS_BLOCK; t++) {
      PetscReal norm = 0;
      f[t] = first + t < clusters ? 1 / (PetscReal)clusters : 0;
      if (f[t] > 0) RngNormal(stream, (uint64_t)(first + t) * (uint64_t)density->dim, (size_t)density->dim, centre);
      for (PetscInt c = 0; c < density->dim; c++) norm += centre[c] * centre[c];
      for (PetscInt c = 0; c < density->dim; c++) x[c * HARMONICS_BLOCK + t] = centre[c] / sqrt(norm);
    }
    PetscCall(AddFisher(density, kappa, HARMONICS_BLOCK, x, f, rho));
  }
  PetscFunctionReturn(0);
}

/* (1 + a Re (x_1 + i x_2)^n) / |S|. The perturbation is one harmonic Y_k, that of degree n in x_1 and x_2 alone and
 * even in x_2, divided by its value at e_1. */
static PetscErrorCode AddHarmonic(Density density, PetscReal amplitude, PetscInt n, double *rho) {
  const PetscInt N = density->degree,
                 k = density->dim == 2 ? n : (N + 1) + (n - 1) * (2 * N + 2 - n); /* blocks of orders m < n */
  double x[3 * 8] = {0}, one[8] = {1}, *value;

  PetscFunctionBeginUser;
  PetscCheck(density->degrees[k] == n, PETSC_COMM_SELF, PETSC_ERR_PLIB, "harmonic %d of degree %d", (int)k, (int)n);
  for (PetscInt t = 0; t < 8; t++) x[t] = 1;
  PetscCall(PetscMalloc1(density->count, &value));
  PetscCall(HarmonicsAnalyze(density->harmonics, 8, x, 1, one, value)); /* Y at e_1 */
  rho[k] += amplitude / (density->area * value[k]);
  PetscCall(PetscFree(value));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityInitial(Density density, PetscInt r, double *rho, const char **key) {
  double e1[3 * 8] = {0}, one[8] = {1};
  const StartOptions *start = &density->options.start;
  const PetscInt64 n = start->harmonic;
  const char *name = start->init;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(rho, density->count));
  for (PetscInt t = 0; t < 8; t++) e1[t] = 1;
  *key = "tokens_kappa";
  if (!strcmp(name, "vmf")) {
    PetscCall(AddFisher(density, start->kappa, 8, e1, one, rho));
  } else if (!strcmp(name, "clusters")) {
    PetscCall(AddClusters(density, r, start->kappa, start->clusters, rho));
  } else {
    const PetscBool harmonic = !strcmp(name, "harmonic") ? PETSC_TRUE : PETSC_FALSE;
    PetscCheck(harmonic || !strcmp(name, "uniform") || !strcmp(name, "quadrature"), density->comm, PETSC_ERR_USER_INPUT,
               "tokens_init = %s: must be a law with a density: uniform, quadrature, vmf, clusters or harmonic", name);
    *key = "tokens_harmonic";
    rho[0] = 1 / PetscSqrtReal(density->area);
    PetscCheck(!harmonic || n <= density->degree, density->comm, PETSC_ERR_USER_INPUT,
               "tokens_harmonic = %" PetscInt64_FMT ": must be at most spde_degree %" PetscInt_FMT, n, density->degree);
    if (harmonic) PetscCall(AddHarmonic(density, start->amplitude, (PetscInt)n, rho));
  }
  PetscFunctionReturn(0);
}
