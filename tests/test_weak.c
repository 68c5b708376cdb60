/* Weak order of the schemes. The bias of a coarse step is far smaller than the deviation of phi, but between two steps
 * along one Brownian path most of that cancels: E phi_h - E phi_{h/2} is known to better than a tenth. */
#include "scheme_paths.h"

enum { DEGREES = 2 };

/* Sums over paths of a and of a^2, where a is phi at every level or its difference to the next. */
typedef struct {
  double value[LEVELS][2], step[STEPS][2];
} Weak;

/* Oracle 3 seen from the start: phi_n = (1/N) sum_i P_n(<X_i(1), X_i(0)>), n = 1, 2, has the mean e^{-k(1) n(n+d-2)/2}.
 */
static void Overlaps(PetscInt d, const double *start, Tokens tokens, double phi[DEGREES]) {
  double x[PARTICLES * 8];
  PetscInt64 first, n;

  phi[0] = phi[1] = 0;
  OK(TokensGetRows(tokens, &first, &n, x));
  for (PetscInt i = 0; i < PARTICLES; i++) {
    double u = 0;
    for (PetscInt c = 0; c < d; c++) u += x[i * d + c] * start[i * d + c];
    phi[0] += u / PARTICLES;
    phi[1] += ((double)d * u * u - 1) / ((double)d - 1) / PARTICLES;
  }
}

static void MeasureWeak(PetscInt d, PetscInt paths, Weak weak[SCHEMES][DEGREES], double *k1) {
  PetscMPIInt rank, size;
  Paths p;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(PetscMemzero(weak, sizeof(Weak) * SCHEMES * DEGREES));
  MakePaths(d, 8, 1, 0, &p);
  OK(NoiseGetVariance(p.noise, k1));
  for (PetscInt path = rank; path < paths; path += size) {
    Tokens tokens = StartedTokens(PETSC_COMM_SELF, PARTICLES, d, "uniform", path);
    double start[PARTICLES * 8], phi[LEVELS][DEGREES];
    PetscInt64 first, n;
    OK(TokensGetRows(tokens, &first, &n, start));
    OK(TokensDestroy(&tokens));
    RunPath(&p, path);
    for (int s = 0; s < SCHEMES; s++) {
      for (int i = 0; i < LEVELS; i++) Overlaps(d, start, p.tokens[s][i], phi[i]);
      for (int k = 0; k < DEGREES * LEVELS; k++) {
        const int i = k / DEGREES, n_ = k % DEGREES;
        const double next = i < STEPS ? phi[i][n_] - phi[i + 1][n_] : 0;
        Weak *w = &weak[s][n_];
        w->value[i][0] += phi[i][n_], w->value[i][1] += phi[i][n_] * phi[i][n_];
        if (i < STEPS) w->step[i][0] += next, w->step[i][1] += next * next;
      }
    }
  }
  DestroyPaths(&p);
  OK(MPI_Allreduce(MPI_IN_PLACE, weak, (int)(sizeof(Weak) / sizeof(double)) * SCHEMES * DEGREES, MPI_DOUBLE, MPI_SUM,
                   PETSC_COMM_WORLD));
}

/* Mean and its standard error from the sums over so many paths. */
static double MeanOf(const double sums[2], double paths, double *error) {
  const double mean = sums[0] / paths;
  *error = sqrt((sums[1] / paths - mean * mean) / (paths - 1));
  return mean;
}

/* One scheme and function: the order from the smallest steps where two differences stand 10 standard errors out of the
 * noise, and the limit. True when there are such steps. */
static PetscBool CheckWeak(const char *what, const Weak *weak, double paths, double exact) {
  double value, error, step[STEPS], off[STEPS];
  PetscBool seen = PETSC_FALSE;

  print_message("%s:", what);
  for (int i = 0; i < STEPS; i++) {
    step[i] = MeanOf(weak->step[i], paths, &off[i]);
    print_message(" %+.5f(%.5f)", step[i], off[i]);
  }
  for (int i = STEPS - 2; i >= 0 && !seen; i--) {
    seen = (PetscBool)(fabs(step[i]) >= 10 * off[i] && fabs(step[i + 1]) >= 10 * off[i + 1]);
    if (!seen) continue;
    const double order = log2(fabs(step[i] / step[i + 1]));
    error = hypot(off[i] / step[i], off[i + 1] / step[i + 1]) / log(2);
    print_message("  order %.2f +- %.2f", order, error);
    assert_true(error < 0.2 && order >= 1 - 3 * error && order <= 1.5 + 3 * error);
  }
  /* phi at the finest step and, beyond, what the last halving still changed: order 1 leaves nothing that is seen. */
  value = MeanOf(weak->value[STEPS], paths, &error) - step[STEPS - 1];
  print_message("  limit %.4f(%.4f), exact %.4f\n", value, error, exact);
  CLOSE(value, exact, 4 * hypot(error, off[STEPS - 1]));
  return seen;
}

/* Weak order 1 to the exact decay of harmonics. euler's first-order error almost vanishes in d = 3. */
static void HarmonicsDecay(void **state) {
  static Weak weak[SCHEMES][DEGREES];
  (void)state;
  SetKey("mlp_activation", "silu");
  SetKey("mlp_bias_u", "1");
  SetKey("noise_degree", "2");
  for (PetscInt d = 2; d <= 3; d++) {
    const PetscInt paths = d == 2 ? 12288 : 4096;
    double k1;
    MeasureWeak(d, paths, weak, &k1);
    for (int s = 0; s < SCHEMES; s++) {
      int seen = 0;
      for (int n = 1; n <= DEGREES; n++) {
        char what[64];
        snprintf(what, sizeof(what), "d = %d, %s, degree %d", (int)d, schemes[s], n);
        seen += CheckWeak(what, &weak[s][n - 1], (double)paths, exp(-0.5 * k1 * n * (n + (double)d - 2)));
      }
      assert_true(seen > 0 || (s == 0 && d == 3));
    }
  }
  SetKey("mlp_activation", NULL);
  SetKey("mlp_bias_u", NULL);
  SetKey("noise_degree", NULL);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(HarmonicsDecay)};
TEST_MAIN(tests)
