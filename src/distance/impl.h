/* What the distances share. */
#ifndef CHORALE_DISTANCE_IMPL_H
#define CHORALE_DISTANCE_IMPL_H

#include <chorale/tokens.h>

/* Refuses measures on different spheres or of different communicators. */
PetscErrorCode DistanceCheck(Tokens mu, Tokens nu);

#endif
