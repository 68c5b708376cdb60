/* Objects as a run has them: options from keys (SetKey), then the constructor. */
#ifndef CHORALE_TEST_KEYS_H
#define CHORALE_TEST_KEYS_H

#include <chorale/attention.h>
#include <chorale/checkpoint.h>
#include <chorale/density.h>
#include <chorale/ensemble.h>
#include <chorale/noise.h>
#include <chorale/scheme.h>
#include <chorale/start.h>

static inline PetscErrorCode StartFromKeys(Tokens tokens, Start *start) {
  StartOptions options;
  PetscFunctionBeginUser;
  PetscCall(StartOptionsRead(&options));
  PetscCall(StartCreate(tokens, &options, start));
  PetscFunctionReturn(0);
}

static inline PetscErrorCode AttentionFromKeys(Tokens tokens, Attention *attention) {
  AttentionOptions options;
  PetscFunctionBeginUser;
  PetscCall(AttentionOptionsRead(&options));
  PetscCall(AttentionCreate(tokens, &options, attention));
  PetscFunctionReturn(0);
}

static inline PetscErrorCode NoiseFromKeys(PetscInt dim, Noise *noise) {
  NoiseOptions options;
  PetscFunctionBeginUser;
  PetscCall(NoiseOptionsRead(&options));
  PetscCall(NoiseCreate(dim, &options, noise));
  PetscFunctionReturn(0);
}

static inline PetscErrorCode SchemeFromKeys(Tokens tokens, Scheme *scheme) {
  SchemeOptions options;
  PetscFunctionBeginUser;
  PetscCall(SchemeOptionsRead(&options));
  PetscCall(SchemeCreate(tokens, &options, scheme));
  PetscFunctionReturn(0);
}

static inline PetscErrorCode EnsembleFromKeys(PetscInt blocks, Ensemble *ensemble) {
  EnsembleOptions options;
  PetscFunctionBeginUser;
  PetscCall(EnsembleOptionsRead(&options));
  PetscCall(EnsembleCreate(&options, blocks, ensemble));
  PetscFunctionReturn(0);
}

static inline PetscErrorCode OutputFromKeys(const char *study, Output *output) {
  OutputOptions options;
  PetscFunctionBeginUser;
  PetscCall(DeckRead(OutputKeys, &options));
  PetscCall(OutputCreate(PETSC_COMM_WORLD, study, &options, PETSC_FALSE, output));
  PetscFunctionReturn(0);
}

static inline PetscErrorCode CheckpointFromKeys(const char *study, Ensemble ensemble, PetscInt steps, Output *output,
                                                Checkpoint *checkpoint) {
  CheckpointOptions options;
  PetscFunctionBeginUser;
  PetscCall(OutputFromKeys(study, output));
  PetscCall(DeckRead(CheckpointKeys, &options));
  PetscCall(CheckpointCreate(&options, *output, ensemble, steps, checkpoint));
  PetscFunctionReturn(0);
}

/* With an attention of its own, which a density does not keep. */
static inline PetscErrorCode DensityAlone(MPI_Comm comm, PetscInt dim, Noise noise, const DensityOptions *options,
                                          Density *density) {
  Attention attention;
  Tokens tokens;
  PetscFunctionBeginUser;
  PetscCall(TokensCreate(comm, 1, dim, &tokens));
  PetscCall(AttentionFromKeys(tokens, &attention));
  PetscCall(DensityCreate(attention, noise, options, density));
  PetscCall(AttentionDestroy(&attention));
  PetscCall(TokensDestroy(&tokens));
  PetscFunctionReturn(0);
}

static inline PetscErrorCode DensityFromKeys(MPI_Comm comm, PetscInt dim, Noise noise, Density *density) {
  DensityOptions options;
  SchemeOptions scheme;
  PetscFunctionBeginUser;
  PetscCall(DensityOptionsRead(&options));
  PetscCall(SchemeOptionsRead(&scheme));
  options.scheme = scheme.type;
  PetscCall(DensityAlone(comm, dim, noise, &options, density));
  PetscFunctionReturn(0);
}

#endif
