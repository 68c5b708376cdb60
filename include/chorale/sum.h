/* Sums that do not depend on order: the second half of the same-bits promise.
 *
 * A partial sum of known bound is rounded once to a 64-bit integer multiple of 1/scale; integers add exactly, so
 * blocks, ranks and MPI_SUM may come in any order. The error is at most 2^-62 of the bound per rounding. */
#ifndef CHORALE_SUM_H
#define CHORALE_SUM_H

#include <math.h>
#include <petscsys.h>

/* The largest power of two with bound * scale <= 2^61; bound > 0 bounds the absolute value of the whole sum. */
PetscReal SumScale(PetscReal bound);

/* value * scale to the nearest integer. */
static inline PetscInt64 SumRound(PetscReal value, PetscReal scale) {
  return (PetscInt64)llrint(value * scale);
}

/* In-place sum over the ranks of comm. Collective. */
PetscErrorCode SumAllreduce(MPI_Comm comm, PetscInt n, PetscInt64 values[]);
/* In-place sum over the ranks before this one, 0 on the first. Collective. */
PetscErrorCode SumExscan(MPI_Comm comm, PetscInt n, PetscInt64 values[]);

#endif
