#include "distance/lots.h"

PetscErrorCode LotsCreate(Lots *lots) {
  PetscFunctionBeginUser;
  *lots = (Lots){.unused = LOTS_NONE};
  PetscFunctionReturn(0);
}

PetscErrorCode LotsDestroy(Lots *lots) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(lots->lot));
  PetscFunctionReturn(0);
}

static inline PetscBool Before(const Lot *a, const Lot *b) {
  return a->price < b->price || (a->price == b->price && a->person < b->person) ? PETSC_TRUE : PETSC_FALSE;
}

static inline PetscInt Rank(const Lots *lots, PetscInt k) {
  return k < 0 ? 0 : lots->lot[k].rank;
}

/* Along right children, of which there are log2 of the number of lots at most. */
static PetscInt Merge(Lots *lots, PetscInt a, PetscInt b) {
  if (a < 0) return b;
  if (b < 0) return a;
  const PetscInt top = Before(&lots->lot[b], &lots->lot[a]) ? b : a, other = top == a ? b : a;
  Lot *lot = &lots->lot[top];
  const PetscInt merged = Merge(lots, lot->right, other);
  const PetscBool swap = Rank(lots, lot->left) < Rank(lots, merged) ? PETSC_TRUE : PETSC_FALSE;

  lot->right = swap ? lot->left : merged;
  lot->left = swap ? merged : lot->left;
  lot->rank = Rank(lots, lot->right) + 1;
  return top;
}

PetscErrorCode LotsPush(Lots *lots, double price, PetscInt64 mass, PetscInt person, PetscInt *top) {
  PetscInt k = lots->unused;

  PetscFunctionBeginUser;
  if (k >= 0)
    lots->unused = lots->lot[k].left;
  else {
    if (lots->n == lots->size) {
      lots->size = PetscMax(1024, 2 * lots->size);
      PetscCall(PetscRealloc((size_t)lots->size * sizeof(Lot), &lots->lot));
    }
    k = lots->n++;
  }
  lots->lot[k] = (Lot){price, mass, person, LOTS_NONE, LOTS_NONE, 1};
  *top = Merge(lots, *top, k);
  PetscFunctionReturn(0);
}

void LotsPop(Lots *lots, PetscInt *top) {
  const PetscInt k = *top;

  *top = Merge(lots, lots->lot[k].left, lots->lot[k].right);
  lots->lot[k].left = lots->unused;
  lots->unused = k;
}
