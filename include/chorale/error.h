/* How chorale fails. Every function returns a PetscErrorCode through PetscCall.
 *
 * What a user got wrong is raised by all ranks alike with
 *     PetscCheck(ok, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "tokens_count = %d: must be ...", n);
 * and ends in one line on stderr of rank 0 and exit code 2. The message starts with the key and the value and says what
 * is allowed. (Should some ranks alone meet it, ErrorMeet still ends all of them.) Everything else (full disk, lost
 * memory) is a run-time failure: one line from the first rank that meets it, exit code 1. */
#ifndef CHORALE_ERROR_H
#define CHORALE_ERROR_H

#include <petscsys.h>

/* Installs the handler that prints those lines instead of PETSc's traceback. Call once after PetscInitialize. */
PetscErrorCode ErrorHandlerPush(void);
/* The error of a run that was stopped and can go on: one line on rank 0, exit code 85. Raised by all ranks alike. */
#define CHORALE_ERR_STOPPED (PETSC_ERR_MAX_VALUE + 1)

/* What main does last, with the code that the study returned: waits until all ranks are here. A rank that failed does
 * not wait for ever, since others may wait for it in a call that it has left: then, and after run-time failures at
 * once, the job is aborted with the exit code. Collective on the world. */
PetscErrorCode ErrorMeet(PetscErrorCode code);

/* The exit code that belongs to the error code a study returned: 0, 1, 2 or 85. (One more has no error code: a rank
 * that has waited for lost ones for too long ends with 75, checkpoint_patience.) */
int ErrorExitCode(PetscErrorCode code);

#endif
