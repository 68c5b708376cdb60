/* Sinkhorn's scaling with general weights, THEORY.md (1.12): K_ij = e^{l(x_i,x_j)} is not symmetric, and takes two
 * potentials, each head its own,
 *
 *     sum_j w_j e^{f_i + l_ij + g_j} = 1,    sum_i w_i e^{f_i + l_ij + g_j} = 1.
 *
 * f and g are made in turn, from g = 0 in every step, so that a resumed run has the same bits, until the rows that the
 * last g leaves are right. Columns are then right to the same error, and rows exactly, since the field is S/S0. */
#include <math.h>

#include "attention/impl.h"
#include "base/traffic.h"

#define SPREAD 700 /* logarithms of factors that double precision has room for */

/* Logarithms of a potential. */
typedef struct {
  double *log;   /* [owned * B] */
  PetscReal top; /* the largest one over all tokens that have weight */
} Potential;

/* potential <- -log of the sums in hand, whose factors were divided by e^top; *residual <- the largest |e^potential sum
 * - 1| before, over all tokens that have weight. */
static PetscErrorCode Update(Attention attention, const double *weights, const double *totals, PetscReal top,
                             Potential *potential, PetscReal *residual) {
  const PetscInt length = attention->layout.owned * attention->layout.block;
  PetscReal most[3] = {0, -PETSC_MAX_REAL, -PETSC_MAX_REAL}; /* residual, the largest, minus the smallest */

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < length; i++) {
    const double next = -(totals[i] + top);

    if (weights[i] <= 0) continue;
    most[0] = fmax(most[0], fabs(expm1(potential->log[i] - next)));
    most[1] = fmax(most[1], next);
    most[2] = fmax(most[2], -next);
    potential->log[i] = next;
  }
  TrafficSum(3);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 3, MPIU_REAL, MPIU_MAX, attention->layout.comm));
  PetscCheck(most[1] + most[2] <= SPREAD, attention->layout.comm, PETSC_ERR_NOT_CONVERGED,
             "attention_weights = %s: the scaling of attention_type sinkhorn spans e^%.3g, beyond double precision",
             attention->file, (double)(most[1] + most[2]));
  potential->top = most[1];
  *residual = most[0];
  PetscFunctionReturn(0);
}

/* factors = e^potential / e^top, 0 where w_i = 0. */
static void Factors(Attention attention, const double *weights, const Potential *potential, double *factors) {
  for (PetscInt i = 0; i < attention->layout.owned * attention->layout.block; i++)
    factors[i] = weights[i] > 0 ? exp(potential->log[i] - potential->top) : 0;
}

static PetscErrorCode ScaleHead(Attention attention, Tokens tokens, const AttentionHead *head, const double *weights,
                                double *totals, Potential *f, Potential *g, double *factors) {
  double none[1];
  const AttentionMap nothing = {.columns = attention->layout.dim, .matrix = none}; /* totals alone */
  const AttentionHead rows = {.query = head->query, .key = head->key, .enter = nothing};
  const AttentionHead columns = {.query = head->key, .key = head->query, .enter = nothing};
  PetscReal residual = PETSC_MAX_REAL, ignored;
  PetscInt64 sweeps = 0;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < attention->layout.owned * attention->layout.block; i++) f->log[i] = g->log[i] = 0;
  g->top = 0;
  for (;; sweeps++) {
    Factors(attention, weights, g, factors);
    PetscCall(AttentionOnlineTotals(attention, tokens, &rows, factors, totals));
    PetscCall(Update(attention, weights, totals, g->top, f, &residual));
    if ((sweeps > 0 && residual <= attention->sinkhorn_tol) || sweeps == attention->iterations) break;
    Factors(attention, weights, f, factors);
    PetscCall(AttentionOnlineTotals(attention, tokens, &columns, factors, totals));
    PetscCall(Update(attention, weights, totals, f->top, g, &ignored));
  }
  PetscCheck(residual <= attention->sinkhorn_tol, attention->layout.comm, PETSC_ERR_NOT_CONVERGED,
             "attention_sinkhorn_iterations = %" PetscInt64_FMT
             ": the scaling of a head of attention_weights is still off by %.3g, attention_sinkhorn_tol is %.3g",
             attention->iterations, (double)residual, (double)attention->sinkhorn_tol);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionSinkhornHeads(Attention attention, Tokens tokens, double *factors) {
  const PetscInt length = attention->layout.owned * attention->layout.block;
  const double *weights;
  double *totals;
  Potential f, g;

  PetscFunctionBeginUser;
  PetscCall(TokensGetWeights(tokens, &weights));
  PetscCall(PetscMalloc3(length, &totals, length, &f.log, length, &g.log));
  for (PetscInt h = 0; h < attention->heads; h++)
    PetscCall(ScaleHead(attention, tokens, &attention->head[h], weights, totals, &f, &g, factors + h * length));
  PetscCall(PetscFree3(totals, f.log, g.log));
  PetscFunctionReturn(0);
}
