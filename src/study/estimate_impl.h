/* What estimate.c times and estimate_say.c tells. */
#ifndef CHORALE_STUDY_ESTIMATE_IMPL_H
#define CHORALE_STUDY_ESTIMATE_IMPL_H

#include "base/traffic.h"
#include "study/estimate.h"

/* What work there is: shares of the time. */
typedef enum {
  ATTENTION,
  NOISE,
  DRAW,  /* of noise, as far as cells of a team do it once for all */
  STEPS, /* what else a step does */
  W2,
  FRAMES,  /* what else a frame measures */
  NETWORK, /* of ranks that are planned */
  FILES,
  KINDS
} EstimateKind;

/* What a group has to do: all its realizations, of all cells. Seconds of starts, steps and frames. */
typedef struct {
  PetscReal realizations, steps, frames; /* how many */
  PetscReal start, step, frame, kind[KINDS];
  Traffic traffic;          /* of all steps */
  PetscReal guessed, timed; /* cells */
} EstimateSum;

/* What is written at the end, of all cells. */
typedef struct {
  PetscReal bytes, arrays;
} EstimateFiles;

/* All of it but the writing of files. Pure. */
PetscReal EstimateSeconds(const EstimateSum *sum);
/* Says it on stdout of rank 0. Collective. */
PetscErrorCode EstimateSay(const Cells *cells, const EstimateFiles *files, const EstimateSum *sum);

#endif
