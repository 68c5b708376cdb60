/* Initial laws of the tokens: uniform, quadrature, vmf (von Mises-Fisher), clusters, harmonic, file. */
#ifndef CHORALE_START_H
#define CHORALE_START_H

#include <chorale/tokens.h>

typedef struct _p_Start *Start;

/* Reads tokens_init, tokens_kappa, tokens_clusters, tokens_file, tokens_dataset and ensemble_seed, and checks them
 * against the layout of tokens (a file's shape, the N a quadrature can have); for `file` reads the rows. Collective on
 * the tokens' communicator; what a user got wrong is found alike on all ranks. */
PetscErrorCode StartCreate(Tokens tokens, Start *start);
/* The mean-field limit of tokens_init and independent copies of it: tokens 0 .. nodes - 1 start at the nodes and
 * weights of a quadrature rule of the law (d = 2 or 3, uniform or vmf), the others as independent tokens number 0, 1,
 * ... of it with weight 0: they feel the measure of the nodes and do not act. nodes is all tokens or a multiple of
 * their block. User input errors as StartCreate. Collective. */
PetscErrorCode StartCreateLimit(Tokens tokens, PetscInt64 nodes, Start *start);
/* The nodes and weights of the quadrature rule of the uniform measure, whatever tokens_init says. Refuses (user input)
 * dimensions above 3 and counts that no rule has. Collective. */
PetscErrorCode StartCreateRule(Tokens tokens, Start *start);
PetscErrorCode StartDestroy(Start *start);
/* Number of rows and columns of tokens_file, so that a study can take N and d from it; tokens_count and
 * tokens_dim must agree with them if they are given. Collective on comm. */
PetscErrorCode StartFileShape(MPI_Comm comm, PetscInt64 *count, PetscInt64 *dim);
/* Puts the tokens of realization r at their start, and sets the weights (quadrature) or leaves 1/N. Collective on
 * tokens. */
PetscErrorCode TokensStart(Tokens tokens, Start start, PetscInt r);

#endif
