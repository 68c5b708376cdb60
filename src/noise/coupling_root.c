/* Symmetric square roots. Rows values[n][d] are columns of a d x n matrix to BLAS. */
#include "noise/coupling_impl.h"

#include <math.h>
#include <petscblaslapack.h>

/* LAPACK's divide and conquer, which PETSc does not declare: for n of some hundreds three times as fast as dsyev. */
extern void dsyevd_(const char *jobz, const char *uplo, const PetscBLASInt *n, double *a, const PetscBLASInt *lda,
                    double *w, double *work, const PetscBLASInt *lwork, PetscBLASInt *iwork, const PetscBLASInt *liwork,
                    PetscBLASInt *info);

PetscErrorCode CouplingEigen(PetscInt n, double matrix[], double eigenvalues[]) {
  const PetscInt room = 1 + 6 * n + 2 * n * n;
  PetscBLASInt size, lwork, liwork, info, *iwork;
  double *work;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(n, &size));
  PetscCall(PetscBLASIntCast(room, &lwork));
  PetscCall(PetscBLASIntCast(3 + 5 * n, &liwork));
  PetscCall(PetscMalloc2(room, &work, 3 + 5 * n, &iwork));
  PetscCallBLAS("LAPACKsyevd",
                dsyevd_("V", "L", &size, matrix, &size, eigenvalues, work, &lwork, iwork, &liwork, &info));
  PetscCheck(info == 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "LAPACK dsyevd failed with info = %d", (int)info);
  PetscCall(PetscFree2(work, iwork));
  PetscFunctionReturn(0);
}

static PetscErrorCode Multiply(const char *transpose, PetscInt n, const double *vectors, PetscInt d,
                               const double *values, double *out) {
  const PetscScalar zero = 0, one = 1;
  PetscBLASInt size, rows;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(n, &size));
  PetscCall(PetscBLASIntCast(d, &rows));
  PetscCallBLAS("BLASgemm",
                BLASgemm_("N", transpose, &rows, &size, &size, &one, values, &rows, vectors, &size, &zero, out, &rows));
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingAnalyze(PetscInt n, const double vectors[], PetscInt d, const double values[], double out[]) {
  PetscFunctionBeginUser;
  PetscCall(Multiply("N", n, vectors, d, values, out));
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingSynthesize(PetscInt n, const double vectors[], PetscInt d, const double values[], double out[]) {
  PetscFunctionBeginUser;
  PetscCall(Multiply("T", n, vectors, d, values, out));
  PetscFunctionReturn(0);
}

PetscErrorCode CouplingApplyRoot(PetscInt n, double matrix[], PetscInt d, double values[]) {
  double *eigenvalues, *components;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(n, &eigenvalues, n * d, &components));
  PetscCall(CouplingEigen(n, matrix, eigenvalues));
  PetscCall(CouplingAnalyze(n, matrix, d, values, components));
  for (PetscInt i = 0; i < n; i++)
    for (PetscInt c = 0; c < d; c++) components[i * d + c] *= sqrt(PetscMax(eigenvalues[i], 0)); /* but for rounding */
  PetscCall(CouplingSynthesize(n, matrix, d, components, values));
  PetscCall(PetscFree2(eigenvalues, components));
  PetscFunctionReturn(0);
}
