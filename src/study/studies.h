/* The studies, and what several of them do. */
#ifndef CHORALE_STUDY_STUDIES_H
#define CHORALE_STUDY_STUDIES_H

#include <chorale/study.h>

extern const Study StudySimulate, StudyKernel, StudyLimits, StudyChaos, StudySync, StudySpde, StudyAnalyze;

/* A default of this study where the table's is another; the parameters in the results have it. Collective. */
extern PetscErrorCode StudyPrefer(const char *key, const char *value);
/* N and d of a file of initial tokens as defaults. Collective. */
extern PetscErrorCode StudyPreferFile(void);
/* N and d: from the deck, or from the file of initial tokens where the deck leaves them open. Collective. */
extern PetscErrorCode StudyGetSize(PetscInt64 *count, PetscInt64 *dim);
/* Refuses (user input) an attention_beta whose e^beta leaves double precision. Collective. */
extern PetscErrorCode StudyCheckBeta(void);

#endif
