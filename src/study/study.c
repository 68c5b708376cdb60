#include <chorale/study.h>

#include "study/options.h"
#include "study/studies.h"

#include <string.h>

static const Study registry[] = {
    {"simulate", "the transformer: tokens through L random layers, an ensemble of realizations", &SimulateTable,
     StudySimulate, PETSC_TRUE},
    {"kernel", "the theory: covariance kernel, Lyapunov exponent and rates of an activation", &KernelTable, StudyKernel,
     PETSC_FALSE},
    {"limits", "the theorem on depth and width: transformers against the limit SDE on one Brownian path", &LimitsTable,
     StudyLimits, PETSC_TRUE},
    {"chaos", "propagation of chaos: empirical measures of N tokens against the mean-field limit", &ChaosTable,
     StudyChaos, PETSC_TRUE},
    {"sync", "synchronization by noise: energy, Lyapunov exponent and clusters beside the theorem", &SyncTable,
     StudySync, PETSC_TRUE},
    {"spde", "the limit of infinitely many tokens: the density of the SPDE beside coupled tokens", &SpdeTable,
     StudySpde, PETSC_TRUE},
    {"analyze", "recorded trajectories: observables, distances and histograms of their frames", &AnalyzeTable,
     StudyAnalyze, PETSC_FALSE},
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

const OptionTable *StudyOptions(PetscInt i) {
  const Study *study = StudyGet(i);
  return study ? study->options : NULL;
}
