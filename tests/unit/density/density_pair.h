/* A density and the tokens coupled to it, for test_density.c and test_density_noise.c. */
#ifndef CHORALE_TESTS_DENSITY_PAIR_H
#define CHORALE_TESTS_DENSITY_PAIR_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <chorale/attention.h>
#include <chorale/density.h>
#include <chorale/distance.h>
#include <chorale/scheme.h>
#include <chorale/sphere.h>
#include <chorale/start.h>

#include "keys.h"
#include "test.h"

enum { MOST = 20000 };

/* A density and the tokens coupled to it. */
typedef struct {
  PetscInt dim, count;
  Noise noise;
  Field field, part;
  Density density;
  Tokens tokens;
  Attention attention;
  Scheme scheme;
  Vec state;
} Pair;

static inline void Keys(const char *dim, const char *degree, const char *init, const char *noise, const char *scheme) {
  SetKey("tokens_dim", dim);
  SetKey("spde_degree", degree);
  SetKey("tokens_init", init);
  SetKey("noise_type", noise);
  SetKey("scheme_type", scheme);
  SetKey("tokens_kappa", "2");
  SetKey("mlp_activation", "tanh");
  SetKey("mlp_bias_u", "0.5");
  SetKey("mlp_bias_w", "0.3");
  SetKey("noise_degree", "6");
  SetKey("attention_type", "softmax");
  SetKey("attention_value", "1");
  SetKey("attention_engine", "moments");
  SetKey("attention_beta", "2");
  SetKey("spde_hyperviscosity", "0");
  SetKey("spde_tol", "1e-4");
  SetKey("attention_tol", "1e-12");
}

static inline void PairCreate(MPI_Comm comm, PetscInt dim, PetscInt64 tokens, Pair *p) {
  Start start;

  p->dim = dim;
  OK(NoiseFromKeys(dim, &p->noise));
  OK(NoiseCreateField(p->noise, &p->field));
  OK(NoiseCreateField(p->noise, &p->part));
  OK(DensityFromKeys(comm, dim, p->noise, &p->density));
  OK(DensityGetSize(p->density, NULL, &p->count, NULL));
  OK(DensityGetVec(p->density, &p->state));
  OK(DensityStart(p->density, 0));
  p->tokens = NULL;
  if (!tokens) return;
  OK(TokensCreate(comm, tokens, dim, &p->tokens));
  OK(StartCreateRule(p->tokens, &start));
  OK(TokensStart(p->tokens, start, 0));
  OK(StartDestroy(&start));
  OK(DensityWeigh(p->density, p->tokens));
  OK(AttentionFromKeys(p->tokens, &p->attention));
  OK(SchemeFromKeys(p->tokens, &p->scheme));
}

static inline void PairDestroy(Pair *p) {
  if (p->tokens) {
    OK(SchemeDestroy(&p->scheme));
    OK(AttentionDestroy(&p->attention));
    OK(TokensDestroy(&p->tokens));
  }
  OK(DensityDestroy(&p->density));
  OK(FieldDestroy(&p->part));
  OK(FieldDestroy(&p->field));
  OK(NoiseDestroy(&p->noise));
}

/* Cases are dealt out to the ranks, each with densities and tokens of its own (test_bits: any number of ranks gives the
 * same bits), and what they found is brought together before anything is asserted. */
static inline PetscBool Mine(PetscInt i) {
  PetscMPIInt rank, size;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  return (PetscBool)(i % size == rank);
}

static inline void Together(int n, double found[]) {
  OK(MPI_Allreduce(MPI_IN_PLACE, found, n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
}

/* The field of a step that is made of `fine` fine ones, number first .. first + fine - 1. */
static inline void Draw(Pair *p, PetscInt r, PetscInt first, PetscInt fine) {
  if (fine == 1) {
    OK(NoiseDraw(p->noise, r, first, p->field));
    return;
  }
  OK(FieldZero(p->field));
  for (PetscInt i = 0; i < fine; i++) {
    OK(NoiseDraw(p->noise, r, first + i, p->part));
    OK(FieldAdd(p->field, 1 / sqrt((double)fine), p->part));
  }
}

/* The largest difference of moments between density and tokens. */
static inline double Gap(Pair *p) {
  static double moments[MOST];
  const double *rho;
  double gap = 0;

  assert_true(p->count <= MOST);
  OK(DensityMoments(p->density, p->tokens, moments));
  OK(VecGetArrayRead(p->state, &rho));
  for (PetscInt k = 0; k < p->count; k++) gap = fmax(gap, fabs(rho[k] - moments[k]));
  OK(VecRestoreArrayRead(p->state, &rho));
  return gap;
}

static inline double Distance(Pair *p) {
  PetscReal mmd2, sobolev2;
  OK(DensityCompare(p->density, p->tokens, &mmd2, &sobolev2));
  return sqrt(mmd2);
}

/* W2 on the circle, against as many quantiles as there are tokens. */
static inline double Wasserstein(Pair *p) {
  PetscReal geodesic, chordal;
  TokensLayout layout;
  Tokens quantiles;

  OK(TokensGetLayout(p->tokens, &layout));
  OK(TokensCreate(layout.comm, layout.count, 2, &quantiles));
  OK(DensityQuantiles(p->density, quantiles));
  OK(DistanceCircle(p->tokens, quantiles, &geodesic, &chordal));
  OK(TokensDestroy(&quantiles));
  return sqrt(chordal);
}

#endif
