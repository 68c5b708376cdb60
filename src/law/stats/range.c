#include "law/stats/range.h"

#include <math.h>

#include "law/stats/interval.h"

PetscErrorCode RangeEndSlope(PetscInt n, const PetscReal x[], const PetscReal y[], PetscReal *slope) {
  PetscReal *a, *right, c[3];

  PetscFunctionBeginUser;
  *slope = NAN;
  if (n < 3) PetscFunctionReturn(0);
  PetscCall(PetscMalloc2(3 * n, &a, n, &right));
  for (PetscInt i = 0; i < n; i++) {
    const PetscReal z = PetscLogReal(x[i] / x[n - 1]);
    a[3 * i] = 1;
    a[3 * i + 1] = z;
    a[3 * i + 2] = z * z;
    right[i] = PetscLogReal(y[i]);
  }
  PetscCall(FitLinear(n, 3, a, right, NULL, c, NULL));
  *slope = c[1];
  PetscCall(PetscFree2(a, right));
  PetscFunctionReturn(0);
}

RangeVerdict RangeJudge(PetscInt R, FitValue slope, FitValue end, PetscReal largest, PetscReal rate) {
  if (isnan(slope.low) || (slope.low <= rate && slope.high >= 0)) return RANGE_UNKNOWN;
  if (slope.low <= rate) return RANGE_AGREES;
  if (largest >= RANGE_SATURATED * RANGE_SPHERE || isnan(end.low)) return RANGE_SHORT;
  const PetscReal error = (end.high - end.low) / (2 * IntervalFactor(R)), bends = PetscMax(0, slope.value - end.value);
  const PetscReal beyond = end.value - bends - rate; /* were it to go on bending over as long a range */
  return beyond > 0 && (error == 0 || IntervalDeviation(R, beyond / error) > RANGE_CHANCE) ? RANGE_SLOWER : RANGE_SHORT;
}

const char *RangeWord(RangeVerdict verdict) {
  static const char *const words[] = {"not resolved", "agrees", "range too short for a rate", "slower than the rate"};

  return words[verdict];
}
