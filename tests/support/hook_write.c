/* A collective call of HDF5 that fails on one rank, which leaves it while the others wait inside for ever: hook_write
 * CALL RANK FILE, CALL one of create, write, flush, close, none. */
#include <chorale/error.h>

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>

#include "io/hdf.h"

static const char *failing;
static int failing_rank;

/* Does this call fail on this rank? */
static int Fails(const char *call) {
  PetscMPIInt rank;
  return !MPI_Comm_rank(PETSC_COMM_WORLD, &rank) && rank == failing_rank && !strcmp(call, failing);
}

/* The linker puts these in front of the functions of HDF5 (--wrap). */
hid_t __real_H5Fcreate(const char *path, unsigned flags, hid_t create, hid_t access);
hid_t __wrap_H5Fcreate(const char *path, unsigned flags, hid_t create, hid_t access);
hid_t __wrap_H5Fcreate(const char *path, unsigned flags, hid_t create, hid_t access) {
  return Fails("create") ? -1 : __real_H5Fcreate(path, flags, create, access);
}

herr_t __real_H5Dwrite(hid_t dataset, hid_t type, hid_t memory, hid_t space, hid_t transfer, const void *values);
herr_t __wrap_H5Dwrite(hid_t dataset, hid_t type, hid_t memory, hid_t space, hid_t transfer, const void *values);
herr_t __wrap_H5Dwrite(hid_t dataset, hid_t type, hid_t memory, hid_t space, hid_t transfer, const void *values) {
  return Fails("write") ? -1 : __real_H5Dwrite(dataset, type, memory, space, transfer, values);
}

herr_t __real_H5Fflush(hid_t file, H5F_scope_t scope);
herr_t __wrap_H5Fflush(hid_t file, H5F_scope_t scope);
herr_t __wrap_H5Fflush(hid_t file, H5F_scope_t scope) {
  return Fails("flush") ? -1 : __real_H5Fflush(file, scope);
}

herr_t __real_H5Fclose(hid_t file);
herr_t __wrap_H5Fclose(hid_t file);
herr_t __wrap_H5Fclose(hid_t file) {
  return Fails("close") ? -1 : __real_H5Fclose(file);
}

static PetscErrorCode Write(const char *path) {
  const PetscInt64 shape[1] = {1000};
  double values[1000] = {0};
  Hdf hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(PETSC_COMM_WORLD, path, "w", NULL, &hdf));
  PetscCall(HdfWriteReals(hdf, "/values", 1, shape, values));
  PetscCall(HdfFlush(hdf));
  PetscCall(HdfClose(&hdf));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  PetscErrorCode code;

  if (argc < 4 || PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  failing = argv[1];
  failing_rank = atoi(argv[2]);
  code = Write(argv[3]);
  if (ErrorMeet(code) || PetscFinalize()) return 1;
  return ErrorExitCode(code);
}
