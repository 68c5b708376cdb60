/* A study is one claim of the paper, run from a deck: simulate, kernel. */
#ifndef CHORALE_STUDY_H
#define CHORALE_STUDY_H

#include <chorale/deck.h>

typedef struct {
  const char *name;
  const char *summary;        /* one line for chorale --help */
  const OptionTable *options; /* what it reads */
  PetscErrorCode (*run)(void);
  PetscBool checkpoints; /* stops at one when a signal asks for it */
} Study;

/* How many layers a run has and which time they take. */
typedef struct {
  PetscInt64 depth;  /* L */
  PetscReal horizon; /* T */
} LayersOptions;
extern const OptionKey LayersKeys[];
/* layers_*. */
PetscErrorCode LayersOptionsRead(LayersOptions *options);

/* NULL when there is no such study. */
const Study *StudyFind(const char *name);
const Study *StudyGet(PetscInt i);
/* What the i-th study reads, for DeckUse. */
const OptionTable *StudyOptions(PetscInt i);

#endif
