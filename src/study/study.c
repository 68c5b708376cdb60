#include <chorale/study.h>

#include "study/studies.h"

#include <string.h>

static const Study registry[] = {
    {"simulate", "the transformer: tokens through L random layers, an ensemble of realizations", StudySimulate},
    {"kernel", "the theory: covariance kernel, Lyapunov exponent and rates of an activation", StudyKernel},
};

const Study *StudyGet(PetscInt i) {
  return i >= 0 && i < (PetscInt)(sizeof(registry) / sizeof(registry[0])) ? &registry[i] : NULL;
}

const Study *StudyFind(const char *name) {
  const Study *study;
  for (PetscInt i = 0; (study = StudyGet(i)); i++) {
    if (!strcmp(study->name, name)) return study;
  }
  return NULL;
}
