/* What schemes share: the fields of a step at the tokens, and where they are kept. */
#include "scheme/impl.h"

PetscErrorCode SchemeWork(Scheme scheme, Tokens tokens) {
  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < scheme->type->works; i++)
    if (!scheme->work[i]) PetscCall(TokensCreateVec(tokens, &scheme->work[i]));
  PetscFunctionReturn(0);
}

PetscReal SchemeFactor(Scheme scheme, PetscReal time) {
  return scheme->norm->depth ? 1 / PetscSqrtReal(time + 1) : 1;
}

/* E |G|^2 = d k(1), and 1 of a unit vector. */
PetscReal SchemeVariance(Scheme scheme, PetscReal k1) {
  return scheme->norm->unit && k1 > 0 ? 1 / (PetscReal)scheme->dim : k1;
}

/* v <- scale v/|v| for the filled tokens of a block; returns the first without a direction, or filled. */
static PetscInt UnitBlock(const TokensLayout *l, PetscInt filled, PetscReal scale, double *v) {
  for (PetscInt t = 0; t < filled; t++) {
    double square = 0;

    for (PetscInt c = 0; c < l->dim; c++) square += PetscSqr(v[c * l->block + t]);
    if (!(square > 1e-280 && square < 1e300)) return t;
    const double factor = scale / PetscSqrtReal(square);
    for (PetscInt c = 0; c < l->dim; c++) v[c * l->block + t] *= factor;
  }
  return filled;
}

/* v_i <- scale v_i/|v_i| where the norm wants the outputs of branches normalised. */
static PetscErrorCode Unit(Scheme scheme, Tokens tokens, PetscReal scale, Vec v, const char *what) {
  PetscInt64 lost = -1;
  TokensLayout layout;
  double *x;

  PetscFunctionBeginUser;
  if (!scheme->norm->unit) PetscFunctionReturn(0);
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned && lost < 0; b++) {
    const PetscInt filled = TokensFilled(&layout, b);
    const PetscInt end = UnitBlock(&layout, filled, scale, x + b * layout.dim * layout.block);

    if (end < filled) lost = (PetscInt64)(layout.first + b) * layout.block + end;
  }
  PetscCall(VecRestoreArray(v, &x));
  /* as in TokensMove, the rank that owns the token reports it */
  PetscCheck(lost < 0, PETSC_COMM_SELF, PETSC_ERR_FP,
             "scheme_norm = %s: the output of %s at token %" PetscInt64_FMT
             " is zero or not finite, so has no direction",
             scheme->norm->name, what, lost);
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeAttention(Scheme scheme, Attention attention, Tokens tokens, Vec drift) {
  PetscFunctionBeginUser;
  PetscCall(AttentionEvaluate(attention, tokens, drift));
  PetscCall(Unit(scheme, tokens, scheme->alpha, drift, "attention"));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeCheckDrift(Scheme scheme, Attention attention) {
  PetscBool mlp;

  PetscFunctionBeginUser;
  PetscCall(AttentionHasMlp(attention, &mlp));
  PetscCheck(
      !mlp || !scheme->norm->unit, scheme->comm, PETSC_ERR_USER_INPUT,
      "scheme_norm = %s: must be post, pre or depth with an mlp of attention_weights, whose output has its length",
      scheme->norm->name);
  PetscFunctionReturn(0);
}

/* Where the noise of the tokens is asked for: at them, or at their barycentres. */
static PetscErrorCode Places(Scheme scheme, Attention attention, Tokens tokens, Tokens *at) {
  Vec mean;

  PetscFunctionBeginUser;
  *at = tokens;
  if (!scheme->mean) PetscFunctionReturn(0);
  PetscCall(TokensGetVec(scheme->mean, &mean));
  PetscCall(AttentionBarycentre(attention, tokens, mean));
  *at = scheme->mean;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeNoise(Scheme scheme, Attention attention, Field field, Tokens tokens, Vec noise) {
  Tokens at;

  PetscFunctionBeginUser;
  PetscCall(Places(scheme, attention, tokens, &at));
  PetscCall(FieldEvaluate(field, at, noise));
  PetscCall(Unit(scheme, tokens, 1, noise, "the noise"));
  if (scheme->watcher && !scheme->watched) PetscCall(scheme->watcher(scheme->watching, tokens, noise));
  scheme->watched = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeFields(Scheme scheme, Attention attention, Field field, Tokens tokens, Vec *drift, Vec *noise) {
  PetscBool zero, mlp, none;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &none));
  PetscCall(AttentionHasMlp(attention, &mlp));
  if (none && !mlp) *drift = NULL;
  PetscCall(FieldIsZero(field, &zero));
  if (zero) *noise = NULL;
  if (!none) PetscCall(SchemeAttention(scheme, attention, tokens, *drift));
  if (mlp) PetscCall(AttentionAddMlp(attention, tokens, none, 1, *drift));
  if (*noise) PetscCall(SchemeNoise(scheme, attention, field, tokens, *noise));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemePrepare(Scheme scheme, Attention attention, Field field, Tokens tokens, PetscBool *drift,
                             PetscBool *noise, PetscBool *pieces) {
  PetscBool zero, mlp;

  PetscFunctionBeginUser;
  PetscCall(AttentionIsZero(attention, &zero));
  PetscCall(AttentionHasMlp(attention, &mlp));
  *drift = !zero || mlp ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(FieldIsZero(field, &zero));
  *noise = !zero ? PETSC_TRUE : PETSC_FALSE;
  *pieces = !scheme->norm->unit && !scheme->norm->radius && !scheme->watcher ? PETSC_TRUE : PETSC_FALSE;
  if (*noise && *pieces) PetscCall(FieldPrepare(field, tokens, pieces));
  if (*drift && *pieces) PetscCall(AttentionPrepare(attention, tokens, pieces));
  PetscFunctionReturn(0);
}

/* slope <- a drift + b noise; drift is slope or NULL, noise may be NULL. */
static PetscErrorCode Sum(PetscReal a, Vec drift, PetscReal b, Vec noise, Vec slope) {
  PetscFunctionBeginUser;
  if (drift) PetscCall(VecScale(slope, a));
  if (noise) PetscCall(SchemeAccumulate(slope, drift ? PETSC_FALSE : PETSC_TRUE, b, noise));
  PetscFunctionReturn(0);
}

/* slope <- a Att[mu] + b G by one table, if there is one. */
static PetscErrorCode Join(Scheme scheme, Attention attention, Field field, PetscReal a, PetscReal b, Tokens tokens,
                           Vec slope, PetscBool *joined) {
  Tabulation table = NULL;
  PetscBool drift, noise, pieces;
  TokensLayout layout;
  const double *x;
  double *out;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(SchemeMayJoin(attention, field, &pieces));
  if (!pieces) PetscFunctionReturn(0);
  PetscCall(SchemePrepare(scheme, attention, field, tokens, &drift, &noise, &pieces));
  if (pieces && !scheme->mean) PetscCall(SchemeJoin(scheme, attention, field, a, b, &table));
  if (!table) PetscFunctionReturn(0);
  *joined = PETSC_TRUE;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(VecGetArrayRead(positions, &x));
  PetscCall(VecGetArrayWrite(slope, &out));
  PetscCall(TabulationEvaluate(table, layout.owned, layout.block, x, out));
  PetscCall(VecRestoreArrayWrite(slope, &out));
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeSlope(Scheme scheme, Attention attention, Field field, PetscReal time, PetscReal dt, Tokens tokens,
                           Vec scratch, Vec slope, PetscBool *zero) {
  const PetscReal factor = SchemeFactor(scheme, time), a = factor * dt, b = factor * PetscSqrtReal(dt);
  Vec drift = slope, noise = scratch;
  PetscBool joined = PETSC_FALSE;

  PetscFunctionBeginUser;
  *zero = PETSC_FALSE;
  PetscCall(Join(scheme, attention, field, a, b, tokens, slope, &joined));
  if (joined) {
    PetscCall(TokensTangent(tokens, 1, slope, 0, NULL, slope));
    PetscFunctionReturn(0);
  }
  PetscCall(SchemeFields(scheme, attention, field, tokens, &drift, &noise));
  *zero = !drift && !noise ? PETSC_TRUE : PETSC_FALSE;
  if (*zero) PetscFunctionReturn(0);
  if (scheme->norm->radius)
    PetscCall(Sum(a, drift, b, noise, slope));
  else
    PetscCall(TokensTangent(tokens, a, drift, b, noise, slope));
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
