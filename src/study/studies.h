/* The studies, and what several of them do. */
#ifndef CHORALE_STUDY_STUDIES_H
#define CHORALE_STUDY_STUDIES_H

#include "study/options.h"

/* All studies: NAME stands for the StudyNAME of its file. */
#define STUDIES(STUDY)                                                                                                 \
  STUDY(Simulate), STUDY(Kernel), STUDY(Limits), STUDY(Chaos), STUDY(Sync), STUDY(Spde), STUDY(Analyze), STUDY(Merge)
#define STUDY_NAME(name) Study##name
extern const Study STUDIES(STUDY_NAME);

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
