/* Private to the files of this folder whose names begin with hdf. */
#ifndef CHORALE_IO_HDF_IMPL_H
#define CHORALE_IO_HDF_IMPL_H

#include <hdf5.h>

#include "io/hdf.h"

struct _p_Hdf {
  MPI_Comm comm;
  hid_t file;
  char path[PETSC_MAX_PATH_LEN];
  char key[64]; /* deck key that named the file, for messages; may be empty */
  haddr_t end;  /* where the file ends, as far as HdfFindEnd was asked; else 0 */
};

/* A write that HDF5 refuses is a run-time failure; metadata calls are collective and fail on all ranks alike. */
#define HdfCheck(hdf, call, what)                                                                                      \
  PetscCheck((call) >= 0, (hdf)->comm, PETSC_ERR_FILE_WRITE, "%s: cannot write %s%s", (hdf)->path, (what),             \
             HdfReason(hdf))

/* hdf->end <- where an open file ends, or what is on the disk where HDF5 does not tell. Not collective. */
PETSC_INTERN void HdfFindEnd(Hdf hdf);
/* ok on this rank becomes ok on every rank of comm, so that all of them fail or none. Collective. */
PETSC_INTERN PetscErrorCode HdfAgree(MPI_Comm comm, PetscBool *ok);

/* ": No space left on device" and the like after a write that failed; empty where the system gives no reason, and on
 * ranks that do not speak. Valid until the next call. Not collective. */
PETSC_INTERN const char *HdfReason(Hdf hdf);

#endif
