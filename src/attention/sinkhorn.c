/* Sinkhorn's scaling of the kernel K_ij = e^{exponent (<x_i,x_j> - 1)} with respect to mu (THEORY.md (1.6)). K is
 * symmetric, so one positive function a serves both sides: a_i sum_j w_j K_ij a_j = 1.
 *
 * With r = -log(a K a), the iteration log a <- log a + r / 2 converges from everywhere. Near the solution r is -(1 + P)
 * times the error of log a, where P_ij = a_i K_ij w_j a_j is stochastic and, as K, positive semidefinite: 1 + P has its
 * eigenvalues in [1,2], for which the best second-order Richardson iteration, log a <- log a + STEP r + MOMENTUM
 * (log a - log a_before), gains a factor sqrt(MOMENTUM) = 0.17 each time.
 *
 * The start is a = 1 in every step: a warm start would make a run depend on its history, which a resumed run lacks. */
#include "base/traffic.h"
#include "base/vmath.h"

#include "attention/impl.h"

#define STEP     0.68629150101523961  /* (2 / (1 + sqrt 2))^2 */
#define MOMENTUM 0.029437251522859407 /* ((sqrt 2 - 1) / (sqrt 2 + 1))^2 */
#define NEAR     0.5                  /* residual from where the error is linear */

typedef struct {
  double *a, *before; /* log a of this iteration and the last; 0 where w_i = 0, which nobody sees */
  double *s;          /* S0 of a block */
  PetscReal top;      /* max log a over all tokens */
  PetscReal residual; /* max |a K a - 1| over all tokens of the last iteration */
} Scaling;

VMATH(Exp, vexp(t))
VMATH(Log, vlog(t > 1e-300 ? t : 1e-300))

/* factors = a / max a, 0 where w_i = 0. */
static void Factors(Attention attention, const Scaling *scaling, const double *weights, double *factors) {
  const double *log_a = scaling->a, top = scaling->top;
  const PetscInt length = attention->layout.owned * attention->layout.block;

  for (PetscInt i = 0; i < length; i++) factors[i] = log_a[i] - top;
  Exp(length, factors, factors);
  for (PetscInt i = 0; i < length; i++) factors[i] = weights[i] > 0 ? factors[i] : 0;
}

/* One step of own block k; raises most[2], the largest residual and log a. */
static void Improve(Attention attention, PetscInt b, const double *weights, const Scaling *scaling, PetscReal *most) {
  const PetscInt B = attention->layout.block;
  const PetscBool close = scaling->residual < NEAR ? PETSC_TRUE : PETSC_FALSE;
  const double step = close ? STEP : 0.5, momentum = close ? MOMENTUM : 0, shift = scaling->top;
  double *log_a = scaling->a + b * B, *before = scaling->before + b * B, *s = scaling->s;

  weights += b * B;
  Log(B, s, s);
  for (PetscInt t = 0; t < B; t++) s[t] = log_a[t] + shift + s[t]; /* log(a K a) */
  for (PetscInt t = 0; t < B; t++) {
    const double old = log_a[t];

    if (weights[t] <= 0) continue;
    most[0] = fmax(most[0], fabs(expm1(s[t])));
    log_a[t] += momentum * (old - before[t]) - step * s[t];
    before[t] = old;
    most[1] = fmax(most[1], log_a[t]);
  }
}

static PetscErrorCode Iterate(Attention attention, Tokens tokens, const double *weights, double *factors,
                              Scaling *scaling) {
  const PetscInt length = attention->layout.block * attention->layout.dim;
  PetscReal most[2] = {0, -PETSC_MAX_REAL}; /* residual, log a */
  const double *x;
  Vec positions;

  PetscFunctionBeginUser;
  Factors(attention, scaling, weights, factors);
  PetscCall(attention->engine->sum(attention, tokens, factors, PETSC_TRUE));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    PetscCall(attention->engine->get(attention, b, x + b * length, PETSC_TRUE, scaling->s));
    Improve(attention, b, weights, scaling, most);
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  TrafficSum(2);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 2, MPIU_REAL, MPIU_MAX, attention->layout.comm));
  scaling->residual = most[0];
  scaling->top = most[1];
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionSinkhorn(Attention attention, Tokens tokens, double *factors) {
  const PetscInt length = attention->layout.owned * attention->layout.block;
  Scaling scaling = {.residual = PETSC_MAX_REAL};
  PetscInt64 iterations = 0;
  const double *weights;

  PetscFunctionBeginUser;
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(PetscCalloc3(length, &scaling.a, length, &scaling.before, attention->layout.block, &scaling.s));
  for (; iterations < attention->iterations && scaling.residual > attention->sinkhorn_tol; iterations++)
    PetscCall(Iterate(attention, tokens, weights, factors, &scaling));
  PetscCall(PetscFree3(scaling.a, scaling.before, scaling.s));
  PetscCheck(scaling.residual <= attention->sinkhorn_tol, attention->layout.comm, PETSC_ERR_NOT_CONVERGED,
             "attention_sinkhorn_iterations = %" PetscInt64_FMT
             ": the scaling of attention_type sinkhorn is still off by %.3g, attention_sinkhorn_tol is %.3g",
             attention->iterations, (double)scaling.residual, (double)attention->sinkhorn_tol);
  PetscCall(PetscInfo(NULL, "attention: sinkhorn took %" PetscInt64_FMT " iterations\n", iterations));
  PetscFunctionReturn(0);
}
