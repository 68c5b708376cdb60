/* Tables of a few functions on the circle and on the sphere, behind law/sphere/synthesis.h. */
#ifndef CHORALE_LAW_SPHERE_TABLE_H
#define CHORALE_LAW_SPHERE_TABLE_H

#include <stdint.h>

#include <chorale/harmonics.h>

#define TABLE_FUNCTIONS 4 /* most functions of a table: a vector of them */

/* The window of the tables on the sphere, see table_sphere.c. */
#define TABLE_WIDTH    14
#define TABLE_FINENESS 6
#define TABLE_SHAPE    36.10

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

/* What a table costs: flops per token and to make it, bytes. */
typedef struct {
  PetscReal token, set, bytes;
} TableCost;

/* Arguments as in law/sphere/synthesis.h; n <= TABLE_FUNCTIONS. Cost is known before anything is allocated. */
#define TABLE(Kind)                                                                                                    \
  typedef struct Table##Kind *Table##Kind;                                                                             \
  PETSC_INTERN TableCost Table##Kind##Cost(PetscInt degree, PetscInt n);                                               \
  PETSC_INTERN PetscErrorCode Table##Kind##Create(Harmonics harmonics, PetscInt n, Table##Kind *);                     \
  PETSC_INTERN PetscErrorCode Table##Kind##Destroy(Table##Kind *);                                                     \
  PETSC_INTERN PetscErrorCode Table##Kind##Set(Table##Kind, const double *coefficients);                               \
  PETSC_INTERN PetscErrorCode Table##Kind##Evaluate(Table##Kind, PetscInt blocks, PetscInt B, const double *x,         \
                                                    double *out)
TABLE(Circle);
TABLE(Sphere);
#undef TABLE

#endif
