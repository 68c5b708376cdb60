#include <chorale/deck.h>
#include <chorale/start.h>

#include "study/studies.h"

PetscErrorCode StudyPrefer(const char *key, const char *value) {
  char option[64];
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(DeckHas(key, &given));
  PetscCall(PetscSNPrintf(option, sizeof(option), "-%s", key));
  if (!given) PetscCall(PetscOptionsSetValue(NULL, option, value));
  PetscFunctionReturn(0);
}

PetscErrorCode StudyPreferFile(void) {
  char init[PETSC_MAX_PATH_LEN], text[32];
  PetscInt64 rows, columns;
  PetscBool file;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("tokens_init", init));
  PetscCall(PetscStrcmp(init, "file", &file));
  if (!file) PetscFunctionReturn(0);
  PetscCall(StartFileShape(PETSC_COMM_WORLD, &rows, &columns));
  PetscCall(PetscSNPrintf(text, sizeof(text), "%" PetscInt64_FMT, rows));
  PetscCall(StudyPrefer("tokens_count", text));
  PetscCall(PetscSNPrintf(text, sizeof(text), "%" PetscInt64_FMT, columns));
  PetscCall(StudyPrefer("tokens_dim", text));
  PetscFunctionReturn(0);
}

PetscErrorCode StudyGetSize(PetscInt64 *count, PetscInt64 *dim) {
  PetscFunctionBeginUser;
  PetscCall(StudyPreferFile());
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
