/* The parts of study limits: what is compared, the systems that advance together, what the errors say. */
#ifndef CHORALE_STUDY_LIMITS_LIMITS_H
#define CHORALE_STUDY_LIMITS_LIMITS_H

#include <chorale/attention.h>
#include <chorale/checkpoint.h>
#include <chorale/noise.h>
#include <chorale/results.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

#include "noise/coupling.h"

enum { LIMITS_LIST = 32 };

/* The grid: a transformer for every number of tokens, depth and width. Values as the deck has them. */
typedef struct {
  PetscInt counts, depths, widths;
  PetscInt64 count[LIMITS_LIST], depth[LIMITS_LIST];
  PetscInt width[LIMITS_LIST]; /* 0: infinite */
  PetscInt64 most;             /* largest number of tokens: that of the limit SDE */
  PetscInt64 reference;        /* its steps F */
  PetscInt dim, cells;         /* cells = counts depths widths */
  PetscReal horizon;
  PetscBool coupled; /* some width is finite */
} LimitsGrid;

/* Cell of the samples and row of the table: tokens outermost, width innermost. */
static inline PetscInt LimitsCell(const LimitsGrid *grid, PetscInt i, PetscInt j, PetscInt k) {
  return (i * grid->depths + j) * grid->widths + k;
}

/* Reads and checks the lists. Collective on PETSC_COMM_WORLD. */
PetscErrorCode LimitsGridRead(LimitsGrid *grid);

/* All systems of one realization: the limit SDE and the transformers, on the same path of the noise. */
typedef struct _p_LimitsSystems *LimitsSystems;
PetscErrorCode LimitsSystemsCreate(const LimitsGrid *grid, MPI_Comm shards, LimitsSystems *systems);
PetscErrorCode LimitsSystemsDestroy(LimitsSystems *systems);
PetscErrorCode LimitsSystemsView(LimitsSystems systems);
/* Starts realization r. */
PetscErrorCode LimitsSystemsStart(LimitsSystems systems, PetscInt r);
/* What a checkpoint keeps of a realization, after multiples of *every steps. */
PetscErrorCode LimitsSystemsSave(LimitsSystems systems, Checkpoint checkpoint, PetscInt64 *every);
/* After a checkpoint brought back the tokens as they were f steps after the start of realization r: what the layers
 * that were being filled had gathered. */
PetscErrorCode LimitsSystemsResume(LimitsSystems systems, PetscInt r, PetscInt f);
/* Step f of the limit SDE, and the layers that end with it; worst[cells], NaN at first, is raised to the errors at
 * their ends. */
PetscErrorCode LimitsSystemsStep(LimitsSystems systems, PetscInt r, PetscInt f, PetscReal worst[]);

/* Rows and fits of samples[R][cells] into results, and what they say. Collective on PETSC_COMM_WORLD. */
PetscErrorCode LimitsReport(const LimitsGrid *grid, PetscInt R, const PetscReal samples[], Results results);

#endif
