/* Starts from the dataset `tokens` of an HDF5 file: tokens that are accepted lie on the sphere. */
#include "fuzz/fuzz.h"

#include <chorale/start.h>

int fuzz_whole;

enum { MOST = 1 << 14 }; /* numbers */

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FuzzStart(".h5");
  MUST(PetscOptionsSetValue(NULL, "-tokens_init", "file"));
  MUST(PetscOptionsSetValue(NULL, "-tokens_file", fuzz_path));
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  StartOptions options;
  Tokens tokens;
  Start start;

  FuzzWrite(fuzz_path, data, size, NULL, 0);
  if (FuzzTaken(StartOptionsRead(&options)) && options.count <= MOST && options.dim <= MOST / options.count) {
    MUST(TokensCreate(PETSC_COMM_WORLD, options.count, (PetscInt)options.dim, &tokens));
    if (FuzzTaken(StartCreate(tokens, &options, &start))) {
      PetscBool valid;
      MUST(TokensStart(tokens, start, 0));
      MUST(TokensIsValid(tokens, &valid));
      FuzzMust(valid, "tokens off the sphere");
      fuzz_whole++;
      MUST(StartDestroy(&start));
    }
    MUST(TokensDestroy(&tokens));
  }
  FuzzNothingOpen();
  return 0;
}
