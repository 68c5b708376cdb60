/* The studies behind the registry of study.c. */
#ifndef CHORALE_STUDY_STUDIES_H
#define CHORALE_STUDY_STUDIES_H

#include "study/options.h"

extern PetscErrorCode StudySimulate(void);
extern PetscErrorCode StudyKernel(void);
extern PetscErrorCode StudyLimits(void);
extern PetscErrorCode StudySpde(void);
extern PetscErrorCode StudyChaos(void);
extern PetscErrorCode StudySync(void);
extern PetscErrorCode StudyAnalyze(void);

/* The options of the objects that most studies are made of. Collective. */
typedef struct {
  StartOptions start;
  AttentionOptions attention;
  NoiseOptions noise;
  SchemeOptions scheme;
  EnsembleOptions ensemble;
} StudyObjects;
extern PetscErrorCode StudyObjectsRead(StudyObjects *objects);
/* N and d: from the deck, or from the file of initial tokens where the deck leaves them open. Collective. */
extern PetscErrorCode StudyGetSize(PetscInt64 *count, PetscInt64 *dim);
/* Refuses (user input) an attention_beta whose e^beta leaves double precision. Collective. */
extern PetscErrorCode StudyCheckBeta(void);

#endif
