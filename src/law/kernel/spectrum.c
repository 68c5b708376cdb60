/* What follows from k(1) and k'(1) for the derivative of the noise flow, NEIGHBOURS.md section 15. */
#include "law/kernel/impl.h"

PetscErrorCode KernelSpectrum(Kernel kernel, PetscReal lambda[]) {
  PetscFunctionBeginUser;
  PetscCall(KernelLyapunov(kernel, &lambda[0]));
  for (PetscInt j = 1; j < kernel->dim - 1; j++) lambda[j] = lambda[0] - (PetscReal)j * kernel->kp1;
  PetscFunctionReturn(0);
}

PetscErrorCode KernelMomentExponent(Kernel kernel, PetscReal p, PetscReal *rate) {
  PetscReal lambda1;

  PetscFunctionBeginUser;
  PetscCall(KernelLyapunov(kernel, &lambda1));
  *rate = p * lambda1 + 0.5 * p * p * (kernel->k1 + kernel->kp1);
  PetscFunctionReturn(0);
}

PetscErrorCode KernelMomentRoot(Kernel kernel, PetscReal *root) {
  PetscReal lambda1;

  PetscFunctionBeginUser;
  PetscCall(KernelLyapunov(kernel, &lambda1));
  *root = -2 * lambda1 / (kernel->k1 + kernel->kp1);
  PetscFunctionReturn(0);
}

PetscReal KaplanYorke(PetscInt n, const PetscReal lambda[]) {
  PetscReal sum = 0;
  PetscInt j = 0;

  while (j < n && sum + lambda[j] >= 0) sum += lambda[j++];
  return j < n ? (PetscReal)j + sum / -lambda[j] : (PetscReal)n;
}
