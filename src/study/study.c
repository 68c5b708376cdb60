#include <chorale/study.h>

#include "study/studies.h"

#include <string.h>

static const Study registry[] = {
    {"simulate", "the transformer: tokens through L random layers, an ensemble of realizations", StudySimulate},
    {"kernel", "the theory: covariance kernel, Lyapunov exponent and rates of an activation", StudyKernel},
    {"limits", "the theorem on depth and width: transformers against the limit SDE on one Brownian path", StudyLimits},
    {"chaos", "propagation of chaos: empirical measures of N tokens against the mean-field limit", StudyChaos},
    {"sync", "synchronization by noise: energy, Lyapunov exponent and clusters beside the theorem", StudySync},
    {"spde", "the limit of infinitely many tokens: the density of the SPDE beside coupled tokens", StudySpde},
    {"analyze", "recorded trajectories: observables, distances and histograms of their frames", StudyAnalyze},
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
