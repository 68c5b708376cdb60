#include "study/model.h"

PetscErrorCode ModelOptionsRead(ModelOptions *options) {
  PetscFunctionBeginUser;
  PetscCall(StartOptionsRead(&options->start));
  PetscCall(LayersOptionsRead(&options->layers));
  PetscCall(AttentionOptionsRead(&options->attention));
  PetscCall(NoiseOptionsRead(&options->noise));
  PetscCall(SchemeOptionsRead(&options->scheme));
  options->scheme.tol = options->layers.adaptive;
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
  PetscCall(SchemeView(system->scheme));
  PetscFunctionReturn(0);
}

PetscErrorCode SystemKeep(const System *system, const char *name, Checkpoint checkpoint) {
  PetscReal *substep;
  char path[64];

  PetscFunctionBeginUser;
  PetscCall(CheckpointAddTokens(checkpoint, name, system->tokens));
  PetscCall(SchemeGetSubstep(system->scheme, &substep));
  PetscCall(PetscSNPrintf(path, sizeof(path), "%s_substep", name));
  if (substep) PetscCall(CheckpointAddReals(checkpoint, path, 1, substep));
  PetscFunctionReturn(0);
}

PetscErrorCode SystemStep(const System *system, PetscInt r, PetscInt l, Field field, PetscReal dt) {
  PetscFunctionBeginUser;
  (void)r;
  PetscCall(SchemeSetTime(system->scheme, (PetscReal)l * dt));
  PetscCall(SchemeStep(system->scheme, system->attention, field, dt, system->tokens));
  PetscFunctionReturn(0);
}
