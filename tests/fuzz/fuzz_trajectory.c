/* Trajectories of a run that goes on: a file that is damaged is no error, the run then starts a new one. */
#include "fuzz/fuzz.h"

#include <chorale/trajectory.h>

int fuzz_whole;

static Tokens tokens;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FuzzStart(".h5md");
  MUST(TokensCreate(PETSC_COMM_WORLD, 8, 2, &tokens));
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Trajectory trajectory;

  FuzzWrite(fuzz_path, data, size, NULL, 0);
  MUST(TrajectoryOpen(tokens, fuzz_path, 6, 2, PETSC_FALSE, &trajectory));
  if (trajectory) {
    const PetscErrorCode code = TrajectoryDestroy(&trajectory);
    FuzzMust(code == 0 || code == PETSC_ERR_FILE_WRITE ? PETSC_TRUE : PETSC_FALSE,
             "a file that neither closes nor says so");
    fuzz_whole += code == 0;
  }
  /* Not FuzzNothingOpen: HDF5 1.10 keeps the number of a damaged file that it fails to close, and crashes on it when
   * MPI ends. Such inputs cannot be in the corpus. */
  return 0;
}
