/* Trajectories that study analyze reads back: whatever the file says, its frames are tokens on the sphere or refused.
 */
#include "fuzz/fuzz.h"

#include <chorale/recording.h>

int fuzz_whole;

enum { MOST = 1 << 14, FRAMES = 8 }; /* numbers per frame, frames per realization */

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FuzzStart(".h5md");
  return 0;
}

static void ReadFrames(Recording recording, const RecordingInfo *info) {
  PetscBool good = PETSC_TRUE, valid;
  Tokens tokens;

  MUST(TokensCreate(PETSC_COMM_WORLD, info->count, info->dim, &tokens));
  for (PetscInt r = 0; good && r < PetscMin(info->realizations, FRAMES); r++)
    for (PetscInt f = 0; good && f < PetscMin(RecordingFrames(recording, r), FRAMES); f++) {
      MUST(RecordingRead(recording, r, f, tokens, &good));
      if (!good) break;
      MUST(TokensIsValid(tokens, &valid));
      FuzzMust(valid, "tokens off the sphere");
    }
  MUST(TokensDestroy(&tokens));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Recording recording;
  RecordingInfo info;

  FuzzWrite(fuzz_path, data, size, NULL, 0);
  if (FuzzTaken(RecordingOpen(PETSC_COMM_WORLD, "analyze_file", fuzz_path, &recording))) {
    MUST(RecordingGetInfo(recording, &info));
    if (info.count <= MOST && info.dim <= MOST / info.count) ReadFrames(recording, &info);
    fuzz_whole += FuzzTaken(RecordingCheck(recording));
    MUST(RecordingDestroy(&recording));
  }
  /* Not FuzzNothingOpen: as in fuzz_trajectory.c. */
  return 0;
}
