/* Tokens at given places. */
#ifndef CHORALE_PLACE_H
#define CHORALE_PLACE_H

#include <math.h>

#include <chorale/rng.h>
#include <chorale/tokens.h>

#include "test.h"

/* Tokens at rows[N][stride], whose first d entries are positions, to the bit; and, unless weights is NULL, with
 * weights[N][stride of weights]. */
static inline Tokens PlaceRows(MPI_Comm comm, PetscInt64 N, PetscInt d, const double *rows, PetscInt stride,
                               const double *weights, PetscInt weight_stride) {
  TokensLayout layout;
  Tokens tokens;
  double *x, *w;
  Vec v;

  OK(TokensCreate(comm, N, d, &tokens));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &v));
  OK(PetscCalloc1(layout.owned * layout.block, &w));
  OK(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const PetscInt64 i = (PetscInt64)(layout.first + b) * layout.block + t;
      for (PetscInt c = 0; c < d; c++) x[(b * d + c) * layout.block + t] = rows[i * stride + c];
      if (weights) w[b * layout.block + t] = weights[i * weight_stride];
    }
  OK(VecRestoreArray(v, &x));
  if (weights) OK(TokensSetWeights(tokens, w));
  OK(PetscFree(w));
  return tokens;
}

/* Tokens at points[N][d], which need not be normalised. */
static inline Tokens TokensAt(MPI_Comm comm, PetscInt N, PetscInt d, const double *points) {
  Tokens tokens = PlaceRows(comm, N, d, points, d, NULL, 0);
  OK(TokensMove(tokens, 0, NULL));
  return tokens;
}

/* points[n][d], uniform, each of length 1. */
static inline void RandomPoints(uint32_t key, PetscInt n, PetscInt d, double *points) {
  RngNormal((RngStream){.seed = 5, .realization = key, .purpose = RNG_TEST}, 0, (size_t)(n * d), points);
  for (PetscInt i = 0; i < n; i++) {
    double square = 0;
    for (PetscInt c = 0; c < d; c++) square += points[i * d + c] * points[i * d + c];
    for (PetscInt c = 0; c < d; c++) points[i * d + c] /= sqrt(square);
  }
}

/* Uniform tokens, the same for any communicator. */
static inline Tokens RandomTokens(MPI_Comm comm, PetscInt n, PetscInt d) {
  double *points;
  Tokens tokens;
  OK(PetscMalloc1(n * d, &points));
  RandomPoints(1, n, d, points);
  tokens = TokensAt(comm, n, d, points);
  OK(PetscFree(points));
  return tokens;
}

#endif
