/* The kernel as a finite sum k(u) = sum_{n <= degree} c_n P_n(u): what is left of it once it is cut off. */
#include "law/kernel/impl.h"

#include "law/sphere/zonal.h"

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
