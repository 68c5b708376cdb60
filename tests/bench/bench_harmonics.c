/* Speed of analysis and synthesis: lines `name value unit`, tokens per second and Gflop/s of one rank, best of 7. */
#include <math.h>
#include <stdio.h>

#include <petscsys.h>

#include <chorale/error.h>
#include <chorale/harmonics.h>
#include <chorale/rng.h>

enum { REPEATS = 7, BLOCK = 256 };

typedef PetscErrorCode (*Work)(Harmonics, PetscInt, const double *, PetscInt, const double *, double *);

static PetscErrorCode Rate(const char *what, Work work, Harmonics h, PetscInt dim, PetscInt degree, PetscInt n,
                           const double *x, const double *in, double *out) {
  const PetscInt rounds = 1 + (PetscInt)(4e8 / (HarmonicsFlops(h, n) * BLOCK));
  double best = PETSC_MAX_REAL;

  PetscFunctionBeginUser;
  for (int i = 0; i < REPEATS; i++) {
    const double start = MPI_Wtime();
    for (PetscInt r = 0; r < rounds; r++) PetscCall(work(h, BLOCK, x, n, in, out));
    best = PetscMin(best, MPI_Wtime() - start);
  }
  const double rate = (double)rounds * BLOCK / best;
  printf("harmonics_%s_d%d_degree%d_n%d %.4g tokens/s\n", what, (int)dim, (int)degree, (int)n, rate);
  printf("harmonics_%s_d%d_degree%d_n%d_speed %.4g Gflop/s\n", what, (int)dim, (int)degree, (int)n,
         rate * HarmonicsFlops(h, n) / 1e9);
  PetscFunctionReturn(0);
}

static PetscErrorCode Case(PetscInt dim, PetscInt degree, PetscInt n) {
  const RngStream stream = {.purpose = RNG_TEST};
  double *x, *f, *c;
  Harmonics h;
  PetscInt K;

  PetscFunctionBeginUser;
  PetscCall(HarmonicsCreate(dim, degree, &h));
  PetscCall(HarmonicsGetSize(h, &K, NULL));
  PetscCall(PetscMalloc3(dim * BLOCK, &x, n * BLOCK, &f, n * K, &c));
  RngNormal(stream, 0, (size_t)(dim * BLOCK), x);
  RngNormal(stream, 0, (size_t)(n * BLOCK), f);
  RngNormal(stream, 0, (size_t)(n * K), c);
  for (PetscInt t = 0; t < BLOCK; t++) {
    double square = 0.0;
    for (PetscInt i = 0; i < dim; i++) square += x[i * BLOCK + t] * x[i * BLOCK + t];
    for (PetscInt i = 0; i < dim; i++) x[i * BLOCK + t] /= sqrt(square);
  }
  PetscCall(Rate("synthesis", HarmonicsSynthesize, h, dim, degree, n, x, c, f));
  PetscCall(Rate("analysis", HarmonicsAnalyze, h, dim, degree, n, x, f, c));
  PetscCall(PetscFree3(x, f, c));
  PetscCall(HarmonicsDestroy(&h));
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  const PetscInt cases[][3] = {{2, 16, 3}, {2, 64, 2}, {2, 64, 3}, {3, 16, 4}, {3, 32, 3}, {4, 8, 4}};

  if (PetscInitialize(&argc, &argv, NULL, NULL) || ErrorHandlerPush()) return 1;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) PetscCall(Case(cases[i][0], cases[i][1], cases[i][2]));
  return PetscFinalize();
}
