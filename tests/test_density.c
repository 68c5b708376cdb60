/* The density of the SPDE against tokens that carry the same measure: nodes of a quadrature rule with the density in
 * their weights, whose push-forward solves the same equation exactly (PAPER.md section 4). */
#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* Cases are dealt out to the ranks, each with densities and tokens of its own (test_bits: any number of ranks gives the
 * same bits), and what they found is brought together before anything is asserted. */
static PetscBool Mine(PetscInt i) {
  PetscMPIInt rank, size;
  OK(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  OK(MPI_Comm_size(PETSC_COMM_WORLD, &size));
  return (PetscBool)(i % size == rank);
}

static void Together(int n, double found[]) {
  OK(MPI_Allreduce(MPI_IN_PLACE, found, n, MPI_DOUBLE, MPI_SUM, PETSC_COMM_WORLD));
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
    OK(StartCreate(tokens, &start));
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

/* What a path with noise is like, see below. */
typedef struct {
  PetscInt dim, density, tokens; /* steps of both until T = 1 */
  double amplitude;              /* of the noise */
} Path;
enum { PATH_MMD, PATH_W2, PATH_MASS, PATH_TAIL, PATH_FOUND };

/* The field of steps first .. first + fine - 1 of FINEST, times the amplitude. */
enum { FINEST = 128 };
static void DrawScaled(Pair *p, PetscInt first, PetscInt fine, double amplitude) {
  OK(FieldZero(p->field));
  for (PetscInt i = 0; i < fine; i++) {
    OK(NoiseDraw(p->noise, 1, first + i, p->part));
    OK(FieldAdd(p->field, amplitude / sqrt((double)fine), p->part));
  }
}

/* Density and tokens along one path of the noise, each in steps of its own, to T = 1. */
static void Follow(const Path *path, double found[PATH_FOUND]) {
  const PetscInt d = path->dim, coarse = FINEST / path->density, fine = FINEST / path->tokens;
  DensityMeasures measures;
  Pair p;

  Keys(d == 2 ? "2" : "3", d == 2 ? "160" : "36", "vmf", "spectral", "flow");
  SetKey("attention_value", "0.5");
  SetKey("tokens_kappa", "0.5");
  SetKey("spde_tol", "1e-3");
  SetKey("mlp_activation", "sigmoid"); /* rather turns than folds: degrees hold out until T = 1 */
  PairCreate(PETSC_COMM_SELF, d, d == 2 ? 65536 : 4050, &p);
  for (PetscInt step = 0; step < path->density; step++) {
    DrawScaled(&p, step * coarse, coarse, path->amplitude);
    OK(DensityStep(p.density, p.field, 1.0 / (double)path->density));
  }
  for (PetscInt step = 0; step < path->tokens; step++) {
    DrawScaled(&p, step * fine, fine, path->amplitude);
    OK(SchemeStep(p.scheme, p.attention, p.field, 1.0 / (double)path->tokens, p.tokens));
  }
  OK(DensityMeasure(p.density, &measures));
  found[PATH_MASS] = measures.mass;
  found[PATH_TAIL] = measures.tail;
  found[PATH_MMD] = Distance(&p);
  if (d == 2) found[PATH_W2] = Wasserstein(&p);
  PairDestroy(&p);
}

/* With noise, tokens beside the density along one path. In equal steps both take the same fields, so that their
 * distance is that of one frozen flow from the other, an error of high order. In steps of their own they part by what
 * the sums of fields have lost, about sqrt(h) times the square of the noise's amplitude, which is therefore a tenth;
 * attention and what noise is left move the tokens by much more than the bound. */
static void test_path(void **unused) {
  static const Path paths[] = {{2, 32, 32, 1}, {2, 128, 32, 0.1}, {3, 32, 32, 1}, {3, 128, 32, 0.1},
                               {2, 8, 8, 1},   {2, 16, 4, 0.1},   {3, 8, 8, 1},   {3, 16, 4, 0.1}};
  enum { PATHS = sizeof(paths) / sizeof(paths[0]) };
  double found[PATHS][PATH_FOUND] = {{0}};
  (void)unused;
  for (PetscInt i = 0; i < PATHS; i++)
    if (Mine(i)) Follow(&paths[i], found[i]);
  Together(PATHS * PATH_FOUND, found[0]);
  for (int i = 0; i < PATHS; i++) {
    print_message("d = %d, steps of 1/%d and 1/%d, noise times %g: MMD %.2e, W2 %.2e, tail %.1e\n", (int)paths[i].dim,
                  (int)paths[i].density, (int)paths[i].tokens, paths[i].amplitude, found[i][PATH_MMD],
                  found[i][PATH_W2], found[i][PATH_TAIL]);
    CLOSE(found[i][PATH_MASS], 1, 1e-12);
    assert_true(found[i][PATH_TAIL] < 1e-3); /* not outgrown */
  }
  for (int i = 0; i < PATHS / 2; i++) { /* the same in steps four times as long: order 1/2 at least */
    assert_true(found[i][PATH_MMD] < 1e-3 && found[i][PATH_W2] < 1e-3);
    assert_true(found[i][PATH_MMD] < found[i + PATHS / 2][PATH_MMD] / 2);
    assert_true(paths[i].dim == 3 || found[i][PATH_W2] < found[i + PATHS / 2][PATH_W2] / 2);
  }
}

/* Strong order 1/2 of flow and Ito-Euler against tokens, moved by flow in FINE steps up to T under the same path, of
 * which the density takes sums. */
enum { FINE = 64, SIZES = 4, WALKS = 96 };
#define T (1.0 / 32)
static const PetscInt multiple[SIZES] = {2, 4, 8, 16};

/* square[scheme][size][path] of the MMD at T. */
static void StrongErrors(PetscInt d, double square[2][SIZES][WALKS]) {
  Density density[2];
  Start start;
  Pair p;

  Keys(d == 2 ? "2" : "3", d == 2 ? "24" : "10", "vmf", "spectral", "flow");
  SetKey("noise_degree", "3");
  SetKey("spde_tol", "0.1");
  SetKey("attention_tol", "1e-6");
  PairCreate(PETSC_COMM_SELF, d, d == 2 ? 256 : 162, &p);
  OK(StartCreateRule(p.tokens, &start));
  density[0] = p.density;
  SetKey("scheme_type", "euler");
  OK(DensityCreate(PETSC_COMM_SELF, d, p.noise, &density[1]));
  for (PetscInt r = 0; r < WALKS; r++) {
    if (!Mine(r)) continue;
    OK(TokensStart(p.tokens, start, 0));
    OK(DensityStart(density[0], 0));
    OK(DensityWeigh(density[0], p.tokens));
    for (PetscInt step = 0; step < FINE; step++) {
      Draw(&p, r, step, 1);
      OK(SchemeStep(p.scheme, p.attention, p.field, T / FINE, p.tokens));
    }
    for (int i = 0; i < SIZES; i++) {
      for (int s = 0; s < 2; s++) OK(DensityStart(density[s], 0));
      for (PetscInt step = 0; step < FINE / multiple[i]; step++) {
        Draw(&p, r, step * multiple[i], multiple[i]);
        for (int s = 0; s < 2; s++) OK(DensityStep(density[s], p.field, T * (double)multiple[i] / FINE));
      }
      for (int s = 0; s < 2; s++) {
        p.density = density[s];
        square[s][i][r] = Distance(&p) * Distance(&p);
      }
    }
  }
  OK(StartDestroy(&start));
  OK(DensityDestroy(&density[0]));
  PairDestroy(&p);
}

/* Half the slope of log mean square against log of the step, without path `left` (-1: with all). Tokens in steps of h_0
 * lack areas of the path as well: flow errs by the square root of h - h_0. Euler's error does not know h_0. */
static double Order(PetscInt scheme, double square[SIZES][WALKS], PetscInt left) {
  double x[SIZES], y[SIZES], mean_x = 0, mean_y = 0, xx = 0, xy = 0;

  for (int i = 0; i < SIZES; i++) {
    double sum = 0;
    for (PetscInt r = 0; r < WALKS; r++) sum += r == left ? 0 : square[i][r];
    mean_x += (x[i] = log((double)multiple[i] - (scheme == 0))) / SIZES;
    mean_y += (y[i] = 0.5 * log(sum)) / SIZES;
  }
  for (int i = 0; i < SIZES; i++) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  return xy / xx;
}

/* Over 96 paths an order has a standard error of about 0.025, found by leaving out one at a time: 4 of them tell 1/2
 * from 1/3. */
static void test_strong(void **unused) {
  static const char *const schemes[] = {"flow", "euler"};
  static double square[2][2][SIZES][WALKS];

  (void)unused;
  memset(square, 0, sizeof(square));
  for (PetscInt d = 2; d <= 3; d++) StrongErrors(d, square[d - 2]);
  Together(2 * 2 * SIZES * WALKS, square[0][0][0]);
  for (int i = 0; i < 4; i++) {
    double(*found)[WALKS] = square[i / 2][i % 2];
    const double order = Order(i % 2, found, -1);
    double variance = 0;

    for (PetscInt r = 0; r < WALKS; r++)
      variance += (Order(i % 2, found, r) - order) * (Order(i % 2, found, r) - order) * (WALKS - 1) / WALKS;
    print_message("d = %d, %s: strong order %.3f +- %.3f\n", 2 + i / 2, schemes[i % 2], order, sqrt(variance));
    assert_true(sqrt(variance) < 0.04);
    assert_true(order > 0.5 - 4 * sqrt(variance));
  }
}

/* Oracle 3 in mean, for R = 400 paths of noise alone from a von Mises-Fisher density: the mean of every coefficient up
 * to degree 8 decays like exp(-k(1) n(n+d-2) t/2), the heat kernel. */
enum { R = 400, HEAT_MOST = 200 };
typedef struct {
  PetscInt dim, steps;
  double t;
  const char *scheme;
} Heat;

/* sum and square of Z_k over paths. The odd part of a step of euler in dW, half the difference of the steps under dW
 * and -dW, has mean 0: without all of them, decayed to the end, flow keeps the part that makes the decay, whose mean
 * nowhere contains k(1), and little else. Euler would keep no randomness at all: there Z is the coefficient itself, and
 * *uneven how far the even part of a step is off the decay. */
static void HeatPaths(const Heat *heat, Pair *p, Density euler, const double decay[], double sum[], double square[],
                      double *uneven) {
  const PetscBool flow = (PetscBool)!strcmp(heat->scheme, "flow");
  const double h = heat->t / (double)heat->steps;
  double before[HEAT_MOST], step[2][HEAT_MOST], control[HEAT_MOST], *rho, *trial;
  const size_t size = sizeof(double) * (size_t)p->count;
  Vec state;

  OK(DensityGetVec(euler, &state));
  for (PetscInt r = 0; r < R; r++) {
    if (!Mine(r)) continue;
    OK(DensityStart(p->density, 0));
    memset(control, 0, size);
    for (PetscInt l = 0; l < heat->steps; l++) {
      Draw(p, r, l, 1);
      OK(FieldZero(p->part));
      OK(FieldAdd(p->part, -1, p->field));
      OK(VecGetArray(p->state, &rho));
      memcpy(before, rho, size);
      OK(VecRestoreArray(p->state, &rho));
      for (int sign = 0; sign < 2 && (flow || r < 8); sign++) {
        OK(VecGetArray(state, &trial));
        memcpy(trial, before, size);
        OK(VecRestoreArray(state, &trial));
        OK(DensityStep(euler, sign ? p->part : p->field, h));
        OK(VecGetArray(state, &trial));
        memcpy(step[sign], trial, size);
        OK(VecRestoreArray(state, &trial));
      }
      OK(DensityStep(p->density, p->field, h));
      for (PetscInt k = 0; k < p->count; k++) {
        if (flow) control[k] = decay[k] * control[k] + 0.5 * (step[0][k] - step[1][k]) / decay[k];
        if (!flow && r < 8) *uneven = fmax(*uneven, fabs(0.5 * (step[0][k] + step[1][k]) - decay[k] * before[k]));
      }
    }
    OK(VecGetArray(p->state, &rho));
    for (PetscInt k = 0; k < p->count; k++) {
      const double z = rho[k] - control[k];
      sum[k] += z;
      square[k] += z * z;
    }
    OK(VecRestoreArray(p->state, &rho));
  }
}

/* 4 standard errors of flow resolve k(1) to 2.5% (the mean's sensitivity to log k(1) is the exponent times the mean);
 * its bias of order h is less than one of them. Euler's decay is exact at any step, and held to the same k(1) to
 * rounding. */
static void test_heat(void **unused) {
  static const Heat cases[] = {
      {2, 100, 0.4, "flow"}, {3, 40, 0.1, "flow"}, {2, 20, 0.4, "euler"}, {3, 20, 0.4, "euler"}};

  (void)unused;
  for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
    const PetscInt d = cases[c].dim;
    const double t = cases[c].t;
    double sum[HEAT_MOST] = {0}, square[HEAT_MOST] = {0}, start[HEAT_MOST], decay[HEAT_MOST];
    double worst = 0, shift = 0, resolved = INFINITY, uneven = 0;
    const PetscInt *degrees;
    const double *rho;
    PetscReal k1;
    Density euler;
    Pair p;

    Keys(d == 2 ? "2" : "3", d == 2 ? "24" : "10", "vmf", "spectral", cases[c].scheme);
    SetKey("attention_type", "none");
    SetKey("noise_degree", "2");
    SetKey("spde_tol", "0.5");
    PairCreate(PETSC_COMM_SELF, d, 0, &p);
    SetKey("scheme_type", "euler");
    OK(DensityCreate(PETSC_COMM_SELF, d, p.noise, &euler));
    OK(NoiseGetVariance(p.noise, &k1));
    OK(DensityGetSize(p.density, NULL, NULL, &degrees));
    OK(VecGetArrayRead(p.state, &rho));
    for (PetscInt k = 0; k < p.count; k++) {
      const double n = degrees[k];
      start[k] = rho[k];
      decay[k] = exp(-0.5 * k1 * n * (n + d - 2) * t / (double)cases[c].steps);
    }
    OK(VecRestoreArrayRead(p.state, &rho));
    HeatPaths(&cases[c], &p, euler, decay, sum, square, &uneven);
    Together((int)p.count, sum);
    Together((int)p.count, square);
    OK(MPI_Allreduce(MPI_IN_PLACE, &uneven, 1, MPI_DOUBLE, MPI_MAX, PETSC_COMM_WORLD));
    for (PetscInt k = 1; k < p.count; k++) {
      const double n = degrees[k], exponent = 0.5 * k1 * n * (n + d - 2) * t, mean = sum[k] / R,
                   exact = exp(-exponent) * start[k];
      const double sem = sqrt(fmax(square[k] / R - mean * mean, 0) / (R - 1));
      if (n > 8) continue;
      worst = fmax(worst, fabs(mean - exact) / sem);
      shift = fmax(shift, fabs(start[k] - exact) / sem);
      if (start[k] > 1e-3) resolved = fmin(resolved, 4 * sem / (exponent * exact));
    }
    print_message("d = %d, %s: worst %.2f sem, the decay is up to %.0f sem, k(1) to %.1f%%, even part off by %.1e\n",
                  (int)d, cases[c].scheme, worst, shift, 100 * resolved, uneven);
    OK(DensityDestroy(&euler));
    PairDestroy(&p);
    assert_true(worst < 4 && shift > 8);
    assert_true(cases[c].scheme[0] == 'e' || resolved < 0.025);
    assert_true(uneven < 1e-15);
  }
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
    OK(DensityCreate(PETSC_COMM_SELF, d, p.noise, &low));
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
      cmocka_unit_test(test_outgrown), cmocka_unit_test(test_refusals),  cmocka_unit_test(test_sizes),
      cmocka_unit_test(test_sharp),
  };
  return TestMain(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
