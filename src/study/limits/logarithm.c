/* Is there a logarithm? Laws of the error in L at infinite width: a/L, a (log L)/L, (a log L + b)/L. */
#include <math.h>

#include "law/stats/interval.h"
#include "law/stats/misfit.h"
#include "study/limits/report.h"
#include "study/report.h"

enum { PLAIN, LOG, BOTH, LAWS };

/* The columns of a law at depth L. */
static PetscInt Law(int law, PetscReal L, PetscReal columns[2]) {
  columns[0] = (law == PLAIN ? 1 : PetscLogReal(L)) / L;
  columns[1] = 1 / L;
  return law == BOTH ? 2 : 1;
}

typedef struct {
  PetscInt n;
  PetscReal L[LIMITS_LIST];
} Depths;

/* error ~ (a log L + b)/L, each relative to its size. */
static PetscErrorCode Fit(PetscInt n, const PetscReal mean[], void *context, PetscReal values[]) {
  const Depths *depths = context;
  PetscReal a[2 * LIMITS_LIST], weight[LIMITS_LIST];

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < n; j++) {
    (void)Law(BOTH, depths->L[j], a + 2 * j);
    weight[j] = 1 / PetscSqr(mean[j]);
  }
  PetscCall(FitLinear(n, 2, a, mean, weight, values, NULL));
  PetscFunctionReturn(0);
}

/* What the errors [R][n] of one kind of supremum say of the laws. */
static PetscErrorCode Measure(const Depths *depths, PetscInt R, const PetscReal errors[], FitValue fit[2],
                              Misfit misfits[LAWS]) {
  PetscReal a[2 * LIMITS_LIST], columns[2];

  PetscFunctionBeginUser;
  PetscCall(IntervalOfStatistic(R, depths->n, errors, 2, Fit, (void *)depths, fit));
  for (int law = 0; law < LAWS; law++) {
    PetscInt p = 0;
    for (PetscInt j = 0; j < depths->n; j++) {
      p = Law(law, depths->L[j], columns);
      for (PetscInt k = 0; k < p; k++) a[j * p + k] = columns[k];
    }
    PetscCall(MisfitMeasure(R, depths->n, errors, p, a, &misfits[law]));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Say(const char *times, const FitValue fit[2], const Misfit misfits[LAWS], Results results) {
  static const char *const names[] = {"a/L", "a (log L)/L", "(a log L + b)/L"};

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "%s: error = (a log L + b)/L", times));
  PetscCall(ReportValue(" with a =", fit[0], results));
  PetscCall(ReportValue(", b =", fit[1], results));
  for (int law = 0; law < LAWS; law++) {
    PetscCall(ResultsSay(results, "%s%s", law ? "; " : "\n  misfit of ", names[law]));
    if (isnan(misfits[law].chance))
      PetscCall(ResultsSay(results, " not known"));
    else
      PetscCall(
          ResultsSay(results, " %.3g%s", (double)misfits[law].misfit, MisfitRefused(misfits[law]) ? ", refused" : ""));
  }
  PetscCall(ResultsSay(results, "\n"));
  PetscFunctionReturn(0);
}

/* Is a > 0 with a/L refused, and the law with both left? */
static const char *Verdict(FitValue a, const Misfit misfits[LAWS]) {
  if (MisfitRefused(misfits[BOTH])) return "no law of these";
  return MisfitRefused(misfits[PLAIN]) && a.low > 0 ? "resolved" : "not resolved";
}

PetscErrorCode LimitsReportLogarithm(const LimitsPlan *plan, const Samples *all, const Samples *layers,
                                     Results results) {
  static const char *const times[] = {"all times", "layer times"};
  static const char *const names[][2] = {{"log_slope", "log_constant"}, {"log_slope_layers", "log_constant_layers"}};
  const Samples *const kinds[] = {all, layers};
  const PetscInt R = all->realizations;
  PetscReal *errors, misfit[2][LAWS], chance[2][LAWS];
  Depths depths = {.n = plan->grid->depths};
  const char *verdict = NULL;

  PetscFunctionBeginUser;
  for (PetscInt j = 0; j < depths.n; j++) depths.L[j] = (PetscReal)plan->grid->depth[j];
  PetscCall(PetscMalloc1(R * depths.n, &errors));
  for (int kind = 0; kind < 2; kind++) {
    Misfit misfits[LAWS];
    FitValue fit[2];
    for (PetscInt r = 0; r < R; r++)
      for (PetscInt j = 0; j < depths.n; j++)
        errors[r * depths.n + j] =
            kinds[kind]->all[r * kinds[kind]->width + LimitsCell(plan->grid, plan->largest, j, plan->infinite)];
    PetscCall(Measure(&depths, R, errors, fit, misfits));
    PetscCall(Say(times[kind], fit, misfits, results));
    if (kind == 0) verdict = Verdict(fit[0], misfits);
    for (int i = 0; i < 2; i++) PetscCall(ResultsFit(results, names[kind][i], fit[i]));
    for (int law = 0; law < LAWS; law++) {
      misfit[kind][law] = misfits[law].misfit;
      chance[kind][law] = misfits[law].chance;
    }
  }
  PetscCall(PetscFree(errors));
  PetscCall(ResultsSay(results, "the logarithm of the supremum over all times: %s\n", verdict));
  PetscCall(ResultsText(results, "log_verdict", verdict));
  PetscCall(ResultsArray(results, "law_misfit", 2, (PetscInt64[]){2, LAWS}, misfit[0]));
  PetscCall(ResultsArray(results, "law_chance", 2, (PetscInt64[]){2, LAWS}, chance[0]));
  PetscFunctionReturn(0);
}
