/* The engine of moments: O(N K) and one allreduce of at most (d + 1) K numbers. With e^{b (u - 1)} = sum_n e_n P_n(u)
 * and the addition theorem P_n(<x,y>) = |S|/dim(n) sum_j Y_nj(x) Y_nj(y), every kernel sum is a synthesis of moments,
 *
 *     sum_j w_j g_j e^{b (<x,x_j> - 1)} = sum_k e_{n(k)} |S|/dim(n(k)) M_k[g] Y_k(x),  M_k[g] = sum_j w_j g_j Y_k(x_j)
 *
 * with g = f for S0 and g = f x_c for the components of S. What is left out is at most the tail sum_{n > degree} e_n
 * for each of them, since weights add up to 1 and |x_c|, |f|, |P_n| <= 1; the positions' rounding makes some 1e-16 b
 * beside it, as in any sum of such exponentials. By Cauchy-Schwarz |Y_k|^2 <= dim(n)/|S|, which bounds the moments:
 * blocks are rounded to fixed point and added as integers (chorale/sum.h). Where tokens are many, only the moments of
 * w f are made from them and the others from those, see moments_grid.h. */
#include "attention/moments.h"

#include <chorale/sphere.h>
#include <chorale/sum.h>

#include <stdlib.h>

#include "base/log.h"
#include "base/plan.h"
#include "law/sphere/zonal.h"

static PetscLogEvent analyze_event;

PetscErrorCode AttentionTruncate(Attention attention) {
  AttentionTruncation *truncation = &attention->truncation;
  const PetscReal exponent = PetscMax(attention->exponent, attention->beta);

  PetscFunctionBeginUser;
  PetscCall(
      ZonalExponentialDegree(attention->layout.dim, exponent, attention->tol, &truncation->degree, &truncation->tail));
  truncation->count = HarmonicsCount(attention->layout.dim, truncation->degree);
  PetscFunctionReturn(0);
}

double AttentionMomentsFlops(Attention attention, PetscInt components) {
  const Moments *moments = attention->data;
  const PetscInt functions = moments->grid ? 1 : components;
  const double N = (double)attention->layout.count;
  double analysis = 0;
  SynthesisCost cost;

  for (PetscInt c = 0; c < functions; c += MOMENTS_TOGETHER)
    analysis += HarmonicsFlops(moments->basis.harmonics, PetscMin(functions - c, MOMENTS_TOGETHER));
  if (components == 1) return N * analysis; /* for the energy alone */
  (void)SynthesisGetCost(moments->sums, &cost);
  if (attention->causal) /* the prefixes' coefficients, and the pairs within a piece */
    return N * (analysis + cost.plain + 6.0 * components * moments->basis.K / MOMENTS_PIECE +
                0.5 * MOMENTS_PIECE * (4 * components + 28));
  return attention->layout.count < cost.from ? N * (analysis + cost.plain) : N * (analysis + cost.table) + cost.set;
}

static PetscErrorCode BasisCreate(PetscInt d, PetscInt degree, MomentsBasis *basis) {
  PetscFunctionBeginUser;
  PetscCall(HarmonicsCreate(d, degree, &basis->harmonics));
  PetscCall(HarmonicsGetSize(basis->harmonics, &basis->K, &basis->degrees));
  PetscCall(PetscMalloc1(basis->K, &basis->inverse));
  for (PetscInt k = 0; k < basis->K; k++) {
    const PetscReal mean = SphereHarmonicCount(d, basis->degrees[k]) / SphereArea(d); /* of Y_k^2, and its bound */
    basis->inverse[k] = SumScale(PetscSqrtReal(mean)) / SumScale(1.0);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode BasisDestroy(MomentsBasis *basis) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(basis->inverse));
  PetscCall(HarmonicsDestroy(&basis->harmonics));
  PetscFunctionReturn(0);
}

static PetscErrorCode Factors(Attention attention, Moments *moments) {
  const PetscInt d = attention->layout.dim, degree = attention->truncation.degree;
  PetscReal *e;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(degree + 1, &e));
  PetscCall(PetscMalloc2(moments->basis.K, &moments->factor, degree + 1, &moments->energy));
  PetscCall(ZonalExponential(d, attention->exponent, degree, e));
  PetscCall(ZonalExponential(d, attention->beta, degree, moments->energy));
  for (PetscInt k = 0; k < moments->basis.K; k++) {
    const PetscInt n = moments->basis.degrees[k];
    moments->factor[k] = e[n] * SphereArea(d) / SphereHarmonicCount(d, n);
  }
  PetscCall(PetscFree(e));
  PetscFunctionReturn(0);
}

PetscErrorCode MomentsCreate(Attention attention) {
  const PetscInt d = attention->layout.dim, degree = attention->truncation.degree;
  const PetscInt64 points = MomentsGridPoints(d, degree);
  size_t numbers;
  Moments *moments;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("AttnAnalyze", &analyze_event));
  PetscCall(PetscNew(&moments));
  PetscCall(BasisCreate(d, degree, &moments->basis));
  PetscCall(Factors(attention, moments));
  numbers = (size_t)(d + 1) * moments->basis.K;
  if (points && 2 * points <= attention->layout.count && !attention->causal) {
    PetscCall(BasisCreate(d, degree + 1, &moments->wide));
    PetscCall(MomentsGridCreate(d, degree, moments->basis.harmonics, moments->wide.harmonics, &moments->grid));
  }
  PetscCall(PackAllocate(PetscMax(numbers, (size_t)moments->wide.K) + 8, &moments->fixed)); /* rounded in groups of 8 */
  PetscCall(PackAllocate(PetscMax(numbers, (size_t)moments->wide.K) + 8, &moments->part));
  PetscCall(PackAllocate(numbers, &moments->moments));
  PetscCall(PackAllocate(numbers, &moments->coefficients));
  PetscCall(PackAllocate((size_t)(d + 1) * attention->layout.block, &moments->f));
  PetscCall(SynthesisCreate(moments->basis.harmonics, d + 1, &moments->sums));
  if (attention->type->form == FORM_SINKHORN) PetscCall(SynthesisCreate(moments->basis.harmonics, 1, &moments->scalar));
  attention->data = moments;
  attention->small = 16 * (attention->truncation.tail + MOMENTS_ROUNDING);
  PetscFunctionReturn(0);
}

PetscErrorCode MomentsDestroy(Attention attention) {
  Moments *moments = attention->data;

  PetscFunctionBeginUser;
  free(moments->fixed);
  free(moments->part);
  free(moments->moments);
  free(moments->coefficients);
  free(moments->f);
  PetscCall(PetscFree2(moments->factor, moments->energy));
  PetscCall(SynthesisDestroy(&moments->sums));
  PetscCall(SynthesisDestroy(&moments->scalar));
  PetscCall(MomentsGridDestroy(&moments->grid));
  PetscCall(BasisDestroy(&moments->wide));
  PetscCall(BasisDestroy(&moments->basis));
  PetscCall(PetscFree(moments));
  attention->data = NULL;
  PetscFunctionReturn(0);
}

/* The functions whose moments are due at block k: w f x_c and, last, w f; the last alone when `scalar`. */
static void Functions(Attention attention, const double *x, const double *weights, const double *factors,
                      PetscBool scalar, double *out) {
  const PetscInt B = attention->layout.block, d = scalar ? 0 : attention->layout.dim;
  double *restrict w = out + d * B;

  for (PetscInt t = 0; t < B; t++) w[t] = weights[t] * (factors ? factors[t] : 1);
  for (PetscInt c = 0; c < d; c++) {
    double *restrict g = out + c * B;
    for (PetscInt t = 0; t < B; t++) g[t] = w[t] * x[c * B + t];
  }
}

PetscErrorCode MomentsAdd(Moments *moments, const MomentsBasis *basis, PetscInt B, const double *x, PetscInt n,
                          const double *f) {
  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < n; c += MOMENTS_TOGETHER)
    PetscCall(HarmonicsAnalyze(basis->harmonics, B, x, PetscMin(n - c, MOMENTS_TOGETHER), f + c * B,
                               moments->part + (size_t)c * basis->K));
  for (PetscInt c = 0; c < n; c++) {
    double *restrict row = moments->part + (size_t)c * basis->K;
    for (PetscInt k = 0; k < basis->K; k++) row[k] *= basis->inverse[k];
  }
  TileRound(((size_t)n * basis->K + 7) / 8 * 8, moments->part, moments->fixed);
  PetscFunctionReturn(0);
}

void MomentsGet(const Moments *moments, const MomentsBasis *basis, PetscInt n, double *out) {
  const PetscReal unit = 1 / SumScale(1.0);

  for (PetscInt c = 0, i = 0; c < n; c++) {
    for (PetscInt k = 0; k < basis->K; k++, i++) out[i] = unit * (double)moments->fixed[i] / basis->inverse[k];
  }
}

void MomentsCoefficients(Moments *moments, PetscInt n) {
  for (PetscInt c = 0, i = 0; c < n; c++) {
    for (PetscInt k = 0; k < moments->basis.K; k++, i++)
      moments->coefficients[i] = moments->moments[i] * moments->factor[k];
  }
}

/* The processor stops to read ahead at the end of a page, and a block is only a page or two. */
static void Prefetch(PetscInt n, const double *next) {
  for (PetscInt i = 0; i < n; i += 8) __builtin_prefetch(next + i);
}

/* out[n][K], the moments of the functions at all tokens. */
static PetscErrorCode Analyze(Attention attention, Tokens tokens, const double *factors, const MomentsBasis *basis,
                              PetscInt n, double *out) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  Moments *moments = attention->data;
  const double *weights, *x;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(analyze_event, NULL, NULL, NULL, NULL));
  PetscCall(PetscArrayzero(moments->fixed, (size_t)n * basis->K));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    const double *block = x + b * d * B;

    Prefetch(d * B, block + d * B);
    Prefetch(B, weights + (b + 1) * B);
    if (AttentionIsIdle(B, weights + b * B)) continue;
    Functions(attention, block, weights + b * B, factors ? factors + b * B : NULL, n == 1 ? PETSC_TRUE : PETSC_FALSE,
              moments->f);
    PetscCall(MomentsAdd(moments, basis, B, block, n, moments->f));
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(PetscLogEventEnd(analyze_event, NULL, NULL, NULL, NULL));
  PetscCall(AttentionReduce(attention, n * basis->K, moments->fixed));
  MomentsGet(moments, basis, n, out);
  PetscFunctionReturn(0);
}

static PetscErrorCode Sum(Attention attention, Tokens tokens, const double *factors, PetscBool scalar) {
  const PetscInt n = scalar ? 1 : attention->layout.dim + 1;
  Moments *moments = attention->data;

  PetscFunctionBeginUser;
  if (moments->grid && !scalar) {
    PetscCall(Analyze(attention, tokens, factors, &moments->wide, 1, moments->part));
    PetscCall(MomentsGridApply(moments->grid, moments->part, moments->moments));
    PetscCall(PetscArrayzero(moments->part, moments->wide.K)); /* as the rounding of blocks leaves it */
  } else {
    PetscCall(Analyze(attention, tokens, factors, &moments->basis, n, moments->moments));
  }
  MomentsCoefficients(moments, n);
  if (!scalar)
    PetscCall(SynthesisSet(moments->sums, attention->layout.count, moments->coefficients));
  else if (moments->scalar)
    PetscCall(SynthesisSet(moments->scalar, attention->layout.count, moments->coefficients));
  PetscFunctionReturn(0);
}

static PetscErrorCode Get(Attention attention, PetscInt b, const double *x, PetscBool scalar, double *s) {
  const Moments *moments = attention->data;

  PetscFunctionBeginUser;
  (void)b;
  PetscCall(SynthesisEvaluate(scalar ? moments->scalar : moments->sums, 1, attention->layout.block, x, s));
  PetscFunctionReturn(0);
}

static PetscErrorCode GetRun(Attention attention, PetscInt blocks, const double *x, double *s) {
  const Moments *moments = attention->data;

  PetscFunctionBeginUser;
  PetscCall(SynthesisEvaluate(moments->sums, blocks, attention->layout.block, x, s));
  PetscFunctionReturn(0);
}

/* THEORY.md (5.1) in moments M of w: sum_n e_n (1 - |S|/dim(n) sum_j M_nj^2), no term of which is negative. Taken
 * one by one they keep the energy's digits where all tokens meet and it vanishes. */
PetscErrorCode MomentsEnergy(Attention attention, Tokens tokens, PetscBool current, PetscReal *gap) {
  const PetscInt degree = attention->truncation.degree;
  const PetscReal area = SphereArea(attention->layout.dim);
  const Moments *moments = attention->data;
  const double *weight;
  PetscReal *power;

  PetscFunctionBeginUser;
  if (!current) PetscCall(Sum(attention, tokens, NULL, PETSC_TRUE));
  weight = moments->moments + (current ? (size_t)attention->layout.dim * moments->basis.K : 0);
  PetscCall(PetscCalloc1(degree + 1, &power));
  for (PetscInt k = 0; k < moments->basis.K; k++) power[moments->basis.degrees[k]] += weight[k] * weight[k];
  *gap = 0;
  for (PetscInt n = degree; n > 0; n--) {
    const PetscReal share = power[n] * area / SphereHarmonicCount(attention->layout.dim, n);
    *gap += moments->energy[n] * PetscMax(1 - share, 0);
  }
  PetscCall(PetscFree(power));
  PetscFunctionReturn(0);
}

void MomentsCost(Attention attention, double *travel, double *memory) {
  const Moments *moments = attention->data;
  const double d = attention->layout.dim, numbers = (d + 1) * moments->basis.K,
               sent = moments->grid ? moments->wide.K : numbers;
  const double points =
      moments->grid ? (double)MomentsGridPoints(attention->layout.dim, attention->truncation.degree) : 0;
  PetscMPIInt size = 1;
  SynthesisCost cost;

  (void)PlanSize(attention->layout.comm, &size);
  (void)SynthesisGetCost(moments->sums, &cost);
  *travel = size > 1 ? 2 * sent * sizeof(double) : 0;
  *memory = sizeof(double) *
                (4 * numbers + (d + 1) * points + (double)attention->layout.block * (1 + ATTENTION_RUN) * (d + 1)) +
            (attention->layout.count < cost.from ? 0 : cost.bytes);
}

const AttentionEngine AttentionMoments = {"moments", PETSC_TRUE, MomentsCreate, MomentsDestroy, Sum,
                                          Get,       GetRun,     MomentsEnergy, MomentsCost};
