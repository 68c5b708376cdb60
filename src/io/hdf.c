#include "io/hdf_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 10.0 /* seconds; the run ends with the same failure however soon others come */

PetscErrorCode HdfAgree(MPI_Comm comm, PetscBool *ok) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, ok, 1, MPIU_BOOL, MPI_LAND, comm));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAgreeWritten(Hdf hdf, PetscBool *ok) {
  static PetscBool mine, all; /* may be in use until the end */
  const struct timespec nap = {.tv_nsec = 1000000};
  const double start = MPI_Wtime();
  MPI_Request request;
  int met = 0;

  PetscFunctionBeginUser;
  mine = *ok;
  PetscCallMPI(MPI_Iallreduce(&mine, &all, 1, MPIU_BOOL, MPI_LAND, hdf->comm, &request));
  if (*ok) PetscCallMPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
  while (!*ok && !met && !hdf->alone) {
    PetscCallMPI(MPI_Test(&request, &met, MPI_STATUS_IGNORE));
    if (!met && MPI_Wtime() - start > PATIENCE) hdf->alone = PETSC_TRUE;
    if (!met) (void)nanosleep(&nap, NULL);
  }
  if (!hdf->alone) *ok = all;
  PetscFunctionReturn(0);
}

/* Access properties: MPI-IO on comm, and a close that closes what is still open in the file. What describes data is
 * read by one rank and sent to the others, and written by all together. */
static hid_t AccessProperties(MPI_Comm comm) {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (access < 0) return access;
  if (H5Pset_fapl_mpio(access, comm, MPI_INFO_NULL) < 0 || H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 ||
      H5Pset_all_coll_metadata_ops(access, 1) < 0 || H5Pset_coll_metadata_write(access, 1) < 0) {
    H5Pclose(access);
    return -1;
  }
  return access;
}

/* Rank 0 alone looks at the file before all ranks open it: a collective open of a missing or truncated file may print
 * or hang. The reason is empty when nothing is wrong. */
static void InspectFile(const char *path, char *reason, size_t room) {
  struct stat status;

  reason[0] = '\0';
  if (stat(path, &status))
    snprintf(reason, room, "%s", errno == ENOENT ? "no such file" : strerror(errno));
  else if (!S_ISREG(status.st_mode))
    snprintf(reason, room, "not a regular file");
  else if (access(path, R_OK))
    snprintf(reason, room, "%s", strerror(errno));
  else if (H5Fis_hdf5(path) <= 0)
    snprintf(reason, room, "not an HDF5 file");
  else {
    const hid_t properties = AccessProperties(MPI_COMM_SELF);
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, properties);
    if (file < 0)
      snprintf(reason, room, "a truncated or damaged HDF5 file");
    else
      H5Fclose(file);
    H5Pclose(properties);
  }
}

/* Like InspectFile, for a file to be created or truncated. */
static void InspectNewFile(const char *path, char *reason, size_t room) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

  reason[0] = '\0';
  if (fd < 0)
    snprintf(reason, room, "%s", strerror(errno));
  else
    close(fd);
}

/* See PinEnvironment. */
PetscErrorCode HdfCheckName(MPI_Comm comm, const char *key, const char *path, size_t more) {
  enum { MOST = 224 };
  PetscMPIInt all, here;
  MPI_Comm node;

  PetscFunctionBeginUser;
  if (strlen(path) + more <= MOST) PetscFunctionReturn(0);
  PetscCallMPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node));
  PetscCallMPI(MPI_Comm_size(node, &here));
  PetscCallMPI(MPI_Comm_size(comm, &all));
  PetscCallMPI(MPI_Comm_free(&node));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &here, 1, MPI_INT, MPI_MIN, comm));
  PetscCheck(here == all, comm, PETSC_ERR_USER_INPUT,
             "%s%s%.40s...: the path has %d characters; MPI takes %d on several nodes", key, *key ? " = " : "", path,
             (int)strlen(path), MOST - (int)more);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfOpen(MPI_Comm comm, const char *path, const char *mode, const char *key, Hdf *handle) {
  char reason[256] = "";
  const PetscBool create = mode[0] == 'w' ? PETSC_TRUE : PETSC_FALSE;
  PetscMPIInt rank;
  PetscBool ok;
  hid_t access;
  Hdf hdf;

  PetscFunctionBeginUser;
  *handle = NULL;
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCall(HdfCheckName(comm, key ? key : "", path, 0));
  HdfLinkSemaphores();
  if (!rank) (create ? InspectNewFile : InspectFile)(path, reason, sizeof(reason));
  PetscCallMPI(MPI_Bcast(reason, sizeof(reason), MPI_CHAR, 0, comm));
  if (reason[0]) {
    if (create) SETERRQ(comm, PETSC_ERR_FILE_OPEN, "%s: cannot create: %s", path, reason);
    SETERRQ(comm, key ? PETSC_ERR_USER_INPUT : PETSC_ERR_FILE_READ, "%s%s%s: %s", key ? key : "", key ? " = " : "",
            path, reason);
  }
  PetscCall(PetscNew(&hdf));
  PetscCallMPI(MPI_Comm_dup(comm, &hdf->comm));
  PetscCall(PetscStrncpy(hdf->path, path, sizeof(hdf->path)));
  PetscCall(PetscStrncpy(hdf->key, key ? key : "", sizeof(hdf->key)));
  access = AccessProperties(hdf->comm);
  if (create)
    hdf->file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  else
    hdf->file = H5Fopen(path, mode[1] == '+' ? H5F_ACC_RDWR : H5F_ACC_RDONLY, access);
  H5Pclose(access);
  ok = hdf->file >= 0 ? PETSC_TRUE : PETSC_FALSE;
  *handle = hdf;
  PetscCall(create ? HdfAgreeWritten(hdf, &ok) : HdfAgree(hdf->comm, &ok));
  if (!ok) {
    PetscCall(HdfClose(handle));
    SETERRQ(comm, PETSC_ERR_FILE_OPEN, "%s: cannot open on all ranks", path);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode HdfClose(Hdf *handle) {
  char path[PETSC_MAX_PATH_LEN];
  const char *reason = "";
  PetscBool ok = PETSC_TRUE;
  Hdf hdf = *handle;

  PetscFunctionBeginUser;
  if (!hdf) PetscFunctionReturn(0);
  *handle = NULL;
  if (hdf->file >= 0) {
    HdfFindEnd(hdf); /* one that could not be closed cannot be asked */
    if (H5Fclose(hdf->file) < 0) ok = PETSC_FALSE;
    hdf->file = H5I_INVALID_HID;
  }
  if (!hdf->alone) PetscCall(HdfAgreeWritten(hdf, &ok));
  if (!ok) reason = HdfReason(hdf);
  if (!hdf->alone) PetscCallMPI(MPI_Comm_free(&hdf->comm));
  PetscCall(PetscStrncpy(path, hdf->path, sizeof(path)));
  PetscCall(PetscFree(hdf));
  PetscCheck(ok, PETSC_COMM_SELF, PETSC_ERR_FILE_WRITE, "%s: cannot close%s", path, reason);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfFlush(Hdf hdf) {
  PetscBool ok;

  PetscFunctionBeginUser;
  ok = H5Fflush(hdf->file, H5F_SCOPE_GLOBAL) >= 0 ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(HdfAgreeWritten(hdf, &ok));
  PetscCheck(ok, hdf->comm, PETSC_ERR_FILE_WRITE, "%s: cannot flush%s", hdf->path, HdfReason(hdf));
  PetscFunctionReturn(0);
}

/* Every link on the way must exist: HDF5 calls a missing intermediate group an error. A dangling link is as good as
 * none. */
PetscErrorCode HdfExists(Hdf hdf, const char *path, PetscBool *exists) {
  const size_t room = strlen(path) + 1;
  const char *slash;
  char *prefix;

  PetscFunctionBeginUser;
  *exists = PETSC_TRUE;
  PetscCall(PetscMalloc1(room, &prefix));
  PetscCall(PetscArraycpy(prefix, path, room));
  for (slash = strchr(path + 1, '/'); *exists && slash; slash = strchr(slash + 1, '/')) {
    prefix[slash - path] = '\0';
    if (H5Lexists(hdf->file, prefix, H5P_DEFAULT) <= 0) *exists = PETSC_FALSE;
    prefix[slash - path] = '/';
  }
  if (*exists && H5Oexists_by_name(hdf->file, path, H5P_DEFAULT) <= 0) *exists = PETSC_FALSE;
  PetscCall(PetscFree(prefix));
  PetscFunctionReturn(0);
}
