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
