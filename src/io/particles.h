/* Recorded positions: the groups /particles/NAME of an H5MD file, or of a results file, whose are links to one of each
 * realization. A group has position/{value[T][N][d], step[T], time[T]}. */
#ifndef CHORALE_IO_PARTICLES_H
#define CHORALE_IO_PARTICLES_H

#include "io/hdf.h"

/* GROUP/position of a file. */
typedef struct {
  char file[PETSC_MAX_PATH_LEN], group[PETSC_MAX_PATH_LEN];
  PetscInt frames; /* complete ones; left to the caller */
} Particles;

/* The groups of the open file at this path, which the deck's key named, in the order of their names; *linked: they are
 * in other files. The caller frees them with PetscFree. User input error where there are none. Collective. */
PetscErrorCode ParticlesList(MPI_Comm comm, Hdf hdf, const char *key, const char *path, PetscInt *n, Particles **groups,
                             PetscBool *linked);
/* Complete frames, N and d of a group of the open file that it is in. User input error where it is none of positions.
 * Collective. */
PetscErrorCode ParticlesGetShape(MPI_Comm comm, Hdf hdf, const Particles *group, const char *key, PetscInt64 shape[3]);
/* Path of a member of the group. */
PetscErrorCode ParticlesPath(const Particles *group, const char *name, char path[PETSC_MAX_PATH_LEN]);

#endif
