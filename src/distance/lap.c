/* R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems",
 * Computing 38 (1987): column reduction, two rounds of augmenting row reduction, then shortest augmenting paths. All
 * loops over columns run over groups of LAP_GROUP and keep the minimum of every group, so that they are vectors and the
 * column of a minimum is found without a scan of all. */
#include "distance/lap.h"

#include <math.h>

typedef struct {
  PetscInt n, stride;
  const double *cost;
  double *v;          /* [stride] prices of columns */
  PetscInt *column;   /* [n] of each row, or -1 */
  PetscInt *row;      /* [stride] of each column, or -1 */
  double *distance;   /* [stride] of a column from the free row; infinite once it is reached */
  double *open;       /* [stride] prices, of columns not reached; -infinity else */
  PetscInt64 *before; /* [stride] the row on the shortest path before a column */
  double *least;      /* [stride / LAP_GROUP] minimum of distance over a group */
  PetscInt *reached;  /* [n] columns in the order in which they are reached */
  double *at;         /* [n] their distances */
} Lap;

/* The first column of the least distance, and the distance. */
static PetscInt Nearest(const Lap *lap, double *distance) {
  PetscInt best = 0;

  for (PetscInt g = 1; g < lap->stride / LAP_GROUP; g++)
    if (lap->least[g] < lap->least[best]) best = g;
  *distance = lap->least[best];
  best *= LAP_GROUP;
  while (lap->distance[best] > *distance) best++;
  return best;
}

/* distance[j] = cost[i][j] - v[j], and the minima. */
static void Reduce(Lap *lap, PetscInt i) {
  const double *c = lap->cost + (size_t)i * lap->stride;

  for (PetscInt g = 0; g < lap->stride; g += LAP_GROUP) {
    double least = INFINITY;
#pragma omp simd reduction(min : least)
    for (PetscInt j = g; j < g + LAP_GROUP; j++) {
      const double d = c[j] - lap->v[j];
      lap->distance[j] = d;
      least = d < least ? d : least;
    }
    lap->least[g / LAP_GROUP] = least;
  }
}

/* Distances over row i, whose potential makes them cost[i][j] - v[j] + base, where they are shorter. */
static void Relax(Lap *lap, PetscInt i, double base) {
  const double *restrict c = lap->cost + (size_t)i * lap->stride, *restrict open = lap->open;
  double *restrict distance = lap->distance;
  PetscInt64 *restrict before = lap->before;

  for (PetscInt g = 0; g < lap->stride; g += LAP_GROUP) {
    double least = INFINITY;
#pragma omp simd reduction(min : least)
    for (PetscInt j = g; j < g + LAP_GROUP; j++) {
      const double d = c[j] - open[j] + base, old = distance[j];
      const PetscInt64 from = before[j];

      before[j] = d < old ? i : from;
      distance[j] = d < old ? d : old;
      least = distance[j] < least ? distance[j] : least;
    }
    lap->least[g / LAP_GROUP] = least;
  }
}

/* Prices such that every column's cheapest row costs 0; rows that are cheapest somewhere get such a column. */
static void ReduceColumns(Lap *lap) {
  for (PetscInt j = 0; j < lap->stride; j++) {
    lap->v[j] = lap->cost[j];
    lap->before[j] = 0;
  }
  for (PetscInt i = 1; i < lap->n; i++) {
    const double *c = lap->cost + (size_t)i * lap->stride;
    for (PetscInt j = 0; j < lap->stride; j++) {
      const PetscBool less = c[j] < lap->v[j] ? PETSC_TRUE : PETSC_FALSE;
      lap->before[j] = less ? i : lap->before[j];
      lap->v[j] = less ? c[j] : lap->v[j];
    }
  }
  for (PetscInt j = lap->n - 1; j >= 0; j--) {
    const PetscInt i = (PetscInt)lap->before[j];
    if (lap->column[i] >= 0) continue;
    lap->column[i] = j;
    lap->row[j] = i;
  }
  for (PetscInt j = lap->n; j < lap->stride; j++) lap->v[j] = 0; /* padding costs infinity */
}

/* Lets row i take its best column at the price that the second best sets; returns the row that had it, or -1. */
static PetscInt Take(Lap *lap, PetscInt i) {
  double first, second;
  PetscInt j, loser;

  Reduce(lap, i);
  j = Nearest(lap, &first);
  lap->distance[j] = INFINITY;
  lap->least[j / LAP_GROUP] = INFINITY;
  for (PetscInt k = j / LAP_GROUP * LAP_GROUP; k < (j / LAP_GROUP + 1) * LAP_GROUP; k++)
    lap->least[j / LAP_GROUP] = fmin(lap->least[j / LAP_GROUP], lap->distance[k]);
  const PetscInt other = Nearest(lap, &second);
  if (lap->n > 1) {
    lap->v[j] -= second - first;
    if (second <= first && lap->row[j] >= 0 && lap->row[other] < 0) j = other; /* a tie */
  }
  loser = lap->row[j];
  lap->row[j] = i;
  lap->column[i] = j;
  if (loser >= 0) lap->column[loser] = -1;
  return loser;
}

/* Augmenting row reduction. A row goes on for the one that it drove out; steps are bounded, since with rounding prices
 * might stand still. */
static void ReduceRows(Lap *lap) {
  for (PetscInt64 i = 0, steps = 2 * lap->n; i < lap->n && steps > 0; i++) {
    for (PetscInt row = lap->column[i] < 0 ? (PetscInt)i : -1; row >= 0 && steps > 0; steps--) row = Take(lap, row);
  }
}

/* The shortest path from a free row to a free column in reduced costs, along it the assignment changes. */
static void Augment(Lap *lap, PetscInt start) {
  PetscInt count = 0, i = start, j;
  double shortest = 0;

  for (PetscInt k = 0; k < lap->stride; k++) {
    lap->distance[k] = INFINITY;
    lap->open[k] = lap->v[k];
  }
  for (;;) {
    /* Row i was reached through its own column at the distance `shortest`, where cost - v is its potential. */
    const double own = count ? lap->cost[(size_t)i * lap->stride + lap->column[i]] - lap->v[lap->column[i]] : 0;

    Relax(lap, i, shortest - own);
    j = Nearest(lap, &shortest);
    if (lap->row[j] < 0) break;
    lap->reached[count] = j;
    lap->at[count++] = shortest;
    lap->distance[j] = INFINITY;
    lap->open[j] = -INFINITY;
    i = lap->row[j];
  }
  for (PetscInt k = 0; k < count; k++) lap->v[lap->reached[k]] += lap->at[k] - shortest;
  do {
    i = (PetscInt)lap->before[j];
    lap->row[j] = i;
    const PetscInt next = lap->column[i];
    lap->column[i] = j;
    j = next;
  } while (i != start);
}

PetscErrorCode LapSolve(PetscInt n, PetscInt stride, const double *cost, PetscInt *columns) {
  Lap lap = {.n = n, .stride = stride, .cost = cost, .column = columns};

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc6(stride, &lap.v, stride, &lap.row, stride, &lap.distance, stride, &lap.open, stride,
                         &lap.before, stride / LAP_GROUP, &lap.least));
  PetscCall(PetscMalloc2(n, &lap.reached, n, &lap.at));
  for (PetscInt i = 0; i < n; i++) columns[i] = -1;
  for (PetscInt j = 0; j < stride; j++) lap.row[j] = -1;
  ReduceColumns(&lap);
  for (int round = 0; round < 2; round++) ReduceRows(&lap);
  for (PetscInt i = 0; i < n; i++)
    if (columns[i] < 0) Augment(&lap, i);
  PetscCall(PetscFree2(lap.reached, lap.at));
  PetscCall(PetscFree6(lap.v, lap.row, lap.distance, lap.open, lap.before, lap.least));
  PetscFunctionReturn(0);
}
