/* A study is one claim of the paper, run from a deck: simulate, kernel. */
#ifndef CHORALE_STUDY_H
#define CHORALE_STUDY_H

#include <petscsys.h>

typedef struct {
  const char *name;
  const char *summary; /* one line for chorale --help */
  PetscErrorCode (*run)(void);
  PetscBool checkpoints; /* stops at one when a signal asks for it */
} Study;

/* NULL when there is no such study. */
const Study *StudyFind(const char *name);
const Study *StudyGet(PetscInt i);

#endif
