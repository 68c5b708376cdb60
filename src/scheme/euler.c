/* Projected Euler-Maruyama for the Ito form of the limit SDE, THEORY.md (3.1). */
#include "scheme/impl.h"

/* Of the radial term; a token that has a radius moves without it, NEIGHBOURS.md (13.2). */
static PetscReal Rate(Scheme scheme, PetscReal k1) {
  return scheme->norm->radius ? 0 : 0.5 * SchemeVariance(scheme, k1) * (scheme->dim - 1);
}

/* Beyond, the radial term would take a token past the centre, to the other side of the sphere. */
static PetscErrorCode Check(Scheme scheme, PetscReal k1, PetscReal dt) {
  const PetscReal rate = Rate(scheme, k1);

  PetscFunctionBeginUser;
  PetscCheck(dt * rate < 1, scheme->comm, PETSC_ERR_USER_INPUT,
             "scheme_type = euler: the step T/L = %.6g must be below 2/(k(1)(d-1)) = %.6g; take more layers_depth",
             (double)dt, (double)(1 / rate));
  PetscFunctionReturn(0);
}

/* What the terms of a step are multiplied with. */
typedef struct {
  PetscReal radial, drift, noise;
} Factors;

/* Tokens move a few blocks at a time, whose fields do not leave the cache. */
static PetscErrorCode MovePieces(Scheme scheme, Attention attention, Field field, Factors by, PetscBool drift,
                                 PetscBool noise, Tokens tokens) {
  double *a, *b;
  const double *x;
  Tabulation joint = NULL;
  TokensLayout layout;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(SchemeJoin(scheme, attention, field, by.drift, by.noise, &joint));
  a = drift ? scheme->piece : NULL;
  b = noise && !joint ? scheme->piece + (size_t)SCHEME_PIECE * layout.dim * layout.block : NULL;
  if (joint) by.drift = 1;
  for (PetscInt first = 0; first < layout.owned; first += SCHEME_PIECE) {
    const PetscInt blocks = PetscMin(SCHEME_PIECE, layout.owned - first);

    PetscCall(VecGetArrayRead(positions, &x));
    x += first * layout.block * layout.dim;
    if (joint)
      PetscCall(TabulationEvaluate(joint, blocks, layout.block, x, a));
    else if (a)
      PetscCall(AttentionEvaluatePiece(attention, first, blocks, x, a));
    if (b) PetscCall(FieldEvaluatePiece(field, blocks, layout.block, x, b));
    x -= first * layout.block * layout.dim;
    PetscCall(VecRestoreArrayRead(positions, &x));
    PetscCall(TokensMoveTangentPiece(tokens, first, blocks, by.radial, by.drift, a, by.noise, b));
  }
  /* a rank without tokens moves none, so that its sums over all tokens are known to be old there, too */
  if (!layout.owned) PetscCall(TokensMoveTangentPiece(tokens, 0, 0, by.radial, by.drift, a, by.noise, b));
  PetscFunctionReturn(0);
}

static PetscErrorCode MoveAll(Scheme scheme, Attention attention, Field field, Factors by, Tokens tokens) {
  Vec drift, noise;

  PetscFunctionBeginUser;
  PetscCall(SchemeWork(scheme, tokens));
  drift = scheme->work[0];
  noise = scheme->work[1];
  PetscCall(SchemeFields(scheme, attention, field, tokens, &drift, &noise));
  PetscCall(TokensMoveTangent(tokens, by.radial, by.drift, drift, by.noise, noise));
  PetscFunctionReturn(0);
}

/* z' = z + dt Att(LN z) + dW(LN z) for tokens z = r x: no term is missing, NEIGHBOURS.md (13.2). */
static PetscErrorCode MoveStream(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(SchemeWork(scheme, tokens));
  PetscCall(SchemeSlope(scheme, attention, field, scheme->time, dt, tokens, scheme->work[1], scheme->work[0], &zero));
  PetscCall(TokensMove(tokens, 1, scheme->work[0]));
  PetscFunctionReturn(0);
}

/* x' = LN(x + dt (P_x Att(x) - k(1)(d-1)/2 x) + P_x dW(x)).
 *
 * The Ito form needs no other correction: the noise has covariance k(<x,y>) I_d, so that the Stratonovich correction of
 * P_x o dW is 1/2 k(1) (d-1) along -x (the part with the gradient of the field is tangent and vanishes, since the
 * derivative of k(<x,y>) in x along the sphere is zero at y = x).
 *
 * At barycentres token i has the variance s_ii of its own and the radial term of NEIGHBOURS.md (12.3). A term along x
 * changes the step by no more than its error, since LN undoes it: there it is left to LN alone. */
static PetscErrorCode Step(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  const PetscReal factor = SchemeFactor(scheme, scheme->time);
  PetscReal k1 = 0;
  PetscBool drift, noise, pieces;

  PetscFunctionBeginUser;
  PetscCall(SchemePrepare(scheme, attention, field, tokens, &drift, &noise, &pieces));
  if (!drift && !noise) PetscFunctionReturn(0);
  if (noise && !scheme->mean) PetscCall(FieldGetVariance(field, &k1));
  PetscCall(Check(scheme, k1, dt));
  const Factors by = {factor * factor * (dt * Rate(scheme, k1)), factor * dt, factor * PetscSqrtReal(dt)};
  if (scheme->norm->radius)
    PetscCall(MoveStream(scheme, attention, field, dt, tokens));
  else if (pieces && !scheme->mean)
    PetscCall(MovePieces(scheme, attention, field, by, drift, noise, tokens));
  else
    PetscCall(MoveAll(scheme, attention, field, by, tokens));
  PetscFunctionReturn(0);
}

const SchemeType SchemeTypeEuler = {.name = "euler",
                                    .description = "x' = LN(x + dt (P Att(x) - k(1)(d-1)/2 x) + P dW(x)), Ito",
                                    .stages = 1,
                                    .works = 2,
                                    .pieces = PETSC_TRUE,
                                    .joins = PETSC_TRUE,
                                    .barycentre = PETSC_TRUE,
                                    .check = Check,
                                    .step = Step};
