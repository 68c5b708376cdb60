/* Seconds that a checkpoint of 10^6 tokens in d = 3 takes, until it is on disk: mpirun -n RANKS bench_checkpoint
 * [DIRECTORY]. Prints `name value unit` lines. */
#include <chorale/checkpoint.h>
#include <chorale/deck.h>
#include <chorale/error.h>
#include <chorale/study.h>

#include <unistd.h>

#include "bench.h"
#include "keys.h"

enum { TOKENS = 1000000, DIM = 3, ROUNDS = 5 };

static PetscErrorCode Go(const char *directory) {
  char path[PETSC_MAX_PATH_LEN];
  double seconds[ROUNDS];
  EnsembleLayout layout;
  Checkpoint checkpoint;
  Output output;
  Ensemble ensemble;
  PetscBool stopped;
  Tokens tokens;
  PetscInt step;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, sizeof(path), "%s/bench-checkpoint-%d.h5", directory, (int)getpid()));
  PetscCallMPI(MPI_Bcast(path, sizeof(path), MPI_CHAR, 0, PETSC_COMM_WORLD));
  PetscCall(PetscOptionsSetValue(NULL, "-output_file", path));
  PetscCall(PetscOptionsSetValue(NULL, "-checkpoint_every", "1"));
  PetscCall(EnsembleFromKeys(TokensBlockCount(TOKENS), &ensemble));
  PetscCall(EnsembleGetLayout(ensemble, &layout));
  PetscCall(TokensCreate(layout.shards, TOKENS, DIM, &tokens));
  PetscCall(CheckpointFromKeys("simulate", ensemble, ROUNDS + 2, &output, &checkpoint));
  PetscCall(CheckpointAddTokens(checkpoint, "tokens", tokens));
  PetscCall(CheckpointResume(checkpoint, 0, &step));
  for (int i = -1; i < ROUNDS; i++) { /* the first warms up */
    const double start = MPI_Wtime();
    PetscCall(CheckpointStep(checkpoint, 0, ++step, &stopped));
    seconds[PetscMax(i, 0)] = MPI_Wtime() - start;
  }
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "checkpoint_write %.4g s\n", BenchMedian(ROUNDS, seconds)));
  PetscCall(CheckpointFinish(checkpoint, &stopped));
  PetscCall(CheckpointRemove(checkpoint));
  PetscCall(CheckpointDestroy(&checkpoint));
  PetscCall(OutputDestroy(&output));
  PetscCall(TokensDestroy(&tokens));
  PetscCall(EnsembleDestroy(&ensemble));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush() || DeckUse(StudyOptions, NULL) ||
      Go(argc > 1 ? argv[1] : "."))
    return 1;
  return PetscFinalize() != 0;
}
