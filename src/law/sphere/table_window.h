/* The window by which functions of an angle are interpolated, see table_sphere.c. Private to the tables. */
#ifndef CHORALE_LAW_SPHERE_TABLE_WINDOW_H
#define CHORALE_LAW_SPHERE_TABLE_WINDOW_H

#include <petscsys.h>

typedef struct {
  PetscInt width, fineness, terms; /* terms: of the polynomials below, even */
  double shape;                    /* b */
  double error;                    /* of e^{ik theta}, |k| <= M/fineness, by one angle */
  PetscBool single;                /* grid and sums in single precision: the narrowest one, of 8 numbers */
} TableWindow;

/* For n functions of some degree the narrowest one whose error of both angles is at most tol, or a wider one where that
 * makes a large grid smaller. */
PETSC_INTERN const TableWindow *TableWindowFind(PetscReal tol, PetscInt degree, PetscInt n);
/* Of both angles, with rounding where that is in single precision. */
PETSC_INTERN double TableWindowError(const TableWindow *window);
/* The i-th one, NULL past the end. */
PETSC_INTERN const TableWindow *TableWindowAt(PetscInt i);
/* W(y)/W(0), and w(k/M)/W(0) from the sum over the grid that it has to invert. */
PETSC_INTERN double TableWindowValue(const TableWindow *window, double y);
PETSC_INTERN double TableWindowTransform(const TableWindow *window, PetscInt M, PetscInt k);

/* A token at f in [0,1] of its cell has the numbers W(f + width/2 - 1 - j), j = 0 .. width - 1, as polynomials in
 * t = 2f - 1, by Chebyshev interpolation at `terms` nodes. Each is off by less than a hundredth of the window's error,
 * or by rounding (test_synthesis.c). The upper half of them is the lower one at -t, so even and odd powers of
 * TABLE_HALF polynomials serve both. */
#define TABLE_TERMS 16 /* the most */
#define TABLE_HALF  8  /* at least width/2: whole vectors */
/* polynomials[terms][TABLE_HALF]: those of j = 0 .. TABLE_HALF - 1. */
PETSC_INTERN void TableWindowPolynomials(const TableWindow *window, double *polynomials);

#endif
