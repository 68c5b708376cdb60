/* The schemes along Brownian paths: strong order, agreement of the Ito and Stratonovich forms (PAPER.md section 3), and
 * the cyclic order on the circle. */
#include "scheme_model.h"

enum { LEVELS = 5, FINE = 1024, COARSEST = 8, PATHS = 64, PARTICLES = 16 };

/* One Brownian path in fine increments, and what follows it: every scheme at every level, and flow at every increment.
 */
typedef struct {
  Attention attention;
  Noise noise;
  Field fine, sum[LEVELS];
  Scheme scheme[SCHEMES];
  Tokens reference, tokens[SCHEMES][LEVELS];
} Paths;

static void MakePaths(PetscInt d, Paths *p) {
  p->reference = StartedTokens(PETSC_COMM_SELF, PARTICLES, d, "uniform", 0);
  Model model = MakeModel(p->reference, "flow", 1, 1, "spectral");
  OK(SchemeDestroy(&model.scheme));
  p->attention = model.attention;
  p->noise = model.noise;
  p->fine = model.field;
  for (int i = 0; i < LEVELS; i++) OK(NoiseCreateField(p->noise, &p->sum[i]));
  for (int s = 0; s < SCHEMES; s++) {
    SetKey("scheme_type", schemes[s]);
    OK(SchemeCreate(p->reference, &p->scheme[s]));
    for (int i = 0; i < LEVELS; i++) OK(TokensDuplicate(p->reference, &p->tokens[s][i]));
  }
}

static void DestroyPaths(Paths *p) {
  for (int s = 0; s < SCHEMES; s++) {
    for (int i = 0; i < LEVELS; i++) OK(TokensDestroy(&p->tokens[s][i]));
    OK(SchemeDestroy(&p->scheme[s]));
  }
  for (int i = 0; i < LEVELS; i++) OK(FieldDestroy(&p->sum[i]));
  OK(FieldDestroy(&p->fine));
  OK(NoiseDestroy(&p->noise));
  OK(AttentionDestroy(&p->attention));
  OK(TokensDestroy(&p->reference));
}

/* Time 0 to 1 along one path. */
static void RunPath(Paths *p, PetscInt path) {
  const PetscReal dt = 1.0 / FINE;
  TokensLayout layout;
  OK(TokensGetLayout(p->reference, &layout));
  Tokens start = StartedTokens(PETSC_COMM_SELF, PARTICLES, layout.dim, "uniform", path);
  OK(TokensCopy(start, p->reference));
  for (int k = 0; k < SCHEMES * LEVELS; k++) OK(TokensCopy(start, p->tokens[k / LEVELS][k % LEVELS]));
  OK(TokensDestroy(&start));
  for (PetscInt l = 0; l < FINE; l++) {
    OK(NoiseDraw(p->noise, path, l, p->fine));
    OK(SchemeStep(p->scheme[2], p->attention, p->fine, dt, p->reference));
    for (int i = 0; i < LEVELS; i++) {
      const PetscInt ratio = FINE / COARSEST >> i; /* dW is the sum of the fine dW, so G the sum over sqrt(ratio) */
      if (l % ratio == 0) OK(FieldZero(p->sum[i]));
      OK(FieldAdd(p->sum[i], 1 / sqrt((double)ratio), p->fine));
      for (int s = 0; s < SCHEMES && (l + 1) % ratio == 0; s++)
        OK(SchemeStep(p->scheme[s], p->attention, p->sum[i], ratio * dt, p->tokens[s][i]));
    }
  }
}

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

/* Squared distances at time 1 of one pair of solutions, (1/N) sum |X - Y|^2, by level and path. */
typedef double Squares[LEVELS][PATHS];

/* Root mean square over the paths but one (none is left out when it is -1). */
static double Root(const double *square, int without) {
  double sum = 0;
  for (int p = 0; p < PATHS; p++) sum += p == without ? 0 : square[p];
  return sqrt(sum / (without < 0 ? PATHS : PATHS - 1));
}

/* Least-squares slope of log(root mean square) against log(step). */
static double Slope(Squares squares, int without) {
  double slope = 0, weight = 0;
  for (int i = 0; i < LEVELS; i++) {
    const double t = i - 0.5 * (LEVELS - 1);
    slope -= t * log2(Root(squares[i], without));
    weight += t * t;
  }
  return slope / weight;
}

/* The slope, and its standard error over the paths by the jackknife. */
static double Order(Squares squares, const char *what, double *error) {
  const double measured = Slope(squares, -1);
  double sum = 0;
  for (int p = 0; p < PATHS; p++) sum += pow(Slope(squares, p) - measured, 2);
  *error = sqrt(sum * (PATHS - 1) / PATHS);
  print_message("%-14s", what);
  for (int i = 0; i < LEVELS; i++) print_message(" %.2e", Root(squares[i], -1));
  print_message("  order %.3f +- %.3f\n", measured, *error);
  return measured;
}

/* Every scheme and level against flow at the fine step, then every pair of schemes at equal level. The paths are split
 * over the ranks. */
static void MeasurePaths(PetscInt d, Squares squares[2 * SCHEMES]) {
  PetscMPIInt rank, size;
  Paths p;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(PetscArrayzero(squares, 2 * SCHEMES));
  MakePaths(d, &p);
  for (PetscInt path = rank; path < PATHS; path += size) {
    RunPath(&p, path);
    for (int s = 0; s < SCHEMES; s++)
      for (int i = 0; i < LEVELS; i++) {
        squares[s][i][path] = MeanSquare(p.tokens[s][i], p.reference);
        squares[SCHEMES + s][i][path] = MeanSquare(p.tokens[s][i], p.tokens[(s + 1) % SCHEMES][i]);
      }
  }
  DestroyPaths(&p);
  OK(MPI_Allreduce(MPI_IN_PLACE, squares, 2 * SCHEMES * LEVELS * PATHS, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
}

/* Strong order 1/2, and the Ito and the Stratonovich schemes go to one limit at that rate: the radial term is the whole
 * correction. heun and flow treat the noise of one step alike up to its third order, so that they are nearer to each
 * other than to the truth. */
static void SchemesShareOnePath(void **state) {
  static const char *const what[2 * SCHEMES] = {"euler", "heun", "flow", "euler - heun", "heun - flow", "flow - euler"};
  static Squares squares[2 * SCHEMES];
  (void)state;
  SetKey("mlp_activation", "silu");
  SetKey("mlp_bias_u", "0.5");
  SetKey("noise_degree", "6");
  for (PetscInt d = 2; d <= 3; d++) {
    MeasurePaths(d, squares);
    for (int k = 0; k < 2 * SCHEMES; k++) {
      double error;
      const double measured = Order(squares[k], what[k], &error);
      assert_true(error < 0.05);
      assert_true(measured + 3 * error >= 0.5);
      if (k == SCHEMES + 1) assert_true(measured > 0.8); /* 1, less what the largest steps lose */
      for (int i = 1; i < LEVELS; i++) assert_true(Root(squares[k][i], -1) < Root(squares[k][i - 1], -1));
    }
  }
  SetKey("mlp_activation", NULL);
  SetKey("mlp_bias_u", NULL);
  SetKey("noise_degree", NULL);
}

enum { RING = 64 };

/* Sum of the angles from each token to the next, in turns: 1 as long as the cyclic order holds. The smallest angle. */
static double Turns(Tokens tokens, double *gap) {
  double x[2 * RING], sum = 0;
  PetscInt64 first, n;
  OK(TokensGetRows(tokens, &first, &n, x));
  for (int i = 0; i < RING; i++) {
    const double *a = x + 2 * i, *b = x + 2 * ((i + 1) % RING);
    const double angle = atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]);
    *gap = fmin(*gap, fabs(angle));
    sum += angle < 0 ? angle + 2 * PETSC_PI : angle;
  }
  return sum / (2 * PETSC_PI);
}

/* A flow cannot exchange tokens on the circle. A realization of its own for each rank. */
static void FlowKeepsTheCyclicOrder(void **state) {
  const PetscInt L = 10000;
  const double T = 20;
  double x[2 * RING], gap = 1, off = 0;
  PetscMPIInt rank;
  Tokens tokens;
  Model model;
  (void)state;

  for (int i = 0; i < RING; i++) { /* gaps of many sizes */
    const double angle = 2 * PETSC_PI * (i + 0.4 * sin(5.0 * i)) / RING;
    x[2 * i] = cos(angle);
    x[2 * i + 1] = sin(angle);
  }
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  tokens = MakeTokens(PETSC_COMM_SELF, RING, 2, x);
  SetKey("noise_degree", "16");
  model = MakeModel(tokens, "flow", 1, 0.1, "spectral");
  CLOSE(Turns(tokens, &gap), 1, 1e-12);
  for (PetscInt l = 0; l < L; l++) {
    OK(NoiseDraw(model.noise, rank, l, model.field));
    OK(SchemeStep(model.scheme, model.attention, model.field, T / (double)L, tokens));
    if (l % 20 == 19) off = fmax(off, fabs(Turns(tokens, &gap) - 1));
  }
  DestroyModel(&model);
  OK(TokensDestroy(&tokens));
  SetKey("noise_degree", NULL);
  off = Worst(off);
  gap = -Worst(-gap);
  print_message("smallest gap %.2e\n", gap);
  assert_true(gap > 1e-12 && gap < 1e-2);
  CLOSE(off, 0, 1e-9);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(SchemesShareOnePath),
      cmocka_unit_test(FlowKeepsTheCyclicOrder),
  };
  return TestMain(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
