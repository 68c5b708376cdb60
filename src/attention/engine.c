/* Which engine makes the kernel sums, and what it costs. */
#include <chorale/deck.h>
#include <chorale/harmonics.h>

#include <string.h>

#include "attention/impl.h"

PetscErrorCode AttentionPanels(Attention a) {
  PetscFunctionBeginUser;
  if (!a->panels) PetscCall(PanelsCreate(&a->layout, &a->panels));
  PetscFunctionReturn(0);
}

/* Components of a sum: S and S0 for a drift; S0 alone where only the energy is wanted. */
static PetscInt Components(Attention a) {
  return a->type->rate == 0 || a->value == 0 ? 1 : a->layout.dim + 1;
}

/* Products, sums of n components on both sides, and about 30 for the exponential; each pair once, or per head in both
 * orders. */
static double DirectFlops(Attention a, PetscInt n) {
  const double N = (double)a->layout.count, d = a->layout.dim;

  return a->heads ? (double)a->heads * N * N * (4 * d + 32) : 0.5 * N * N * (2 * d + 4 * n + 30);
}

/* Creates the engine of moments if it can be used, which `must` asks for. */
static PetscErrorCode TryMoments(Attention a, PetscBool must, PetscInt n) {
  PetscFunctionBeginUser;
  PetscCheck(!must || !a->heads, a->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = moments: must be auto or direct with attention_weights");
  PetscCheck(!must || a->layout.dim <= HARMONICS_DIM, a->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = moments: must be auto or direct with tokens_dim = %" PetscInt_FMT " beyond %d",
             a->layout.dim, HARMONICS_DIM);
  if (a->heads || a->layout.dim > HARMONICS_DIM) PetscFunctionReturn(0);
  PetscCall(AttentionTruncate(a));
  PetscCheck(!must || a->truncation.count <= MOMENTS_MOST, a->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = moments: attention_beta = %.6g in %" PetscInt_FMT
             " dimensions takes K = %.6g harmonics "
             "(degree %" PetscInt_FMT "), at most %d are allowed: take auto, direct or a larger attention_tol",
             (double)a->beta, a->layout.dim, (double)a->truncation.count, a->truncation.degree, MOMENTS_MOST);
  if (a->truncation.count > MOMENTS_MOST) PetscFunctionReturn(0);
  PetscCall(AttentionMoments.create(a));
  a->engine = &AttentionMoments;
  a->flops_moments = AttentionMomentsFlops(a, n);
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEngineCreate(Attention a) {
  char name[PETSC_MAX_PATH_LEN];
  PetscBool direct, moments;
  PetscInt n;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("attention_engine", name));
  PetscCall(DeckGetReal("attention_tol", &a->tol));
  direct = (PetscBool)!strcmp(name, "direct");
  moments = (PetscBool)!strcmp(name, "moments");
  PetscCheck(direct || moments || !strcmp(name, "auto"), a->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = %s: must be auto, direct or moments", name);
  n = Components(a);
  a->flops_direct = DirectFlops(a, n);
  if (!direct) PetscCall(TryMoments(a, moments, n));
  /* Both engines are vector code of about the same rate, so flops decide. */
  if (a->engine && !moments && a->flops_direct <= a->flops_moments) {
    PetscCall(a->engine->destroy(a));
    a->engine = NULL;
  }
  if (!a->engine) {
    a->engine = &AttentionDirect;
    PetscCall(a->engine->create(a));
  }
  PetscCall(PetscInfo(NULL, "attention: engine %s, %.3g Gflop per evaluation (direct %.3g, moments %.3g)\n",
                      a->engine->name, 1e-9 * (a->engine == &AttentionDirect ? a->flops_direct : a->flops_moments),
                      1e-9 * a->flops_direct, 1e-9 * a->flops_moments));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionGetCost(Attention a, PetscReal *flops, PetscReal *travel, PetscReal *bytes) {
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(a->layout.comm, &size));
  *flops = (a->engine == &AttentionMoments ? a->flops_moments : a->flops_direct) / size;
  a->engine->cost(a, travel, bytes);
  if (a->type->form == FORM_SINKHORN) *bytes += 3.0 * sizeof(double) * a->layout.owned * a->layout.block;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEngineView(Attention a) {
  const AttentionTruncation *t = &a->truncation;
  PetscReal flops, travel, memory;

  PetscFunctionBeginUser;
  if (t->count > MOMENTS_MOST)
    PetscCall(PetscPrintf(a->layout.comm, "           moments: degree %" PetscInt_FMT ", K = %.6g, beyond %d\n",
                          t->degree, (double)t->count, MOMENTS_MOST));
  else if (t->count > 0)
    PetscCall(PetscPrintf(a->layout.comm,
                          "           moments: degree %" PetscInt_FMT
                          ", K = %.6g, kernel within %.3g (attention_tol %g)\n",
                          t->degree, (double)t->count, (double)t->tail, (double)a->tol));
  if (a->flops_moments > 0)
    PetscCall(PetscPrintf(a->layout.comm, "           cost: direct %.3g Gflop, moments %.3g Gflop per evaluation\n",
                          1e-9 * a->flops_direct, 1e-9 * a->flops_moments));
  PetscCall(AttentionGetCost(a, &flops, &travel, &memory));
  PetscCall(PetscPrintf(
      a->layout.comm, "           per %s and rank: %.3g Gflop, %.3g MB sent and received, %.3g MB memory\n",
      a->type->form == FORM_SINKHORN ? "Sinkhorn iteration" : "step", 1e-9 * flops, 1e-6 * travel, 1e-6 * memory));
  PetscFunctionReturn(0);
}
