#include "study/model.h"

#include <string.h>

#include "base/plan.h"

PetscErrorCode ModelOptionsRead(ModelOptions *options) {
  PetscFunctionBeginUser;
  PetscCall(StartOptionsRead(&options->start));
  PetscCall(LayersOptionsRead(&options->layers));
  PetscCall(AttentionOptionsRead(&options->attention));
  PetscCall(NoiseOptionsRead(&options->noise));
  PetscCall(SchemeOptionsRead(&options->scheme));
  options->scheme.tol = options->layers.adaptive;
  options->attention.depth = options->layers.depth;
  PetscCall(EnsembleOptionsRead(&options->ensemble));
  if (!strcmp(options->noise.type, "gram")) {
    options->ensemble.shards = 1;
    options->ensemble.reason = "each factorises the matrix of noise_type gram";
  }
  PetscFunctionReturn(0);
}

/* e^700 is near the end of double precision. */
#define BETA_MOST 700.0

static PetscErrorCode CheckBeta(const char *key, PetscReal beta) {
  PetscFunctionBeginUser;
  PetscCheck(beta <= BETA_MOST, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s = %.6g: must be at most %g in this study, whose numbers are in units of e^beta", key, (double)beta,
             BETA_MOST);
  PetscFunctionReturn(0);
}

PetscErrorCode ModelCheckBeta(PetscReal beta) {
  PetscFunctionBeginUser;
  PetscCall(CheckBeta("attention_beta", beta));
  PetscFunctionReturn(0);
}

PetscErrorCode ModelCheckEnergyBeta(PetscReal beta) {
  PetscBool given;

  PetscFunctionBeginUser;
  PetscCall(DeckHas("energy_beta", &given));
  PetscCall(CheckBeta(given ? "energy_beta" : "attention_beta", beta));
  PetscFunctionReturn(0);
}

PetscBool ModelAtBarycentre(const ModelOptions *options) {
  return strcmp(options->scheme.at, "tokens") ? PETSC_TRUE : PETSC_FALSE;
}

PetscErrorCode ModelCheckTheory(ModelOptions *options, const char *study) {
  PetscFunctionBeginUser;
  PetscCheck(!ModelAtBarycentre(options), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "noise_at = barycentre: must be tokens in study %s, whose theory is that of noise there", study);
  PetscCheck(strcmp(options->attention.weights, ATTENTION_RANDOM), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: must be a file or none in study %s, whose theory is that of one attention",
             options->attention.weights, study);
  options->attention.study = study;
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
  PetscCall(SchemeCheckDrift(system->scheme, system->attention));
  if (ModelAtBarycentre(options)) PetscCall(AttentionBarycentreSetUp(system->attention));
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

PetscErrorCode SystemBrief(const System *system, Noise noise, StudyBrief *brief) {
  char attention[STUDY_PHRASE], random[STUDY_PHRASE], scheme[STUDY_PHRASE], sums[STUDY_PHRASE], law[STUDY_PHRASE];
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(system->tokens, &layout));
  PetscCall(AttentionBrief(system->attention, sizeof(attention), attention, sums));
  PetscCall(NoiseBrief(noise, sizeof(random), random, law));
  PetscCall(SchemeBrief(system->scheme, sizeof(scheme), scheme));
  PetscCall(PetscSNPrintf(brief->model, STUDY_PHRASE, "%s; %s%s; %s", attention, random,
                          system->independent > 0 ? ", and of each token its own" : "", scheme));
  PetscCall(PetscSNPrintf(brief->size, STUDY_PHRASE, "%" PetscInt64_FMT " tokens in R^%" PetscInt_FMT, layout.count,
                          layout.dim));
  PetscCall(PetscSNPrintf(brief->accuracy, STUDY_PHRASE, "%s%s%s", sums, sums[0] && law[0] ? "; " : "", law));
  PetscFunctionReturn(0);
}

PetscErrorCode SystemView(const System *system, Noise noise) {
  TokensLayout layout;
  SchemeTable table;

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
  PetscCall(SchemeGetJoint(system->scheme, system->attention, noise, &table));
  if (table.degree >= 0)
    PetscCall(PetscPrintf(layout.comm,
                          "           attention and noise by one table of degree %" PetscInt_FMT
                          ", %.3g MB per rank, to %.2g of its size%s\n",
                          table.degree, 1e-6 * (double)table.bytes, (double)table.error,
                          table.single ? ", in single precision" : ""));
  PetscFunctionReturn(0);
}

PetscErrorCode SystemGetCost(const System *system, Noise noise, PetscReal *flops, PetscReal *bytes) {
  PetscReal attention, draw, travel, memory[3];
  TokensLayout layout;
  SchemeTable table;
  PetscInt stages;
  PetscMPIInt size;
  PetscBool zero;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(system->tokens, &layout));
  PetscCall(PlanSize(layout.comm, &size));
  const PetscReal mine = (PetscReal)((layout.blocks + size - 1) / size) * layout.block;
  PetscCall(AttentionIsZero(system->attention, &zero));
  PetscCall(AttentionGetCost(system->attention, &attention, &travel, &memory[0]));
  PetscCall(NoiseGetCost(noise, (PetscReal)layout.count, mine, &draw, &memory[1]));
  PetscCall(SchemeGetStages(system->scheme, &stages));
  PetscCall(SchemeGetJoint(system->scheme, system->attention, noise, &table));
  PetscCall(SchemeGetBytes(system->scheme, table.degree < 0 ? PETSC_FALSE : PETSC_TRUE, &memory[2]));
  *flops = (PetscReal)stages * ((zero ? 0 : attention) + draw);
  *bytes = 8 * mine * (layout.dim + 1) + memory[0] + memory[1] + memory[2] + table.bytes;
  PetscFunctionReturn(0);
}

#define FLOP_RATE 1e10 /* per second, as of code that is not all products of matrices */

PetscReal ModelSeconds(PetscReal flops) {
  return flops / FLOP_RATE;
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
  PetscCall(AttentionDraw(system->attention, r, l));
  PetscCall(SchemeSetTime(system->scheme, (PetscReal)l * dt));
  PetscCall(SchemeStep(system->scheme, system->attention, field, dt, system->tokens));
  PetscCall(MoveAlone(system, r, l, 1, dt));
  PetscCall(AttentionSetStep(system->attention, l + 1)); /* what is measured is attention to come */
  PetscFunctionReturn(0);
}
