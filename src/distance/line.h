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
/* All atoms of a line on every rank. Collective. */
PetscErrorCode LineGather(Line *line);

/* Two measures, nu the one with fewer atoms. The plan with shift a joins the quantile s of mu with the quantile s + a
 * of nu; beyond its ends nu goes on periodically, with the period LINE_LAP in place and LINE_ONE in mass. */
typedef struct {
  Line mu, nu;
  Line seen;       /* the atoms of nu that this rank's quantiles of mu meet, and the next, on and on beyond its ends */
  PetscBool whole; /* seen is all of nu, once */
  PetscInt64 low, high; /* shifts that seen is good for */
  PetscInt64 *ends;     /* [size][2]: quantiles of mu on each rank */
} LinePair;

/* The lines are the pair's from now on. Collective, as all below. */
PetscErrorCode LinePairCreate(Line *mu, Line *nu, LinePair *pair);
PetscErrorCode LinePairDestroy(LinePair *pair);
/* Fetches what the plans with this shift and some around it need. */
PetscErrorCode LinePairSee(LinePair *pair, PetscInt64 shift);

/* Cost of the plan, sum of mass (unit D)^2 over its displacements D, and, unless NULL, of its chords on the circle of
 * radius 1, sum of mass (2 sin(unit D / 2))^2. Both must be below 16. */
PetscErrorCode LineCost(LinePair *pair, PetscInt64 shift, PetscReal unit, PetscReal *square, PetscReal *chord);
/* The shift with the least cost. */
PetscErrorCode LineBestShift(LinePair *pair, PetscInt64 *shift);
/* On the circle, from a shift near it, often that itself: one at which the cost of chords has a local minimum among the
 * shifts; *found false when there is none within a quarter of the mass. */
PetscErrorCode LineChordShift(LinePair *pair, PetscInt64 *shift, PetscBool *found);
/* Of the plan, in units: the largest displacement `widest` = max |D|, and `turn`, the integral over the circle of
 * sin |D(x)| (of the larger of both ends in gaps of mu), infinite where |D| reaches a quarter turn. */
PetscErrorCode LineExtent(LinePair *pair, PetscInt64 shift, PetscReal unit, PetscReal *widest, PetscReal *turn);
/* The atom of nu that the plan joins with the quantiles of mu from 0 on; the pair is to see the whole of nu. */
PetscInt64 LineFirst(const LinePair *pair, PetscInt64 shift);

/* The first atom from i on whose quantiles reach s: the caller knows that there is one. Near i it takes few steps. */
PetscInt64 LineSeek(const Line *line, PetscInt64 i, PetscInt64 s);
/* The end of the piece's quantiles. */
static inline PetscInt64 LineEnd(const Line *line) {
  return line->n ? line->atoms[line->n - 1].mass : line->begin;
}

#endif
