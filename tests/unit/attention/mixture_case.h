/* Clouds of tokens in many dimensions, and attention by a mixture of Gaussians that takes them whatever its error. */
#ifndef CHORALE_MIXTURE_CASE_H
#define CHORALE_MIXTURE_CASE_H

#include "attention_oracle.h"

#include "attention/impl.h"
#include "attention/mixture.h"

typedef enum { SPREAD, CONE, FIVE, DUPLICATES, OPPOSITE, EQUAL, OUTLIER, TWENTY } Kind;

static inline void Normals(uint32_t key, PetscInt n, double *z) {
  RngNormal((RngStream){.seed = 9, .realization = key, .purpose = RNG_TEST}, 0, (size_t)n, z);
}

/* In no regular order. */
static inline PetscInt Hash(PetscInt i) {
  return (PetscInt)((uint32_t)i * 2654435761u >> 16);
}

/* Rows [N][d]: uniform; around an axis, with mean cosine 1/2; five or twenty clusters; every fifth token 50 times; two
 * opposite clusters; all at one place; one token opposite to a narrow cone. */
static inline Cloud CloudOf(Kind kind, PetscInt N, PetscInt d) {
  Cloud cloud = CloudCreate(N, d, UNIFORM, PETSC_FALSE);
  const PetscInt clusters = kind == FIVE ? 5 : kind == TWENTY ? 20 : 1;
  double *z = malloc(sizeof(double) * clusters * d);

  Normals((uint32_t)d, clusters * d, z);
  for (PetscInt i = 0; i < N; i++) {
    double *x = cloud.x + i * d, *centre = z + Hash(i) % clusters * d, length = 0;

    for (PetscInt c = 0; c < d; c++) length += centre[c] * centre[c];
    length = sqrt(length);
    for (PetscInt c = 0; c < d; c++) {
      const double e = centre[c] / length, own = x[c], first = cloud.x[i % (N / 50 + 1) * d + c];
      x[c] = kind == SPREAD                   ? own
             : kind == CONE                   ? e + own
             : kind == FIVE || kind == TWENTY ? e + 0.5 * own
             : kind == DUPLICATES             ? first
             : kind == OPPOSITE               ? (Hash(i) % 2 ? e : -e) + 0.4 * own
             : kind == EQUAL                  ? e
             : i == N / 3                     ? -e
                                              : e + 0.3 * own;
    }
  }
  free(z);
  Normalize(&cloud);
  return cloud;
}

/* With the keys that are set, and any error up to `tol`. */
static inline Attention Mixed(Tokens tokens, double tol) {
  Attention attention;

  SetKey("attention_engine", "mixture");
  OK(AttentionFromKeys(tokens, &attention));
  assert_true(attention->engine == &AttentionMixture);
  attention->tol = tol;
  return attention;
}

static inline PetscInt Clusters(Attention attention) {
  return ((Mixture *)attention->data)->clusters.count;
}

#endif
