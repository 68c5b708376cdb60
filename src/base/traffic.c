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

void TrafficRide(void) {
  traffic.rides++;
  traffic.bytes += 2 * 8;
}

Traffic TrafficGet(void) {
  return traffic;
}
