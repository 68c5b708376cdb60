/* The class: types, options, and which kernel sums serve the drift, the energy or both. */
#include <chorale/deck.h>
#include <chorale/log.h>
#include <chorale/sum.h>

#include <math.h>
#include <petsc/private/petscimpl.h> /* PetscObjectStateGet */
#include <stdlib.h>
#include <string.h>

#include "attention/impl.h"

/* With default weights and on the sphere -|Qx-Ky|^2 = 2 beta (<x,y> - 1): l2 is softmax at 2 beta (PAPER.md section 1).
 */
static const AttentionType types[] = {
    {"softmax", "sum_j w_j e^{<Qx,Kx_j>} V x_j / sum_j w_j e^{<Qx,Kx_j>}", 1, PETSC_TRUE, PETSC_FALSE},
    {"usa", "sum_j w_j e^{<Qx,Kx_j>} V x_j", 1, PETSC_FALSE, PETSC_FALSE},
    {"l2", "sum_j w_j e^{-|Qx-Kx_j|^2} V x_j / sum_j w_j e^{-|Qx-Kx_j|^2}", 2, PETSC_TRUE, PETSC_TRUE},
    {"none", "0", 0, PETSC_FALSE, PETSC_FALSE},
};

/* Sums are exact to 2^-62 per tile, so a token whose S0 is smaller than this would lose digits. Every token sees
 * itself, S0 >= w_i: it takes tokens of (nearly) no weight, far from all others. */
#define SMALL_SUM 0x1p-24

static PetscLogEvent evaluate_event, energy_event;

static PetscErrorCode SetType(Attention a) {
  char name[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("attention_type", name));
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
    if (!strcmp(types[i].name, name)) a->type = &types[i];
  }
  PetscCheck(a->type, a->layout.comm, PETSC_ERR_USER_INPUT, "attention_type = %s: must be softmax, usa, l2 or none",
             name);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionCreate(Tokens tokens, Attention *attention) {
  Attention a;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("AttentionEval", &evaluate_event));
  PetscCall(LogEvent("AttentionEnergy", &energy_event));
  PetscCall(PetscNew(&a));
  PetscCall(TokensGetLayout(tokens, &a->layout));
  a->shape = (TileShape){a->layout.block, a->layout.dim};
  a->length = (size_t)a->layout.block * (a->layout.dim + 1);
  PetscCall(SetType(a));
  PetscCall(DeckGetReal("attention_beta", &a->beta));
  PetscCall(DeckGetReal("attention_value", &a->value));
  PetscCall(DeckGetString("attention_weights", a->file));
  if (a->file[0]) PetscCall(AttentionHeadsRead(a));
  PetscCall(PanelsCreate(&a->layout, &a->panels));
  PetscCall(PackAllocate(a->length * a->layout.owned, &a->sums.fixed));
  PetscCall(PetscMalloc1(a->layout.owned * a->layout.block, &a->sums.weights));
  *attention = a;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionDestroy(Attention *attention) {
  Attention a = *attention;

  PetscFunctionBeginUser;
  if (!a) PetscFunctionReturn(0);
  PetscCall(AttentionHeadsDestroy(a));
  PetscCall(PanelsDestroy(&a->panels));
  free(a->sums.fixed);
  PetscCall(PetscFree(a->sums.weights));
  PetscCall(PetscFree(*attention));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionIsZero(Attention a, PetscBool *zero) {
  PetscFunctionBeginUser;
  *zero = (PetscBool)(a->type->rate == 0 || a->value == 0);
  PetscFunctionReturn(0);
}

/* Are the drift's kernel sums those of the energy, e^{beta <x,y>}? */
static PetscBool Shared(Attention a) {
  return (PetscBool)(!a->heads && a->type->rate == 1 && a->value != 0);
}

/* Brings the kernel sums of the drift up to date. The sums in hand serve if positions and weights are those they were
 * made from, on every rank. */
static PetscErrorCode UpdateSums(Attention a, Tokens tokens) {
  const PetscInt length = a->layout.owned * a->layout.block;
  PetscObjectId id;
  PetscObjectState state;
  PetscMPIInt current;
  PetscBool same;
  const double *weights;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &x));
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(PetscObjectGetId((PetscObject)x, &id));
  PetscCall(PetscObjectStateGet((PetscObject)x, &state));
  PetscCall(PetscArraycmp(weights, a->sums.weights, length, &same));
  current = a->sums.id == id && a->sums.state == state && same;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &current, 1, MPI_INT, MPI_MIN, a->layout.comm));
  if (current) PetscFunctionReturn(0);
  PetscCall(AttentionDirectSums(a, tokens, a->type->rate * a->beta));
  a->sums.id = id;
  a->sums.state = state;
  PetscCall(PetscArraycpy(a->sums.weights, weights, length));
  PetscFunctionReturn(0);
}

/* S and S0 of all real tokens to the field v S/S0, or v e^{exponent} S; *lost tells whether some S0 was too small to
 * divide by. */
static PetscErrorCode FieldOfSums(Attention a, PetscReal exponent, Vec drift, PetscBool *lost) {
  const PetscInt B = a->layout.block, d = a->layout.dim, n = d + 1;
  const PetscReal scale = SumScale(1.0), plain = a->value * exp(exponent) / scale;
  PetscMPIInt small = 0;
  double *out;

  PetscFunctionBeginUser;
  PetscCall(VecSet(drift, 0));
  PetscCall(VecGetArray(drift, &out));
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    const PetscInt real = (PetscInt)PetscMin(B, a->layout.count - (PetscInt64)(a->layout.first + k) * B);
    const PetscInt64 *fixed = a->sums.fixed + k * a->length;
    for (PetscInt t = 0; t < real; t++) {
      const PetscInt64 *s = fixed + (size_t)(t / 8) * n * 8 + t % 8;
      const double S0 = (double)s[d * 8], factor = a->type->normalized ? a->value / S0 : plain;
      small = small || (a->type->normalized && S0 < SMALL_SUM * scale);
      for (PetscInt c = 0; c < d; c++) out[(k * d + c) * B + t] = factor * (double)s[c * 8];
    }
  }
  PetscCall(VecRestoreArray(drift, &out));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &small, 1, MPI_INT, MPI_MAX, a->layout.comm));
  *lost = (PetscBool)small;
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
  const PetscReal exponent = a->type->rate * a->beta;
  PetscBool zero, lost;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(a, tokens));
  PetscCall(PetscLogEventBegin(evaluate_event, NULL, NULL, NULL, NULL));
  PetscCall(AttentionIsZero(a, &zero));
  if (zero) {
    PetscCall(VecSet(drift, 0));
  } else if (a->heads) {
    PetscCall(AttentionOnline(a, tokens, exponent, drift));
  } else {
    PetscCall(UpdateSums(a, tokens));
    PetscCall(FieldOfSums(a, exponent, drift, &lost));
    if (lost) PetscCall(AttentionOnline(a, tokens, exponent, drift));
  }
  PetscCall(PetscLogEventEnd(evaluate_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

/* 2^61 sum_i w_i S0_i of the sums in hand. */
static PetscErrorCode TotalOfSums(Attention a, PetscInt64 *total) {
  const PetscInt B = a->layout.block, n = a->layout.dim + 1;

  PetscFunctionBeginUser;
  *total = 0;
  for (PetscInt k = 0; k < a->layout.owned; k++) {
    double part = 0;
    for (PetscInt t = 0; t < B; t++) {
      const size_t i = ((size_t)(t / 8) * n + n - 1) * 8 + t % 8;
      part += a->sums.weights[k * B + t] * (double)a->sums.fixed[k * a->length + i];
    }
    *total += SumRound(part, 1.0);
  }
  PetscCall(SumAllreduce(a->layout.comm, 1, total));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEnergy(Attention a, Tokens tokens, PetscReal *energy) {
  const PetscReal scale = SumScale(1.0);
  PetscInt64 total;

  PetscFunctionBeginUser;
  PetscCall(CheckLayout(a, tokens));
  PetscCall(PetscLogEventBegin(energy_event, NULL, NULL, NULL, NULL));
  if (Shared(a)) {
    PetscCall(UpdateSums(a, tokens));
    PetscCall(TotalOfSums(a, &total));
  } else {
    PetscCall(AttentionDirectEnergy(a, tokens, a->beta, &total));
  }
  /* PAPER.md section 5, with weights that add up to 1; the difference is exact in fixed point. */
  *energy = 0.5 * exp(a->beta) * ((double)((PetscInt64)scale - total) / scale);
  PetscCall(PetscLogEventEnd(energy_event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionView(Attention a) {
  const double N = (double)a->layout.count, d = a->layout.dim;
  const double length = (double)a->length * sizeof(double);
  PetscMPIInt size;
  PetscBool zero;
  double flops, bytes, memory;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(a, &zero));
  PetscCallMPI(MPI_Comm_size(a->layout.comm, &size));
  PetscCall(PetscPrintf(a->layout.comm, "attention  %s, engine direct, beta %.6g, value %.6g\n", a->type->name, a->beta,
                        a->value));
  if (!zero) PetscCall(PetscPrintf(a->layout.comm, "           Att(x) = %s\n", a->type->formula));
  if (a->file[0])
    PetscCall(PetscPrintf(a->layout.comm, "           %" PetscInt_FMT " heads from %s\n", a->heads, a->file));
  if (!zero) {
    /* Products, sums of d + 1 components on both sides, and about 30 for the exponential; each pair once, or per head
     * in both orders. */
    const double passes = a->heads ? (double)a->heads : 1;
    flops = a->heads ? passes * N * N * (4 * d + 32) : 0.5 * N * N * (6 * d + 34);
    bytes = PanelsTravel(a->panels) ? passes * length * a->layout.blocks * (a->heads ? 1 : 2) : 0;
    memory = PanelsMemory(a->panels) + length * (a->layout.owned * (a->heads ? 3.0 : 1.0) + 4);
    PetscCall(PetscPrintf(a->layout.comm,
                          "           per step and rank: %.3g Gflop, %.3g MB sent and received, %.3g MB memory\n",
                          1e-9 * flops / size, 1e-6 * bytes, 1e-6 * memory));
  }
  PetscFunctionReturn(0);
}
