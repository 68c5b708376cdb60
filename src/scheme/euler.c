/* Projected Euler-Maruyama for the Ito form of the limit SDE, PAPER.md section 3. */
#include "scheme/impl.h"

/* x' = LN(x + dt (P_x Att(x) - k(1)(d-1)/2 x) + P_x dW(x)).
 *
 * The Ito form needs no other correction: the noise has covariance k(<x,y>) I_d, so that the Stratonovich correction of
 * P_x o dW is 1/2 k(1) (d-1) along -x (the part with the gradient of the field is tangent and vanishes, since the
 * derivative of k(<x,y>) in x along the sphere is zero at y = x). */
static PetscErrorCode Step(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  Vec drift = scheme->work[0], noise = scheme->work[1];
  PetscReal k1 = 0, rate;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(SchemeFields(attention, field, tokens, &drift, &noise));
  if (!drift && !noise) PetscFunctionReturn(0);
  if (noise) PetscCall(FieldGetVariance(field, &k1));
  PetscCall(TokensGetLayout(tokens, &layout));
  rate = 0.5 * k1 * (layout.dim - 1);
  /* Beyond, the radial term would take a token past the centre, to the other side of the sphere. */
  PetscCheck(dt * rate < 1, scheme->comm, PETSC_ERR_USER_INPUT,
             "scheme_type = euler: the step T/L = %.6g must be below 2/(k(1)(d-1)) = %.6g; take more layers_depth",
             (double)dt, (double)(1 / rate));
  PetscCall(TokensMoveTangent(tokens, dt * rate, dt, drift, PetscSqrtReal(dt), noise));
  PetscFunctionReturn(0);
}

const SchemeType SchemeTypeEuler = {.name = "euler",
                                    .description = "x' = LN(x + dt (P Att(x) - k(1)(d-1)/2 x) + P dW(x)), Ito",
                                    .works = 2,
                                    .step = Step};
