/* What the objects of an auction have sold: lots of mass, each at a price to one person. The lots of an object are a
 * leftist heap, so that the cheapest is found at once; free ones before others of the same price. */
#ifndef CHORALE_DISTANCE_LOTS_H
#define CHORALE_DISTANCE_LOTS_H

#include <petscsys.h>

#define LOTS_NONE  (-1) /* no lot, no person */
#define LOTS_STACK 128  /* most lots that wait in a walk from the top, the right ones first */

typedef struct {
  double price;
  PetscInt64 mass; /* 0: an empty lot, which its heap still holds */
  PetscInt person; /* LOTS_NONE: free */
  PetscInt left, right, rank;
} Lot;

typedef struct {
  PetscInt n, size, unused; /* lots in use or not, room, the first that is not in use */
  Lot *lot;
} Lots;

PetscErrorCode LotsCreate(Lots *lots);
PetscErrorCode LotsDestroy(Lots *lots);
/* Adds a lot to the heap *top. */
PetscErrorCode LotsPush(Lots *lots, double price, PetscInt64 mass, PetscInt person, PetscInt *top);
/* Takes the cheapest lot off the heap *top. */
void LotsPop(Lots *lots, PetscInt *top);

#endif
