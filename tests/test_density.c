/* The density of the SPDE against tokens that carry the same measure: nodes of a quadrature rule with the density in
 * their weights, whose push-forward solves the same equation exactly (PAPER.md section 4). */
#include <math.h>

#include <chorale/attention.h>
#include <chorale/density.h>
#include <chorale/distance.h>
#include <chorale/scheme.h>
#include <chorale/sphere.h>
#include <chorale/start.h>

#include "expect.h"
#include "test.h"

enum { MOST = 20000 };

/* A density and the tokens coupled to it. */
typedef struct {
  PetscInt dim, count;
  Noise noise;
  Field field, part;
  Density density;
  Tokens tokens;
  Attention attention;
  Scheme scheme;
  Vec state;
} Pair;

static void Keys(const char *dim, const char *degree, const char *init, const char *noise, const char *scheme) {
  SetKey("tokens_dim", dim);
  SetKey("spde_degree", degree);
  SetKey("tokens_init", init);
  SetKey("noise_type", noise);
  SetKey("scheme_type", scheme);
  SetKey("tokens_kappa", "2");
  SetKey("mlp_activation", "tanh");
  SetKey("mlp_bias_u", "0.5");
  SetKey("mlp_bias_w", "0.3");
  SetKey("noise_degree", "6");
  SetKey("attention_type", "softmax");
  SetKey("attention_value", "1");
  SetKey("attention_engine", "moments");
  SetKey("attention_beta", "2");
  SetKey("spde_hyperviscosity", "0");
  SetKey("spde_tol", "1e-4");
  SetKey("attention_tol", "1e-12");
}

static void PairCreate(MPI_Comm comm, PetscInt dim, PetscInt64 tokens, Pair *p) {
  Start start;

  p->dim = dim;
  OK(NoiseCreate(dim, &p->noise));
  OK(NoiseCreateField(p->noise, &p->field));
  OK(NoiseCreateField(p->noise, &p->part));
  OK(DensityCreate(comm, dim, p->noise, &p->density));
  OK(DensityGetSize(p->density, NULL, &p->count, NULL));
  OK(DensityGetVec(p->density, &p->state));
  OK(DensityStart(p->density, 0));
  p->tokens = NULL;
  if (!tokens) return;
  OK(TokensCreate(comm, tokens, dim, &p->tokens));
  OK(StartCreateRule(p->tokens, &start));
  OK(TokensStart(p->tokens, start, 0));
  OK(StartDestroy(&start));
  OK(DensityWeigh(p->density, p->tokens));
  OK(AttentionCreate(p->tokens, &p->attention));
  OK(SchemeCreate(p->tokens, &p->scheme));
}

static void PairDestroy(Pair *p) {
  if (p->tokens) {
    OK(SchemeDestroy(&p->scheme));
    OK(AttentionDestroy(&p->attention));
    OK(TokensDestroy(&p->tokens));
  }
  OK(DensityDestroy(&p->density));
  OK(FieldDestroy(&p->part));
  OK(FieldDestroy(&p->field));
  OK(NoiseDestroy(&p->noise));
}

/* The field of a step that is made of `fine` fine ones, number first .. first + fine - 1. */
static void Draw(Pair *p, PetscInt r, PetscInt first, PetscInt fine) {
  if (fine == 1) {
    OK(NoiseDraw(p->noise, r, first, p->field));
    return;
  }
  OK(FieldZero(p->field));
  for (PetscInt i = 0; i < fine; i++) {
    OK(NoiseDraw(p->noise, r, first + i, p->part));
    OK(FieldAdd(p->field, 1 / sqrt((double)fine), p->part));
  }
}

/* The largest difference of moments between density and tokens. */
static double Gap(Pair *p) {
  static double moments[MOST];
  const double *rho;
  double gap = 0;

  assert_true(p->count <= MOST);
  OK(DensityMoments(p->density, p->tokens, moments));
  OK(VecGetArrayRead(p->state, &rho));
  for (PetscInt k = 0; k < p->count; k++) gap = fmax(gap, fabs(rho[k] - moments[k]));
  OK(VecRestoreArrayRead(p->state, &rho));
  return gap;
}

static double Distance(Pair *p) {
  PetscReal mmd2, sobolev2;
  OK(DensityCompare(p->density, p->tokens, &mmd2, &sobolev2));
  return sqrt(mmd2);
}

/* W2 on the circle, against as many quantiles as there are tokens. */
static double Wasserstein(Pair *p) {
  PetscReal geodesic, chordal;
  TokensLayout layout;
  Tokens quantiles;

  OK(TokensGetLayout(p->tokens, &layout));
  OK(TokensCreate(layout.comm, layout.count, 2, &quantiles));
  OK(DensityQuantiles(p->density, quantiles));
  OK(DistanceCircle(p->tokens, quantiles, &geodesic, &chordal));
  OK(TokensDestroy(&quantiles));
  return sqrt(chordal);
}

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
  (void)unused;
  for (PetscInt i = 0; i < 6; i++) {
    const PetscInt d = 2 + i % 2;
    const PetscInt *degrees;
    const double *rho;
    Tokens tokens;
    Start start;
    Pair p;

    Keys(d == 2 ? "2" : "3", "24", laws[i / 2], "none", "flow");
    SetKey("tokens_clusters", "3");
    SetKey("tokens_kappa", "8");
    SetKey("tokens_harmonic", "4");
    SetKey("tokens_amplitude", "0.8");
    PairCreate(PETSC_COMM_WORLD, d, 0, &p);
    OK(TokensCreate(PETSC_COMM_WORLD, 65535, d, &tokens));
    OK(StartCreate(tokens, &start));
    for (PetscInt r = 0; r < (i < 2 ? 2 : 1); r++) {
      OK(DensityStart(p.density, r));
      OK(TokensStart(tokens, start, r));
      OK(DensityMoments(p.density, tokens, moments));
      OK(DensityGetSize(p.density, NULL, NULL, &degrees));
      OK(VecGetArrayRead(p.state, &rho));
      for (PetscInt k = 0; k < p.count; k++)
        CLOSE(moments[k], rho[k], 4 * sqrt(SphereHarmonicCount(d, degrees[k]) / SphereArea(d) / 65535));
      OK(VecRestoreArrayRead(p.state, &rho));
    }
    OK(StartDestroy(&start));
    OK(TokensDestroy(&tokens));
    PairDestroy(&p);
  }
  SetKey("tokens_clusters", NULL);
}

/* Attention alone, from a smooth start: the density converges spectrally to the measure of many nodes, and mass and
 * energy agree. */
static void test_attention(void **unused) {
  static const struct { const char *type, *value; } attentions[] = {{"softmax", "1"}, {"l2", "-1"}, {"usa", "0.2"}};
  (void)unused;
  for (PetscInt c = 0; c < 6; c++) {
    const PetscInt d = 2 + c / 3, i = c % 3, steps = d == 2 ? 40 : 64;
    const PetscInt64 nodes = d == 2 ? (i ? 2048 : 65536) : i ? 3200 : 12800;
    DensityMeasures measures;
    PetscReal energy;
    double gap[2];
    Pair p, low;

    Keys(d == 2 ? "2" : "3", "12", "vmf", "none", "flow");
    SetKey("attention_type", attentions[i].type);
    SetKey("attention_value", attentions[i].value);
    SetKey("spde_tol", "0.1");
    PairCreate(PETSC_COMM_WORLD, d, 0, &low);
    SetKey("spde_degree", d == 2 ? "80" : "48");
    PairCreate(PETSC_COMM_WORLD, d, nodes, &p);
    OK(NoiseDraw(p.noise, 0, 0, p.field));
    for (PetscInt step = 0; step < steps; step++) {
      OK(DensityStep(p.density, p.field, 1 / (double)steps));
      OK(DensityStep(low.density, p.field, 1 / (double)steps));
      OK(SchemeStep(p.scheme, p.attention, p.field, 1 / (double)steps, p.tokens));
    }
    gap[1] = Gap(&p);
    low.tokens = p.tokens;
    gap[0] = Gap(&low);
    low.tokens = NULL;
    OK(DensityMeasure(p.density, &measures));
    OK(AttentionEnergy(p.attention, p.tokens, &energy));
    print_message("d = %d, %s: moments off by %.2e at the low degree, %.2e at the high one\n", (int)d,
                  attentions[i].type, gap[0], gap[1]);
    CLOSE(measures.mass, 1, 1e-12);
    CLOSE(measures.energy, energy, 1e-9);
    assert_true(gap[1] < 1e-9);
    assert_true(gap[0] > 100 * gap[1]); /* the low degree is seen */
    PairDestroy(&low);
    PairDestroy(&p);
  }
}

/* With noise, in equal steps: density and tokens take the same field, so that their distance is that of one frozen flow
 * from the other, an error of high order. */
static void test_path(void **unused) {
  static const PetscInt steps[2] = {8, 32};
  (void)unused;
  for (PetscInt d = 2; d <= 3; d++) {
    double distance[2], w2 = 0;
    for (int i = 0; i < 2; i++) {
      const double dt = 1.0 / (double)steps[i];
      PetscBool outgrown;
      DensityMeasures measures;
      Pair p;

      Keys(d == 2 ? "2" : "3", d == 2 ? "160" : "36", "vmf", "spectral", "flow");
      SetKey("attention_value", "0.5");
      SetKey("tokens_kappa", "0.5");
      SetKey("spde_tol", "1e-3");
      SetKey("mlp_activation", "sigmoid"); /* rather turns than folds: degrees hold out until T = 1 */
      PairCreate(PETSC_COMM_WORLD, d, d == 2 ? 65536 : 4050, &p);
      for (PetscInt step = 0; step < steps[i]; step++) {
        Draw(&p, 1, step * steps[1] / steps[i], steps[1] / steps[i]);
        OK(DensityStep(p.density, p.field, dt));
        OK(SchemeStep(p.scheme, p.attention, p.field, dt, p.tokens));
      }
      OK(DensityTail(p.density, NULL, &outgrown));
      assert_false(outgrown);
      OK(DensityMeasure(p.density, &measures));
      CLOSE(measures.mass, 1, 1e-12);
      distance[i] = Distance(&p);
      if (d == 2) w2 = Wasserstein(&p);
      PairDestroy(&p);
    }
    print_message("d = %d: MMD %.2e at steps of 1/%d, %.2e at 1/%d, W2 %.2e\n", (int)d, distance[0], (int)steps[0],
                  distance[1], (int)steps[1], w2);
    assert_true(w2 < 1e-3 && distance[1] < 1e-3);
    assert_true(distance[1] < distance[0] / 2); /* order 1/2 at least; W2 itself ends at the distance of the nodes */
  }
}

/* The fine path up to T and the density's steps as multiples of it. */
enum { FINE = 128 };
#define T 0.25
static const PetscInt fine[3] = {4, 16, 64};

/* Root mean square over paths of the distance at T between tokens, moved by flow in fine steps, and the density, moved
 * in coarse ones under sums of the fine fields. */
static void StrongErrors(PetscInt d, PetscInt64 nodes, const char *scheme, PetscInt paths, double error[3]) {
  PetscMPIInt rank, size;
  Density density;
  Start start;
  Pair p;

  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  for (int i = 0; i < 3; i++) error[i] = 0;
  Keys(d == 2 ? "2" : "3", d == 2 ? "48" : "16", "vmf", "spectral", "flow");
  SetKey("noise_degree", "3");
  SetKey("spde_tol", "0.01");
  SetKey("attention_tol", "1e-6");
  PairCreate(PETSC_COMM_SELF, d, nodes, &p);
  OK(StartCreateRule(p.tokens, &start));
  density = p.density;
  SetKey("scheme_type", scheme);
  OK(DensityCreate(PETSC_COMM_SELF, d, p.noise, &p.density));
  OK(DensityGetVec(p.density, &p.state));
  for (PetscInt r = rank; r < paths; r += size) {
    OK(TokensStart(p.tokens, start, 0));
    OK(DensityWeigh(density, p.tokens));
    for (PetscInt step = 0; step < FINE; step++) {
      Draw(&p, r, step, 1);
      OK(SchemeStep(p.scheme, p.attention, p.field, T / FINE, p.tokens));
    }
    for (int i = 0; i < 3; i++) {
      OK(DensityStart(p.density, 0));
      for (PetscInt step = 0; step < FINE / fine[i]; step++) {
        Draw(&p, r, step * fine[i], fine[i]);
        OK(DensityStep(p.density, p.field, T * (double)fine[i] / FINE));
      }
      const double distance = d == 2 ? Wasserstein(&p) : Distance(&p);
      error[i] += distance * distance / (double)paths;
    }
  }
  OK(MPI_Allreduce(MPI_IN_PLACE, error, 3, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
  for (int i = 0; i < 3; i++) error[i] = sqrt(error[i]);
  OK(StartDestroy(&start));
  OK(DensityDestroy(&density));
  PairDestroy(&p);
}

/* Strong order 1/2: the error of steps 16 times as large is 4 times as large. Over 12 paths the root mean square has a
 * relative error of about 15%, so a ratio of 4 stays above 2.5 (4 sigma would be 1.6; order 1/4 gives 2, order 0 gives
 * 1). */
static void test_strong(void **unused) {
  static const char *const schemes[] = {"flow", "euler"};
  double error[3];

  (void)unused;
  for (PetscInt d = 2; d <= 3; d++) {
    for (int s = 0; s < 2; s++) {
      StrongErrors(d, d == 2 ? 1024 : 450, schemes[s], 12, error);
      print_message("d = %d, %s: %.2e, %.2e, %.2e in steps of 4, 16, 64 times 1/%d\n", (int)d, schemes[s], error[0],
                    error[1], error[2], (int)(FINE / T));
      assert_true(error[2] > 2.5 * error[0]);
      assert_true(error[2] > error[1] && error[1] > error[0]);
    }
  }
}

/* Oracle 3 in mean, for R = 400 paths of noise alone from a von Mises-Fisher density: the mean of every coefficient up
 * to degree 8 decays like exp(-k(1) n(n+d-2) t/2), the heat kernel. Euler's mean is exact at any step, flow's has an
 * error of order h, far below the standard errors here. 4 standard errors resolve the decay of the first degree to
 * about a quarter; its strength to better than that is seen along single paths above, since the tokens' noise is held
 * to 2% by test_limit.py. */
static void test_heat(void **unused) {
  static const char *const schemes[] = {"flow", "euler"};
  enum { R = 400, STEPS = 20 };
  PetscMPIInt rank, size;

  (void)unused;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  for (PetscInt d = 2; d <= 3; d++) {
    for (int s = d == 2 ? 0 : 1; s < 2; s++) {
      const double t = 0.4;
      static double sum[400], square[400], start[400];
      const PetscInt *degrees;
      const double *rho;
      double worst = 0, shift = 0;
      PetscReal k1;
      Pair p;

      Keys(d == 2 ? "2" : "3", d == 2 ? "24" : "10", "vmf", "spectral", schemes[s]);
      SetKey("attention_type", "none");
      SetKey("noise_degree", "4");
      SetKey("spde_tol", "0.5");
      PairCreate(PETSC_COMM_SELF, d, 0, &p);
      OK(NoiseGetVariance(p.noise, &k1));
      OK(DensityGetSize(p.density, NULL, NULL, &degrees));
      for (PetscInt k = 0; k < p.count; k++) sum[k] = square[k] = 0;
      for (PetscInt r = rank; r < R; r += size) {
        OK(DensityStart(p.density, 0));
        OK(VecGetArrayRead(p.state, &rho));
        for (PetscInt k = 0; k < p.count; k++) start[k] = rho[k];
        OK(VecRestoreArrayRead(p.state, &rho));
        for (PetscInt step = 0; step < STEPS; step++) {
          Draw(&p, r, step, 1);
          OK(DensityStep(p.density, p.field, t / STEPS));
        }
        OK(VecGetArrayRead(p.state, &rho));
        for (PetscInt k = 0; k < p.count; k++) sum[k] += rho[k], square[k] += rho[k] * rho[k];
        OK(VecRestoreArrayRead(p.state, &rho));
      }
      OK(MPI_Allreduce(MPI_IN_PLACE, sum, (int)p.count, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
      OK(MPI_Allreduce(MPI_IN_PLACE, square, (int)p.count, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
      for (PetscInt k = 1; k < p.count; k++) {
        const double n = degrees[k], mean = sum[k] / R, decay = exp(-0.5 * k1 * n * (n + d - 2) * t);
        const double sem = sqrt((square[k] / R - mean * mean) / (R - 1));
        if (n > 8) continue;
        worst = fmax(worst, fabs(mean - decay * start[k]) / sem);
        shift = fmax(shift, fabs(1 - decay) * fabs(start[k]) / sem);
      }
      print_message("d = %d, %s: worst %.2f sem, the decay is up to %.0f sem\n", (int)d, schemes[s], worst, shift);
      assert_true(worst < 4);
      assert_true(shift > 8);
      PairDestroy(&p);
    }
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
    OK(DensityCreate(PETSC_COMM_SELF, d, p.noise, &alone));
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
  SetKey("tokens_kappa", "1000");
  REFUSED(DensityStart(p.density, 0), "lower tokens_kappa");
  SetKey("tokens_init", "file");
  REFUSED(DensityStart(p.density, 0), "tokens_init = file");
  SetKey("tokens_init", "harmonic");
  SetKey("tokens_harmonic", "25");
  REFUSED(DensityStart(p.density, 0), "tokens_harmonic = 25");
  SetKey("tokens_harmonic", NULL);
  PairDestroy(&p);
}

static void test_refusals(void **unused) {
  Density density;
  Noise noise;

  (void)unused;
  Keys("2", "6", "uniform", "spectral", "flow");
  OK(NoiseCreate(2, &noise));
  REFUSED(DensityCreate(PETSC_COMM_WORLD, 2, noise, &density), "spde_degree = 6: must be above the noise's degree 6");
  SetKey("spde_degree", "257");
  REFUSED(DensityCreate(PETSC_COMM_WORLD, 3, noise, &density), "spde_degree = 257: must be at most 256");
  SetKey("spde_degree", "16");
  REFUSED(DensityCreate(PETSC_COMM_WORLD, 4, noise, &density), "tokens_dim = 4");
  SetKey("scheme_type", "heun");
  REFUSED(DensityCreate(PETSC_COMM_WORLD, 2, noise, &density), "scheme_type = heun: must be flow or euler");
  SetKey("scheme_type", "flow");
  SetKey("attention_type", "sinkhorn");
  REFUSED(DensityCreate(PETSC_COMM_WORLD, 2, noise, &density), "attention_type = sinkhorn");
  OK(NoiseDestroy(&noise));
  Keys("2", "16", "uniform", "mlp", "flow");
  OK(NoiseCreate(2, &noise));
  REFUSED(DensityCreate(PETSC_COMM_WORLD, 2, noise, &density), "noise_type = mlp");
  OK(NoiseDestroy(&noise));
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_starts),   cmocka_unit_test(test_draws),     cmocka_unit_test(test_attention),
      cmocka_unit_test(test_path),     cmocka_unit_test(test_strong),    cmocka_unit_test(test_heat),
      cmocka_unit_test(test_uniform),  cmocka_unit_test(test_quantiles), cmocka_unit_test(test_bits),
      cmocka_unit_test(test_outgrown), cmocka_unit_test(test_refusals),
  };
  return TestMain(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
