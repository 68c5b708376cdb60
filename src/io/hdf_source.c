/* What other programs write and this one cannot read: filters that are not installed, and parts of a dataset that are
 * in other files. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/hdf_impl.h"

/* A filter that the dataset was written with and this HDF5 has not. */
static PetscBool LacksFilter(hid_t create, char *reason, size_t room) {
  const int n = H5Pget_nfilters(create);

  for (int i = 0; i < n; i++) {
    char name[64] = "";
    unsigned flags;
    size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(create, (unsigned)i, &flags, &values, NULL, sizeof(name), name, NULL);
    if (filter < 0 || H5Zfilter_avail(filter) > 0) continue;
    (void)snprintf(reason, room, "is compressed with %s (filter %d), which this HDF5 does not have; write it with gzip",
                   name[0] ? name : "a filter", (int)filter);
    return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

/* A file that holds a part, by a name that is relative to the folder of the file that names it, or else to the current
 * one. */
static PetscBool IsMissing(Hdf hdf, const char *name) {
  const char *slash = strrchr(hdf->path, '/');
  char path[2 * PETSC_MAX_PATH_LEN];

  if (!strcmp(name, ".")) return PETSC_FALSE; /* a source in the same file */
  (void)snprintf(path, sizeof(path), "%.*s%s", slash && name[0] != '/' ? (int)(slash - hdf->path) + 1 : 0, hdf->path,
                 name);
  return access(path, R_OK) && access(name, R_OK) ? PETSC_TRUE : PETSC_FALSE;
}

static PetscBool LacksFile(Hdf hdf, hid_t create, char *reason, size_t room) {
  char name[PETSC_MAX_PATH_LEN] = "";
  size_t sources = 0;
  const int files = H5Pget_external_count(create);

  for (int i = 0; i < files; i++)
    if (H5Pget_external(create, (unsigned)i, sizeof(name), name, NULL, NULL) >= 0 && IsMissing(hdf, name)) {
      (void)snprintf(reason, room, "has its numbers in the file %.200s, which cannot be read", name);
      return PETSC_TRUE;
    }
  if (H5Pget_layout(create) != H5D_VIRTUAL) return PETSC_FALSE;
  (void)snprintf(reason, room, "is virtual, which HDF5 does not read with MPI; write it as one dataset");
  if (H5Pget_virtual_count(create, &sources) < 0) return PETSC_TRUE;
  for (size_t i = 0; i < sources; i++)
    if (H5Pget_virtual_filename(create, i, name, sizeof(name)) >= 0 && IsMissing(hdf, name)) {
      (void)snprintf(reason, room, "is virtual, and its source %.200s cannot be read", name);
      return PETSC_TRUE;
    }
  return PETSC_TRUE;
}

PetscBool HdfLacks(Hdf hdf, hid_t dataset, char *reason, size_t room) {
  const hid_t create = H5Dget_create_plist(dataset);
  PetscBool lacks;

  if (create < 0) return PETSC_FALSE;
  lacks = LacksFilter(create, reason, room) || LacksFile(hdf, create, reason, room) ? PETSC_TRUE : PETSC_FALSE;
  H5Pclose(create);
  return lacks;
}

/* Once in a program, by rank 0 of all: every cell of a sweep and every group reads what there is. */
static PetscErrorCode Speaks(PetscBool *speaks) {
  static PetscBool spoken = PETSC_FALSE;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  *speaks = !rank && !spoken ? PETSC_TRUE : PETSC_FALSE;
  spoken = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode HdfWarnMatlab(Hdf hdf, hid_t dataset, const char *path) {
  PetscBool speaks;

  PetscFunctionBeginUser;
  if (H5Aexists(dataset, "MATLAB_class") <= 0) PetscFunctionReturn(0);
  PetscCall(Speaks(&speaks));
  if (speaks)
    fprintf(stderr, "chorale: warning: %s: '%s' is of MATLAB, whose matrices arrive transposed\n", hdf->path, path);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfWarnWide(Hdf hdf, PetscInt64 rows, PetscInt64 columns) {
  PetscBool speaks;

  PetscFunctionBeginUser;
  PetscCall(Speaks(&speaks));
  if (speaks)
    fprintf(stderr,
            "chorale: warning: %s = %s: %" PetscInt64_FMT " tokens in R^%" PetscInt64_FMT
            "; a matrix of MATLAB or Fortran arrives transposed: give tokens_dim if this is right\n",
            hdf->key, hdf->path, rows, columns);
  PetscFunctionReturn(0);
}
