/* Rows of a file as tokens. */
#include <math.h>

#include <chorale/deck.h>

#include "tokens/start_impl.h"

/* The first row that has no direction, over all ranks: 2 x row, + 1 if the row is zero and not NaN or infinite;
 * INT64_MAX if there is none. */
static PetscErrorCode FirstBadRow(MPI_Comm comm, PetscInt64 first, PetscInt64 n, PetscInt dim, const double *rows,
                                  PetscInt64 *bad) {
  PetscFunctionBeginUser;
  *bad = INT64_MAX;
  for (PetscInt64 i = 0; i < n && *bad == INT64_MAX; i++) {
    PetscBool zero = PETSC_TRUE, finite = PETSC_TRUE;

    for (PetscInt c = 0; c < dim; c++) {
      if (rows[i * dim + c] != 0) zero = PETSC_FALSE;
      if (!isfinite(rows[i * dim + c])) finite = PETSC_FALSE;
    }
    if (zero || !finite) *bad = 2 * (first + i) + zero;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, bad, 1, MPIU_INT64, MPI_MIN, comm));
  PetscFunctionReturn(0);
}

/* Rows so long or short that the square of their norm leaves double precision are scaled, by powers of two: their
 * directions are as good as others'. */
static void TameRows(PetscInt64 n, PetscInt dim, double *rows) {
  for (PetscInt64 i = 0; i < n; i++) {
    double most = 0;
    int exponent;

    for (PetscInt c = 0; c < dim; c++) most = fmax(most, fabs(rows[i * dim + c]));
    if (most > 1e-140 && most < 1e140) continue;
    (void)frexp(most, &exponent);
    for (PetscInt c = 0; c < dim; c++) rows[i * dim + c] = ldexp(rows[i * dim + c], -exponent);
  }
}

PetscErrorCode StartFileCheckRows(const TokensLayout *layout, const char *path, PetscInt64 first, PetscInt64 n,
                                  double *rows) {
  PetscInt64 bad;

  PetscFunctionBeginUser;
  PetscCall(FirstBadRow(layout->comm, first, n, layout->dim, rows, &bad));
  PetscCheck(bad == INT64_MAX, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_file = %s: row %" PetscInt64_FMT " (counting from 0) %s, so it has no direction", path, bad / 2,
             bad % 2 ? "is zero" : "is not finite");
  TameRows(n, layout->dim, rows);
  PetscFunctionReturn(0);
}

void StartFilePlaceRows(const TokensLayout *layout, PetscInt b, const double *rows, double *x) {
  const PetscInt dim = layout->dim, block = layout->block;

  rows += (size_t)b * (size_t)block * (size_t)dim;
  for (PetscInt t = 0; t < TokensFilled(layout, b); t++)
    for (PetscInt c = 0; c < dim; c++) x[c * block + t] = rows[t * dim + c];
}
