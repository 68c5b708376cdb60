/* The density of the SPDE against tokens that carry the same measure: nodes of a quadrature rule with the density in
 * their weights, whose push-forward solves the same equation exactly (THEORY.md section 4). */
#include "density_pair.h"
#include "expect.h"
#include "keys.h"

/* Initial densities against their formulas at points, the grid's mass and the moments of weighted nodes. */
static void test_starts(void **unused) {
  static const struct {
    const char *dim, *init;
    PetscInt64 nodes;
  } cases[] = {{"2", "vmf", 1000},      {"3", "vmf", 1800},     {"2", "harmonic", 1000},
               {"3", "harmonic", 1800}, {"2", "uniform", 1000}, {"3", "uniform", 1800}};
  double x[3 * 8], value[8];

  (void)unused;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const PetscInt d = cases[i].dim[0] - '0';
    DensityMeasures measures;
    Pair p;

    Keys(cases[i].dim, "24", cases[i].init, "none", "flow");
    SetKey("tokens_amplitude", "-0.7");
    SetKey("tokens_harmonic", "5");
    PairCreate(PETSC_COMM_WORLD, d, cases[i].nodes, &p);
    for (int t = 0; t < 8; t++) {
      const double z = d == 3 ? 0.2 * t - 0.7 : 0, r = sqrt(1 - z * z), angle = 0.3 + 0.8 * t;
      x[t] = r * cos(angle);
      x[8 + t] = r * sin(angle);
      if (d == 3) x[16 + t] = z;
    }
    OK(DensityEvaluate(p.density, 8, x, value));
    for (int t = 0; t < 8; t++) {
      /* integral of e^{2 cos} over the circle: 2 pi I_0(2); over the sphere: 4 pi sinh(2)/2 */
      const double norm = d == 2 ? 2 * PETSC_PI * 2.2795853023360673 : 2 * PETSC_PI * sinh(2.0);
      const double r = hypot(x[t], x[8 + t]), phi = atan2(x[8 + t], x[t]);
      const double expected = cases[i].init[0] == 'v'   ? exp(2 * x[t]) / norm
                              : cases[i].init[0] == 'h' ? (1 - 0.7 * pow(r, 5) * cos(5 * phi)) / SphereArea(d)
                                                        : 1 / SphereArea(d);
      CLOSE(value[t], expected, 1e-13);
    }
    OK(DensityMeasure(p.density, &measures));
    CLOSE(measures.mass, 1, 1e-13);
    CLOSE(Gap(&p), 0, 1e-13);
    PairDestroy(&p);
  }
}

/* The laws that the tokens' start draws from, by the moments of 65535 tokens. One has a standard error of at most
 * sqrt(dim(n)/|S|/65535), since a harmonic's square is at most dim(n)/|S|: 4 of them. */
static void test_draws(void **unused) {
  static const char *const laws[] = {"clusters", "harmonic", "vmf"};
  static double moments[MOST];
  double off[6] = {0}; /* in standard errors, the largest */
  (void)unused;
  for (PetscInt i = 0; i < 6; i++) {
    const PetscInt d = 2 + i % 2;
    const PetscInt *degrees;
    const double *rho;
    Tokens tokens;
    Start start;
    Pair p;

    if (!Mine(i)) continue;
    Keys(d == 2 ? "2" : "3", "24", laws[i / 2], "none", "flow");
    SetKey("tokens_clusters", "3");
    SetKey("tokens_kappa", "8");
    SetKey("tokens_harmonic", "4");
    SetKey("tokens_amplitude", "0.8");
    PairCreate(PETSC_COMM_SELF, d, 0, &p);
    OK(TokensCreate(PETSC_COMM_SELF, 65535, d, &tokens));
    OK(StartFromKeys(tokens, &start));
    for (PetscInt r = 0; r < (i < 2 ? 2 : 1); r++) {
      OK(DensityStart(p.density, r));
      OK(TokensStart(tokens, start, r));
      OK(DensityMoments(p.density, tokens, moments));
      OK(DensityGetSize(p.density, NULL, NULL, &degrees));
      OK(VecGetArrayRead(p.state, &rho));
      for (PetscInt k = 0; k < p.count; k++)
        off[i] =
            fmax(off[i], fabs(moments[k] - rho[k]) / sqrt(SphereHarmonicCount(d, degrees[k]) / SphereArea(d) / 65535));
      OK(VecRestoreArrayRead(p.state, &rho));
    }
    OK(StartDestroy(&start));
    OK(TokensDestroy(&tokens));
    PairDestroy(&p);
  }
  SetKey("tokens_clusters", NULL);
  Together(6, off);
  for (int i = 0; i < 6; i++) assert_true(0 < off[i] && off[i] < 4);
}

/* Attention alone, from a smooth start: the density converges spectrally to the measure of many nodes, and mass and
 * energy agree. */
static void test_attention(void **unused) {
  static const struct { const char *type, *value; } attentions[] = {{"softmax", "1"}, {"l2", "-1"}, {"usa", "0.2"}};
  enum { LOW, HIGH, MASS, ENERGY, FOUND };
  double found[6][FOUND] = {{0}};
  (void)unused;
  for (PetscInt c = 0; c < 6; c++) {
    const PetscInt d = 2 + c % 2, i = c / 2, steps = d == 2 ? 30 : 64;
    const PetscInt64 nodes = d == 2 ? (i ? 2048 : 65536) : i ? 3200 : 12800;
    DensityMeasures measures;
    PetscReal energy;
    Pair p, low;

    if (!Mine((c + 1) / 2)) continue; /* the longest are the first two */
    Keys(d == 2 ? "2" : "3", "12", "vmf", "none", "flow");
    SetKey("attention_type", attentions[i].type);
    SetKey("attention_value", attentions[i].value);
    SetKey("spde_tol", "0.1");
    PairCreate(PETSC_COMM_SELF, d, 0, &low);
    SetKey("spde_degree", d == 2 ? "80" : "48");
    PairCreate(PETSC_COMM_SELF, d, nodes, &p);
    OK(NoiseDraw(p.noise, 0, 0, p.field));
    for (PetscInt step = 0; step < steps; step++) {
      OK(DensityStep(p.density, p.field, 1 / (double)steps));
      OK(DensityStep(low.density, p.field, 1 / (double)steps));
      OK(SchemeStep(p.scheme, p.attention, p.field, 1 / (double)steps, p.tokens));
    }
    found[c][HIGH] = Gap(&p);
    low.tokens = p.tokens;
    found[c][LOW] = Gap(&low);
    low.tokens = NULL;
    OK(DensityMeasure(p.density, &measures));
    OK(AttentionEnergy(p.attention, p.tokens, &energy));
    found[c][MASS] = measures.mass;
    found[c][ENERGY] = measures.energy - energy;
    PairDestroy(&low);
    PairDestroy(&p);
  }
  Together(6 * FOUND, found[0]);
  for (int c = 0; c < 6; c++) {
    const double *x = found[c];
    print_message("d = %d, %s: moments off by %.2e at the low degree, %.2e at the high one\n", 2 + c % 2,
                  attentions[c / 2].type, x[LOW], x[HIGH]);
    CLOSE(x[MASS], 1, 1e-12);
    CLOSE(x[ENERGY], 0, 1e-9);
    assert_true(x[HIGH] < 1e-9);
    assert_true(x[LOW] > 100 * x[HIGH]); /* the low degree is seen */
  }
}

/* Sharp attention of a narrow density: far from it, where Z is below rounding errors, its quotient must do no harm. */
static void test_sharp(void **unused) {
  double gap[2] = {0}, tail[2] = {0};
  (void)unused;
  for (PetscInt i = 0; i < 2; i++) {
    PetscReal share;
    Pair p;

    if (!Mine(i)) continue;
    Keys(i ? "3" : "2", i ? "64" : "256", "vmf", "none", "flow");
    SetKey("attention_engine", "direct");
    SetKey("attention_beta", i ? "40" : "20");
    SetKey("tokens_kappa", i ? "20" : "50");
    PairCreate(PETSC_COMM_SELF, 2 + i, i ? 0 : 1024, &p);
    OK(NoiseDraw(p.noise, 0, 0, p.field));
    for (int step = 0; step < 20; step++) {
      OK(DensityStep(p.density, p.field, 0.005));
      if (p.tokens) OK(SchemeStep(p.scheme, p.attention, p.field, 0.005, p.tokens));
    }
    if (p.tokens) gap[i] = Gap(&p);
    OK(DensityTail(p.density, &share, NULL));
    tail[i] = share;
    PairDestroy(&p);
  }
  Together(2, gap);
  Together(2, tail);
  print_message("narrow densities: d = 2, tail %.1e, moments off by %.1e; d = 3, tail %.1e\n", tail[0], gap[0],
                tail[1]);
  assert_true(tail[0] < 1e-7 && gap[0] < 1e-7);
  assert_true(tail[1] < 1e-7);
}

/* The largest sizes: a smooth density keeps its mass, and its coefficients are those of a lower degree, by euler, whose
 * step has no substeps that depend on the degree. */
static void test_sizes(void **unused) {
  static const struct {
    PetscInt dim, low;
    const char *degree;
  } cases[] = {{2, 64, "4096"}, {3, 32, "256"}};
  double off[2][2] = {{0}}; /* coefficients, mass */

  (void)unused;
  for (int c = 0; c < 2; c++) {
    const PetscInt d = cases[c].dim;
    const PetscInt *degrees[2];
    DensityMeasures measures;
    const double *rho[2];
    PetscInt count[2];
    Density low;
    Vec state[2];
    char name[8];
    Pair p;

    if (!Mine(c)) continue;
    Keys(d == 2 ? "2" : "3", cases[c].degree, "vmf", "spectral", "euler");
    PairCreate(PETSC_COMM_SELF, d, 0, &p);
    (void)snprintf(name, sizeof(name), "%d", (int)cases[c].low);
    SetKey("spde_degree", name);
    OK(DensityFromKeys(PETSC_COMM_SELF, d, p.noise, &low));
    OK(DensityStart(low, 0));
    for (int step = 0; step < 2; step++) {
      Draw(&p, 0, step, 1);
      OK(DensityStep(p.density, p.field, 1e-3));
      OK(DensityStep(low, p.field, 1e-3));
    }
    OK(DensityMeasure(p.density, &measures));
    off[c][1] = measures.mass - 1;
    OK(DensityGetVec(low, &state[0]));
    state[1] = p.state;
    for (int i = 0; i < 2; i++) {
      OK(DensityGetSize(i ? p.density : low, NULL, &count[i], &degrees[i]));
      OK(VecGetArrayRead(state[i], &rho[i]));
    }
    /* both orders are by m, cosines before sines, degrees ascending: the lower one is a part of the higher one */
    for (PetscInt k = 0, j = 0; k < count[1]; k++) {
      if (degrees[1][k] > cases[c].low) continue;
      assert_int_equal(degrees[1][k], degrees[0][j]);
      off[c][0] = fmax(off[c][0], fabs(rho[1][k] - rho[0][j++]));
    }
    for (int i = 0; i < 2; i++) OK(VecRestoreArrayRead(state[i], &rho[i]));
    OK(DensityDestroy(&low));
    PairDestroy(&p);
  }
  Together(4, off[0]);
  for (int c = 0; c < 2; c++) {
    print_message("degree %s: coefficients off by %.1e, mass by %.1e\n", cases[c].degree, off[c][0], off[c][1]);
    CLOSE(off[c][0], 0, 1e-12);
    CLOSE(off[c][1], 0, 1e-12);
  }
}

/* Uniform densities stay under attention alone (oracle 5); hyperviscosity is what it says. */
static void test_uniform(void **unused) {
  (void)unused;
  for (PetscInt d = 2; d <= 3; d++) {
    const PetscInt *degrees;
    double before[400];
    const double *rho;
    Pair p;

    Keys(d == 2 ? "2" : "3", "16", "uniform", "none", "flow");
    SetKey("attention_beta", "5");
    PairCreate(PETSC_COMM_SELF, d, 0, &p);
    for (int step = 0; step < 50; step++) {
      OK(NoiseDraw(p.noise, 0, step, p.field));
      OK(DensityStep(p.density, p.field, 0.1));
    }
    OK(VecGetArrayRead(p.state, &rho));
    CLOSE(rho[0], 1 / sqrt(SphereArea(d)), 1e-15);
    for (PetscInt k = 1; k < p.count; k++) CLOSE(rho[k], 0, 1e-13);
    OK(VecRestoreArrayRead(p.state, &rho));
    PairDestroy(&p);

    Keys(d == 2 ? "2" : "3", "16", "vmf", "none", "euler");
    SetKey("attention_type", "none");
    SetKey("spde_hyperviscosity", "3");
    PairCreate(PETSC_COMM_SELF, d, 0, &p);
    OK(DensityGetSize(p.density, NULL, NULL, &degrees));
    for (int after = 0; after < 2; after++) {
      if (after) OK(DensityStep(p.density, p.field, 0.25));
      OK(VecGetArrayRead(p.state, &rho));
      for (PetscInt k = 0; k < p.count; k++) {
        const double n = degrees[k], share = n * (n + d - 2) / (16.0 * (14 + d));
        if (after) CLOSE(rho[k], before[k] * exp(-0.75 * pow(share, 4)), 1e-16);
        before[k] = rho[k];
      }
      OK(VecRestoreArrayRead(p.state, &rho));
    }
    PairDestroy(&p);
  }
}

/* F(theta) = (theta + a sin theta)/(2 pi) of the density 1 + a cos theta, inverted by bisection. */
static void test_quantiles(void **unused) {
  TokensLayout layout;
  double worst = 0;
  const double *x;
  Tokens tokens;
  Vec v;
  Pair p;

  (void)unused;
  Keys("2", "64", "harmonic", "none", "flow");
  SetKey("tokens_harmonic", "1");
  SetKey("tokens_amplitude", "0.9");
  PairCreate(PETSC_COMM_WORLD, 2, 0, &p);
  OK(TokensCreate(PETSC_COMM_WORLD, 1001, 2, &tokens));
  OK(DensityQuantiles(p.density, tokens));
  OK(TokensGetLayout(tokens, &layout));
  OK(TokensGetVec(tokens, &v));
  OK(VecGetArrayRead(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const double level = ((layout.first + b) * layout.block + t + 0.5) / 1001;
      double low = 0, high = 2 * PETSC_PI;
      for (int i = 0; i < 60; i++) {
        const double middle = 0.5 * (low + high);
        if (middle + 0.9 * sin(middle) <= 2 * PETSC_PI * level)
          low = middle;
        else
          high = middle;
      }
      const double *token = x + b * 2 * layout.block + t;
      worst = fmax(worst, hypot(token[0] - cos(low), token[layout.block] - sin(low)));
    }
  }
  OK(VecRestoreArrayRead(v, &x));
  OK(MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
  CLOSE(worst, 0, 1e-7); /* the cubic between nodes, h = 2 pi/160 */
  OK(TokensDestroy(&tokens));
  PairDestroy(&p);
}

/* The same bits on one rank and on all of them together. */
static void test_bits(void **unused) {
  (void)unused;
  for (PetscInt d = 2; d <= 3; d++) {
    const double *a, *b;
    Density alone;
    Vec state;
    int same;
    Pair p;

    Keys(d == 2 ? "2" : "3", d == 2 ? "40" : "21", "vmf", "spectral", "flow");
    PairCreate(PETSC_COMM_WORLD, d, 0, &p);
    OK(DensityFromKeys(PETSC_COMM_SELF, d, p.noise, &alone));
    OK(DensityGetVec(alone, &state));
    OK(DensityStart(alone, 0));
    for (int step = 0; step < 5; step++) {
      Draw(&p, 0, step, 1);
      OK(DensityStep(p.density, p.field, 0.02));
      OK(DensityStep(alone, p.field, 0.02));
    }
    OK(VecGetArrayRead(p.state, &a));
    OK(VecGetArrayRead(state, &b));
    same = !memcmp(a, b, sizeof(double) * (size_t)p.count);
    OK(VecRestoreArrayRead(state, &b));
    OK(VecRestoreArrayRead(p.state, &a));
    OK(MPI_Allreduce(MPI_IN_PLACE, &same, 1, MPI_INT, MPI_MIN, PETSC_COMM_WORLD));
    assert_true(same);
    OK(DensityDestroy(&alone));
    PairDestroy(&p);
  }
}

static void StartIsRefused(Noise noise, const char *init, const char *text) {
  DensityOptions options;
  Density density;

  OK(DensityOptionsRead(&options));
  options.start.init = init;
  options.start.kappa = 1000;
  options.start.harmonic = 25;
  OK(DensityAlone(PETSC_COMM_WORLD, 2, noise, &options, &density));
  REFUSED(DensityStart(density, 0), text);
  OK(DensityDestroy(&density));
}

/* Attention makes a cluster that a low degree cannot hold: the tail says so, and a start that is too sharp is refused.
 */
static void test_outgrown(void **unused) {
  PetscBool outgrown;
  int step = 0;
  Pair p;

  (void)unused;
  Keys("2", "24", "vmf", "none", "flow");
  PairCreate(PETSC_COMM_WORLD, 2, 0, &p);
  for (outgrown = PETSC_FALSE; !outgrown && step < 100; step++) {
    OK(NoiseDraw(p.noise, 0, step, p.field));
    OK(DensityStep(p.density, p.field, 0.1));
    OK(DensityTail(p.density, NULL, &outgrown));
  }
  assert_true(outgrown && step > 2); /* e^{-2 t} or so is the width of the cluster */
  StartIsRefused(p.noise, "vmf", "lower tokens_kappa");
  StartIsRefused(p.noise, "file", "tokens_init = file");
  StartIsRefused(p.noise, "harmonic", "tokens_harmonic = 25");
  PairDestroy(&p);
}

static void test_refusals(void **unused) {
  Density density;
  Noise noise;

  (void)unused;
  Keys("2", "6", "uniform", "spectral", "flow");
  OK(NoiseFromKeys(2, &noise));
  REFUSED(DensityFromKeys(PETSC_COMM_WORLD, 2, noise, &density), "spde_degree = 6: must be above the noise's degree 6");
  SetKey("spde_degree", "257");
  REFUSED(DensityFromKeys(PETSC_COMM_WORLD, 3, noise, &density), "spde_degree = 257: must be at most 256");
  SetKey("spde_degree", "16");
  REFUSED(DensityFromKeys(PETSC_COMM_WORLD, 4, noise, &density), "tokens_dim = 4");
  SetKey("scheme_type", "heun");
  REFUSED(DensityFromKeys(PETSC_COMM_WORLD, 2, noise, &density), "scheme_type = heun: must be flow or euler");
  SetKey("scheme_type", "flow");
  SetKey("attention_type", "sinkhorn");
  REFUSED(DensityFromKeys(PETSC_COMM_WORLD, 2, noise, &density), "attention_type = sinkhorn");
  OK(NoiseDestroy(&noise));
  Keys("2", "16", "uniform", "mlp", "flow");
  OK(NoiseFromKeys(2, &noise));
  REFUSED(DensityFromKeys(PETSC_COMM_WORLD, 2, noise, &density), "noise_type = mlp");
  OK(NoiseDestroy(&noise));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_starts),   cmocka_unit_test(test_draws),     cmocka_unit_test(test_attention),
    cmocka_unit_test(test_uniform),  cmocka_unit_test(test_quantiles), cmocka_unit_test(test_bits),
    cmocka_unit_test(test_outgrown), cmocka_unit_test(test_refusals),  cmocka_unit_test(test_sizes),
    cmocka_unit_test(test_sharp),
};
TEST_MAIN(tests)
