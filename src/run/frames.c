#include <chorale/frames.h>

/* The step of the next frame, of `left` that are to come: what is left of the logarithm is shared out evenly, or there
 * is a frame after every step until that is possible. The last is step `steps`. */
static PetscInt64 NextLog(PetscInt64 before, PetscInt64 steps, PetscInt left) {
  const PetscReal from = (PetscReal)PetscMax(before, 1),
                  next = from * PetscPowReal((PetscReal)steps / from, 1.0 / left);

  if (left == 1) return steps;
  return before ? PetscMax(before + 1, (PetscInt64)(next + 0.5)) : 1;
}

PetscErrorCode FramesCreate(PetscInt steps, PetscInt64 every, PetscInt64 log, PetscReal horizon,
                            FramesRounding rounding, Frames *frames) {
  PetscFunctionBeginUser;
  frames->every = log ? FRAMES_LOG : (PetscInt)PetscMin(every, steps);
  frames->count = log ? (PetscInt)PetscMin(log, steps) + 1 : steps / frames->every + 1 + (steps % frames->every != 0);
  PetscCall(PetscMalloc2(frames->count, &frames->step, frames->count, &frames->time));
  for (PetscInt f = 0; f < frames->count; f++) {
    PetscInt64 step = log && f ? NextLog(frames->step[f - 1], steps, frames->count - f) : 0;

    if (!log) step = PetscMin(steps, (PetscInt64)f * frames->every);
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

/* By halving. */
static PetscInt Find(const Frames *frames, PetscInt64 steps) {
  PetscInt low = 0, high = frames->count - 1;

  while (low < high) {
    const PetscInt middle = (low + high) / 2;

    if (frames->step[middle] < steps)
      low = middle + 1;
    else
      high = middle;
  }
  return frames->step[low] == steps ? low : -1;
}

PetscInt FramesAt(const Frames *frames, PetscInt64 steps) {
  const PetscInt last = frames->count - 1;

  if (!frames->count) return -1;
  if (!frames->every) return steps >= 1 && steps <= frames->count ? (PetscInt)steps - 1 : -1;
  if (frames->every == FRAMES_LOG) return Find(frames, steps);
  if (steps == frames->step[last]) return last;
  return steps < frames->step[last] && steps % frames->every == 0 ? (PetscInt)(steps / frames->every) : -1;
}
