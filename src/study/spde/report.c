/* What study spde found: means over all realizations, up to the time when the first of them outgrows its degrees. Those
 * that are left later are a choice: they concentrate late, and a mean over them jumps whenever one more is gone. */
#include <math.h>

#include "law/stats/interval.h"
#include "study/spde/spde.h"

static const char *const names[SPDE_NUMBERS] = {"mass", "min_density",   "energy", "distance", "entropy",
                                                "tail", "tokens_energy", "mmd",    "sobolev"};

/* Over all realizations, in their order; NaN where one is missing. Returns how many there are. One value has no
 * standard error. Not by FitMoments, which is compiled to other roundings: files keep their bits. */
static PetscInt Mean(const Samples *samples, const PetscReal values[], PetscReal *mean, PetscReal *sem) {
  const PetscInt R = samples->realizations;
  const size_t stride = (size_t)samples->width;
  PetscReal sum = 0, square = 0;
  PetscInt n = 0;

  for (PetscInt r = 0; r < R; r++) {
    const PetscReal value = values[(size_t)r * stride];
    if (isnan(value)) continue;
    sum += value;
    n++;
  }
  *mean = n == R ? sum / (PetscReal)n : NAN;
  for (PetscInt r = 0; r < R; r++) {
    const PetscReal difference = values[(size_t)r * stride] - *mean;
    if (!isnan(difference)) square += difference * difference;
  }
  *sem = n == R ? FitError(n, square) : NAN;
  return n;
}

/* The time of the last frame that all realizations have reached; the first is reached by all. */
static PetscReal LastTime(const Samples *samples, const PetscReal resolved[]) {
  PetscInt f = samples->frames->count - 1;

  while (f > 0 && resolved[f] < (PetscReal)samples->realizations) f--;
  return samples->frames->time[f];
}

/* Says when densities outgrew their degrees, and what that makes of the table. */
static PetscErrorCode PrintOutgrown(PetscInt R, PetscInt count, PetscInt first, PetscReal when, PetscReal until,
                                    Results results) {
  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results,
                       "the density has outgrown its degrees in %" PetscInt_FMT " of %" PetscInt_FMT
                       " realizations, first in realization %" PetscInt_FMT
                       " at t = %.4g: they are compared up to there (raise spde_degree to go on)\n",
                       count, R, first, (double)when));
  PetscCall(ResultsSay(results,
                       "means are over all realizations, up to t = %.4g; later there are none "
                       "(single realizations: /study/spde/NAME_realizations)\n",
                       (double)until));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReportOutgrown(const Samples *samples, const PetscReal resolved[], Results results) {
  const PetscReal *outgrown = samples->all + samples->width - 1; /* the only number of a realization */
  const PetscReal until = LastTime(samples, resolved);
  const size_t width = (size_t)samples->width;
  PetscInt count = 0, first = 0;

  PetscFunctionBeginUser;
  for (PetscInt r = 0; r < samples->realizations; r++) {
    if (isnan(outgrown[(size_t)r * width])) continue;
    if (!count || outgrown[(size_t)r * width] < outgrown[(size_t)first * width]) first = r;
    count++;
  }
  const PetscReal when = count ? outgrown[(size_t)first * width] : NAN;
  if (count) PetscCall(PrintOutgrown(samples->realizations, count, first, when, until, results));
  PetscCall(ResultsScalar(results, "means_until", until));
  PetscCall(ResultsScalar(results, "outgrown_count", (PetscReal)count));
  PetscCall(ResultsScalar(results, "outgrown_first", when));
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeReport(PetscInt dim, const Samples *samples, Results results) {
  const PetscInt frames = samples->frames->count;
  const PetscInt64 shape[1] = {frames};
  PetscReal *mean, *sem, *resolved;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(SPDE_NUMBERS * frames, &mean, SPDE_NUMBERS * frames, &sem, frames, &resolved));
  for (PetscInt f = 0; f < frames; f++)
    for (PetscInt i = 0; i < SPDE_NUMBERS; i++)
      resolved[f] =
          (PetscReal)Mean(samples, samples->all + f * SPDE_NUMBERS + i, &mean[i * frames + f], &sem[i * frames + f]);
  for (PetscInt f = 0; f < frames; f++) {
    const PetscReal row[] = {samples->frames->time[f], mean[SPDE_MASS * frames + f], mean[SPDE_MINIMUM * frames + f],
                             mean[SPDE_ENERGY * frames + f], mean[SPDE_DISTANCE * frames + f]};
    PetscCall(ResultsRow(results, row));
  }
  for (PetscInt i = 0; i < SPDE_NUMBERS; i++) {
    char key[64];
    if (i > SPDE_DISTANCE) PetscCall(ResultsArray(results, names[i], 1, shape, mean + i * frames));
    PetscCall(PetscSNPrintf(key, sizeof(key), "%s_sem", names[i]));
    PetscCall(ResultsArray(results, key, 1, shape, sem + i * frames));
  }
  PetscCall(ResultsArray(results, "resolved", 1, shape, resolved));
  PetscCall(ResultsText(results, "distance_kind", dim == 2 ? "W2" : "MMD"));
  PetscCall(ReportOutgrown(samples, resolved, results));
  PetscCall(PetscFree3(mean, sem, resolved));
  PetscFunctionReturn(0);
}
