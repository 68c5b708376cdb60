#include "run/target.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/deck_keys.h"
#include "law/stats/interval.h"
#include "law/stats/stopping.h"
#include "run/control.h"

#define GOALS 16

const OptionKey TargetKeys[] = {
    {.name = "ensemble_target",
     .type = KEY_STRING,
     .preset = "",
     .shown = "(none)",
     .unit = "-",
     .lists = PETSC_TRUE,
     .help = "Stop before ensemble_realizations, then the most, when the 95% interval of the mean at the end is short "
             "enough: NAME:c reaches no farther than c times the mean, NAME:abs:c than c; a list for several of the "
             "numbers that a frame has, as energy or order."},
    {.name = NULL}};

/* An observable whose mean is to be known. */
typedef struct {
  const Quantity *quantity;
  PetscInt at; /* in a frame */
  StoppingTarget asked;
  FitValue reached;
} Goal;

struct _p_Target {
  Results results;
  Ensemble ensemble;
  MPI_Comm world;
  PetscInt most, count; /* realizations that may be, and are */
  PetscInt goals;
  Goal goal[GOALS];
};

/* ---- the deck ---- */

static PetscBool IsOneNumber(const Quantity *quantity) {
  return quantity->name && quantity->kind != QUANTITY_REALIZATION && QuantitySize(quantity) == 1 ? PETSC_TRUE
                                                                                                 : PETSC_FALSE;
}

/* Those that a target can be set for, as "energy order". */
static PetscErrorCode ListNames(Results results, size_t size, char names[]) {
  const Quantity *quantity;
  PetscInt first;

  PetscFunctionBeginUser;
  names[0] = '\0';
  for (PetscInt q = 0; (quantity = ResultsGetQuantity(results, q, &first)); q++) {
    if (!IsOneNumber(quantity)) continue;
    PetscCall(PetscStrlcat(names, *names ? " " : "", size));
    PetscCall(PetscStrlcat(names, quantity->name, size));
  }
  PetscFunctionReturn(0);
}

/* The quantity of this name, NULL for none. */
static const Quantity *FindQuantity(Results results, const char *name, PetscInt *first) {
  const Quantity *quantity;

  for (PetscInt q = 0; (quantity = ResultsGetQuantity(results, q, first)); q++)
    if (IsOneNumber(quantity) && !strcmp(quantity->name, name)) return quantity;
  return NULL;
}

/* NAME:c or NAME:abs:c. */
static PetscErrorCode ReadGoal(Target target, const char *text, Goal *goal) {
  const char *const colon = strchr(text, ':');
  const char *number = colon ? colon + 1 : "";
  const MPI_Comm world = target->world;
  char name[64] = "", names[512];

  PetscFunctionBeginUser;
  if (colon) PetscCall(PetscStrncpy(name, text, PetscMin(sizeof(name), (size_t)(colon - text) + 1)));
  goal->asked.relative = strncmp(number, "abs:", 4) ? PETSC_TRUE : PETSC_FALSE;
  if (!goal->asked.relative) number += 4;
  PetscCheck(*name && DeckTextToReal(number, &goal->asked.error) && goal->asked.error > 0, world, PETSC_ERR_USER_INPUT,
             "ensemble_target = %s: each value must be NAME:c or NAME:abs:c with a number c > 0", text);
  PetscCall(ListNames(target->results, sizeof(names), names));
  goal->quantity = FindQuantity(target->results, name, &goal->at);
  PetscCheck(goal->quantity, world, PETSC_ERR_USER_INPUT, "ensemble_target = %s: the name must be one of: %s", text,
             names);
  for (PetscInt g = 0; g < target->goals; g++)
    PetscCheck(target->goal[g].quantity != goal->quantity, world, PETSC_ERR_USER_INPUT,
               "ensemble_target = %s: must be the only value for %s", text, name);
  target->goals++;
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadGoals(Target target) {
  const char *words[GOALS];
  PetscInt n = GOALS;
  char *storage;

  PetscFunctionBeginUser;
  PetscCall(DeckGetStringList("ensemble_target", &n, words, &storage));
  for (PetscInt i = 0; i < n; i++) PetscCall(ReadGoal(target, words[i], &target->goal[target->goals]));
  PetscCall(PetscFree(storage));
  PetscFunctionReturn(0);
}

PetscErrorCode TargetCreate(Results results, Ensemble ensemble, const OutputOptions *output, Target *target) {
  char first[PETSC_MAX_PATH_LEN];
  EnsembleLayout layout;
  Target made;

  PetscFunctionBeginUser;
  PetscCall(DeckReadText(TargetKeys, "ensemble_target", first));
  if (!*first) PetscFunctionReturn(0);
  PetscCall(EnsembleGetLayout(ensemble, &layout));
  PetscCheck(DeckCells() == 1, layout.world, PETSC_ERR_USER_INPUT, "ensemble_target = %s: must be empty in a sweep",
             first);
  PetscCheck(layout.realizations >= STOPPING_FIRST, layout.world, PETSC_ERR_USER_INPUT,
             "ensemble_realizations = %" PetscInt_FMT
             ": must be at least %d with ensemble_target, which are its first batch",
             layout.realizations, STOPPING_FIRST);
  PetscCheck(output->trajectories <= STOPPING_FIRST, layout.world, PETSC_ERR_USER_INPUT,
             "output_trajectories = %" PetscInt64_FMT
             ": must be at most %d with ensemble_target, of which more may not be computed",
             output->trajectories, STOPPING_FIRST);
  PetscCall(PetscNew(&made));
  made->results = results;
  made->ensemble = ensemble;
  made->world = layout.world;
  made->most = layout.realizations;
  *target = made;
  PetscCall(ReadGoals(made));
  PetscFunctionReturn(0);
}

PetscErrorCode TargetDestroy(Target *target) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(*target));
  PetscFunctionReturn(0);
}

PetscErrorCode TargetView(Target target) {
  PetscFunctionBeginUser;
  if (!target) PetscFunctionReturn(0);
  for (PetscInt g = 0; g < target->goals; g++) {
    const Goal *goal = &target->goal[g];
    PetscCall(PetscPrintf(target->world, "%s mean %s at the end within %.6g%s\n", g ? "          " : "target    ",
                          goal->quantity->name, (double)goal->asked.error, goal->asked.relative ? " of itself" : ""));
  }
  PetscCall(PetscPrintf(target->world,
                        "           by batches, from %d to at most %" PetscInt_FMT " realizations in all\n",
                        STOPPING_FIRST, target->most));
  PetscFunctionReturn(0);
}

/* ---- the run ---- */

PetscErrorCode TargetBegin(Target target) {
  PetscFunctionBeginUser;
  target->count = STOPPING_FIRST;
  PetscCall(EnsembleSetCount(target->ensemble, 0, target->count));
  PetscFunctionReturn(0);
}

/* column[goals][count] <- the numbers of the last frame, and sums[count][controls] that control them, on every rank. */
static PetscErrorCode Gather(Target target, PetscInt controls, PetscInt first, PetscReal column[], PetscReal sums[]) {
  const PetscInt last = ResultsGetFrames(target->results)->count - 1, n = target->goals + controls;
  EnsembleLayout layout;
  PetscReal *mine, *all;

  PetscFunctionBeginUser;
  PetscCall(EnsembleGetLayout(target->ensemble, &layout));
  PetscCall(PetscMalloc2((size_t)layout.owned * (size_t)n, &mine, (size_t)target->count * (size_t)n, &all));
  for (PetscInt i = 0; i < layout.owned; i++) {
    PetscReal *const own = mine + i * n;
    for (PetscInt g = 0; g < target->goals; g++) own[g] = ResultsFrame(target->results, i, last)[target->goal[g].at];
    PetscCall(PetscArraycpy(own + target->goals, ResultsTail(target->results, i) + first, controls));
  }
  PetscCall(EnsembleGather(target->ensemble, n, mine, all));
  for (PetscInt r = 0; r < target->count; r++) {
    for (PetscInt g = 0; g < target->goals; g++) column[g * target->count + r] = all[r * n + g];
    PetscCall(PetscArraycpy(sums + r * controls, all + r * n + target->goals, controls));
  }
  PetscCall(PetscFree2(mine, all));
  PetscFunctionReturn(0);
}

PetscErrorCode TargetNext(Target target, PetscBool *more) {
  PetscInt next = target->count, first = 0;
  const PetscInt controls = ControlFind(target->results, &first);
  PetscReal *column, *sums;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2((size_t)target->goals * (size_t)target->count, &column,
                         (size_t)controls * (size_t)target->count, &sums));
  PetscCall(Gather(target, controls, first, column, sums));
  for (PetscInt g = 0; g < target->goals; g++) {
    PetscReal *const values = column + g * target->count, needed;
    PetscCall(ControlCorrect(target->count, controls, sums, values));
    target->goal[g].reached = IntervalOfMean(target->count, 1, values);
    PetscCall(StoppingNeeded(target->count, values, target->goal[g].asked, &needed));
    next = PetscMax(next, StoppingNext(target->count, needed, target->most));
  }
  PetscCall(PetscFree2(column, sums));
  *more = next > target->count ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(EnsembleSetCount(target->ensemble, target->count, next));
  target->count = next;
  PetscFunctionReturn(0);
}

/* ---- what was reached ---- */

static PetscBool IsMet(const Goal *goal) {
  return StoppingReach(goal->reached) <= StoppingAsked(goal->asked, goal->reached.value) ? PETSC_TRUE : PETSC_FALSE;
}

/* target_NAME and what follows the name. */
static PetscErrorCode Tell(Results results, const Goal *goal, const char *suffix, const char *meaning,
                           PetscReal value) {
  char name[128], description[QUANTITY_TEXT];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(name, sizeof(name), "target_%s%s", goal->quantity->name, suffix));
  PetscCall(PetscSNPrintf(description, sizeof(description), "%s at the last frame: %s", meaning,
                          goal->quantity->description));
  PetscCall(ResultsExplained(results, &(QuantityText){name, goal->quantity->unit, description}, value));
  PetscFunctionReturn(0);
}

static PetscErrorCode ReportGoal(const Goal *goal, Results results) {
  const FitValue *found = &goal->reached;
  const PetscReal asked = StoppingAsked(goal->asked, found->value), reach = StoppingReach(*found);

  PetscFunctionBeginUser;
  PetscCall(ResultsSay(results, "           %s %.6g [%.6g, %.6g]: within %.3g, asked %.3g\n", goal->quantity->name,
                       (double)found->value, (double)found->low, (double)found->high, (double)reach, (double)asked));
  PetscCall(Tell(results, goal, "", "mean over the realizations", found->value));
  PetscCall(Tell(results, goal, "_low", "lower end of the 95% interval of the mean", found->low));
  PetscCall(Tell(results, goal, "_high", "upper end of the 95% interval of the mean", found->high));
  PetscCall(Tell(results, goal, "_half_width", "how far that interval reaches from the mean", reach));
  PetscCall(Tell(results, goal, "_asked", "how far ensemble_target lets it reach", asked));
  PetscFunctionReturn(0);
}

PetscErrorCode TargetReport(Target target, Results results) {
  PetscBool met = PETSC_TRUE;
  char number[32];

  PetscFunctionBeginUser;
  if (!target) PetscFunctionReturn(0);
  for (PetscInt g = 0; g < target->goals; g++) met = met && IsMet(&target->goal[g]) ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(ResultsSay(results, "target     %s with %" PetscInt_FMT " of at most %" PetscInt_FMT " realizations\n",
                       met ? "met" : "not met", target->count, target->most));
  PetscCall(ResultsExplained(
      results, &(QuantityText){"target_met", "1", "1 if the means are as well known as ensemble_target asks; else 0"},
      met ? 1 : 0));
  for (PetscInt g = 0; g < target->goals; g++) PetscCall(ReportGoal(&target->goal[g], results));
  PetscCall(PetscSNPrintf(number, sizeof(number), "%" PetscInt_FMT, target->most));
  PetscCall(ResultsSetOrigin(results, "/parameters", TARGET_MOST, number));
  PetscCall(PetscSNPrintf(number, sizeof(number), "%" PetscInt_FMT, target->count));
  PetscCall(ResultsSetOrigin(results, "/parameters", "ensemble_realizations", number));
  PetscFunctionReturn(0);
}
