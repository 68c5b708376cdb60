/* Inside of the covariance kernel, for src/law alone. Notation of THEORY.md section 2: v = 1/d + sigma_U^2 is the
 * variance of a pre-activation, c = u/d + sigma_U^2 the covariance at cosine u. */
#ifndef CHORALE_LAW_KERNEL_IMPL_H
#define CHORALE_LAW_KERNEL_IMPL_H

#include <chorale/kernel.h>

/* E[sigma(Z1) sigma(Z2)] from v, c and gap = v - c = (1-u)/d, given apart since v and c may be large and close. */
typedef PetscReal (*KernelClosed)(PetscReal v, PetscReal c, PetscReal gap);

struct _p_Kernel {
  const Activation *activation;
  PetscInt dim;
  PetscReal bias_u, bias_w;
  PetscReal variance; /* v */
  PetscReal k1, kp1;
  /* sigma(x) = slope x + jump max(x,0): ReLU and its relatives, everything in closed form (kernel_linear.c). */
  PetscBool piecewise_linear;
  PetscReal slope, jump;
  /* A formula for k(u) where there is one, else NULL. */
  KernelClosed closed;
  /* Power series k(u) - sigma_W^2 = sum_m series[m] u^m with series[m] >= 0, made when first needed (kernel_series.c).
   */
  PetscInt terms;
  PetscReal *series;
  /* Once truncated: c_0 .. c_degree, which is all of k from then on; else NULL (kernel_truncate.c). */
  PetscInt degree;
  PetscReal *truncated;
};

/* Gauss-Legendre rules on [-1,1] of the moments k(1) and k'(1), for who creates many kernels. */
enum { MOMENT_COARSE = 20, MOMENT_FINE = 32 };
typedef struct {
  PetscReal x[2][MOMENT_FINE], w[2][MOMENT_FINE];
} MomentRules;
PetscErrorCode MomentRulesSet(MomentRules *rules);
PetscErrorCode KernelCreateByRules(const Activation *activation, PetscInt dim, PetscReal bias_u, PetscReal bias_w,
                                   const MomentRules *rules, Kernel *kernel);

/* NULL when no formula is known (kernel_closed.c). */
KernelClosed KernelClosedFind(const char *activation);

/* The secant of k is (k(1) - k(u))/(1 - u) at u, or at x = 1 - u where x may be tiny; k'(1) at u = 1. Set up once. */
PetscErrorCode KernelSecantSetUp(Kernel kernel);
PetscReal KernelSecant(Kernel kernel, PetscReal x);

/* kernel_series.c: activations that are smooth. */
PetscErrorCode KernelSeriesSetUp(Kernel kernel);
PetscReal KernelSeriesValue(Kernel kernel, PetscReal u);
PetscReal KernelSeriesSecant(Kernel kernel, PetscReal u);
PetscErrorCode KernelSeriesCoefficients(Kernel kernel, PetscInt degree, PetscReal c[]);

/* kernel_linear.c: piecewise linear activations. */
void KernelLinearDetect(Kernel kernel);
PetscReal KernelLinearValue(Kernel kernel, PetscReal u);
PetscReal KernelLinearSecant(Kernel kernel, PetscReal x);
PetscErrorCode KernelLinearCoefficients(Kernel kernel, PetscInt degree, PetscReal c[]);

/* kernel_sum.c: kernels that are cut off. */
PetscReal KernelTruncatedValue(Kernel kernel, PetscReal u);
PetscReal KernelTruncatedSecant(Kernel kernel, PetscReal x);

#endif
