/* Fields of finite width coupled to a limit field (THEORY.md (3.5)), as a noise of its own that is drawn from a
 * limit field rather than by key alone; and the coupling at the tokens.
 *
 * b_W is shared though the limit field does not come with one: given G its law is Gaussian (a Bayesian linear model),
 * so it is drawn from that, and G - b_W is then a field of covariance k - sigma_W^2 independent of b_W. */
#include "noise/coupling_impl.h"

#include <math.h>
#include <petscblaslapack.h>
#include <string.h>

#include <chorale/deck.h>
#include <chorale/log.h>

/* Eigenvalues of a Gram matrix below this share of its trace are rounding: the limit field says nothing along their
 * eigenvectors, and fresh normals keep the law of G^m exact. What coupling is lost with them is of that size, too. */
#define RANGE 1e-12

typedef enum { AT_TOKENS, IN_HARMONICS, UNCOUPLED } Kind;

/* noise->data */
typedef struct {
  Kind kind;
  Noise limit;
  HarmonicCoupling harmonics; /* IN_HARMONICS */
} Coupling;

/* field->data */
typedef struct {
  Field limit; /* the caller's */
  CouplingKey key;
  Field made; /* IN_HARMONICS: G^m as a field of the limit's noise */
} Coupled;

static PetscLogEvent evaluate_event;

void CouplingDrawUnits(const CouplingKey *key, PetscInt first, PetscInt count, double U[], double bias_u[]) {
  const Noise noise = key->noise;
  const size_t n = (size_t)count, d = (size_t)noise->dim;

  RngNormal(NoiseStream(noise, key->realization, key->step, RNG_MLP_U), (uint64_t)first * d, n * d, U);
  memset(bias_u, 0, n * sizeof(double));
  if (!(noise->bias_u > 0)) return;
  RngNormal(NoiseStream(noise, key->realization, key->step, RNG_MLP_BIAS_U), (uint64_t)first, n, bias_u);
  for (PetscInt h = 0; h < count; h++) bias_u[h] *= noise->bias_u;
}

void CouplingDrawBias(const CouplingKey *key, double normals[]) {
  RngNormal(NoiseStream(key->noise, key->realization, key->step, RNG_MLP_BIAS_W), 0, (size_t)key->noise->dim, normals);
}

/* With the key that W has without a coupling, so they are independent of all other draws. */
void CouplingDrawRest(const CouplingKey *key, PetscInt n, double z[]) {
  RngNormal(NoiseStream(key->noise, key->realization, key->step, RNG_MLP_W), 0, (size_t)(n * key->noise->dim), z);
}

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
static PetscErrorCode LimitGram(const Coupling *coupling, PetscInt N, const double *Y, double *K) {
  const PetscScalar zero = 0, one = 1;
  const PetscReal bias = coupling->limit->bias_w * coupling->limit->bias_w;
  PetscBLASInt tokens, d;
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(N, &tokens));
  PetscCall(PetscBLASIntCast(coupling->limit->dim, &d));
  PetscCall(NoiseGetKernel(coupling->limit, &kernel));
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
static PetscErrorCode RecoverNormals(const Coupling *coupling, const CouplingKey *key, PetscInt N, const double *Y,
                                     double *G, double *bias_w) {
  const PetscInt d = key->noise->dim;
  double *K, *lambda, *g, *rest, trace = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4((size_t)N * (size_t)N, &K, N, &lambda, N * d, &g, N * d, &rest));
  PetscCall(LimitGram(coupling, N, Y, K));
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
static PetscErrorCode CoupleAtTokens(const Coupling *coupling, const CouplingKey *key, PetscInt N, const double *Y,
                                     double *G) {
  const PetscInt d = key->noise->dim;
  double *A, *bias_w;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2((size_t)N * (size_t)N, &A, d, &bias_w));
  PetscCall(RecoverNormals(coupling, key, N, Y, G, bias_w));
  PetscCall(UnitGram(key, N, Y, A));
  PetscCall(CouplingApplyRoot(N, A, d, G));
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt c = 0; c < d; c++) G[i * d + c] += bias_w[c];
  PetscCall(PetscFree2(A, bias_w));
  PetscFunctionReturn(0);
}

/* G[N][d] = m^{-1/2} W sigma(d^{-1/2} U y + b_U) + b_W with weights of its own. */
static PetscErrorCode DrawUncoupled(const CouplingKey *key, PetscInt N, const double *Y, double *G) {
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
    RngNormal(NoiseStream(noise, key->realization, key->step, RNG_MLP_W), (uint64_t)first * (uint64_t)d,
              (size_t)count * (size_t)d, W);
    PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &d, &tokens, &count, &out, W, &d, H, &stride, &one, G, &d));
  }
  PetscCall(PetscFree2(H, W));
  PetscFunctionReturn(0);
}

/* Matrices of all tokens: every rank gathers them and computes alike, so the bits do not depend on the ranks. */
static PetscErrorCode EvaluateAtTokens(Field field, Tokens tokens, Vec g) {
  const Coupling *coupling = field->noise->data;
  const Coupled *coupled = field->data;
  TokensLayout layout;
  double *Y, *G;
  PetscInt N;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &x));
  N = (PetscInt)layout.count;
  PetscCall(PetscMalloc2(N * layout.dim, &Y, N * layout.dim, &G));
  PetscCall(TokensGather(tokens, x, Y));
  if (coupling->kind == AT_TOKENS) {
    PetscCall(FieldEvaluate(coupled->limit, tokens, g));
    PetscCall(TokensGather(tokens, g, G));
    PetscCall(CoupleAtTokens(coupling, &coupled->key, N, Y, G));
  } else {
    PetscCall(DrawUncoupled(&coupled->key, N, Y, G));
  }
  PetscCall(TokensScatter(tokens, G, g));
  PetscCall(PetscFree2(Y, G));
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(Field field, Tokens tokens, Vec g) {
  const Coupling *coupling = field->noise->data;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(evaluate_event, 0, 0, 0, 0));
  if (coupling->kind == IN_HARMONICS)
    PetscCall(FieldEvaluate(((Coupled *)field->data)->made, tokens, g));
  else
    PetscCall(EvaluateAtTokens(field, tokens, g));
  PetscCall(PetscLogEventEnd(evaluate_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}

static PetscErrorCode CreateField(Field field) {
  const Coupling *coupling = field->noise->data;
  Coupled *coupled;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&coupled));
  field->data = coupled;
  if (coupling->kind == IN_HARMONICS) PetscCall(NoiseCreateField(coupling->limit, &coupled->made));
  PetscFunctionReturn(0);
}

static PetscErrorCode DestroyField(Field field) {
  Coupled *coupled = field->data;

  PetscFunctionBeginUser;
  PetscCall(FieldDestroy(&coupled->made));
  PetscCall(PetscFree(field->data));
  PetscFunctionReturn(0);
}

/* A key alone does not make such a field. */
static PetscErrorCode Draw(Field field, PetscInt realization, PetscInt step) {
  PetscFunctionBeginUser;
  (void)field, (void)realization, (void)step;
  SETERRQ(PETSC_COMM_SELF, PETSC_ERR_ORDER, "a coupled field is drawn by CouplingDraw");
}

static PetscErrorCode Add(Field y, PetscReal scale, Field x) {
  PetscFunctionBeginUser;
  (void)y, (void)scale, (void)x;
  SETERRQ(PETSC_COMM_SELF, PETSC_ERR_SUP, "coupled fields have no sums: couple to a sum");
}

static PetscErrorCode Destroy(Noise noise) {
  Coupling *coupling = noise->data;

  PetscFunctionBeginUser;
  PetscCall(HarmonicCouplingDestroy(&coupling->harmonics));
  PetscCall(PetscFree(noise->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Noise noise, MPI_Comm comm) {
  const Coupling *coupling = noise->data;
  PetscInt size = 0;

  PetscFunctionBeginUser;
  switch (coupling->kind) {
  case AT_TOKENS:
    PetscCall(
        PetscPrintf(comm, "coupling   at the tokens: two N x N eigenproblems and m N (N + 2 d) flops per layer\n"));
    break;
  case IN_HARMONICS:
    PetscCall(HarmonicCouplingGetSize(coupling->harmonics, &size));
    PetscCall(PetscPrintf(comm,
                          "coupling   in harmonics: an eigenproblem of size %" PetscInt_FMT
                          " and %.6g m flops per layer, for any N; units are cut off at the limit's degree\n",
                          size, (double)size * (double)size));
    break;
  case UNCOUPLED:
    PetscCall(PetscPrintf(comm, "coupling   none: weights of their own, the control; 4 m N d flops per layer\n"));
  }
  PetscFunctionReturn(0);
}

/* Tokens at most where matrices of pairs are taken; in harmonics any number. */
#define MATRIX_TOKENS 2048
#define OPERATIONS                                                                                                     \
  .destroy = Destroy, .view = View, .field_create = CreateField, .field_destroy = DestroyField, .draw = Draw,          \
  .add = Add, .evaluate = Evaluate

static const NoiseType coupled_types[] = {
    {.name = "coupled at the tokens", .most = MATRIX_TOKENS, OPERATIONS},
    {.name = "coupled in harmonics", OPERATIONS},
    {.name = "not coupled", OPERATIONS},
};

PetscErrorCode CouplingCreate(Noise limit, Noise *coupled) {
  static const char *const kinds[] = {"tokens", "harmonics", "none"};
  const PetscBool spectral = (PetscBool)(limit->type == &NoiseTypeSpectral);
  char name[PETSC_MAX_PATH_LEN];
  Coupling *coupling;
  Noise n;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("CouplingApply", &evaluate_event));
  PetscCall(DeckGetString("limits_coupling", name));
  PetscCheck(spectral || limit->type == &NoiseTypeGram, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "noise_type = %s: the limit of infinite width must be spectral or gram here", limit->type->name);
  PetscCheck(spectral || strcmp(name, "harmonics"), PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "limits_coupling = %s: needs noise_type spectral, noise_type %s couples at the tokens", name,
             limit->type->name);
  PetscCall(PetscNew(&coupling));
  coupling->limit = limit;
  for (int k = 0; k < 3; k++)
    if (!strcmp(name, kinds[k])) coupling->kind = (Kind)k;
  PetscCall(PetscNew(&n));
  n->type = &coupled_types[coupling->kind];
  n->dim = limit->dim;
  n->seed = limit->seed;
  n->activation = limit->activation;
  n->bias_u = limit->bias_u;
  n->bias_w = limit->bias_w;
  n->data = coupling;
  if (coupling->kind == IN_HARMONICS) PetscCall(HarmonicCouplingCreate(n, limit, &coupling->harmonics));
  *coupled = n;
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingDraw(Field field, PetscInt realization, PetscInt step, PetscInt width, Field limit) {
  const Coupling *coupling = field->noise->data;
  Coupled *coupled = field->data;

  PetscFunctionBeginUser;
  PetscCheck(field->noise->type->draw == Draw && limit->noise == coupling->limit, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "CouplingDraw of a field that is not coupled to this limit");
  PetscCheck(width >= 1 && realization >= 0 && step >= 0 && limit->drawn, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "CouplingDraw needs a width, a key and a limit field that is drawn");
  coupled->limit = limit;
  coupled->key = (CouplingKey){.noise = field->noise, .realization = realization, .step = step, .width = width};
  if (coupling->kind == IN_HARMONICS)
    PetscCall(HarmonicCouplingDraw(coupling->harmonics, &coupled->key, limit, coupled->made));
  field->drawn = PETSC_TRUE;
  PetscFunctionReturn(0);
}
