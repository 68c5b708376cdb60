/* The trailer of a checkpoint, which HDF5 does not see: its length and a checksum of all bytes before, so that a torn
 * or altered file is known before HDF5 looks into it. */
#include "run/checkpoint_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define PATH  256
#define BLOCK (1 << 20) /* bytes that are checked together; the ranks share the blocks */

typedef struct {
  char mark[16];
  uint64_t length, sum;
} Trailer;
static const char mark[16] = "chorale trailer";

/* Checksum of the first `length` bytes of a file, the same for any number of ranks: blocks' CRCs are mixed with their
 * place and added. Collective on the world; *ok is false where a rank cannot read. */
static PetscErrorCode Checksum(Checkpoint checkpoint, const char *path, uint64_t length, uint64_t *sum, PetscBool *ok) {
  const int file = open(path, O_RDONLY);
  unsigned char *bytes;
  int good = file >= 0;

  PetscFunctionBeginUser;
  *sum = 0;
  PetscCall(PetscMalloc1(BLOCK, &bytes));
  for (uint64_t b = (uint64_t)checkpoint->rank; good && b * BLOCK < length; b += (uint64_t)checkpoint->size) {
    const size_t want = (size_t)PetscMin((uint64_t)BLOCK, length - b * BLOCK);
    size_t have = 0;
    while (good && have < want) {
      const ssize_t got = pread(file, bytes + have, want - have, (off_t)(b * BLOCK + have));
      if (got > 0)
        have += (size_t)got;
      else
        good = 0;
    }
    if (good) {
      uint64_t z = (b << 32) + (uint64_t)crc32(0, bytes, (uInt)want) + 0x9e3779b97f4a7c15;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9; /* the finisher of SplitMix64 */
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      *sum += z ^ (z >> 31);
    }
  }
  PetscCall(PetscFree(bytes));
  if (file >= 0) (void)close(file);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, sum, 1, MPI_UINT64_T, MPI_SUM, checkpoint->layout.world));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &good, 1, MPI_INT, MPI_LAND, checkpoint->layout.world));
  *ok = good ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* 0 or errno. */
static int AppendTrailer(const char *path, const Trailer *trailer) {
  const int file = open(path, O_WRONLY | O_APPEND);
  int code = 0;

  if (file < 0) return errno;
  errno = 0;
  if (write(file, trailer, sizeof(*trailer)) != (ssize_t)sizeof(*trailer)) code = errno ? errno : ENOSPC;
  if (!code && fsync(file)) code = errno;
  if (close(file) && !code) code = errno;
  return code;
}

PetscErrorCode CheckpointSeal(Checkpoint checkpoint) {
  Trailer trailer;
  struct stat status = {0};
  PetscBool ok;
  int code = 0;

  PetscFunctionBeginUser;
  if (!checkpoint->rank && stat(checkpoint->temporary, &status)) code = errno;
  PetscCall(OutputFail(checkpoint->layout.world, code, checkpoint->temporary, "cannot be read back"));
  memcpy(trailer.mark, mark, sizeof(mark));
  trailer.length = (uint64_t)status.st_size;
  PetscCallMPI(MPI_Bcast(&trailer.length, 1, MPI_UINT64_T, 0, checkpoint->layout.world));
  PetscCall(Checksum(checkpoint, checkpoint->temporary, trailer.length, &trailer.sum, &ok));
  PetscCheck(ok, checkpoint->layout.world, PETSC_ERR_FILE_WRITE, "%s: cannot be read back", checkpoint->temporary);
  if (!checkpoint->rank) {
    code = AppendTrailer(checkpoint->temporary, &trailer);
    if (!code && checkpoint->trusted && rename(checkpoint->file, checkpoint->previous) && errno != ENOENT) code = errno;
    if (!code && rename(checkpoint->temporary, checkpoint->file)) code = errno;
    if (!code) code = OutputSync(checkpoint->output->trajectories, O_RDONLY);
  }
  PetscCall(OutputFail(checkpoint->layout.world, code, checkpoint->file, "cannot be put in place"));
  checkpoint->trusted = PETSC_TRUE;
  if (checkpoint->source[0])
    PetscCall(PetscStrcpy(checkpoint->source, checkpoint->file)); /* it holds what waits for its turn */
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointVerify(Checkpoint checkpoint, const char *path, PetscBool *exists, char *reason, size_t room) {
  Trailer trailer = {.length = 0};
  struct {
    int exists;
    char reason[PATH];
  } found = {1, ""};
  uint64_t sum;
  PetscBool ok;

  PetscFunctionBeginUser;
  if (!checkpoint->rank) {
    struct stat status;
    const int file = open(path, O_RDONLY | O_NONBLOCK); /* a pipe is as wrong as any other file */
    found.exists = file >= 0 || errno != ENOENT;
    if (file < 0 && found.exists)
      (void)snprintf(found.reason, PATH, "%s", strerror(errno));
    else if (file >= 0) {
      if (fstat(file, &status) || status.st_size < (off_t)sizeof(trailer) ||
          pread(file, &trailer, sizeof(trailer), status.st_size - (off_t)sizeof(trailer)) != sizeof(trailer) ||
          memcmp(trailer.mark, mark, sizeof(mark)) || trailer.length != (uint64_t)status.st_size - sizeof(trailer))
        (void)snprintf(found.reason, PATH, "is truncated or not a checkpoint");
    }
    if (file >= 0) (void)close(file);
  }
  PetscCallMPI(MPI_Bcast(&found, sizeof(found), MPI_BYTE, 0, checkpoint->layout.world));
  PetscCallMPI(MPI_Bcast(&trailer, sizeof(trailer), MPI_BYTE, 0, checkpoint->layout.world));
  if (found.exists && !found.reason[0]) {
    PetscCall(Checksum(checkpoint, path, trailer.length, &sum, &ok));
    if (!ok || sum != trailer.sum) (void)snprintf(found.reason, PATH, "is damaged: its checksum is wrong");
  }
  *exists = found.exists ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(PetscStrncpy(reason, found.reason, room));
  PetscFunctionReturn(0);
}
