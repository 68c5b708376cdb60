/* Synthesis by tables against plain sums: within 1e-14 of the sum of sizes, at random points, at all borders of
 * cells and pieces, at the poles and at points that underflow when squared. */
#include "test.h"
#include <chorale/rng.h>
#include <chorale/sphere.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "law/sphere/synthesis.h"
#include "law/sphere/table_window.h"
#include "law/sphere/tabulation.h"

enum { B = 256, MANY = INT32_MAX };

static double *Allocate(PetscInt n) {
  double *v = calloc((size_t)n, sizeof(*v));
  assert_non_null(v);
  return v;
}

static void Numbers(uint64_t seed, PetscInt n, double *v) {
  RngNormal((RngStream){.seed = seed, .purpose = RNG_TEST}, 0, (size_t)n, v);
}

/* A number of the next point; token i of x[blocks][d][B]. */
static double *Place(PetscInt d, PetscInt i, double *x) {
  return x + i / B * d * B + i % B;
}

static void SetPoint(PetscInt d, PetscInt i, const double v[], double *x) {
  double square = 0;
  for (PetscInt c = 0; c < d; c++) square += v[c] * v[c];
  for (PetscInt c = 0; c < d; c++) Place(d, i, x)[c * B] = v[c] / sqrt(square);
}

/* Of 4096 points one half is random. The other is next to multiples of an angle which is that of some cell of each
 * table: both sides of the borders in both angles, the poles and the corners of the faces. */
static void Points(PetscInt d, PetscInt blocks, PetscInt around, double *x) {
  static const double offsets[] = {0, 1e-16, -1e-16, 1e-9, -1e-9, 1e-170, 3e-310, 1e-3};
  double *normals = Allocate(blocks * B * d);
  Numbers(1, blocks * B * d, normals);
  for (PetscInt i = 0; i < blocks * B; i++) {
    const double offset = offsets[i / 2 % 8], phi = 2 * PETSC_PI * (double)(i / 16) / around + offset;
    if (i % 2) {
      SetPoint(d, i, normals + i * d, x);
    } else if (d == 2) {
      SetPoint(d, i, (double[]){cos(phi), i / 16 % (around / 2) ? sin(phi) : offset}, x);
    } else {
      const PetscInt row = i / 16 * 7 % (around / 2 + 1); /* 0 and around / 2 are the poles */
      const double theta = 2 * PETSC_PI * (double)row / around;
      const double radius = row % (around / 2) ? sin(theta + offset) : offset;
      SetPoint(d, i, (double[]){radius * cos(phi), radius * sin(phi), cos(theta)}, x);
    }
  }
  free(normals);
}

/* Plain synthesis of a block; on the circle in long double at the point of the same smaller coordinate, since a
 * coordinate's rounding times the degree would be larger than the error looked for. */
static void Reference(Harmonics h, PetscInt d, PetscInt degree, PetscInt n, const double *x, const double *c,
                      double *out) {
  if (d == 3) OK(HarmonicsSynthesize(h, B, x, n, c, out));
  for (PetscInt t = 0; d == 2 && t < B; t++) {
    const PetscBool upright = (PetscBool)(fabs(x[t]) > fabs(x[B + t]));
    const long double u = upright ? x[B + t] : x[t],
                      large = copysignl(sqrtl((1 - u) * (1 + u)), x[upright ? t : B + t]);
    const long double a = upright ? large : u, b = upright ? u : large, scale = 1 / sqrtl(acosl(-1));
    for (PetscInt i = 0; i < n; i++) {
      const double *k = c + i * (2 * degree + 1);
      long double re = 1, im = 0, sum = k[0] * sqrtl(0.5L);
      for (PetscInt m = 1; m <= degree; m++) {
        const long double last = re;
        re = re * a - im * b;
        im = last * b + im * a;
        sum += k[m] * re + k[degree + m] * im;
      }
      out[i * B + t] = (double)(scale * sum);
    }
  }
}

static void Check(PetscInt d, PetscInt degree, PetscInt n, PetscInt around) {
  const PetscInt blocks = SYNTHESIS_BLOCKS + 1;
  double *x = Allocate(blocks * B * d), *out = Allocate(blocks * B * n + 1), *plain = Allocate(n * B), *again, *c;
  const PetscInt *degrees;
  SynthesisCost cost;
  PetscInt K;
  Harmonics h;
  Synthesis s;

  OK(HarmonicsCreate(d, degree, &h));
  OK(HarmonicsGetSize(h, &K, &degrees));
  c = Allocate(n * K);
  again = Allocate(n * B);
  Points(d, blocks, around, x);
  OK(SynthesisCreate(h, n, &s));
  OK(SynthesisGetCost(s, &cost));
  assert_true(cost.from < MANY && cost.bytes > 0);
  for (uint64_t draw = 0; draw < 3; draw++) { /* the last: all in the highest degree, the worst case */
    double largest = 0, size[16] = {0};
    Numbers(2 + draw, n * K, c);
    for (PetscInt i = 0; i < n * K; i++) {
      if (draw == 2 && degrees[i % K] < degree) c[i] = 0;
      size[i / K] += fabs(c[i]) * sqrt(SphereHarmonicCount(d, degrees[i % K]) / SphereArea(d)); /* its largest |Y| */
    }
    out[blocks * B * n] = 12345;
    OK(SynthesisSet(s, MANY, c));
    OK(SynthesisEvaluate(s, blocks, B, x, out));
    assert_true(out[blocks * B * n] == 12345);
    for (PetscInt b = 0; b < blocks; b++) {
      Reference(h, d, degree, n, x + b * d * B, c, plain);
      for (PetscInt i = 0; i < n * B; i++) largest = fmax(largest, fabs(out[b * n * B + i] - plain[i]) / size[i / B]);
      /* a token's bits are the same alone as among others */
      OK(SynthesisEvaluate(s, 1, B, x + b * d * B, again));
      assert_memory_equal(again, out + b * n * B, sizeof(double) * (size_t)(n * B));
    }
    /* A rounding of the angle, eps, is degree eps of the highest functions: seen where there are no others. */
    CLOSE(largest, 0, draw < 2 ? 1e-14 : 1e-14 + degree * DBL_EPSILON);
  }
  OK(SynthesisDestroy(&s));
  assert_null(s);
  OK(HarmonicsDestroy(&h));
  free(x), free(out), free(plain), free(again), free(c);
}

static void Circle(void **state) {
  static const PetscInt degrees[] = {15, 17, 21, 64, 129, 300};
  (void)state;
  for (size_t i = 0; i < sizeof(degrees) / sizeof(degrees[0]); i++) {
    for (PetscInt n = 1; n <= 4; n++) Check(2, degrees[i], n, 8 * 120);
  }
}

static void Sphere(void **state) {
  (void)state;
  Check(3, 19, 4, 6 * 19 + 2); /* the cells of the table are one such angle wide */
  Check(3, 20, 4, 6 * 20);
  Check(3, 32, 3, 6 * 32);
  Check(3, 33, 2, 16 * (6 * 33 + 2)); /* its pieces are */
  Check(3, 40, 1, 6 * 40);
  Check(3, 64, 3, 6 * 64);
}

/* Small blocks, few tokens, many functions, higher dimensions: the bits of plain synthesis. */
static void Plain(void **state) {
  static const PetscInt cases[][4] = {{2, 64, 2, 100},   {3, 32, 3, 1000}, {3, 5, 4, MANY},
                                      {3, 12, 18, MANY}, {4, 6, 4, MANY},  {2, 9, 5, MANY}};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const PetscInt d = cases[i][0], n = cases[i][2];
    double x[4 * B], out[18 * B], plain[18 * B], normals[4 * B], *c;
    Harmonics h;
    Synthesis s;
    PetscInt K;

    Numbers(9, d * B, normals);
    for (PetscInt t = 0; t < B; t++) SetPoint(d, t, normals + t * d, x);
    OK(HarmonicsCreate(d, cases[i][1], &h));
    OK(HarmonicsGetSize(h, &K, NULL));
    c = Allocate(n * K);
    Numbers(3, n * K, c);
    OK(SynthesisCreate(h, n, &s));
    OK(SynthesisSet(s, cases[i][3], c));
    OK(SynthesisEvaluate(s, 1, B, x, out));
    for (PetscInt k = 0; k < n; k += 16)
      OK(HarmonicsSynthesize(h, B, x, PetscMin(16, n - k), c + k * K, plain + k * B));
    assert_memory_equal(out, plain, sizeof(double) * (size_t)(n * B));
    OK(SynthesisDestroy(&s));
    OK(HarmonicsDestroy(&h));
    free(c);
  }
}

/* A table at every block size, and tokens that are not numbers: they harm nobody else. */
static void Blocks(void **state) {
  (void)state;
  for (PetscInt d = 2; d <= 3; d++) {
    double x[3 * B], y[3 * B], out[3 * B], whole[3 * B], normals[3 * B], *c;
    Harmonics h;
    Synthesis s;
    PetscInt K;

    Numbers(5, d * B, normals);
    for (PetscInt t = 0; t < B; t++) SetPoint(d, t, normals + t * d, x);
    OK(HarmonicsCreate(d, 40, &h));
    OK(HarmonicsGetSize(h, &K, NULL));
    c = Allocate(3 * K);
    Numbers(6, 3 * K, c);
    OK(SynthesisCreate(h, 3, &s));
    OK(SynthesisSet(s, MANY, c));
    OK(SynthesisEvaluate(s, 1, B, x, whole));
    for (PetscInt size = 8; size <= B; size += 8) {
      for (PetscInt i = 0; i < d * size; i++) y[i] = x[i / size * B + i % size];
      y[3] = NAN;
      y[5] = INFINITY;
      y[size + 6] = -INFINITY;
      OK(SynthesisEvaluate(s, 1, size, y, out));
      for (PetscInt i = 0; i < 3 * size; i++) {
        const PetscInt t = i % size;
        if (t == 3)
          assert_true(isnan(out[i]));
        else if (t != 5 && t != 6)
          assert_true(out[i] == whole[i / size * B + t]);
      }
    }
    OK(SynthesisDestroy(&s));
    OK(HarmonicsDestroy(&h));
    free(c);
  }
}

/* The number of tokens decides, from a number on that the cost names. */
static void Choice(void **state) {
  SynthesisCost cost;
  Harmonics h;
  Synthesis s;
  (void)state;

  OK(HarmonicsCreate(3, 32, &h));
  OK(SynthesisCreate(h, 3, &s));
  OK(SynthesisGetCost(s, &cost));
  assert_true(cost.from > 1000 && cost.from <= 100000);
  assert_true(cost.table < cost.plain && cost.set < cost.plain * (double)cost.from);
  double x[3 * B], out[2][3 * B], *c = Allocate(3 * 1089);
  for (PetscInt t = 0; t < B; t++) SetPoint(3, t, (double[]){1, 0.01 * t, -0.3}, x);
  Numbers(4, 3 * 1089, c);
  for (PetscInt64 k = 0; k < 2; k++) {
    OK(SynthesisSet(s, cost.from - 1 + k, c));
    OK(SynthesisEvaluate(s, 1, B, x, out[k]));
  }
  assert_true(memcmp(out[0], out[1], sizeof(out[0]))); /* nearly equal, as other tests show */
  OK(SynthesisDestroy(&s));
  OK(HarmonicsDestroy(&h));
  free(c);
}

/* The window of table_sphere.c in long double: I_0(b sqrt(1 - (2y/width)^2)) / I_0(b). */
static long double Window(const TableWindow *window, long double y) {
  const long double square = 0.25L * (long double)window->shape * (long double)window->shape;
  const long double inside = 1 - 4 * y * y / (long double)(window->width * window->width);
  const long double z = square * (inside > 0 ? inside : 0);
  long double term = 1, sum = 1, term0 = 1, sum0 = 1;
  for (int k = 1; k < 120; k++) {
    sum += term *= z / ((long double)k * k);
    sum0 += term0 *= square / ((long double)k * k);
  }
  return sum / sum0;
}

/* The stated error of each: |sum_j W(f - j) e^{2 pi i r j} / w(r) - e^{2 pi i r f}| for 0 <= f <= 1 and r = k/M <=
 * 1/fineness is not larger, and not much less somewhere. */
static void WindowError(void **state) {
  enum { STEPS = 40, RATES = 200, MOST = 14 };
  const long double turn = 2 * acosl(-1);
  const TableWindow *window;
  (void)state;
  for (int k = 0; (window = TableWindowAt(k)); k++) {
    const int width = (int)window->width, half = width / 2;
    long double worst = 0;
    assert_true(width <= MOST);
    for (int i = 0; i <= STEPS; i++) {
      const long double f = (long double)i / STEPS;
      long double w[MOST];
      for (int j = 0; j < width; j++) w[j] = Window(window, f - (j - half + 1));
      for (int q = 0; q <= RATES; q++) {
        const long double r = (long double)q / RATES / (long double)window->fineness;
        long double transform = Window(window, 0), re = 0, im = 0;
        for (int j = 1; j <= half; j++) transform += 2 * Window(window, j) * cosl(turn * r * j);
        for (int j = 0; j < width; j++) {
          re += w[j] * cosl(turn * r * (j - half + 1));
          im += w[j] * sinl(turn * r * (j - half + 1));
        }
        worst = fmaxl(worst, hypotl(re / transform - cosl(turn * r * f), im / transform - sinl(turn * r * f)));
      }
    }
    CLOSE((double)worst, 0, window->error);
    assert_true(worst > 0.9L * (long double)window->error);
  }
}

/* The polynomials of each are its window, up to a small part of its error or rounding. */
static void WindowPolynomials(void **state) {
  enum { STEPS = 64 };
  const TableWindow *window;
  (void)state;
  for (int k = 0; (window = TableWindowAt(k)); k++) {
    double polynomials[TABLE_TERMS * TABLE_HALF], largest = 0;
    TableWindowPolynomials(window, polynomials);
    for (int i = 0; i <= STEPS; i++) {
      const double t = -1 + 2.0 * i / STEPS;
      for (PetscInt j = 0; j < TABLE_HALF; j++) {
        double value = 0;
        for (PetscInt p = window->terms - 1; p >= 0; p--) value = value * t + polynomials[p * TABLE_HALF + j];
        largest =
            fmax(largest, fabs(value - (double)Window(window, 0.5L * ((long double)t + window->width - 1 - 2 * j))));
      }
    }
    largest /= TableWindowTransform(window, 2, 0); /* what a sum of the window is divided by */
    CLOSE(largest, 0, PetscMax(0.01 * window->error, 2e-15));
  }
}

/* Values of any field of harmonics at the points of a table give the field across x everywhere, within the tolerance.
 */
static void Values(PetscInt d, PetscInt degree, PetscReal tol, PetscInt around) {
  const PetscInt tested = 2 * SYNTHESIS_BLOCKS;
  double *y = Allocate(tested * B * d), *out = Allocate(tested * B * d), *plain = Allocate(d * B), *values, *c;
  double largest = 0, size = 0;
  const PetscInt *degrees;
  const double *x;
  PetscInt K, blocks, length;
  TabulationCost cost;
  Harmonics h;
  Tabulation table;

  OK(HarmonicsCreate(d, degree, &h));
  OK(HarmonicsGetSize(h, &K, &degrees));
  c = Allocate(d * K);
  Numbers(7, d * K, c);
  for (PetscInt i = 0; i < d * K; i++) {
    if (degrees[i % K] < degree && i % 3) c[i] = 0; /* much of it in the highest degree */
    size += fabs(c[i]) * sqrt(SphereHarmonicCount(d, degrees[i % K]) / SphereArea(d)) / (double)d;
  }
  OK(TabulationGetCost(d, degree, tol, &cost));
  assert_true(cost.error <= tol && cost.single == (d == 3 && tol >= 1e-6 ? PETSC_TRUE : PETSC_FALSE));
  OK(TabulationCreate(d, degree, tol, &table));
  OK(TabulationGetPoints(table, &blocks, &length, &x));
  values = Allocate(blocks * d * length);
  for (PetscInt b = 0; b < blocks; b++)
    OK(HarmonicsSynthesize(h, length, x + b * d * length, d, c, values + b * d * length));
  OK(TabulationSet(table, values));
  Points(d, tested, around, y);
  OK(TabulationEvaluate(table, tested, B, y, out));
  for (PetscInt b = 0; b < tested; b++) {
    const double *at = y + b * d * B;
    Reference(h, d, degree, d, at, c, plain);
    for (PetscInt t = 0; t < B; t++) {
      double along = 0;
      for (PetscInt i = 0; i < d; i++) along += at[i * B + t] * (out[(b * d + i) * B + t] - plain[i * B + t]);
      for (PetscInt i = 0; i < d; i++)
        largest = fmax(largest, fabs(out[(b * d + i) * B + t] - plain[i * B + t] - along * at[i * B + t]) / size);
    }
  }
  print_message("d = %d, degree %d, tolerance %g: %.2g\n", (int)d, (int)degree, tol, largest);
  CLOSE(largest, 0, (cost.single ? cost.error : PetscMax(0.5 * tol, 1e-14)) + degree * DBL_EPSILON);
  if (cost.single) assert_true(largest > 1e-10); /* not by accident in double precision */
  OK(TabulationDestroy(&table));
  assert_null(table);
  OK(HarmonicsDestroy(&h));
  free(y), free(out), free(plain), free(values), free(c);
}

static void FromValues(void **state) {
  (void)state;
  Values(3, 0, 1e-12, 16);
  Values(3, 2, 2e-14, 24);
  Values(3, 28, 1e-12, 7 * 29 + 1); /* the table has a degree more */
  Values(3, 31, 1e-9, 6 * 32);
  Values(3, 32, 2e-14, 6 * 33 + 2);
  Values(3, 94, 1e-12, 5 * 95 + 1);   /* a grid beyond a cache */
  Values(3, 149, 1e-12, 5 * 150 + 2); /* several blocks to a ring */
  Values(3, 0, 1e-6, 16);
  Values(3, 7, 1e-6, 5 * 8);
  Values(3, 32, 1e-6, 5 * 33 + 3);
  Values(3, 94, 1e-2, 5 * 95 + 1); /* no narrower one than that of 1e-6 */
  Values(2, 5, 1e-12, 960);
  Values(2, 64, 1e-12, 960);
  Values(2, 300, 1e-12, 960);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(Circle),
                                          cmocka_unit_test(Sphere),
                                          cmocka_unit_test(Plain),
                                          cmocka_unit_test(Blocks),
                                          cmocka_unit_test(Choice),
                                          cmocka_unit_test(WindowError),
                                          cmocka_unit_test(WindowPolynomials),
                                          cmocka_unit_test(FromValues)};
TEST_MAIN(tests)
