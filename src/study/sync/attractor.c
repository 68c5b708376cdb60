/* What the union of several starts shows of the random attractor, NEIGHBOURS.md section 17. */
#include <math.h>

#include "study/sync/starts.h"

#define MET    0.02 /* square of a diameter: cosines above 0.99, as of clusters */
#define LEAST  20   /* limit points for a test whose law is known for many */
#define CHANCE 4    /* standard deviations */

PetscBool StartsHaveMet(PetscReal diameter) {
  return diameter * diameter < MET ? PETSC_TRUE : PETSC_FALSE;
}

/* Every rank has all points; pairs go round by their first one. Maxima do not depend on an order. */
PetscErrorCode StartsDiameters(MPI_Comm comm, PetscInt n, PetscInt dim, const double *rows, PetscReal diameters[]) {
  PetscReal square[STARTS_COLUMNS] = {0, 0};
  PetscMPIInt rank, size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  for (PetscInt i = rank; i < n; i += size)
    for (PetscInt j = 0; j < i; j++) {
      PetscReal apart = 0, across = 0;
      for (PetscInt c = 0; c < dim; c++) {
        apart += PetscSqr(rows[i * dim + c] - rows[j * dim + c]);
        across += PetscSqr(rows[i * dim + c] + rows[j * dim + c]);
      }
      square[STARTS_DIAMETER] = PetscMax(square[STARTS_DIAMETER], apart);
      square[STARTS_FOLDED] = PetscMax(square[STARTS_FOLDED], PetscMin(apart, across));
    }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, square, STARTS_COLUMNS, MPIU_REAL, MPIU_MAX, comm));
  for (int k = 0; k < STARTS_COLUMNS; k++) diameters[k] = sqrt(square[k]);
  PetscFunctionReturn(0);
}

void StartsAttractor(PetscInt n, PetscInt dim, const double *rows, const PetscReal diameters[], PetscReal tail[]) {
  const PetscBool one = StartsHaveMet(diameters[STARTS_DIAMETER]);
  PetscReal *point = tail + STARTS_ATTRACTOR, square = 0;

  for (PetscInt c = 0; c <= dim; c++) tail[c] = NAN;
  if (!StartsHaveMet(diameters[STARTS_FOLDED])) return;
  tail[STARTS_POINTS] = one ? 1 : 2;
  for (PetscInt c = 0; c < dim; c++) point[c] = 0;
  for (PetscInt i = 0; i < n; i++) {
    PetscReal u = 0;
    for (PetscInt c = 0; c < dim; c++) u += rows[i * dim + c] * rows[c];
    for (PetscInt c = 0; c < dim; c++) point[c] += u > 0 ? rows[i * dim + c] : -rows[i * dim + c];
  }
  for (PetscInt c = 0; c < dim; c++) square += PetscSqr(point[c]);
  for (PetscInt c = 0; c < dim; c++) point[c] /= sqrt(square);
}

/* A chi-square variable of so many degrees of freedom as a normal one (Wilson and Hilferty 1931). */
static PetscReal Normal(PetscReal square, PetscReal freedom) {
  const PetscReal variance = 2 / (9 * freedom);

  return (cbrt(square / freedom) - 1 + variance) / sqrt(variance);
}

StartsUniform StartsTestUniform(PetscInt R, PetscInt dim, size_t stride, const PetscReal tail[]) {
  const PetscReal d = (PetscReal)dim;
  StartsUniform found = {.first = NAN, .second = NAN, .verdict = SYNC_UNRESOLVED};
  PetscReal mean = 0, second = 0; /* squares of the sums of a, and of a a^T */

  for (PetscInt r = 0; r < R; r++) {
    const PetscReal points = tail[(size_t)r * stride + STARTS_POINTS];
    if (points == 1) found.one++;
    if (points == 2) found.two++;
  }
  const PetscReal n = found.one + found.two;
  if (n < LEAST) return found;
  for (PetscInt r = 0; r < R; r++)
    for (PetscInt q = 0; q < R; q++) {
      const PetscReal *a = tail + (size_t)r * stride, *b = tail + (size_t)q * stride;
      PetscReal u = 0;
      if (isnan(a[STARTS_POINTS]) || isnan(b[STARTS_POINTS])) continue;
      for (PetscInt c = 0; c < dim; c++) u += a[STARTS_ATTRACTOR + c] * b[STARTS_ATTRACTOR + c];
      mean += u;
      second += u * u - 1 / d;
    }
  if (found.two == 0) found.first = Normal(d * mean / n, d);
  found.second = Normal(0.5 * d * (d + 2) * second / n, 0.5 * (d - 1) * (d + 2));
  const PetscBool off = found.second > CHANCE || found.first > CHANCE ? PETSC_TRUE : PETSC_FALSE;
  found.verdict = off ? SYNC_DISAGREES : SYNC_AGREES;
  return found;
}
