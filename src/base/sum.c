#include <chorale/sum.h>

#include "base/plan.h"
#include "base/ride.h"
#include "base/traffic.h"

PetscReal SumScale(PetscReal bound) {
  int exponent;
  PetscReal mantissa = frexp(bound, &exponent); /* bound = mantissa 2^exponent, mantissa in [1/2,1) */

  if (mantissa == 0.5) exponent--;
  return ldexp(1.0, PetscMin(61 - exponent, 1023));
}

/* Where the other ranks are planned: theirs are as large as those here, as far as there is room. */
static PetscErrorCode Pretend(MPI_Comm comm, PetscInt n, PetscInt64 values[]) {
  const PetscReal most = 0x1p61;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCall(PlanSize(comm, &size));
  for (PetscInt i = 0; i < n; i++) values[i] = llrint(PetscClipInterval(size * (PetscReal)values[i], -most, most));
  PetscFunctionReturn(0);
}

PetscErrorCode SumAllreduce(MPI_Comm comm, PetscInt n, PetscInt64 values[]) {
  PetscMPIInt count;
  PetscBool part, taken;

  PetscFunctionBeginUser;
  TrafficSum(n);
  PetscCall(PetscMPIIntCast(n, &count));
  PetscCall(RideAlong(comm, count, values, &taken));
  if (!taken) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, values, count, MPIU_INT64, MPI_SUM, comm));
  PetscCall(PlanIsPart(comm, &part));
  if (part) PetscCall(Pretend(comm, n, values));
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
