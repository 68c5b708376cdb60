/* Vector fields on the circle or on the sphere in three dimensions that are sums of harmonics up to a degree, from
 * their values at few points and at very many tokens: the tables of law/sphere/synthesis.h without coefficients.
 * Several fields that add up to one become one table so. On the sphere the parts along both angles are kept, two
 * numbers in place of three. No MPI; values at a token depend on the token and the values alone. */
#ifndef CHORALE_LAW_SPHERE_TABULATION_H
#define CHORALE_LAW_SPHERE_TABULATION_H

#include <petscsys.h>

typedef struct _p_Tabulation *Tabulation;

#define TABULATION_DIM 3 /* d at most */

typedef struct {
  PetscReal points;            /* at which values are wanted */
  PetscReal token, set, bytes; /* flops per token and to make the table from them, its memory */
  PetscReal error;             /* of each component, of the sum of the sizes of the harmonics, at most */
  PetscBool single;            /* is the table in single precision? It may be from a tolerance of 1e-6 on */
} TabulationCost;
PetscErrorCode TabulationGetCost(PetscInt dim, PetscInt degree, PetscReal tol, TabulationCost *cost);
/* Each component is off by at most tol, 2e-14 or more, of the sum of the sizes of the harmonics. */
PetscErrorCode TabulationCreate(PetscInt dim, PetscInt degree, PetscReal tol, Tabulation *tabulation);
PetscErrorCode TabulationDestroy(Tabulation *tabulation);
/* x[blocks][d][B], blocks as in harmonics.h, whose values ranks may share out; owned by the object. */
PetscErrorCode TabulationGetPoints(Tabulation tabulation, PetscInt *blocks, PetscInt *B, const double **x);
/* values[blocks][d][B] there. */
PetscErrorCode TabulationSet(Tabulation tabulation, const double *values);
/* At x[blocks][d][B], as SynthesisEvaluate, the field up to a multiple of x: out[blocks][d][B], whose part across x is
 * that of the field. */
PetscErrorCode TabulationEvaluate(Tabulation tabulation, PetscInt blocks, PetscInt B, const double *x, double *out);

#endif
