/* Steps of the limit SDE beside what other libraries take for its transforms: moment attention (beta = 1), spectral
 * noise, scheme euler, on one rank. Prints token-steps per second at two tolerances of attention. */
#include <chorale/error.h>

#include "bench_steps.h"

static PetscErrorCode Case(PetscInt d, PetscInt N, const char *degree, const char *tol) {
  double seconds = PETSC_MAX_REAL;

  PetscFunctionBeginUser;
  PetscCall(Set("-noise_degree", degree));
  PetscCall(Set("-attention_tol", tol));
  PetscCall(Measure(N, d, &seconds));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "step_d%d_tol%s %.4g token-steps/s\n", (int)d, tol, (double)N / seconds));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  static const char *const tols[] = {"1e-12", "1e-6"};

  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  if (Set("-attention_engine", "moments") || Set("-noise_type", "spectral") || Set("-scheme_type", "euler")) return 1;
  for (int i = 0; i < 2; i++)
    if (Case(3, 300000, "32", tols[i]) || Case(2, 2000000, "64", tols[i])) return 1;
  return PetscFinalize() != 0;
}
