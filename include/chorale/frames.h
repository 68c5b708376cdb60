/* The one clock of a realization: after which steps a frame is due, and at what time. */
#ifndef CHORALE_FRAMES_H
#define CHORALE_FRAMES_H

#include <petscsys.h>

typedef struct {
  PetscInt count;
  PetscInt every;   /* steps from one frame to the next; 0: frame f is due after f + 1 steps; or FRAMES_LOG */
  PetscInt64 *step; /* [count] */
  PetscReal *time;  /* [count] */
} Frames;

enum { FRAMES_LOG = -1 }; /* of every: frames are due after step[f] steps */

/* How the time of step l of L in [0,T] is rounded; files of either kind keep their bits. */
typedef enum { FRAMES_SHARE /* T (l/L) */, FRAMES_PRODUCT /* (T l)/L */ } FramesRounding;

/* Step 0, every so many steps, and the last. Or step 0 and so many others (log > 0; all if there are fewer), the last
 * one among them, as equally spaced in the logarithm of time as steps allow. */
PetscErrorCode FramesCreate(PetscInt steps, PetscInt64 every, PetscInt64 log, PetscReal horizon,
                            FramesRounding rounding, Frames *frames);
/* A frame after every step, with a number and a time of its own; both copied, NULL: the steps' own numbers. */
PetscErrorCode FramesCreateList(PetscInt count, const PetscInt64 step[], const PetscReal time[], Frames *frames);
PetscErrorCode FramesDestroy(Frames *frames);
/* The frame that is due after so many steps, -1 for none. Pure. */
PetscInt FramesAt(const Frames *frames, PetscInt64 steps);

#endif
