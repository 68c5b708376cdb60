/* Reader of NumPy .npy files (format 1.0 to 3.0): two-dimensional, little-endian float64 or float32, C or Fortran
 * order. */
#ifndef CHORALE_IO_NPY_H
#define CHORALE_IO_NPY_H

#include <petscsys.h>

/* Shape of the array in the file. Wrong files raise PETSC_ERR_USER_INPUT; key names the deck key for the message.
 * The first rank of comm looks at the file. Collective on comm. */
PetscErrorCode NpyGetShape(MPI_Comm comm, const char *key, const char *path, PetscInt64 shape[2]);
/* Rows first .. first+count-1 as doubles, row-major, into values[count * shape[1]]. Each rank reads its own range; when
 * one of them cannot, all fail (user input). Collective on comm. */
PetscErrorCode NpyReadRows(MPI_Comm comm, const char *key, const char *path, PetscInt64 first, PetscInt64 count,
                           double *values);

#endif
