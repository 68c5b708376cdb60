/* The schemes along Brownian paths: strong order, agreement of the Ito and Stratonovich forms (THEORY.md section 3),
 * and the cyclic order on the circle. */
#include "scheme_paths.h"

static double MeanSquare(Tokens a, Tokens b) {
  double x[PARTICLES * 8], y[PARTICLES * 8], sum = 0;
  PetscInt64 first, n;
  TokensLayout layout;
  OK(TokensGetLayout(a, &layout));
  OK(TokensGetRows(a, &first, &n, x));
  OK(TokensGetRows(b, &first, &n, y));
  for (PetscInt i = 0; i < PARTICLES * layout.dim; i++) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sum / PARTICLES;
}

enum { PATHS = 1024 };

/* Distances at the end of one pair of solutions, ((1/N) sum |X - Y|^2)^{1/2}, by step and path. */
typedef struct {
  int paths;
  double at[STEPS][PATHS];
} Distances;

/* Mean over the paths but one (none is left out when it is -1): strong order is that of E|X - Y|. */
static double Mean(const Distances *distances, int step, int without) {
  double sum = 0;
  for (int p = 0; p < distances->paths; p++) sum += p == without ? 0 : distances->at[step][p];
  return sum / (without < 0 ? distances->paths : distances->paths - 1);
}

/* Least-squares slope of log(mean distance) against log(step). */
static double Slope(const Distances *distances, int without) {
  double slope = 0, weight = 0;
  for (int i = 0; i < STEPS; i++) {
    const double t = i - 0.5 * (STEPS - 1);
    slope -= t * log2(Mean(distances, i, without));
    weight += t * t;
  }
  return slope / weight;
}

/* The slope, and its standard error over the paths by the jackknife. */
static double Order(const Distances *distances, const char *what, double *error) {
  const double measured = Slope(distances, -1);
  double sum = 0;
  for (int p = 0; p < distances->paths; p++) sum += pow(Slope(distances, p) - measured, 2);
  *error = sqrt(sum * (distances->paths - 1) / distances->paths);
  print_message("%-14s", what);
  for (int i = 0; i < STEPS; i++) print_message(" %.2e", Mean(distances, i, -1));
  print_message("  order %.3f +- %.3f\n", measured, *error);
  return measured;
}

/* Every scheme against itself with half the step, then every pair of schemes with the same step, of size 1/32 to 1/512
 * up to time 1/4: the order does not depend on the time, and the shorter it is the more paths there are. The paths are
 * split over the ranks. */
static void MeasurePaths(PetscInt d, int paths, Distances distances[2 * SCHEMES]) {
  PetscMPIInt rank, size;
  Paths p;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(PetscArrayzero(distances, 2 * SCHEMES));
  MakePaths(PARTICLES, d, 8, 0.25, 1, 1, PETSC_FALSE, &p);
  for (PetscInt path = rank; path < paths; path += size) {
    RunPath(&p, path);
    for (int s = 0; s < SCHEMES; s++)
      for (int i = 0; i < STEPS; i++) {
        distances[s].at[i][path] = sqrt(MeanSquare(p.tokens[s][i], p.tokens[s][i + 1]));
        distances[SCHEMES + s].at[i][path] = sqrt(MeanSquare(p.tokens[s][i], p.tokens[(s + 1) % SCHEMES][i]));
      }
  }
  DestroyPaths(&p);
  for (int k = 0; k < 2 * SCHEMES; k++) {
    distances[k].paths = paths;
    OK(MPI_Allreduce(MPI_IN_PLACE, distances[k].at, STEPS * PATHS, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  }
}

/* Strong order 1/2, seen by halving the step along one path, and no more than that: the noise does not commute. The Ito
 * and the Stratonovich schemes go to one limit at that rate: the radial term is the whole correction. heun and flow
 * treat the noise of one step alike up to its third order, so that they come together at order 1. */
static void SchemesShareOnePath(void **state) {
  static const char *const what[2 * SCHEMES] = {"euler", "heun", "flow", "euler - heun", "heun - flow", "flow - euler"};
  static Distances distances[2 * SCHEMES];
  (void)state;
  SetKey("mlp_activation", "silu");
  SetKey("mlp_bias_u", "0.5");
  SetKey("noise_degree", "6");
  SetKey("attention_engine", "direct");
  for (PetscInt d = 2; d <= 3; d++) {
    MeasurePaths(d, d == 2 ? PATHS : PATHS / 2, distances);
    double measured[2 * SCHEMES], error[2 * SCHEMES];
    for (int k = 0; k < 2 * SCHEMES; k++) measured[k] = Order(&distances[k], what[k], &error[k]);
    for (int k = 0; k < 2 * SCHEMES; k++) {
      const PetscBool close = (PetscBool)(k == SCHEMES + 1);
      CLOSE(error[k], 0, 0.01);
      CLOSE(measured[k], close ? 1 : 0.5, close ? 0.1 : 0.03); /* 3 errors; 1 less what the largest steps lose */
      for (int i = 1; i < STEPS; i++) assert_true(Mean(&distances[k], i, -1) < Mean(&distances[k], i - 1, -1));
    }
  }
  SetKey("mlp_activation", NULL);
  SetKey("mlp_bias_u", NULL);
  SetKey("noise_degree", NULL);
  SetKey("attention_engine", NULL);
}

enum { RING = 64, RING_MANY = 20000, SIZES = 6 };

/* Sum of the angles from each of N tokens to the next, in turns: 1 as long as the cyclic order holds. The smallest
 * angle. */
static double Turns(Tokens tokens, PetscInt N, double *gap) {
  double *x, sum = 0;
  PetscInt64 first, n;
  OK(PetscMalloc1(2 * N, &x));
  OK(TokensGetRows(tokens, &first, &n, x));
  for (PetscInt i = 0; i < N; i++) {
    const double *a = x + 2 * i, *b = x + 2 * ((i + 1) % N);
    const double angle = atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]);
    *gap = fmin(*gap, fabs(angle));
    sum += angle < 0 ? angle + 2 * PETSC_PI : angle;
  }
  OK(PetscFree(x));
  return sum / (2 * PETSC_PI);
}

/* N tokens on the circle, every other one closely behind the one before: gaps of SIZES sizes down to a tenth^SIZES of
 * the others. */
static Tokens Ring(PetscInt N) {
  TokensLayout layout;
  Tokens tokens;
  double *x;
  Vec v;
  OK(TokensCreate(PETSC_COMM_SELF, N, 2, &tokens));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &v));
  OK(VecGetArray(v, &x));
  for (PetscInt i = 0; i < N; i++) {
    const double behind = i % 2 ? 1 - pow(0.1, (double)(1 + i / 2 % SIZES)) : 0;
    const double angle = 2 * PETSC_PI * ((double)i - behind) / (double)N;
    x[i / layout.block * 2 * layout.block + i % layout.block] = cos(angle);
    x[(i / layout.block * 2 + 1) * layout.block + i % layout.block] = sin(angle);
  }
  OK(VecRestoreArray(v, &x));
  OK(TokensMove(tokens, 0, NULL));
  return tokens;
}

/* A flow cannot exchange tokens on the circle, and noise and attention bring them together: L steps of 0.002, in the
 * course of which the smallest gap becomes small, not below 1e-12. The realizations go round the ranks. */
static void CheckOrder(PetscInt N, PetscInt L, PetscInt every, double small) {
  enum { REALIZATIONS = 4 };
  const double dt = 0.002;
  double least = 1, most = 0, off = 0;
  PetscMPIInt rank, size;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  for (PetscInt r = rank; r < REALIZATIONS; r += size) {
    double gap = 1;
    Tokens tokens = Ring(N);
    Model model = MakeModel(tokens, "flow", 1, 0.1, "spectral");
    off = fmax(off, fabs(Turns(tokens, N, &gap) - 1));
    for (PetscInt l = 0; l < L; l++) {
      OK(NoiseDraw(model.noise, r, l, model.field));
      OK(SchemeStep(model.scheme, model.attention, model.field, dt, tokens));
      if (l % every == every - 1) off = fmax(off, fabs(Turns(tokens, N, &gap) - 1));
    }
    DestroyModel(&model);
    OK(TokensDestroy(&tokens));
    least = fmin(least, gap);
    most = fmax(most, gap);
  }
  least = -Worst(-least);
  most = Worst(most);
  print_message("N = %d: smallest gap %.2e, largest of the realizations %.2e\n", (int)N, least, most);
  assert_true(least > 1e-12 && most < small);
  CLOSE(Worst(off), 0, 1e-9);
}

/* So many tokens take both fields from tables. */
static void FlowKeepsTheCyclicOrder(void **state) {
  (void)state;
  SetKey("noise_degree", "16");
  CheckOrder(RING, 10000, 20, 1e-9);
  CheckOrder(RING_MANY, 100, 10, 1e-9);
  SetKey("noise_degree", NULL);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(SchemesShareOnePath),
                                          cmocka_unit_test(FlowKeepsTheCyclicOrder)};
TEST_MAIN(tests)
