#include <chorale/sum.h>

PetscReal SumScale(PetscReal bound) {
  int exponent;
  PetscReal mantissa = frexp(bound, &exponent); /* bound = mantissa 2^exponent, mantissa in [1/2,1) */

  if (mantissa == 0.5) exponent--;
  return ldexp(1.0, PetscMin(61 - exponent, 1023));
}

PetscErrorCode SumAllreduce(MPI_Comm comm, PetscInt n, PetscInt64 values[]) {
  PetscMPIInt count;

  PetscFunctionBeginUser;
  PetscCall(PetscMPIIntCast(n, &count));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, values, count, MPIU_INT64, MPI_SUM, comm));
  PetscFunctionReturn(0);
}

PetscErrorCode SumReals(MPI_Comm comm, PetscReal bound, PetscInt n, PetscReal values[]) {
  const PetscReal scale = SumScale(bound);
  PetscInt64 *rounded;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &rounded));
  for (PetscInt i = 0; i < n; i++) {
    /* Twice the bound is room for the rounding of a rank's own partial sum; anything beyond would wrap silently. */
    PetscCheck(fabs(values[i]) <= 2 * bound, PETSC_COMM_SELF, PETSC_ERR_FP,
               "partial sum %" PetscInt_FMT " is %.6g, beyond its bound %.6g", i, (double)values[i], (double)bound);
    rounded[i] = SumRound(values[i], scale);
  }
  PetscCall(SumAllreduce(comm, n, rounded));
  for (PetscInt i = 0; i < n; i++) values[i] = (PetscReal)rounded[i] / scale;
  PetscCall(PetscFree(rounded));
  PetscFunctionReturn(0);
}
