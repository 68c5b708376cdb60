/* Which activations synchronize which moment: the boundary of Lambda(p) < 0 over the bias sigma_U = sigma_W, and its
 * limit for large d, NEIGHBOURS.md (15.10) to (15.13). */
#include "law/kernel/impl.h"
#include <float.h>
#include <math.h>

/* 2 Lambda(p)/p = (d-3+p) k'(1) - (d-1-p) k(1), which is lambda_bar for p = 2; *scale: what it is rounded to. */
static PetscErrorCode MomentSide(const Activation *activation, PetscInt dim, const MomentRules *rules, PetscReal p,
                                 PetscReal sigma, PetscReal *side, PetscReal *scale) {
  const PetscReal d = (PetscReal)dim;
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCall(KernelCreateByRules(activation, dim, sigma, sigma, rules, &kernel));
  const PetscReal grows = (d - 3 + p) * kernel->kp1, falls = (d - 1 - p) * kernel->k1;
  *side = grows - falls;
  *scale = 1e-13 * fabs(falls);
  PetscCall(KernelDestroy(&kernel));
  PetscFunctionReturn(0);
}

/* A sigma beyond which Lambda(p) < 0, for 3 - d < p < d - 1: with k'(1) <= sup sigma'^2 / d and k(1) >= sigma_W^2 the
 * number above is at most (d-3+p)/d sup sigma'^2 - (d-1-p) sigma^2. */
static PetscReal Beyond(const Activation *activation, PetscInt dim, PetscReal p) {
  const PetscReal d = (PetscReal)dim;
  PetscReal most = 0;

  for (int i = -1000; i <= 1000; i++) most = PetscMax(most, fabs(activation->derivative(0.01 * i)));
  return 1.01 * most * sqrt((d - 3 + p) / (d * (d - 1 - p)));
}

/* For every activation of the registry p* rises with sigma, so that there is no other root (tests/physics/test_map.py
 * looks); were it to fall again, a pair of roots closer than a step of the scan could be missed. */
PetscErrorCode KernelMomentBoundary(const Activation *activation, PetscInt dim, PetscReal p, PetscReal *boundary) {
  enum { SCAN = 128, BISECTIONS = 60 };
  const PetscReal d = (PetscReal)dim;
  PetscReal low, high, side = -1, scale = 0;
  MomentRules rules;

  PetscFunctionBeginUser;
  *boundary = NAN;
  /* no k'(1) and k(1) > 0 make it negative, or none make it positive */
  if (p <= 0 || p >= d - 1 || p <= 3 - d) PetscFunctionReturn(0);
  PetscCall(MomentRulesSet(&rules));
  high = Beyond(activation, dim, p);
  low = high;
  const PetscReal step = high / SCAN;
  for (PetscInt i = SCAN - 1; i >= 0 && side < 0; i--) {
    high = low;
    low = step * (PetscReal)i;
    PetscCall(MomentSide(activation, dim, &rules, p, low, &side, &scale));
  }
  if (low == 0 && fabs(side) <= scale) *boundary = 0;
  if (side < 0 || *boundary == 0) PetscFunctionReturn(0);
  for (int i = 0; i < BISECTIONS; i++) {
    const PetscReal middle = 0.5 * (low + high);
    PetscCall(MomentSide(activation, dim, &rules, p, middle, &side, &scale));
    if (side < 0)
      high = middle;
    else
      low = middle;
  }
  *boundary = 0.5 * (low + high);
  PetscFunctionReturn(0);
}

/* sigma'(0) and sigma''(0) of one side: the derivative at its end of the polynomial through sigma' at Chebyshev's
 * points of [0, 1/2], which converges like (12)^-n or faster for a pole at a distance of pi/2, that of tanh. */
static void OneSided(const Activation *activation, PetscReal sign, PetscReal *first, PetscReal *second) {
  enum { P = 12 };
  const PetscReal length = 0.5, at_zero = activation->derivative(sign * DBL_MIN);

  *first = at_zero;
  *second = 0;
  for (PetscInt j = 1; j <= P; j++) {
    const PetscReal root = sin(0.5 * PETSC_PI * (PetscReal)j / P), x = length * root * root;
    const PetscReal weight = (j % 2 ? 2 : -2) * (j == P ? 0.5 : 1) / x;
    *second += sign * weight * (activation->derivative(sign * x) - at_zero);
  }
}

PetscErrorCode KernelMomentLimits(const Activation *activation, MomentLimits *limits) {
  PetscReal right, left, bent_right, bent_left;
  const PetscReal start = activation->value(0);

  PetscFunctionBeginUser;
  OneSided(activation, 1, &right, &bent_right);
  OneSided(activation, -1, &left, &bent_left);
  limits->slope = 0.5 * (right * right + left * left);
  limits->offset = start * start;
  limits->bend = (bent_right * bent_right + bent_left * bent_left) / (16 * limits->slope);
  if (limits->bend < 1e-20) limits->bend = 0; /* rounding of the derivatives */
  PetscFunctionReturn(0);
}

PetscReal MomentLimitsRoot(const MomentLimits *limits) {
  return limits->offset > 0 ? NAN : 1 - limits->bend;
}

PetscReal MomentLimitsBoundary(const MomentLimits *limits, PetscReal p) {
  const PetscReal excess = p - 1 + limits->bend;

  if (limits->offset > 0 || excess < 0) return NAN;
  return sqrt(2 * excess * limits->slope / (1 + limits->slope));
}
