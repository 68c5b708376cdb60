/* A token measure that every rank holds whole, for work on all pairs; rows of that work are shared out. */
#ifndef CHORALE_DISTANCE_CLOUD_H
#define CHORALE_DISTANCE_CLOUD_H

#include <chorale/tokens.h>

typedef struct {
  MPI_Comm comm;
  PetscInt dim, block, blocks;
  PetscInt64 count;  /* tokens without padding, which come first in their block as in Tokens */
  PetscInt rows;     /* tokens with padding, which has weight 0 */
  PetscInt from, to; /* rows of this rank, whole groups of 8 */
  double *x;         /* [blocks][dim][block] */
  double *weights;   /* [rows] */
} Cloud;

/* Collective. */
PetscErrorCode CloudCreate(Tokens tokens, Cloud *cloud);
PetscErrorCode CloudDestroy(Cloud *cloud);
/* values[rows], of which every rank has set its own rows, on all ranks. Collective. */
PetscErrorCode CloudShare(const Cloud *cloud, double *values);
/* x_row of a token. */
void CloudToken(const Cloud *cloud, PetscInt row, double *x);

/* sums_i = sum_j w_j e^{-rate |x_i - y_j|^2} for this rank's rows i of a and all j of b. Exponents below -700 count as
 * -700. The value depends on x_i and b alone, not on the row or the rank. */
void CloudSums(const Cloud *a, const Cloud *b, PetscReal rate, double *sums);

#endif
