/* A limit, the coupling of finite widths to it, and the hidden units that a width consists of. */
#ifndef CHORALE_TEST_COUPLING_CASE_H
#define CHORALE_TEST_COUPLING_CASE_H

#include "noise/coupling.h"
#include "noise_case.h"

typedef struct {
  Noise limit;
  Coupling coupling;
  Field field, made; /* of the limit; of finite width, the coupling's */
} Pair;

static inline PetscErrorCode CouplingFromKeys(Noise limit, Coupling *coupling) {
  CouplingOptions options;
  PetscFunctionBeginUser;
  PetscCall(CouplingOptionsRead(&options));
  PetscCall(CouplingCreate(limit, &options, coupling));
  PetscFunctionReturn(0);
}

static inline Pair MakePair(PetscInt d, const char *type, const char *kind, const char *activation, double bias_u,
                            double bias_w, int degree) {
  Pair pair;
  SetKey("limits_coupling", kind);
  pair.limit = MakeNoise(d, type, activation, bias_u, bias_w, degree);
  OK(CouplingFromKeys(pair.limit, &pair.coupling));
  OK(NoiseCreateField(pair.limit, &pair.field));
  return pair;
}

static inline void FreePair(Pair *pair) {
  OK(FieldDestroy(&pair->field));
  OK(CouplingDestroy(&pair->coupling));
  OK(NoiseDestroy(&pair->limit));
}

/* U[m][d] and b_U[m] of a key, by the documented order of draws: unit by unit. */
static inline void Units(PetscInt d, PetscInt m, double sigma, PetscInt r, PetscInt step, double *U, double *b) {
  const RngStream weights = {17, (uint32_t)r, (uint32_t)step, RNG_MLP_U};
  const RngStream biases = {17, (uint32_t)r, (uint32_t)step, RNG_MLP_BIAS_U};
  RngNormal(weights, 0, (size_t)(m * d), U);
  RngNormal(biases, 0, (size_t)m, b);
  for (PetscInt h = 0; h < m; h++) b[h] *= sigma;
}

static inline double Unit(const Activation *activation, PetscInt d, const double *U, double b, const double *x) {
  double sum = 0;
  for (PetscInt c = 0; c < d; c++) sum += U[c] * x[c];
  return activation->value(sum / sqrt((double)d) + b);
}

#endif
