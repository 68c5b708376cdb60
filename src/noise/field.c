#include "noise/impl.h"

PetscErrorCode FieldEvaluate(Field field, Tokens tokens, Vec g) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCheck(field->drawn, PETSC_COMM_SELF, PETSC_ERR_ORDER, "FieldEvaluate before NoiseDraw");
  PetscCheck(layout.dim == field->noise->dim, PETSC_COMM_SELF, PETSC_ERR_ARG_INCOMP,
             "field on S^{d-1} with d = %" PetscInt_FMT ", tokens with d = %" PetscInt_FMT, field->noise->dim,
             layout.dim);
  PetscCall(field->noise->type->evaluate(field, tokens, g));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldIsZero(Field field, PetscBool *zero) {
  PetscFunctionBeginUser;
  PetscCall(NoiseIsZero(field->noise, zero));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldDestroy(Field *field) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(*field));
  PetscFunctionReturn(0);
}
