/* Measures on a line or a circle as sorted atoms, and their monotone coupling.
 *
 * Places and masses are 64-bit integers: sums of masses are exact in any order, so the cumulative function of a
 * measure, the coupling and the best cut of the circle do not depend on the number of ranks. */
#ifndef CHORALE_DISTANCE_LINE_H
#define CHORALE_DISTANCE_LINE_H

#include <chorale/tokens.h>

#define LINE_LAP ((PetscInt64)1 << 60) /* places are in [0, LINE_LAP), which is once around on a circle */
#define LINE_ONE ((PetscInt64)1 << 60) /* the mass of a measure */

typedef struct {
  PetscInt64 place;
  PetscInt64 mass; /* of the atom or, in a Line, of everything up to and with the atom: the end of its quantiles */
} Atom;

/* A piece of the sorted atoms: those with the quantiles (begin, atoms[n-1].mass]. */
typedef struct {
  MPI_Comm comm;
  PetscInt64 count; /* atoms over all ranks */
  PetscInt64 n;     /* of this piece, may be 0 */
  PetscInt64 begin;
  Atom *atoms;
} Line;

/* The measure whose atoms are at places[t] for the tokens of this rank, in the order of blocks without padding. Atoms
 * with no mass are left out; equal places stay in the order of tokens. Each rank gets about the same number of atoms.
 * Collective. */
PetscErrorCode LineCreate(Tokens tokens, const PetscInt64 *places, Line *line);
PetscErrorCode LineDestroy(Line *line);
/* Makes nu the one with fewer atoms, by exchanging the two, and puts all of it on every rank. Collective. */
PetscErrorCode LineMeet(Line *mu, Line *nu);

/* The functions below need LineMeet(mu, nu) before. The plan with shift a joins the quantile s of mu with the quantile
 * s + a of nu; beyond its ends nu goes on periodically, with the period LINE_LAP in place and LINE_ONE in mass. */

/* Cost of the plan, sum of mass (unit D)^2 over its displacements D, and, unless NULL, of its chords on the circle of
 * radius 1, sum of mass (2 sin(unit D / 2))^2. Both must be below 16. Collective. */
PetscErrorCode LineCost(const Line *mu, const Line *nu, PetscInt64 shift, PetscReal unit, PetscReal *square,
                        PetscReal *chord);
/* The shift with the least cost. Collective. */
PetscErrorCode LineBestShift(const Line *mu, const Line *nu, PetscInt64 *shift);

#endif
