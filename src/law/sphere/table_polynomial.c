#include "law/sphere/table.h"

#include <math.h>

void TableChebyshev(PetscInt terms, double *matrix) {
  for (PetscInt j = 0; j < terms; j++) {
    for (PetscInt k = 0; k < terms; k++)
      matrix[j * terms + k] = (j ? 2.0 : 1.0) / terms * cos(PETSC_PI * j * (k + 0.5) / terms);
  }
}

/* T_{j+1} = 2t T_j - T_{j-1} */
void TablePowers(PetscInt terms, double *matrix) {
  for (PetscInt p = 0; p < terms; p++) {
    double *row = matrix + p * terms;
    const double *above = row - terms;
    row[0] = p == 0;
    if (terms > 1) row[1] = p == 1;
    for (PetscInt j = 1; j + 1 < terms; j++) row[j + 1] = (p ? 2 * above[j] : 0) - row[j - 1];
  }
}

double TableNode(PetscInt terms, PetscInt k) {
  return cos(PETSC_PI * (k + 0.5) / terms);
}
