/* Progress with ETA on stderr of rank 0: a bar on a terminal, a line every 30 s in a log, or every `progress` seconds;
 * off on request. */
#ifndef CHORALE_PROGRESS_H
#define CHORALE_PROGRESS_H

#include <chorale/deck.h>

enum { PROGRESS_AUTO = -1, PROGRESS_OFF = -2 };
typedef struct {
  PetscReal interval; /* seconds, or one of these */
} ProgressOptions;
extern const OptionKey ProgressKeys[];

typedef struct _p_Progress *Progress;

/* total is the work of rank 0 in any unit (steps of all its realizations). Only rank 0 of comm prints. */
PetscErrorCode ProgressCreate(MPI_Comm comm, const ProgressOptions *options, const char *label, PetscInt64 total,
                              Progress *progress);
/* done of total; cheap enough for every step. Not collective. */
PetscErrorCode ProgressUpdate(Progress progress, PetscInt64 done);
/* total is another one from now on, and `note` stands behind the label: a run in stages, whose ends alone are known.
 * Not collective. */
PetscErrorCode ProgressSetStage(Progress progress, PetscInt64 total, const char *note);
/* Ends the bar with the elapsed time. */
PetscErrorCode ProgressDestroy(Progress *progress);

#endif
