/* Densities with noise: along one path beside tokens, strong order, and the mean over paths. */
#include "density_pair.h"
#include "keys.h"

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
  OK(DensityFromKeys(PETSC_COMM_SELF, d, p.noise, &density[1]));
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

/* The decay of harmonics in mean, for R = 400 paths of noise alone from a von Mises-Fisher density: the mean of every
 * coefficient up to degree 8 decays like exp(-k(1) n(n+d-2) t/2), the heat kernel. */
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
    OK(DensityFromKeys(PETSC_COMM_SELF, d, p.noise, &euler));
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

static const struct CMUnitTest tests[] = {cmocka_unit_test(test_path), cmocka_unit_test(test_strong),
                                          cmocka_unit_test(test_heat)};
TEST_MAIN(tests)
