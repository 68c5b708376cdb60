/* A head as the mixture sees it: queries in R^d, where the tokens are, and what becomes of their mean. */
#include "attention/mixture.h"
#include "base/traffic.h"

#include <petscblaslapack.h>

/* out[rows][B] = A x + bias for a row-major A[rows][columns]; with `transpose` out[columns][B] = A' x. */
static PetscErrorCode Apply(PetscBool transpose, const AttentionMap *map, PetscInt block, const double *x,
                            double *out) {
  const double one = 1, zero = 0;
  PetscBLASInt B, m, n;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(block, &B));
  PetscCall(PetscBLASIntCast(map->rows, &m));
  PetscCall(PetscBLASIntCast(map->columns, &n));
  if (transpose) {
    PetscCallBLAS("BLASgemm", BLASgemm_("N", "T", &B, &n, &m, &one, x, &B, map->matrix, &n, &zero, out, &B));
    PetscFunctionReturn(0);
  }
  PetscCallBLAS("BLASgemm", BLASgemm_("N", "N", &B, &m, &n, &one, x, &B, map->matrix, &n, &zero, out, &B));
  for (PetscInt r = 0; map->bias && r < m; r++)
    for (PetscInt t = 0; t < B; t++) out[r * B + t] += map->bias[r];
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureQueries(Attention attention, const AttentionHead *head, PetscReal exponent, PetscInt B,
                              const double *x, MixtureWork *work) {
  const PetscInt d = attention->layout.dim;

  PetscFunctionBeginUser;
  for (PetscInt t = 0; t < B; t++) work->offset[t] = 0;
  if (!head) {
    for (PetscInt i = 0; i < d * B; i++) work->q[i] = exponent * x[i];
  } else if (!head->key.matrix) {
    PetscCall(Apply(PETSC_FALSE, &head->query, B, x, work->q));
  } else {
    PetscCall(Apply(PETSC_FALSE, &head->query, B, x, work->image));
    PetscCall(Apply(PETSC_TRUE, &head->key, B, work->image, work->q));
    for (PetscInt r = 0; head->key.bias && r < head->key.rows; r++)
      for (PetscInt t = 0; t < B; t++) work->offset[t] += head->key.bias[r] * work->image[r * B + t];
  }
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureOutput(Attention attention, const AttentionHead *head, PetscInt B, MixtureWork *work,
                             double *out) {
  const PetscInt d = attention->layout.dim;
  const double *mean = work->mean;

  PetscFunctionBeginUser;
  if (head && head->enter.matrix) {
    PetscCall(Apply(PETSC_FALSE, &head->enter, B, work->mean, work->image));
    mean = work->image;
  }
  if (head) {
    PetscCall(Apply(PETSC_FALSE, &head->leave, B, mean, work->product));
    mean = work->product;
  }
  for (PetscInt t = 0; t < B; t++)
    work->total[t] =
        attention->value * (attention->type->form == FORM_PLAIN ? exp(work->total[t] + work->offset[t]) : 1);
  for (PetscInt c = 0; c < d; c++)
    for (PetscInt t = 0; t < B; t++) out[c * B + t] += work->total[t] * mean[c * B + t];
  PetscFunctionReturn(0);
}

/* squares[B] <- |A y + b|^2 */
static PetscErrorCode Squares(const AttentionMap *map, PetscInt B, const double *y, double *image, double *squares) {
  PetscFunctionBeginUser;
  PetscCall(Apply(PETSC_FALSE, map, B, y, image));
  for (PetscInt t = 0; t < B; t++) squares[t] = 0;
  for (PetscInt r = 0; r < map->rows; r++)
    for (PetscInt t = 0; t < B; t++) squares[t] += image[r * B + t] * image[r * B + t];
  PetscFunctionReturn(0);
}

/* The map of the distance: that of the keys where the head has no other. */
static const AttentionMap *Distance(const AttentionHead *head) {
  return head->square.matrix ? &head->square : &head->key;
}

PetscErrorCode MixtureFactors(Attention attention, const AttentionHead *head, Tokens tokens, MixtureWork *work,
                              double *factors, PetscReal *least) {
  const PetscInt B = attention->layout.block, d = attention->layout.dim;
  const double *x, *w;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(TokensGetWeights(tokens, &w));
  PetscCall(VecGetArrayRead(positions, &x));
  *least = PETSC_MAX_REAL;
  for (PetscInt b = 0; b < attention->layout.owned; b++) {
    PetscCall(Squares(Distance(head), B, x + b * d * B, work->image, factors + b * B));
    for (PetscInt t = b * B; t < (b + 1) * B; t++) *least = w[t] > 0 ? PetscMin(*least, factors[t]) : *least;
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  TrafficSum(1);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, least, 1, MPIU_REAL, MPI_MIN, attention->layout.comm));
  for (PetscInt t = 0; t < attention->layout.owned * B; t++) factors[t] = w[t] > 0 ? exp(*least - factors[t]) : 0;
  PetscFunctionReturn(0);
}

PetscErrorCode MixtureFactorsOfSample(const AttentionHead *head, const MixtureSample *sample, PetscBool apart,
                                      PetscReal least, double *factors) {
  const PetscInt d = sample->dim, rows = Distance(head)->rows;
  double *panel, *image, squares[8] = {0};

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(8 * d, &panel, 8 * rows, &image));
  for (PetscInt first = 0; first < sample->count; first += 8) {
    for (PetscInt t = 0; t < 8; t++) {
      const double *row = MixtureSampleRow(sample, PetscMin(first + t, sample->count - 1), apart);
      for (PetscInt c = 0; c < d; c++) panel[c * 8 + t] = row[c];
    }
    PetscCall(Squares(Distance(head), 8, panel, image, squares));
    for (PetscInt t = 0; t < 8 && first + t < sample->count; t++) {
      const double weight = MixtureSampleRow(sample, first + t, apart)[d];
      factors[first + t] = weight > 0 ? exp(least - squares[t]) : 0;
    }
  }
  PetscCall(PetscFree2(panel, image));
  PetscFunctionReturn(0);
}
