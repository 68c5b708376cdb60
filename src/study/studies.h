/* The studies, and what several of them do. */
#ifndef CHORALE_STUDY_STUDIES_H
#define CHORALE_STUDY_STUDIES_H

#include "study/model.h"
#include "study/options.h"

/* All studies: NAME stands for the StudyNAME of its file. */
#define STUDIES(STUDY)                                                                                                 \
  STUDY(Simulate), STUDY(Kernel), STUDY(Limits), STUDY(Chaos), STUDY(Sync), STUDY(Spde), STUDY(Analyze), STUDY(Merge)
#define STUDY_NAME(name) Study##name
extern const Study STUDIES(STUDY_NAME);

#endif
