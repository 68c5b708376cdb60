/* Laws of the random MLP, and the numbers of their kernels. */
#ifndef CHORALE_TEST_KERNEL_CASE_H
#define CHORALE_TEST_KERNEL_CASE_H

#include <math.h>

#include "make_kernel.h"

static const struct {
  int dim;
  double bias_u, bias_w;
} laws[] = {{2, 0.0, 0.0}, {3, 0.1, 0.2}, {5, 1.0, 0.0}, {64, 0.1, 0.1}, {4, 1e-3, 0.0}};
enum { LAWS = sizeof(laws) / sizeof(laws[0]) };

static inline double At(Kernel kernel, double u) {
  double k;
  OK(KernelEvaluate(kernel, u, &k));
  return k;
}

static inline double AtOne(Kernel kernel) {
  double k1, kp1;
  OK(KernelAtOne(kernel, &k1, &kp1));
  return k1;
}

static inline double Slope(Kernel kernel) {
  double k1, kp1;
  OK(KernelAtOne(kernel, &k1, &kp1));
  return kp1;
}

/* F as THEORY.md (2.8) has it, numerator and denominator divided by e^beta. */
static inline double PlainF(Kernel kernel, double d, double beta, double u) {
  const double k = At(kernel, u), k1 = AtOne(kernel);
  const double g0 = k * (d - 2.0 + u * u) - k1 * (d - 1.0) * u, g1 = (1.0 - u * u) * (k1 - u * k);
  return beta * exp(beta * (u - 1.0)) * (g0 + beta * g1) / -expm1(beta * (u - 1.0));
}

#endif
