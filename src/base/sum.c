#include <chorale/sum.h>

#include "base/ride.h"
#include "base/traffic.h"

PetscReal SumScale(PetscReal bound) {
  int exponent;
  PetscReal mantissa = frexp(bound, &exponent); /* bound = mantissa 2^exponent, mantissa in [1/2,1) */

  if (mantissa == 0.5) exponent--;
  return ldexp(1.0, PetscMin(61 - exponent, 1023));
}

PetscErrorCode SumAllreduce(MPI_Comm comm, PetscInt n, PetscInt64 values[]) {
  PetscMPIInt count;
  PetscBool taken;

  PetscFunctionBeginUser;
  TrafficSum(n);
  PetscCall(PetscMPIIntCast(n, &count));
  PetscCall(RideAlong(comm, count, values, &taken));
  if (!taken) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, values, count, MPIU_INT64, MPI_SUM, comm));
  PetscFunctionReturn(0);
}

PetscErrorCode SumExscan(MPI_Comm comm, PetscInt n, PetscInt64 values[]) {
  PetscMPIInt count, rank;

  PetscFunctionBeginUser;
  TrafficWay(n);
  PetscCall(PetscMPIIntCast(n, &count));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Exscan(MPI_IN_PLACE, values, count, MPIU_INT64, MPI_SUM, comm));
  if (!rank) PetscCall(PetscArrayzero(values, n)); /* MPI leaves it alone there */
  PetscFunctionReturn(0);
}
