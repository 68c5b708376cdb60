/* What schemes share: the fields of a step at the tokens, and where they are kept. */
#include "scheme/impl.h"

PetscErrorCode SchemeWork(Scheme scheme, Tokens tokens) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < scheme->type->works; i++)
    if (!scheme->work[i]) PetscCall(TokensCreateVec(tokens, &scheme->work[i]));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemePlaces(Scheme scheme, Attention attention, Tokens tokens, Tokens *at) {
  Vec mean;

  PetscFunctionBeginUser;
  *at = tokens;
  if (!scheme->mean) PetscFunctionReturn(0);
  PetscCall(TokensGetVec(scheme->mean, &mean));
  PetscCall(AttentionBarycentre(attention, tokens, mean));
  *at = scheme->mean;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeFields(Attention attention, Field field, Tokens tokens, Tokens at, Vec *drift, Vec *noise) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  if (zero) *drift = NULL;
  PetscCall(FieldIsZero(field, &zero));
  if (zero) *noise = NULL;
  if (*drift) PetscCall(AttentionEvaluate(attention, tokens, *drift));
  if (*noise) PetscCall(FieldEvaluate(field, at, *noise));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemePrepare(Attention attention, Field field, Tokens tokens, PetscBool *drift, PetscBool *noise,
                             PetscBool *pieces) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  *drift = !zero ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(FieldIsZero(field, &zero));
  *noise = !zero ? PETSC_TRUE : PETSC_FALSE;
  *pieces = PETSC_TRUE;
  if (*noise) PetscCall(FieldPrepare(field, tokens, pieces));
  if (*drift && *pieces) PetscCall(AttentionPrepare(attention, tokens, pieces));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeSlope(Attention attention, Field field, PetscReal dt, Tokens tokens, Vec scratch, Vec slope,
                           PetscBool *zero) {
  Vec drift = slope, noise = scratch;

  PetscFunctionBeginUser;
  PetscCall(SchemeFields(attention, field, tokens, tokens, &drift, &noise));
  *zero = !drift && !noise ? PETSC_TRUE : PETSC_FALSE;
  if (!*zero) PetscCall(TokensTangent(tokens, dt, drift, PetscSqrtReal(dt), noise, slope));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeAccumulate(Vec y, PetscBool clear, PetscReal scale, Vec x) {
  const double *from;
  double *to;
  PetscInt n;

  PetscFunctionBeginUser;
  PetscCall(VecGetLocalSize(y, &n));
  PetscCall(VecGetArrayRead(x, &from));
  PetscCall(VecGetArray(y, &to));
  for (PetscInt i = 0; i < n; i++) to[i] = (clear ? 0 : to[i]) + scale * from[i];
  PetscCall(VecRestoreArray(y, &to));
  PetscCall(VecRestoreArrayRead(x, &from));
  PetscFunctionReturn(0);
}
