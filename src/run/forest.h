/* Components of a graph by union-find: parent[i] <= i, the root of a component is its smallest member. Private to run.
 */
#ifndef CHORALE_RUN_FOREST_H
#define CHORALE_RUN_FOREST_H

#include <petscsys.h>

static inline PetscInt ForestRoot(PetscInt parent[], PetscInt i) {
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

/* One component of those of i and j; returns its root. */
static inline PetscInt ForestJoin(PetscInt parent[], PetscInt i, PetscInt j) {
  const PetscInt a = ForestRoot(parent, i), b = ForestRoot(parent, j);
  return parent[PetscMax(a, b)] = PetscMin(a, b);
}

/* The components of the union of the graphs of all ranks, on every rank. Collective. */
PetscErrorCode ForestMerge(MPI_Comm comm, PetscInt n, PetscInt parent[]);

#endif
