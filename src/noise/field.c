#include "noise/impl.h"

PetscErrorCode FieldCreate(const FieldType *type, Noise noise, Field *field) {
  PetscFunctionBeginUser;
  PetscCall(PetscNew(field));
  (*field)->type = type;
  (*field)->noise = noise;
  if (type->create) PetscCall(type->create(*field));
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseCreateField(Noise noise, Field *field) {
  PetscFunctionBeginUser;
  PetscCall(FieldCreate(&noise->type->field, noise, field));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldDestroy(Field *field) {
  PetscFunctionBeginUser;
  if (!*field) PetscFunctionReturn(0);
  if ((*field)->type->destroy) PetscCall((*field)->type->destroy(*field));
  PetscCall(PetscFree(*field));
  PetscFunctionReturn(0);
}

PetscErrorCode NoiseDraw(Noise noise, PetscInt realization, PetscInt step, Field field) {
  PetscFunctionBeginUser;
  PetscCheck(field->type == &noise->type->field && field->noise == noise, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "the field belongs to another noise");
  PetscCheck(realization >= 0 && step >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "realization %" PetscInt_FMT " and step %" PetscInt_FMT " must not be negative", realization, step);
  if (noise->type->draw) PetscCall(noise->type->draw(field, realization, step));
  field->drawn = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode FieldZero(Field field) {
  PetscFunctionBeginUser;
  PetscCheck(field->type->clear, PETSC_COMM_SELF, PETSC_ERR_SUP, "a field of this kind has no sums, and so no 0");
  PetscCall(field->type->clear(field));
  field->drawn = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode FieldAdd(Field y, PetscReal scale, Field x) {
  PetscFunctionBeginUser;
  PetscCheck(y->type == x->type && y->noise == x->noise, PETSC_COMM_SELF, PETSC_ERR_ARG_WRONG,
             "FieldAdd of fields of two noises");
  PetscCheck(y->type->add, PETSC_COMM_SELF, PETSC_ERR_SUP, "a field of this kind has no sums");
  PetscCheck(x->drawn, PETSC_COMM_SELF, PETSC_ERR_ORDER, "FieldAdd before NoiseDraw");
  PetscCall(y->type->add(y, scale, x));
  y->drawn = PETSC_TRUE;
  PetscFunctionReturn(0);
}

static PetscErrorCode CheckTokens(Field field, Tokens tokens) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCheck(field->drawn, PETSC_COMM_SELF, PETSC_ERR_ORDER, "FieldEvaluate before NoiseDraw");
  PetscCheck(layout.dim == field->noise->dim, PETSC_COMM_SELF, PETSC_ERR_ARG_INCOMP,
             "field on S^{d-1} with d = %" PetscInt_FMT ", tokens with d = %" PetscInt_FMT, field->noise->dim,
             layout.dim);
  PetscFunctionReturn(0);
}

/* All tokens as one piece. */
static PetscErrorCode EvaluateWhole(Field field, Tokens tokens, Vec g) {
  const FieldType *type = field->type;
  TokensLayout layout;
  const double *X;
  double *G;
  Vec x;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &x));
  if (type->prepare) PetscCall(type->prepare(field, tokens));
  PetscCall(VecGetArrayRead(x, &X));
  PetscCall(VecGetArrayWrite(g, &G));
  PetscCall(type->evaluate_piece(field, layout.owned, layout.block, X, G));
  PetscCall(VecRestoreArrayWrite(g, &G));
  PetscCall(VecRestoreArrayRead(x, &X));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldEvaluate(Field field, Tokens tokens, Vec g) {
  PetscFunctionBeginUser;
  PetscCall(CheckTokens(field, tokens));
  PetscCall((field->type->evaluate ? field->type->evaluate : EvaluateWhole)(field, tokens, g));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldPrepare(Field field, Tokens tokens, PetscBool *pieces) {
  const FieldType *type = field->type;

  PetscFunctionBeginUser;
  PetscCall(CheckTokens(field, tokens));
  *pieces = type->evaluate_piece != NULL ? PETSC_TRUE : PETSC_FALSE;
  if (type->prepare) PetscCall(type->prepare(field, tokens));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldEvaluatePiece(Field field, PetscInt blocks, PetscInt B, const double *x, double *g) {
  PetscFunctionBeginUser;
  PetscCall(field->type->evaluate_piece(field, blocks, B, x, g));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldGetDegree(Field field, PetscInt *degree) {
  PetscBool zero;

  PetscFunctionBeginUser;
  *degree = NOISE_DEGREE_NONE;
  PetscCall(FieldIsZero(field, &zero));
  if (zero || field->type->evaluate_at) PetscCall(NoiseGetDegree(field->noise, degree));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldEvaluateAt(Field field, PetscInt blocks, PetscInt B, const double *x, double *g) {
  PetscFunctionBeginUser;
  PetscCall(field->type->evaluate_at(field, blocks, B, x, g));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldIsZero(Field field, PetscBool *zero) {
  PetscFunctionBeginUser;
  PetscCall(NoiseIsZero(field->noise, zero));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldGetVariance(Field field, PetscReal *k1) {
  PetscFunctionBeginUser;
  PetscCall(NoiseGetVariance(field->noise, k1));
  PetscFunctionReturn(0);
}
