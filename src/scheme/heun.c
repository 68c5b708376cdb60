/* Projected Heun for the Stratonovich form of the limit SDE, THEORY.md (3.2). */
#include "scheme/impl.h"

/* x* = LN(x + s(x)), x' = LN(x + (s(x) + s(x*))/2) with s(x) = P_x (Att(x) dt + dW(x)) and the same field in both.
 * No radial term: it is the whole Ito correction (k(1) is constant), and the average of the two slopes makes it. */
static PetscErrorCode Step(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  const Vec scratch = scheme->work[0], slope = scheme->work[1], sum = scheme->work[2];
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(SchemeSlope(scheme, attention, field, scheme->time, dt, tokens, scratch, sum, &zero));
  if (zero) PetscFunctionReturn(0);
  PetscCall(TokensCopy(tokens, scheme->inner));
  PetscCall(TokensMove(scheme->inner, 1, sum));
  PetscCall(SchemeSlope(scheme, attention, field, scheme->time + dt, dt, scheme->inner, scratch, slope, &zero));
  PetscCall(SchemeAccumulate(sum, PETSC_FALSE, 1, slope));
  PetscCall(TokensMove(tokens, 0.5, sum));
  PetscFunctionReturn(0);
}

const SchemeType SchemeTypeHeun = {.name = "heun",
                                   .description =
                                       "x* = LN(x + s(x)), x' = LN(x + (s(x) + s(x*))/2), s = P (Att dt + dW), "
                                       "Stratonovich",
                                   .stages = 2,
                                   .works = 3,
                                   .inner = PETSC_TRUE,
                                   .joins = PETSC_TRUE,
                                   .step = Step};
