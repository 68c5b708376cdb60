#include "law/sphere/table_window.h"

#include <math.h>

#include "law/sphere/table.h"

/* Shapes are those of the least error for their fineness. */
static const TableWindow windows[] = {{8, 5, 10, 19.15, 6.8e-8, PETSC_TRUE},
                                      {10, 6, 12, 25.63, 1.7e-10, PETSC_FALSE},
                                      {12, 7, 14, 31.79, 3.9e-13, PETSC_FALSE},
                                      {14, 5, 16, 34.74, 4.6e-14, PETSC_FALSE},
                                      {14, 6, 16, 36.10, 6.3e-15, PETSC_FALSE}};

/* What rounding to single precision adds, of the sum of the sizes of a function's modes (test_synthesis.c). */
#define SINGLE 5e-7
/* A grid with more cells around is beyond a second-level cache, where its size counts for more than the window's. */
#define LARGE 400

const TableWindow *TableWindowAt(PetscInt i) {
  return i < (PetscInt)PETSC_STATIC_ARRAY_LENGTH(windows) ? &windows[i] : NULL;
}

double TableWindowError(const TableWindow *window) {
  return 2.2 * window->error + (window->single ? SINGLE : 0); /* with the polynomials */
}

const TableWindow *TableWindowFind(PetscReal tol, PetscInt degree, PetscInt n) {
  const TableWindow *next;
  PetscInt i = 0;

  while (TableWindowAt(i + 1) && (TableWindowError(&windows[i]) > tol || (windows[i].single && n > 2))) i++;
  next = TableWindowAt(i + 1);
  return next && next->fineness < windows[i].fineness && windows[i].fineness * degree > LARGE ? next : &windows[i];
}

/* By the power series of I_0. */
double TableWindowValue(const TableWindow *window, double y) {
  const double square = 0.25 * window->shape * window->shape, part = 2 * y / (double)window->width;
  const double z = square * PetscMax(0, 1 - part * part);
  double term = 1, sum = 1, term0 = 1, sum0 = 1;

  for (PetscInt k = 1; k < 120; k++) {
    sum += term *= z / ((double)k * k);
    sum0 += term0 *= square / ((double)k * k);
  }
  return sum / sum0;
}

/* Exact for k = 0 and, up to the error of the window, for all. */
double TableWindowTransform(const TableWindow *window, PetscInt M, PetscInt k) {
  double sum = 1;
  for (PetscInt j = 1; j <= window->width / 2; j++)
    sum += 2 * TableWindowValue(window, (double)j) * cos(2 * PETSC_PI * k * j / M);
  return sum;
}

void TableWindowPolynomials(const TableWindow *window, double *polynomials) {
  const PetscInt terms = window->terms;
  double chebyshev[TABLE_TERMS * TABLE_TERMS], powers[TABLE_TERMS * TABLE_TERMS];

  TableChebyshev(terms, chebyshev);
  TablePowers(terms, powers);
  for (PetscInt j = 0; j < TABLE_HALF; j++) {
    double values[TABLE_TERMS], *out = polynomials + j;
    for (PetscInt p = 0; p < terms; p++) out[p * TABLE_HALF] = 0;
    for (PetscInt k = 0; k < terms; k++)
      values[k] = TableWindowValue(window, 0.5 * (TableNode(terms, k) + (double)(window->width - 1 - 2 * j)));
    for (PetscInt i = 0; i < terms; i++) {
      double term = 0;
      for (PetscInt k = 0; k < terms; k++) term += chebyshev[i * terms + k] * values[k];
      for (PetscInt p = 0; p <= i; p++) out[p * TABLE_HALF] += powers[p * terms + i] * term;
    }
  }
}
