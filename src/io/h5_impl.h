/* Private to h5.c and h5_write.c. */
#ifndef CHORALE_IO_H5_IMPL_H
#define CHORALE_IO_H5_IMPL_H

#include <chorale/h5.h>
#include <hdf5.h>

struct _p_H5 {
  MPI_Comm comm;
  hid_t file;
  char path[PETSC_MAX_PATH_LEN];
  char key[64]; /* deck key that named the file, for messages; may be empty */
};

/* A write that HDF5 refuses is a run-time failure; metadata calls are collective and fail on all ranks alike. */
#define H5Check(h5, call, what)                                                                                        \
  PetscCheck((call) >= 0, (h5)->comm, PETSC_ERR_FILE_WRITE, "%s: cannot write %s", (h5)->path, (what))

/* ok on this rank becomes ok on every rank of comm, so that all of them fail or none. Collective. */
PETSC_INTERN PetscErrorCode H5Agree(MPI_Comm comm, PetscBool *ok);

#endif
