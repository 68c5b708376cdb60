/* Tables of a few functions on the circle and on the sphere, behind law/sphere/synthesis.h and tabulation.h. */
#ifndef CHORALE_LAW_SPHERE_TABLE_H
#define CHORALE_LAW_SPHERE_TABLE_H

#include <stdint.h>

#include <chorale/harmonics.h>

#define TABLE_FUNCTIONS 4 /* most functions of a table: a vector of them */

typedef double Quad __attribute__((vector_size(8 * TABLE_FUNCTIONS), aligned(8), may_alias));

/* Macros, since functions with arguments of this type are called differently on machines without such vectors. */
#define QuadLoad(p)     (*(const Quad *)(p))
#define QuadStore(p, v) (*(Quad *)(p) = (v))

/* Vectors that lie across two cache lines cost twice: TABLE_LINE more doubles than needed leave room to begin on one.
 */
#define TABLE_LINE 8
static inline double *TableBegin(double *room) {
  return room + (64 - (uintptr_t)room % 64) % 64 / sizeof(double);
}

/* The polynomial of `terms` coefficients through values at nodes in [-1,1]: matrices [terms][terms] from values to
 * coefficients of T_0, T_1, .. and from these to those of 1, t, .. In one step rounding would grow like 2^terms; but
 * where the coefficients of T_j fall faster than the powers of T_j grow, as they do when functions are resolved, it
 * does not. */
PETSC_INTERN double TableNode(PetscInt terms, PetscInt k);
PETSC_INTERN void TableChebyshev(PetscInt terms, double *matrix);
PETSC_INTERN void TablePowers(PetscInt terms, double *matrix);

/* What a table costs: flops per token, flops to make it from coefficients and from values, bytes if it is made from
 * these or those, and the points at which it wants values; its error, and whether that is single precision's. */
typedef struct {
  PetscReal token, set, values, bytes, values_bytes, points, error;
  PetscBool single;
} TableCost;

/* n <= TABLE_FUNCTIONS functions of degree at most `degree`, each off by at most tol (TABLE_EXACT or more) of the sum
 * of its modes. Cost is known before anything is allocated. A table is set from coefficients, with arguments as in
 * law/sphere/synthesis.h, or from values[blocks][n][B] at points x[blocks][d][B] of its choice, which it owns; there
 * the functions may be odd, 1, instead of even, 0, when an angle goes on over a pole, as components along it are. */
#define TABLE_EXACT 2e-14
#define TABLE(Kind)                                                                                                    \
  typedef struct Table##Kind *Table##Kind;                                                                             \
  PETSC_INTERN TableCost Table##Kind##Cost(PetscInt degree, PetscInt n, PetscReal tol);                                \
  PETSC_INTERN PetscErrorCode Table##Kind##Create(PetscInt degree, PetscInt n, PetscReal tol, Table##Kind *);          \
  PETSC_INTERN PetscErrorCode Table##Kind##Destroy(Table##Kind *);                                                     \
  PETSC_INTERN PetscErrorCode Table##Kind##Set(Table##Kind, Harmonics, const double *coefficients);                    \
  PETSC_INTERN PetscErrorCode Table##Kind##GetPoints(Table##Kind, PetscInt *blocks, PetscInt *B, const double **x);    \
  PETSC_INTERN PetscErrorCode Table##Kind##SetValues(Table##Kind, PetscInt odd, const double *values);                 \
  PETSC_INTERN PetscErrorCode Table##Kind##Evaluate(Table##Kind, PetscInt blocks, PetscInt B, const double *x,         \
                                                    double *out)
TABLE(Circle);
TABLE(Sphere);
#undef TABLE

#endif
