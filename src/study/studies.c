/* The registry of studies: a new one is a word in STUDIES. */
#include "study/studies.h"

#include <string.h>

#define ADDRESS(name) &STUDY_NAME(name)
static const Study *const registry[] = {STUDIES(ADDRESS)};

const Study *StudyGet(PetscInt i) {
  return i >= 0 && i < (PetscInt)(sizeof(registry) / sizeof(registry[0])) ? registry[i] : NULL;
}

const Study *StudyFind(const char *name) {
  const Study *study;

  for (PetscInt i = 0; (study = StudyGet(i)); i++)
    if (!strcmp(study->name, name)) return study;
  return NULL;
}

const OptionTable *StudyOptions(PetscInt i) {
  const Study *study = StudyGet(i);

  return study ? study->options : NULL;
}
