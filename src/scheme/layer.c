/* One layer of the transformer, PAPER.md section 1. */
#include "scheme/impl.h"

static PetscErrorCode Step(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  if (!zero) { /* y_i = LN(x_i + dt Att[mu](x_i)) */
    PetscCall(AttentionEvaluate(attention, tokens, scheme->work));
    PetscCall(TokensMove(tokens, dt, scheme->work));
  }
  PetscCall(FieldIsZero(field, &zero));
  if (!zero) { /* x_i^next = LN(y_i + sqrt(dt) G(y_i)) */
    PetscCall(FieldEvaluate(field, tokens, scheme->work));
    PetscCall(TokensMove(tokens, PetscSqrtReal(dt), scheme->work));
  }
  PetscFunctionReturn(0);
}

const SchemeType SchemeTypeLayer = {
    .name = "layer", .description = "y = LN(x + dt Att(x)), x' = LN(y + sqrt(dt) G(y))", .step = Step};
