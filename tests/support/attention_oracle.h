/* Attention by definition, in long double over all pairs, and clouds of tokens to try it on. */
#ifndef CHORALE_ATTENTION_ORACLE_H
#define CHORALE_ATTENTION_ORACLE_H

#include <stdlib.h>
#include <string.h>

#include <chorale/attention.h>

#include "keys.h"
#include "place.h"

static const char *const kinds[] = {"softmax", "usa", "l2"};

/* All tokens on every rank: rows x[N][d] and weights w[N] that add up to 1. */
typedef struct {
  PetscInt N, d;
  double *x, *w;
  PetscBool causal; /* token i sees j <= i alone, and has no field where these have no weight */
} Cloud;

typedef enum { UNIFORM, CLUSTERS, ANTIPODAL } Shape;

static inline void Normalize(Cloud *cloud) {
  for (PetscInt i = 0; i < cloud->N; i++) {
    double *x = cloud->x + i * cloud->d, square = 0;
    for (PetscInt c = 0; c < cloud->d; c++) square += x[c] * x[c];
    for (PetscInt c = 0; c < cloud->d; c++) x[c] /= sqrt(square);
  }
}

/* weighted: unequal weights, every fifth of them 0. */
static inline Cloud CloudCreate(PetscInt N, PetscInt d, Shape shape, PetscBool weighted) {
  const RngStream stream = {.seed = 5, .realization = (uint32_t)d, .step = (uint32_t)N, .purpose = RNG_TEST};
  Cloud cloud = {N, d, malloc(sizeof(double) * N * d), malloc(sizeof(double) * N), PETSC_FALSE};
  double total = 0;

  RngNormal(stream, 0, (size_t)N * d, cloud.x);
  Normalize(&cloud);
  for (PetscInt i = 0; i < N; i++) {
    double *x = cloud.x + i * d;
    if (shape == CLUSTERS) { /* two tight clusters around the first two tokens */
      const double *centre = cloud.x + (i % 2) % N * d;
      for (PetscInt c = 0; i > 1 && c < d; c++) x[c] = centre[c] + 1e-3 * x[c];
    }
    if (shape == ANTIPODAL && i % 2) {
      for (PetscInt c = 0; c < d; c++) x[c] = -x[c - d];
    }
    cloud.w[i] = !weighted ? 1 : i % 5 == 3 ? 0 : 1 + i % 7;
    total += cloud.w[i];
  }
  Normalize(&cloud);
  for (PetscInt i = 0; i < N; i++) cloud.w[i] /= total;
  return cloud;
}

/* A regular polygon, as good as the uniform law for kernels of degree below N. */
static inline Cloud Polygon(PetscInt N) {
  Cloud cloud = CloudCreate(N, 2, UNIFORM, PETSC_FALSE);
  for (PetscInt i = 0; i < N; i++) {
    cloud.x[2 * i] = cos(2 * M_PI * i / N);
    cloud.x[2 * i + 1] = sin(2 * M_PI * i / N);
  }
  return cloud;
}

/* <x_i, x_j> */
static inline long double CloudCosine(const Cloud *cloud, PetscInt i, PetscInt j) {
  long double u = 0;
  for (PetscInt c = 0; c < cloud->d; c++) u += (long double)cloud->x[i * cloud->d + c] * cloud->x[j * cloud->d + c];
  return u;
}

static inline void CloudDestroy(Cloud *cloud) {
  free(cloud->x);
  free(cloud->w);
}

/* Tokens at the cloud's positions with its weights. */
static inline Tokens Place(MPI_Comm comm, const Cloud *cloud) {
  return PlaceRows(comm, cloud->N, cloud->d, cloud->x, cloud->d, cloud->w, 1);
}

/* One head of general weights, row-major; NULL in place of a list for the default weights. */
typedef struct {
  double *Q, *K, *V;
} Head;

static inline void Apply(PetscInt d, const double *matrix, const double *x, long double *out) {
  for (PetscInt r = 0; r < d; r++) {
    out[r] = 0;
    for (PetscInt c = 0; c < d; c++) out[r] += (long double)matrix[r * d + c] * x[c];
  }
}

/* value x the field of one head at token i, by definition. sqrt(beta) I for head = NULL. */
static inline void AddField(const Cloud *cloud, const char *type, double beta, double value, const Head *head,
                            PetscInt i, long double *drift) {
  const PetscInt d = cloud->d, seen = cloud->causal ? i + 1 : cloud->N;
  long double *q = malloc(sizeof(*q) * 4 * d), *k = q + d, *v = q + 2 * d, *sum = q + 3 * d, top = -INFINITY, total = 0;
  long double *logits = malloc(sizeof(*logits) * cloud->N);

  for (PetscInt c = 0; c < d; c++) q[c] = sqrtl((long double)beta) * cloud->x[i * d + c], sum[c] = 0;
  if (head) Apply(d, head->Q, cloud->x + i * d, q);
  for (PetscInt j = 0; j < seen; j++) {
    long double product = 0, distance = 0;
    for (PetscInt c = 0; c < d; c++) k[c] = sqrtl((long double)beta) * cloud->x[j * d + c];
    if (head) Apply(d, head->K, cloud->x + j * d, k);
    for (PetscInt c = 0; c < d; c++) product += q[c] * k[c], distance += (q[c] - k[c]) * (q[c] - k[c]);
    logits[j] = strcmp(type, "l2") ? product : -distance;
    if (cloud->w[j] > 0) top = fmaxl(top, logits[j]);
  }
  if (!strcmp(type, "usa")) top = 0;
  for (PetscInt j = 0; j < seen; j++) {
    const long double e = cloud->w[j] > 0 ? cloud->w[j] * expl(logits[j] - top) : 0;
    for (PetscInt c = 0; c < d; c++) sum[c] += e * cloud->x[j * d + c];
    total += e;
  }
  if (!strcmp(type, "usa") || total == 0) total = 1;
  for (PetscInt r = 0; r < d; r++) {
    v[r] = sum[r];
    if (head) {
      v[r] = 0;
      for (PetscInt c = 0; c < d; c++) v[r] += head->V[r * d + c] * sum[c];
    }
    drift[r] += value * v[r] / total;
  }
  free(logits);
  free(q);
}

/* E_beta / e^beta by definition; the ranks share the work. */
static inline double Energy(const Cloud *cloud, double beta) {
  long double sum = 0;
  int rank, size;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  for (PetscInt i = rank; i < cloud->N; i += size)
    for (PetscInt j = 0; j < cloud->N; j++)
      sum -= (long double)cloud->w[i] * cloud->w[j] * expm1l(beta * (CloudCosine(cloud, i, j) - 1));
  OK(MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_LONG_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  return (double)(0.5L * sum);
}

/* Largest difference between drift and the definition over `samples` of this rank's tokens, over all ranks; padding
 * must be 0. */
static inline double Difference(const Cloud *cloud, Tokens tokens, Vec drift, const char *type, double beta,
                                double value, PetscInt heads, const Head *head, PetscInt samples) {
  const PetscInt d = cloud->d, stride = PetscMax(cloud->N / samples, 1);
  long double *expected = malloc(sizeof(*expected) * d);
  TokensLayout layout;
  const double *out;
  double worst = 0;

  OK(TokensGetLayout(tokens, &layout));
  OK(VecGetArrayRead(drift, &out));
  for (PetscInt b = 0; b < layout.owned; b++) {
    for (PetscInt t = 0; t < layout.block; t++) {
      const PetscInt i = (layout.first + b) * layout.block + t;
      if (i < cloud->N && i % stride) continue;
      for (PetscInt c = 0; c < d; c++) expected[c] = 0;
      for (PetscInt h = 0; i < cloud->N && h < PetscMax(heads, 1); h++)
        AddField(cloud, type, beta, value, heads ? &head[h] : NULL, i, expected);
      for (PetscInt c = 0; c < d; c++) {
        const double off = fabs((double)(out[(b * d + c) * layout.block + t] - expected[c]));
        if (!(off <= worst)) worst = off; /* a NaN counts */
        if (i >= cloud->N && off != 0) worst = INFINITY;
      }
    }
  }
  OK(VecRestoreArrayRead(drift, &out));
  free(expected);
  if (isnan(worst)) worst = INFINITY;
  OK(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  return worst;
}

/* Is this rank's part of drift, bit for bit, what one rank that owns all tokens computed? On every rank. */
static inline void CheckSameBits(Tokens tokens, Vec drift, Vec drift_alone) {
  const double *mine, *all;
  TokensLayout layout;
  size_t length;
  int same;

  OK(TokensGetLayout(tokens, &layout));
  length = (size_t)layout.block * layout.dim;
  OK(VecGetArrayRead(drift, &mine));
  OK(VecGetArrayRead(drift_alone, &all));
  same = !layout.owned || !memcmp(mine, all + layout.first * length, sizeof(double) * layout.owned * length);
  OK(VecRestoreArrayRead(drift, &mine));
  OK(VecRestoreArrayRead(drift_alone, &all));
  OK(MPI_Allreduce(MPI_IN_PLACE, &same, 1, MPI_INT, MPI_MIN, PETSC_COMM_WORLD));
  assert_true(same);
}

/* With the direct engine, unless attention_engine is set afterwards. */
static inline void SetKeys(const char *type, double beta, double value) {
  SetKey("attention_engine", "direct");
  SetKey("attention_type", type);
  SetReal("attention_beta", beta);
  SetReal("attention_value", value);
}

/* Rounding: cosines to some 2^-53 sqrt(d), times the exponent; the rest is rounding of sums. */
static inline double Tolerance(double exponent) {
  return 1e-13 + 4e-16 * exponent;
}

/* Sums are kept from one call to the next, but not beyond a move or new weights; of attention with the keys that are
 * set. */
static inline void CheckReuse(const char *type, double beta, double field, double energy) {
  Cloud cloud = CloudCreate(600, 4, UNIFORM, PETSC_FALSE), moved = CloudCreate(600, 4, CLUSTERS, PETSC_TRUE);
  Tokens tokens = Place(PETSC_COMM_WORLD, &cloud), target = Place(PETSC_COMM_WORLD, &moved);
  double found[4];
  const double *weights;
  Attention attention;
  Vec drift, x, y;

  OK(TokensGetVec(tokens, &x));
  OK(TokensGetVec(target, &y));
  OK(TokensCreateVec(tokens, &drift));
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionEnergy(attention, tokens, &found[0]));
  OK(AttentionEnergy(attention, tokens, &found[1]));
  assert_true(found[0] == found[1]);
  CLOSE(found[0] / exp(beta), Energy(&cloud, beta), energy);
  OK(AttentionEvaluate(attention, tokens, drift));
  CLOSE(Difference(&cloud, tokens, drift, type, beta, 1, 0, NULL, 20), 0, field);

  OK(VecCopy(y, x)); /* positions of the other cloud, still equal weights */
  memcpy(cloud.x, moved.x, sizeof(double) * 600 * 4);
  OK(AttentionEvaluate(attention, tokens, drift));
  CLOSE(Difference(&cloud, tokens, drift, type, beta, 1, 0, NULL, 20), 0, field);
  OK(AttentionEnergy(attention, tokens, &found[2]));
  CLOSE(found[2] / exp(beta), Energy(&cloud, beta), energy);

  OK(TokensGetWeights(target, &weights)); /* and its weights */
  OK(TokensSetWeights(tokens, weights));
  memcpy(cloud.w, moved.w, sizeof(double) * 600);
  OK(AttentionEnergy(attention, tokens, &found[3]));
  CLOSE(found[3] / exp(beta), Energy(&cloud, beta), energy);
  OK(AttentionEvaluate(attention, tokens, drift));
  CLOSE(Difference(&cloud, tokens, drift, type, beta, 1, 0, NULL, 20), 0, field);

  OK(AttentionEvaluate(attention, target, drift)); /* other tokens, same attention */
  CLOSE(Difference(&cloud, target, drift, type, beta, 1, 0, NULL, 20), 0, field);

  OK(AttentionDestroy(&attention));
  OK(VecDestroy(&drift));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&target));
  CloudDestroy(&cloud);
  CloudDestroy(&moved);
}

#endif
