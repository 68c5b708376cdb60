/* What study spde found: means over all realizations, up to the time when the first of them outgrows its degrees. Those
 * that are left later are a choice: they concentrate late, and a mean over them jumps whenever one more is gone. */
#include <math.h>

#include "law/stats/interval.h"
#include "study/spde/spde.h"

static const char *const names[SPDE_NUMBERS] = {"mass", "min_density",   "energy", "distance", "entropy",
                                                "tail", "tokens_energy", "mmd",    "sobolev"};

/* Over all R, in order of realizations; NaN where one is missing. Returns how many there are. One value has no standard
 * error. */
static PetscInt Mean(PetscInt R, size_t stride, const PetscReal values[], PetscReal *mean, PetscReal *sem) {
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
  *sem = n > 1 && n == R ? PetscSqrtReal(square / ((PetscReal)n * (PetscReal)(n - 1))) : NAN;
  return n;
}

/* Single realizations of one number, NAME_realizations [frames][R]. */
static PetscErrorCode RecordSingle(PetscInt R, PetscInt frames, PetscInt number, const PetscReal all[],
                                   Findings findings) {
  const PetscInt64 shape[2] = {frames, R};
  PetscReal *values;
  char key[64];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(key, sizeof(key), "%s_realizations", names[number]));
  PetscCall(PetscMalloc1((size_t)frames * R, &values));
  for (PetscInt f = 0; f < frames; f++)
    for (PetscInt r = 0; r < R; r++) values[(size_t)f * R + r] = all[((size_t)r * frames + f) * SPDE_NUMBERS + number];
  PetscCall(FindingsArray(findings, key, 2, shape, values));
  PetscCall(PetscFree(values));
  PetscFunctionReturn(0);
}

/* The time of the last frame that all realizations have reached; the first is reached by all. */
static PetscReal LastTime(PetscInt R, PetscInt frames, const PetscReal time[], const PetscReal resolved[]) {
  PetscInt f = frames - 1;

  while (f > 0 && resolved[f] < (PetscReal)R) f--;
  return time[f];
}

/* Says when densities outgrew their degrees, and what that makes of the table. */
static PetscErrorCode PrintOutgrown(MPI_Comm comm, PetscInt R, PetscInt count, PetscInt first, PetscReal when,
                                    PetscReal until) {
  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(comm,
                        "the density has outgrown its degrees in %" PetscInt_FMT " of %" PetscInt_FMT
                        " realizations, first in realization %" PetscInt_FMT
                        " at t = %.4g: they are compared up to there (raise spde_degree to go on)\n",
                        count, R, first, (double)when));
  PetscCall(PetscPrintf(comm,
                        "means are over all realizations, up to t = %.4g; later there are none "
                        "(single realizations: /study/spde/NAME_realizations)\n",
                        (double)until));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReportOutgrown(MPI_Comm comm, PetscInt R, PetscInt frames, const PetscReal time[],
                                     const PetscReal resolved[], const PetscReal outgrown[], Findings findings) {
  const PetscInt64 shape[1] = {R};
  const PetscReal until = LastTime(R, frames, time, resolved);
  PetscInt count = 0, first = 0;

  PetscFunctionBeginUser;
  for (PetscInt r = 0; r < R; r++) {
    if (isnan(outgrown[r])) continue;
    if (!count || outgrown[r] < outgrown[first]) first = r;
    count++;
  }
  if (count && !FindingsArePartial(findings)) PetscCall(PrintOutgrown(comm, R, count, first, outgrown[first], until));
  PetscCall(FindingsScalar(findings, "means_until", until));
  PetscCall(FindingsScalar(findings, "outgrown_count", (PetscReal)count));
  PetscCall(FindingsScalar(findings, "outgrown_first", count ? outgrown[first] : NAN));
  PetscCall(FindingsArray(findings, "outgrown", 1, shape, outgrown));
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeReport(MPI_Comm comm, PetscInt dim, PetscInt R, PetscInt frames, const PetscReal time[],
                          const PetscReal all[], const PetscReal outgrown[], Findings findings) {
  const PetscInt64 shape[1] = {frames};
  PetscReal *mean, *sem, *resolved;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(SPDE_NUMBERS * frames, &mean, SPDE_NUMBERS * frames, &sem, frames, &resolved));
  for (PetscInt f = 0; f < frames; f++)
    for (PetscInt i = 0; i < SPDE_NUMBERS; i++)
      resolved[f] = (PetscReal)Mean(R, (size_t)frames * SPDE_NUMBERS, all + f * SPDE_NUMBERS + i, &mean[i * frames + f],
                                    &sem[i * frames + f]);
  for (PetscInt f = 0; f < frames; f++) {
    const PetscReal row[] = {time[f], mean[SPDE_MASS * frames + f], mean[SPDE_MINIMUM * frames + f],
                             mean[SPDE_ENERGY * frames + f], mean[SPDE_DISTANCE * frames + f]};
    PetscCall(FindingsRow(findings, row));
  }
  for (PetscInt i = 0; i < SPDE_NUMBERS; i++) {
    char key[64];
    if (i > SPDE_DISTANCE) PetscCall(FindingsArray(findings, names[i], 1, shape, mean + i * frames));
    PetscCall(PetscSNPrintf(key, sizeof(key), "%s_sem", names[i]));
    PetscCall(FindingsArray(findings, key, 1, shape, sem + i * frames));
  }
  PetscCall(FindingsArray(findings, "resolved", 1, shape, resolved));
  for (PetscInt i = 0; i < SPDE_NUMBERS; i++) PetscCall(RecordSingle(R, frames, i, all, findings));
  PetscCall(FindingsScalar(findings, "interval_factor", IntervalFactor(R)));
  PetscCall(FindingsText(findings, "distance_kind", dim == 2 ? "W2" : "MMD"));
  PetscCall(ReportOutgrown(comm, R, frames, time, resolved, outgrown, findings));
  PetscCall(PetscFree3(mean, sem, resolved));
  PetscFunctionReturn(0);
}
