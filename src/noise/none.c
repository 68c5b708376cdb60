/* No noise: G = 0. The smallest type there is, and so the template for a new one. */
#include "noise/impl.h"

static PetscErrorCode View(Noise noise, MPI_Comm comm) {
  PetscFunctionBeginUser;
  (void)noise;
  PetscCall(PetscPrintf(comm, "noise      none\n"));
  PetscFunctionReturn(0);
}

static PetscErrorCode Clear(Field field) {
  PetscFunctionBeginUser;
  (void)field;
  PetscFunctionReturn(0);
}

static PetscErrorCode Add(Field y, PetscReal scale, Field x) {
  PetscFunctionBeginUser;
  (void)y, (void)scale, (void)x;
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(Field field, Tokens tokens, Vec g) {
  PetscFunctionBeginUser;
  (void)field;
  (void)tokens;
  PetscCall(VecSet(g, 0));
  PetscFunctionReturn(0);
}

const NoiseType NoiseTypeNone = {.name = "none",
                                 .zero = PETSC_TRUE,
                                 .ball = PETSC_TRUE,
                                 .view = View,
                                 .field = {.clear = Clear, .add = Add, .evaluate = Evaluate}};
