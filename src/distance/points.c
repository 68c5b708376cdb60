#include "distance/points.h"

#include <chorale/sum.h>

#include "distance/cloud.h"

#define ONE ((PetscInt64)1 << 60) /* the total, unless weights are equal */

static PetscErrorCode Allocate(PetscInt dim, PetscInt n, Points *points) {
  PetscFunctionBeginUser;
  *points = (Points){.dim = dim, .n = n};
  PetscCall(PetscMalloc2((size_t)n * dim, &points->x, n, &points->mass));
  PetscFunctionReturn(0);
}

PetscErrorCode PointsDestroy(Points *points) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree2(points->x, points->mass));
  PetscFunctionReturn(0);
}

/* Points and weights of the tokens that have any; *equal: all weights are the same but for rounding. */
static PetscErrorCode Gather(Tokens tokens, Points *points, double **weights, PetscBool *equal) {
  double least = PETSC_MAX_REAL, most = 0;
  Cloud cloud;

  PetscFunctionBeginUser;
  PetscCall(CloudCreate(tokens, &cloud));
  PetscCall(Allocate(cloud.dim, (PetscInt)cloud.count, points));
  PetscCall(PetscMalloc1(cloud.count, weights));
  points->n = 0;
  for (PetscInt i = 0; i < cloud.count; i++) {
    if (!(cloud.weights[i] > 0)) continue;
    CloudToken(&cloud, i, points->x + (size_t)points->n * cloud.dim);
    (*weights)[points->n++] = cloud.weights[i];
    least = PetscMin(least, cloud.weights[i]);
    most = PetscMax(most, cloud.weights[i]);
  }
  *equal = most - least <= 1e-13 * most ? PETSC_TRUE : PETSC_FALSE; /* normalisation rounds weights */
  PetscCall(CloudDestroy(&cloud));
  PetscFunctionReturn(0);
}

/* Rounded weights do not add up to ONE; what they lack is spread over all. */
static void Round(Points *points, const double *weights) {
  PetscInt64 sum = 0, before = 0;

  for (PetscInt i = 0; i < points->n; i++) sum += points->mass[i] = SumRound(weights[i], (PetscReal)ONE);
  const PetscReal lack = (PetscReal)(ONE - sum) / (PetscReal)sum;
  sum = 0;
  for (PetscInt i = 0; i < points->n; i++) {
    sum += points->mass[i];
    const PetscInt64 end = i + 1 < points->n ? sum + SumRound((PetscReal)sum, lack) : ONE;
    points->mass[i] = end - before;
    before = end;
  }
}

static PetscInt64 CommonDivisor(PetscInt64 a, PetscInt64 b) {
  return b ? CommonDivisor(b, a % b) : a;
}

PetscErrorCode PointsCreate(Tokens mu, Tokens nu, Points points[2]) {
  double *weights[2];
  PetscBool equal[2];

  PetscFunctionBeginUser;
  PetscCall(Gather(mu, &points[0], &weights[0], &equal[0]));
  PetscCall(Gather(nu, &points[1], &weights[1], &equal[1]));
  const PetscInt64 common = CommonDivisor(points[0].n, points[1].n);
  for (int m = 0; m < 2; m++) {
    if (equal[0] && equal[1])
      for (PetscInt i = 0; i < points[m].n; i++) points[m].mass[i] = points[1 - m].n / common;
    else
      Round(&points[m], weights[m]);
    PetscCall(PetscFree(weights[m]));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode PointsCentre(Points *points, PetscReal mean[], PetscReal *square) {
  const PetscReal scale = SumScale(2);
  const PetscInt dim = points->dim;
  PetscInt64 total = 0, *sum;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(dim, &sum));
  for (PetscInt i = 0; i < points->n; i++) total += points->mass[i];
  for (PetscInt i = 0; i < points->n; i++)
    for (PetscInt c = 0; c < dim; c++)
      sum[c] += SumRound((PetscReal)points->mass[i] / (PetscReal)total * points->x[(size_t)i * dim + c], scale);
  for (PetscInt c = 0; c < dim; c++) mean[c] = (PetscReal)sum[c] / scale;
  *square = 0;
  for (PetscInt i = 0; i < points->n; i++) {
    double *x = points->x + (size_t)i * dim, length = 0;

    for (PetscInt c = 0; c < dim; c++) x[c] -= mean[c];
    for (PetscInt c = 0; c < dim; c++) length += x[c] * x[c];
    *square = PetscMax(*square, length);
  }
  PetscCall(PetscFree(sum));
  PetscFunctionReturn(0);
}

typedef struct {
  PetscInt dim, axis;
  const double *x;
} Axis;

static inline PetscBool Before(const Axis *axis, PetscInt i, PetscInt j) {
  const double a = axis->x[(size_t)i * axis->dim + axis->axis], b = axis->x[(size_t)j * axis->dim + axis->axis];

  return a < b || (a == b && i < j) ? PETSC_TRUE : PETSC_FALSE;
}

/* Hoare's selection: the k least of order[n] come first. */
static void Select(const Axis *axis, PetscInt n, PetscInt k, PetscInt *order) {
  PetscInt low = 0, high = n - 1;

  while (low < high) {
    const PetscInt middle = order[low + (high - low) / 2];
    PetscInt i = low, j = high;

    while (i <= j) {
      while (Before(axis, order[i], middle)) i++;
      while (Before(axis, middle, order[j])) j--;
      if (i > j) break;
      const PetscInt swap = order[i];
      order[i++] = order[j];
      order[j--] = swap;
    }
    if (k <= j)
      high = j;
    else if (k >= i)
      low = i;
    else
      return;
  }
}

static PetscInt WidestSide(const Points *points, PetscInt n, const PetscInt *order) {
  PetscReal widest = -1;
  PetscInt axis = 0;

  for (PetscInt c = 0; c < points->dim; c++) {
    double least = PETSC_MAX_REAL, most = -PETSC_MAX_REAL;

    for (PetscInt i = 0; i < n; i++) {
      const double x = points->x[(size_t)order[i] * points->dim + c];
      least = PetscMin(least, x);
      most = PetscMax(most, x);
    }
    if (most - least > widest) axis = c;
    widest = PetscMax(widest, most - least);
  }
  return axis;
}

static void Halve(const Points *points, PetscInt n, PetscInt *order) {
  PetscInt left = POINTS_LEAF;

  if (n <= POINTS_LEAF) return;
  while (2 * left < n) left *= 2;
  const Axis axis = {.dim = points->dim, .axis = WidestSide(points, n, order), .x = points->x};
  Select(&axis, n, left, order);
  Halve(points, left, order);
  Halve(points, n - left, order + left);
}

PetscErrorCode PointsSort(Points *points) {
  const PetscInt dim = points->dim;
  PetscInt *order;
  Points sorted;

  PetscFunctionBeginUser;
  PetscCall(Allocate(dim, points->n, &sorted));
  PetscCall(PetscMalloc1(points->n, &order));
  for (PetscInt i = 0; i < points->n; i++) order[i] = i;
  Halve(points, points->n, order);
  for (PetscInt i = 0; i < points->n; i++) {
    PetscCall(PetscArraycpy(sorted.x + (size_t)i * dim, points->x + (size_t)order[i] * dim, dim));
    sorted.mass[i] = points->mass[order[i]];
  }
  PetscCall(PetscFree(order));
  PetscCall(PointsDestroy(points));
  *points = sorted;
  PetscFunctionReturn(0);
}

PetscErrorCode PointsCoarsen(const Points *fine, PetscInt size, Points *coarse, PetscReal *spread) {
  const PetscInt dim = fine->dim, groups = (fine->n - 1) / size + 1;
  PetscReal total = 0;

  PetscFunctionBeginUser;
  PetscCall(Allocate(dim, groups, coarse));
  PetscCall(PetscArrayzero(coarse->x, (size_t)groups * dim));
  *spread = 0;
  for (PetscInt g = 0; g < groups; g++) {
    const PetscInt first = g * size, end = PetscMin(first + size, fine->n);
    double *centre = coarse->x + (size_t)g * dim;

    coarse->mass[g] = 0;
    for (PetscInt i = first; i < end; i++) coarse->mass[g] += fine->mass[i];
    for (PetscInt i = first; i < end; i++)
      for (PetscInt c = 0; c < dim; c++)
        centre[c] += (PetscReal)fine->mass[i] / (PetscReal)coarse->mass[g] * fine->x[(size_t)i * dim + c];
    for (PetscInt i = first; i < end; i++)
      for (PetscInt c = 0; c < dim; c++)
        *spread += (PetscReal)fine->mass[i] * PetscSqr(fine->x[(size_t)i * dim + c] - centre[c]);
    total += (PetscReal)coarse->mass[g];
  }
  *spread /= total;
  PetscFunctionReturn(0);
}
