#include "attention/moments_grid.h"

#include <math.h>
#include <stdlib.h>

#include <chorale/quadrature.h>

#include "attention/panel.h"

#define BLOCK 256

struct _p_MomentsGrid {
  Harmonics harmonics, wide;
  PetscInt dim, count, blocks; /* count: K of harmonics */
  double *x, *weights;         /* [blocks][d][BLOCK], [blocks][BLOCK]: the rule, its padding e_1 of weight 0 */
  double *f, *part;            /* [d + 1][BLOCK], [d + 1][K] */
};

/* The product of W, a coordinate and a harmonic has degree 2 degree + 2: more equidistant angles than that and Gauss
 * nodes of that exactness. */
static PetscInt Angles(PetscInt degree) {
  return 2 * degree + 4;
}

static PetscInt Heights(PetscInt dim, PetscInt degree) {
  return dim == 2 ? 1 : degree + 2;
}

PetscInt64 MomentsGridPoints(PetscInt dim, PetscInt degree) {
  return dim > 3 ? 0 : (PetscInt64)Heights(dim, degree) * Angles(degree);
}

static PetscErrorCode Rule(MomentsGrid g, PetscInt degree) {
  const PetscInt angles = Angles(degree), heights = Heights(g->dim, degree);
  PetscReal *z, *w;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(heights, &z, heights, &w));
  if (g->dim == 3) PetscCall(QuadratureLegendre(heights, -1, 1, z, w));
  if (g->dim == 2) z[0] = 0, w[0] = 1;
  for (PetscInt p = 0; p < g->blocks * BLOCK; p++) {
    const PetscBool real = (PetscBool)(p < angles * heights);
    const PetscInt i = real ? p / angles : 0;
    const PetscReal angle = 2 * PETSC_PI * (p % angles + 0.5) / angles, radius = sqrt((1 - z[i]) * (1 + z[i]));
    double *x = g->x + (p / BLOCK) * g->dim * BLOCK + p % BLOCK;

    x[0] = real ? radius * cos(angle) : 1;
    x[BLOCK] = real ? radius * sin(angle) : 0;
    if (g->dim == 3) x[2 * BLOCK] = real ? z[i] : 0;
    g->weights[p] = real ? w[i] * 2 * PETSC_PI / angles : 0;
  }
  PetscCall(PetscFree2(z, w));
  PetscFunctionReturn(0);
}

PetscErrorCode MomentsGridCreate(PetscInt dim, PetscInt degree, Harmonics harmonics, Harmonics wide,
                                 MomentsGrid *grid) {
  MomentsGrid g;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&g));
  g->harmonics = harmonics;
  g->wide = wide;
  g->dim = dim;
  g->blocks = (PetscInt)((MomentsGridPoints(dim, degree) + BLOCK - 1) / BLOCK);
  PetscCall(HarmonicsGetSize(harmonics, &g->count, NULL));
  PetscCall(PackAllocate((size_t)g->blocks * dim * BLOCK, &g->x));
  PetscCall(PackAllocate((size_t)g->blocks * BLOCK, &g->weights));
  PetscCall(PackAllocate((size_t)(dim + 1) * BLOCK, &g->f));
  PetscCall(PackAllocate((size_t)(dim + 1) * g->count, &g->part));
  PetscCall(Rule(g, degree));
  *grid = g;
  PetscFunctionReturn(0);
}

PetscErrorCode MomentsGridDestroy(MomentsGrid *grid) {
  PetscFunctionBeginUser;
  if (!*grid) PetscFunctionReturn(0);
  free((*grid)->x);
  free((*grid)->weights);
  free((*grid)->f);
  free((*grid)->part);
  PetscCall(PetscFree(*grid));
  PetscFunctionReturn(0);
}

PetscErrorCode MomentsGridApply(MomentsGrid g, const double *wide, double *moments) {
  const PetscInt d = g->dim, length = (d + 1) * g->count;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(moments, length));
  for (PetscInt b = 0; b < g->blocks; b++) {
    const double *x = g->x + b * d * BLOCK;
    double *last = g->f + d * BLOCK;

    PetscCall(HarmonicsSynthesize(g->wide, BLOCK, x, 1, wide, last));
    for (PetscInt t = 0; t < BLOCK; t++) last[t] *= g->weights[b * BLOCK + t];
    for (PetscInt i = 0; i < d * BLOCK; i++) g->f[i] = last[i % BLOCK] * x[i];
    PetscCall(HarmonicsAnalyze(g->harmonics, BLOCK, x, d + 1, g->f, g->part));
    for (PetscInt i = 0; i < length; i++) moments[i] += g->part[i];
  }
  PetscFunctionReturn(0);
}
