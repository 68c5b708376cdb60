/* What study spde found: means over all realizations, up to the time when the first of them outgrows its degrees. Those
 * that are left later are a choice: they concentrate late, and a mean over them jumps whenever one more is gone. */
#include <math.h>

#include "study/report.h"
#include "study/spde/spde.h"

static const char *const names[SPDE_NUMBERS] = {"mass", "min_density",   "energy", "distance", "entropy",
                                                "tail", "tokens_energy", "mmd",    "sobolev",  "distance_low"};

/* When densities became too sharp for the spectral resolution, and what that makes of the table: means end with the
 * last frame that all realizations have reached; the first is reached by all. */
static PetscErrorCode ReportOutgrown(const Samples *samples, const PetscReal resolved[], Results results) {
  const PetscReal *outgrown = samples->all + samples->width - 1; /* the only number of a realization */
  const PetscInt R = samples->realizations;
  PetscInt last = samples->frames->count - 1, count = 0, first = 0;
  PetscReal when = NAN;

  PetscFunctionBeginUser;
  while (last > 0 && resolved[last] < (PetscReal)R) last--;
  const PetscReal until = samples->frames->time[last];
  for (PetscInt r = 0; r < R; r++) {
    const PetscReal time = outgrown[(size_t)r * (size_t)samples->width];
    if (isnan(time)) continue;
    if (!count || time < when) {
      first = r;
      when = time;
    }
    count++;
  }
  if (count) {
    PetscCall(ResultsSay(results,
                         "the density has become too sharp for the spectral resolution in %" PetscInt_FMT
                         " of %" PetscInt_FMT " realizations, first in realization %" PetscInt_FMT
                         " at t = %.4g: they are compared up to there (raise spde_degree to go on)\n",
                         count, R, first, (double)when));
    PetscCall(ResultsSay(results,
                         "means are over all realizations, up to t = %.4g; later there are none "
                         "(single realizations: /study/spde/NAME_realizations)\n",
                         (double)until));
  }
  PetscCall(ResultsScalar(results, "means_until", until));
  PetscCall(ResultsScalar(results, "outgrown_count", (PetscReal)count));
  PetscCall(ResultsScalar(results, "outgrown_first", when));
  PetscFunctionReturn(0);
}

PetscErrorCode SpdeReport(PetscInt dim, const Samples *samples, Results results) {
  const PetscInt frames = samples->frames->count, R = samples->realizations, width = samples->width;
  PetscReal *mean, *sem, *resolved;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(width, &mean, width, &sem));
  PetscCall(PetscCalloc1(frames, &resolved));
  FitMean(R, width, samples->all, mean, sem);
  for (PetscInt f = 0; f < frames; f++) {
    const PetscReal *now = mean + f * SPDE_NUMBERS;
    const PetscReal row[] = {samples->frames->time[f], now[SPDE_MASS], now[SPDE_MINIMUM], now[SPDE_ENERGY],
                             now[SPDE_DISTANCE]};
    PetscCall(ResultsRow(results, row));
    for (PetscInt r = 0; r < R; r++)
      resolved[f] += !isnan(samples->all[(size_t)r * (size_t)width + (size_t)(f * SPDE_NUMBERS)]);
  }
  for (PetscInt i = 0; i < SPDE_NUMBERS; i++) {
    if (i > SPDE_DISTANCE) PetscCall(ReportColumn(results, names[i], "", frames, SPDE_NUMBERS, mean + i));
    PetscCall(ReportColumn(results, names[i], "_sem", frames, SPDE_NUMBERS, sem + i));
  }
  PetscCall(ResultsArray(results, "resolved", 1, (PetscInt64[]){frames}, resolved));
  PetscCall(ResultsText(results, "distance_kind", dim == 2 ? "W2" : "MMD"));
  PetscCall(ReportOutgrown(samples, resolved, results));
  PetscCall(PetscFree2(mean, sem));
  PetscCall(PetscFree(resolved));
  PetscFunctionReturn(0);
}
