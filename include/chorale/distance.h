/* Distances between two weighted token measures mu = sum_i w_i delta_{x_i}, nu = sum_j v_j delta_{y_j} on the same
 * sphere S^{d-1}, each split over the same communicator (the counts of tokens may differ). All results are the same on
 * every rank and, bit for bit, for any number of ranks. All functions are collective on the tokens' communicator.
 *
 * W2^2 is the least mean cost of a plan with marginals mu and nu, cost |x - y|^2 = 2 - 2 <x,y> (chordal) unless said.
 */
#ifndef CHORALE_DISTANCE_H
#define CHORALE_DISTANCE_H

#include <chorale/tokens.h>

/* Circle (d = 2) only, user input error otherwise: the exact plan for the geodesic cost angle^2, any weights, cut
 * optimised, O(N log N): its geodesic cost, and the chordal cost of that plan (an upper bound of W2^2). Masses are
 * rounded to 2^-60. Memory: 48 bytes per own token, and 16 on every rank for each token of the measure that has fewer.
 */
PetscErrorCode DistanceCircle(Tokens mu, Tokens nu, PetscReal *geodesic, PetscReal *chordal);

/* Circle only: W2^2 with chordal cost, any weights: *low = *high where the plan of quantiles is proved optimal
 * (measures that are not far apart: O(N log N)), or where N M <= DISTANCE_CIRCLE_PAIRS (network simplex, to 1e-12);
 * else *low <= W2^2 <= *high, both certified, W2 to 0.03 or so. */
#define DISTANCE_CIRCLE_PAIRS ((PetscInt64)1 << 22)
PetscErrorCode DistanceCircleTransport(Tokens mu, Tokens nu, PetscReal *low, PetscReal *high);

/* Any d, any weights: *low <= W2^2 <= *high, both certified, by the auction of Bertsekas (NUMERICS.md (9.14)). The gap
 * *high - *low is at most tol *high, tol in (0,1), or as small as doubles allow, which one printed line says. Masses
 * are rounded to 2^-60. Every rank holds both measures: about 4 d + 40 doubles for each of their tokens. */
PetscErrorCode DistanceAuction(Tokens mu, Tokens nu, PetscReal tol, PetscReal *low, PetscReal *high);

/* Any d, any weights, O(N log N): d times the mean over fixed pseudo-random directions theta of the W2^2 of the
 * projections <theta,x> on the line. Directions come in orthonormal frames (their number is rounded up to a multiple of
 * d), so this is at most W2^2. */
PetscErrorCode DistanceSliced(Tokens mu, Tokens nu, PetscInt directions, PetscReal *w2sq);

/* MMD^2 = integral of e^{beta <x,y>} d(mu - nu)(x) d(mu - nu)(y) >= 0, through moments where they are cheaper than all
 * pairs. Error: 4e-14 e^beta, and of that only 1e-14 of the value itself for measures drawn from one law (moments);
 * some 1e-15 e^beta (pairs, for large d). */
PetscErrorCode DistanceMMD(Tokens mu, Tokens nu, PetscReal beta, PetscReal *mmd2);

/* W2^2 in [*low, *high], both certified, by the best method for these measures: circle for d = 2, else the auction, to
 * the relative gap tol in (0,1). */
PetscErrorCode DistanceTransport(Tokens mu, Tokens nu, PetscReal tol, PetscReal *low, PetscReal *high);
/* The method for measures on S^{dim-1}: a static name for tables and logs ("circle", "auction"). Pure. */
const char *DistanceTransportMethod(PetscInt dim);
/* About how many seconds one DistanceTransport of N and M independent tokens takes on one core of 2024 or so, for the
 * dry run; equal: the weights of each measure are. Pure. */
PetscReal DistanceTransportSeconds(PetscInt dim, PetscInt64 N, PetscInt64 M, PetscBool equal, PetscReal tol);

#endif
