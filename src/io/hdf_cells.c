/* Files of sweeps: datasets with the axes of the cells in front, written cell by cell. */
#include "io/hdf_impl.h"

#include <hdf5_hl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANK 8

PetscErrorCode HdfWriteStrings(Hdf hdf, const char *path, int rank, const PetscInt64 shape[],
                               const char *const values[]) {
  hsize_t size[RANK], count = 1;
  size_t length = 1;
  char *text;
  hid_t type, space;

  PetscFunctionBeginUser;
  for (int i = 0; i < rank; i++) count *= size[i] = (hsize_t)shape[i];
  for (hsize_t i = 0; i < count; i++) length = PetscMax(length, strlen(values[i]));
  PetscCall(PetscCalloc1(count * (length + 1), &text));
  for (hsize_t i = 0; i < count; i++) memcpy(text + i * (length + 1), values[i], strlen(values[i]));
  type = HdfStringType(length);
  space = H5Screate_simple(rank, size, NULL);
  PetscCall(HdfWriteWhole(hdf, path, type, space, 0, text));
  H5Sclose(space);
  H5Tclose(type);
  PetscCall(PetscFree(text));
  PetscFunctionReturn(0);
}

static PetscErrorCode MakeScale(Hdf hdf, const char *path, const char *name) {
  hid_t scale;

  PetscFunctionBeginUser;
  scale = H5Dopen2(hdf->file, path, H5P_DEFAULT);
  HdfCheck(hdf, scale, path);
  HdfCheck(hdf, H5DSset_scale(scale, name), path);
  H5Dclose(scale);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAddAxis(Hdf hdf, const char *name, PetscBool numeric, PetscInt n, const char *const values[]) {
  const PetscInt64 shape[1] = {n};
  char path[sizeof(hdf->axis[0])];
  double *numbers;

  PetscFunctionBeginUser;
  PetscCheck(hdf->axes < HDF_AXES, hdf->comm, PETSC_ERR_PLIB, "too many axes");
  PetscCall(PetscSNPrintf(path, sizeof(path), "/sweep/%s", name));
  if (numeric) {
    PetscCall(PetscMalloc1(n, &numbers));
    for (PetscInt i = 0; i < n; i++) numbers[i] = strtod(values[i], NULL);
    PetscCall(HdfWriteReals(hdf, path, 1, shape, numbers));
    PetscCall(PetscFree(numbers));
    PetscCall(MakeScale(hdf, path, name));
    PetscCall(PetscStrncpy(hdf->axis[hdf->axes], path, sizeof(path)));
  } else
    PetscCall(HdfWriteStrings(hdf, path, 1, shape, values));
  hdf->cells[hdf->axes++] = (hsize_t)n;
  PetscFunctionReturn(0);
}

PetscErrorCode HdfSetCell(Hdf hdf, const PetscInt index[]) {
  PetscFunctionBeginUser;
  hdf->inside = hdf->axes && index ? PETSC_TRUE : PETSC_FALSE;
  for (int i = 0; i < hdf->axes && index; i++) hdf->cell[i] = (hsize_t)index[i];
  PetscFunctionReturn(0);
}

static PetscErrorCode Attach(Hdf hdf, const char *path, hid_t dataset) {
  hid_t scale;

  PetscFunctionBeginUser;
  for (int i = 0; i < hdf->axes; i++) {
    if (!hdf->axis[i][0]) continue;
    scale = H5Dopen2(hdf->file, hdf->axis[i], H5P_DEFAULT);
    HdfCheck(hdf, scale, path);
    HdfCheck(hdf, H5DSattach_scale(dataset, scale, (unsigned)i), path);
    H5Dclose(scale);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAttachAxes(Hdf hdf, const char *path) {
  const hid_t dataset = H5Dopen2(hdf->file, path, H5P_DEFAULT);

  PetscFunctionBeginUser;
  HdfCheck(hdf, dataset, path);
  PetscCall(Attach(hdf, path, dataset));
  H5Dclose(dataset);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfWriteCell(Hdf hdf, const char *path, hid_t type, int rank, const hsize_t size[],
                            const hsize_t start[], const hsize_t step[], const hsize_t count[], PetscInt64 n,
                            const void *values) {
  static const double nothing = NAN;
  const int axes = hdf->axes;
  hsize_t whole[RANK], from[RANK], by[RANK], part[RANK];
  PetscMPIInt mpi_rank;
  PetscBool exists;
  hid_t create, space, dataset;

  PetscFunctionBeginUser;
  PetscCheck(axes + rank <= RANK, hdf->comm, PETSC_ERR_PLIB, "%s: too many dimensions", path);
  for (int i = 0; i < axes; i++) whole[i] = hdf->cells[i], from[i] = hdf->cell[i], by[i] = part[i] = 1;
  for (int i = 0; i < rank; i++) {
    whole[axes + i] = size[i];
    from[axes + i] = start ? start[i] : 0;
    by[axes + i] = step ? step[i] : 1;
    part[axes + i] = count[i];
  }
  PetscCallMPI(MPI_Comm_rank(hdf->comm, &mpi_rank));
  if (!start && mpi_rank) n = 0; /* whole arrays are rank 0's */
  PetscCall(HdfExists(hdf, path, &exists));
  create = H5Pcreate(H5P_DATASET_CREATE);
  if (H5Tequal(type, H5T_NATIVE_DOUBLE) > 0) H5Pset_fill_value(create, type, &nothing); /* of cells that have none */
  space = H5Screate_simple(axes + rank, whole, NULL);
  PetscCall(HdfCreateDataset(hdf, path, type, space, create, &dataset));
  if (!exists) PetscCall(Attach(hdf, path, dataset));
  PetscCall(HdfWritePart(hdf, path, dataset, type, from, by, part, n, values));
  H5Dclose(dataset);
  H5Sclose(space);
  H5Pclose(create);
  PetscFunctionReturn(0);
}
