/* The engine of a mixture of Gaussians, NUMERICS.md 9.12: tokens in clusters, each of which acts as the Gaussian
 * measure of its weight, mean and covariance. O(N k d^2), for any weights; the error is measured in every evaluation,
 * at some tokens whose field is summed over all others. Nothing is kept from one evaluation to the next: clusters are a
 * function of the tokens. */
#include "attention/mixture.h"

#include <chorale/sum.h>
#include <string.h>

#include "base/plan.h"

/* What makes the sums over all pairs. */
static PetscErrorCode CreateDirect(Attention attention, const AttentionError *error) {
  Mixture *mixture = attention->data;
  Attention direct;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(attention->layout.comm,
                        "attention  mixture, k = %" PetscInt_FMT
                        ": rms error of Att %.2g, the largest %.2g, more than attention_tol %.6g; "
                        "all pairs where that is so\n",
                        mixture->clusters.count, (double)error->rms, (double)error->largest, (double)attention->tol));
  PetscCall(PetscNew(&direct));
  direct->layout = attention->layout;
  direct->shape = attention->shape;
  direct->length = attention->length;
  direct->type = attention->type;
  direct->beta = attention->beta;
  direct->exponent = attention->exponent;
  PetscCall(AttentionDirect.create(direct));
  mixture->direct = direct;
  PetscFunctionReturn(0);
}

/* Clusters of these tokens, or all pairs where they do not do. */
static PetscErrorCode Sum(Attention attention, Tokens tokens, const double *factors, PetscBool scalar) {
  Mixture *mixture = attention->data;
  AttentionError error;
  PetscBool part;

  PetscFunctionBeginUser;
  (void)factors; /* of sinkhorn, which takes other engines */
  PetscCall(PlanIsPart(attention->layout.comm, &part));
  PetscCall(TokensGetWeights(tokens, &mixture->weights));
  PetscCall(MixtureFit(attention, tokens, &error));
  mixture->off = error.rms <= attention->tol || part ? PETSC_FALSE : PETSC_TRUE; /* of a part it is not known */
  PetscCheck(!mixture->off || !strcmp(attention->choice, "auto"), attention->layout.comm, PETSC_ERR_NOT_CONVERGED,
             "attention_engine = mixture: at %s = %.6g the rms error of Att is %.2g, of an Att of %.2g, with k = "
             "%" PetscInt_FMT
             " Gaussians, more than attention_tol = %.6g, and more of them do not help: take auto, direct or a larger "
             "attention_tol",
             attention->key, (double)attention->beta, (double)error.rms, (double)error.size, mixture->clusters.count,
             (double)attention->tol);
  if (!mixture->off) PetscFunctionReturn(0);
  if (!mixture->direct) PetscCall(CreateDirect(attention, &error));
  if (!attention->heads) PetscCall(AttentionDirect.sum(mixture->direct, tokens, NULL, scalar));
  PetscFunctionReturn(0);
}

/* Totals and means of own block x[d][B], of these weights, in the work. */
static PetscErrorCode SumBlock(Attention attention, const AttentionHead *head, PetscReal exponent, const double *x,
                               const double *weights, const double *factors) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  Mixture *mixture = attention->data;
  MixtureWork *work = &mixture->work;
  const double *y = x;
  PetscBool idle = PETSC_FALSE;

  PetscFunctionBeginUser;
  for (PetscInt t = 0; t < B; t++) idle = idle || weights[t] == 0 ? PETSC_TRUE : PETSC_FALSE;
  for (PetscInt t = 0; t < B; t++) {
    const PetscInt s = idle ? MixtureApart(t, weights) : t;

    work->weight[t] = weights[s] * (factors ? factors[s] : 1);
    for (PetscInt c = 0; idle && c < d; c++) work->apart[c * B + t] = x[c * B + s];
  }
  if (idle) y = work->apart;
  PetscCall(MixtureQueries(attention, head, exponent, B, x, work));
  PetscCall(MixtureAssign(&mixture->clusters, B, y, work->scores, work->label));
  PetscCall(MixtureEvaluate(&mixture->clusters, &(MixtureProbe){B, x, y, work->weight, work->label}, work->q, work,
                            work->total, work->mean));
  PetscFunctionReturn(0);
}

static PetscErrorCode Get(Attention attention, PetscInt b, const double *x, PetscBool scalar, double *s) {
  const PetscInt B = attention->layout.block, d = scalar ? 0 : attention->layout.dim;
  Mixture *mixture = attention->data;

  PetscFunctionBeginUser;
  if (mixture->off) {
    PetscCall(AttentionDirect.get(mixture->direct, b, x, scalar, s));
    PetscFunctionReturn(0);
  }
  PetscCall(SumBlock(attention, NULL, attention->exponent, x, mixture->weights + b * B, NULL));
  for (PetscInt t = 0; t < B; t++) s[d * B + t] = exp(mixture->work.total[t] - attention->exponent);
  for (PetscInt c = 0; c < d; c++)
    for (PetscInt t = 0; t < B; t++) s[c * B + t] = s[d * B + t] * mixture->work.mean[c * B + t];
  PetscFunctionReturn(0);
}

static PetscErrorCode Energy(Attention attention, Tokens tokens, PetscBool current, PetscReal *gap) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  Mixture *mixture = attention->data;
  PetscInt64 total = 0;
  const double *x;
  Vec positions;

  PetscFunctionBeginUser;
  if (!current) PetscCall(Sum(attention, tokens, NULL, PETSC_TRUE));
  if (mixture->off) {
    const PetscBool same = !attention->heads && attention->exponent == attention->beta ? PETSC_TRUE : PETSC_FALSE;
    PetscCall(AttentionDirect.energy(mixture->direct, tokens, same, gap));
    PetscFunctionReturn(0);
  }
  if (attention->heads && attention->head[0].distance)
    PetscCall(MixtureSum(attention, tokens, NULL, &mixture->clusters));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    const double *w = mixture->weights + b * B;
    double part = 0;

    PetscCall(SumBlock(attention, NULL, attention->beta, x + b * d * B, w, NULL));
    for (PetscInt t = 0; t < B; t++) part += w[t] * -expm1(mixture->work.total[t] - attention->beta);
    total += SumRound(part, SumScale(1.0));
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(AttentionReduce(attention, 1, &total));
  *gap = PetscMax((PetscReal)total / SumScale(1.0), 0);
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Attention attention) {
  const PetscInt B = attention->layout.block, most = PetscMax(B, MIXTURE_TESTED);
  const size_t panel = (size_t)MIXTURE_TESTED * (size_t)attention->layout.dim;
  Mixture *mixture;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&mixture));
  PetscCall(MixtureWorkCreate(attention, most, &mixture->work));
  PetscCall(PetscMalloc4(panel, &mixture->x, panel, &mixture->found, panel, &mixture->exact,
                         PetscMax(attention->layout.owned * B, 1), &mixture->factors)); /* not NULL on any rank */
  attention->data = mixture;
  attention->small = 0;
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Attention attention) {
  Mixture *mixture = attention->data;

  PetscFunctionBeginUser;
  if (mixture->direct) {
    PetscCall(AttentionDirect.destroy(mixture->direct));
    PetscCall(PanelsDestroy(&mixture->direct->panels));
    PetscCall(PetscFree(mixture->direct));
  }
  PetscCall(MixtureClustersDestroy(&mixture->clusters));
  PetscCall(MixtureSampleDestroy(&mixture->sample));
  PetscCall(MixtureWorkDestroy(&mixture->work));
  PetscCall(PetscFree4(mixture->x, mixture->found, mixture->exact, mixture->factors));
  PetscCall(PetscFree(mixture));
  attention->data = NULL;
  PetscFunctionReturn(0);
}

/* With the moments of so many clusters as a guess, the sample, and its logits at tokens that are tested. */
static void Cost(Attention attention, double *travel, double *memory) {
  const double d = attention->layout.dim, moments = MIXTURE_GUESS * d * d, sample = MIXTURE_SAMPLE * (d + 1),
               tested = PetscClipInterval(attention->layout.dim / 2, MIXTURE_LEAST, MIXTURE_TESTED),
               logits = MIXTURE_SAMPLE * tested * PetscMax(attention->heads, 1);
  PetscMPIInt size = 1;

  (void)PlanSize(attention->layout.comm, &size);
  *travel = size > 1 ? 2 * sizeof(double) * (moments / 2 + sample) : 0;
  *memory = sizeof(double) * (2 * moments + sample + logits + 8 * (double)attention->layout.block * (d + 1));
}

PetscReal AttentionMixtureFlops(Attention attention, PetscReal heads) {
  const double N = (double)attention->layout.count, d = attention->layout.dim;
  const double tests = PetscClipInterval(d / 2, MIXTURE_LEAST, MIXTURE_TESTED);

  return N * d * d + PetscMax(heads, 1) * N * (MIXTURE_GUESS * 2 * d * (d + 8) + tests * (4 * d + 30));
}

const AttentionEngine AttentionMixture = {"mixture", PETSC_TRUE, Create, Destroy, Sum, Get, NULL, Energy, Cost};

PetscErrorCode AttentionMixtureHeads(Attention attention, Tokens tokens, Vec drift, PetscBool *done) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  Mixture *mixture = attention->data;
  const double *x, *factors;
  Vec positions;
  double *out;

  PetscFunctionBeginUser;
  PetscCall(Sum(attention, tokens, NULL, PETSC_FALSE));
  *done = mixture->off ? PETSC_FALSE : PETSC_TRUE;
  if (!*done) PetscFunctionReturn(0);
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecSet(drift, 0));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArray(drift, &out));
  for (PetscInt h = 0; h < attention->heads; h++) {
    PetscReal least;

    PetscCall(MixtureWeigh(attention, tokens, &attention->head[h], PETSC_FALSE, &factors, &least));
    for (PetscInt b = 0; b < attention->layout.owned; b++) {
      PetscCall(SumBlock(attention, &attention->head[h], 1, x + b * d * B, mixture->weights + b * B,
                         factors ? factors + b * B : NULL));
      PetscCall(MixtureOutput(attention, &attention->head[h], B, &mixture->work, out + b * d * B));
    }
  }
  for (PetscInt b = 0; b < attention->layout.owned; b++)
    for (PetscInt c = 0; c < d; c++)
      for (PetscInt t = TokensFilled(&attention->layout, b); t < B; t++) out[(b * d + c) * B + t] = 0;
  PetscCall(VecRestoreArray(drift, &out));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionMixtureError(Attention attention, Tokens tokens, AttentionError *error) {
  const PetscInt tested = (PetscInt)PetscMin(MIXTURE_TESTED, attention->layout.count);
  Mixture *mixture = attention->data;

  PetscFunctionBeginUser;
  *error = (AttentionError){0};
  if (mixture->off) PetscFunctionReturn(0);
  PetscCall(MixtureField(attention, tokens, tested, PETSC_TRUE, mixture->exact));
  PetscCall(MixtureField(attention, tokens, tested, PETSC_FALSE, mixture->found));
  MixtureCompare(attention->layout.dim, tested, mixture->found, mixture->exact, error);
  PetscCall(MixtureEnergyError(attention, tokens, tested, &error->energy));
  PetscFunctionReturn(0);
}
