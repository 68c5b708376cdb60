#include "base/traffic.h"

static Traffic traffic;

static void Add(PetscReal waits, PetscInt64 n) {
  traffic.calls++;
  traffic.waits += waits;
  traffic.bytes += waits * 8 * (PetscReal)n;
}

void TrafficSum(PetscInt64 n) {
  Add(2, n);
}

void TrafficWay(PetscInt64 n) {
  Add(1, n);
}

void TrafficGather(PetscInt64 n) {
  Add(1, n);
  traffic.bytes += 8 * (PetscReal)n; /* on their way on */
}

void TrafficExchange(PetscMPIInt ranks, PetscInt64 n) {
  Add(1, n);
  traffic.bytes += 8 * (PetscReal)n; /* those that leave */
  if (ranks > 2) traffic.waits += (ranks - 1) / PetscCeilReal(PetscLog2Real(ranks)) - 1;
}

void TrafficMessages(PetscInt64 n) {
  traffic.waits++;
  traffic.bytes += 8 * (PetscReal)n;
}

void TrafficRide(void) {
  traffic.rides++;
}

Traffic TrafficGet(void) {
  return traffic;
}
