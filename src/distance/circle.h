/* What the two distances on the circle share. */
#ifndef CHORALE_DISTANCE_CIRCLE_H
#define CHORALE_DISTANCE_CIRCLE_H

#include "distance/line.h"

/* The measures as lines of angles that have met, a the one of more atoms, and the best shift for angles squared. User
 * input error unless d = 2. Collective. */
PetscErrorCode CircleLines(Tokens mu, Tokens nu, LinePair *pair, PetscInt64 *shift);

#endif
