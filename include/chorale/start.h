/* Initial laws of the tokens: uniform, quadrature, vmf (von Mises-Fisher), clusters, file. */
#ifndef CHORALE_START_H
#define CHORALE_START_H

#include <chorale/tokens.h>

typedef struct _p_Start *Start;

/* Reads tokens_init, tokens_kappa, tokens_clusters, tokens_file, tokens_dataset and ensemble_seed, and checks them
 * against the layout of tokens (a file's shape, the N a quadrature can have); for `file` reads the rows. Collective on
 * the tokens' communicator; what a user got wrong is found alike on all ranks. */
PetscErrorCode StartCreate(Tokens tokens, Start *start);
PetscErrorCode StartDestroy(Start *start);
/* Number of rows and columns of tokens_file, so that a study can take N and d from it; tokens_count and
 * tokens_dim must agree with them if they are given. Collective on comm. */
PetscErrorCode StartFileShape(MPI_Comm comm, PetscInt64 *count, PetscInt64 *dim);
/* Puts the tokens of realization r at their start, and sets the weights (quadrature) or leaves 1/N. Collective on
 * tokens. */
PetscErrorCode TokensStart(Tokens tokens, Start start, PetscInt r);

#endif
