/* What the tests of the schemes share: a model of attention, noise and scheme, tokens to move, and the simplex, whose
 * motion is known exactly. */
#ifndef CHORALE_SCHEME_MODEL_H
#define CHORALE_SCHEME_MODEL_H

#include <math.h>
#include <stdio.h>

#include <chorale/noise.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

#include "keys.h"
#include "place.h"

enum { SCHEMES = 3 };
static const char *const schemes[SCHEMES] = {"euler", "heun", "flow"};

typedef struct {
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;
} Model;

static inline Model MakeModelOf(Tokens tokens, const char *scheme, const char *attention, double beta, double value,
                                const char *noise) {
  TokensLayout layout;
  Model model;
  SetKey("scheme_type", scheme);
  SetKey("attention_type", attention);
  SetReal("attention_beta", beta);
  SetReal("attention_value", value);
  SetKey("noise_type", noise);
  SetKey("mlp_width", "200");
  OK(TokensGetLayout(tokens, &layout));
  OK(AttentionFromKeys(tokens, &model.attention));
  OK(NoiseFromKeys(layout.dim, &model.noise));
  OK(NoiseCreateField(model.noise, &model.field));
  OK(SchemeFromKeys(tokens, &model.scheme));
  return model;
}

/* With softmax attention of this value, none when it is 0. */
static inline Model MakeModel(Tokens tokens, const char *scheme, double beta, double value, const char *noise) {
  return MakeModelOf(tokens, scheme, value == 0 ? "none" : "softmax", beta, value, noise);
}

static inline void DestroyModel(Model *model) {
  OK(SchemeDestroy(&model->scheme));
  OK(FieldDestroy(&model->field));
  OK(NoiseDestroy(&model->noise));
  OK(AttentionDestroy(&model->attention));
}

/* L steps to time T. */
static inline void RunSteps(Model *model, PetscInt L, double T, Tokens tokens) {
  for (PetscInt l = 0; l < L; l++) {
    OK(NoiseDraw(model->noise, 0, l, model->field));
    OK(SchemeStep(model->scheme, model->attention, model->field, T / (double)L, tokens));
  }
}

static inline Tokens StartedTokens(MPI_Comm comm, PetscInt N, PetscInt d, const char *init, PetscInt realization) {
  Tokens tokens;
  Start start;
  SetKey("tokens_init", init);
  OK(TokensCreate(comm, N, d, &tokens));
  OK(StartFromKeys(tokens, &start));
  OK(TokensStart(tokens, start, realization));
  OK(StartDestroy(&start));
  return tokens;
}

/* The largest difference of two coordinates. */
static inline double Distance(Tokens a, Tokens b) {
  PetscReal distance;
  Vec x, y, difference;
  OK(TokensGetVec(a, &x));
  OK(TokensGetVec(b, &y));
  OK(TokensCreateVec(a, &difference));
  OK(VecWAXPY(difference, -1, x, y));
  OK(VecNorm(difference, NORM_INFINITY, &distance));
  OK(VecDestroy(&difference));
  return distance;
}

/* The largest | |x| - 1 |, in long double. */
static inline double NormError(Tokens tokens) {
  TokensLayout layout;
  const double *x;
  double worst = 0;
  Vec vec;
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &vec));
  OK(VecGetArrayRead(vec, &x));
  for (PetscInt b = 0; b < layout.owned; b++)
    for (PetscInt t = 0; t < layout.block; t++) {
      long double square = 0;
      for (PetscInt c = 0; c < layout.dim; c++) {
        const long double v = x[(b * layout.dim + c) * layout.block + t];
        square += v * v;
      }
      worst = fmax(worst, (double)fabsl(sqrtl(square) - 1));
    }
  OK(VecRestoreArrayRead(vec, &x));
  return Worst(worst);
}

/* The bits of all uniform tokens after L steps to time T by one rank, on every rank. */
static inline uint64_t ChecksumAlone(const char *scheme, PetscInt N, PetscInt d, const char *noise, PetscInt L,
                                     double T) {
  uint64_t sum = 0;
  PetscMPIInt rank;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (!rank) {
    Tokens tokens = StartedTokens(PETSC_COMM_SELF, N, d, "uniform", 0);
    Model model = MakeModel(tokens, scheme, 2, 1, noise);
    RunSteps(&model, L, T, tokens);
    OK(TokensChecksum(tokens, &sum));
    DestroyModel(&model);
    OK(TokensDestroy(&tokens));
  }
  OK(MPI_Bcast(&sum, 1, MPI_UINT64_T, 0, PETSC_COMM_WORLD));
  return sum;
}

/* After L steps of attention and noise all tokens are on the sphere, and split over the ranks they have the bits of one
 * rank. */
static inline void CheckSphere(const char *scheme, PetscInt N, PetscInt d, const char *noise, PetscInt L, double T) {
  Tokens tokens = StartedTokens(PETSC_COMM_WORLD, N, d, "uniform", 0);
  Model model = MakeModel(tokens, scheme, 2, 1, noise);
  PetscBool valid;
  uint64_t sum;
  RunSteps(&model, L, T, tokens);
  CLOSE(NormError(tokens), 0, 1e-14);
  OK(TokensIsValid(tokens, &valid));
  assert_true(valid);
  OK(TokensChecksum(tokens, &sum));
  assert_true(sum == ChecksumAlone(scheme, N, d, noise, L, T));
  DestroyModel(&model);
  OK(TokensDestroy(&tokens));
}

/* Nothing moves the tokens, not by a bit, when still; else something does. */
static inline void CheckStill(Tokens tokens, Model model, PetscBool still) {
  PetscBool equal;
  Tokens start;
  OK(TokensDuplicate(tokens, &start));
  RunSteps(&model, 3, 1, tokens);
  OK(TokensIsEqual(tokens, start, &equal));
  assert_int_equal(equal, still);
  OK(TokensDestroy(&start));
  DestroyModel(&model);
}

enum { CORNERS = 4 };

/* The cosine of all pairs of CORNERS tokens under attention alone. */
static inline double SimplexRate(double beta, double v, double u) {
  const double e = exp(beta * (u - 1));
  return 2 * v * (1 - u) * e * (1 + (CORNERS - 1) * u) / (1 + (CORNERS - 1) * e);
}

static inline double SimplexExact(double beta, double v, double u, double T) {
  const int steps = 2000;
  const double h = T / steps;
  for (int i = 0; i < steps; i++) {
    const double a = SimplexRate(beta, v, u), b = SimplexRate(beta, v, u + h / 2 * a);
    const double c = SimplexRate(beta, v, u + h / 2 * b), e = SimplexRate(beta, v, u + h * c);
    u += h / 6 * (a + 2 * b + 2 * c + e);
  }
  return u;
}

/* The same by L steps; the tokens must still be a regular simplex. */
static inline double SimplexSolved(const char *scheme, double beta, double v, double u, double T, PetscInt L) {
  /* x_i = a e_i + c (1,..,1) with |x_i| = 1 and <x_i,x_j> = u */
  const double a = sqrt(1 - u), c = (sqrt(1 + (CORNERS - 1) * u) - a) / CORNERS;
  double x[CORNERS * CORNERS], least = INFINITY, most = -INFINITY;
  PetscInt64 first, n;
  Tokens tokens;
  Model model;

  for (int i = 0; i < CORNERS * CORNERS; i++) x[i] = a * (i % (CORNERS + 1) == 0) + c;
  tokens = TokensAt(PETSC_COMM_WORLD, CORNERS, CORNERS, x);
  model = MakeModel(tokens, scheme, beta, v, "none");
  RunSteps(&model, L, T, tokens);
  OK(TokensGetRows(tokens, &first, &n, x));
  for (int i = 0; i < CORNERS && n; i++)
    for (int j = 0; j < i; j++) {
      double cosine = 0;
      for (int k = 0; k < CORNERS; k++) cosine += x[i * CORNERS + k] * x[j * CORNERS + k];
      least = fmin(least, cosine);
      most = fmax(most, cosine);
    }
  DestroyModel(&model);
  OK(TokensDestroy(&tokens));
  CLOSE(Worst(most), -Worst(-least), 1e-12);
  return Worst(most);
}

#endif
