/* The class: types, options, and which kernel sums serve the drift, the energy or both. */
#include <chorale/deck.h>
#include <chorale/log.h>

#include <math.h>
#include <petsc/private/petscimpl.h> /* PetscObjectStateGet */
#include <stdlib.h>
#include <string.h>

#include "attention/impl.h"

/* With default weights and on the sphere -|Qx-Ky|^2 = 2 beta (<x,y> - 1): l2 is softmax at 2 beta (THEORY.md (1.5)). */
static const AttentionType types[] = {
    {"softmax", "sum_j w_j e^{<Qx,Kx_j>} V x_j / sum_j w_j e^{<Qx,Kx_j>}", 1, FORM_NORMALIZED, PETSC_FALSE},
    {"usa", "sum_j w_j e^{<Qx,Kx_j>} V x_j", 1, FORM_PLAIN, PETSC_FALSE},
    {"l2", "sum_j w_j e^{-|Qx-Kx_j|^2} V x_j / sum_j w_j e^{-|Qx-Kx_j|^2}", 2, FORM_NORMALIZED, PETSC_TRUE},
    {"sinkhorn", "a(x) sum_j w_j a(x_j) e^{<Qx,Kx_j>} V x_j,  a(x_i) sum_j w_j a(x_j) e^{<Qx_i,Kx_j>} = 1", 1,
     FORM_SINKHORN, PETSC_FALSE},
    {"none", "0", 0, FORM_PLAIN, PETSC_FALSE},
};

#define PLAIN_MOST   1e306 /* size of a field without denominator */
#define BETA_NATURAL 700   /* largest beta whose e^beta has room to be summed in double precision */

static PetscLogEvent evaluate_event, energy_event;
PetscLogEvent attention_reduce_event;

static PetscErrorCode SetType(Attention a) {
  char name[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("attention_type", name));
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
    if (!strcmp(types[i].name, name)) a->type = &types[i];
  }
  PetscCheck(a->type, a->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_type = %s: must be softmax, usa, l2, sinkhorn or none", name);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionCreate(Tokens tokens, Attention *attention) {
  Attention a;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("AttentionEval", &evaluate_event));
  PetscCall(LogEvent("AttentionEnergy", &energy_event));
  PetscCall(LogEvent("AttnAllreduce", &attention_reduce_event));
  PetscCall(PetscNew(&a));
  PetscCall(TokensGetLayout(tokens, &a->layout));
  a->shape = (TileShape){a->layout.block, a->layout.dim};
  a->length = (size_t)a->layout.block * (a->layout.dim + 1);
  PetscCall(SetType(a));
  PetscCall(DeckGetReal("attention_beta", &a->beta));
  PetscCall(DeckGetReal("attention_value", &a->value));
  PetscCall(DeckGetString("attention_weights", a->file));
  PetscCall(DeckGetInt("attention_sinkhorn_iterations", &a->iterations));
  PetscCall(DeckGetReal("attention_sinkhorn_tol", &a->sinkhorn_tol));
  a->exponent = (a->type->rate > 0 ? a->type->rate : 1) * a->beta;
  PetscCheck(!a->file[0] || a->type->form != FORM_SINKHORN, a->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_type = sinkhorn: needs a symmetric kernel, so it takes no attention_weights");
  PetscCheck(
      a->file[0] || a->type->form != FORM_PLAIN || a->type->rate == 0 ||
          fabs(a->value) * exp(a->exponent) <= PLAIN_MOST,
      a->layout.comm, PETSC_ERR_USER_INPUT,
      "attention_beta = %.6g: attention_type usa has no denominator, so |attention_value| e^beta must be at most "
      "%g",
      (double)a->beta, PLAIN_MOST);
  if (a->file[0]) PetscCall(AttentionHeadsRead(a));
  PetscCall(AttentionEngineCreate(a));
  *attention = a;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionDestroy(Attention *attention) {
  Attention a = *attention;

  PetscFunctionBeginUser;
  if (!a) PetscFunctionReturn(0);
  PetscCall(AttentionDestroy(&a->gradient));
  PetscCall(AttentionHeadsDestroy(a));
  PetscCall(a->engine->destroy(a));
  PetscCall(PanelsDestroy(&a->panels));
  free(a->sums);
  PetscCall(PetscFree(*attention));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionIsZero(Attention a, PetscBool *zero) {
  PetscFunctionBeginUser;
  *zero = (PetscBool)(a->type->rate == 0 || a->value == 0);
  PetscFunctionReturn(0);
}

/* Do the kernel sums of the drift serve the energy, too? */
static PetscBool Shared(Attention a) {
  return (PetscBool)(!a->heads && a->value != 0 && a->type->rate > 0 && a->type->form != FORM_SINKHORN &&
                     (a->engine->any || a->type->rate == 1));
}

/* Brings the kernel sums of the drift up to date. The sums in hand serve if positions and weights are those they were
 * made from, on every rank. */
static PetscErrorCode UpdateSums(Attention a, Tokens tokens) {
  AttentionStamp *stamp = &a->stamp;
  PetscObjectId id;
  PetscObjectState state; /* new weights count as a change of positions, see tokens.h */
  PetscMPIInt current;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(PetscObjectGetId((PetscObject)x, &id));
  PetscCall(PetscObjectStateGet((PetscObject)x, &state));
  current = stamp->id == id && stamp->state == state;
  PetscCall(PetscLogEventBegin(attention_reduce_event, NULL, NULL, NULL, NULL));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &current, 1, MPI_INT, MPI_MIN, a->layout.comm));
  PetscCall(PetscLogEventEnd(attention_reduce_event, NULL, NULL, NULL, NULL));
  if (current) PetscFunctionReturn(0);
  PetscCall(a->engine->sum(a, tokens, NULL, PETSC_FALSE));
  stamp->id = id;
  stamp->state = state;
  PetscFunctionReturn(0);
}

/* The field of one block from its sums s[d + 1][B]; returns the smallest S0 that it was divided by. */
static double FieldOfBlock(Attention a, PetscInt k, double *s, double *restrict out) {
  const PetscInt B = a->layout.block, d = a->layout.dim, real = TokensFilled(&a->layout, k);
  const double value = a->value, plain = value * exp(a->exponent);
  double *restrict factor = s + d * B;
  double least = PETSC_MAX_REAL;

  if (a->type->form == FORM_PLAIN) {
    for (PetscInt t = 0; t < real; t++) factor[t] = plain;
  } else {
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

/* Can an S0 be too small at all? Weights add up to 1, so that without a scaling S0 >= e^{-2 exponent}. */
static PetscBool Doubtful(Attention a) {
  return (PetscBool)(a->type->form == FORM_SINKHORN ||
                     (a->type->form == FORM_NORMALIZED && exp(-2 * a->exponent) < 2 * a->small));
}

/* The field v S / S0, or v e^{exponent} S, of some blocks from the sums in hand; *least is the smallest S0. */
static PetscErrorCode FieldOfBlocks(Attention a, PetscInt first, PetscInt blocks, const double *x, double *out,
                                    double *least) {
  const PetscInt length = a->layout.block * a->layout.dim, sums = length + a->layout.block;
  const PetscInt most = a->engine->get_run ? ATTENTION_RUN : 1;

  PetscFunctionBeginUser;
  if (!a->sums) PetscCall(PackAllocate((size_t)(most * sums), &a->sums));
  for (PetscInt last = first + blocks; first < last; first += blocks, x += blocks * length, out += blocks * length) {
    blocks = PetscMin(most, last - first);
    if (a->engine->get_run)
      PetscCall(a->engine->get_run(a, blocks, x, a->sums));
    else
      PetscCall(a->engine->get(a, first, x, PETSC_FALSE, a->sums));
    for (PetscInt b = 0; b < blocks; b++) {
      const double smallest = FieldOfBlock(a, first + b, a->sums + b * sums, out + b * length);
      *least = PetscMin(*least, smallest);
    }
  }
  PetscFunctionReturn(0);
}

/* Of all blocks; *lost tells whether some S0 was too small. */
static PetscErrorCode FieldOfSums(Attention a, Tokens tokens, Vec drift, PetscBool *lost) {
  double least = PETSC_MAX_REAL;
  PetscMPIInt small;
  const double *x;
  double *out;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArrayWrite(drift, &out));
  PetscCall(FieldOfBlocks(a, 0, a->layout.owned, x, out, &least));
  PetscCall(VecRestoreArrayWrite(drift, &out));
  PetscCall(VecRestoreArrayRead(positions, &x));
  small = Doubtful(a) && least < a->small;
  if (Doubtful(a)) PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &small, 1, MPI_INT, MPI_MAX, a->layout.comm));
  *lost = (PetscBool)small;
  PetscFunctionReturn(0);
}

/* Default weights. Where some S0 of the engine is too small to divide by, online.c makes the field with a running
 * maximum. */
static PetscErrorCode EvaluateDefault(Attention a, Tokens tokens, Vec drift) {
  double *factors = NULL;
  PetscBool lost;

  PetscFunctionBeginUser;
  if (a->type->form == FORM_SINKHORN) {
    PetscCall(PetscMalloc1(a->layout.owned * a->layout.block, &factors));
    PetscCall(AttentionSinkhorn(a, tokens, factors));
    PetscCall(a->engine->sum(a, tokens, factors, PETSC_FALSE));
  } else {
    PetscCall(UpdateSums(a, tokens));
  }
  PetscCall(FieldOfSums(a, tokens, drift, &lost));
  if (lost) PetscCall(AttentionOnline(a, tokens, factors, drift));
  PetscCall(PetscFree(factors));
  PetscFunctionReturn(0);
}

/* Attention is set up for one layout. */
static PetscErrorCode CheckLayout(Attention a, Tokens tokens) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCheck(layout.count == a->layout.count && layout.dim == a->layout.dim && layout.first == a->layout.first &&
                 layout.owned == a->layout.owned,
             a->layout.comm, PETSC_ERR_ARG_SIZ, "attention was set up for tokens of another layout");
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEvaluate(Attention a, Tokens tokens, Vec drift) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(a, tokens));
  PetscCall(PetscLogEventBegin(evaluate_event, NULL, NULL, NULL, NULL));
  PetscCall(AttentionIsZero(a, &zero));
  if (zero)
    PetscCall(VecSet(drift, 0));
  else if (a->heads)
    PetscCall(AttentionOnline(a, tokens, NULL, drift));
  else
    PetscCall(EvaluateDefault(a, tokens, drift));
  PetscCall(PetscLogEventEnd(evaluate_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

/* No pieces where a second pass over all pairs may be needed, nor with an engine that has no sums of whole runs of
 * blocks. */
PetscErrorCode AttentionPrepare(Attention a, Tokens tokens, PetscBool *pieces) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(a, tokens));
  PetscCall(AttentionIsZero(a, &zero));
  *pieces = (PetscBool)(!zero && !a->heads && a->engine->get_run && !Doubtful(a));
  if (!*pieces) PetscFunctionReturn(0);
  PetscCall(PetscLogEventBegin(evaluate_event, NULL, NULL, NULL, NULL));
  PetscCall(UpdateSums(a, tokens));
  PetscCall(PetscLogEventEnd(evaluate_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEvaluatePiece(Attention a, PetscInt first, PetscInt blocks, const double *x, double *drift) {
  double least = PETSC_MAX_REAL;

  PetscFunctionBeginUser;
  PetscCall(PetscLogEventBegin(evaluate_event, NULL, NULL, NULL, NULL));
  PetscCall(FieldOfBlocks(a, first, blocks, x, drift, &least));
  PetscCall(PetscLogEventEnd(evaluate_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

const char *AttentionEnergyUnit(PetscReal beta) {
  return beta <= BETA_NATURAL ? "1" : "e^beta";
}

PetscErrorCode AttentionEnergy(Attention a, Tokens tokens, PetscReal *energy) {
  PetscReal gap;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(a, tokens));
  PetscCall(PetscLogEventBegin(energy_event, NULL, NULL, NULL, NULL));
  if (Shared(a)) PetscCall(UpdateSums(a, tokens));
  PetscCall(a->engine->energy(a, tokens, Shared(a), &gap));
  *energy = 0.5 * (a->beta <= BETA_NATURAL ? exp(a->beta) : 1) * gap; /* THEORY.md (5.1) */
  PetscCall(PetscLogEventEnd(energy_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

/* Whose sums are those at beta: l2's own are at 2 beta, so it keeps a softmax for them. */
static PetscErrorCode GetGradient(Attention *attention) {
  Attention a = *attention, sums;

  PetscFunctionBeginUser;
  if (a->exponent == a->beta) PetscFunctionReturn(0);
  if (!a->gradient) {
    PetscCall(PetscNew(&sums));
    sums->layout = a->layout;
    sums->shape = a->shape;
    sums->length = a->length;
    sums->type = &types[0];
    sums->beta = sums->exponent = a->beta;
    sums->value = 1;
    PetscCall(AttentionEngineCreate(sums));
    a->gradient = sums;
  }
  *attention = a->gradient;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEnergyGradient(Attention a, Tokens tokens, Vec gradient) {
  const PetscInt length = a->layout.block * a->layout.dim;
  const PetscReal scale = -a->beta * exp(a->beta);
  const double *x;
  double *out, *s;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(a, tokens));
  PetscCall(GetGradient(&a));
  PetscCall(PetscLogEventBegin(energy_event, NULL, NULL, NULL, NULL));
  if (Shared(a))
    PetscCall(UpdateSums(a, tokens));
  else
    PetscCall(a->engine->sum(a, tokens, NULL, PETSC_FALSE));
  PetscCall(PackAllocate((size_t)length + a->layout.block, &s));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArrayWrite(gradient, &out));
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    PetscCall(a->engine->get(a, k, x + k * length, PETSC_FALSE, s));
    for (PetscInt i = 0; i < length; i++) out[k * length + i] = scale * s[i];
  }
  PetscCall(VecRestoreArrayWrite(gradient, &out));
  PetscCall(VecRestoreArrayRead(positions, &x));
  free(s);
  PetscCall(PetscLogEventEnd(energy_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionView(Attention a) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(a, &zero));
  PetscCall(PetscPrintf(a->layout.comm, "attention  %s, engine %s, beta %.6g, value %.6g\n", a->type->name,
                        a->engine->name, a->beta, a->value));
  if (!zero) PetscCall(PetscPrintf(a->layout.comm, "           Att(x) = %s\n", a->type->formula));
  if (a->file[0])
    PetscCall(PetscPrintf(a->layout.comm, "           %" PetscInt_FMT " heads from %s\n", a->heads, a->file));
  if (a->beta > BETA_NATURAL)
    PetscCall(
        PetscPrintf(a->layout.comm, "           energy as E_beta e^{-beta}: e^beta is beyond double precision\n"));
  PetscCall(AttentionEngineView(a));
  PetscFunctionReturn(0);
}
