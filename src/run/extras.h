/* Observables that a key asks for, beside those of observables.h. A new one is one file extras_NAME.c and a word in
 * EXTRAS. */
#ifndef CHORALE_RUN_EXTRAS_H
#define CHORALE_RUN_EXTRAS_H

#include <chorale/attention.h>
#include <chorale/results.h>

typedef struct {
  PetscInt64 modes;              /* output_modes: of degrees 1 to this one; 0 for none */
  PetscBool radius;              /* output_radius */
  PetscBool clusters;            /* output_clusters: of all tokens */
  PetscBool focus;               /* output_attention */
  PetscBool causal;              /* attention_mask: positions matter */
  char type[PETSC_MAX_PATH_LEN]; /* attention_type */
  AttentionOptions attention;    /* is it one that has errors? */
} ExtrasOptions;
extern const OptionKey ExtrasKeys[];
/* output_modes and its like, and what they need to know of attention. */
PetscErrorCode ExtrasOptionsRead(ExtrasOptions *options);

typedef struct _p_Extras *Extras;

/* Those that the options ask for, of N tokens in R^d. Refuses (user input) what cannot be measured on them. Collective
 * on PETSC_COMM_WORLD. */
PetscErrorCode ExtrasCreate(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Extras *extras);
PetscErrorCode ExtrasDestroy(Extras *extras);
/* Declares them, of kind QUANTITY_OBSERVABLE, in the order of their numbers, and how many numbers these are. Not
 * collective. */
PetscErrorCode ExtrasDeclare(Extras extras, Results results);
/* What they cost, where that is much. Collective on the tokens' communicator. */
PetscErrorCode ExtrasView(Extras extras, Tokens tokens);
PetscErrorCode ExtrasGetSize(Extras extras, PetscInt *size);
/* Their numbers, the same on every rank and for any number of ranks. Collective on the tokens' communicator. */
PetscErrorCode ExtrasEvaluate(Extras extras, Tokens tokens, Attention attention, PetscReal values[]);

/* What a kind implements. */
typedef struct {
  /* Fills in what it is, with name NULL when it is not asked for. */
  PetscErrorCode (*declare)(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Quantity *quantity);
  PetscErrorCode (*evaluate)(const Quantity *quantity, Tokens tokens, Attention attention, PetscReal values[]);
  PetscErrorCode (*view)(Tokens tokens); /* may be NULL */
} Extra;

/* All kinds: NAME stands for ExtraNAME. */
#define EXTRAS(EXTRA)                                                                                                  \
  EXTRA(Modes), EXTRA(Radius), EXTRA(Clusters), EXTRA(First), EXTRA(Position), EXTRA(Entropy), EXTRA(Largest),         \
      EXTRA(Error), EXTRA(ErrorLargest), EXTRA(Size), EXTRA(ErrorEnergy)
#define EXTRA_NAME(name) Extra##name
extern const Extra EXTRAS(EXTRA_NAME);

#endif
