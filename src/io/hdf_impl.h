/* Private to the files of this folder whose names begin with hdf. */
#ifndef CHORALE_IO_HDF_IMPL_H
#define CHORALE_IO_HDF_IMPL_H

#include <hdf5.h>

#include "io/hdf.h"

struct _p_Hdf {
  MPI_Comm comm;
  hid_t file;
  char path[PETSC_MAX_PATH_LEN];
  char key[64];             /* deck key that named the file, for messages; may be empty */
  haddr_t end;              /* where the file ends, as far as HdfFindEnd was asked; else 0 */
  int axes;                 /* of a sweep, 0 for none */
  char axis[HDF_AXES][128]; /* paths of their scales; empty for what is no scale */
  hsize_t cells[HDF_AXES], cell[HDF_AXES];
  PetscBool inside; /* a cell is chosen */
  PetscBool alone;  /* this rank has left a call that failed, and others have not: the run is to end */
};

/* A write that HDF5 refuses is a run-time failure; metadata calls are collective and fail on all ranks alike. */
#define HdfCheck(hdf, call, what)                                                                                      \
  PetscCheck((call) >= 0, (hdf)->comm, PETSC_ERR_FILE_WRITE, "%s: cannot write %s%s", (hdf)->path, (what),             \
             HdfReason(hdf))

/* hdf->end <- where an open file ends, or what is on the disk where HDF5 does not tell. Not collective. */
PETSC_INTERN void HdfFindEnd(Hdf hdf);
/* ok on this rank becomes ok on every rank of comm, so that all of them fail or none. Collective. */
PETSC_INTERN PetscErrorCode HdfAgree(MPI_Comm comm, PetscBool *ok);
/* The same after a collective call that writes. HDF5 may let a rank whose write failed go while others wait for it
 * inside: so that rank waits for them a while only, and then is alone with its failure, which ends all ranks. */
PETSC_INTERN PetscErrorCode HdfAgreeWritten(Hdf hdf, PetscBool *ok);

/* ": No space left on device" and the like after a write that failed; empty where the system gives no reason, and on
 * ranks that do not speak. Valid until the next call. Not collective. */
PETSC_INTERN const char *HdfReason(Hdf hdf);

/* ---- hdf_semaphore.c ---- */

/* Does nothing. Called so that a program linked with the static library has the functions of that file. */
PETSC_INTERN void HdfLinkSemaphores(void);

/* ---- hdf_source.c, for hdf_read.c ---- */

/* Has the dataset parts or filters that are not there? Then the reason says what it is or has. Not collective. */
PETSC_INTERN PetscBool HdfLacks(Hdf hdf, hid_t dataset, char *reason, size_t room);
/* Says once that a dataset of MATLAB arrives transposed. Not collective: rank 0 of all ranks speaks. */
PETSC_INTERN PetscErrorCode HdfWarnMatlab(Hdf hdf, hid_t dataset, const char *path);

/* ---- hdf_write.c, for hdf_cells.c ---- */

/* A fixed-length string type with room for so many characters. */
PETSC_INTERN hid_t HdfStringType(size_t length);
/* A whole dataset whose values rank 0 holds. */
PETSC_INTERN PetscErrorCode HdfWriteWhole(Hdf hdf, const char *path, hid_t type, hid_t space, hsize_t chunk,
                                          const void *values);
/* Attaches the scales of the axes to an open dataset. */
PETSC_INTERN PetscErrorCode HdfAttach(Hdf hdf, const char *path, hid_t dataset);

#endif
