/* Which engine makes the kernel sums, and what it costs. */
#include <chorale/harmonics.h>

#include <string.h>

#include "attention/impl.h"
#include "base/plan.h"

static const AttentionEngine *const engines[] = {&AttentionDirect, &AttentionMoments, &AttentionMixture};

#define MIXTURE_AUTO                                                                                                   \
  1e-6 /* auto takes a mixture where so large an error is allowed: it hardly ever has a smaller one */

const char *AttentionEngineName(PetscInt i) {
  if (i > (PetscInt)PETSC_STATIC_ARRAY_LENGTH(engines)) return NULL;
  return i ? engines[i - 1]->name : "auto";
}

/* Components of a sum: S and S0 for a drift; S0 alone where only the energy is wanted. */
static PetscInt Components(Attention attention) {
  return attention->type->rate == 0 || attention->value == 0 ? 1 : attention->layout.dim + 1;
}

/* Of all heads, in the mean over the layers: their number, and numbers of a token in its logits and its sums. */
static void HeadNumbers(Attention attention, double *heads, double *numbers) {
  *heads = *numbers = 0;
  for (PetscInt l = 0; l < attention->layers; l++) {
    const AttentionLayer *layer = &attention->layer[l];

    *heads += (double)layer->heads / (double)attention->layers;
    for (PetscInt h = 0; h < layer->heads; h++)
      *numbers +=
          (double)(AttentionHeadRows(attention, &layer->head[h]) + AttentionHeadWidth(attention, &layer->head[h])) /
          (double)attention->layers;
  }
}

/* Products, sums of n components on both sides, and about 30 for the exponential; each pair once, or per head in both
 * orders. Under the mask one side of a pair sees the other. */
static double DirectFlops(Attention attention, PetscInt n) {
  const double N = (double)attention->layout.count, d = attention->layout.dim, sides = attention->causal ? 1 : 2;
  double heads, numbers;

  HeadNumbers(attention, &heads, &numbers);
  return heads > 0 ? 0.5 * sides * N * N * (2 * numbers + 32 * heads) : 0.5 * N * N * (2 * d + 2 * sides * n + 30);
}

/* Creates the engine of moments if it can be used, which `must` asks for. */
static PetscErrorCode TryMoments(Attention attention, PetscBool must, PetscInt n) {
  PetscFunctionBeginUser;
  PetscCheck(!must || !attention->heads, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = moments: must be auto or direct with attention_weights");
  PetscCheck(!must || attention->layout.dim <= HARMONICS_DIM, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = moments: must be auto or direct with tokens_dim = %" PetscInt_FMT " beyond %d",
             attention->layout.dim, HARMONICS_DIM);
  if (attention->heads || attention->layout.dim > HARMONICS_DIM) PetscFunctionReturn(0);
  PetscCall(AttentionTruncate(attention));
  PetscCheck(!must || attention->truncation.count <= MOMENTS_MOST, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = moments: %s = %.6g in %" PetscInt_FMT " dimensions takes K = %.6g harmonics "
             "(degree %" PetscInt_FMT "), at most %d are allowed: take auto, direct or a larger attention_tol",
             attention->key, (double)attention->beta, attention->layout.dim, (double)attention->truncation.count,
             attention->truncation.degree, MOMENTS_MOST);
  if (attention->truncation.count > MOMENTS_MOST) PetscFunctionReturn(0);
  attention->engine = attention->causal ? &AttentionMomentsCausal : &AttentionMoments;
  PetscCall(attention->engine->create(attention));
  attention->flops_moments = AttentionMomentsFlops(attention, n);
  PetscFunctionReturn(0);
}

/* Flops of an evaluation by the mixture where it can be used, else 0; refuses (user input) where it cannot and `must`
 * be. */
static PetscErrorCode TryMixture(Attention attention, PetscBool must) {
  const PetscBool can = !attention->causal && attention->type->form != FORM_SINKHORN ? PETSC_TRUE : PETSC_FALSE;
  double heads, numbers;

  PetscFunctionBeginUser;
  PetscCheck(!must || !attention->causal, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = mixture: must be auto, direct or moments with attention_mask causal");
  PetscCheck(!must || attention->type->form != FORM_SINKHORN, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = mixture: must be auto, direct or moments with attention_type sinkhorn");
  PetscCheck(!must || attention->layout.dim >= MIXTURE_DIM, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = mixture: takes tokens_dim from %d on, not %" PetscInt_FMT
             "; must be auto, direct or moments",
             MIXTURE_DIM, attention->layout.dim);
  HeadNumbers(attention, &heads, &numbers);
  if (must || (can && attention->layout.dim >= MIXTURE_DIM && attention->tol >= MIXTURE_AUTO))
    attention->flops_mixture = AttentionMixtureFlops(attention, heads);
  PetscFunctionReturn(0);
}

/* Flops of an evaluation by the engine in use. */
static double Flops(Attention attention) {
  if (attention->engine == &AttentionDirect) return attention->flops_direct;
  return attention->engine == &AttentionMixture ? attention->flops_mixture : attention->flops_moments;
}

/* All engines are vector code of about the same rate, so flops decide. */
static PetscErrorCode TakeCheapest(Attention attention) {
  const AttentionEngine *engine = attention->engine ? attention->engine : &AttentionDirect;
  double least = attention->engine ? attention->flops_moments : attention->flops_direct;

  PetscFunctionBeginUser;
  if (attention->flops_direct <= least) {
    engine = &AttentionDirect;
    least = attention->flops_direct;
  }
  if (attention->flops_mixture > 0 && attention->flops_mixture < least) engine = &AttentionMixture;
  if (engine == attention->engine) PetscFunctionReturn(0);
  if (attention->engine) PetscCall(attention->engine->destroy(attention));
  attention->engine = engine;
  PetscCall(engine->create(attention));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEngineCreate(Attention attention) {
  const PetscBool direct = !strcmp(attention->choice, AttentionDirect.name) ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool moments = !strcmp(attention->choice, AttentionMoments.name) ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool mixture = !strcmp(attention->choice, AttentionMixture.name) ? PETSC_TRUE : PETSC_FALSE;
  const PetscBool any = !strcmp(attention->choice, "auto") ? PETSC_TRUE : PETSC_FALSE;
  const PetscInt n = Components(attention);

  PetscFunctionBeginUser;
  PetscCheck(direct || moments || mixture || any, attention->layout.comm, PETSC_ERR_USER_INPUT,
             "attention_engine = %s: must be auto, direct, moments or mixture", attention->choice);
  attention->flops_direct = DirectFlops(attention, n);
  if (moments || any) PetscCall(TryMoments(attention, moments, n));
  if (mixture || any) PetscCall(TryMixture(attention, mixture));
  if (any) PetscCall(TakeCheapest(attention));
  if (!attention->engine) {
    attention->engine = mixture ? &AttentionMixture : &AttentionDirect;
    PetscCall(attention->engine->create(attention));
  }
  PetscCall(PetscInfo(NULL,
                      "attention: engine %s, %.3g Gflop per evaluation (direct %.3g, moments %.3g, mixture %.3g)\n",
                      attention->engine->name, 1e-9 * Flops(attention), 1e-9 * attention->flops_direct,
                      1e-9 * attention->flops_moments, 1e-9 * attention->flops_mixture));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionGetCost(Attention attention, PetscReal *flops, PetscReal *travel, PetscReal *bytes) {
  PetscReal away, memory;
  PetscMPIInt size;

  PetscFunctionBeginUser;
  PetscCall(PlanSize(attention->layout.comm, &size));
  *flops = Flops(attention) / size;
  attention->engine->cost(attention, travel, bytes);
  for (PetscInt l = 0; l < attention->layers; l++) {
    const AttentionMlp *mlp = &attention->layer[l].mlp;

    *flops += 4.0 * mlp->up.rows * attention->layout.dim * (double)attention->layout.count / size / attention->layers;
    *bytes += sizeof(double) * 2.0 * mlp->up.rows * attention->layout.dim;
  }
  if (attention->type->form == FORM_SINKHORN)
    *bytes += (3.0 + attention->heads) * sizeof(double) * ((attention->layout.blocks + size - 1) / size) *
              attention->layout.block;
  if (!attention->gauge) PetscFunctionReturn(0);
  attention->gauge->engine->cost(attention->gauge, &away, &memory); /* the energy is not part of a step */
  *bytes += memory;
  PetscFunctionReturn(0);
}

/* How the engines compare. */
static PetscErrorCode ViewChoice(Attention attention) {
  const AttentionTruncation *truncation = &attention->truncation;

  PetscFunctionBeginUser;
  if (truncation->count > MOMENTS_MOST)
    PetscCall(PetscPrintf(attention->layout.comm,
                          "           moments would take %.3g harmonics, more than %d: using the %s engine\n",
                          (double)truncation->count, MOMENTS_MOST, attention->engine->name));
  else if (truncation->count > 0)
    PetscCall(PetscPrintf(
        attention->layout.comm,
        "           moments: degree %" PetscInt_FMT ", K = %.6g harmonics, error of the kernel at most %.3g "
        "(attention_tol %g)\n",
        truncation->degree, (double)truncation->count, (double)truncation->tail, (double)attention->tol));
  if (attention->flops_moments > 0)
    PetscCall(PetscPrintf(attention->layout.comm,
                          "           cost: direct %.3g Gflop, moments %.3g Gflop per evaluation\n",
                          1e-9 * attention->flops_direct, 1e-9 * attention->flops_moments));
  if (attention->engine == &AttentionMixture)
    PetscCall(
        PetscPrintf(attention->layout.comm,
                    "           mixture of at most %d Gaussians, rms error of Att at most %.6g (attention_tol)%s\n"
                    "           cost: direct %.3g Gflop, mixture %.3g Gflop per evaluation with %d Gaussians\n",
                    MIXTURE_MOST, (double)attention->tol, strcmp(attention->choice, "auto") ? "" : ", else all pairs",
                    1e-9 * attention->flops_direct, 1e-9 * attention->flops_mixture, MIXTURE_GUESS));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEngineBrief(Attention attention, size_t room, char accuracy[]) {
  const AttentionTruncation *truncation = &attention->truncation;

  PetscFunctionBeginUser;
  if (attention->engine == &AttentionDirect)
    PetscCall(PetscStrncpy(accuracy, "attention by sums over all pairs", room));
  else if (attention->engine == &AttentionMixture)
    PetscCall(PetscSNPrintf(accuracy, room, "attention by clusters of tokens as Gaussians, its rms error at most %.2g",
                            (double)attention->tol));
  else
    PetscCall(PetscSNPrintf(accuracy, room, "attention by %.6g harmonics, its kernel to %.2g",
                            (double)truncation->count, (double)truncation->tail));
  PetscFunctionReturn(0);
}

PetscBool AttentionMayMix(const AttentionOptions *options, PetscInt dim) {
  if (!strcmp(options->engine, AttentionMixture.name)) return PETSC_TRUE;
  return !strcmp(options->engine, "auto") && options->tol >= MIXTURE_AUTO && dim >= MIXTURE_DIM &&
                 strcmp(options->mask, "causal") && strcmp(options->type, "sinkhorn")
             ? PETSC_TRUE
             : PETSC_FALSE;
}

PetscErrorCode AttentionEngineView(Attention attention, PetscBool zero) {
  PetscReal flops, travel, memory;

  PetscFunctionBeginUser;
  if (!zero) PetscCall(ViewChoice(attention));
  PetscCall(AttentionGetCost(attention, &flops, &travel, &memory));
  PetscCall(PetscPrintf(attention->layout.comm,
                        "           per %s and rank: %.3g Gflop, %.3g MB sent and received, %.3g MB memory\n",
                        attention->type->form == FORM_SINKHORN ? "Sinkhorn iteration" : "step", 1e-9 * flops,
                        1e-6 * travel, 1e-6 * memory));
  PetscFunctionReturn(0);
}
