/* Attention weights: an HDF5 file with heads/<h>/{Q,K,V}. */
#include "fuzz/fuzz.h"
#include "keys.h"

#include <chorale/attention.h>

int fuzz_whole;

static Tokens tokens;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FuzzStart(".h5");
  MUST(PetscOptionsSetValue(NULL, "-attention_weights", fuzz_path));
  MUST(TokensCreate(PETSC_COMM_WORLD, 8, 2, &tokens));
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Attention attention;

  FuzzWrite(fuzz_path, data, size, NULL, 0);
  if (FuzzTaken(AttentionFromKeys(tokens, &attention))) {
    MUST(AttentionDestroy(&attention));
    fuzz_whole++;
  }
  FuzzNothingOpen();
  return 0;
}
