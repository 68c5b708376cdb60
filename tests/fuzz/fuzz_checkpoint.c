/* Checkpoints. The input stands as it is in the place of checkpoint.h5, and with a trailer whose checksum is right in
 * that of checkpoint.prev.h5: a reader that turns down the first must fall back to the second, and looks behind the
 * checksum there. */
#include "fuzz/fuzz.h"
#include "keys.h"

#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "run/checkpoint_impl.h"

int fuzz_whole;
enum { REALIZATIONS = 3, STEPS = 4, COLUMNS = 2 };
static Ensemble ensemble;
static Output output;
static Tokens tokens;
static Checkpoint checkpoint;
static PetscReal reals[3], rows[REALIZATIONS * COLUMNS], framed[REALIZATIONS * 3], shared[2];
static const PetscInt64 frames[2] = {0, STEPS};

static void RemoveFiles(void) {
  (void)unlink(checkpoint->file);
  (void)unlink(checkpoint->previous);
  (void)rmdir(checkpoint->output->trajectories);
}

/* Study kernel has the fewest keys, so the smallest file. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  FuzzStart(".h5");
  MUST(PetscOptionsSetValue(NULL, "-ensemble_realizations", "3"));
  MUST(PetscOptionsSetValue(NULL, "-output_file", fuzz_path));
  MUST(EnsembleFromKeys(1, &ensemble));
  MUST(TokensCreate(PETSC_COMM_WORLD, 8, 2, &tokens));
  MUST(CheckpointFromKeys("kernel", ensemble, STEPS, &output, &checkpoint));
  MUST(CheckpointAddTokens(checkpoint, "tokens", tokens));
  MUST(CheckpointAddReals(checkpoint, "reals", 3, reals));
  MUST(CheckpointAddRows(checkpoint, "rows", 0, NULL, 0, COLUMNS, rows));
  MUST(CheckpointAddRows(checkpoint, "framed", 2, frames, 1, 3, framed));
  MUST(CheckpointAddShared(checkpoint, "shared", 2, shared));
  FuzzMust(mkdir(checkpoint->output->trajectories, 0700) == 0, "cannot make a directory");
  (void)atexit(RemoveFiles);
  return 0;
}

/* As checkpoint_file.c makes it, for a file of one block. */
static void Trailer(const uint8_t *data, size_t size, unsigned char trailer[32]) {
  const uint64_t length = size;
  uint64_t z = (uint64_t)crc32(0, data, (uInt)size) + 0x9e3779b97f4a7c15;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  memcpy(trailer, "chorale trailer", 16);
  memcpy(trailer + 16, &length, 8);
  memcpy(trailer + 24, &z, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unsigned char trailer[32];
  PetscInt step, r = 0;

  if (!size || size > 1 << 20) return 0;
  Trailer(data, size, trailer);
  FuzzWrite(checkpoint->file, data, size, NULL, 0);
  FuzzWrite(checkpoint->previous, data, size, trailer, sizeof(trailer));
  checkpoint->source[0] = '\0';
  checkpoint->loaded = PETSC_FALSE;
  if (FuzzTaken(CheckpointFileFind(checkpoint))) {
    FuzzMust(checkpoint->source[0] != '\0', "no file is found where one is whole");
    for (; r < REALIZATIONS; r++) {
      if (!FuzzTaken(CheckpointResume(checkpoint, r, &step))) break;
      FuzzMust(0 <= step && step <= STEPS ? PETSC_TRUE : PETSC_FALSE, "a step that the run does not have");
    }
  }
  fuzz_whole += r == REALIZATIONS && checkpoint->source_step[1] % STEPS; /* one of them had a state */
  FuzzNothingOpen();
  return 0;
}
