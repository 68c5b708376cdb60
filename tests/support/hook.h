/* What programs that Python tests start (hook_NAME.c) share. */
#ifndef CHORALE_HOOK_H
#define CHORALE_HOOK_H

#include <chorale/error.h>
#include <chorale/study.h>

#include "io/hdf.h"

static inline PetscErrorCode HookRun(const char *mode, PetscErrorCode (*work)(Hdf hdf)) {
  char path[PETSC_MAX_PATH_LEN] = "hook.h5";
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsGetString(NULL, NULL, "-hook_file", path, sizeof(path), NULL));
  PetscCall(HdfOpen(PETSC_COMM_WORLD, path, mode, "hook_file", &hdf));
  PetscCall(work(hdf));
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}

/* main of a hook: does its work with the file of -hook_file, opened in this mode, and ends with chorale's exit codes.
 */
static inline int HookMain(int argc, char **argv, const char *mode, PetscErrorCode (*work)(Hdf hdf)) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush() || DeckUse(StudyOptions, NULL)) return 1;
  const int exit_code = ErrorExitCode(HookRun(mode, work));
  if (exit_code == 1) MPI_Abort(PETSC_COMM_WORLD, 1); /* perhaps of one rank only */
  return PetscFinalize() ? 1 : exit_code;
}

#endif
