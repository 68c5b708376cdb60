/* Private to the study analyze: what it measures of a frame beside the observables. */
#ifndef CHORALE_STUDY_ANALYZE_ANALYZE_H
#define CHORALE_STUDY_ANALYZE_ANALYZE_H

#include "study/studies.h"

enum { ANALYZE_QUANTITIES = 5 }; /* at most: w2sq, mmd2, w2sq_bounds, pair_hist, coordinate_hist */

typedef enum { DISTANCE_NONE, DISTANCE_FIRST, DISTANCE_PREVIOUS, DISTANCE_OTHER } AnalyzeReference;

typedef struct {
  AnalyzeReference reference;
  const char *transport; /* circle, auction or sliced */
  PetscReal tol;         /* of auction */
  PetscBool pairs, coordinates;
  PetscInt bins;
  PetscReal beta;
  PetscInt count; /* quantities that are asked for */
  Quantity quantity[ANALYZE_QUANTITIES];
  char text[2][256]; /* descriptions of the distances */
} AnalyzeMeasures;

/* The reference of the distances. Pure. */
AnalyzeReference AnalyzeGetReference(const AnalyzeOptions *options);
/* beta is that of MMD^2. Collective. */
PetscErrorCode AnalyzeMeasuresCreate(Tokens tokens, const AnalyzeOptions *options, PetscReal beta,
                                     AnalyzeMeasures *measures);
PetscErrorCode AnalyzeGuess(const AnalyzeMeasures *measures, Tokens tokens, StudyGuess *guess);
PetscErrorCode AnalyzeMeasuresView(const AnalyzeMeasures *measures, Tokens tokens, const EnsembleLayout *layout,
                                   PetscInt frames);
/* values, in the order of quantity[]; reference NULL: the distances are NaN. Collective on the tokens. */
PetscErrorCode AnalyzeMeasure(const AnalyzeMeasures *measures, Tokens tokens, Tokens reference, PetscReal values[]);

#endif
