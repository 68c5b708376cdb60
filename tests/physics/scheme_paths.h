/* The schemes along one Brownian path, by steps that halve from level to level. */
#ifndef CHORALE_SCHEME_PATHS_H
#define CHORALE_SCHEME_PATHS_H

#include "keys.h"
#include "scheme_model.h"

enum { LEVELS = 5, STEPS = LEVELS - 1, PARTICLES = 16 }; /* STEPS to halve */

/* One Brownian path in fine increments, and what follows it: every scheme at every level, the last by every increment.
 */
typedef struct {
  PetscInt coarsest; /* steps of the coarsest level; every further level has twice as many */
  double horizon;
  Attention attention;
  Noise noise;
  Field fine, sum[LEVELS], first[LEVELS]; /* first: of the first of two steps */
  Scheme scheme[SCHEMES];
  Tokens tokens[SCHEMES][LEVELS];
  Tokens twin[SCHEMES][LEVELS]; /* with every two steps in exchanged order, or NULL */
} Paths;

/* So many tokens under attention of this value, with exchanged steps when `twins`. */
static inline void MakePaths(PetscInt count, PetscInt d, PetscInt coarsest, double horizon, double beta, double value,
                             PetscBool twins, Paths *p) {
  Tokens tokens = StartedTokens(PETSC_COMM_SELF, count, d, "uniform", 0);
  Model model = MakeModel(tokens, "flow", beta, value, "spectral");
  OK(PetscMemzero(p, sizeof(*p)));
  p->coarsest = coarsest;
  p->horizon = horizon;
  OK(SchemeDestroy(&model.scheme));
  p->attention = model.attention;
  p->noise = model.noise;
  p->fine = model.field;
  for (int i = 0; i < LEVELS; i++) {
    OK(NoiseCreateField(p->noise, &p->sum[i]));
    OK(NoiseCreateField(p->noise, &p->first[i]));
  }
  for (int s = 0; s < SCHEMES; s++) {
    SetKey("scheme_type", schemes[s]);
    OK(SchemeFromKeys(tokens, &p->scheme[s]));
    for (int i = 0; i < LEVELS; i++) {
      OK(TokensDuplicate(tokens, &p->tokens[s][i]));
      if (twins && i > 0) OK(TokensDuplicate(tokens, &p->twin[s][i]));
    }
  }
  OK(TokensDestroy(&tokens));
}

static inline void DestroyPaths(Paths *p) {
  for (int s = 0; s < SCHEMES; s++) {
    for (int i = 0; i < LEVELS; i++) {
      OK(TokensDestroy(&p->tokens[s][i]));
      if (p->twin[s][i]) OK(TokensDestroy(&p->twin[s][i]));
    }
    OK(SchemeDestroy(&p->scheme[s]));
  }
  for (int i = 0; i < LEVELS; i++) {
    OK(FieldDestroy(&p->first[i]));
    OK(FieldDestroy(&p->sum[i]));
  }
  OK(FieldDestroy(&p->fine));
  OK(NoiseDestroy(&p->noise));
  OK(AttentionDestroy(&p->attention));
}

/* One step of level i, the `number`-th of them, by all schemes; their twins wait for the second of two. */
static inline void StepLevel(Paths *p, int i, PetscInt number, PetscReal dt) {
  const PetscBool second = (PetscBool)(number % 2);
  for (int s = 0; s < SCHEMES; s++) {
    OK(SchemeStep(p->scheme[s], p->attention, p->sum[i], dt, p->tokens[s][i]));
    if (!p->twin[s][i] || !second) continue;
    OK(SchemeStep(p->scheme[s], p->attention, p->sum[i], dt, p->twin[s][i]));
    OK(SchemeStep(p->scheme[s], p->attention, p->first[i], dt, p->twin[s][i]));
  }
  if (second) return;
  OK(FieldZero(p->first[i]));
  OK(FieldAdd(p->first[i], 1, p->sum[i]));
}

/* Time 0 to the horizon along one path. */
static inline void RunPath(Paths *p, PetscInt path) {
  const PetscInt fine = p->coarsest << (LEVELS - 1);
  const PetscReal dt = p->horizon / (double)fine;
  TokensLayout layout;
  OK(TokensGetLayout(p->tokens[0][0], &layout));
  Tokens start = StartedTokens(PETSC_COMM_SELF, (PetscInt)layout.count, layout.dim, "uniform", path);
  for (int k = 0; k < SCHEMES * LEVELS; k++) {
    OK(TokensCopy(start, p->tokens[k / LEVELS][k % LEVELS]));
    if (p->twin[k / LEVELS][k % LEVELS]) OK(TokensCopy(start, p->twin[k / LEVELS][k % LEVELS]));
  }
  OK(TokensDestroy(&start));
  for (PetscInt l = 0; l < fine; l++) {
    OK(NoiseDraw(p->noise, path, l, p->fine));
    for (int i = 0; i < LEVELS; i++) {
      const PetscInt ratio = 1 << (LEVELS - 1 - i); /* dW is the sum of the fine dW, so G the sum over sqrt(ratio) */
      if (l % ratio == 0) OK(FieldZero(p->sum[i]));
      OK(FieldAdd(p->sum[i], 1 / sqrt((double)ratio), p->fine));
      if ((l + 1) % ratio == 0) StepLevel(p, i, l / ratio, (double)ratio * dt);
    }
  }
}

#endif
