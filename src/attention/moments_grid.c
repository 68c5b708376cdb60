#include "attention/moments_grid.h"

#include <math.h>
#include <stdlib.h>

#include "attention/panel.h"
#include "law/sphere/quadrature.h"

struct _p_MomentsGrid {
  Harmonics harmonics, wide;
  PetscInt dim, count, blocks; /* count: K of harmonics */
  double *x,
      *weights;     /* [blocks][d][HARMONICS_BLOCK], [blocks][HARMONICS_BLOCK]: the rule, its padding e_1 of weight 0 */
  double *f, *part; /* [d + 1][HARMONICS_BLOCK], [d + 1][K] */
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

static PetscErrorCode Rule(MomentsGrid grid, PetscInt degree) {
  const PetscInt angles = Angles(degree), heights = Heights(grid->dim, degree);
  PetscReal *z, *w;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(heights, &z, heights, &w));
  if (grid->dim == 3) PetscCall(QuadratureLegendre(heights, -1, 1, z, w));
  if (grid->dim == 2) z[0] = 0, w[0] = 1;
  for (PetscInt p = 0; p < grid->blocks * HARMONICS_BLOCK; p++) {
    const PetscBool real = p < angles * heights ? PETSC_TRUE : PETSC_FALSE;
    const PetscInt i = real ? p / angles : 0;
    const PetscReal angle = 2 * PETSC_PI * (p % angles + 0.5) / angles, radius = sqrt((1 - z[i]) * (1 + z[i]));
    double *x = grid->x + (p / HARMONICS_BLOCK) * grid->dim * HARMONICS_BLOCK + p % HARMONICS_BLOCK;

    x[0] = real ? radius * cos(angle) : 1;
    x[HARMONICS_BLOCK] = real ? radius * sin(angle) : 0;
    if (grid->dim == 3) x[2 * HARMONICS_BLOCK] = real ? z[i] : 0;
    grid->weights[p] = real ? w[i] * 2 * PETSC_PI / angles : 0;
  }
  PetscCall(PetscFree2(z, w));
  PetscFunctionReturn(0);
}

PetscErrorCode MomentsGridCreate(PetscInt dim, PetscInt degree, Harmonics harmonics, Harmonics wide,
                                 MomentsGrid *handle) {
  MomentsGrid grid;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&grid));
  grid->harmonics = harmonics;
  grid->wide = wide;
  grid->dim = dim;
  grid->blocks = (PetscInt)((MomentsGridPoints(dim, degree) + HARMONICS_BLOCK - 1) / HARMONICS_BLOCK);
  PetscCall(HarmonicsGetSize(harmonics, &grid->count, NULL));
  PetscCall(PackAllocate((size_t)grid->blocks * dim * HARMONICS_BLOCK, &grid->x));
  PetscCall(PackAllocate((size_t)grid->blocks * HARMONICS_BLOCK, &grid->weights));
  PetscCall(PackAllocate((size_t)(dim + 1) * HARMONICS_BLOCK, &grid->f));
  PetscCall(PackAllocate((size_t)(dim + 1) * grid->count, &grid->part));
  PetscCall(Rule(grid, degree));
  *handle = grid;
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

PetscErrorCode MomentsGridApply(MomentsGrid grid, const double *wide, double *moments) {
  const PetscInt d = grid->dim, length = (d + 1) * grid->count;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(moments, length));
  for (PetscInt b = 0; b < grid->blocks; b++) {
    const double *x = grid->x + b * d * HARMONICS_BLOCK;
    double *last = grid->f + d * HARMONICS_BLOCK;

    PetscCall(HarmonicsSynthesize(grid->wide, HARMONICS_BLOCK, x, 1, wide, last));
    for (PetscInt t = 0; t < HARMONICS_BLOCK; t++) last[t] *= grid->weights[b * HARMONICS_BLOCK + t];
    for (PetscInt i = 0; i < d * HARMONICS_BLOCK; i++) grid->f[i] = last[i % HARMONICS_BLOCK] * x[i];
    PetscCall(HarmonicsAnalyze(grid->harmonics, HARMONICS_BLOCK, x, d + 1, grid->f, grid->part));
    for (PetscInt i = 0; i < length; i++) moments[i] += grid->part[i];
  }
  PetscFunctionReturn(0);
}
