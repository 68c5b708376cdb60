/* What the tests of the schemes share: a model of attention, noise and scheme, and tokens to move. */
#ifndef CHORALE_SCHEME_MODEL_H
#define CHORALE_SCHEME_MODEL_H

#include <math.h>
#include <stdio.h>

#include <chorale/noise.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

#include "keys.h"
#include "test.h"

enum { SCHEMES = 3 };
static const char *const schemes[SCHEMES] = {"euler", "heun", "flow"};

typedef struct {
  Attention attention;
  Noise noise;
  Field field;
  Scheme scheme;
} Model;

static inline void SetReal(const char *key, double value) {
  char text[32];
  snprintf(text, sizeof(text), "%.17g", value);
  SetKey(key, text);
}

static inline Model MakeModel(Tokens tokens, const char *scheme, double beta, double value, const char *noise) {
  TokensLayout layout;
  Model model;
  SetKey("scheme_type", scheme);
  SetKey("attention_type", value == 0 ? "none" : "softmax");
  SetReal("attention_beta", beta);
  SetReal("attention_value", value);
  SetKey("noise_type", noise);
  SetKey("mlp_width", "64");
  OK(TokensGetLayout(tokens, &layout));
  OK(AttentionFromKeys(tokens, &model.attention));
  OK(NoiseFromKeys(layout.dim, &model.noise));
  OK(NoiseCreateField(model.noise, &model.field));
  OK(SchemeFromKeys(tokens, &model.scheme));
  return model;
}

static inline void DestroyModel(Model *model) {
  OK(SchemeDestroy(&model->scheme));
  OK(FieldDestroy(&model->field));
  OK(NoiseDestroy(&model->noise));
  OK(AttentionDestroy(&model->attention));
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

/* Tokens of x[N][d], row-major, in one block. */
static inline Tokens MakeTokens(MPI_Comm comm, PetscInt N, PetscInt d, const double *x) {
  TokensLayout layout;
  Tokens tokens;
  double *panel;
  Vec vec;
  OK(TokensCreate(comm, N, d, &tokens));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &vec));
  OK(VecGetArray(vec, &panel));
  for (PetscInt i = 0; i < N && layout.owned; i++)
    for (PetscInt c = 0; c < d; c++) panel[c * layout.block + i] = x[i * d + c];
  OK(VecRestoreArray(vec, &panel));
  OK(TokensMove(tokens, 0, NULL));
  return tokens;
}

static inline double Worst(double value) {
  double worst;
  OK(MPI_Allreduce(&value, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  return worst;
}

#endif
