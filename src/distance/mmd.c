/* Maximum mean discrepancy with the kernel e^{beta <x,y>}, in one of two ways.
 *
 * Moments: with e^{beta (u - 1)} = sum_n e_n P_n(u) and the addition theorem,
 *
 *     MMD^2 = e^beta sum_n e_n |S|/dim(n) sum_j (M_nj[mu] - M_nj[nu])^2,
 *
 * a sum of squares of differences: near measures keep their digits. Degrees above the cut add at most 4 e^beta times
 * the tail of the e_n, since |P_n| <= 1 and mu - nu has the total mass 2.
 *
 * Pairs: the witness function h = K mu - K nu at all tokens, then the integral of h by mu - nu; h is a difference of
 * numbers up to 1, so the error is some 1e-15 e^beta, and 0 for equal tokens in equal order. */
#include <math.h>

#include <chorale/distance.h>
#include <chorale/harmonics.h>
#include <chorale/sphere.h>
#include <chorale/sum.h>

#include "base/log.h"
#include "distance/cloud.h"
#include "distance/impl.h"
#include "law/sphere/zonal.h"

#define TAIL   1e-14
#define BUDGET 200000 /* moments: 1.6 MB each for the block, the sums and the difference */

/* The moments of a measure, [K]. |M_k| <= sqrt(dim(n)/|S|) =: bound makes them integers. */
static PetscErrorCode Moments(Harmonics harmonics, Tokens tokens, double *moments) {
  const PetscInt *degrees;
  const double *weights, *x;
  PetscInt64 *fixed;
  TokensLayout layout;
  double *part, *scale;
  PetscInt K;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(HarmonicsGetSize(harmonics, &K, &degrees));
  PetscCall(PetscMalloc2(K, &part, K, &scale));
  PetscCall(PetscCalloc1(K, &fixed));
  for (PetscInt k = 0; k < K; k++)
    scale[k] = SumScale(PetscSqrtReal(SphereHarmonicCount(layout.dim, degrees[k]) / SphereArea(layout.dim)));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    PetscCall(HarmonicsAnalyze(harmonics, layout.block, x + (size_t)b * layout.dim * layout.block, 1,
                               weights + b * layout.block, part));
    for (PetscInt k = 0; k < K; k++) fixed[k] += SumRound(part[k], scale[k]);
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(SumAllreduce(layout.comm, K, fixed));
  for (PetscInt k = 0; k < K; k++) moments[k] = (PetscReal)fixed[k] / scale[k];
  PetscCall(PetscFree(fixed));
  PetscCall(PetscFree2(part, scale));
  PetscFunctionReturn(0);
}

static PetscErrorCode ByMoments(Tokens mu, Tokens nu, PetscReal beta, PetscInt degree, PetscReal *gap) {
  Harmonics harmonics;
  TokensLayout layout;
  const PetscInt *degrees;
  PetscReal *e, *power;
  double *a, *b;
  PetscInt K;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(mu, &layout));
  PetscCall(HarmonicsCreate(layout.dim, degree, &harmonics));
  PetscCall(HarmonicsGetSize(harmonics, &K, &degrees));
  PetscCall(PetscMalloc3(K, &a, K, &b, degree + 1, &e));
  PetscCall(PetscCalloc1(degree + 1, &power));
  PetscCall(ZonalExponential(layout.dim, beta, degree, e));
  PetscCall(Moments(harmonics, mu, a));
  PetscCall(Moments(harmonics, nu, b));
  for (PetscInt k = 0; k < K; k++) power[degrees[k]] += (a[k] - b[k]) * (a[k] - b[k]);
  *gap = 0;
  for (PetscInt n = degree; n > 0; n--) /* degree 0 is the mass, which is equal */
    *gap += e[n] * power[n] * SphereArea(layout.dim) / SphereHarmonicCount(layout.dim, n);
  PetscCall(PetscFree(power));
  PetscCall(PetscFree3(a, b, e));
  PetscCall(HarmonicsDestroy(&harmonics));
  PetscFunctionReturn(0);
}

/* The integral of (K mu - K nu) by the measure of rows. */
static PetscErrorCode Witness(const Cloud *rows, const Cloud *mu, const Cloud *nu, PetscReal beta, PetscReal *value) {
  double *h, *other;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(rows->rows, &h, rows->rows, &other));
  CloudSums(rows, mu, beta / 2, h); /* <x,y> - 1 = -|x - y|^2 / 2 */
  CloudSums(rows, nu, beta / 2, other);
  for (PetscInt i = rows->from; i < rows->to; i++) h[i] = (h[i] - other[i]) * rows->weights[i];
  PetscCall(CloudShare(rows, h));
  *value = 0;
  for (PetscInt i = 0; i < rows->rows; i++) *value += h[i];
  PetscCall(PetscFree2(h, other));
  PetscFunctionReturn(0);
}

static PetscErrorCode ByPairs(Tokens mu, Tokens nu, PetscReal beta, PetscReal *gap) {
  PetscReal other;
  Cloud a, b;

  PetscFunctionBeginUser;
  PetscCall(CloudCreate(mu, &a));
  PetscCall(CloudCreate(nu, &b));
  PetscCall(Witness(&a, &a, &b, beta, gap));
  PetscCall(Witness(&b, &a, &b, beta, &other));
  *gap = PetscMax(*gap - other, 0);
  PetscCall(CloudDestroy(&a));
  PetscCall(CloudDestroy(&b));
  PetscFunctionReturn(0);
}

PetscErrorCode DistanceMMD(Tokens mu, Tokens nu, PetscReal beta, PetscReal *mmd2) {
  static PetscLogEvent event;
  TokensLayout layout, other;
  PetscReal tail, gap, tokens, by_moments = PETSC_MAX_REAL;
  PetscInt degree;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("DistMMD", &event));
  PetscCall(PetscLogEventBegin(event, NULL, NULL, NULL, NULL));
  PetscCall(DistanceCheck(mu, nu));
  PetscCall(TokensGetLayout(mu, &layout));
  PetscCall(TokensGetLayout(nu, &other));
  PetscCall(ZonalExponentialDegree(layout.dim, beta, TAIL, &degree, &tail));
  /* In operations: a moment of a token takes some 4, a pair 2 for each component and an exponential. */
  tokens = (PetscReal)layout.count + (PetscReal)other.count;
  if (layout.dim <= HARMONICS_DIM && HarmonicsCount(layout.dim, degree) <= BUDGET)
    by_moments = 4 * tokens * HarmonicsCount(layout.dim, degree);
  if (by_moments <= tokens * tokens * (2 * layout.dim + 10))
    PetscCall(ByMoments(mu, nu, beta, degree, &gap));
  else
    PetscCall(ByPairs(mu, nu, beta, &gap));
  *mmd2 = PetscExpReal(beta) * gap;
  PetscCall(PetscLogEventEnd(event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}
