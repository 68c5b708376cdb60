/* Att as a function on the sphere, for tables of it: how many degrees it needs, and its values anywhere. */
#include <math.h>

#include "attention/moments.h"

/* NUMERICS.md (9.24): the smallest degree whose bound is at most tol, the best over the widths of the strip. */
static PetscInt QuotientDegree(PetscReal exponent, PetscReal tol) {
  enum { WIDTHS = 64 };
  const PetscReal widest = asinh(0.5 * PETSC_PI / exponent);
  PetscReal best = 1e6;

  for (PetscInt i = 1; i < WIDTHS; i++) {
    const PetscReal width = widest * i / WIDTHS, largest = 4 / (cos(exponent * sinh(width)) * -expm1(-width));
    PetscReal degree = 1;

    for (int round = 0; round < 3; round++) /* its logarithm hardly changes */
      degree = PetscMax(1, log(largest * (3 + 2 / PETSC_PI * log(2 * degree + 2)) / tol) / width - 1);
    best = PetscMin(best, ceil(degree));
  }
  return (PetscInt)best;
}

PetscErrorCode AttentionGetDegree(Attention attention, PetscInt *degree, PetscReal *tol) {
  Moments *moments = attention->data; /* of that engine */
  PetscBool zero;

  PetscFunctionBeginUser;
  *tol = attention->tol;
  *degree = ATTENTION_DEGREE_NONE;
  PetscCall(AttentionIsZero(attention, &zero));
  if (zero)
    *degree = -1;
  else if (attention->engine == &AttentionMoments && attention->type->form == FORM_PLAIN)
    *degree = attention->truncation.degree;
  else if (attention->engine == &AttentionMoments && attention->type->form == FORM_NORMALIZED) {
    if (!moments->quotient) moments->quotient = QuotientDegree(attention->exponent, attention->tol);
    *degree = PetscMax(attention->truncation.degree, moments->quotient);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionEvaluateAt(Attention attention, PetscInt blocks, PetscInt B, const double *x, double *out) {
  const PetscInt d = attention->layout.dim;
  const PetscBool plain = attention->type->form == FORM_PLAIN ? PETSC_TRUE : PETSC_FALSE;
  const double value = attention->value * (plain ? exp(attention->exponent) : 1);
  const Moments *moments = attention->data;
  double *s;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1((d + 1) * B, &s));
  for (PetscInt b = 0; b < blocks; b++, x += d * B, out += d * B) {
    const double *restrict total = s + d * B;

    PetscCall(HarmonicsSynthesize(moments->basis.harmonics, B, x, d + 1, moments->coefficients, s));
    for (PetscInt i = 0; i < d * B; i++) out[i] = value * s[i] / (plain ? 1 : total[i % B]);
  }
  PetscCall(PetscFree(s));
  PetscFunctionReturn(0);
}
