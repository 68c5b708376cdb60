/* Initial laws of the tokens: uniform, quadrature, vmf (von Mises-Fisher), clusters, harmonic, equiangular, file. */
#ifndef CHORALE_START_H
#define CHORALE_START_H

#include <chorale/deck.h>
#include <chorale/tokens.h>

typedef struct _p_Start *Start;

typedef struct {
  PetscInt64 count, dim; /* N and d, those of the file where the deck leaves them open */
  const char *init;      /* name of the law */
  PetscReal kappa, amplitude, cosine;
  PetscInt64 clusters, harmonic;
  char file[PETSC_MAX_PATH_LEN], dataset[PETSC_MAX_PATH_LEN];
  char frame[PETSC_MAX_PATH_LEN]; /* of a trajectory: last, a number, or t=TIME; empty for none */
  PetscInt64 realizations;        /* that start from realizations of such a file */
  uint64_t seed;
} StartOptions;
extern const OptionKey StartKeys[];
/* tokens_* and ensemble_seed. Collective. */
PetscErrorCode StartOptionsRead(StartOptions *options);

/* Checks the options against the layout of tokens (a file's shape, the N a quadrature can have); for `file` reads the
 * rows. Collective on the tokens' communicator; what a user got wrong is found alike on all ranks. */
PetscErrorCode StartCreate(Tokens tokens, const StartOptions *options, Start *start);
/* The mean-field limit of the law and independent copies of it: tokens 0 .. nodes - 1 start at the nodes and weights of
 * a quadrature rule of the law (d = 2 or 3, uniform or vmf), the others as independent tokens number 0, 1, ... of it
 * with weight 0: they feel the measure of the nodes and do not act. nodes is all tokens or a multiple of their block.
 * User input errors as StartCreate. Collective. */
PetscErrorCode StartCreateLimit(Tokens tokens, const StartOptions *options, PetscInt64 nodes, Start *start);
/* The nodes and weights of the quadrature rule of the uniform measure. Refuses (user input) dimensions above 3 and
 * counts that no rule has. Collective. */
PetscErrorCode StartCreateRule(Tokens tokens, Start *start);
PetscErrorCode StartDestroy(Start *start);
/* Puts the tokens of realization r at their start, and sets the weights (quadrature) or leaves 1/N. Collective on
 * tokens. */
PetscErrorCode TokensStart(Tokens tokens, Start start, PetscInt r);

#endif
