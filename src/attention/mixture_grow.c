/* How many clusters, and where: on the sample, where sums over all of it are cheap.
 *
 * At a tested token the sum over a cluster of e^{<q,y>} is compared with its second cumulant expansion, which is what a
 * Gaussian makes of it (THEORY.md (1.13)). Clusters whose differences are largest are split in the manner of k-means++
 * (Arthur and Vassilvitskii 2007), with a few steps of Lloyd's algorithm after. */
#include "attention/mixture.h"

#include <chorale/rng.h>
#include <petscblaslapack.h>

#include "base/vmath.h"

VMATH(Exp, vexp(t))

#define LLOYD    5    /* steps */
#define LEAST    32   /* tokens of the sample that a cluster must have to be split */
#define GAIN     0.7  /* splitting is worth while if the error falls to this share ... */
#define PATIENCE 10   /* ... by this many splittings: of merged clusters all must part before the error falls */
#define LARGE    0.25 /* clusters are split that have this share of the largest contribution */

PetscErrorCode MixtureGrowthCreate(const MixtureSample *sample, PetscInt tested, PetscInt heads, uint64_t seed,
                                   MixtureGrowth *growth) {
  const PetscInt d = sample->dim, m = sample->count;
  double all = 0;

  PetscFunctionBeginUser;
  *growth = (MixtureGrowth){.sample = sample, .count = 1, .tested = tested, .heads = heads, .seed = seed};
  PetscCall(PetscCalloc1((size_t)MIXTURE_MOST * (size_t)d, &growth->centre));
  PetscCall(PetscMalloc4((size_t)heads * (size_t)tested * (size_t)m, &growth->logits, (size_t)heads * (size_t)m,
                         &growth->weight, heads * tested, &growth->apart, heads * tested, &growth->most));
  for (PetscInt i = 0; i < m; i++) {
    const double *row = MixtureSampleRow(sample, i, PETSC_FALSE), w = row[d];

    all += w;
    for (PetscInt c = 0; c < d; c++) growth->centre[c] += w * row[c];
  }
  for (PetscInt c = 0; c < d && all > 0; c++) growth->centre[c] /= all;
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureGrowthDestroy(MixtureGrowth *growth) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(growth->centre));
  PetscCall(PetscFree4(growth->logits, growth->weight, growth->apart, growth->most));
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureGrowthSet(MixtureGrowth *growth, PetscInt head, PetscInt block, const double *q,
                                const double *factors, const double *apart) {
  const PetscInt d = growth->sample->dim, m = growth->sample->count, T = growth->tested;
  const double one = 1, zero = 0, *rows = growth->sample->row;
  double *weight = growth->weight + (size_t)head * (size_t)m, all = 0;
  PetscBLASInt rowsize, samples, tested, n, B;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(d + 1, &rowsize));
  PetscCall(PetscBLASIntCast(m, &samples));
  PetscCall(PetscBLASIntCast(T, &tested));
  PetscCall(PetscBLASIntCast(d, &n));
  PetscCall(PetscBLASIntCast(block, &B));
  PetscCallBLAS("BLASgemm", BLASgemm_("T", "T", &samples, &tested, &n, &one, rows, &rowsize, q, &B, &zero,
                                      growth->logits + (size_t)head * (size_t)T * (size_t)m, &samples));
  for (PetscInt i = 0; i < m; i++) all += weight[i] = rows[i * rowsize + d] * (factors ? factors[i] : 1);
  for (PetscInt t = 0; t < T; t++) {
    const PetscInt i = MixtureSamplePlace(growth->sample, T, t);
    double square = 0;

    for (PetscInt c = 0; c < d; c++) square += PetscSqr(q[c * block + t]);
    growth->most[head * T + t] = sqrt(square);
    growth->apart[head * T + t] = MixtureSampleRow(growth->sample, i, PETSC_TRUE)[d] * (apart ? apart[i] : 1);
  }
  for (PetscInt i = 0; i < m && all > 0; i++) weight[i] /= all;
  PetscFunctionReturn(0);
}

/* Sums of one tested token over each cluster. */
typedef struct {
  double weight, first, second, sum;
} Sums;

/* Adds to share[count] the squares of the relative differences at tested token t, whose place in the sample is left
 * out: its own term is exact. e[sample] is work space. */
static void Compare(const MixtureGrowth *growth, PetscInt head, PetscInt t, const PetscInt *label, double *e,
                    double *share) {
  const PetscInt m = growth->sample->count, T = growth->tested, own = MixtureSamplePlace(growth->sample, T, t);
  const double *l = growth->logits + ((size_t)head * (size_t)T + (size_t)t) * (size_t)m;
  const double *w = growth->weight + (size_t)head * (size_t)m, most = growth->most[head * T + t];
  Sums sums[MIXTURE_MOST] = {{0}};
  double top = l[0], all;

  for (PetscInt i = 0; i < m; i++) top = PetscMax(top, l[i]);
  for (PetscInt i = 0; i < m; i++) e[i] = l[i] - top;
  Exp(m, e, e);
  for (PetscInt i = 0; i < m; i++) {
    const double weight = i == own ? 0 : w[i];
    Sums *s = &sums[label[i]];

    s->weight += weight;
    s->first += weight * l[i];
    s->second += weight * l[i] * l[i];
    s->sum += weight * e[i];
  }
  all = growth->apart[head * T + t] * e[own];
  for (PetscInt a = 0; a < growth->count; a++) all += sums[a].sum;
  for (PetscInt a = 0; a < growth->count; a++) {
    const Sums *s = &sums[a];
    if (s->weight <= 0 || all <= 0) continue;
    const double mean = s->first / s->weight, variance = PetscMax(s->second / s->weight - mean * mean, 0);
    share[a] += PetscSqr((s->sum - s->weight * exp(PetscMin(mean + 0.5 * variance, most) - top)) / all);
  }
}

/* share[count], what the clusters contribute to the mean square *error of Z. */
static PetscErrorCode Contributions(const MixtureGrowth *growth, const PetscInt *label, double *e, double *share,
                                    double *error) {
  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(share, MIXTURE_MOST));
  for (PetscInt h = 0; h < growth->heads; h++)
    for (PetscInt t = 0; t < growth->tested; t++) Compare(growth, h, t, label, e, share);
  *error = 0;
  for (PetscInt a = 0; a < growth->count; a++) *error += share[a] / (growth->heads * growth->tested);
  *error = sqrt(*error);
  PetscFunctionReturn(0);
}

/* The nearest centre of each token of the sample. */
static PetscErrorCode Assign(const MixtureGrowth *growth, double *scores, PetscInt *label) {
  const double one = 1, zero = 0;
  PetscBLASInt k, m, d, rowsize;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(growth->count, &k));
  PetscCall(PetscBLASIntCast(growth->sample->count, &m));
  PetscCall(PetscBLASIntCast(growth->sample->dim, &d));
  rowsize = d + 1;
  PetscCallBLAS("BLASgemm", BLASgemm_("T", "N", &k, &m, &d, &one, growth->centre, &d, growth->sample->row, &rowsize,
                                      &zero, scores, &k));
  for (PetscInt a = 0; a < k; a++) {
    double half = 0;

    for (PetscInt c = 0; c < d; c++) half += 0.5 * PetscSqr(growth->centre[a * d + c]);
    for (PetscInt i = 0; i < m; i++) scores[i * k + a] -= half;
  }
  for (PetscInt i = 0; i < m; i++) {
    label[i] = 0;
    for (PetscInt a = 1; a < k; a++)
      if (scores[i * k + a] > scores[i * k + label[i]]) label[i] = a;
  }
  PetscFunctionReturn(0);
}

/* Lloyd's algorithm; clusters that lose all their tokens end. */
static PetscErrorCode Settle(MixtureGrowth *growth, double *scores, PetscInt *label) {
  const PetscInt d = growth->sample->dim, m = growth->sample->count;
  double weight[MIXTURE_MOST];

  PetscFunctionBeginUser;
  for (int step = 0; step < LLOYD; step++) {
    PetscInt left = 0;

    PetscCall(Assign(growth, scores, label));
    PetscCall(PetscArrayzero(weight, MIXTURE_MOST));
    PetscCall(PetscArrayzero(growth->centre, growth->count * d));
    for (PetscInt i = 0; i < m; i++) {
      const double *row = MixtureSampleRow(growth->sample, i, PETSC_FALSE), w = row[d];

      weight[label[i]] += w;
      for (PetscInt c = 0; c < d; c++) growth->centre[label[i] * d + c] += w * row[c];
    }
    for (PetscInt a = 0; a < growth->count; a++) {
      if (weight[a] <= 0) continue;
      for (PetscInt c = 0; c < d; c++) growth->centre[left * d + c] = growth->centre[a * d + c] / weight[a];
      left++;
    }
    growth->count = left;
  }
  PetscCall(Assign(growth, scores, label));
  PetscFunctionReturn(0);
}

/* One more centre, at a token of cluster a that is drawn with a probability like its weight times its distance from the
 * centre squared; none where the cluster is small or a point. */
static void Split(MixtureGrowth *growth, PetscInt a, const PetscInt *label, double *far) {
  const RngStream stream = {growth->seed, 1, 0, RNG_MIXTURE};
  const PetscInt d = growth->sample->dim, m = growth->sample->count;
  PetscInt members = 0, i = 0;
  double all = 0, u;

  for (PetscInt j = 0; j < m; j++) {
    const double *row = MixtureSampleRow(growth->sample, j, PETSC_FALSE);

    far[j] = 0;
    if (label[j] != a) continue;
    for (PetscInt c = 0; c < d; c++) far[j] += PetscSqr(row[c] - growth->centre[a * d + c]);
    far[j] *= row[d];
    all += far[j];
    members++;
  }
  if (members < LEAST || all <= 0) return;
  RngUniform(stream, growth->draws++, 1, &u);
  for (u *= all; i < m - 1 && u >= far[i]; i++) u -= far[i];
  for (PetscInt c = 0; c < d; c++)
    growth->centre[growth->count * d + c] = MixtureSampleRow(growth->sample, i, PETSC_FALSE)[c];
  growth->count++;
}

/* Those that contribute most. */
static void SplitLargest(MixtureGrowth *growth, const double *share, const PetscInt *label, double *far) {
  const PetscInt count = growth->count;
  double largest = 0;

  for (PetscInt a = 0; a < count; a++) largest = PetscMax(largest, share[a]);
  for (PetscInt a = 0; a < count && growth->count < MIXTURE_MOST; a++)
    if (share[a] > 0 && share[a] >= LARGE * largest) Split(growth, a, label, far);
}

PetscErrorCode MixtureGrow(MixtureGrowth *growth, double part, double target, PetscBool *grown) {
  const PetscInt d = growth->sample->dim, m = growth->sample->count;
  double *best, *e, *scores, share[MIXTURE_MOST], error, least;
  PetscInt *label, count = growth->count;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4((size_t)MIXTURE_MOST * (size_t)d, &best, m, &e, (size_t)m * MIXTURE_MOST, &scores, m, &label));
  PetscCall(PetscArraycpy(best, growth->centre, count * d));
  PetscCall(Assign(growth, scores, label));
  PetscCall(Contributions(growth, label, e, share, &least));
  *grown = PETSC_FALSE;
  target = PetscMin(target, part * least);
  for (PetscInt fruitless = 0; fruitless < PATIENCE && least > target;) {
    const PetscInt before = growth->count;

    SplitLargest(growth, share, label, e);
    if (growth->count == before) break;
    PetscCall(Settle(growth, scores, label));
    PetscCall(Contributions(growth, label, e, share, &error));
    fruitless++;
    if (error > GAIN * least) continue;
    fruitless = 0;
    least = error;
    count = growth->count;
    PetscCall(PetscArraycpy(best, growth->centre, count * d));
    *grown = PETSC_TRUE;
  }
  growth->count = count;
  PetscCall(PetscArraycpy(growth->centre, best, count * d));
  PetscCall(PetscFree4(best, e, scores, label));
  PetscFunctionReturn(0);
}
