/* Weak order of the schemes. The bias of a coarse step is far smaller than the deviation of phi, but between two steps
 * along one Brownian path most of that cancels. heun and flow lack the iterated integrals of a step only by their
 * antisymmetric part, which changes its sign when the two halves of a step exchange their places: between a step and
 * the mean over both orders of its halves, which is no other law, nearly all of it cancels (Giles and Szpruch, Ann.
 * Appl. Probab. 24, 1585, 2014). */
#include <chorale/sphere.h>
#include <chorale/twopoint.h>

#include "law/sphere/quadrature.h"
#include "scheme_paths.h"

enum { FUNCTIONS = 2, COARSEST = 8 };

/* What is measured: tokens, and phi at the end of a path from the tokens' rows x[count][d] and their start. */
typedef struct {
  PetscInt count, d, functions;
  double beta, value;
  void (*phi)(PetscInt count, PetscInt d, double beta, const double *start, const double *x, double phi[]);
} Problem;

/* Sums over paths of a and of a^2, where a is phi at every level or its difference to the next; of the products of
 * neighbouring differences. */
typedef struct {
  double value[LEVELS][2], step[STEPS][2], product[STEPS];
} Weak;

/* The decay of harmonics, seen from the start: phi_n = (1/N) sum_i P_n(<X_i(1), X_i(0)>), n = 1, 2, has the mean
 * e^{-k(1) n(n+d-2)/2}.
 */
static void Overlaps(PetscInt count, PetscInt d, double beta, const double *start, const double *x, double phi[]) {
  (void)beta;
  phi[0] = phi[1] = 0;
  for (PetscInt i = 0; i < count; i++) {
    double u = 0;
    for (PetscInt c = 0; c < d; c++) u += x[i * d + c] * start[i * d + c];
    phi[0] += u / (double)count;
    phi[1] += ((double)d * u * u - 1) / ((double)d - 1) / (double)count;
  }
}

/* e^{beta (u - 1)} of two tokens. */
static void Pair(PetscInt count, PetscInt d, double beta, const double *start, const double *x, double phi[]) {
  double u = 0;
  (void)count, (void)start;
  for (PetscInt c = 0; c < d; c++) u += x[c] * x[d + c];
  phi[0] = exp(beta * (u - 1));
}

static void Phi(const Problem *problem, const double *start, Tokens tokens, double phi[]) {
  double x[PARTICLES * 8];
  PetscInt64 first, n;
  OK(TokensGetRows(tokens, &first, &n, x));
  problem->phi(problem->count, problem->d, problem->beta, start, x, phi);
}

static void AddTo(double sums[2], double value) {
  sums[0] += value;
  sums[1] += value * value;
}

static void MeasureWeak(const Problem *problem, PetscInt paths, Paths *p, Weak weak[SCHEMES][FUNCTIONS]) {
  PetscMPIInt rank, size;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(PetscMemzero(weak, sizeof(Weak) * SCHEMES * FUNCTIONS));
  for (PetscInt path = rank; path < paths; path += size) {
    Tokens tokens = StartedTokens(PETSC_COMM_SELF, problem->count, problem->d, "uniform", path);
    double start[PARTICLES * 8];
    PetscInt64 first, n;
    OK(TokensGetRows(tokens, &first, &n, start));
    OK(TokensDestroy(&tokens));
    RunPath(p, path);
    for (int s = 0; s < SCHEMES; s++) {
      double phi[LEVELS][FUNCTIONS], twin[LEVELS][FUNCTIONS], step[STEPS][FUNCTIONS];
      for (int i = 0; i < LEVELS; i++) {
        Phi(problem, start, p->tokens[s][i], phi[i]);
        if (i > 0) Phi(problem, start, p->twin[s][i], twin[i]);
        for (int k = 0; k < problem->functions; k++) {
          AddTo(weak[s][k].value[i], phi[i][k]);
          if (i == 0) continue;
          step[i - 1][k] = phi[i - 1][k] - 0.5 * (phi[i][k] + twin[i][k]);
          AddTo(weak[s][k].step[i - 1], step[i - 1][k]);
          if (i > 1) weak[s][k].product[i - 2] += step[i - 2][k] * step[i - 1][k];
        }
      }
    }
  }
  OK(MPI_Allreduce(MPI_IN_PLACE, weak, (int)(sizeof(Weak) / sizeof(double)) * SCHEMES * FUNCTIONS, MPI_DOUBLE, MPI_SUM,
                   PETSC_COMM_WORLD));
}

/* Mean and its standard error from the sums over so many paths. */
static double MeanOf(const double sums[2], double paths, double *error) {
  const double mean = sums[0] / paths;
  *error = sqrt((sums[1] / paths - mean * mean) / (paths - 1));
  return mean;
}

/* log2 of the ratio of differences i and i + 1, and its standard error. */
static double OrderAt(const Weak *weak, int i, double paths, double *error) {
  double off[2];
  const double a = MeanOf(weak->step[i], paths, &off[0]), b = MeanOf(weak->step[i + 1], paths, &off[1]);
  const double covariance = (weak->product[i] / paths - a * b) / (paths - 1);
  *error = sqrt(fmax(0, pow(off[0] / a, 2) + pow(off[1] / b, 2) - 2 * covariance / (a * b))) / log(2);
  return log2(fabs(a / b));
}

/* One scheme and function: the order from the smallest steps where it is known to 0.1, and the limit. True when there
 * are such steps. */
static PetscBool CheckWeak(const char *what, const Weak *weak, double paths, double exact, double most) {
  double value, error, last, off;
  PetscBool seen = PETSC_FALSE;

  print_message("%s:", what);
  for (int i = 0; i < STEPS; i++) {
    value = MeanOf(weak->step[i], paths, &error);
    print_message(" %+.5f(%.5f)", value, error);
  }
  for (int i = STEPS - 2; i >= 0 && !seen; i--) {
    const double order = OrderAt(weak, i, paths, &error);
    seen = (PetscBool)(error < 0.1);
    if (!seen) continue;
    print_message("  order %.2f +- %.2f", order, error);
    assert_true(order >= 1 - 3 * error && order <= most + 3 * error);
  }
  /* phi at the finest step and, beyond, what the last halving still changed: order 1 leaves nothing that is seen. */
  last = MeanOf(weak->step[STEPS - 1], paths, &off);
  value = MeanOf(weak->value[STEPS], paths, &error) - last;
  print_message("  limit %.4f(%.4f), exact %.4f\n", value, error, exact);
  CLOSE(value, exact, 4 * hypot(error, off));
  return seen;
}

/* E phi_n at time 1 by L steps of euler, exactly: each turns a token by an angle whose law does not depend on where it
 * is, cos = (1 - r)/sqrt((1 - r)^2 + k(1) h chi^2), r = k(1) h (d-1)/2, with d - 1 degrees of freedom, so that means of
 * P_n multiply. */
static double EulerExactly(PetscInt d, double k1, PetscInt n, PetscInt L) {
  enum { NODES = 400 };
  const double h = 1.0 / (double)L, kept = 1 - 0.5 * k1 * h * (double)(d - 1);
  double x[NODES], w[NODES], P[FUNCTIONS + 1], sum = 0, total = 0;
  OK(QuadratureLegendre(NODES, 0, 12, x, w));
  for (int i = 0; i < NODES; i++) {
    const double weight = w[i] * pow(x[i], (double)(d - 2)) * exp(-0.5 * x[i] * x[i]);
    SpherePolynomials(d, n, kept / sqrt(kept * kept + k1 * h * x[i] * x[i]), P);
    sum += weight * P[n];
    total += weight;
  }
  return pow(sum / total, (double)L);
}

/* The differences between the steps are those of the exact means within 4 standard errors, which in d = 2 see the
 * largest, and the exact means have order 1. */
static void CheckEuler(PetscInt d, PetscInt n, double k1, const Weak *weak, double paths, double exact) {
  double mean[LEVELS], off;
  PetscBool seen = PETSC_FALSE;
  for (int i = 0; i < LEVELS; i++) mean[i] = EulerExactly(d, k1, n, COARSEST << i);
  for (int i = 0; i < STEPS; i++) {
    const double step = MeanOf(weak->step[i], paths, &off);
    CLOSE(step, mean[i] - mean[i + 1], 4 * off);
    seen = (PetscBool)(seen || fabs(step) > 4 * off);
  }
  const double order = log2((EulerExactly(d, k1, n, 1024) - exact) / (EulerExactly(d, k1, n, 2048) - exact));
  print_message("d = %d, euler, degree %d: exactly %+.5f %+.5f .., order %.3f%s\n", (int)d, (int)n, mean[0] - mean[1],
                mean[1] - mean[2], order, seen ? "" : ", not seen");
  assert_true(order > 0.95 && (seen || d == 3));
}

/* Weak order 1 to the exact decay of harmonics. */
static void HarmonicsDecay(void **state) {
  static Weak weak[SCHEMES][FUNCTIONS];
  const PetscInt paths = 1024;
  (void)state;
  SetKey("mlp_activation", "silu");
  SetKey("mlp_bias_u", "0.6");
  SetKey("noise_degree", "2");
  for (PetscInt d = 2; d <= 3; d++) {
    const Problem problem = {PARTICLES, d, FUNCTIONS, 1, 0, Overlaps};
    double k1;
    Paths p;
    MakePaths(problem.count, d, COARSEST, 1, problem.beta, problem.value, PETSC_TRUE, &p);
    OK(NoiseGetVariance(p.noise, &k1));
    MeasureWeak(&problem, paths, &p, weak);
    DestroyPaths(&p);
    for (int s = 0; s < SCHEMES; s++) {
      int seen = 0;
      for (int n = 1; n <= FUNCTIONS; n++) {
        const double exact = exp(-0.5 * k1 * n * (n + (double)d - 2));
        char what[64];
        snprintf(what, sizeof(what), "d = %d, %s, degree %d", (int)d, schemes[s], n);
        seen += CheckWeak(what, &weak[s][n - 1], (double)paths, exact, 1.5);
        if (s == 0) CheckEuler(d, n, k1, &weak[s][n - 1], (double)paths, exact);
      }
      assert_true(seen > 0 || s == 0);
    }
  }
  SetKey("mlp_activation", NULL);
  SetKey("mlp_bias_u", NULL);
  SetKey("noise_degree", NULL);
}

/* Weak order 1 or better of two tokens with attention to the exact two-token diffusion; between the orders of the noise
 * and of the drift, which is 2 for heun. */
static void PairsWithAttention(void **state) {
  static Weak weak[SCHEMES][FUNCTIONS];
  const Problem problem = {2, 3, 1, 1, 2, Pair};
  const PetscInt paths = 1024, coarsest = 4;
  double exact;
  TwoPoint twopoint;
  Kernel kernel;
  Paths p;
  (void)state;
  SetKey("mlp_activation", "tanh");
  SetKey("mlp_bias_u", "0.3");
  SetKey("noise_degree", "0");
  SetKey("attention_engine", "direct");
  MakePaths(problem.count, problem.d, coarsest, 1, problem.beta, problem.value, PETSC_TRUE, &p);
  OK(NoiseGetKernel(p.noise, &kernel));
  OK(TwoPointCreate(kernel, problem.beta, problem.value, &twopoint));
  OK(TwoPointUniform(twopoint, 1, &exact));
  OK(TwoPointDestroy(&twopoint));
  MeasureWeak(&problem, paths, &p, weak);
  DestroyPaths(&p);
  for (int s = 0; s < SCHEMES; s++) {
    char what[64];
    snprintf(what, sizeof(what), "attention, %s", schemes[s]);
    assert_true(CheckWeak(what, &weak[s][0], (double)paths, exact, s == 1 ? 2 : 1.5));
  }
  SetKey("mlp_activation", NULL);
  SetKey("mlp_bias_u", NULL);
  SetKey("noise_degree", NULL);
  SetKey("attention_engine", NULL);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(HarmonicsDecay), cmocka_unit_test(PairsWithAttention)};
TEST_MAIN(tests)
