/* The covariance kernel k of the random MLP and what the theory makes of it (THEORY.md section 2). G has covariance
 * k(<x,y>) I_d. Pure functions, no MPI. */
#ifndef CHORALE_KERNEL_H
#define CHORALE_KERNEL_H

#include <chorale/activation.h>

typedef struct _p_Kernel *Kernel;

/* dim >= 2; bias_u, bias_w >= 0 are the standard deviations sigma_U, sigma_W. */
PetscErrorCode KernelCreate(const Activation *activation, PetscInt dim, PetscReal bias_u, PetscReal bias_w,
                            Kernel *kernel);
PetscErrorCode KernelDestroy(Kernel *kernel);

/* k(u) for u in [-1,1]: closed form where one exists, else quadrature converged to 1e-12 k(1). */
PetscErrorCode KernelEvaluate(Kernel kernel, PetscReal u, PetscReal *k);
/* k(1) and k'(1). */
PetscErrorCode KernelAtOne(Kernel kernel, PetscReal *k1, PetscReal *kp1);
/* lambda1 = (d-3)/2 k'(1) - (d-1)/2 k(1), the top Lyapunov exponent of the noise flow. */
PetscErrorCode KernelLyapunov(Kernel kernel, PetscReal *lambda1);
/* The whole spectrum lambda_j = lambda1 - (j-1) k'(1), lambda[d-1]: NEIGHBOURS.md (15.2). */
PetscErrorCode KernelSpectrum(Kernel kernel, PetscReal lambda[]);
/* Lambda(p) = p lambda1 + p^2 (k(1) + k'(1))/2, the growth rate of E|v|^p of a tangent vector v, and the p* other than
 * 0 where it is 0, which has the sign of -lambda1: NEIGHBOURS.md (15.3). */
PetscErrorCode KernelMomentExponent(Kernel kernel, PetscReal p, PetscReal *rate);
PetscErrorCode KernelMomentRoot(Kernel kernel, PetscReal *root);
/* The bias sigma = sigma_U = sigma_W beyond which Lambda(p) < 0, for p > 0: the largest root, by bisection down to
 * rounding. NaN when Lambda(p) has one sign for all sigma, 0 when it is 0 at sigma = 0 alone. */
PetscErrorCode KernelMomentBoundary(const Activation *activation, PetscInt dim, PetscReal p, PetscReal *boundary);
/* What decides for d -> infinity, NEIGHBOURS.md (15.12): means over both sides of 0, as there may be a kink there. */
typedef struct {
  PetscReal offset; /* sigma(0)^2 */
  PetscReal slope;  /* mean of sigma'(0)^2 */
  PetscReal bend;   /* mean of sigma''(0)^2, divided by 8 slope */
} MomentLimits;
PetscErrorCode KernelMomentLimits(const Activation *activation, MomentLimits *limits);
/* lim p* without biases, and lim d times the boundary of p; NaN where there is none, as always for sigma(0) != 0, where
 * p* - d -> -1 - 2 slope/offset. Pure. */
PetscReal MomentLimitsRoot(const MomentLimits *limits);
PetscReal MomentLimitsBoundary(const MomentLimits *limits, PetscReal p);
/* Dimension of Kaplan and Yorke of n falling exponents, NEIGHBOURS.md (15.5): n when no volume shrinks. Pure. */
PetscReal KaplanYorke(PetscInt n, const PetscReal lambda[]);
/* lambda_bar = (d-1) k'(1) - (d-3) k(1); negative is the coercivity condition. */
PetscErrorCode KernelCoercivity(Kernel kernel, PetscReal *lambda_bar);
/* lambda_bar'(beta) = -inf_{u in [-1,1)} F(u), the rate of the synchronization theorem, beta > 0: THEORY.md (2.8),
 * (5.2). */
PetscErrorCode KernelRate(Kernel kernel, PetscReal beta, PetscReal *rate);
/* A number that lambda_bar'(beta) is certainly not above: KernelRate is the least value of F that was found, hence not
 * above it. The two differ by 1e-9 d (k(1) + k'(1)) or so. */
PetscErrorCode KernelRateBound(Kernel kernel, PetscReal beta, PetscReal *most);
/* Schoenberg coefficients: k(u) = sum_n c_n P_n(u); c[0..degree]. */
PetscErrorCode KernelCoefficients(Kernel kernel, PetscInt degree, PetscReal c[]);

/* From now on k is the truncated kernel sum_{n <= degree} c_n P_n, and so is everything above; *lost is the variance
 * left out, k(1) - k_degree(1). Coefficients beyond degree become 0. */
PetscErrorCode KernelTruncate(Kernel kernel, PetscInt degree, PetscReal *lost);
/* The smallest degree <= most whose tail is at most tol k(1), and that tail sum_{n > degree} c_n; *degree = most when
 * there is none. */
PetscErrorCode KernelDegree(Kernel kernel, PetscReal tol, PetscInt most, PetscInt *degree, PetscReal *tail);

#endif
