#include "law/stats/stopping.h"

#include <float.h>
#include <math.h>

#include "law/stats/interval.h"

PetscReal StoppingAsked(StoppingTarget target, PetscReal mean) {
  return target.relative ? target.error * fabs(mean) : target.error;
}

PetscReal StoppingReach(FitValue value) {
  return PetscMax(value.high - value.value, value.value - value.low);
}

/* Of the means of x and x^2. Where all are alike but one, which is left out, nothing is left: the least number then
 * stands for 0. */
static PetscErrorCode LogVariance(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  PetscFunctionBeginUser;
  (void)n, (void)context;
  values[0] = log(PetscMax(mean[1] - PetscSqr(mean[0]), DBL_MIN));
  PetscFunctionReturn(0);
}

/* The upper end of the interval of the variance: of the jackknife of its logarithm, which knows how far the numbers are
 * from normal ones. Distances from the mean, which keep their digits. */
static PetscErrorCode UpperVariance(PetscInt R, const PetscReal samples[], PetscReal mean, PetscReal *upper) {
  PetscReal(*moments)[2];
  FitValue found;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(R, &moments));
  for (PetscInt r = 0; r < R; r++) {
    moments[r][0] = samples[r] - mean;
    moments[r][1] = PetscSqr(samples[r] - mean);
  }
  PetscCall(IntervalOfStatistic(R, 2, moments[0], 1, LogVariance, NULL, &found));
  *upper = exp(found.high) * (PetscReal)R / (PetscReal)(R - 1);
  PetscCall(PetscFree(moments));
  PetscFunctionReturn(0);
}

PetscErrorCode StoppingNeeded(PetscInt R, const PetscReal samples[], StoppingTarget target, PetscReal *needed) {
  const FitValue interval = IntervalOfMean(R, 1, samples);
  const PetscReal mean = interval.value, asked = StoppingAsked(target, mean);
  PetscBool positive = PETSC_TRUE, alike = PETSC_TRUE;
  PetscReal upper = NAN;

  PetscFunctionBeginUser;
  *needed = 0;
  for (PetscInt r = 0; r < R; r++) {
    if (!(samples[r] > 0)) positive = PETSC_FALSE;
    if (samples[r] != samples[0]) alike = PETSC_FALSE;
  }
  if (alike) PetscFunctionReturn(0);
  PetscCall(UpperVariance(R, samples, mean, &upper));
  /* the upper end of an interval in the logarithm is mean e^(half/mean) */
  const PetscReal half = positive ? mean * log1p(asked / mean) : asked;
  *needed = ceil(PetscSqr(IntervalQuantile(R - 1) / half) * upper);
  PetscFunctionReturn(0);
}

PetscInt StoppingNext(PetscInt R, PetscReal needed, PetscInt most) {
  if (needed <= R || R >= most) return R;
  if (R > most / 2) return needed < most ? (PetscInt)needed : most;
  return needed < 2 * R ? (PetscInt)needed : 2 * R; /* NaN: twice */
}
