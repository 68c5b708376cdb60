/* Why a write failed. Neither MPI-IO nor HDF5 hand the system's reason on, so a small write at the same place asks for
 * it again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/hdf_impl.h"

/* Writes where the file ends, or is to end, in a new file beside it: 0 or errno. */
static int TryWrite(const char *path, off_t end) {
  char name[PETSC_MAX_PATH_LEN + 8], block[4096];
  int fd, code = 0;

  memset(block, 1, sizeof(block)); /* zeros may take no room */
  (void)snprintf(name, sizeof(name), "%s.XXXXXX", path);
  if ((fd = mkstemp(name)) < 0) return errno;
  errno = 0;
  if (pwrite(fd, block, sizeof(block), end) != (ssize_t)sizeof(block) || fsync(fd)) code = errno ? errno : ENOSPC;
  (void)close(fd);
  (void)unlink(name);
  return code;
}

void HdfFindEnd(Hdf hdf) {
  struct stat status;

  if (H5Fget_eoa(hdf->file, &hdf->end) < 0 && !stat(hdf->path, &status)) hdf->end = (haddr_t)status.st_size;
}

const char *HdfReason(Hdf hdf) {
  static char reason[128];
  PetscMPIInt rank = 1;
  int code;

  reason[0] = '\0';
  if (MPI_Comm_rank(hdf->comm, &rank) || (rank && !hdf->alone)) return reason; /* one rank speaks */
  if (hdf->file >= 0) HdfFindEnd(hdf);
  if ((code = TryWrite(hdf->path, (off_t)hdf->end)))
    (void)snprintf(reason, sizeof(reason), ": %s%s", strerror(code), code == EFBIG ? " (a limit, see ulimit -f)" : "");
  return reason;
}
