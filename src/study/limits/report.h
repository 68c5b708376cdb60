/* What the parts of the report of study limits share. */
#ifndef CHORALE_STUDY_LIMITS_REPORT_H
#define CHORALE_STUDY_LIMITS_REPORT_H

#include "study/limits/limits.h"

/* Where in the lists are infinite width (-1: nowhere), the largest depth and number of tokens? */
typedef struct {
  const LimitsGrid *grid;
  PetscInt infinite, deepest, largest;
} LimitsPlan;

/* logarithm.c: errors over all times and over layer times, [R][cells] of samples that are this wide. Two depths or
 * more, and infinite width. */
PetscErrorCode LimitsReportLogarithm(const LimitsPlan *plan, const Samples *all, const Samples *layers,
                                     Results results);

#endif
