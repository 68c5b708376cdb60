#include "study/studies.h"

PetscErrorCode StudyObjectsRead(StudyObjects *o) {
  PetscFunctionBeginUser;
  PetscCall(StartOptionsRead(&o->start));
  PetscCall(AttentionOptionsRead(&o->attention));
  PetscCall(NoiseOptionsRead(&o->noise));
  PetscCall(SchemeOptionsRead(&o->scheme));
  PetscCall(EnsembleOptionsRead(&o->ensemble));
  PetscFunctionReturn(0);
}

PetscErrorCode StudyGetSize(PetscInt64 *count, PetscInt64 *dim) {
  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("tokens_count", count));
  PetscCall(DeckGetInt("tokens_dim", dim));
  PetscFunctionReturn(0);
}

/* e^700 is near the end of double precision. */
#define BETA_MOST 700.0

PetscErrorCode StudyCheckBeta(void) {
  PetscReal beta;

  PetscFunctionBeginUser;
  PetscCall(DeckGetReal("attention_beta", &beta));
  PetscCheck(beta <= BETA_MOST, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "attention_beta = %.6g: must be at most %g in this study, whose numbers are in units of e^beta",
             (double)beta, BETA_MOST);
  PetscFunctionReturn(0);
}
