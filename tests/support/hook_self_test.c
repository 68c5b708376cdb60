/* chorale --self-test where something is wrong: hook_self_test kernel|layer|ranks|file|none. */
#include <chorale/error.h>
#include <chorale/kernel.h>
#include <chorale/scheme.h>
#include <chorale/sum.h>

#include <string.h>

#include "io/hdf.h"
#include "study/self_test.h"

static const char *wrong;

/* The linker puts these in front of the functions of chorale (--wrap). */
PetscErrorCode __real_KernelLyapunov(Kernel kernel, PetscReal *lambda1);
PetscErrorCode __wrap_KernelLyapunov(Kernel kernel, PetscReal *lambda1);
PetscErrorCode __wrap_KernelLyapunov(Kernel kernel, PetscReal *lambda1) {
  const PetscErrorCode code = __real_KernelLyapunov(kernel, lambda1);
  if (!strcmp(wrong, "kernel")) *lambda1 *= 1 + 1e-10;
  return code;
}

PetscErrorCode __real_SchemeStep(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens);
PetscErrorCode __wrap_SchemeStep(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens);
PetscErrorCode __wrap_SchemeStep(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  return __real_SchemeStep(scheme, attention, field, strcmp(wrong, "layer") ? dt : dt * (1 + 1e-8), tokens);
}

/* The last bits of a sum over several ranks. */
PetscErrorCode __real_SumAllreduce(MPI_Comm comm, PetscInt n, PetscInt64 sums[]);
PetscErrorCode __wrap_SumAllreduce(MPI_Comm comm, PetscInt n, PetscInt64 sums[]);
PetscErrorCode __wrap_SumAllreduce(MPI_Comm comm, PetscInt n, PetscInt64 sums[]) {
  const PetscErrorCode code = __real_SumAllreduce(comm, n, sums);
  PetscMPIInt size = 1;
  if (!code && !MPI_Comm_size(comm, &size) && size > 1 && !strcmp(wrong, "ranks"))
    for (PetscInt i = 0; i < n; i++) sums[i] += 1 << 12;
  return code;
}

/* One number of one rank. */
PetscErrorCode __real_HdfReadRows(Hdf hdf, const char *path, PetscInt64 first, PetscInt64 count, double *values);
PetscErrorCode __wrap_HdfReadRows(Hdf hdf, const char *path, PetscInt64 first, PetscInt64 count, double *values);
PetscErrorCode __wrap_HdfReadRows(Hdf hdf, const char *path, PetscInt64 first, PetscInt64 count, double *values) {
  const PetscErrorCode code = __real_HdfReadRows(hdf, path, first, count, values);
  if (!first && !strcmp(wrong, "file")) values[count] = 0;
  return code;
}

int main(int argc, char **argv) {
  PetscErrorCode code;

  if (argc < 2 || PetscInitialize(NULL, NULL, NULL, NULL) || ErrorHandlerPush()) return 1;
  wrong = argv[1];
  code = SelfTest();
  if (ErrorMeet(code) || PetscFinalize()) return 1;
  return ErrorExitCode(code);
}
