/* One layer of the transformer, THEORY.md (1.1); with other norms NEIGHBOURS.md (13.1). */
#include "scheme/impl.h"

static PetscErrorCode Step(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  const PetscReal factor = SchemeFactor(scheme, scheme->time);
  const Vec work = scheme->work[0];
  PetscBool zero, mlp;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  if (!zero) { /* y_i = LN(x_i + dt Att[mu](x_i)) */
    PetscCall(SchemeAttention(scheme, attention, tokens, work));
    PetscCall(TokensMove(tokens, factor * dt, work));
  }
  PetscCall(AttentionHasMlp(attention, &mlp));
  PetscCall(FieldIsZero(field, &zero));
  /* x_i^next = LN(y_i + sqrt(dt) (G(y_i) + sqrt(dt) F(y_i))), or G(m(y_i)); F of a fixed MLP, if any */
  if (!zero) PetscCall(SchemeNoise(scheme, attention, field, tokens, work));
  if (mlp) PetscCall(AttentionAddMlp(attention, tokens, zero, PetscSqrtReal(dt), work));
  if (!zero || mlp) PetscCall(TokensMove(tokens, factor * PetscSqrtReal(dt), work));
  PetscFunctionReturn(0);
}

const SchemeType SchemeTypeLayer = {.name = "layer",
                                    .description = "y = LN(x + dt Att(x)), x' = LN(y + sqrt(dt) G(y))",
                                    .stages = 1,
                                    .works = 1,
                                    .barycentre = PETSC_TRUE,
                                    .step = Step};
