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
#include <chorale/harmonics.h>
#include <chorale/log.h>
#include <chorale/sphere.h>
#include <chorale/sum.h>
#include <chorale/synthesis.h>
#include <chorale/zonal.h>

#include <stdlib.h>

#include "attention/impl.h"
#include "attention/moments_grid.h"

#define TOGETHER 16 /* functions that an analysis takes at most */

/* Harmonics and sums round: the error beside the tail. */
#define ROUNDING 1e-14

/* Harmonics up to a degree and what makes their moments integers. */
typedef struct {
  Harmonics harmonics;
  PetscInt K;
  const PetscInt *degrees;
  PetscReal *inverse; /* [K] powers of two that make |M_k| <= sqrt(dim(n)/|S|) at most 1 */
} Basis;

typedef struct {
  Basis basis, wide;    /* wide: of the moments that the grid takes */
  MomentsGrid grid;     /* NULL where all d + 1 moments are better made from the tokens */
  PetscReal *factor;    /* [K] e_n |S|/dim(n) at the exponent of the sums */
  PetscReal *energy;    /* [degree + 1] e_n at beta */
  double *f;            /* [d + 1][B] */
  double *part;         /* moments of a block: [d + 1][K] or those of wide */
  PetscInt64 *fixed;    /* their sums in multiples of 2^-61 / inverse */
  double *moments;      /* [d + 1][K], of all tokens */
  double *coefficients; /* moments times factor: those of the kernel sums */
  Synthesis sums;       /* of S and S0 */
  Synthesis scalar;     /* of S0 alone, for sinkhorn; else NULL */
} Moments;

static PetscLogEvent analyze_event;

PetscErrorCode AttentionTruncate(Attention a) {
  AttentionTruncation *t = &a->truncation;
  const PetscReal exponent = PetscMax(a->exponent, a->beta);

  PetscFunctionBeginUser;
  PetscCall(ZonalExponentialDegree(a->layout.dim, exponent, a->tol, &t->degree, &t->tail));
  t->count = HarmonicsCount(a->layout.dim, t->degree);
  PetscFunctionReturn(0);
}

double AttentionMomentsFlops(Attention a, PetscInt components) {
  const Moments *m = a->data;
  const PetscInt functions = m->grid ? 1 : components;
  const double N = (double)a->layout.count;
  double analysis = 0;
  SynthesisCost cost;

  for (PetscInt c = 0; c < functions; c += TOGETHER)
    analysis += HarmonicsFlops(m->basis.harmonics, PetscMin(functions - c, TOGETHER));
  if (components == 1) return N * analysis; /* for the energy alone */
  (void)SynthesisGetCost(m->sums, &cost);
  return a->layout.count < cost.from ? N * (analysis + cost.plain) : N * (analysis + cost.table) + cost.set;
}

static PetscErrorCode BasisCreate(PetscInt d, PetscInt degree, Basis *b) {
  PetscFunctionBeginUser;
  PetscCall(HarmonicsCreate(d, degree, &b->harmonics));
  PetscCall(HarmonicsGetSize(b->harmonics, &b->K, &b->degrees));
  PetscCall(PetscMalloc1(b->K, &b->inverse));
  for (PetscInt k = 0; k < b->K; k++) {
    const PetscReal mean = SphereHarmonicCount(d, b->degrees[k]) / SphereArea(d); /* of Y_k^2, and its bound */
    b->inverse[k] = SumScale(PetscSqrtReal(mean)) / SumScale(1.0);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode BasisDestroy(Basis *b) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(b->inverse));
  PetscCall(HarmonicsDestroy(&b->harmonics));
  PetscFunctionReturn(0);
}

static PetscErrorCode Factors(Attention a, Moments *m) {
  const PetscInt d = a->layout.dim, degree = a->truncation.degree;
  PetscReal *e;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(degree + 1, &e));
  PetscCall(PetscMalloc2(m->basis.K, &m->factor, degree + 1, &m->energy));
  PetscCall(ZonalExponential(d, a->exponent, degree, e));
  PetscCall(ZonalExponential(d, a->beta, degree, m->energy));
  for (PetscInt k = 0; k < m->basis.K; k++) {
    const PetscInt n = m->basis.degrees[k];
    m->factor[k] = e[n] * SphereArea(d) / SphereHarmonicCount(d, n);
  }
  PetscCall(PetscFree(e));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Attention a) {
  const PetscInt d = a->layout.dim, degree = a->truncation.degree;
  const PetscInt64 points = MomentsGridPoints(d, degree);
  size_t numbers;
  Moments *m;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("AttnAnalyze", &analyze_event));
  PetscCall(PetscNew(&m));
  PetscCall(BasisCreate(d, degree, &m->basis));
  PetscCall(Factors(a, m));
  numbers = (size_t)(d + 1) * m->basis.K;
  if (points && 2 * points <= a->layout.count) {
    PetscCall(BasisCreate(d, degree + 1, &m->wide));
    PetscCall(MomentsGridCreate(d, degree, m->basis.harmonics, m->wide.harmonics, &m->grid));
  }
  PetscCall(PackAllocate(PetscMax(numbers, (size_t)m->wide.K) + 8, &m->fixed)); /* rounded in groups of 8 */
  PetscCall(PackAllocate(PetscMax(numbers, (size_t)m->wide.K) + 8, &m->part));
  PetscCall(PackAllocate(numbers, &m->moments));
  PetscCall(PackAllocate(numbers, &m->coefficients));
  PetscCall(PackAllocate((size_t)(d + 1) * a->layout.block, &m->f));
  PetscCall(SynthesisCreate(m->basis.harmonics, d + 1, &m->sums));
  if (a->type->form == FORM_SINKHORN) PetscCall(SynthesisCreate(m->basis.harmonics, 1, &m->scalar));
  a->data = m;
  a->small = 16 * (a->truncation.tail + ROUNDING);
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Attention a) {
  Moments *m = a->data;

  PetscFunctionBeginUser;
  free(m->fixed);
  free(m->part);
  free(m->moments);
  free(m->coefficients);
  free(m->f);
  PetscCall(PetscFree2(m->factor, m->energy));
  PetscCall(SynthesisDestroy(&m->sums));
  PetscCall(SynthesisDestroy(&m->scalar));
  PetscCall(MomentsGridDestroy(&m->grid));
  PetscCall(BasisDestroy(&m->wide));
  PetscCall(BasisDestroy(&m->basis));
  PetscCall(PetscFree(m));
  a->data = NULL;
  PetscFunctionReturn(0);
}

/* The functions whose moments are due at block k: w f x_c and, last, w f; the last alone when `scalar`. */
static void Functions(Attention a, const double *x, const double *weights, const double *factors, PetscBool scalar,
                      double *out) {
  const PetscInt B = a->layout.block, d = scalar ? 0 : a->layout.dim;
  double *restrict w = out + d * B;

  for (PetscInt t = 0; t < B; t++) w[t] = weights[t] * (factors ? factors[t] : 1);
  for (PetscInt c = 0; c < d; c++) {
    double *restrict g = out + c * B;
    for (PetscInt t = 0; t < B; t++) g[t] = w[t] * x[c * B + t];
  }
}

/* The moments of a block, part[n][K], rounded into the sums. */
static void Add(const Basis *b, PetscInt n, double *part, PetscInt64 *fixed) {
  for (PetscInt c = 0; c < n; c++) {
    double *restrict row = part + (size_t)c * b->K;
    for (PetscInt k = 0; k < b->K; k++) row[k] *= b->inverse[k];
  }
  TileRound(((size_t)n * b->K + 7) / 8 * 8, part, fixed);
}

/* The processor stops to read ahead at the end of a page, and a block is only a page or two. */
static void Prefetch(PetscInt n, const double *next) {
  for (PetscInt i = 0; i < n; i += 8) __builtin_prefetch(next + i);
}

/* out[n][K], the moments of the functions at all tokens. */
static PetscErrorCode Analyze(Attention a, Tokens tokens, const double *factors, const Basis *basis, PetscInt n,
                              double *out) {
  const PetscInt B = a->layout.block, d = a->layout.dim;
  const PetscReal unit = 1 / SumScale(1.0);
  const Moments *m = a->data;
  const double *weights, *x;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(analyze_event, NULL, NULL, NULL, NULL));
  PetscCall(PetscArrayzero(m->fixed, (size_t)n * basis->K));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    const double *block = x + k * d * B;

    Prefetch(d * B, block + d * B);
    Prefetch(B, weights + (k + 1) * B);
    if (AttentionIsIdle(B, weights + k * B)) continue;
    Functions(a, block, weights + k * B, factors ? factors + k * B : NULL, (PetscBool)(n == 1), m->f);
    for (PetscInt c = 0; c < n; c += TOGETHER)
      PetscCall(HarmonicsAnalyze(basis->harmonics, B, block, PetscMin(n - c, TOGETHER), m->f + c * B,
                                 m->part + (size_t)c * basis->K));
    Add(basis, n, m->part, m->fixed);
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(PetscLogEventEnd(analyze_event, NULL, NULL, NULL, NULL));
  PetscCall(PetscLogEventBegin(attention_reduce_event, NULL, NULL, NULL, NULL));
  PetscCall(SumAllreduce(a->layout.comm, n * basis->K, m->fixed));
  PetscCall(PetscLogEventEnd(attention_reduce_event, NULL, NULL, NULL, NULL));
  for (PetscInt c = 0, i = 0; c < n; c++) {
    for (PetscInt k = 0; k < basis->K; k++, i++) out[i] = unit * (double)m->fixed[i] / basis->inverse[k];
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Sum(Attention a, Tokens tokens, const double *factors, PetscBool scalar) {
  const PetscInt n = scalar ? 1 : a->layout.dim + 1;
  Moments *m = a->data;

  PetscFunctionBeginUser;
  if (m->grid && !scalar) {
    PetscCall(Analyze(a, tokens, factors, &m->wide, 1, m->part));
    PetscCall(MomentsGridApply(m->grid, m->part, m->moments));
    PetscCall(PetscArrayzero(m->part, m->wide.K)); /* as the rounding of blocks leaves it */
  } else {
    PetscCall(Analyze(a, tokens, factors, &m->basis, n, m->moments));
  }
  for (PetscInt c = 0, i = 0; c < n; c++) {
    for (PetscInt k = 0; k < m->basis.K; k++, i++) m->coefficients[i] = m->moments[i] * m->factor[k];
  }
  if (!scalar)
    PetscCall(SynthesisSet(m->sums, a->layout.count, m->coefficients));
  else if (m->scalar)
    PetscCall(SynthesisSet(m->scalar, a->layout.count, m->coefficients));
  PetscFunctionReturn(0);
}

static PetscErrorCode Get(Attention a, PetscInt k, const double *x, PetscBool scalar, double *s) {
  const Moments *m = a->data;

  PetscFunctionBeginUser;
  (void)k;
  PetscCall(SynthesisEvaluate(scalar ? m->scalar : m->sums, 1, a->layout.block, x, s));
  PetscFunctionReturn(0);
}

static PetscErrorCode GetRun(Attention a, PetscInt blocks, const double *x, double *s) {
  const Moments *m = a->data;

  PetscFunctionBeginUser;
  PetscCall(SynthesisEvaluate(m->sums, blocks, a->layout.block, x, s));
  PetscFunctionReturn(0);
}

/* THEORY.md (5.1) in moments M of w: sum_n e_n (1 - |S|/dim(n) sum_j M_nj^2), no term of which is negative. Taken
 * one by one they keep the energy's digits where all tokens meet and it vanishes. */
static PetscErrorCode Energy(Attention a, Tokens tokens, PetscBool current, PetscReal *gap) {
  const PetscInt degree = a->truncation.degree;
  const PetscReal area = SphereArea(a->layout.dim);
  const Moments *m = a->data;
  const double *weight;
  PetscReal *power;

  PetscFunctionBeginUser;
  if (!current) PetscCall(Sum(a, tokens, NULL, PETSC_TRUE));
  weight = m->moments + (current ? (size_t)a->layout.dim * m->basis.K : 0);
  PetscCall(PetscCalloc1(degree + 1, &power));
  for (PetscInt k = 0; k < m->basis.K; k++) power[m->basis.degrees[k]] += weight[k] * weight[k];
  *gap = 0;
  for (PetscInt n = degree; n > 0; n--) {
    const PetscReal share = power[n] * area / SphereHarmonicCount(a->layout.dim, n);
    *gap += m->energy[n] * PetscMax(1 - share, 0);
  }
  PetscCall(PetscFree(power));
  PetscFunctionReturn(0);
}

static void Cost(Attention a, double *travel, double *memory) {
  const Moments *m = a->data;
  const double d = a->layout.dim, numbers = (d + 1) * m->basis.K, sent = m->grid ? m->wide.K : numbers;
  const double points = m->grid ? (double)MomentsGridPoints(a->layout.dim, a->truncation.degree) : 0;
  PetscMPIInt size = 1;
  SynthesisCost cost;

  (void)MPI_Comm_size(a->layout.comm, &size);
  (void)SynthesisGetCost(m->sums, &cost);
  *travel = size > 1 ? 2 * sent * sizeof(double) : 0;
  *memory =
      sizeof(double) * (4 * numbers + (d + 1) * points + (double)a->layout.block * (1 + ATTENTION_RUN) * (d + 1)) +
      (a->layout.count < cost.from ? 0 : cost.bytes);
}

const AttentionEngine AttentionMoments = {"moments", PETSC_TRUE, Create, Destroy, Sum, Get, GetRun, Energy, Cost};
