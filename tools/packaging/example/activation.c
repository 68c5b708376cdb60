/* An activation of your own on top of an installed chorale: the kernel of a random MLP with it, and whether noise alone
 * makes tokens gather, which it does where the Lyapunov exponent is negative.
 *
 *     activation DIM ... */
#include <chorale/error.h>
#include <chorale/kernel.h>

#include <math.h>
#include <stdlib.h>

static PetscReal Arctan(PetscReal x) {
  return atan(x);
}

static PetscReal ArctanDerivative(PetscReal x) {
  return 1 / (1 + x * x);
}

/* Theory needs no more. To move tokens it takes a row of chorale's registry, see src/ADDING.md. */
static const Activation activation = {
    .name = "arctan", .value = Arctan, .derivative = ArctanDerivative, .odd = PETSC_TRUE};

static PetscErrorCode Print(PetscInt dim) {
  PetscReal k1, kp1, lambda1;
  Kernel kernel;

  PetscFunctionBeginUser;
  PetscCheck(dim >= 2, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "DIM = %" PetscInt_FMT ": must be at least 2", dim);
  PetscCall(KernelCreate(&activation, dim, 0, 0, &kernel));
  PetscCall(KernelAtOne(kernel, &k1, &kp1));
  PetscCall(KernelLyapunov(kernel, &lambda1));
  PetscCall(KernelDestroy(&kernel));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s, d = %" PetscInt_FMT ": k(1) = %.12g, k'(1) = %.12g, lambda1 = %.12g\n",
                        activation.name, dim, (double)k1, (double)kp1, (double)lambda1));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  PetscErrorCode code = 0;

  if (PetscInitialize(NULL, NULL, NULL, NULL) || ErrorHandlerPush()) return 1;
  for (int i = 1; i < argc && !code; i++) code = Print((PetscInt)atoi(argv[i]));
  if (ErrorMeet(code) || PetscFinalize()) return 1;
  return ErrorExitCode(code);
}
