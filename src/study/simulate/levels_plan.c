/* The keys of scheme_levels, and what they ask for. */
#include <limits.h>
#include <string.h>

#include "study/simulate/levels.h"

const OptionKey LevelsKeys[] = {
    INT_KEY(LevelsOptions, count, "scheme_levels", "0", 0, LEVELS_MOST, "levels",
            .help = "Multilevel Monte Carlo: means of depth L from samples of the depths L, L/2, L/4, ..., so many, "
                    "where all but the shallowest give differences of two depths along one noise; 0 for plain "
                    "realizations."),
    {.name = "scheme_samples",
     .type = KEY_INT,
     .preset = "",
     .shown = "(a rule)",
     .least = 1,
     .most = LEVELS_SAMPLES,
     .unit = "samples",
     .lists = PETSC_TRUE,
     .needs = {{"scheme_levels", "!0"}},
     .help = "Samples of each level in a realization, the shallowest first; every run prints the best ones."},
    {.name = NULL}};

PetscErrorCode LevelsAsked(PetscBool *asked) {
  const char *const *values, *key;
  LevelsOptions options;
  PetscBool given, numeric;
  PetscInt n;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(LevelsKeys, &options));
  PetscCall(DeckHas("output_every", &given));
  *asked = options.count > 0 ? PETSC_TRUE : PETSC_FALSE;
  for (PetscInt i = 0; *asked && !given && (key = DeckAxis(i, &n, &values, &numeric)); i++)
    PetscCheck(strcmp(key, "layers_depth"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "%s = %s,...: must be one value with scheme_levels unless output_every is given", key, values[0]);
  PetscFunctionReturn(0);
}

/* A frame measures every sample. */
PetscErrorCode LevelsResolveEvery(MPI_Comm world, char *value, size_t size) {
  LayersOptions layers;
  PetscBool asked = PETSC_FALSE;

  PetscFunctionBeginUser;
  (void)world;
  PetscCall(LevelsAsked(&asked));
  if (!asked) PetscFunctionReturn(0);
  PetscCall(LayersOptionsRead(&layers));
  PetscCall(PetscSNPrintf(value, size, "%" PetscInt64_FMT, layers.depth));
  PetscFunctionReturn(0);
}

/* Where variances of differences fall like L^-2 the best numbers fall by 2^(3/2) from level to level. The first
 * level, whose variance is that of the observables themselves, has eight times more. */
static PetscErrorCode ReadSamples(LevelsPlan *plan) {
  PetscInt64 list[LEVELS_MOST];
  PetscInt n = LEVELS_MOST;
  PetscBool given;
  char key[64];

  PetscFunctionBeginUser;
  PetscCall(DeckHas("scheme_samples", &given));
  PetscCall(PetscSNPrintf(key, sizeof(key), "scheme_levels = %" PetscInt_FMT, plan->count));
  if (given) {
    PetscCall(DeckGetIntList("scheme_samples", &n, list));
    PetscCall(PetscSNPrintf(key, sizeof(key), "scheme_samples = %" PetscInt64_FMT "%s", list[0], n > 1 ? ",..." : ""));
  }
  PetscCheck(!given || n == plan->count, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s: must be %" PetscInt_FMT " numbers, one for each of scheme_levels", key, plan->count);
  for (PetscInt k = 0; k < plan->count; k++) {
    const PetscReal rule = PetscCeilReal(PetscPowReal(2, 1.5 * (PetscReal)(plan->count - 1 - k)));
    const PetscReal number = given ? (PetscReal)list[k] : (k || plan->count == 1 ? 1 : 8) * rule;
    PetscCheck(plan->total + number <= LEVELS_SAMPLES, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "%s: must have at most %d samples in all", key, LEVELS_SAMPLES);
    plan->samples[k] = (PetscInt)number;
    plan->total += plan->samples[k];
  }
  PetscFunctionReturn(0);
}

/* What has no coupling of two depths. */
static PetscErrorCode CheckModel(const ModelOptions *options) {
  OutputOptions output;

  PetscFunctionBeginUser;
  PetscCheck(strcmp(options->noise.type, "mlp"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "noise_type = mlp: must be spectral, gram, values or none with scheme_levels: two layers of an MLP have "
             "together the field of no other MLP");
  PetscCheck(!(options->noise.independent > 0), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "noise_independent = %.6g: must be 0 with scheme_levels", (double)options->noise.independent);
  PetscCheck(strcmp(options->attention.weights, ATTENTION_RANDOM), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: must be a file or none with scheme_levels", ATTENTION_RANDOM);
  PetscCheck(!(options->layers.adaptive > 0), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "layers_adaptive = %.6g: must be 0 with scheme_levels", (double)options->layers.adaptive);
  PetscCall(DeckRead(OutputKeys, &output));
  PetscCheck(!output.trajectories, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "output_trajectories = %" PetscInt64_FMT ": must be 0 with scheme_levels", output.trajectories);
  PetscFunctionReturn(0);
}

PetscErrorCode LevelsPlanRead(const ModelOptions *options, LevelsPlan *plan) {
  const PetscInt64 depth = options->layers.depth, R = options->ensemble.realizations;
  LevelsOptions levels;

  PetscFunctionBeginUser;
  PetscCall(CheckModel(options));
  PetscCall(DeckRead(LevelsKeys, &levels));
  plan->count = (PetscInt)levels.count;
  plan->stride = 1 << (plan->count - 1);
  PetscCheck(depth % plan->stride == 0, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "layers_depth = %" PetscInt64_FMT ": must be a multiple of %" PetscInt_FMT
             " with scheme_levels %" PetscInt_FMT,
             depth, plan->stride, plan->count);
  for (PetscInt k = 0; k < plan->count; k++) {
    plan->depth[k] = (PetscReal)(depth / plan->stride) * (PetscReal)(1 << k);
    plan->cost[k] = (k ? 2.5 : 1) * plan->depth[k]; /* two fine paths and a coarse one */
  }
  PetscCall(ReadSamples(plan));
  PetscCheck(R <= INT_MAX / plan->total, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "ensemble_realizations = %" PetscInt64_FMT ": must be at most %d with %" PetscInt_FMT
             " samples in each, which are numbered on",
             R, INT_MAX / plan->total, plan->total);
  PetscFunctionReturn(0);
}

PetscErrorCode LevelsCheckFrames(const LevelsPlan *plan, const Frames *frames) {
  OutputOptions output;

  PetscFunctionBeginUser;
  PetscCall(DeckRead(OutputKeys, &output));
  const char *const key = output.log ? "output_log" : "output_every";
  for (PetscInt f = 0; f < frames->count; f++)
    PetscCheck(frames->step[f] % plan->stride == 0, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "%s = %" PetscInt64_FMT ": has a frame at layer %" PetscInt64_FMT
               ": must have them at multiples of %" PetscInt_FMT ", which all scheme_levels have",
               key, output.log ? output.log : output.every, frames->step[f], plan->stride);
  PetscFunctionReturn(0);
}
