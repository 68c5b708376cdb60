#include "study/model.h"

PetscErrorCode ModelOptionsRead(ModelOptions *options) {
  PetscFunctionBeginUser;
  PetscCall(StartOptionsRead(&options->start));
  PetscCall(LayersOptionsRead(&options->layers));
  PetscCall(AttentionOptionsRead(&options->attention));
  PetscCall(NoiseOptionsRead(&options->noise));
  PetscCall(SchemeOptionsRead(&options->scheme));
  PetscCall(EnsembleOptionsRead(&options->ensemble));
  PetscFunctionReturn(0);
}

/* e^700 is near the end of double precision. */
#define BETA_MOST 700.0

PetscErrorCode ModelCheckBeta(PetscReal beta) {
  PetscFunctionBeginUser;
  PetscCheck(beta <= BETA_MOST, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "attention_beta = %.6g: must be at most %g in this study, whose numbers are in units of e^beta",
             (double)beta, BETA_MOST);
  PetscFunctionReturn(0);
}

PetscReal ModelStepSize(const ModelOptions *options) {
  return options->layers.horizon / (PetscReal)options->layers.depth;
}

PetscErrorCode SystemCreate(MPI_Comm comm, PetscInt64 count, const ModelOptions *options, System *system) {
  PetscFunctionBeginUser;
  PetscCall(TokensCreate(comm, count, (PetscInt)options->start.dim, &system->tokens));
  PetscCall(AttentionCreate(system->tokens, &options->attention, &system->attention));
  PetscCall(SchemeCreate(system->tokens, &options->scheme, &system->scheme));
  system->independent = options->noise.independent;
  system->seed = options->noise.seed;
  PetscFunctionReturn(0);
}

PetscErrorCode SystemDestroy(System *system) {
  PetscFunctionBeginUser;
  PetscCall(SchemeDestroy(&system->scheme));
  PetscCall(AttentionDestroy(&system->attention));
  PetscCall(TokensDestroy(&system->tokens));
  PetscFunctionReturn(0);
}

PetscErrorCode SystemView(const System *system, Noise noise) {
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(system->tokens, &layout));
  PetscCall(TokensView(system->tokens));
  PetscCall(AttentionView(system->attention));
  PetscCall(NoiseView(noise, layout.comm));
  if (system->independent > 0)
    PetscCall(PetscPrintf(
        layout.comm, "           and of each token its own, kappa = %g, half before the scheme's step and half after\n",
        (double)system->independent));
  PetscCall(SchemeView(system->scheme));
  PetscFunctionReturn(0);
}

/* Half a step of the tokens' own noise, the first or the second. */
static PetscErrorCode MoveAlone(const System *system, PetscInt r, PetscInt l, PetscInt half, PetscReal dt) {
  const RngStream stream = {system->seed, (uint32_t)r, 2 * (uint32_t)l + (uint32_t)half, RNG_INDEPENDENT};

  PetscFunctionBeginUser;
  if (system->independent > 0)
    PetscCall(TokensDiffuse(system->tokens, system->independent * dt, stream, system->first));
  PetscFunctionReturn(0);
}

/* Halves on both sides make the splitting one of second order, NEIGHBOURS.md (14.2). */
PetscErrorCode SystemStep(const System *system, PetscInt r, PetscInt l, Field field, PetscReal dt) {
  PetscFunctionBeginUser;
  PetscCall(MoveAlone(system, r, l, 0, dt));
  PetscCall(SchemeStep(system->scheme, system->attention, field, dt, system->tokens));
  PetscCall(MoveAlone(system, r, l, 1, dt));
  PetscFunctionReturn(0);
}
