/* Attention of a mixture of Gaussians at the tokens of a panel, THEORY.md (1.14): products of matrices, and a
 * sum over the clusters that is kept as a logarithm and a mean. */
#include "attention/mixture.h"

#include <petscblaslapack.h>

#include "base/vmath.h"

VMATH(Exp, vexp(t))
VMATH(Log, vlog(t))
VMATH(LogOnePlusExp, vlog(1 + vexp(t)))

#define NEVER (-1e300)
#define ALONE 1e-9 /* share of a cluster below which what is left of it without a token is rounding */

/* The rows of work->row. */
enum { LINEAR, SQUARE, INNER, MOST, SHARE, SCALE, SHIFT, LOGIT, ROWS };

PetscErrorCode MixtureWorkCreate(Attention attention, PetscInt block, MixtureWork *work) {
  const size_t panel = (size_t)block * (size_t)(attention->layout.dim + 1), B = (size_t)block;
  PetscInt rows = 0;

  PetscFunctionBeginUser;
  for (PetscInt h = 0; h < attention->heads; h++)
    rows = PetscMax(rows, PetscMax(attention->head[h].query.rows,
                                   PetscMax(attention->head[h].square.rows, attention->head[h].enter.rows)));
  PetscCall(PackAllocate(panel, &work->q));
  PetscCall(PackAllocate(PetscMax(panel, B * (size_t)rows), &work->image));
  PetscCall(PackAllocate(panel, &work->product));
  PetscCall(PackAllocate(panel, &work->mean));
  PetscCall(PackAllocate(panel, &work->apart));
  PetscCall(PackAllocate(B * MIXTURE_MOST, &work->scores));
  PetscCall(PackAllocate(B, &work->total));
  PetscCall(PackAllocate(B, &work->offset));
  PetscCall(PackAllocate(B, &work->weight));
  PetscCall(PackAllocate(B * ROWS, &work->row));
  PetscCall(PetscCalloc1(block, &work->label));
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureWorkDestroy(MixtureWork *work) {
  PetscFunctionBeginUser;
  free(work->q);
  free(work->image);
  free(work->product);
  free(work->mean);
  free(work->apart);
  free(work->scores);
  free(work->total);
  free(work->offset);
  free(work->weight);
  free(work->row);
  PetscCall(PetscFree(work->label));
  PetscFunctionReturn(0);
}

/* The term apart alone, whose mean is y: total = log w + <q,y>. */
static void Start(PetscInt d, const MixtureProbe *probe, const double *q, double *row, double *total) {
  const PetscInt B = probe->block;
  double *restrict inner = row + INNER * B, *restrict most = row + MOST * B;

  for (PetscInt t = 0; t < B; t++) inner[t] = most[t] = 0;
  for (PetscInt c = 0; c < d; c++) {
    const double *restrict u = q + c * B, *restrict y = probe->y + c * B;

    for (PetscInt t = 0; t < B; t++) {
      inner[t] += u[t] * y[t];
      most[t] += u[t] * u[t];
    }
  }
  for (PetscInt t = 0; t < B; t++) {
    most[t] = sqrt(most[t]);
    total[t] = probe->weight[t] > 0 ? probe->weight[t] : 1;
  }
  Log(B, total, total);
  for (PetscInt t = 0; t < B; t++) total[t] = probe->weight[t] > 0 ? total[t] + inner[t] : NEVER;
}

/* product = M q, and the numbers <q,c> and <q,Mq>: of the covariance, or of its factor one after the other. */
static PetscErrorCode Products(const MixtureClusters *clusters, PetscInt a, PetscInt B, const double *q,
                               MixtureWork *work) {
  const PetscInt d = clusters->dim;
  const double one = 1, zero = 0, *square = clusters->square + (size_t)a * (size_t)d * (size_t)d;
  const double *mean = clusters->mean + (size_t)a * (size_t)d;
  const PetscBool whole = clusters->rank[a] == d ? PETSC_TRUE : PETSC_FALSE;
  double *restrict linear = work->row + LINEAR * B, *restrict quadratic = work->row + SQUARE * B;
  PetscBLASInt b, n, r;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(B, &b));
  PetscCall(PetscBLASIntCast(d, &n));
  PetscCall(PetscBLASIntCast(clusters->rank[a], &r));
  if (!whole && r) {
    PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &b, &r, &n, &one, q, &b, square, &n, &zero, work->image, &b));
    PetscCallBLAS("BLASgemm",
                  BLASgemm_("N", "T", &b, &n, &r, &one, work->image, &b, square, &n, &zero, work->product, &b));
  } else if (whole) {
    PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &b, &n, &n, &one, q, &b, square, &n, &zero, work->product, &b));
  } else {
    PetscCall(PetscArrayzero(work->product, (size_t)B * (size_t)d));
  }
  for (PetscInt t = 0; t < B; t++) linear[t] = quadratic[t] = 0;
  for (PetscInt c = 0; c < d; c++) {
    const double *restrict u = q + c * B, *restrict p = work->product + c * B;

    for (PetscInt t = 0; t < B; t++) {
      linear[t] += u[t] * mean[c];
      quadratic[t] += u[t] * p[t];
    }
  }
  PetscFunctionReturn(0);
}

/* The share of cluster a in the sums so far, which it joins, and how its mean follows from M q. The cluster of a token
 * taken apart has the moments of what is left without it: with weights W and w, left W' = W - w and z = y - c,
 *
 *     c' = c - w/W' z,     M' = W/W' M - W w/W'^2 z z^T,     c' + M' q = c + W/W' M q - (w/W' + W w/W'^2 <q,z>) z.
 *
 * No logit is larger than |q|: tokens lie on the sphere. */
static void Join(const MixtureClusters *clusters, PetscInt a, const MixtureProbe *probe, double *row, double *total) {
  const PetscInt B = probe->block;
  const double W = clusters->weight[a];
  const double *restrict linear = row + LINEAR * B, *restrict square = row + SQUARE * B, *inner = row + INNER * B;
  double *restrict share = row + SHARE * B, *restrict scale = row + SCALE * B, *restrict shift = row + SHIFT * B;
  double *restrict logit = row + LOGIT * B;

#pragma omp simd
  for (PetscInt t = 0; t < B; t++) {
    const double w = probe->label[t] == a ? probe->weight[t] : 0, z = inner[t] - linear[t];
    const PetscBool some = W - w > ALONE * W ? PETSC_TRUE : PETSC_FALSE;
    const double left = some ? W - w : W, h = w / left, r = W / left, g = r * h;
    const double l = linear[t] - h * z + 0.5 * (r * square[t] - g * z * z), most = row[MOST * B + t];

    logit[t] = some ? (l < most ? l : most) : NEVER;
    share[t] = left;
    scale[t] = r;
    shift[t] = h + g * z;
  }
  Log(B, share, share);
  for (PetscInt t = 0; t < B; t++) {
    logit[t] += share[t];
    share[t] = -fabs(total[t] - logit[t]);
  }
  LogOnePlusExp(B, share, share);
  for (PetscInt t = 0; t < B; t++) {
    total[t] = (total[t] > logit[t] ? total[t] : logit[t]) + share[t];
    share[t] = logit[t] - total[t];
  }
  Exp(B, share, share);
}

PetscErrorCode MixtureEvaluate(const MixtureClusters *clusters, const MixtureProbe *probe, const double *q,
                               MixtureWork *work, double *total, double *mean) {
  const PetscInt B = probe->block, d = clusters->dim;
  const double *share = work->row + SHARE * B, *scale = work->row + SCALE * B, *shift = work->row + SHIFT * B;
  const double *so_far = probe->y;

  PetscFunctionBeginUser;
  Start(d, probe, q, work->row, total);
  for (PetscInt a = 0; a < clusters->count; a++) {
    if (clusters->weight[a] <= 0) continue;
    PetscCall(Products(clusters, a, B, q, work));
    Join(clusters, a, probe, work->row, total);
    for (PetscInt c = 0; c < d; c++) {
      const double centre = clusters->mean[(size_t)a * (size_t)d + c];
      const double *restrict p = work->product + c * B, *y = probe->y + c * B, *m = so_far + c * B;
      double *out = mean + c * B;

#pragma omp simd
      for (PetscInt t = 0; t < B; t++)
        out[t] = m[t] + share[t] * (centre + scale[t] * p[t] - shift[t] * (y[t] - centre) - m[t]);
    }
    so_far = mean;
  }
  PetscFunctionReturn(0);
}
