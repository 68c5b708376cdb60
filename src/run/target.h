/* Realizations in batches until the means at the last frame are known as well as `ensemble_target` asks: the rule of
 * NUMERICS.md 9.10 (law/stats/stopping.h) in a run. Decisions are made where all realizations of a batch are done, from
 * all their numbers, so that they do not depend on ranks and groups, and a resumed run makes them again. */
#ifndef CHORALE_RUN_TARGET_H
#define CHORALE_RUN_TARGET_H

#include <chorale/results.h>

extern const OptionKey TargetKeys[];
/* In /parameters of complete results, where ensemble_realizations is how many there are: how many there might have
 * been. */
#define TARGET_MOST "ensemble_realizations_most"

typedef struct _p_Target *Target;

/* NULL when no target is given. The observables that it names are among those declared; the ensemble is that of most
 * realizations. Both stay the caller's. Collective, as all that follow, which do nothing with NULL. */
PetscErrorCode TargetCreate(Results results, Ensemble ensemble, const OutputOptions *output, Target *target);
PetscErrorCode TargetDestroy(Target *target);
/* What is asked for, on stdout of rank 0. */
PetscErrorCode TargetView(Target target);
/* The ensemble becomes that of the first batch. */
PetscErrorCode TargetBegin(Target target);
/* All realizations of the ensemble are done: *more, and it has another batch, or what there is suffices or is all that
 * may be. */
PetscErrorCode TargetNext(Target target, PetscBool *more);
/* What was reached, for complete results. */
PetscErrorCode TargetReport(Target target, Results results);

#endif
