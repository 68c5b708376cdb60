#include <chorale/deck.h>
#include <chorale/start.h>

#include "study/studies.h"

PetscErrorCode StudyGetSize(PetscInt64 *count, PetscInt64 *dim) {
  char init[PETSC_MAX_PATH_LEN];
  PetscBool file, given;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("tokens_count", count));
  PetscCall(DeckGetInt("tokens_dim", dim));
  PetscCall(DeckGetString("tokens_init", init));
  PetscCall(PetscStrcmp(init, "file", &file));
  if (file) {
    PetscInt64 rows, columns;

    PetscCall(StartFileShape(PETSC_COMM_WORLD, &rows, &columns));
    PetscCall(DeckHas("tokens_count", &given));
    if (!given) *count = rows;
    PetscCall(DeckHas("tokens_dim", &given));
    if (!given) *dim = columns;
  }
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
