/* .npy files: whatever the header says, all rows can be read, at once or in two parts. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "io/npy.h"

int fuzz_whole;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FuzzStart(".npy");
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  PetscInt64 shape[2];

  FuzzWrite(fuzz_path, data, size, NULL, 0);
  if (!FuzzTaken(NpyGetShape(PETSC_COMM_SELF, "tokens_file", fuzz_path, shape))) return 0;
  FuzzMust(shape[0] >= 0 && shape[1] >= 0 && shape[0] * shape[1] <= (PetscInt64)size, "a shape larger than the file");
  const PetscInt64 half = shape[0] / 2, n = shape[0] * shape[1];
  double *whole = calloc((size_t)n + 1, sizeof(double)), *parts = calloc((size_t)n + 1, sizeof(double));
  FuzzMust(whole && parts, "no memory");
  MUST(NpyReadRows(PETSC_COMM_SELF, "tokens_file", fuzz_path, 0, shape[0], whole));
  MUST(NpyReadRows(PETSC_COMM_SELF, "tokens_file", fuzz_path, 0, half, parts));
  MUST(NpyReadRows(PETSC_COMM_SELF, "tokens_file", fuzz_path, half, shape[0] - half, parts + half * shape[1]));
  FuzzMust(!memcmp(whole, parts, (size_t)n * sizeof(double)), "parts differ from the whole");
  free(whole);
  free(parts);
  fuzz_whole++;
  return 0;
}
