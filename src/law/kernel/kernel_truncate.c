/* Where to cut off a kernel, and what is lost: a spectral noise draws sum_{n <= degree} c_n P_n(u). */
#include "law/kernel/impl.h"

/* sum_{n > degree} c_n, given c[0..degree]. Smooth kernels and truncated ones end at a known degree. A kink leaves c_n
 * of order n^{-4}, so the sum over degree is of order degree^{-3} and the difference from k(1) has digits enough. */
static PetscErrorCode Remainder(Kernel kernel, PetscInt degree, const PetscReal c[], PetscReal *rest) {
  PetscReal *all;
  PetscInt last;

  PetscFunctionBeginUser;
  *rest = 0.0;
  if (!kernel->truncated && kernel->piecewise_linear) {
    for (PetscInt n = degree; n >= 0; n--) *rest += c[n];
    *rest = PetscMax(0.0, kernel->k1 - *rest);
    PetscFunctionReturn(0);
  }
  if (!kernel->truncated) PetscCall(KernelSeriesSetUp(kernel));
  last = kernel->truncated ? kernel->degree : kernel->terms - 1;
  if (last <= degree) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(last + 1, &all));
  PetscCall(KernelCoefficients(kernel, last, all));
  for (PetscInt n = last; n > degree; n--) *rest += all[n];
  PetscCall(PetscFree(all));
  PetscFunctionReturn(0);
}

PetscErrorCode KernelTruncate(Kernel kernel, PetscInt degree, PetscReal *lost) {
  const PetscReal d = (PetscReal)kernel->dim;
  PetscReal *c;

  PetscFunctionBeginUser;
  PetscCheck(degree >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE, "kernel: degree = %d is negative", (int)degree);
  PetscCall(PetscMalloc1(degree + 1, &c));
  PetscCall(KernelCoefficients(kernel, degree, c));
  PetscCall(Remainder(kernel, degree, c, lost));
  PetscCall(PetscFree(kernel->truncated));
  kernel->truncated = c;
  kernel->degree = degree;
  kernel->k1 = kernel->kp1 = 0.0;
  for (PetscInt n = degree; n >= 0; n--) {
    kernel->k1 += c[n];
    kernel->kp1 += c[n] * (PetscReal)n * ((PetscReal)n + d - 2.0) / (d - 1.0); /* P_n'(1) */
  }
  PetscFunctionReturn(0);
}

/* Coefficients may be expensive: they are asked for up to degrees that double until what is beyond is small enough. */
PetscErrorCode KernelDegree(Kernel kernel, PetscReal tol, PetscInt most, PetscInt *degree, PetscReal *tail) {
  PetscInt last = PetscMin(most, 64);
  PetscReal *c;

  PetscFunctionBeginUser;
  PetscCheck(tol >= 0.0 && most >= 0, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "kernel: needs tol = %.6g >= 0, most = %d >= 0", (double)tol, (int)most);
  for (;; last = last > most / 2 ? most : 2 * last) {
    PetscCall(PetscMalloc1(last + 1, &c));
    PetscCall(KernelCoefficients(kernel, last, c));
    PetscCall(Remainder(kernel, last, c, tail));
    if (last == most || *tail <= tol * kernel->k1) break;
    PetscCall(PetscFree(c));
  }
  for (*degree = last; *degree > 0 && *tail + c[*degree] <= tol * kernel->k1; (*degree)--) *tail += c[*degree];
  PetscCall(PetscFree(c));
  PetscFunctionReturn(0);
}
