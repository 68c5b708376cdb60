#include "io/particles.h"

#include <string.h>

PetscErrorCode ParticlesPath(const Particles *group, const char *name, char path[PETSC_MAX_PATH_LEN]) {
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, PETSC_MAX_PATH_LEN, "%s/%s", group->group, name));
  PetscFunctionReturn(0);
}

/* A link's file is relative to the directory of the file that has the link. */
static PetscErrorCode Follow(Hdf hdf, const char *path, const char *name, Particles *group, PetscBool *linked) {
  const char *slash = strrchr(path, '/');
  const int directory = slash ? (int)(slash - path) + 1 : 0;
  char link[PETSC_MAX_PATH_LEN], file[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(link, sizeof(link), "/particles/%s", name));
  PetscCall(HdfReadLink(hdf, link, PETSC_MAX_PATH_LEN, file, group->group));
  if (file[0]) {
    PetscCall(PetscSNPrintf(group->file, sizeof(group->file), "%.*s%s", file[0] == '/' ? 0 : directory, path, file));
    *linked = PETSC_TRUE;
  } else {
    PetscCall(PetscStrncpy(group->file, path, sizeof(group->file)));
    PetscCall(PetscStrncpy(group->group, link, sizeof(group->group)));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode ParticlesList(MPI_Comm comm, Hdf hdf, const char *key, const char *path, PetscInt *n, Particles **groups,
                             PetscBool *linked) {
  PetscBool exists;
  char **names;

  PetscFunctionBeginUser;
  *linked = PETSC_FALSE;
  PetscCall(HdfExists(hdf, "/particles", &exists));
  PetscCheck(exists, comm, PETSC_ERR_USER_INPUT,
             "%s = %s: holds no trajectory (no group /particles); simulate records them with output_trajectories", key,
             path);
  PetscCall(HdfList(hdf, "/particles", n, &names));
  PetscCheck(*n, comm, PETSC_ERR_USER_INPUT, "%s = %s: holds no trajectory (/particles is empty)", key, path);
  PetscCall(PetscCalloc1(*n, groups));
  for (PetscInt r = 0; r < *n; r++) {
    PetscCall(Follow(hdf, path, names[r], &(*groups)[r], linked));
    PetscCall(PetscFree(names[r]));
  }
  PetscCall(PetscFree(names));
  PetscFunctionReturn(0);
}

PetscErrorCode ParticlesGetShape(MPI_Comm comm, Hdf hdf, const Particles *group, const char *key, PetscInt64 shape[3]) {
  PetscInt64 value[8], steps[8], times[8];
  int rank, step_rank, time_rank, valid;
  char path[PETSC_MAX_PATH_LEN];
  PetscBool real, found;

  PetscFunctionBeginUser;
  PetscCall(ParticlesPath(group, "position/value", path));
  PetscCall(HdfGetShape(hdf, path, &rank, value));
  PetscCall(HdfIsReal(hdf, path, &real));
  PetscCheck(rank == 3 && real && value[1] >= 1 && value[2] >= 2 && value[2] <= PETSC_MAX_INT, comm,
             PETSC_ERR_USER_INPUT, "%s = %s: '%s' must hold floating-point numbers [frames][tokens][dimension >= 2]",
             key, group->file, path);
  PetscCall(ParticlesPath(group, "position/step", path));
  PetscCall(HdfGetShape(hdf, path, &step_rank, steps));
  PetscCall(ParticlesPath(group, "position/time", path));
  PetscCall(HdfGetShape(hdf, path, &time_rank, times));
  PetscCheck(step_rank == 1 && time_rank == 1, comm, PETSC_ERR_USER_INPUT,
             "%s = %s: '%s/position' must have the step and the time of every frame", key, group->file, group->group);
  shape[0] = PetscMin(value[0], PetscMin(steps[0], times[0]));
  shape[1] = value[1];
  shape[2] = value[2];
  PetscCall(ParticlesPath(group, "position", path));
  PetscCall(HdfReadAttributeInt(hdf, path, "frames_valid", &valid, &found));
  if (found) shape[0] = PetscMin(shape[0], valid);
  shape[0] = PetscMax(0, shape[0]);
  PetscFunctionReturn(0);
}
