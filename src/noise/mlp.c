/* The random MLP of PAPER.md section 1,
 *
 *     G(y) = m^{-1/2} W sigma(d^{-1/2} U y + b_U) + b_W,
 *
 * with weights drawn by key, one chunk of hidden units at a time: draw the chunk, then for every block of tokens H =
 * sigma(d^{-1/2} X U^T + b_U) and G += m^{-1/2} H W^T. Neither m x N nor m x d numbers are ever held, and nothing is
 * sent.
 *
 * Chunks and blocks depend on m, d and N alone and are visited in a fixed order, so a token's field has the same bits
 * on any number of ranks. */
#include "noise/mlp.h"

#include <math.h>
#include <petscblaslapack.h>
#include <string.h>

#include <chorale/deck.h>
#include <chorale/log.h>

#include "noise/impl.h"
#include "noise/terms.h"

/* Hidden units of a chunk, a multiple of RNG_GROUP. The hidden values of a block of 256 tokens take 256 KB: half an L2
 * cache. */
#define CHUNK 128
/* Below this dimension the products of mlp_small.c beat dgemm (measured with OpenBLAS at N = 64 and 8192: 1.2 x at d =
 * 12, 2 x at d = 4, 0.8 x at d = 16). */
#define SMALL_DIM 16

typedef struct {
  PetscInt width; /* m */
  MlpUnits units; /* the chunk at work */
  double *hidden; /* [CHUNK][B], one block of tokens */
} Mlp;

static PetscLogEvent draw_event, apply_event;

/* Draws mlp->units from unit `first`, a multiple of CHUNK. Chunks follow each other in the index of a stream, so every
 * fill is contiguous. */
static void DrawUnits(Noise noise, PetscInt realization, PetscInt step, PetscInt first) {
  Mlp *mlp = noise->data;
  MlpUnits *units = &mlp->units;
  size_t n;

  units->count = PetscMin(CHUNK, mlp->width - first);
  units->stride = (units->count + RNG_GROUP - 1) / RNG_GROUP * RNG_GROUP;
  n = (size_t)units->stride * (size_t)noise->dim;
  RngNormal(NoiseStream(noise, realization, step, RNG_MLP_U), (uint64_t)first * (uint64_t)noise->dim, n, units->U);
  RngNormal(NoiseStream(noise, realization, step, RNG_MLP_W), (uint64_t)first * (uint64_t)noise->dim, n, units->W);
  if (noise->bias_u > 0) { /* else they stay 0 */
    RngNormal(NoiseStream(noise, realization, step, RNG_MLP_BIAS_U), (uint64_t)first, (size_t)units->stride,
              units->bias_u);
    for (PetscInt u = 0; u < units->stride; u++) units->bias_u[u] *= noise->bias_u;
  }
}

/* b_W: bias_w[d], zeros without output bias. */
static void DrawOutputBias(Noise noise, PetscInt realization, PetscInt step, double *bias_w) {
  memset(bias_w, 0, (size_t)noise->dim * sizeof(double));
  if (!(noise->bias_w > 0)) return;
  RngNormal(NoiseStream(noise, realization, step, RNG_MLP_BIAS_W), 0, (size_t)noise->dim, bias_w);
  for (PetscInt c = 0; c < noise->dim; c++) bias_w[c] *= noise->bias_w;
}

/* G += scale times the units' share of the field for one block of B tokens, component-major: general d. */
static PetscErrorCode ApplyUnits(Noise noise, PetscInt B, PetscReal scale, const double *X, double *G) {
  const Mlp *mlp = noise->data;
  const MlpUnits *units = &mlp->units;
  const PetscInt d = noise->dim;
  const PetscScalar zero = 0, one = 1, in = 1 / sqrt((double)d), out = scale / sqrt((double)mlp->width);
  PetscBLASInt tokens, count, stride, dim;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(B, &tokens));
  PetscCall(PetscBLASIntCast(d, &dim));
  PetscCall(PetscBLASIntCast(units->count, &count));
  PetscCall(PetscBLASIntCast(units->stride, &stride));
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "T", &tokens, &count, &dim, &in, X, &tokens, units->U, &stride, &zero,
                                      mlp->hidden, &tokens));
  for (PetscInt u = 0; u < count; u++) { /* a column stays in the L1 cache between bias and activation */
    double *column = mlp->hidden + u * B;
    if (noise->bias_u > 0)
      for (PetscInt t = 0; t < B; t++) column[t] += units->bias_u[u];
    noise->activation->apply(B, column, column);
  }
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &tokens, &dim, &count, &out, mlp->hidden, &tokens, units->W, &stride,
                                      &one, G, &tokens));
  PetscFunctionReturn(0);
}

/* The same for small d. */
static void ApplyUnitsSmall(Noise noise, PetscInt B, PetscReal scale, const double *X, double *G) {
  const Mlp *mlp = noise->data;
  const PetscInt d = noise->dim;
  const double in = 1 / sqrt((double)d), out = scale / sqrt((double)mlp->width);

  for (PetscInt t = 0; t < B; t += MLP_LANES) {
    MlpSmallHidden(&mlp->units, d, B, in, X + t, mlp->hidden);
    noise->activation->apply(mlp->units.count * MLP_LANES, mlp->hidden, mlp->hidden);
    MlpSmallOutput(&mlp->units, d, B, out, mlp->hidden, G + t);
  }
}

/* g += scale b_W on all owned blocks. */
static PetscErrorCode AddOutputBias(Noise noise, const FieldTerm *term, const TokensLayout *layout, double *g) {
  double *bias_w;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(layout->dim, &bias_w));
  DrawOutputBias(noise, term->realization, term->step, bias_w);
  for (PetscInt row = 0; row < layout->owned * layout->dim; row++)
    for (PetscInt t = 0; t < layout->block; t++) g[row * layout->block + t] += term->scale * bias_w[row % layout->dim];
  PetscCall(PetscFree(bias_w));
  PetscFunctionReturn(0);
}

/* g += scale times one draw on all owned blocks. */
static PetscErrorCode AddTerm(Noise noise, const FieldTerm *term, const TokensLayout *layout, const double *X,
                              double *G) {
  const Mlp *mlp = noise->data;
  const PetscInt d = layout->dim, B = layout->block;

  PetscFunctionBeginUser;
  PetscCall(AddOutputBias(noise, term, layout, G));
  for (PetscInt first = 0; first < mlp->width; first += CHUNK) {
    PetscCall(PetscLogEventBegin(draw_event, 0, 0, 0, 0));
    DrawUnits(noise, term->realization, term->step, first);
    PetscCall(PetscLogEventEnd(draw_event, 0, 0, 0, 0));
    PetscCall(PetscLogEventBegin(apply_event, 0, 0, 0, 0));
    for (PetscInt b = 0; b < layout->owned; b++) {
      if (d < SMALL_DIM)
        ApplyUnitsSmall(noise, B, term->scale, X + b * d * B, G + b * d * B);
      else
        PetscCall(ApplyUnits(noise, B, term->scale, X + b * d * B, G + b * d * B));
    }
    PetscCall(PetscLogFlops(4.0 * d * mlp->units.count * B * layout->owned));
    PetscCall(PetscLogEventEnd(apply_event, 0, 0, 0, 0));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(Field field, Tokens tokens, Vec g) {
  const FieldTerms *terms = field->data;
  const double *X;
  double *G;
  TokensLayout layout;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  if (layout.owned == 0) PetscFunctionReturn(0);
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(VecGetArrayRead(x, &X));
  PetscCall(VecGetArrayWrite(g, &G));
  PetscCall(PetscArrayzero(G, layout.owned * layout.dim * layout.block));
  for (PetscInt i = 0; i < terms->count; i++) PetscCall(AddTerm(field->noise, &terms->list[i], &layout, X, G));
  PetscCall(VecRestoreArrayWrite(g, &G));
  PetscCall(VecRestoreArrayRead(x, &X));
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseMlpWeights(Noise noise, PetscInt realization, PetscInt step, double U[], double bias_u[],
                               double W[], double bias_w[]) {
  const Mlp *mlp = noise->data;
  const size_t m = (size_t)mlp->width, d = (size_t)noise->dim;

  PetscFunctionBeginUser;
  PetscCheck(noise->type == &NoiseTypeMlp, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG, "noise of type %s has no weights",
             noise->type->name);
  DrawOutputBias(noise, realization, step, bias_w);
  for (PetscInt first = 0; first < mlp->width; first += CHUNK) {
    const MlpUnits *units = &mlp->units;
    DrawUnits(noise, realization, step, first);
    for (size_t k = 0; k < (size_t)units->count; k++) {
      const size_t u = (size_t)first + k;
      bias_u[u] = units->bias_u[k];
      for (size_t c = 0; c < d; c++) {
        U[u * d + c] = units->U[c * (size_t)units->stride + k];
        W[c * m + u] = units->W[c * (size_t)units->stride + k];
      }
    }
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Noise noise) {
  PetscInt64 width;
  Mlp *mlp;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("MLPDraw", &draw_event));
  PetscCall(LogEvent("MLPApply", &apply_event));
  PetscCall(PetscNew(&mlp));
  noise->data = mlp;
  PetscCall(DeckGetInt("mlp_width", &width));
  PetscCheck(width >= 1 && width <= PETSC_MAX_INT - CHUNK, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "mlp_width = %" PetscInt64_FMT ": must be at least 1 and below 2^%d", width,
             (int)(8 * sizeof(PetscInt) - 1));
  mlp->width = (PetscInt)width;
  PetscCall(PetscMalloc3(CHUNK * noise->dim, &mlp->units.U, CHUNK * noise->dim, &mlp->units.W,
                         CHUNK * TokensBlockSize(PETSC_MAX_INT), &mlp->hidden));
  PetscCall(PetscCalloc1(CHUNK, &mlp->units.bias_u));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Noise noise) {
  Mlp *mlp = noise->data;

  PetscFunctionBeginUser;
  PetscCall(PetscFree3(mlp->units.U, mlp->units.W, mlp->hidden));
  PetscCall(PetscFree(mlp->units.bias_u));
  PetscCall(PetscFree(noise->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Noise noise, MPI_Comm comm) {
  const Mlp *mlp = noise->data;
  const double m = (double)mlp->width, d = (double)noise->dim;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(comm, "noise      mlp, activation %s, width %" PetscInt_FMT ", bias_u %.6g, bias_w %.6g\n",
                        noise->activation->name, mlp->width, (double)noise->bias_u, (double)noise->bias_w));
  PetscCall(PetscPrintf(comm, "           %.6g flops per token and layer, %.6g normals per layer and rank\n", 4 * m * d,
                        2 * m * d + (noise->bias_u > 0 ? m : 0) + (noise->bias_w > 0 ? d : 0)));
  PetscFunctionReturn(0);
}

const NoiseType NoiseTypeMlp = {.name = "mlp",
                                .create = Create,
                                .destroy = Destroy,
                                .view = View,
                                .field_create = FieldTermsCreate,
                                .field_destroy = FieldTermsDestroy,
                                .draw = FieldTermsDraw,
                                .clear = FieldTermsClear,
                                .add = FieldTermsAdd,
                                .evaluate = Evaluate};
