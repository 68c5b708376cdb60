/* The studies behind the registry of study.c. */
#ifndef CHORALE_STUDY_STUDIES_H
#define CHORALE_STUDY_STUDIES_H

#include <petscsys.h>

extern PetscErrorCode StudySimulate(void);
extern PetscErrorCode StudyKernel(void);

#endif
