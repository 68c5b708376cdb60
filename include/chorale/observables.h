/* What is measured on a token measure at one time (tools/README.md has the table):
 *   energy       E_beta in units of AttentionEnergyUnit              1 value, >= 0 up to rounding of e^beta
 *   order        |sum_i w_i x_i|                                      1 value in [0,1]
 *   cosine_mean  sum_{i != j} w_i w_j <x_i,x_j> / sum_{i != j} w_i w_j  1 value in [-1,1]; 1 for N = 1
 *   cosine_hist  share of the pairs i < j in each of 64 equal bins of [-1,1]   64 values adding up to 1 (0 for N = 1)
 *   nematic      top eigenvalue of sum_i w_i x_i x_i^T               1 value in [1/d,1]
 *   clusters     connected components of the graph cosine > 0.99     1 value
 * Pairs (cosine_hist, clusters) are those of the first min(N, 4096) tokens. */
#ifndef CHORALE_OBSERVABLES_H
#define CHORALE_OBSERVABLES_H

#include <chorale/attention.h>
#include <chorale/quantity.h>

typedef enum {
  OBSERVE_ENERGY,
  OBSERVE_ORDER,
  OBSERVE_COSINE_MEAN,
  OBSERVE_COSINE_HIST,
  OBSERVE_NEMATIC,
  OBSERVE_CLUSTERS,
  OBSERVABLES
} Observable;
#define OBSERVE_BINS   64
#define OBSERVE_SUBSET 4096
#define OBSERVE_VALUES (OBSERVABLES - 1 + OBSERVE_BINS) /* numbers per frame, in the order of the enum */

/* Its declaration, of kind QUANTITY_OBSERVABLE; the unit of the energy is that of AttentionEnergyUnit. */
const Quantity *ObservableGetQuantity(Observable observable);
/* Where its values start in the array of ObservablesEvaluate. Pure. */
PetscInt ObservableFirst(Observable observable);

/* All observables of the tokens, the same on every rank and for any number of ranks. Without attention (NULL) the
 * energy is left out, NaN. Collective on the tokens' communicator. */
PetscErrorCode ObservablesEvaluate(Tokens tokens, Attention attention, PetscReal values[OBSERVE_VALUES]);

#endif
