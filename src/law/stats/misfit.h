/* Does a law hold that is linear in its constants? Hotelling's test of what the law leaves of the means, so that what
 * the columns of a realization share (one Brownian path) is taken into account. Pure functions, no MPI. */
#ifndef CHORALE_LAW_STATS_MISFIT_H
#define CHORALE_LAW_STATS_MISFIT_H

#include <petscsys.h>

typedef struct {
  PetscReal misfit; /* about 1 where the law holds: of Fisher's law of n - p and R - n + p degrees of freedom */
  PetscReal chance; /* the probability of as much or more where it holds */
} Misfit;

#define MISFIT_CHANCE 6.334e-5 /* of four standard deviations: a law is refused below it */

/* The law E samples[r][i] = sum_j c_j a[i][j], for constants c_1 .. c_p that are not known, p <= n; of R realizations.
 * NaN where nothing is left to tell: for n = p, and for fewer than n - p + 4 realizations. */
PetscErrorCode MisfitMeasure(PetscInt R, PetscInt n, const PetscReal samples[], PetscInt p, const PetscReal a[],
                             Misfit *misfit);
PetscBool MisfitRefused(Misfit misfit);

/* P(F >= f), F of Fisher's law of m and n degrees of freedom. */
PetscReal MisfitChance(PetscReal f, PetscInt m, PetscInt n);

#endif
