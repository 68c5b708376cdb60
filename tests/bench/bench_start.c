/* Starts and ends: bench_start mpi, petsc or hdf5 (the latter has PETSC, too). The processor time of the process is
 * what tools/bench looks at; libraries are loaded in all cases alike. */
#include <hdf5.h>
#include <petscsys.h>
#include <string.h>

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";

  if (!strcmp(what, "mpi")) return MPI_Init(&argc, &argv) || MPI_Finalize();
  if (PetscInitialize(&argc, &argv, NULL, NULL)) return 1;
  if (!strcmp(what, "hdf5") && (H5open() < 0 || H5close() < 0)) return 1;
  return PetscFinalize() != 0;
}
