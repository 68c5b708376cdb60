#include <chorale/frames.h>

PetscErrorCode FramesCreate(PetscInt steps, PetscInt64 every, PetscReal horizon, FramesRounding rounding,
                            Frames *frames) {
  PetscFunctionBeginUser;
  frames->every = (PetscInt)PetscMin(every, steps);
  frames->count = steps / frames->every + 1 + (steps % frames->every != 0);
  PetscCall(PetscMalloc2(frames->count, &frames->step, frames->count, &frames->time));
  for (PetscInt f = 0; f < frames->count; f++) {
    const PetscInt64 step = PetscMin(steps, (PetscInt64)f * frames->every);
    frames->step[f] = step;
    frames->time[f] = rounding == FRAMES_SHARE ? horizon * ((PetscReal)step / (PetscReal)steps)
                                               : horizon * (PetscReal)step / (PetscReal)steps;
  }
  PetscFunctionReturn(0);
}

PetscErrorCode FramesCreateList(PetscInt count, const PetscInt64 step[], const PetscReal time[], Frames *frames) {
  PetscFunctionBeginUser;
  *frames = (Frames){.count = count};
  PetscCall(PetscMalloc2(count, &frames->step, count, &frames->time));
  for (PetscInt f = 0; f < count; f++) {
    frames->step[f] = step ? step[f] : f + 1;
    frames->time[f] = time ? time[f] : (PetscReal)(f + 1);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode FramesDestroy(Frames *frames) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree2(frames->step, frames->time));
  PetscFunctionReturn(0);
}

PetscInt FramesAt(const Frames *frames, PetscInt64 steps) {
  const PetscInt last = frames->count - 1;

  if (!frames->count) return -1;
  if (!frames->every) return steps >= 1 && steps <= frames->count ? (PetscInt)steps - 1 : -1;
  if (steps == frames->step[last]) return last;
  return steps < frames->step[last] && steps % frames->every == 0 ? (PetscInt)(steps / frames->every) : -1;
}
