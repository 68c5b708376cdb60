/* The process grid: ranks = groups x shards. A group advances one realization at a time, its shards split the tokens.
 * Only Ensemble and main name PETSC_COMM_WORLD. */
#ifndef CHORALE_ENSEMBLE_H
#define CHORALE_ENSEMBLE_H

#include <chorale/deck.h>

typedef struct _p_Ensemble *Ensemble;

enum { ENSEMBLE_GROUPS_AUTO = -1 };
typedef struct {
  PetscInt64 realizations, seed;
  PetscInt64 groups; /* or ENSEMBLE_GROUPS_AUTO */
  /* What the study says: more shards than these are no faster, because of this; 0 and NULL for no such number. */
  PetscInt shards;
  const char *reason;
} EnsembleOptions;
extern const OptionKey EnsembleKeys[];
/* ensemble_*. */
PetscErrorCode EnsembleOptionsRead(EnsembleOptions *options);

/* Refuses (user input) groups that do not divide the number of ranks. blocks is the number of
 * token blocks a shard can own. Automatic choice: the divisor G of the ranks P that minimises ceil(R/G) *
 * ceil(blocks/(P/G)), of P/G no more than options.shards; among equals that without this bound; then the largest G,
 * since groups do not communicate. Collective on PETSC_COMM_WORLD. */
PetscErrorCode EnsembleCreate(const EnsembleOptions *options, PetscInt blocks, Ensemble *ensemble);
/* So many realizations on the groups of another ensemble, which outlives it: those of a cell of a sweep. Not
 * collective. */
PetscErrorCode EnsembleCreatePart(Ensemble whole, PetscInt realizations, Ensemble *part);
/* Realization 0 of the part becomes that of group `first` of the whole, and so on: groups have other numbers in the
 * part. Not collective, but alike on all ranks. */
PetscErrorCode EnsembleTurn(Ensemble part, PetscInt first);
PetscErrorCode EnsembleDestroy(Ensemble *ensemble);
/* The process grid in two or three lines on stdout of rank 0. Collective. */
PetscErrorCode EnsembleView(Ensemble ensemble);

/* Steps to the next realization r of this group (r = group, group + groups, ...); false when there is none left, after
 * which the next call starts again. Not collective over groups: the shards of a group call it together. */
PetscBool EnsembleNext(Ensemble ensemble, PetscInt *r);

/* From now on the ensemble is that of the first `count` realizations, at most as many as it was made for, of which the
 * first `done` are done: EnsembleNext goes on behind these. Layouts asked for before are left as they were. Called
 * alike on all ranks. */
PetscErrorCode EnsembleSetCount(Ensemble ensemble, PetscInt done, PetscInt count);

typedef struct {
  MPI_Comm world;        /* all ranks */
  MPI_Comm shards;       /* the ranks of this group, in world order */
  PetscInt groups;       /* number of groups G */
  PetscInt group;        /* this rank's group: contiguous ranks */
  PetscInt realizations; /* R */
  PetscInt owned;        /* realizations of this group */
} EnsembleLayout;
PetscErrorCode EnsembleGetLayout(Ensemble ensemble, EnsembleLayout *layout);

/* all[R][n] <- the samples of every realization, on every rank. mine[owned][n] holds this group's realizations in the
 * order of EnsembleNext, equal on its shards. Statistics made of `all` in order do not depend on the number of ranks.
 * Collective on world. */
PetscErrorCode EnsembleGather(Ensemble ensemble, PetscInt n, const PetscReal mine[], PetscReal all[]);

#endif
