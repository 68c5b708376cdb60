/* The flow of the frozen field for the Stratonovich form of the limit SDE, THEORY.md (3.2). */
#include "scheme/impl.h"

/* x' = X(1), dX/ds = P_X (Att(X) dt + dW(X)), X(0) = x, by the classical Runge-Kutta rule of order 4. A smooth path of
 * the noise is the Wong-Zakai way to Stratonovich's form, which is the Ito form of euler: the radial term is the whole
 * difference (k(1) is constant). As the flow of one vector field the step is a diffeomorphism of the sphere.
 *
 * A stage is taken back to the sphere before the fields are evaluated there: that is the rule for the field
 * s(X/|X|), smooth near the sphere and tangent to it, so the order stays 4. */
static PetscErrorCode Step(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  static const PetscReal node[4] = {0, 0.5, 0.5, 1}, weight[4] = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6};
  const Vec scratch = scheme->work[0], slope = scheme->work[1], sum = scheme->work[2];
  PetscBool zero;

  PetscFunctionBeginUser;
  for (int i = 0; i < 4; i++) {
    if (i > 0) {
      PetscCall(TokensCopy(tokens, scheme->inner));
      PetscCall(TokensMove(scheme->inner, node[i], slope));
    }
    PetscCall(SchemeSlope(attention, field, dt, i > 0 ? scheme->inner : tokens, scratch, slope, &zero));
    if (zero) PetscFunctionReturn(0);
    PetscCall(SchemeAccumulate(sum, i == 0 ? PETSC_TRUE : PETSC_FALSE, weight[i], slope));
  }
  PetscCall(TokensMove(tokens, 1, sum));
  PetscFunctionReturn(0);
}

const SchemeType SchemeTypeFlow = {.name = "flow",
                                   .description = "dx/ds = P (Att(x) dt + dW(x)) over s in [0,1] by RK4, Stratonovich",
                                   .stages = 4,
                                   .works = 3,
                                   .inner = PETSC_TRUE,
                                   .step = Step};
