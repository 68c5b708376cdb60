/* ensemble_control: means at the last frame from realizations without the part of their noise that is linear,
 * NUMERICS.md 9.11. Each realization keeps sums of mean zero, which a scheme that is watched adds up on the way. */
#ifndef CHORALE_RUN_CONTROL_H
#define CHORALE_RUN_CONTROL_H

#include <chorale/results.h>
#include <chorale/start.h>

typedef struct {
  const char *type; /* name */
} ControlOptions;
extern const OptionKey ControlKeys[];

typedef struct _p_Control *Control;

/* NULL unless the deck asks for it; results keep the sums of realizations that start so, of so many steps of size dt.
 * Refuses (user input) too many dimensions. What follows does nothing with NULL. Collective. */
PetscErrorCode ControlCreate(Results results, const StartOptions *start, PetscInt steps, PetscReal dt,
                             Control *control);
PetscErrorCode ControlDestroy(Control *control);
/* What is added up, on stdout of rank 0 of comm. */
PetscErrorCode ControlView(Control control, MPI_Comm comm);
/* The sums of a realization, which stay the caller's, at its start, where |m| is its order. */
PetscErrorCode ControlBegin(Control control, PetscReal order, PetscReal sums[]);
/* They are those of step l, which comes next. */
PetscErrorCode ControlSetStep(Control control, PetscInt l, PetscReal sums[]);
/* Adds the noise at the tokens, before it moves them: a SchemeWatcher. Collective on the tokens' communicator. */
PetscErrorCode ControlWatch(void *control, Tokens tokens, Vec noise);

/* How many sums the realizations of these results have, and where they begin in the tail; 0 for none. Pure. */
PetscInt ControlFind(Results results, PetscInt *first);
/* The numbers x[R] of realizations less what their sums explain, sums[R][count]. Pure. */
PetscErrorCode ControlCorrect(PetscInt R, PetscInt count, const PetscReal sums[], PetscReal x[]);
/* Means at the last frame and what was saved. */
PetscErrorCode ControlReport(Control control, const Samples *samples, Results results);

#endif
