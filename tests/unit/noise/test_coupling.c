/* Fields of finite width coupled to their limit (coupling.h): the law of G^m, given the hidden weights and on the
 * whole, against the MLP's; and E |G^m - G|^2 = O(1/m). */
#include <chorale/sphere.h>

#include "coupling_case.h"
#include "law/kernel/ridge.h"
#include "law/sphere/quadrature.h"

/* The same cut off at a degree: sum_n f_n dim(n) P_n, f_n by a rule that splits at the kink. */
static double CutUnit(const Activation *activation, PetscInt d, const double *U, double b, const double *x,
                      int degree) {
  enum { NODES = 100 };
  static PetscReal node[NODES], mass01[NODES]; /* on [0,1] */
  double r = 0, u = 0, sum = 0, all = 0;
  PetscReal P[64], at[64], f[64] = {0};
  if (mass01[0] == 0) OK(QuadratureLegendre(NODES, 0, 1, node, mass01));
  for (PetscInt c = 0; c < d; c++) {
    r += U[c] * U[c];
    u += U[c] * x[c];
  }
  u /= sqrt(r);
  r = sqrt(r / (double)d);
  const double split = acos(fmax(-1, fmin(1, -b / r)));
  for (int side = 0; side < 2; side++)
    for (int q = 0; q < NODES; q++) {
      const double length = side ? PETSC_PI - split : split, angle = side ? split + length * node[q] : length * node[q];
      const double mass = length * mass01[q] * pow(sin(angle), (double)d - 2);
      SpherePolynomials(d, degree, cos(angle), P);
      all += mass;
      for (int n = 0; n <= degree; n++) f[n] += mass * P[n] * activation->value(r * cos(angle) + b);
    }
  SpherePolynomials(d, degree, fmax(-1, fmin(1, u)), at);
  for (int n = 0; n <= degree; n++) sum += f[n] / all * SphereHarmonicCount(d, n) * at[n];
  return sum;
}

/* Ridge coefficients: exact values for relu at d = 3 without bias (f_0 = r/4, f_1 = r/6, f_2 = r/16, f_3 = 0), and the
 * defining integral by a rule of its own with one. */
static void test_ridge(void **state) {
  const char *const names[] = {"relu", "silu", "tanh", "sigmoid", "leaky_relu"};
  Ridge ridge;
  PetscReal f[40];
  (void)state;
  OK(RidgeCreate(ActivationFind("relu"), 3, 8, &ridge));
  OK(RidgeProject(ridge, 1.7, 0, f));
  const double exact[] = {1.7 / 4, 1.7 / 6, 1.7 / 16, 0, -1.7 / 96, 0};
  for (int n = 0; n < 6; n++) CLOSE(f[n], exact[n], 1e-14);
  OK(RidgeDestroy(&ridge));
  for (size_t a = 0; a < sizeof(names) / sizeof(names[0]); a++)
    for (PetscInt d = 2; d <= 7; d += d == 2 ? 1 : 2)
      for (int sign = -1; sign <= 1; sign++) {
        const Activation *activation = ActivationFind(names[a]);
        const double r = 0.3 + 0.9 * (double)d / 3, b = 0.37 * sign * (double)d;
        double U[8] = {0}, x[8] = {0}, sum = 0;
        U[0] = r * sqrt((double)d);
        x[0] = 0.6, x[1] = 0.8;
        OK(RidgeCreate(activation, d, 30, &ridge));
        OK(RidgeProject(ridge, r, b, f));
        for (int n = 0; n <= 30; n++) {
          PetscReal P[40];
          SpherePolynomials(d, 30, x[0], P);
          sum += f[n] * SphereHarmonicCount(d, n) * P[n];
        }
        CLOSE(sum, CutUnit(activation, d, U, b, x, 30), 1e-9 * (1 + fabs(b) + r));
        OK(RidgeDestroy(&ridge));
      }
}

/* Given the units, G^m has covariance A_m of the units (cut off for harmonics): the weights' key is held and the limit
 * drawn over and over. Within 4 standard errors, which are at most 5 percent of the diagonal; test_law has the average
 * over units, with an output bias and with points where K is singular. */
static void CheckConditional(PetscInt d, const char *type, const char *kind, const char *activation, double bias_u,
                             int degree, PetscInt m) {
  enum { N = 6, DRAWS = 4800 };
  const PetscBool cut = (PetscBool)!strcmp(kind, "harmonics");
  const double samples = (double)DRAWS * (double)d;
  Pair pair = MakePair(d, type, kind, activation, bias_u, 0, degree);
  double points[N * 8], g[N * 8], exact[N][N] = {{0}}, *U, *b;
  Moment sum[N * N] = {{0, 0}}, total[N * N];
  PetscMPIInt rank, size;
  Tokens tokens;
  Vec work;

  RandomPoints(9, N, d, points);
  tokens = TokensAt(PETSC_COMM_SELF, N, d, points);
  OK(TokensCreateVec(tokens, &work));
  OK(PetscMalloc2(m * d, &U, m, &b));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  Units(d, m, bias_u, 3, 5, U, b);
  for (PetscInt h = 0; h < m; h++) {
    double a[N];
    for (PetscInt i = 0; i < N; i++)
      a[i] = cut ? CutUnit(ActivationFind(activation), d, U + h * d, b[h], points + i * d, degree)
                 : Unit(ActivationFind(activation), d, U + h * d, b[h], points + i * d);
    for (PetscInt i = 0; i < N; i++)
      for (PetscInt j = 0; j < N; j++) exact[i][j] += a[i] * a[j] / (double)m;
  }
  for (PetscInt r = rank; r < DRAWS; r += size) {
    OK(NoiseDraw(pair.limit, r, 0, pair.field));
    OK(CouplingDraw(pair.coupling, 3, 5, m, pair.field, &pair.made));
    ValuesAt(pair.made, tokens, work, g);
    for (PetscInt c = 0; c < d; c++)
      for (PetscInt i = 0; i < N; i++)
        for (PetscInt j = 0; j < N; j++) AddMoment(&sum[i * N + j], g[i * d + c] * g[j * d + c], samples);
  }
  OK(MPI_Allreduce(sum, total, 2 * N * N, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt j = 0; j < N; j++) {
      CLOSE(total[i * N + j].mean, exact[i][j], 4 * StandardError(total[i * N + j], samples));
      if (i == j) assert_true(4 * StandardError(total[i * N + i], samples) < 0.05 * exact[i][i]);
    }
  OK(PetscFree2(U, b));
  OK(VecDestroy(&work));
  OK(TokensDestroy(&tokens));
  FreePair(&pair);
}

static void test_conditional_law(void **state) {
  (void)state;
  CheckConditional(3, "spectral", "tokens", "relu", 0, 10, 7);
  CheckConditional(5, "gram", "tokens", "silu", 0.3, -1, 40);
  CheckConditional(3, "spectral", "harmonics", "relu", 0.4, 5, 12);
  CheckConditional(4, "spectral", "harmonics", "silu", 0, 3, 50);
}

/* The law of G^m on the whole: covariance k I_d (cut off for harmonics) within 4 standard errors, below 4 percent of
 * the diagonal, at points that coincide, lie opposite and 1e-3 apart. The first two have one value. A coupled G^m
 * scatters as its limit G does, whose products are known in the mean: they are taken away, which leaves a few percent.
 */
static void CheckLaw(PetscInt d, const char *type, const char *kind, const char *activation, double bias_u,
                     double bias_w, int degree, PetscInt m) {
  enum { N = CASE_POINTS };
  const PetscBool control = (PetscBool)strcmp(kind, "none");
  const PetscInt draws = control ? 2000 : 12000;
  const double samples = (double)draws * (double)d;
  Pair pair = MakePair(d, type, kind, activation, bias_u, bias_w, degree);
  double points[N * 8], g[N * 8], limit[N * 8] = {0}, apart = 0, largest;
  Moment sum[N * N + 1] = {{0, 0}}, total[N * N + 1];
  PetscMPIInt rank, size;
  PetscReal exact[N][N], known[N][N] = {{0}};
  Tokens tokens;
  Kernel kernel, drawn;
  Vec work;

  CasePoints(d, points);
  tokens = TokensAt(PETSC_COMM_SELF, N, d, points);
  OK(TokensCreateVec(tokens, &work));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(NoiseGetKernel(pair.limit, &drawn));
  OK(KernelCreate(ActivationFind(activation), d, bias_u, bias_w, &kernel));
  if (!strcmp(kind, "harmonics")) {
    PetscReal lost;
    OK(KernelTruncate(kernel, degree, &lost));
  }
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt j = 0; j < N; j++)
      OK(KernelEvaluate(kernel, i == j ? 1 : Cosine(d, points + i * d, points + j * d), &exact[i][j]));
  for (PetscInt i = 0; i < N && control; i++) /* the limit as it is drawn */
    for (PetscInt j = 0; j < N; j++)
      OK(KernelEvaluate(drawn, i == j ? 1 : Cosine(d, points + i * d, points + j * d), &known[i][j]));
  for (PetscInt r = rank; r < draws; r += size) {
    OK(NoiseDraw(pair.limit, r, 0, pair.field));
    OK(CouplingDraw(pair.coupling, r, 0, m, pair.field, &pair.made));
    ValuesAt(pair.made, tokens, work, g);
    if (control) ValuesAt(pair.field, tokens, work, limit);
    for (PetscInt c = 0; c < d; c++) {
      const double step = g[c] - g[CASE_CLOSE * d + c], same = limit[c] - limit[CASE_CLOSE * d + c];
      for (PetscInt i = 0; i < N; i++)
        for (PetscInt j = 0; j < N; j++)
          AddMoment(&sum[i * N + j], g[i * d + c] * g[j * d + c] - (limit[i * d + c] * limit[j * d + c] - known[i][j]),
                    samples);
      AddMoment(&sum[N * N],
                step * step - (same * same - known[0][0] - known[CASE_CLOSE][CASE_CLOSE] + 2 * known[0][CASE_CLOSE]),
                samples);
      apart = fmax(apart, fabs(g[c] - g[d + c]));
    }
  }
  OK(MPI_Allreduce(sum, total, 2 * (N * N + 1), MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  OK(MPI_Allreduce(&apart, &largest, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  assert_true(largest < 1e-6);
  for (PetscInt i = 0; i < N; i++)
    for (PetscInt j = 0; j < N; j++) {
      CLOSE(total[i * N + j].mean, exact[i][j], 4 * StandardError(total[i * N + j], samples));
      if (i == j) assert_true(4 * StandardError(total[i * N + i], samples) < 0.04 * exact[i][i]);
    }
  CLOSE(total[N * N].mean, exact[0][0] + exact[CASE_CLOSE][CASE_CLOSE] - 2 * exact[0][CASE_CLOSE],
        4 * StandardError(total[N * N], samples));
  OK(KernelDestroy(&kernel));
  OK(VecDestroy(&work));
  OK(TokensDestroy(&tokens));
  FreePair(&pair);
}

static void test_law(void **state) {
  (void)state;
  CheckLaw(3, "spectral", "tokens", "relu", 0, 0.4, 2, 24); /* degree 2: rank 9, less than the full kernel's */
  CheckLaw(3, "gram", "tokens", "silu", 0.3, 0.2, -1, 24);
  CheckLaw(3, "spectral", "harmonics", "relu", 0.3, 0.3, 5, 24);
  CheckLaw(2, "spectral", "harmonics", "tanh", 0, 0.3, 7, 16); /* odd: b_W is all of the constant harmonic */
  CheckLaw(3, "spectral", "none", "relu", 0.2, 0.3, 3, 16);
}

/* m E |G^m - G|^2 is the same at m = 256 and 2048, within 4 standard errors and the next order in 1/m (below 5
 * percent); uncoupled, E |G^m - G|^2 is 2 k(1) d, whatever m. */
static void CheckRate(const char *kind, const char *activation, double bias_u, double bias_w, int degree) {
  enum { N = 12, D = 3, DRAWS = 520, WIDTHS = 2 };
  const PetscInt width[WIDTHS] = {256, 2048};
  const double samples = DRAWS;
  Pair pair = MakePair(D, "spectral", kind, activation, bias_u, bias_w, degree);
  double points[N * D], g[N * D], made[N * D], k1;
  Moment sum[WIDTHS] = {{0, 0}}, total[WIDTHS];
  PetscMPIInt rank, size;
  Tokens tokens;
  Vec work;

  RandomPoints(6, N, D, points);
  tokens = TokensAt(PETSC_COMM_SELF, N, D, points);
  OK(TokensCreateVec(tokens, &work));
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  OK(NoiseGetVariance(pair.limit, &k1));
  for (PetscInt r = rank; r < DRAWS; r += size) {
    OK(NoiseDraw(pair.limit, r, 0, pair.field));
    ValuesAt(pair.field, tokens, work, g);
    for (int q = 0; q < WIDTHS; q++) {
      double square = 0;
      OK(CouplingDraw(pair.coupling, r, 0, width[q], pair.field, &pair.made));
      ValuesAt(pair.made, tokens, work, made);
      for (int e = 0; e < N * D; e++) square += (made[e] - g[e]) * (made[e] - g[e]) / N;
      AddMoment(&sum[q], square, samples);
    }
  }
  OK(MPI_Allreduce(sum, total, 2 * WIDTHS, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  const double few = StandardError(total[0], samples), many = StandardError(total[1], samples);
  if (strcmp(kind, "none")) {
    const double rate = (double)width[0] * total[0].mean, rate_many = (double)width[1] * total[1].mean;
    const double error = hypot((double)width[0] * few, (double)width[1] * many);
    CLOSE(rate_many, rate, 4 * error + 0.05 * rate);
    assert_true(4 * error < 0.2 * rate);
    assert_true(total[1].mean < 0.05 * k1 * D);
  } else {
    for (int q = 0; q < WIDTHS; q++) CLOSE(total[q].mean, 2 * k1 * D, 4 * StandardError(total[q], samples) + 0.01 * k1);
  }
  OK(VecDestroy(&work));
  OK(TokensDestroy(&tokens));
  FreePair(&pair);
}

static void test_rate(void **state) {
  (void)state;
  CheckRate("tokens", "relu", 0, 0, 30);
  CheckRate("tokens", "silu", 0.3, 0.3, 6);
  CheckRate("harmonics", "relu", 0, 0.2, 6);
  CheckRate("harmonics", "silu", 0.3, 0, 3);
  CheckRate("none", "relu", 0, 0, 8);
}

/* The same bits at tokens split over the ranks and at tokens of one rank. */
static void CheckBits(const char *type, const char *kind) {
  enum { N = 300, D = 3 };
  Pair pair = MakePair(D, type, kind, "relu", 0.3, 0.2, !strcmp(type, "spectral") ? 6 : -1);
  double *rows[2];
  PetscBool same;

  for (int which = 0; which < 2; which++) {
    Tokens tokens = RandomTokens(which ? PETSC_COMM_SELF : PETSC_COMM_WORLD, N, D);
    Vec g;
    OK(TokensCreateVec(tokens, &g));
    OK(NoiseDraw(pair.limit, 1, 2, pair.field));
    OK(CouplingDraw(pair.coupling, 1, 2, 100, pair.field, &pair.made));
    OK(FieldEvaluate(pair.made, tokens, g));
    OK(PetscMalloc1(N * D, &rows[which]));
    OK(TokensGather(tokens, g, rows[which]));
    OK(FieldZero(pair.field)); /* gram forgets the draw */
    OK(VecDestroy(&g));
    OK(TokensDestroy(&tokens));
  }
  OK(PetscArraycmp(rows[0], rows[1], N * D, &same));
  assert_true(same);
  for (int which = 0; which < 2; which++) OK(PetscFree(rows[which]));
  FreePair(&pair);
}

static void test_bits(void **state) {
  (void)state;
  CheckBits("spectral", "tokens");
  CheckBits("gram", "tokens");
  CheckBits("spectral", "harmonics");
  CheckBits("spectral", "none");
}

static void test_refusals(void **state) {
  Coupling coupling;
  Field field, made;
  Noise noise;
  (void)state;
  SetKey("limits_coupling", "tokens");
  noise = MakeNoise(3, "mlp", "relu", 0, 0, -1);
  REFUSED(CouplingFromKeys(noise, &coupling), "noise_type = mlp");
  OK(NoiseDestroy(&noise));
  SetKey("limits_coupling", "harmonics");
  noise = MakeNoise(3, "gram", "relu", 0, 0, -1);
  REFUSED(CouplingFromKeys(noise, &coupling), "limits_coupling = harmonics");
  OK(NoiseDestroy(&noise));
  noise = MakeNoise(3, "spectral", "sigmoid", 0.3, 0, 60);
  OK(CouplingFromKeys(noise, &coupling)); /* most of 3721 harmonics of a smooth kernel are nothing but rounding */
  OK(CouplingCheckCount(coupling, 1000000));
  OK(NoiseCreateField(noise, &field));
  FAILS(CouplingDraw(coupling, 0, 0, 1, field, &made), PETSC_ERR_ARG_OUTOFRANGE, "a limit field that is drawn");
  OK(CouplingDestroy(&coupling));
  SetKey("limits_coupling", "tokens");
  OK(CouplingFromKeys(noise, &coupling));
  REFUSED(CouplingCheckCount(coupling, 2049), "tokens_count = 2049");
  OK(NoiseDraw(noise, 0, 0, field));
  OK(CouplingDraw(coupling, 0, 0, 1, field, &made));
  FAILS(FieldAdd(made, 1, made), PETSC_ERR_SUP, "no sums");
  FAILS(FieldAdd(made, 1, field), PETSC_ERR_ARG_WRONG, "two noises");
  FAILS(NoiseDraw(noise, 0, 0, made), PETSC_ERR_ARG_WRONG, "another noise");
  OK(FieldDestroy(&field));
  OK(CouplingDestroy(&coupling));
  SetKey("limits_coupling", "harmonics");
  OK(NoiseDestroy(&noise));
  noise = MakeNoise(3, "spectral", "relu", 0.3, 0, 70);
  REFUSED(CouplingFromKeys(noise, &coupling), "noise_degree");
  OK(NoiseDestroy(&noise));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_ridge), cmocka_unit_test(test_conditional_law),
    cmocka_unit_test(test_law),   cmocka_unit_test(test_rate),
    cmocka_unit_test(test_bits),  cmocka_unit_test(test_refusals),
};
TEST_MAIN(tests)
