/* The schemes along one Brownian path, by steps that halve from level to level. */
#ifndef CHORALE_SCHEME_PATHS_H
#define CHORALE_SCHEME_PATHS_H

#include "scheme_model.h"

enum { LEVELS = 5, STEPS = LEVELS - 1, PARTICLES = 16 }; /* STEPS to halve */

/* One Brownian path in fine increments, and what follows it: every scheme at every level, the last by every increment.
 */
typedef struct {
  PetscInt coarsest; /* steps of the coarsest level; every further level has twice as many */
  double horizon;
  Attention attention;
  Noise noise;
  Field fine, sum[LEVELS];
  Scheme scheme[SCHEMES];
  Tokens tokens[SCHEMES][LEVELS];
} Paths;

static inline void MakePaths(PetscInt d, PetscInt coarsest, double horizon, double value, Paths *p) {
  Tokens tokens = StartedTokens(PETSC_COMM_SELF, PARTICLES, d, "uniform", 0);
  Model model = MakeModel(tokens, "flow", 1, value, "spectral");
  p->coarsest = coarsest;
  p->horizon = horizon;
  OK(SchemeDestroy(&model.scheme));
  p->attention = model.attention;
  p->noise = model.noise;
  p->fine = model.field;
  for (int i = 0; i < LEVELS; i++) OK(NoiseCreateField(p->noise, &p->sum[i]));
  for (int s = 0; s < SCHEMES; s++) {
    SetKey("scheme_type", schemes[s]);
    OK(SchemeCreate(tokens, &p->scheme[s]));
    for (int i = 0; i < LEVELS; i++) OK(TokensDuplicate(tokens, &p->tokens[s][i]));
  }
  OK(TokensDestroy(&tokens));
}

static inline void DestroyPaths(Paths *p) {
  for (int s = 0; s < SCHEMES; s++) {
    for (int i = 0; i < LEVELS; i++) OK(TokensDestroy(&p->tokens[s][i]));
    OK(SchemeDestroy(&p->scheme[s]));
  }
  for (int i = 0; i < LEVELS; i++) OK(FieldDestroy(&p->sum[i]));
  OK(FieldDestroy(&p->fine));
  OK(NoiseDestroy(&p->noise));
  OK(AttentionDestroy(&p->attention));
}

/* Time 0 to the horizon along one path. */
static inline void RunPath(Paths *p, PetscInt path) {
  const PetscInt fine = p->coarsest << (LEVELS - 1);
  const PetscReal dt = p->horizon / (double)fine;
  TokensLayout layout;
  OK(TokensGetLayout(p->tokens[0][0], &layout));
  Tokens start = StartedTokens(PETSC_COMM_SELF, PARTICLES, layout.dim, "uniform", path);
  for (int k = 0; k < SCHEMES * LEVELS; k++) OK(TokensCopy(start, p->tokens[k / LEVELS][k % LEVELS]));
  OK(TokensDestroy(&start));
  for (PetscInt l = 0; l < fine; l++) {
    OK(NoiseDraw(p->noise, path, l, p->fine));
    for (int i = 0; i < LEVELS; i++) {
      const PetscInt ratio = 1 << (LEVELS - 1 - i); /* dW is the sum of the fine dW, so G the sum over sqrt(ratio) */
      if (l % ratio == 0) OK(FieldZero(p->sum[i]));
      OK(FieldAdd(p->sum[i], 1 / sqrt((double)ratio), p->fine));
      for (int s = 0; s < SCHEMES && (l + 1) % ratio == 0; s++)
        OK(SchemeStep(p->scheme[s], p->attention, p->sum[i], (double)ratio * dt, p->tokens[s][i]));
    }
  }
}

#endif
