/* The coupling at the tokens (noise/coupling.h), and the control that is not coupled: both work on the values at the
 * tokens, and so make up a field where it is evaluated.
 *
 * b_W is shared though the limit field does not come with one: given G its law is Gaussian (a Bayesian linear model),
 * so it is drawn from that, and G - b_W is then a field of covariance k - sigma_W^2 independent of b_W. */
#include "noise/coupling_impl.h"

#include <math.h>
#include <petscblaslapack.h>

#include "base/log.h"

/* Eigenvalues of a Gram matrix below this share of its trace are rounding: the limit field says nothing along their
 * eigenvectors, and fresh normals keep the law of G^m exact. What coupling is lost with them is of that size, too. */
#define RANGE 1e-12
/* Tokens at most where matrices of pairs are taken. */
#define MATRIX_TOKENS 2048

static PetscLogEvent evaluate_event;

/* H[N][COUPLING_CHUNK] = sigma(d^{-1/2} U y + b_U) of a chunk of units at the tokens Y[N][d]. */
static PetscErrorCode HiddenValues(const CouplingKey *key, PetscInt first, PetscInt chunk, PetscInt N, const double *Y,
                                   double *H) {
  const Noise noise = key->noise;
  const PetscScalar in = 1 / sqrt((double)noise->dim), one = 1;
  const PetscBLASInt stride = COUPLING_CHUNK;
  PetscBLASInt count, tokens, d;
  double *U, *bias_u;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(chunk, &count));
  PetscCall(PetscBLASIntCast(N, &tokens));
  PetscCall(PetscBLASIntCast(noise->dim, &d));
  PetscCall(PetscMalloc2(chunk * d, &U, COUPLING_CHUNK, &bias_u));
  PetscCall(PetscArrayzero(bias_u, COUPLING_CHUNK));
  CouplingDrawUnits(key, first, chunk, U, bias_u);
  for (PetscInt i = 0; i < N; i++) PetscCall(PetscArraycpy(H + i * COUPLING_CHUNK, bias_u, COUPLING_CHUNK));
  PetscCallBLAS("BLASgemm", BLASgemm_("T", "N", &count, &tokens, &d, &in, U, &d, Y, &d, &one, H, &stride));
  noise->activation->apply(N * COUPLING_CHUNK, H, H);
  PetscCall(PetscFree2(U, bias_u));
  PetscFunctionReturn(0);
}

/* A[N][N], lower triangle: a^T a / m. */
static PetscErrorCode UnitGram(const CouplingKey *key, PetscInt N, const double *Y, double *A) {
  const PetscScalar scale = 1 / (double)key->width, zero = 0, one = 1;
  const PetscBLASInt stride = COUPLING_CHUNK;
  PetscBLASInt tokens, count;
  double *H;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(N, &tokens));
  PetscCall(PetscMalloc1(N * COUPLING_CHUNK, &H));
  for (PetscInt first = 0; first < key->width; first += COUPLING_CHUNK) {
    PetscCall(PetscBLASIntCast(PetscMin(COUPLING_CHUNK, key->width - first), &count));
    PetscCall(HiddenValues(key, first, count, N, Y, H));
    PetscCallBLAS("BLASsyrk",
                  BLASsyrk_("L", "T", &tokens, &count, &scale, H, &stride, first ? &one : &zero, A, &tokens));
  }
  PetscCall(PetscFree(H));
  PetscFunctionReturn(0);
}

/* K[N][N], lower triangle: the kernel of the limit without b_W. */
static PetscErrorCode LimitGram(Noise limit, PetscInt N, const double *Y, double *K) {
  const PetscScalar zero = 0, one = 1;
  const PetscReal bias = limit->bias_w * limit->bias_w;
  PetscBLASInt tokens, d;
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(N, &tokens));
  PetscCall(PetscBLASIntCast(limit->dim, &d));
  PetscCall(NoiseGetKernel(limit, &kernel));
  PetscCallBLAS("BLASsyrk", BLASsyrk_("L", "T", &tokens, &d, &one, Y, &d, &zero, K, &tokens));
  for (PetscInt j = 0; j < N; j++)
    for (PetscInt i = j; i < N; i++) {
      double *entry = &K[j * N + i];
      PetscCall(KernelEvaluate(kernel, i == j ? 1 : PetscMax(-1, PetscMin(1, *entry)), entry));
      *entry -= bias;
    }
  PetscFunctionReturn(0);
}

/* b_W from its law given the limit field: with G = G_0 + 1 b_W, ones = Q^T 1 and g = Q^T G in the eigenbasis of K_0,
 *
 *     b_W | G ~ N( s q.g / (1 + s q.ones), s / (1 + s q.ones) ),   s = sigma_W^2,  q = ones / lambda.
 *
 * Takes it away from g. */
static PetscErrorCode SplitBias(const CouplingKey *key, PetscInt N, const double *vectors, const double *lambda,
                                double floor, double *g, double *bias_w) {
  const PetscInt d = key->noise->dim;
  const double s = key->noise->bias_w * key->noise->bias_w;
  double *ones, *sums, norm = 1;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(bias_w, d));
  if (!(s > 0)) PetscFunctionReturn(0);
  PetscCall(PetscCalloc2(N, &ones, d, &sums));
  for (PetscInt i = 0; i < N; i++) {
    for (PetscInt t = 0; t < N; t++) ones[i] += vectors[i * N + t];
    norm += s * ones[i] * ones[i] / PetscMax(lambda[i], floor);
    for (PetscInt c = 0; c < d; c++) sums[c] += s * ones[i] * g[i * d + c] / PetscMax(lambda[i], floor);
  }
  CouplingDrawBias(key, bias_w);
  for (PetscInt c = 0; c < d; c++) bias_w[c] = sums[c] / norm + sqrt(s / norm) * bias_w[c];
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt c = 0; c < d; c++) g[i * d + c] -= ones[i] * bias_w[c];
  PetscCall(PetscFree2(ones, sums));
  PetscFunctionReturn(0);
}

/* From the limit field's values G[N][d] at the tokens Y to the normals behind them, in place, and b_W: Z = K^{-1/2} (G
 * - b_W) on the range of K, fresh normals on the rest. */
static PetscErrorCode RecoverNormals(const CouplingKey *key, PetscInt N, const double *Y, double *G, double *bias_w) {
  const PetscInt d = key->noise->dim;
  double *K, *lambda, *g, *rest, trace = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4((size_t)N * (size_t)N, &K, N, &lambda, N * d, &g, N * d, &rest));
  PetscCall(LimitGram(key->noise, N, Y, K));
  PetscCall(CouplingEigen(N, K, lambda));
  for (PetscInt i = 0; i < N; i++) trace += lambda[i];
  const double floor = PetscMax(RANGE * trace, PETSC_MACHINE_EPSILON * key->noise->bias_w * key->noise->bias_w);
  PetscCall(CouplingAnalyze(N, K, d, G, g));
  PetscCall(SplitBias(key, N, K, lambda, floor, g, bias_w));
  if (lambda[0] <= floor) { /* ascending */
    CouplingDrawRest(key, N, G);
    PetscCall(CouplingAnalyze(N, K, d, G, rest));
  }
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt c = 0; c < d; c++)
      g[i * d + c] = lambda[i] > floor ? g[i * d + c] / sqrt(lambda[i]) : rest[i * d + c];
  PetscCall(CouplingSynthesize(N, K, d, g, G));
  PetscCall(PetscFree4(K, lambda, g, rest));
  PetscFunctionReturn(0);
}

/* G[N][d]: the limit's values in, G^m = A_m^{1/2} Z + b_W out. */
static PetscErrorCode CoupleAtTokens(const CouplingKey *key, PetscInt N, const double *Y, double *G) {
  const PetscInt d = key->noise->dim;
  double *A, *bias_w;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2((size_t)N * (size_t)N, &A, d, &bias_w));
  PetscCall(RecoverNormals(key, N, Y, G, bias_w));
  PetscCall(UnitGram(key, N, Y, A));
  PetscCall(CouplingApplyRoot(N, A, d, G));
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt c = 0; c < d; c++) G[i * d + c] += bias_w[c];
  PetscCall(PetscFree2(A, bias_w));
  PetscFunctionReturn(0);
}

/* G[N][d] = m^{-1/2} W sigma(d^{-1/2} U y + b_U) + b_W with weights of its own. */
static PetscErrorCode UncoupledValues(const CouplingKey *key, PetscInt N, const double *Y, double *G) {
  const Noise noise = key->noise;
  const PetscScalar out = 1 / sqrt((double)key->width), one = 1;
  const PetscBLASInt stride = COUPLING_CHUNK;
  PetscBLASInt tokens, count, d;
  double *H, *W;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(N, &tokens));
  PetscCall(PetscBLASIntCast(noise->dim, &d));
  PetscCall(PetscMalloc2(N * COUPLING_CHUNK, &H, COUPLING_CHUNK * d, &W));
  CouplingDrawBias(key, W);
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt c = 0; c < d; c++) G[i * d + c] = noise->bias_w * W[c];
  for (PetscInt first = 0; first < key->width; first += COUPLING_CHUNK) {
    PetscCall(PetscBLASIntCast(PetscMin(COUPLING_CHUNK, key->width - first), &count));
    PetscCall(HiddenValues(key, first, count, N, Y, H));
    RngCentred(noise->weights, NoiseStream(noise, key->realization, key->step, RNG_MLP_W),
               (uint64_t)first * (uint64_t)d, (size_t)count * (size_t)d, W);
    PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &d, &tokens, &count, &out, W, &d, H, &stride, &one, G, &d));
  }
  PetscCall(PetscFree2(H, W));
  PetscFunctionReturn(0);
}

/* field->data */
typedef struct {
  Field limit; /* the caller's; NULL when nothing is coupled */
  CouplingKey key;
} Made;

/* Matrices of all tokens: every rank gathers them and computes alike, so the bits do not depend on the ranks. */
static PetscErrorCode Evaluate(Field field, Tokens tokens, Vec g) {
  const Made *made = field->data;
  double *Y, *G;
  TokensLayout layout;
  PetscInt N;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(evaluate_event, 0, 0, 0, 0));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &x));
  N = (PetscInt)layout.count;
  PetscCall(PetscMalloc2(N * layout.dim, &Y, N * layout.dim, &G));
  PetscCall(TokensGather(tokens, x, Y));
  if (made->limit) {
    PetscCall(FieldEvaluate(made->limit, tokens, g));
    PetscCall(TokensGather(tokens, g, G));
    PetscCall(CoupleAtTokens(&made->key, N, Y, G));
  } else {
    PetscCall(UncoupledValues(&made->key, N, Y, G));
  }
  PetscCall(TokensScatter(tokens, G, g));
  PetscCall(PetscFree2(Y, G));
  PetscCall(PetscLogEventEnd(evaluate_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateMade(Field field) {
  Made *made;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&made));
  field->data = made;
  PetscFunctionReturn(0);
}

static PetscErrorCode DestroyMade(Field field) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(field->data));
  PetscFunctionReturn(0);
}

/* No sums: what should be coupled to a sum is drawn from the sum of the limits. */
static const FieldType made_type = {.create = CreateMade, .destroy = DestroyMade, .evaluate = Evaluate};

static PetscErrorCode Create(Coupling coupling) {
  PetscFunctionBeginUser;
  PetscCall(LogEvent("CouplingApply", &evaluate_event));
  PetscCall(FieldCreate(&made_type, coupling->limit, &coupling->made));
  PetscFunctionReturn(0);
}

static PetscErrorCode DrawCoupled(Coupling coupling, const CouplingKey *key, Field limit) {
  PetscFunctionBeginUser;
  *(Made *)coupling->made->data = (Made){.limit = limit, .key = *key};
  PetscFunctionReturn(0);
}

static PetscErrorCode DrawUncoupled(Coupling coupling, const CouplingKey *key, Field limit) {
  PetscFunctionBeginUser;
  (void)limit;
  *(Made *)coupling->made->data = (Made){.limit = NULL, .key = *key};
  PetscFunctionReturn(0);
}

static PetscErrorCode ViewCoupled(Coupling coupling, MPI_Comm comm) {
  PetscFunctionBeginUser;
  (void)coupling;
  PetscCall(PetscPrintf(comm, "coupling   at the tokens: two N x N eigenproblems and m N (N + 2 d) flops per layer\n"));
  PetscFunctionReturn(0);
}

static PetscErrorCode ViewUncoupled(Coupling coupling, MPI_Comm comm) {
  PetscFunctionBeginUser;
  (void)coupling;
  PetscCall(PetscPrintf(comm, "coupling   none: weights of their own, the control; 4 m N d flops per layer\n"));
  PetscFunctionReturn(0);
}

const CouplingType CouplingTypeTokens = {
    .name = "tokens", .most = MATRIX_TOKENS, .create = Create, .view = ViewCoupled, .draw = DrawCoupled};
const CouplingType CouplingTypeNone = {
    .name = "none", .any = PETSC_TRUE, .create = Create, .view = ViewUncoupled, .draw = DrawUncoupled};
