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

#define GATHERED 0.999 /* length of the mean token */

/* Steps until the order parameter exceeds GATHERED; depth + 1 if it never does. */
static PetscErrorCode Gather(Tokens tokens, PetscInt64 depth, PetscReal dt, PetscInt64 *steps) {
  PetscReal values[OBSERVE_VALUES] = {0};
  Attention attention;
  Scheme scheme;
  Noise noise;
  Field field;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(AttentionCreate(tokens, &attention));
  PetscCall(NoiseCreate(layout.dim, &noise));
  PetscCall(NoiseCreateField(noise, &field));
  PetscCall(SchemeCreate(tokens, &scheme));
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

static PetscErrorCode Run(int argc, char **argv) {
  PetscInt64 count, dim, depth, steps;
  PetscReal horizon;
  Tokens tokens;
  Start start;

  PetscFunctionBeginUser;
  PetscCall(DeckParse(argc, argv, "simulate"));
  PetscCall(DeckGetInt("tokens_count", &count));
  PetscCall(DeckGetInt("tokens_dim", &dim));
  PetscCall(DeckGetInt("layers_depth", &depth));
  PetscCall(DeckGetReal("layers_horizon", &horizon));
  PetscCall(TokensCreate(PETSC_COMM_WORLD, count, (PetscInt)dim, &tokens));
  PetscCall(StartCreate(tokens, &start));
  PetscCall(TokensStart(tokens, start, 0));
  PetscCall(Gather(tokens, depth, horizon / (PetscReal)depth, &steps));
  if (steps > depth)
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "not gathered by t = %g\n", (double)horizon));
  else
    PetscCall(PetscPrintf(PETSC_COMM_WORLD, "gathered in one point at t = %.10g\n",
                          (double)(horizon * (PetscReal)steps / (PetscReal)depth)));
  PetscCall(StartDestroy(&start));
  PetscCall(TokensDestroy(&tokens));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  if (PetscInitialize(NULL, NULL, NULL, NULL) || ErrorHandlerPush()) return 1;
  const PetscErrorCode code = Run(argc, argv);
  if (PetscFinalize()) return 1;
  return ErrorExitCode(code);
}
