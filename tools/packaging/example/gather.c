/* A program of your own with chorale's objects: the time at which the tokens of one realization have gathered in one
 * point, which no study asks for.
 *
 *     mpirun -n 2 gather simulate [DECK.yaml ...] [-option value ...]        keys as for chorale simulate */
#include <chorale/deck.h>
#include <chorale/error.h>
#include <chorale/noise.h>
#include <chorale/observables.h>
#include <chorale/scheme.h>
#include <chorale/start.h>
#include <chorale/study.h>

#define GATHERED 0.999 /* length of the mean token */

/* Steps until the order parameter exceeds GATHERED; depth + 1 if it never does. */
static PetscErrorCode Gather(Tokens tokens, PetscInt64 depth, PetscReal dt, PetscInt64 *steps) {
  PetscReal values[OBSERVE_VALUES] = {0};
  AttentionOptions attention_options;
  NoiseOptions noise_options;
  Attention attention;
  Scheme scheme;
  Noise noise;
  Field field;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(AttentionOptionsRead(&attention_options));
  PetscCall(NoiseOptionsRead(&noise_options));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(AttentionCreate(tokens, &attention_options, &attention));
  PetscCall(NoiseCreate(layout.dim, &noise_options, &noise));
  PetscCall(NoiseCreateField(noise, &field));
  PetscCall(SchemeCreate(tokens, &(SchemeOptions){.type = "layer"}, &scheme)); /* options may be a program's own */
  for (*steps = 0; *steps <= depth; ++*steps) {
    PetscCall(ObservablesEvaluate(tokens, attention, values));
    if (values[ObservableFirst(OBSERVE_ORDER)] > GATHERED) break;
    PetscCall(NoiseDraw(noise, 0, (PetscInt)*steps, field)); /* one random function for all tokens */
    PetscCall(SchemeStep(scheme, attention, field, dt, tokens));
  }
  PetscCall(SchemeDestroy(&scheme));
  PetscCall(FieldDestroy(&field));
  PetscCall(NoiseDestroy(&noise));
  PetscCall(AttentionDestroy(&attention));
  PetscFunctionReturn(0);
}

static PetscErrorCode Go(int argc, char **argv) {
  LayersOptions layers;
  StartOptions options;
  PetscInt64 steps;
  Tokens tokens;
  Start start;

  PetscFunctionBeginUser;
  PetscCall(DeckUse(StudyOptions, "simulate"));
  PetscCall(DeckParse(argc, argv));
  PetscCall(StartOptionsRead(&options));
  PetscCall(LayersOptionsRead(&layers));
  PetscCall(TokensCreate(PETSC_COMM_WORLD, options.count, (PetscInt)options.dim, &tokens));
  PetscCall(StartCreate(tokens, &options, &start));
  PetscCall(TokensStart(tokens, start, 0));
  PetscCall(Gather(tokens, layers.depth, layers.horizon / (PetscReal)layers.depth, &steps));
  if (steps > layers.depth)
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "not gathered by t = %g\n", (double)layers.horizon));
  else
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "gathered in one point at t = %.10g\n",
                          (double)(layers.horizon * (PetscReal)steps / (PetscReal)layers.depth)));
  PetscCall(StartDestroy(&start));
  PetscCall(TokensDestroy(&tokens));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(NULL, NULL, NULL, NULL) || ErrorHandlerPush()) return 1;
  const PetscErrorCode code = Go(argc, argv);
  if (PetscFinalize()) return 1;
  return ErrorExitCode(code);
}
