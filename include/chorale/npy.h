/* Reader of NumPy .npy files (format 1.0 to 3.0): two-dimensional, little-endian float64 or float32, C or Fortran
 * order. */
#ifndef CHORALE_NPY_H
#define CHORALE_NPY_H

#include <petscsys.h>

/* Shape of the array in the file. Wrong files raise PETSC_ERR_USER_INPUT; key names the deck key for the message.
 * Every rank reads by itself and must call alike. */
PetscErrorCode NpyGetShape(const char *key, const char *path, PetscInt64 shape[2]);
/* Rows first .. first+count-1 as doubles, row-major, into values[count * shape[1]]. */
PetscErrorCode NpyReadRows(const char *key, const char *path, PetscInt64 first, PetscInt64 count, double *values);

#endif
