/* The random MLP of THEORY.md (1.3),
 *
 *     G(y) = m^{-1/2} W sigma(d^{-1/2} U y + b_U) + b_W,
 *
 * with weights drawn by key, a few chunks of hidden units at a time (mlp_layer.c): draw them, then for every block of
 * tokens and each chunk H = sigma(d^{-1/2} X U^T + b_U) and G += m^{-1/2} H W^T. No m x N numbers are ever held, and
 * nothing is sent.
 *
 * Chunks and blocks depend on m, d and N alone, and a block sees the chunks one by one in their order however many are
 * held together, so a token's field has the same bits on any number of ranks. */
#include "noise/mlp.h"

#include <math.h>
#include <string.h>

#include "base/log.h"
#include "noise/impl.h"
#include "noise/mlp_layer.h"
#include "noise/terms.h"

typedef struct {
  PetscInt width; /* m */
  MlpLayer layer;
} Mlp;

static PetscLogEvent apply_event;

/* b_W: bias_w[d], zeros without output bias. */
static void DrawOutputBias(Noise noise, PetscInt realization, PetscInt step, double *bias_w) {
  memset(bias_w, 0, (size_t)noise->dim * sizeof(double));
  if (!(noise->bias_w > 0)) return;
  RngNormal(NoiseStream(noise, realization, step, RNG_MLP_BIAS_W), 0, (size_t)noise->dim, bias_w);
  for (PetscInt c = 0; c < noise->dim; c++) bias_w[c] *= noise->bias_w;
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

/* g += scale times the share of some drawn chunks, on all owned blocks. */
static PetscErrorCode ApplyUnits(Noise noise, PetscReal scale, PetscInt chunks, const MlpUnits units[],
                                 const TokensLayout *layout, const double *X, double *G) {
  const Mlp *mlp = noise->data;
  const PetscInt d = layout->dim, B = layout->block;
  const double in = 1 / sqrt((double)d), out = scale / sqrt((double)mlp->width);

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(apply_event, 0, 0, 0, 0));
  for (PetscInt b = 0; b < layout->owned; b++) {
    for (PetscInt i = 0; i < chunks; i++) {
      MlpTile(&units[i], noise->activation, d, B, in, out, X + b * d * B, G + b * d * B);
      PetscCall(PetscLogFlops(4.0 * d * units[i].count * B));
    }
  }
  PetscCall(PetscLogEventEnd(apply_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}

/* g += scale times one draw on all owned blocks. A single block has no use for more than one chunk at a time. */
static PetscErrorCode AddTerm(Noise noise, const FieldTerm *term, const TokensLayout *layout, const double *X,
                              double *G) {
  const Mlp *mlp = noise->data;
  const PetscInt most = PetscMin(MlpLayerAtOnce(mlp->layer), layout->owned), end = MlpLayerChunks(mlp->layer);
  const MlpUnits *units;

  PetscFunctionBeginUser;
  PetscCall(AddOutputBias(noise, term, layout, G));
  for (PetscInt first = 0; first < end; first += most) {
    const PetscInt chunks = PetscMin(most, end - first);
    PetscCall(MlpLayerDraw(mlp->layer, noise, term->realization, term->step, first, chunks, &units));
    PetscCall(ApplyUnits(noise, term->scale, chunks, units, layout, X, G));
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
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(VecGetArrayRead(x, &X));
  PetscCall(VecGetArrayWrite(g, &G));
  PetscCall(PetscArrayzero(G, layout.owned * layout.dim * layout.block));
  /* a rank without blocks, too, has said to PETSc by now that g is another vector */
  for (PetscInt i = 0; i < terms->count && layout.owned; i++)
    PetscCall(AddTerm(field->noise, &terms->list[i], &layout, X, G));
  PetscCall(VecRestoreArrayWrite(g, &G));
  PetscCall(VecRestoreArrayRead(x, &X));
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseMlpWeights(Noise noise, PetscInt realization, PetscInt step, double U[], double bias_u[],
                               double W[], double bias_w[]) {
  Mlp *mlp = noise->data;
  const size_t m = (size_t)mlp->width, d = (size_t)noise->dim;

  PetscFunctionBeginUser;
  PetscCheck(noise->type == &NoiseTypeMlp, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG, "noise of type %s has no weights",
             noise->type->name);
  DrawOutputBias(noise, realization, step, bias_w);
  for (PetscInt i = 0; i < MlpLayerChunks(mlp->layer); i++) {
    const MlpUnits *units;
    PetscCall(MlpLayerDraw(mlp->layer, noise, realization, step, i, 1, &units));
    for (size_t k = 0; k < (size_t)units->count; k++) {
      const size_t u = (size_t)i * MLP_CHUNK + k;
      bias_u[u] = units->bias_u[k];
      for (size_t c = 0; c < d; c++) {
        U[u * d + c] = units->U[c * MLP_PITCH + k];
        W[c * m + u] = units->W[c * MLP_PITCH + k];
      }
    }
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Noise noise, const NoiseOptions *options) {
  const PetscInt64 width = options->width;
  Mlp *mlp;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("MLPApply", &apply_event));
  PetscCall(PetscNew(&mlp));
  noise->data = mlp;
  PetscCheck(width >= 1 && width <= PETSC_MAX_INT - MLP_CHUNK, PETSC_COMM_SELF, PETSC_ERR_USER_INPUT,
             "mlp_width = %" PetscInt64_FMT ": must be at least 1 and below 2^%d", width,
             (int)(8 * sizeof(PetscInt) - 1));
  mlp->width = (PetscInt)width;
  PetscCall(MlpLayerCreate(noise->dim, mlp->width, &mlp->layer));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Noise noise) {
  Mlp *mlp = noise->data;

  PetscFunctionBeginUser;
  PetscCall(MlpLayerDestroy(&mlp->layer));
  PetscCall(PetscFree(noise->data));
  PetscFunctionReturn(0);
}

/* The activation and b_W are no part of what is drawn chunk by chunk. */
static PetscErrorCode Share(Noise noise, Noise other, PetscBool *shared) {
  Mlp *mlp = noise->data;
  const Mlp *theirs = other->data;

  PetscFunctionBeginUser;
  *shared = PETSC_FALSE;
  if (mlp->width != theirs->width || noise->weights != other->weights || noise->bias_u != other->bias_u)
    PetscFunctionReturn(0);
  PetscCall(MlpLayerShare(&mlp->layer, theirs->layer, shared));
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Noise noise, MPI_Comm comm) {
  const Mlp *mlp = noise->data;
  const double m = (double)mlp->width, d = (double)noise->dim;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(comm, "noise      mlp, activation %s, width %" PetscInt_FMT ", bias_u %.6g, bias_w %.6g",
                        noise->activation->name, mlp->width, (double)noise->bias_u, (double)noise->bias_w));
  if (noise->weights != RNG_GAUSSIAN) PetscCall(PetscPrintf(comm, ", W %s", NoiseWeightsName(noise->weights)));
  PetscCall(PetscPrintf(comm, "\n           %.6g flops per token and layer, %.6g weights per layer and rank\n",
                        4 * m * d, 2 * m * d + (noise->bias_u > 0 ? m : 0) + (noise->bias_w > 0 ? d : 0)));
  PetscFunctionReturn(0);
}

static PetscErrorCode Brief(Noise noise, size_t room, char model[], char accuracy[]) {
  const Mlp *mlp = noise->data;

  PetscFunctionBeginUser;
  (void)accuracy;
  PetscCall(PetscSNPrintf(model, room, "mlp noise, %s, width %" PetscInt_FMT, noise->activation->name, mlp->width));
  PetscFunctionReturn(0);
}

static PetscErrorCode Cost(Noise noise, PetscReal count, PetscReal mine, PetscReal *flops, PetscReal *bytes) {
  const Mlp *mlp = noise->data;

  PetscFunctionBeginUser;
  (void)count;
  *flops = 4 * (PetscReal)mlp->width * noise->dim * mine;
  *bytes = MlpLayerBytes(mlp->layer);
  PetscFunctionReturn(0);
}

const NoiseType NoiseTypeMlp = {.name = "mlp",
                                .ball = PETSC_TRUE,
                                .create = Create,
                                .destroy = Destroy,
                                .view = View,
                                .brief = Brief,
                                .cost = Cost,
                                .draw = FieldTermsDraw,
                                .share = Share,
                                .field = {FIELD_TERMS, .evaluate = Evaluate}};
