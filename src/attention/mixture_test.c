/* Tokens at which the field of the clusters is compared with the sums over all tokens, and clusters that pass. */
#include "attention/mixture.h"

static PetscInt Round(PetscInt n) {
  return (n + 7) / 8 * 8;
}

static const AttentionHead *HeadOf(Attention attention, PetscInt h) {
  return attention->heads ? &attention->head[h] : NULL;
}

PetscErrorCode MixtureWeigh(Attention attention, Tokens tokens, const AttentionHead *head, PetscBool direct,
                            const double **factors, PetscReal *least) {
  Mixture *mixture = attention->data;

  PetscFunctionBeginUser;
  *factors = NULL;
  if (!head || !head->distance) PetscFunctionReturn(0);
  PetscCall(MixtureFactors(attention, head, tokens, &mixture->work, mixture->factors, least));
  *factors = mixture->factors;
  if (!direct) PetscCall(MixtureSum(attention, tokens, mixture->factors, &mixture->clusters));
  PetscFunctionReturn(0);
}

/* The first so many tested tokens as a probe, in panels of the work; their queries are made. */
static PetscErrorCode ProbeTested(Attention attention, const AttentionHead *head, PetscReal exponent, PetscInt tested,
                                  PetscReal least, MixtureProbe *probe) {
  Mixture *mixture = attention->data;
  const MixtureSample *sample = &mixture->sample;
  const PetscInt d = sample->dim, block = Round(tested);
  MixtureWork *work = &mixture->work;
  double *apart = NULL;

  PetscFunctionBeginUser;
  MixtureSamplePanel(sample, tested, block, PETSC_FALSE, mixture->x);
  MixtureSamplePanel(sample, tested, block, PETSC_TRUE, work->apart);
  if (head && head->distance) {
    PetscCall(PetscMalloc1(sample->count, &apart));
    PetscCall(MixtureFactorsOfSample(head, sample, PETSC_TRUE, least, apart));
  }
  for (PetscInt t = 0; t < block; t++) {
    const PetscInt i = MixtureSamplePlace(sample, tested, PetscMin(t, tested - 1));
    work->weight[t] = MixtureSampleRow(sample, i, PETSC_TRUE)[d] * (apart ? apart[i] : 1);
  }
  PetscCall(PetscFree(apart));
  PetscCall(MixtureQueries(attention, head, exponent, block, mixture->x, work));
  *probe = (MixtureProbe){block, mixture->x, work->apart, work->weight, work->label};
  PetscFunctionReturn(0);
}

/* Totals and means of tested tokens, by the clusters or over all tokens one by one, in the work. */
static PetscErrorCode SumTested(Attention attention, Tokens tokens, const double *factors, PetscBool direct,
                                const MixtureProbe *probe) {
  Mixture *mixture = attention->data;
  MixtureWork *work = &mixture->work;

  PetscFunctionBeginUser;
  if (direct) {
    PetscCall(MixtureDirect(attention, tokens, factors, probe->block, work->q, work->total, work->mean));
    PetscFunctionReturn(0);
  }
  PetscCall(MixtureAssign(&mixture->clusters, probe->block, probe->y, work->scores, work->label));
  PetscCall(MixtureEvaluate(&mixture->clusters, probe, work->q, work, work->total, work->mean));
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureField(Attention attention, Tokens tokens, PetscInt tested, PetscBool direct, double *out) {
  Mixture *mixture = attention->data;
  MixtureProbe probe;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(out, (size_t)Round(tested) * (size_t)attention->layout.dim));
  for (PetscInt h = 0; h < PetscMax(attention->heads, 1); h++) {
    const AttentionHead *head = HeadOf(attention, h);
    const double *factors;
    PetscReal least = 0;

    PetscCall(MixtureWeigh(attention, tokens, head, direct, &factors, &least));
    PetscCall(ProbeTested(attention, head, attention->exponent, tested, least, &probe));
    PetscCall(SumTested(attention, tokens, factors, direct, &probe));
    PetscCall(MixtureOutput(attention, head, probe.block, &mixture->work, out));
  }
  PetscFunctionReturn(0);
}

void MixtureCompare(PetscInt d, PetscInt tested, const double *found, const double *exact, AttentionError *error) {
  const PetscInt block = Round(tested);

  *error = (AttentionError){0};
  for (PetscInt t = 0; t < tested; t++) {
    double off = 0;

    for (PetscInt c = 0; c < d; c++) {
      off += PetscSqr(found[c * block + t] - exact[c * block + t]);
      error->size += PetscSqr(exact[c * block + t]) / tested;
    }
    error->rms += off / tested;
    if (!(sqrt(off) <= error->largest)) error->largest = sqrt(off); /* a NaN counts */
  }
  error->rms = sqrt(error->rms);
  error->size = sqrt(error->size);
}

/* What the heads make of the sample. */
static PetscErrorCode SetGrowth(Attention attention, Tokens tokens, MixtureGrowth *growth) {
  Mixture *mixture = attention->data;
  double *factors[2] = {NULL, NULL};
  MixtureProbe probe;

  PetscFunctionBeginUser;
  for (PetscInt h = 0; h < growth->heads; h++) {
    const AttentionHead *head = HeadOf(attention, h);
    const double *all;
    PetscReal least = 0;

    PetscCall(MixtureWeigh(attention, tokens, head, PETSC_TRUE, &all, &least));
    for (int i = 0; i < 2 && all; i++) {
      if (!factors[i]) PetscCall(PetscMalloc1(mixture->sample.count, &factors[i]));
      PetscCall(MixtureFactorsOfSample(head, &mixture->sample, (PetscBool)i, least, factors[i]));
    }
    PetscCall(ProbeTested(attention, head, attention->exponent, growth->tested, least, &probe));
    PetscCall(MixtureGrowthSet(growth, h, probe.block, mixture->work.q, factors[0], factors[1]));
  }
  for (int i = 0; i < 2; i++) PetscCall(PetscFree(factors[i]));
  PetscFunctionReturn(0);
}

/* Clusters by which the error at the tested tokens is at most attention_tol, if there are: *error is what it is. */
static PetscErrorCode Fit(Attention attention, Tokens tokens, MixtureGrowth *growth, AttentionError *error) {
  const PetscInt d = attention->layout.dim;
  Mixture *mixture = attention->data;
  double share = 1;
  PetscBool grown;

  PetscFunctionBeginUser;
  PetscCall(MixtureField(attention, tokens, growth->tested, PETSC_TRUE, mixture->exact));
  for (PetscInt attempt = 0;; attempt++) {
    PetscCall(MixtureGrow(growth, share, 0.5 * attention->tol, &grown));
    if (attempt && !grown) break;
    PetscCall(MixtureClustersDestroy(&mixture->clusters));
    PetscCall(MixtureClustersCreate(d, growth->count, growth->centre, &mixture->clusters));
    PetscCall(MixtureSum(attention, tokens, NULL, &mixture->clusters));
    PetscCall(MixtureField(attention, tokens, growth->tested, PETSC_FALSE, mixture->found));
    MixtureCompare(d, growth->tested, mixture->found, mixture->exact, error);
    if (error->rms <= attention->tol) break;
    share = 0.5 * attention->tol / error->rms;
  }
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureFit(Attention attention, Tokens tokens, AttentionError *error) {
  const PetscInt64 tests = PetscClipInterval(attention->layout.dim / 2, MIXTURE_LEAST, MIXTURE_TESTED);
  Mixture *mixture = attention->data;
  MixtureGrowth growth;

  PetscFunctionBeginUser;
  PetscCall(MixtureSampleDestroy(&mixture->sample));
  PetscCall(MixtureSampleCreate(attention, tokens, MIXTURE_SAMPLE, &mixture->sample));
  PetscCall(MixtureGrowthCreate(&mixture->sample, (PetscInt)PetscMin(tests, attention->layout.count),
                                PetscMax(attention->heads, 1), attention->seed, &growth));
  PetscCall(SetGrowth(attention, tokens, &growth));
  PetscCall(Fit(attention, tokens, &growth, error));
  PetscCall(MixtureGrowthDestroy(&growth));
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureEnergyError(Attention attention, Tokens tokens, PetscInt tested, PetscReal *off) {
  Mixture *mixture = attention->data;
  const PetscInt d = attention->layout.dim;
  const PetscReal share = (PetscReal)attention->layout.count / tested;
  MixtureProbe probe;

  PetscFunctionBeginUser;
  if (attention->heads && attention->head[0].distance)
    PetscCall(MixtureSum(attention, tokens, NULL, &mixture->clusters));
  *off = 0;
  for (int direct = 0; direct < 2; direct++) {
    PetscCall(ProbeTested(attention, NULL, attention->beta, tested, 0, &probe));
    PetscCall(SumTested(attention, tokens, NULL, (PetscBool)direct, &probe));
    for (PetscInt t = 0; t < tested; t++) {
      const PetscInt i = MixtureSamplePlace(&mixture->sample, tested, t);
      const double w = MixtureSampleRow(&mixture->sample, i, PETSC_FALSE)[d];

      *off += (direct ? 1 : -1) * share * w * exp(mixture->work.total[t] - attention->beta);
    }
  }
  PetscFunctionReturn(0);
}
