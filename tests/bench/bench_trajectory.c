/* Writing trajectories beside plain MPI-IO: mpirun -n RANKS bench_trajectory [DIRECTORY]. The same frames of positions,
 * by TrajectoryWrite and by MPI_File_write_at_all of the same rows, in files of the same directory one after the other,
 * both until they are on disk, where a trajectory is brought at its end; medians of pairs. And compressed ones (deflate
 * 1), with what is left of their bytes. Prints `name value unit` lines. */
#include <chorale/error.h>
#include <chorale/study.h>
#include <chorale/trajectory.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

enum { TOKENS = 1 << 20, DIM = 3, FRAMES = 24, ROUNDS = 9, PACKED = 3, SHORT = 4 };

typedef struct {
  Tokens tokens;
  char path[PETSC_MAX_PATH_LEN];
  PetscInt frames, deflate;
  double bytes; /* of the file written last, on rank 0 */
} Bench;

static PetscErrorCode ByTrajectory(Bench *b) {
  Trajectory trajectory;

  PetscFunctionBeginUser;
  PetscCall(TrajectoryCreate(b->tokens, b->path, b->frames, PETSC_FALSE, b->deflate, &trajectory));
  for (PetscInt f = 0; f < b->frames; f++) PetscCall(TrajectoryWrite(trajectory, f, f, b->tokens));
  PetscCall(TrajectoryDestroy(&trajectory));
  PetscFunctionReturn(0);
}

static PetscErrorCode ByMpi(Bench *b) {
  TokensLayout layout;
  PetscInt64 first, count;
  double *rows;
  MPI_File file;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(b->tokens, &layout));
  PetscCall(PetscMalloc1(layout.owned * layout.block * layout.dim, &rows));
  PetscCallMPI(MPI_File_open(layout.comm, b->path, MPI_MODE_CREATE | MPI_MODE_WRONLY, MPI_INFO_NULL, &file));
  PetscCallMPI(MPI_File_set_size(file, 0));
  for (PetscInt f = 0; f < b->frames; f++) {
    PetscCall(TokensGetRows(b->tokens, &first, &count, rows));
    PetscCallMPI(MPI_File_write_at_all(file, (MPI_Offset)sizeof(double) * DIM * (f * (MPI_Offset)TOKENS + first), rows,
                                       (PetscMPIInt)(DIM * count), MPI_DOUBLE, MPI_STATUS_IGNORE));
  }
  PetscCallMPI(MPI_File_sync(file));
  PetscCallMPI(MPI_File_close(&file));
  PetscCall(PetscFree(rows));
  PetscFunctionReturn(0);
}

/* Seconds to write a new file. */
static PetscErrorCode Time(Bench *b, PetscErrorCode (*write)(Bench *b), double *seconds) {
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (!rank) {
    (void)unlink(b->path);
    sync(); /* what was written before is not counted here */
  }
  PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
  const double start = MPI_Wtime();
  PetscCall(write(b));
  PetscCallMPI(MPI_Barrier(PETSC_COMM_WORLD));
  *seconds = MPI_Wtime() - start;
  if (!rank) {
    struct stat found;
    PetscCheck(!stat(b->path, &found), PETSC_COMM_SELF, PETSC_ERR_FILE_OPEN, "%s is not there", b->path);
    b->bytes = (double)found.st_size;
    (void)unlink(b->path);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Packed(Bench *b) {
  const double bytes = 8.0 * TOKENS * DIM * SHORT;
  double own[PACKED];

  PetscFunctionBeginUser;
  b->frames = SHORT;
  b->deflate = 1;
  for (int i = 0; i < PACKED; i++) PetscCall(Time(b, ByTrajectory, &own[i]));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "trajectory_packed_rate %.4g byte/s\ntrajectory_packed_size %.4g -\n",
                        bytes / BenchMedian(PACKED, own), b->bytes / bytes));
  PetscFunctionReturn(0);
}

static PetscErrorCode Go(const char *directory) {
  const double bytes = 8.0 * TOKENS * DIM * FRAMES;
  double own[ROUNDS], plain[ROUNDS], ratio[ROUNDS];
  char sidecar[PETSC_MAX_PATH_LEN];
  Bench b = {.frames = FRAMES};

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(PETSC_COMM_WORLD, TOKENS, DIM, &b.tokens));
  PetscCall(BenchScatter(b.tokens, 0));
  PetscCall(PetscSNPrintf(b.path, sizeof(b.path), "%s/bench-trajectory-%d.h5md", directory, (int)getpid()));
  PetscCallMPI(MPI_Bcast(b.path, sizeof(b.path), MPI_CHAR, 0, PETSC_COMM_WORLD));
  for (int i = -1; i < ROUNDS; i++) { /* the first warms up */
    const int k = PetscMax(i, 0);
    PetscCall(Time(&b, ByTrajectory, &own[k]));
    PetscCall(Time(&b, ByMpi, &plain[k]));
    ratio[k] = plain[k] / own[k];
  }
  PetscCall(
      PetscPrintf(PETSC_COMM_WORLD, "trajectory_rate %.4g byte/s\nmpiio_rate %.4g byte/s\ntrajectory_fraction %.4g -\n",
                  bytes / BenchMedian(ROUNDS, own), bytes / BenchMedian(ROUNDS, plain), BenchMedian(ROUNDS, ratio)));
  PetscCall(Packed(&b));
  PetscCall(PetscSNPrintf(sidecar, sizeof(sidecar), "%.*s.xmf", (int)(strlen(b.path) - strlen(".h5md")), b.path));
  (void)unlink(sidecar);
  PetscCall(TokensDestroy(&b.tokens));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush() || DeckUse(StudyOptions, NULL) ||
      Go(argc > 1 ? argv[1] : "."))
    return 1;
  return PetscFinalize() != 0;
}
