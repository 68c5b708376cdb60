/* The parts of scheme_levels: multilevel Monte Carlo over the depth, NUMERICS.md section 9.9. */
#ifndef CHORALE_STUDY_SIMULATE_LEVELS_H
#define CHORALE_STUDY_SIMULATE_LEVELS_H

#include "run/extras.h"
#include "study/studies.h"

enum { LEVELS_MOST = 20, LEVELS_SAMPLES = 100000 };
typedef struct {
  PetscInt64 count; /* K, 0 for none */
} LevelsOptions;
extern const OptionKey LevelsKeys[];

/* The depths, and how many samples of each a realization has. Level 0 is the shallowest. */
typedef struct {
  PetscInt count;  /* K */
  PetscInt stride; /* 2^(K-1): steps of the deepest level in one of level 0 */
  PetscInt samples[LEVELS_MOST], total;
  PetscReal depth[LEVELS_MOST]; /* L_k */
  PetscReal cost[LEVELS_MOST];  /* C_k: steps of a sample */
} LevelsPlan;

/* levels_plan.c: does the deck ask for levels? */
PetscErrorCode LevelsAsked(PetscBool *asked);
/* output_every, where it does: frames are those of the start and of T unless the deck says more. */
PetscErrorCode LevelsResolveEvery(MPI_Comm world, char *value, size_t size);
/* The plan; refuses (user input) models without a coupling of two depths. Collective on PETSC_COMM_WORLD, as what
 * follows. */
PetscErrorCode LevelsPlanRead(const ModelOptions *options, LevelsPlan *plan);
/* Refuses (user input) frames at times that some depth does not have. */
PetscErrorCode LevelsCheckFrames(const LevelsPlan *plan, const Frames *frames);

/* What is said level by level: energy, order, cosine_mean, the first numbers of a frame; at T. */
enum { LEVELS_WATCHED = 3 };
/* Of each: means over a level's samples of the fine path, of that with its fields swapped in pairs, and of the coarse
 * path; the last two are NaN at level 0. The tail of a row is [count][LEVELS_WATCHED][LEVELS_PATHS]. */
typedef enum { LEVELS_FINE, LEVELS_SWAPPED, LEVELS_COARSE, LEVELS_PATHS } LevelsPath;

/* levels_report.c: variances, rates, costs. */
PetscErrorCode LevelsReport(const LevelsPlan *plan, const Samples *samples, Results results);
extern const QuantityText LevelsTexts[];

/* total.c: flops of a step on the rank that has most, beside random numbers, and its memory. Pure. */
PetscErrorCode SimulateGetCost(const System *system, Noise noise, PetscBool barycentre, PetscReal *flops,
                               PetscReal *bytes);
/* The line of -dry_run with all of a step and of a rank, which has `more` numbers for each token beside one
 * set of positions and weights. Collective on the tokens' communicator. */
PetscErrorCode SimulateViewTotal(Run run, const System *system, Noise noise, PetscBool barycentre, PetscReal more);

/* In place of StudySimulate. */
extern const Study StudySimulateLevels;

#endif
