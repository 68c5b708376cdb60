/* What most studies are made of: the options of the model, and tokens that interact. */
#ifndef CHORALE_STUDY_MODEL_H
#define CHORALE_STUDY_MODEL_H

#include <chorale/attention.h>
#include <chorale/ensemble.h>
#include <chorale/noise.h>
#include <chorale/scheme.h>
#include <chorale/start.h>
#include <chorale/study.h>

/* MODEL_KEYS as values. */
typedef struct {
  StartOptions start; /* with N and d */
  LayersOptions layers;
  AttentionOptions attention;
  NoiseOptions noise;
  SchemeOptions scheme;
  EnsembleOptions ensemble;
} ModelOptions;

/* Collective. */
PetscErrorCode ModelOptionsRead(ModelOptions *options);
/* Refuses (user input) a beta of attention, or of the energy by its key, whose e^beta leaves double precision. */
PetscErrorCode ModelCheckBeta(PetscReal beta);
PetscErrorCode ModelCheckEnergyBeta(PetscReal beta);
/* Is noise asked for at barycentres? Pure. */
PetscBool ModelAtBarycentre(const ModelOptions *options);
/* Refuses (user input) what the theory of a study by this name does not cover: noise at barycentres, random heads, and
 * when attention is created weights of several layers or with an MLP. */
PetscErrorCode ModelCheckTheory(ModelOptions *options, const char *study);
/* T/L. Pure. */
PetscReal ModelStepSize(const ModelOptions *options);

/* Tokens that interact. */
typedef struct {
  Tokens tokens;
  Attention attention;
  Scheme scheme;
  PetscReal independent; /* kappa: each token's own noise, NEIGHBOURS.md (14.1) */
  uint64_t seed;
  PetscInt64 first; /* the number of token 0 among all that have their own noise in a realization */
} System;

/* Of so many tokens. Collective, as all that follow; a system of zeros may be destroyed. */
PetscErrorCode SystemCreate(MPI_Comm comm, PetscInt64 count, const ModelOptions *options, System *system);
PetscErrorCode SystemDestroy(System *system);
/* What it is, and the noise that moves it. */
PetscErrorCode SystemView(const System *system, Noise noise);
/* The same in three phrases. Pure. */
PetscErrorCode SystemBrief(const System *system, Noise noise, StudyBrief *brief);
/* Flops of a step on the rank that has most, beside random numbers, and its memory, but for what noise at the
 * barycentre takes; seconds that so many flops take on a core of today, about. */
PetscErrorCode SystemGetCost(const System *system, Noise noise, PetscReal *flops, PetscReal *bytes);
PetscReal ModelSeconds(PetscReal flops);
/* What a checkpoint keeps of it, under this name. */
PetscErrorCode SystemKeep(const System *system, const char *name, Checkpoint checkpoint);
/* Step l of realization r, of size dt, with the field drawn for it; draws heads that are random. */
PetscErrorCode SystemStep(const System *system, PetscInt r, PetscInt l, Field field, PetscReal dt);

#endif
