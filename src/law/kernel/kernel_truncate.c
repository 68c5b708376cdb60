/* The kernel cut off at a degree: k(u) = sum_{n <= degree} c_n P_n(u), what a spectral noise really draws. */
#include "law/kernel/kernel_impl.h"
#include <chorale/zonal.h>
#include <math.h>

PetscReal KernelTruncatedValue(Kernel kernel, PetscReal u) {
  PetscReal value;

  ZonalEvaluate(kernel->dim, kernel->degree, kernel->truncated, u, &value, NULL);
  return value;
}

/* s_n = (1 - P_n(u))/(1 - u) inherits the recurrence of P_n, (n+d-2) s_{n+1} = (2n+d-2)(1 + u s_n) - n s_{n-1}; at u =
 * 1 it is P_n'(1), so nothing cancels near it. */
PetscReal KernelTruncatedSecant(Kernel kernel, PetscReal x) {
  const PetscReal u = 1.0 - x;
  PetscReal s = 0.0, before = 0.0, sum = 0.0;

  for (PetscInt n = 0; n < kernel->degree; n++) {
    const PetscReal down = (PetscReal)n, up = (PetscReal)(n + kernel->dim - 2);
    const PetscReal next = n == 0 ? 1.0 : ((down + up) * (1.0 + u * s) - down * before) / up;
    before = s, s = next;
    sum += kernel->truncated[n + 1] * s;
  }
  return sum;
}

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
