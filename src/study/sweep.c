#include "study/sweep.h"

#include <chorale/deck.h>
#include <stdio.h>
#include <stdlib.h>

/* Realizations that do not go evenly into the groups go to those next to each other, starting where there is least. */
static PetscInt LeastLoaded(PetscInt groups, const PetscReal load[], PetscInt count) {
  PetscReal sum = 0, least;
  PetscInt best = 0;

  for (PetscInt g = 0; g < count; g++) sum += load[g];
  least = sum;
  for (PetscInt g = 1; g < groups; g++) {
    sum += load[(g + count - 1) % groups] - load[g - 1];
    if (sum < least) least = sum, best = g;
  }
  return best;
}

PetscErrorCode SweepShare(PetscInt n, const PetscReal work[], PetscInt realizations, PetscInt groups, PetscInt order[],
                          PetscInt first[]) {
  const PetscInt rest = realizations % groups;
  PetscReal *load;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < n; i++) { /* by insertion: equal work stays in its order */
    PetscInt at = i;
    for (; at > 0 && work[order[at - 1]] < work[i]; at--) order[at] = order[at - 1];
    order[at] = i;
  }
  PetscCall(PetscCalloc1(groups, &load)); /* beside what all groups have alike */
  for (PetscInt i = 0; i < n; i++) {
    const PetscInt cell = order[i];
    first[cell] = rest ? LeastLoaded(groups, load, rest) : 0;
    for (PetscInt r = 0; r < rest; r++) load[(first[cell] + r) % groups] += work[cell];
  }
  PetscCall(PetscFree(load));
  PetscFunctionReturn(0);
}

/* A value as people write it. */
static const char *Short(const char *value, PetscBool numeric, size_t room, char text[]) {
  if (numeric)
    (void)snprintf(text, room, "%.6g", strtod(value, NULL));
  else
    (void)snprintf(text, room, "%s", value);
  return text;
}

PetscErrorCode SweepView(PetscInt together, PetscInt cell) {
  const char *const *values, *key;
  char first[32], last[32];
  PetscInt n;
  PetscBool numeric;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(PETSC_COMM_WORLD,
                        "sweep      %" PetscInt_FMT " cells, whose realizations are shared out:", DeckCells()));
  for (PetscInt i = 0; (key = DeckAxis(i, &n, &values, &numeric)); i++)
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s\n           %s, %" PetscInt_FMT " values from %s to %s", i ? ";" : "",
                          key, n, Short(values[0], numeric, sizeof(first), first),
                          Short(values[n - 1], numeric, sizeof(last), last)));
  if (together > 1)
    PetscCall(PetscPrintf(PETSC_COMM_WORLD,
                          "\n           a layer is drawn once for up to %" PetscInt_FMT
                          " cells, which go through the layers together;",
                          together));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "\n           what follows is of a cell with the most work:"));
  for (PetscInt i = 0; (key = DeckAxis(i, &n, &values, &numeric)); i++)
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s %s %s", i ? "," : "", key,
                          Short(values[DeckAxisIndex(i, cell)], numeric, sizeof(first), first)));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, ";\n           memory is that of one cell, all of which are held\n"));
  PetscFunctionReturn(0);
}
