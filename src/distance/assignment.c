/* Exact transport between equal weights by assignment. A token of the smaller measure is as many rows of the problem as
 * it has times the weight of the others: transport with integer masses has integer plans. Rank 0 solves, since paths
 * are found one after the other. */
#include <chorale/distance.h>

#include "base/log.h"
#include "distance/cloud.h"
#include "distance/impl.h"
#include "distance/lap.h"

/* cost[n][stride] = |x_i - y_j|^2, as sums of squares: equal tokens cost 0. */
static void Costs(const Cloud *a, const Cloud *b, PetscInt copies, PetscInt stride, double *x, double *cost) {
  const PetscInt n = (PetscInt)b->count;

  for (PetscInt i = 0; i < n; i++, cost += stride) {
    for (PetscInt j = 0; j < stride; j++) cost[j] = j < n ? 0 : PETSC_INFINITY;
    CloudToken(a, i / copies, x);
    for (PetscInt block = 0; block < b->blocks; block++) {
      const PetscInt filled = (PetscInt)PetscMin(b->block, n - block * b->block);
      for (PetscInt c = 0; c < b->dim; c++) {
        const double *y = b->x + (size_t)(block * b->dim + c) * b->block;
        for (PetscInt t = 0; t < filled; t++) cost[block * b->block + t] += (x[c] - y[t]) * (x[c] - y[t]);
      }
    }
  }
}

/* a is the measure with fewer tokens. */
static PetscErrorCode Solve(const Cloud *a, const Cloud *b, PetscReal *w2sq) {
  const PetscInt n = (PetscInt)b->count, stride = (n + LAP_GROUP - 1) / LAP_GROUP * LAP_GROUP;
  PetscInt *columns;
  double *cost, *x;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3((size_t)n * stride, &cost, n, &columns, a->dim, &x));
  Costs(a, b, (PetscInt)(b->count / a->count), stride, x, cost);
  PetscCall(LapSolve(n, stride, cost, columns));
  *w2sq = 0;
  for (PetscInt i = 0; i < n; i++) *w2sq += cost[(size_t)i * stride + columns[i]];
  *w2sq /= n;
  PetscCall(PetscFree3(cost, columns, x));
  PetscFunctionReturn(0);
}

PetscErrorCode DistanceAssignable(Tokens mu, Tokens nu, PetscBool *assignable) {
  const Tokens both[2] = {mu, nu};
  PetscReal bounds[4]; /* of the weights: maxima, and minima with the other sign */
  TokensLayout layouts[2];

  PetscFunctionBeginUser;
  for (int m = 0; m < 2; m++) {
    const double *weights;

    PetscCall(TokensGetLayout(both[m], &layouts[m]));
    PetscCall(TokensGetWeights(both[m], &weights));
    bounds[2 * m] = bounds[2 * m + 1] = -1;
    for (PetscInt b = 0; b < layouts[m].owned; b++) {
      for (PetscInt t = 0; t < TokensFilled(&layouts[m], b); t++) {
        bounds[2 * m] = PetscMax(bounds[2 * m], weights[b * layouts[m].block + t]);
        bounds[2 * m + 1] = PetscMax(bounds[2 * m + 1], -weights[b * layouts[m].block + t]);
      }
    }
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, bounds, 4, MPIU_REAL, MPIU_MAX, layouts[0].comm));
  const PetscInt64 less = PetscMin(layouts[0].count, layouts[1].count);
  const PetscInt64 more = PetscMax(layouts[0].count, layouts[1].count);
  *assignable = more <= DISTANCE_ASSIGNMENT_MAX && more % less == 0 ? PETSC_TRUE : PETSC_FALSE;
  for (int m = 0; m < 2; m++) /* normalisation rounds weights */
    if (bounds[2 * m] + bounds[2 * m + 1] > 1e-13 * bounds[2 * m]) *assignable = PETSC_FALSE;
  PetscFunctionReturn(0);
}

PetscErrorCode DistanceAssignment(Tokens mu, Tokens nu, PetscReal *w2sq) {
  static PetscLogEvent event;
  TokensLayout layout, other;
  PetscBool assignable;
  PetscMPIInt rank;
  Cloud clouds[2];

  PetscFunctionBeginUser;
  PetscCall(LogEvent("DistAssignment", &event));
  PetscCall(PetscLogEventBegin(event, NULL, NULL, NULL, NULL));
  PetscCall(DistanceCheck(mu, nu));
  PetscCall(DistanceAssignable(mu, nu, &assignable));
  PetscCall(TokensGetLayout(mu, &layout));
  PetscCall(TokensGetLayout(nu, &other));
  PetscCheck(assignable, layout.comm, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT ", %" PetscInt64_FMT
             ": exact assignment needs equal weights and one count to divide the other, at most %d",
             layout.count, other.count, DISTANCE_ASSIGNMENT_MAX);
  PetscCall(CloudCreate(mu, &clouds[0]));
  PetscCall(CloudCreate(nu, &clouds[1]));
  PetscCallMPI(MPI_Comm_rank(layout.comm, &rank));
  const int fewer = clouds[0].count <= clouds[1].count ? 0 : 1;
  if (rank == 0) PetscCall(Solve(&clouds[fewer], &clouds[1 - fewer], w2sq));
  PetscCallMPI(MPI_Bcast(w2sq, 1, MPIU_REAL, 0, layout.comm));
  for (int m = 0; m < 2; m++) PetscCall(CloudDestroy(&clouds[m]));
  PetscCall(PetscLogEventEnd(event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}
