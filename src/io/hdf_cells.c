/* Files of sweeps: the axes of their cells, and texts. */
#include "io/hdf_impl.h"

#include <hdf5_hl.h>
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

PetscErrorCode HdfUseAxes(Hdf hdf, int n, const PetscInt size[]) {
  PetscFunctionBeginUser;
  PetscCheck(n <= HDF_AXES, hdf->comm, PETSC_ERR_PLIB, "too many axes");
  hdf->axes = n;
  for (int i = 0; i < n; i++) hdf->cells[i] = (hsize_t)size[i];
  PetscFunctionReturn(0);
}

PetscErrorCode HdfSetCell(Hdf hdf, const PetscInt index[]) {
  PetscFunctionBeginUser;
  hdf->inside = hdf->axes && index ? PETSC_TRUE : PETSC_FALSE;
  for (int i = 0; i < hdf->axes && index; i++) hdf->cell[i] = (hsize_t)index[i];
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAttachAxes(Hdf hdf, const char *path) {
  const hid_t dataset = H5Dopen2(hdf->file, path, H5P_DEFAULT);

  PetscFunctionBeginUser;
  HdfCheck(hdf, dataset, path);
  PetscCall(HdfAttach(hdf, path, dataset));
  H5Dclose(dataset);
  PetscFunctionReturn(0);
}
