#include <chorale/observables.h>

#include <chorale/sum.h>
#include <petscblaslapack.h>

#include "base/log.h"
#include "run/pairs.h"

#define CLUSTER_COSINE 0.99

static const Quantity quantity[OBSERVABLES] = {
    [OBSERVE_ENERGY] =
        {"energy", "1",
         "E_beta = 1/2 sum_ij w_i w_j (e^beta - e^(beta <x_i,x_j>)), divided by e^beta where energy_beta > 700",
         QUANTITY_OBSERVABLE, .column = "energy"},
    [OBSERVE_ORDER] = {"order", "1", "|sum_i w_i x_i|", QUANTITY_OBSERVABLE, .column = "order"},
    [OBSERVE_COSINE_MEAN] = {"cosine_mean", "1", "weighted mean of <x_i,x_j> over i != j", QUANTITY_OBSERVABLE,
                             .column = "cosine"},
    [OBSERVE_COSINE_HIST] =
        {"cosine_hist", "1",
         "share of the pairs i < j of the first min(N,4096) tokens in each of 64 equal bins of <x_i,x_j> in [-1,1]",
         QUANTITY_OBSERVABLE, .rank = 1, .shape = {OBSERVE_BINS}},
    [OBSERVE_NEMATIC] = {"nematic", "1", "top eigenvalue of sum_i w_i x_i x_i^T", QUANTITY_OBSERVABLE, .rank = 0},
    [OBSERVE_CLUSTERS] = {"clusters", "1",
                          "connected components of the graph <x_i,x_j> > 0.99 on the first min(N,4096) tokens",
                          QUANTITY_OBSERVABLE, .rank = 0},
};

const Quantity *ObservableGetQuantity(Observable observable) {
  return &quantity[observable];
}

PetscInt ObservableFirst(Observable observable) {
  PetscInt first = 0;

  for (int o = 0; o < (int)observable; o++) first += QuantitySize(&quantity[o]);
  return first;
}

/* Sums over the tokens, as integers (sum.h) in one array so that one reduction adds them all up: sum w_i x_i, sum
 * w_i^2, counts of pairs per bin, and, unless the Gram matrix is the smaller one, the upper triangle of sum w_i x_i
 * x_i^T. */
typedef struct {
  PetscInt dim, length;
  PetscBool gram; /* N <= d: sqrt(w_i w_j) <x_i,x_j> has the same top eigenvalue */
  PetscInt64 *sum, *first, *squares, *counts, *second;
} Moments;

static PetscErrorCode MomentsCreate(const TokensLayout *layout, Moments *m) {
  const PetscInt d = layout->dim;

  PetscFunctionBeginUser;
  m->dim = d;
  m->gram = layout->count <= PetscMin(d, OBSERVE_SUBSET) ? PETSC_TRUE : PETSC_FALSE;
  m->length = d + 1 + OBSERVE_BINS + (m->gram ? 0 : d * (d + 1) / 2);
  PetscCall(PetscCalloc1(m->length, &m->sum));
  m->first = m->sum;
  m->squares = m->first + d;
  m->counts = m->squares + 1;
  m->second = m->counts + OBSERVE_BINS;
  PetscFunctionReturn(0);
}

/* One block: every sum has terms that add up to at most 1 in absolute value. y [d][B] and square [d][d] are work space.
 */
static PetscErrorCode AddBlock(Moments *m, PetscInt block, const double *x, const double *w, double *y,
                               double *square) {
  const PetscReal scale = SumScale(1);
  const double one = 1, zero = 0;
  double squares = 0;
  PetscInt64 *second = m->second;
  PetscBLASInt B, d;

  PetscFunctionBeginUser;
#pragma omp simd reduction(+ : squares)
  for (PetscInt t = 0; t < block; t++) squares += w[t] * w[t];
  *m->squares += SumRound(squares, scale);
  for (PetscInt c = 0; c < m->dim; c++) {
    double first = 0;
#pragma omp simd reduction(+ : first)
    for (PetscInt t = 0; t < block; t++) first += y[c * block + t] = w[t] * x[c * block + t];
    m->first[c] += SumRound(first, scale);
  }
  if (m->gram) PetscFunctionReturn(0);
  PetscCall(PetscBLASIntCast(block, &B));
  PetscCall(PetscBLASIntCast(m->dim, &d));
  PetscCallBLAS("BLASgemm", BLASgemm_("T", "N", &d, &d, &B, &one, y, &B, x, &B, &zero, square, &d));
  for (PetscInt c = 0; c < m->dim; c++)
    for (PetscInt e = 0; e <= c; e++) *second++ += SumRound(square[e + (size_t)c * (size_t)m->dim], scale);
  PetscFunctionReturn(0);
}

static PetscErrorCode AddTokens(Moments *m, Tokens tokens, const TokensLayout *layout) {
  const PetscInt each = layout->dim * layout->block;
  const double *x, *w;
  double *y, *square;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &w));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(PetscMalloc2(each, &y, m->gram ? 0 : (size_t)m->dim * (size_t)m->dim, &square));
  for (PetscInt b = 0; b < layout->owned; b++)
    PetscCall(AddBlock(m, layout->block, x + b * each, w + b * layout->block, y, square));
  PetscCall(PetscFree2(y, square));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscFunctionReturn(0);
}

/* The largest eigenvalue of the symmetric n x n matrix whose upper triangle is in a, which is destroyed. All
 * eigenvalues by QR: bisection for the largest alone is no faster and fails on multiples of the identity. */
static PetscErrorCode TopEigenvalue(PetscInt n, double *a, double *top) {
  PetscBLASInt size, room = -1, status;
  double *values, *work, best;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(n, &size));
  PetscCall(PetscMalloc1(n, &values));
  PetscCallBLAS("LAPACKsyev", LAPACKsyev_("N", "U", &size, a, &size, values, &best, &room,
                                          &status)); /* best size of the work space */
  room = (PetscBLASInt)best;
  PetscCall(PetscMalloc1(room, &work));
  PetscCallBLAS("LAPACKsyev", LAPACKsyev_("N", "U", &size, a, &size, values, work, &room, &status));
  PetscCheck(!status, PETSC_COMM_SELF, PETSC_ERR_LIB, "LAPACK's syev failed with %d for the nematic order",
             (int)status);
  *top = values[n - 1];
  PetscCall(PetscFree(work));
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

/* On rank 0 of the shards. */
static PetscErrorCode Nematic(const Moments *m, Pairs pairs, Tokens tokens, PetscReal *nematic) {
  PetscInt n = m->dim;
  double *a = NULL;

  PetscFunctionBeginUser;
  if (m->gram)
    PetscCall(PairsGram(pairs, tokens, &n, &a));
  else {
    const PetscInt64 *second = m->second;
    PetscCall(PetscMalloc1((size_t)n * (size_t)n, &a));
    for (PetscInt c = 0; c < n; c++)
      for (PetscInt e = 0; e <= c; e++) a[e + (size_t)c * (size_t)n] = (double)*second++ / SumScale(1);
  }
  if (a) {
    PetscCall(TopEigenvalue(n, a, nematic));
    *nematic = PetscClipInterval(*nematic, 1 / (PetscReal)m->dim, 1);
  }
  PetscCall(PetscFree(a));
  PetscFunctionReturn(0);
}

PetscErrorCode ObservablesEvaluate(Tokens tokens, Attention attention, PetscReal values[OBSERVE_VALUES]) {
  static PetscLogEvent event = 0;
  TokensLayout layout;
  Moments m;
  Pairs pairs;
  PetscMPIInt rank;
  PetscInt clusters;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("Observables", &event));
  values[ObservableFirst(OBSERVE_ENERGY)] = NAN;
  if (attention) PetscCall(AttentionEnergy(attention, tokens, &values[ObservableFirst(OBSERVE_ENERGY)]));
  PetscCall(PetscLogEventBegin(event, 0, 0, 0, 0));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCallMPI(MPI_Comm_rank(layout.comm, &rank));
  PetscCall(MomentsCreate(&layout, &m));
  PetscCall(PairsCreate(tokens, &pairs));
  PetscCall(AddTokens(&m, tokens, &layout));
  PetscCall(PairsCount(pairs, OBSERVE_BINS, CLUSTER_COSINE, m.counts, &clusters));
  PetscCall(SumAllreduce(layout.comm, m.length, m.sum));

  const PetscReal scale = SumScale(1), same = (PetscReal)*m.squares / scale;
  PetscReal square = 0;
  for (PetscInt c = 0; c < m.dim; c++) square += PetscSqr((PetscReal)m.first[c] / scale);
  values[ObservableFirst(OBSERVE_ORDER)] = PetscMin(1, PetscSqrtReal(square));
  /* sum_{i,j} w_i w_j <x_i,x_j> = |sum w x|^2, of which i = j are sum w^2 since |x_i| = 1 */
  values[ObservableFirst(OBSERVE_COSINE_MEAN)] =
      layout.count == 1 ? 1 : PetscClipInterval((square - same) / (1 - same), -1, 1);
  for (PetscInt b = 0; b < OBSERVE_BINS; b++)
    values[ObservableFirst(OBSERVE_COSINE_HIST) + b] =
        layout.count == 1 ? 0 : (PetscReal)m.counts[b] / (PetscReal)PairsNumber(pairs);
  PetscCall(Nematic(&m, pairs, tokens, &values[ObservableFirst(OBSERVE_NEMATIC)]));
  values[ObservableFirst(OBSERVE_CLUSTERS)] = (PetscReal)clusters;
  /* clusters and nematic are known on rank 0 */
  PetscCallMPI(MPI_Bcast(values, OBSERVE_VALUES, MPIU_REAL, 0, layout.comm));
  PetscCall(PairsDestroy(&pairs));
  PetscCall(PetscFree(m.sum));
  PetscCall(PetscLogEventEnd(event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}
