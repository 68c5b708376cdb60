/* The parts of study limits: what is compared, the systems that advance together, what the errors say. */
#ifndef CHORALE_STUDY_LIMITS_LIMITS_H
#define CHORALE_STUDY_LIMITS_LIMITS_H

#include "noise/coupling.h"
#include "study/studies.h"

enum { LIMITS_LIST = 32, LIMITS_INFINITE = -1 };

/* The grid: a transformer for every number of tokens, depth and width. Values as the deck has them. */
typedef struct {
  PetscInt counts, depths, widths, cells; /* cells = counts depths widths */
  PetscInt finite;                        /* widths that are not LIMITS_INFINITE */
  PetscInt64 count[LIMITS_LIST], depth[LIMITS_LIST], width[LIMITS_LIST];
  PetscInt64 most;      /* largest number of tokens: that of the limit SDE */
  PetscInt64 reference; /* its steps F */
  PetscReal horizon;
  PetscBool all; /* the supremum is that over all times */
} LimitsGrid;

/* Halvings of a step of the limit SDE, and the steps that leave the keys of their middles below 2^31. */
enum { LIMITS_LEVELS = 14, LIMITS_BRIDGED = 131000 };

/* Cell of the samples and row of the table: tokens outermost, width innermost. */
static inline PetscInt LimitsCell(const LimitsGrid *grid, PetscInt i, PetscInt j, PetscInt k) {
  return (i * grid->depths + j) * grid->widths + k;
}

/* grid.c: the lists, read and checked. Collective on PETSC_COMM_WORLD. */
PetscErrorCode LimitsGridRead(const ModelOptions *model, LimitsGrid *grid);

/* The transformers with one number of tokens. They share what does not move. */
typedef struct {
  Tokens reference; /* the limit SDE's first tokens; its own tokens for the largest number */
  Tokens *tokens;   /* [depths][widths] */
  Attention attention;
  Scheme layer;
} LimitsFamily;

typedef struct _p_LimitsSupremum *LimitsSupremum;

/* The state of the study: all systems of one realization, the limit SDE and the transformers, on the same path of the
 * noise. */
typedef struct {
  Run run;
  LimitsGrid grid;
  EnsembleLayout layout;
  System limit; /* the limit SDE */
  Start start;
  Noise noise;
  const char *coupled;     /* limits_coupling */
  Coupling coupling;       /* NULL when all widths are infinite */
  Field fine;              /* of one step of the limit SDE */
  Field *layer;            /* [depths]: of the layer that fills, unit time */
  LimitsFamily *family;    /* [counts] */
  LimitsSupremum supremum; /* NULL when it is that over layer times */
  PetscBool polynomial;    /* the activation is one: outside the theorem on width */
} Limits;

/* systems.c: members of the study's table, and what its create needs. */
PetscErrorCode LimitsCreateSystems(Limits *limits, const ModelOptions *options);
PetscErrorCode LimitsDestroy(void *state);
PetscErrorCode LimitsBrief(void *state, StudyBrief *brief);
PetscErrorCode LimitsView(void *state);
PetscErrorCode LimitsKeep(void *state, Checkpoint checkpoint);
PetscErrorCode LimitsStart(void *state, PetscInt r);
PetscErrorCode LimitsResume(void *state, PetscInt r, PetscInt f);
PetscErrorCode LimitsStep(void *state, PetscInt r, PetscInt f, PetscBool *ended);

/* supremum.c: limits_supremum all. Before and after step f of the limit SDE, with the layers that end with it not yet
 * taken: worst[cells] is raised to the errors in that step. */
PetscErrorCode LimitsSupremumCreate(const Limits *limits, LimitsSupremum *supremum);
PetscErrorCode LimitsSupremumDestroy(LimitsSupremum *supremum);
PetscErrorCode LimitsSupremumBegin(const Limits *limits);
PetscErrorCode LimitsSupremumStep(const Limits *limits, PetscInt r, PetscInt f, PetscReal worst[]);

/* report.c: rows and fits of the errors [R][cells], and what they say. Collective on PETSC_COMM_WORLD. */
PetscErrorCode LimitsReport(void *state, const Samples *samples, Results results);

#endif
