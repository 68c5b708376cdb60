/* Harmonics: orthonormality, addition theorem, poles, high degrees, and analysis and synthesis against plain sums. */
#include "test.h"
#include <chorale/harmonics.h>
#include <chorale/rng.h>
#include <chorale/sphere.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "law/sphere/quadrature.h"

/* x[d][B], uniform on the sphere. */
static void Uniform(PetscInt d, PetscInt B, uint64_t first, double *x) {
  const RngStream stream = {.purpose = RNG_TEST};
  RngNormal(stream, first * (uint64_t)(d * B), (size_t)(d * B), x);
  for (PetscInt t = 0; t < B; t++) {
    double square = 0.0;
    for (PetscInt c = 0; c < d; c++) square += x[c * B + t] * x[c * B + t];
    for (PetscInt c = 0; c < d; c++) x[c * B + t] /= sqrt(square);
  }
}

static void Numbers(uint64_t first, size_t n, double *v) {
  const RngStream stream = {.purpose = RNG_TEST};
  RngNormal(stream, 1000000 + first, n, v);
}

static double *Allocate(size_t n) {
  double *v = calloc(n, sizeof(*v));
  assert_non_null(v);
  return v;
}

static void CountsAndDegrees(void **state) {
  (void)state;
  for (PetscInt d = 2; d <= 7; d++) {
    for (PetscInt degree = 0; degree <= 6; degree++) {
      const PetscInt *degrees;
      PetscInt K, members[7] = {0};
      Harmonics h;
      double count = 0.0;

      OK(HarmonicsCreate(d, degree, &h));
      OK(HarmonicsGetSize(h, &K, &degrees));
      for (PetscInt k = 0; k < K; k++) {
        assert_in_range(degrees[k], 0, degree);
        members[degrees[k]]++;
      }
      for (PetscInt n = 0; n <= degree; n++) {
        count += SphereHarmonicCount(d, n);
        assert_int_equal(members[n], (PetscInt)SphereHarmonicCount(d, n));
      }
      assert_true((double)K == count && HarmonicsCount(d, degree) == count);
      OK(HarmonicsDestroy(&h));
      assert_null(h);
    }
  }
}

/* Product rule on S^{d-1}, exact to degree 2n - 1: node i of n^{d-2} 2n; weights add up to the surface. */
static double QuadratureNode(PetscInt d, PetscInt n, PetscInt i, double x[]) {
  enum { MOST = 128, DIMS = 8 };
  static double u[DIMS][MOST], w[DIMS][MOST];
  static PetscInt have[DIMS];
  double weight = PETSC_PI / (double)n;

  x[0] = cos(PETSC_PI * (double)(i % (2 * n)) / (double)n + 0.1);
  x[1] = sin(PETSC_PI * (double)(i % (2 * n)) / (double)n + 0.1);
  i /= 2 * n;
  for (PetscInt e = 3; e <= d; e++, i /= n) {
    if (have[e] != n) OK(QuadratureSphere(e, n, u[e], w[e]));
    have[e] = n;
    for (PetscInt c = 0; c < e - 1; c++) x[c] *= sqrt(1.0 - u[e][i % n] * u[e][i % n]);
    x[e - 1] = u[e][i % n];
    weight *= w[e][i % n] * SphereArea(e) / SphereArea(e - 1);
  }
  return weight;
}

/* All pairs of harmonics, or of some that are evenly chosen among many, the last with them. */
static void CheckOrthonormal(PetscInt d, PetscInt degree) {
  const PetscInt n = degree + 1, B = 64;
  PetscInt K, nodes = 2 * n, stride, some;
  Harmonics h;

  for (PetscInt e = 3; e <= d; e++) nodes *= n;
  OK(HarmonicsCreate(d, degree, &h));
  OK(HarmonicsGetSize(h, &K, NULL));
  stride = K / 256 + 1;
  some = (K - 1) / stride + 1;
  double *x = Allocate(d * B), *w = Allocate(B), *Y = Allocate((size_t)K * B), *gram = Allocate(some * some), node[8];
  for (PetscInt first = 0; first < nodes; first += B) {
    for (PetscInt t = 0; t < B; t++) {
      w[t] = QuadratureNode(d, n, (first + t) % nodes, node);
      if (first + t >= nodes) w[t] = 0.0;
      for (PetscInt c = 0; c < d; c++) x[c * B + t] = node[c];
    }
    OK(HarmonicsEvaluate(h, B, x, Y));
    for (PetscInt k = 0; k < some; k++) {
      const double *restrict a = Y + (size_t)(K - 1 - k * stride) * B;
      for (PetscInt l = 0; l <= k; l++) {
        const double *restrict b = Y + (size_t)(K - 1 - l * stride) * B;
        double sum = 0.0;
#pragma omp simd reduction(+ : sum)
        for (PetscInt t = 0; t < B; t++) sum += w[t] * a[t] * b[t];
        gram[k * some + l] += sum;
      }
    }
  }
  for (PetscInt k = 0; k < some; k++)
    for (PetscInt l = 0; l <= k; l++) CLOSE(gram[k * some + l], k == l ? 1.0 : 0.0, 1e-12);
  free(x), free(w), free(Y), free(gram);
  OK(HarmonicsDestroy(&h));
}

static void Orthonormal(void **state) {
  (void)state;
  CheckOrthonormal(2, 15);
  CheckOrthonormal(2, 240);
  CheckOrthonormal(3, 12);
  CheckOrthonormal(3, 104);
  CheckOrthonormal(4, 6);
  CheckOrthonormal(5, 5);
  CheckOrthonormal(6, 4);
}

/* |x|^n |y|^n P_n(cos) for n = 0 .. degree and the tokens x, y of numbers s and t, in long double: harmonics are
 * homogeneous, and tokens on the sphere but for a rounding, which degree 1024 makes 1e-13. */
static void Polynomials(PetscInt d, PetscInt degree, PetscInt B, const double *x, PetscInt s, PetscInt t, double *P) {
  long double u = 0.0L, ss = 0.0L, tt = 0.0L, before = 1.0L, now, size = 1.0L;

  for (PetscInt c = 0; c < d; c++) {
    u += (long double)x[c * B + s] * x[c * B + t];
    ss += (long double)x[c * B + s] * x[c * B + s];
    tt += (long double)x[c * B + t] * x[c * B + t];
  }
  const long double length = sqrtl(ss * tt);
  now = u = s == t ? 1.0L : fmaxl(-1.0L, fminl(1.0L, u / length));
  P[0] = 1.0;
  for (PetscInt n = 1; n <= degree; n++) { /* (n+d-2) P_{n+1} = (2n+d-2) u P_n - n P_{n-1}; d = 2: from the angle */
    const long double down = (long double)n, up = (long double)(n + d - 2);
    size *= length;
    if (d == 2) {
      const long double sine = (long double)x[s] * x[B + t] - (long double)x[B + s] * x[t];
      now = cosl((long double)n * atan2l(sine, (long double)x[s] * x[t] + (long double)x[B + s] * x[B + t]));
    }
    P[n] = (double)(size * now);
    if (d == 2) continue;
    const long double next = ((down + up) * u * now - down * before) / up;
    before = now;
    now = next;
  }
}

/* sum_j Y_nj(x_s) Y_nj(x_t) = dim(n)/|S| P_n(<x_s,x_t>) for all pairs of a block, relative to dim(n)/|S|. */
static void CheckAddition(PetscInt d, PetscInt degree, PetscInt B, const double *x, double tolerance) {
  const PetscInt *degrees;
  PetscInt K;
  Harmonics h;

  OK(HarmonicsCreate(d, degree, &h));
  OK(HarmonicsGetSize(h, &K, &degrees));
  double *Y = Allocate((size_t)K * B), *P = Allocate(degree + 1);
  long double *sum = calloc((size_t)degree + 1, sizeof(*sum)); /* of up to 2049 terms */
  assert_non_null(sum);
  OK(HarmonicsEvaluate(h, B, x, Y));
  for (PetscInt s = 0; s < B; s++) {
    for (PetscInt t = 0; t <= s; t++) {
      memset(sum, 0, (size_t)(degree + 1) * sizeof(*sum));
      for (PetscInt k = 0; k < K; k++) sum[degrees[k]] += (long double)Y[k * B + s] * Y[k * B + t];
      Polynomials(d, degree, B, x, s, t, P);
      for (PetscInt n = 0; n <= degree; n++)
        CLOSE((double)sum[n] * SphereArea(d) / SphereHarmonicCount(d, n), P[n], tolerance);
    }
  }
  free(Y), free(sum), free(P);
  OK(HarmonicsDestroy(&h));
}

static void Addition(void **state) {
  const PetscInt cases[][2] = {{2, 64}, {3, 32}, {4, 12}, {5, 8}, {6, 6}, {9, 3}, {40, 2}, {300, 1}};
  double x[300 * 8];

  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    for (uint64_t draw = 0; draw < 3; draw++) {
      Uniform(cases[i][0], 8, draw, x);
      CheckAddition(cases[i][0], cases[i][1], 8, x, 1e-12);
    }
  }
}

/* All +-e_i, and points so near to them that the smallest coordinates underflow when squared. */
static void Poles(void **state) {
  const PetscInt degrees[] = {0, 0, 40, 40, 12, 8, 6};
  const double offsets[] = {0.0, 1e-3, 1e-9, 1e-170, 1e-310};
  enum { B = 16 };
  double x[6 * B];

  (void)state;
  for (PetscInt d = 2; d <= 6; d++) {
    for (size_t o = 0; o < sizeof(offsets) / sizeof(offsets[0]); o++) {
      memset(x, 0, sizeof(x));
      for (PetscInt t = 0; t < B; t++) {
        const PetscInt pole = t / 2 % d;
        x[pole * B + t] = (t % 2 ? -1.0 : 1.0) * sqrt(1.0 - offsets[o] * offsets[o]);
        x[(pole + 1 + t % (d - 1)) % d * B + t] = offsets[o];
      }
      CheckAddition(d, degrees[d], B, x, 1e-12);
    }
  }
}

/* Built for sanitizers, at -O1, or for processors without fused multiply-add, the recurrences round more often than as
 * they run: 1.5e-12 at the pole, else 7e-13. */
#if defined(__SANITIZE_ADDRESS__) || !defined(__FP_FAST_FMA)
#define HIGH 2e-12
#else
#define HIGH 1e-12
#endif

static void HighDegree(void **state) {
  double x[3 * 8];

  (void)state;
  Uniform(2, 8, 0, x);
  x[0] = 1.0, x[8] = 0.0, x[1] = 0.0, x[9] = -1.0, x[2] = sqrt(1.0 - 1e-12), x[10] = 1e-6;
  CheckAddition(2, 4096, 8, x, 1e-12);
  Uniform(3, 8, 0, x);
  x[0] = 0.0, x[8] = 0.0, x[16] = 1.0;   /* a pole */
  x[2] = 0.6, x[10] = -0.8, x[18] = 0.0; /* the equator */
  CheckAddition(3, 1024, 8, x, HIGH);
  /* A point near the other pole, where a rounding of r^2 is one of 1e-12 in the distance from the axis, 1e-2. */
  x[1] = 0.6e-2, x[9] = 0.8e-2, x[17] = -sqrt(1.0 - 1e-4);
  CheckAddition(3, 1024, 8, x, 2e-12);
}

/* Analysis and synthesis of n functions against Evaluate and plain sums; what they write beyond their output shows. */
static void CheckSums(PetscInt d, PetscInt degree, PetscInt B, PetscInt n, double tolerance) {
  const double guard = 12345.0;
  PetscInt K;
  Harmonics h;

  OK(HarmonicsCreate(d, degree, &h));
  OK(HarmonicsGetSize(h, &K, NULL));
  double *x = Allocate(d * B), *Y = Allocate((size_t)K * B), *f = Allocate(n * B), *c = Allocate((size_t)n * K);
  double *moments = Allocate((size_t)n * K + 1), *out = Allocate(n * B + 1);
  Uniform(d, B, (uint64_t)degree, x);
  for (PetscInt i = 0; i < d; i++) { /* poles as well */
    for (PetscInt j = 0; j < d; j++) x[j * B + i] = i == j ? 1.0 : 0.0;
  }
  Numbers((uint64_t)degree, (size_t)(n * B), f);
  Numbers((uint64_t)n, (size_t)(n * K), c);
  moments[(size_t)n * K] = out[n * B] = guard;
  OK(HarmonicsEvaluate(h, B, x, Y));
  OK(HarmonicsAnalyze(h, B, x, n, f, moments));
  OK(HarmonicsSynthesize(h, B, x, n, c, out));
  for (PetscInt i = 0; i < n; i++) {
    for (PetscInt k = 0; k < K; k++) {
      double sum = 0.0, size = 0.0;
      for (PetscInt t = 0; t < B; t++) {
        sum += f[i * B + t] * Y[k * B + t];
        size += fabs(f[i * B + t] * Y[k * B + t]);
      }
      CLOSE(moments[(size_t)i * K + k], sum, tolerance * (1.0 + size));
    }
    for (PetscInt t = 0; t < B; t++) {
      double sum = 0.0, size = 0.0;
      for (PetscInt k = 0; k < K; k++) {
        sum += c[(size_t)i * K + k] * Y[k * B + t];
        size += fabs(c[(size_t)i * K + k] * Y[k * B + t]);
      }
      CLOSE(out[i * B + t], sum, tolerance * (1.0 + size));
    }
  }
  assert_true(moments[(size_t)n * K] == guard && out[n * B] == guard);
  free(x), free(Y), free(f), free(c), free(moments), free(out);
  OK(HarmonicsDestroy(&h));
}

static void Sums(void **state) {
  (void)state;
  for (PetscInt n = 1; n <= 16; n++) {
    CheckSums(2, 64, 256, n, 1e-13);
    CheckSums(3, 32, 40, n, 1e-13);
  }
  for (PetscInt degree = 0; degree <= 40; degree++) {
    CheckSums(2, degree, 8, 3, 1e-13);
    CheckSums(3, degree, 24, 4, 1e-13);
  }
  CheckSums(2, 1000, 64, 3, 1e-13);
  CheckSums(3, 140, 256, 3, 1e-13);
  CheckSums(3, 201, 32, 2, 1e-13);
  CheckSums(2, 4096, 8, 1, 1e-13);
  /* two different recurrences of 1024 steps, each of which may round by a few units: 8 eps a step on either side (1e-12
   * holds with fused multiply-add, but not in every build) */
  CheckSums(3, 1024, 8, 1, 16 * 1024 * DBL_EPSILON);
  for (PetscInt B = 8; B <= 256; B += 8) {
    CheckSums(2, 21, B, 2, 1e-13);
    CheckSums(3, 9, B, 5, 1e-13);
    CheckSums(4, 7, B, 3, 1e-13);
  }
  CheckSums(5, 6, 64, 6, 1e-13);
  CheckSums(8, 3, 32, 9, 1e-13);
}

static void Refusal(void **state) {
  Harmonics h = NULL;

  (void)state;
  OK(PetscPushErrorHandler(PetscReturnErrorHandler, NULL));
  const PetscErrorCode large = HarmonicsCreate(4, 200, &h), huge = HarmonicsCreate(64, 100, &h);
  OK(PetscPopErrorHandler());
  assert_int_equal(large, PETSC_ERR_USER_INPUT);
  assert_int_equal(huge, PETSC_ERR_USER_INPUT);
  assert_null(h);
  OK(HarmonicsCreate(2, 1000000, &h));
  OK(HarmonicsDestroy(&h));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(CountsAndDegrees), cmocka_unit_test(Orthonormal),
    cmocka_unit_test(Addition),         cmocka_unit_test(Poles),
    cmocka_unit_test(HighDegree),       cmocka_unit_test(Sums),
    cmocka_unit_test(Refusal),
};
TEST_MAIN(tests)
