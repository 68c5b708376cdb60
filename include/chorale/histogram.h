/* Histograms of a token measure on [-1,1], in `bins` equal bins [a,b), the last with its end. The same on every rank
 * and, bit for bit, for any number of ranks; no rank holds more than its own blocks and one more. */
#ifndef CHORALE_HISTOGRAM_H
#define CHORALE_HISTOGRAM_H

#include <chorale/tokens.h>

/* share[bins] <- the share of all pairs i < j of tokens with <x_i,x_j> in each bin; 0 for N = 1. N^2 d operations.
 * Collective. */
PetscErrorCode HistogramPairs(Tokens tokens, PetscInt bins, PetscReal share[]);
/* mass[d][bins] <- the weight of the tokens whose coordinate c is in each bin. Collective. */
PetscErrorCode HistogramCoordinates(Tokens tokens, PetscInt bins, PetscReal mass[]);

#endif
