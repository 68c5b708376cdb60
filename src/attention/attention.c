/* The class: types, options, and which kernel sums serve the drift, the energy or both. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "attention/impl.h"
#include "base/log.h"
#include "base/traffic.h"

/* With default weights and on the sphere -|Qx-Ky|^2 = 2 beta (<x,y> - 1): l2 is softmax at 2 beta (THEORY.md (1.5)).
 */
static const AttentionType types[] = {
    {"softmax", "sum_j w_j e^{<Qx,Kx_j>} V x_j / sum_j w_j e^{<Qx,Kx_j>}", 1, FORM_NORMALIZED, PETSC_FALSE},
    {"usa", "sum_j w_j e^{<Qx,Kx_j>} V x_j", 1, FORM_PLAIN, PETSC_FALSE},
    {"l2", "sum_j w_j e^{-|Qx-Kx_j|^2} V x_j / sum_j w_j e^{-|Qx-Kx_j|^2}", 2, FORM_NORMALIZED, PETSC_TRUE},
    {"sinkhorn", "a(x) sum_j w_j a(x_j) e^{<Qx,Kx_j>} V x_j,  a(x_i) sum_j w_j a(x_j) e^{<Qx_i,Kx_j>} = 1", 1,
     FORM_SINKHORN, PETSC_FALSE},
    {"none", "0", 0, FORM_PLAIN, PETSC_FALSE},
};

#define PLAIN_MOST 1e306 /* size of a field without denominator */

static PetscLogEvent evaluate_event, energy_event;

const char *AttentionTypeName(PetscInt i) {
  return i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(types) ? types[i].name : NULL;
}

static PetscErrorCode SetType(Attention attention, const char *name) {
  PetscFunctionBeginUser;
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
    if (!strcmp(types[i].name, name)) attention->type = &types[i];
  }
  PetscCheck(attention->type, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_type = %s: there is no such attention", name);
  PetscFunctionReturn(0);
}

/* What makes the kernel sums e^{beta (<x,y> - 1)} of the tokens of this attention, over all pairs. */
static PetscErrorCode CreateSums(Attention attention, const char *key, PetscReal beta, Attention *out) {
  Attention sums;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&sums));
  sums->layout = attention->layout;
  sums->shape = attention->shape;
  sums->length = attention->length;
  sums->type = &types[0];
  sums->key = key;
  sums->beta = sums->exponent = beta;
  sums->value = 1;
  sums->tol = attention->tol;
  sums->seed = attention->seed;
  PetscCall(PetscStrcpy(sums->choice, attention->choice));
  PetscCall(AttentionEngineCreate(sums));
  *out = sums;
  PetscFunctionReturn(0);
}

/* An energy of another beta has sums of its own. */
static PetscErrorCode CreateGauge(Attention attention, PetscReal beta) {
  PetscFunctionBeginUser;
  if (beta > 0 && beta != attention->beta) PetscCall(CreateSums(attention, "energy_beta", beta, &attention->gauge));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionCreate(Tokens tokens, const AttentionOptions *options, Attention *handle) {
  Attention attention;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("AttentionEval", &evaluate_event));
  PetscCall(LogEvent("AttentionEnergy", &energy_event));
  PetscCall(PetscNew(&attention));
  PetscCall(TokensGetLayout(tokens, &attention->layout));
  attention->shape = (TileShape){attention->layout.block, attention->layout.dim};
  attention->length = (size_t)attention->layout.block * (attention->layout.dim + 1);
  PetscCall(SetType(attention, options->type));
  attention->key = "attention_beta";
  attention->beta = options->beta;
  attention->value = options->value;
  attention->tol = options->tol;
  attention->seed = options->seed;
  PetscCall(PetscStrncpy(attention->choice, options->engine, sizeof(attention->choice)));
  PetscCall(PetscStrcpy(attention->file, options->weights));
  attention->depth = (PetscInt)options->depth;
  attention->iterations = options->iterations;
  attention->sinkhorn_tol = options->sinkhorn_tol;
  attention->exponent = (attention->type->rate > 0 ? attention->type->rate : 1) * attention->beta;
  attention->causal = !strcmp(options->mask, "causal") ? PETSC_TRUE : PETSC_FALSE;
  PetscCheck(!attention->causal || attention->type->form != FORM_SINKHORN, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_mask = causal: attention_type sinkhorn scales one symmetric kernel, so it takes no mask");
  if (!strcmp(attention->file, ATTENTION_RANDOM))
    PetscCall(AttentionHeadsRandom(attention, options));
  else if (attention->file[0])
    PetscCall(AttentionWeightsRead(attention, options->study));
  PetscCheck(
      attention->heads || attention->type->form != FORM_PLAIN || attention->type->rate == 0 ||
          fabs(attention->value) * exp(attention->exponent) <= PLAIN_MOST,
      attention->layout.comm, PETSC_ERR_USER_INPUT,
      "attention_beta = %.6g: attention_type usa has no denominator, so |attention_value| e^beta must be at most "
      "%g",
      (double)attention->beta, PLAIN_MOST);
  PetscCall(AttentionEngineCreate(attention));
  PetscCall(CreateGauge(attention, options->energy_beta));
  *handle = attention;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionDestroy(Attention *handle) {
  Attention attention = *handle;

  PetscFunctionBeginUser;
  if (!attention) PetscFunctionReturn(0);
  PetscCall(AttentionDestroy(&attention->softmax));
  PetscCall(AttentionDestroy(&attention->gauge));
  PetscCall(AttentionWeightsDestroy(attention));
  PetscCall(attention->engine->destroy(attention));
  PetscCall(PanelsDestroy(&attention->panels));
  free(attention->sums);
  PetscCall(PetscFree(*handle));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionIsZero(Attention attention, PetscBool *zero) {
  PetscFunctionBeginUser;
  *zero = attention->type->rate == 0 || attention->value == 0 ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionIsCausal(Attention attention, PetscBool *causal) {
  PetscFunctionBeginUser;
  *causal = attention->causal;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionGetLayout(Attention attention, TokensLayout *layout) {
  PetscFunctionBeginUser;
  *layout = attention->layout;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionGetPotential(Attention attention, AttentionPotential *p) {
  const PetscBool plain = attention->type->form == FORM_PLAIN ? PETSC_TRUE : PETSC_FALSE;

  PetscFunctionBeginUser;
  PetscCheck(!attention->file[0], attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: a density takes the default weights only", attention->file);
  PetscCheck(!attention->causal, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_mask = causal: has no potential, which a density needs");
  PetscCheck(attention->type->form != FORM_SINKHORN, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_type = %s: has no potential, which a density needs", attention->type->name);
  PetscCall(AttentionIsZero(attention, &p->zero));
  p->normalized = !plain ? PETSC_TRUE : PETSC_FALSE;
  p->exponent = attention->exponent;
  p->strength = attention->value / attention->exponent * (plain ? exp(attention->exponent) : 1);
  p->most = fabs(attention->value) * (plain ? exp(attention->exponent) : 1);
  p->beta = attention->beta;
  p->energy_beta = attention->gauge ? attention->gauge->beta : attention->beta;
  p->tol = attention->tol;
  PetscFunctionReturn(0);
}

/* Do the kernel sums of the drift serve the energy, too? */
static PetscBool Shared(Attention attention) {
  return !attention->causal && !attention->heads && attention->value != 0 && attention->type->rate > 0 &&
                 attention->type->form != FORM_SINKHORN && (attention->engine->any || attention->type->rate == 1)
             ? PETSC_TRUE
             : PETSC_FALSE;
}

/* The field of one block from its sums s[d + 1][B]; returns the smallest S0 that it was divided by. Tokens that see no
 * weight have S = S0 = 0, and no field. */
static double FieldOfBlock(Attention attention, PetscInt b, double *s, double *restrict out) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim, real = TokensFilled(&attention->layout, b);
  const double value = attention->value, plain = value * exp(attention->exponent);
  double *restrict factor = s + d * B;
  double least = PETSC_MAX_REAL;

  if (attention->type->form == FORM_PLAIN) {
    for (PetscInt t = 0; t < real; t++) factor[t] = plain;
  } else {
    const PetscInt64 blind = attention->blind - (PetscInt64)(attention->layout.first + b) * B;
    for (PetscInt t = 0; t < PetscMin(blind, real); t++) factor[t] = PETSC_MAX_REAL;
#pragma omp simd reduction(min : least)
    for (PetscInt t = 0; t < real; t++) {
      least = factor[t] < least ? factor[t] : least;
      factor[t] = value / factor[t];
    }
  }
  for (PetscInt t = real; t < B; t++) factor[t] = 0;
  for (PetscInt c = 0; c < d; c++) {
    for (PetscInt t = 0; t < B; t++) out[c * B + t] = factor[t] * s[c * B + t];
  }
  return least;
}

/* Can an S0 be too small at all? Weights add up to 1, so that without a scaling and a mask S0 >= e^{-2 exponent}. */
static PetscBool Doubtful(Attention attention) {
  return attention->type->form == FORM_SINKHORN ||
                 (attention->type->form == FORM_NORMALIZED &&
                  (attention->causal || exp(-2 * attention->exponent) < 2 * attention->small))
             ? PETSC_TRUE
             : PETSC_FALSE;
}

/* The field v S / S0, or v e^{exponent} S, of some blocks from the sums in hand; *least is the smallest S0. */
static PetscErrorCode FieldOfBlocks(Attention attention, PetscInt first, PetscInt blocks, const double *x, double *out,
                                    double *least) {
  const PetscInt length = attention->layout.block * attention->layout.dim, sums = length + attention->layout.block;
  const PetscInt most = attention->engine->get_run ? ATTENTION_RUN : 1;

  PetscFunctionBeginUser;
  if (!attention->sums) PetscCall(PackAllocate((size_t)(most * sums), &attention->sums));
  for (PetscInt last = first + blocks; first < last; first += blocks, x += blocks * length, out += blocks * length) {
    blocks = PetscMin(most, last - first);
    if (attention->engine->get_run)
      PetscCall(attention->engine->get_run(attention, blocks, x, attention->sums));
    else
      PetscCall(attention->engine->get(attention, first, x, PETSC_FALSE, attention->sums));
    for (PetscInt b = 0; b < blocks; b++) {
      const double smallest = FieldOfBlock(attention, first + b, attention->sums + b * sums, out + b * length);
      *least = PetscMin(*least, smallest);
    }
  }
  PetscFunctionReturn(0);
}

/* Of all blocks; *lost tells whether some S0 was too small. */
static PetscErrorCode FieldOfSums(Attention attention, Tokens tokens, Vec drift, PetscBool *lost) {
  double least = PETSC_MAX_REAL;
  PetscMPIInt small;
  const double *x;
  double *out;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArrayWrite(drift, &out));
  PetscCall(FieldOfBlocks(attention, 0, attention->layout.owned, x, out, &least));
  PetscCall(VecRestoreArrayWrite(drift, &out));
  PetscCall(VecRestoreArrayRead(positions, &x));
  small = Doubtful(attention) && least < attention->small;
  if (Doubtful(attention)) {
    TrafficSum(1);
    PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &small, 1, MPI_INT, MPI_MAX, attention->layout.comm));
  }
  *lost = small ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* Default weights. Where some S0 of the engine is too small to divide by, online.c makes the field with a running
 * maximum. */
static PetscErrorCode EvaluateDefault(Attention attention, Tokens tokens, Vec drift) {
  double *factors = NULL;
  PetscBool lost;

  PetscFunctionBeginUser;
  if (attention->type->form == FORM_SINKHORN) {
    PetscCall(PetscMalloc1(attention->layout.owned * attention->layout.block, &factors));
    PetscCall(AttentionSinkhorn(attention, tokens, factors));
    PetscCall(attention->engine->sum(attention, tokens, factors, PETSC_FALSE));
  } else {
    PetscCall(AttentionUpdateSums(attention, tokens));
  }
  PetscCall(FieldOfSums(attention, tokens, drift, &lost));
  if (lost) PetscCall(AttentionOnline(attention, tokens, factors, drift));
  PetscCall(PetscFree(factors));
  PetscFunctionReturn(0);
}

/* General weights. */
static PetscErrorCode EvaluateHeads(Attention attention, Tokens tokens, Vec drift) {
  const PetscInt length = attention->layout.owned * attention->layout.block;
  double *factors = NULL;
  PetscBool done = PETSC_FALSE;

  PetscFunctionBeginUser;
  if (attention->engine == &AttentionMixture) PetscCall(AttentionMixtureHeads(attention, tokens, drift, &done));
  if (done) PetscFunctionReturn(0);
  if (attention->type->form == FORM_SINKHORN) {
    PetscCall(PetscMalloc1(attention->heads * length, &factors));
    PetscCall(AttentionSinkhornHeads(attention, tokens, factors));
  }
  PetscCall(AttentionOnline(attention, tokens, factors, drift));
  PetscCall(PetscFree(factors));
  PetscFunctionReturn(0);
}

/* Attention is set up for one layout. */
static PetscErrorCode CheckLayout(Attention attention, Tokens tokens) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCheck(layout.count == attention->layout.count && layout.dim == attention->layout.dim &&
                 layout.first == attention->layout.first && layout.owned == attention->layout.owned,
             attention->layout.comm, PETSC_ERR_ARG_SIZ, "attention was set up for tokens of another layout");
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEvaluate(Attention attention, Tokens tokens, Vec drift) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(attention, tokens));
  PetscCheck(!attention->random.normals || attention->random.drawn, attention->layout.comm, PETSC_ERR_ORDER,
             "AttentionEvaluate before AttentionDraw");
  PetscCall(PetscLogEventBegin(evaluate_event, NULL, NULL, NULL, NULL));
  PetscCall(AttentionIsZero(attention, &zero));
  if (zero)
    PetscCall(VecSet(drift, 0));
  else if (attention->heads)
    PetscCall(EvaluateHeads(attention, tokens, drift));
  else
    PetscCall(EvaluateDefault(attention, tokens, drift));
  PetscCall(PetscLogEventEnd(evaluate_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

/* No pieces where a second pass over all pairs may be needed, nor with an engine that has no sums of whole runs of
 * blocks. */
PetscErrorCode AttentionPrepare(Attention attention, Tokens tokens, PetscBool *pieces) {
  PetscBool zero, mlp;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(attention, tokens));
  PetscCall(AttentionIsZero(attention, &zero));
  PetscCall(AttentionHasMlp(attention, &mlp));
  *pieces = !zero && !mlp && !attention->heads && attention->engine->get_run && !Doubtful(attention) ? PETSC_TRUE
                                                                                                     : PETSC_FALSE;
  if (!*pieces) PetscFunctionReturn(0);
  PetscCall(PetscLogEventBegin(evaluate_event, NULL, NULL, NULL, NULL));
  PetscCall(AttentionUpdateSums(attention, tokens));
  PetscCall(PetscLogEventEnd(evaluate_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEvaluatePiece(Attention attention, PetscInt first, PetscInt blocks, const double *x,
                                      double *drift) {
  double least = PETSC_MAX_REAL;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(evaluate_event, NULL, NULL, NULL, NULL));
  PetscCall(FieldOfBlocks(attention, first, blocks, x, drift, &least));
  PetscCall(PetscLogEventEnd(evaluate_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionGetFocus(Attention attention, Tokens tokens, AttentionFocus *focus) {
  PetscBool stale = PETSC_TRUE;
  AttentionStamp now;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(attention, tokens));
  PetscCheck(attention->type->form == FORM_NORMALIZED, attention->layout.comm, PETSC_ERR_ARG_WRONG,
             "attention %s has no weights that add up to 1", attention->type->name);
  PetscCall(AttentionCompare(tokens, &attention->focus_stamp, &now, &stale));
  if (stale) PetscCall(AttentionOnlineFocus(attention, tokens, &attention->focus));
  attention->focus_stamp = now;
  *focus = attention->focus;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEnergy(Attention attention, Tokens tokens, PetscReal *energy) {
  PetscReal gap;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(attention, tokens));
  if (attention->gauge) attention = attention->gauge;
  PetscCall(PetscLogEventBegin(energy_event, NULL, NULL, NULL, NULL));
  if (Shared(attention)) PetscCall(AttentionUpdateSums(attention, tokens));
  PetscCall(attention->engine->energy(attention, tokens, Shared(attention), &gap));
  *energy = 0.5 * AttentionEnergyScale(attention->beta) * gap; /* THEORY.md (5.1) */
  PetscCall(PetscLogEventEnd(energy_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionSoftmax(Attention attention) {
  PetscFunctionBeginUser;
  if (!attention->softmax) PetscCall(CreateSums(attention, attention->key, attention->beta, &attention->softmax));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEnergyGradient(Attention attention, Tokens tokens, Vec gradient) {
  const PetscInt length = attention->layout.block * attention->layout.dim;
  const double *x;
  double *out, *s;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(attention, tokens));
  if (attention->gauge) attention = attention->gauge;
  const PetscReal scale = -attention->beta * exp(attention->beta);
  if (attention->exponent != attention->beta || attention->causal) { /* l2's own sums are at 2 beta, a mask's of some */
    PetscCall(AttentionSoftmax(attention));
    attention = attention->softmax;
  }
  PetscCall(PetscLogEventBegin(energy_event, NULL, NULL, NULL, NULL));
  if (Shared(attention))
    PetscCall(AttentionUpdateSums(attention, tokens));
  else
    PetscCall(attention->engine->sum(attention, tokens, NULL, PETSC_FALSE));
  PetscCall(PackAllocate((size_t)length + attention->layout.block, &s));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArrayWrite(gradient, &out));
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    PetscCall(attention->engine->get(attention, b, x + b * length, PETSC_FALSE, s));
    for (PetscInt i = 0; i < length; i++) out[b * length + i] = scale * s[i];
  }
  PetscCall(VecRestoreArrayWrite(gradient, &out));
  PetscCall(VecRestoreArrayRead(positions, &x));
  free(s);
  PetscCall(PetscLogEventEnd(energy_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}
