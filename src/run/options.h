/* What a run writes, when it stops and what it says meanwhile. */
#ifndef CHORALE_RUN_OPTIONS_H
#define CHORALE_RUN_OPTIONS_H

#include <chorale/deck.h>

typedef struct {
  char file[PETSC_MAX_PATH_LEN], table[PETSC_MAX_PATH_LEN]; /* empty when unset */
  PetscBool overwrite;
  PetscInt64 every, trajectories, compress;
  const char *precision;
} OutputOptions;

typedef struct {
  PetscInt64 every;         /* steps; 0 for none */
  PetscReal interval, wall; /* seconds; 0 for none */
  PetscBool resume;
  char stop_file[PETSC_MAX_PATH_LEN];
} CheckpointOptions;

enum { PROGRESS_AUTO = -1, PROGRESS_OFF = -2 };
typedef struct {
  PetscReal interval; /* seconds, or one of these */
} ProgressOptions;

extern const OptionKey OutputKeys[], CheckpointKeys[], ProgressKeys[];

#endif
