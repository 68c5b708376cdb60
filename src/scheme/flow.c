/* The flow of the frozen field for the Stratonovich form of the limit SDE, THEORY.md (3.2). */
#include "scheme/impl.h"

/* x' = X(1), dX/ds = P_X (Att(X) dt + dW(X)), X(0) = x, by the classical Runge-Kutta rule of order 4. A smooth path of
 * the noise is the Wong-Zakai way to Stratonovich's form, which is the Ito form of euler: the radial term is the whole
 * difference (k(1) is constant). As the flow of one vector field the step is a diffeomorphism of the sphere.
 *
 * A stage is taken back to the sphere before the fields are evaluated there: that is the rule for the field
 * s(X/|X|), smooth near the sphere and tangent to it, so the order stays 4. */
static PetscErrorCode Advance(Scheme scheme, Attention attention, Field field, PetscReal time, PetscReal dt,
                              Tokens tokens) {
  static const PetscReal node[4] = {0, 0.5, 0.5, 1}, weight[4] = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6};
  const Vec scratch = scheme->work[0], slope = scheme->work[1], sum = scheme->work[2];
  PetscBool zero;

  PetscFunctionBeginUser;
  for (int i = 0; i < 4; i++) {
    if (i > 0) {
      PetscCall(TokensCopy(tokens, scheme->inner));
      PetscCall(TokensMove(scheme->inner, node[i], slope));
    }
    PetscCall(SchemeSlope(scheme, attention, field, time + node[i] * dt, dt, i > 0 ? scheme->inner : tokens, scratch,
                          slope, &zero));
    if (zero) PetscFunctionReturn(0);
    PetscCall(SchemeAccumulate(sum, i == 0 ? PETSC_TRUE : PETSC_FALSE, weight[i], slope));
  }
  PetscCall(TokensMove(tokens, 1, sum));
  PetscFunctionReturn(0);
}

/* trial[1] <- the tokens after a substep h from this time, as two halves of it; error: Richardson's estimate, a
 * fifteenth of their distance from one substep of a rule of order 4, at the token where it is largest. */
static PetscErrorCode Try(Scheme scheme, Attention attention, Field field, PetscReal time, PetscReal h, Tokens tokens,
                          PetscReal *error) {
  const Tokens coarse = scheme->trial[0], fine = scheme->trial[1];

  PetscFunctionBeginUser;
  PetscCall(TokensCopy(tokens, coarse));
  PetscCall(Advance(scheme, attention, field, time, h, coarse));
  PetscCall(TokensCopy(tokens, fine));
  PetscCall(Advance(scheme, attention, field, time, h / 2, fine));
  PetscCall(Advance(scheme, attention, field, time + h / 2, h / 2, fine));
  PetscCall(TokensMostDistance(coarse, fine, error));
  *error /= 15;
  PetscFunctionReturn(0);
}

/* A layer without noise in substeps that adapt, NEIGHBOURS.md (16.6). The largest error of all tokens is the same
 * number on any ranks, so all take the same substeps. */
static PetscErrorCode Adapt(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  const PetscReal rounding = 1e-14, safety = 0.9, least = 0.2, most = 5;
  PetscReal done = 0, error;

  PetscFunctionBeginUser;
  while (done < dt) {
    const PetscReal left = dt - done, parts = scheme->substep > 0 ? PetscCeilReal(left / scheme->substep) : 1;
    const PetscReal h = left / parts, allowed = PetscMax(scheme->tol * h, rounding);

    PetscCall(Try(scheme, attention, field, scheme->time + done, h, tokens, &error));
    if (error <= allowed) {
      PetscCall(TokensCopy(scheme->trial[1], tokens));
      done = parts == 1 ? dt : done + h;
    }
    scheme->substep =
        h * (error > 0 ? PetscClipInterval(safety * PetscPowReal(allowed / error, 0.25), least, most) : most);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Step(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  PetscFunctionBeginUser;
  if (scheme->tol > 0)
    PetscCall(Adapt(scheme, attention, field, dt, tokens));
  else
    PetscCall(Advance(scheme, attention, field, scheme->time, dt, tokens));
  PetscFunctionReturn(0);
}

const SchemeType SchemeTypeFlow = {.name = "flow",
                                   .description = "dx/ds = P (Att(x) dt + dW(x)) over s in [0,1] by RK4, Stratonovich",
                                   .stages = 4,
                                   .works = 3,
                                   .inner = PETSC_TRUE,
                                   .joins = PETSC_TRUE,
                                   .step = Step};
