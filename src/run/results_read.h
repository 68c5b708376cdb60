/* Numbers that an earlier results file holds, back into the rows of results: of study merge, and of a run that goes on
 * from complete results. */
#ifndef CHORALE_RUN_RESULTS_READ_H
#define CHORALE_RUN_RESULTS_READ_H

#include <chorale/checkpoint.h>

#include "io/hdf.h"
#include "run/results_impl.h"

/* Which realizations and frames of the results a file has. */
typedef struct {
  PetscInt first, realizations; /* realization 0 of the file is `first` of the results */
  PetscInt frames;              /* in the file */
  const PetscInt *frame;        /* [frames of the results] which of the file's it is, -1 for none; NULL: the same */
} ResultsPart;

/* Every declared quantity that has a name, into the rows of this group's realizations. User input error where the file
 * has another shape. Collective on all ranks. */
PETSC_INTERN PetscErrorCode ResultsReadRows(Results results, Hdf hdf, const ResultsPart *part);
/* Numbers of the whole run that the checkpoint keeps, of which a file may have fewer than there is room for; `file`
 * begins the message when it has more. Collective on all ranks. */
PETSC_INTERN PetscErrorCode ResultsReadShared(Results results, Hdf hdf, const char *file, Checkpoint checkpoint);
/* All of that of the complete results from which the run of this checkpoint goes on, if it does. Collective on all
 * ranks.
 */
PETSC_INTERN PetscErrorCode ResultsReadEarlier(Results results, Checkpoint checkpoint);

#endif
