/* The studies, and what several of them do. */
#ifndef CHORALE_STUDY_STUDIES_H
#define CHORALE_STUDY_STUDIES_H

#include "study/model.h"
#include "study/options.h"

extern const Study StudySimulate, StudyKernel, StudyLimits, StudyChaos, StudySync, StudySpde, StudyAnalyze, StudyMerge;

#endif
