/* The files of a run, by output_*: DIRECTORY/STEM.EXT has the results, and DIRECTORY/STEM/ the trajectories of its
 * realizations and its checkpoints. */
#ifndef CHORALE_OUTPUT_H
#define CHORALE_OUTPUT_H

#include <chorale/deck.h>

typedef struct {
  char file[PETSC_MAX_PATH_LEN], table[PETSC_MAX_PATH_LEN]; /* empty when unset */
  PetscBool overwrite;
  PetscInt64 every, log, trajectories, compress;
  const char *precision;
} OutputOptions;
extern const OptionKey OutputKeys[];

typedef struct _p_Output *Output;

/* The names, STUDY.h5 and so on where none is given, and where one is a link that of the file it leads to. Refuses
 * (user input) names that are too long or have no extension. resume: what is there may be the run's own. Collective on
 * comm. */
PetscErrorCode OutputCreate(MPI_Comm comm, const char *study, const OutputOptions *options, PetscBool resume,
                            Output *output);
/* Warns where there is no room for so many bytes. Not collective: rank 0 speaks. */
PetscErrorCode OutputCheckRoom(Output output, PetscReal bytes);
PetscErrorCode OutputDestroy(Output *output);

#endif
