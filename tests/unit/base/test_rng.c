/* Draws: the same integers as Random123, the same normals as Box-Muller in long double, independence of cutting, and
 * statistics. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include <Random123/philox.h>

#include <chorale/rng.h>

#define LANES (RNG_GROUP / 2)

/* A simple generator for test cases that shares nothing with Philox. */
static uint64_t SplitMix(uint64_t *state) {
  uint64_t x = (*state += 0x9e3779b97f4a7c15u);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* The contract of rng.h spelled out with Random123 itself: the two 52-bit integers behind number i of a stream. */
static void Integers(RngStream stream, uint64_t i, uint64_t k[2], int *second) {
  const uint64_t block = i / RNG_GROUP * LANES + i % LANES;
  philox4x32_key_t key = {{(uint32_t)stream.seed, (uint32_t)(stream.seed >> 32)}};
  philox4x32_ctr_t counter = {
      {(uint32_t)block, (uint32_t)(block >> 32) | (uint32_t)stream.purpose << 24, stream.step, stream.realization}};
  philox4x32_ctr_t words = philox4x32_R(10, counter, key);
  k[0] = ((uint64_t)words.v[1] << 32 | words.v[0]) >> 12;
  k[1] = ((uint64_t)words.v[3] << 32 | words.v[2]) >> 12;
  *second = i % RNG_GROUP >= LANES;
}

static double ExpectedUniform(RngStream stream, uint64_t i) {
  uint64_t k[2];
  int second;
  Integers(stream, i, k, &second);
  return ((double)k[second] + 0.5) / 4503599627370496.0;
}

static long double ExpectedNormal(RngStream stream, uint64_t i) {
  const long double two_pi = 6.283185307179586476925286766559005768L, scale = 4503599627370496.0L;
  uint64_t k[2];
  int second;
  Integers(stream, i, k, &second);
  const long double radius = sqrtl(-2.0L * logl(((long double)k[0] + 0.5L) / scale));
  const long double angle = two_pi * (((long double)k[1] + 0.5L) / scale);
  return radius * (second ? sinl(angle) : cosl(angle));
}

static RngStream RandomStream(uint64_t *state) {
  RngStream stream;
  stream.seed = SplitMix(state);
  stream.realization = (uint32_t)SplitMix(state);
  stream.step = (uint32_t)SplitMix(state);
  stream.purpose = (RngPurpose)(SplitMix(state) % RNG_PURPOSES);
  return stream;
}

static const RngLaw laws[] = {RNG_RADEMACHER, RNG_UNIFORM, RNG_LAPLACE};
enum { LAWS = sizeof(laws) / sizeof(laws[0]) };

/* Laws of mean 0 and variance 1 as functions of the uniform. */
static long double ExpectedCentred(RngLaw law, RngStream stream, uint64_t i) {
  const long double v = (long double)ExpectedUniform(stream, i) - 0.5L;
  if (law == RNG_RADEMACHER) return v > 0 ? 1 : -1;
  if (law == RNG_UNIFORM) return sqrtl(12) * v;
  return copysignl(-logl(1 - 2 * fabsl(v)) / sqrtl(2), v);
}

/* Random keys, and first indices of all sizes below 2^56: at 2^33 the block index carries
 * into its second word. */
static void MatchesRandom123(void **state) {
  (void)state;
  uint64_t seed = 1;
  double u[80], z[80];
  for (int c = 0; c < 2000; c++) {
    const RngStream stream = RandomStream(&seed);
    uint64_t first = SplitMix(&seed) >> (8 + SplitMix(&seed) % 56);
    if (c % 10 == 0) first = (UINT64_C(1) << 33) - SplitMix(&seed) % 80; /* carry of the block index inside the draw */
    if (c == 1) first = (UINT64_C(1) << 56) - 80;
    if (c == 2) first = (UINT64_C(1) << 32) + 5;
    RngUniform(stream, first, 80, u);
    RngNormal(stream, first, 80, z);
    for (uint64_t i = 0; i < 80; i++) {
      assert_true(u[i] == ExpectedUniform(stream, first + i));
      CLOSE((double)(z[i] - ExpectedNormal(stream, first + i)), 0, 4e-15);
    }
    for (int l = 0; l < LAWS; l++) {
      RngCentred(laws[l], stream, first, 80, z);
      for (uint64_t i = 0; i < 80; i++) CLOSE((double)(z[i] - ExpectedCentred(laws[l], stream, first + i)), 0, 4e-15);
    }
    RngNormal(stream, first, 80, u);
    RngCentred(RNG_GAUSSIAN, stream, first, 80, z);
    assert_memory_equal(u, z, sizeof(z));
  }
}

/* Zero words take the high product to its edge: counters and keys of zeros and ones. */
static void MatchesAtExtremes(void **state) {
  (void)state;
  const uint32_t word[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
  for (size_t s = 0; s < 6; s++)
    for (size_t r = 0; r < 6; r++)
      for (size_t k = 0; k < 36; k++) {
        const RngStream stream = {(uint64_t)word[k / 6] << 32 | word[k % 6], word[r], word[s], RNG_START};
        double u[RNG_GROUP];
        RngUniform(stream, 0, RNG_GROUP, u);
        for (uint64_t i = 0; i < RNG_GROUP; i++) assert_true(u[i] == ExpectedUniform(stream, i));
      }
}

/* Random123's own known answer: counter 0, key 0 of philox4x32-10 is 6627e8d5 e169c58d bc57ac4c 9b00dbd8. */
static void KnownAnswer(void **state) {
  (void)state;
  const RngStream stream = {0, 0, 0, RNG_START};
  const uint64_t k0 = UINT64_C(0xe169c58d6627e8d5) >> 12, k1 = UINT64_C(0x9b00dbd8bc57ac4c) >> 12;
  double u[RNG_GROUP];
  RngUniform(stream, 0, RNG_GROUP, u);
  assert_true(u[0] == ((double)k0 + 0.5) * 0x1p-52);
  assert_true(u[LANES] == ((double)k1 + 0.5) * 0x1p-52);
}

/* Any cut of a stretch, here one that crosses a carry of the block index, has the bits of the whole, and writes nothing
 * else. */
static void CuttingChangesNothing(void **state) {
  (void)state;
  enum { N = 1000 };
  static double z[N], u[N], cut[N];
  const RngStream stream = {7, 3, 11, RNG_TEST};
  const uint64_t base = (UINT64_C(1) << 33) - 512;
  uint64_t seed = 2;
  RngNormal(stream, base, N, z);
  RngUniform(stream, base, N, u);
  for (int c = 0; c < 3000; c++) {
    const size_t first = SplitMix(&seed) % N, n = SplitMix(&seed) % (c % 2 ? 40 : N - first + 1);
    const size_t count = first + n <= N ? n : N - first;
    for (size_t i = 0; i < N; i++) cut[i] = -77;
    RngNormal(stream, base + first, count, cut);
    assert_memory_equal(cut, z + first, count * sizeof(double));
    for (size_t i = count; i < N; i++) assert_true(cut[i] == -77);
    RngUniform(stream, base + first, count, cut);
    assert_memory_equal(cut, u + first, count * sizeof(double));
    for (size_t i = count; i < N; i++) assert_true(cut[i] == -77);
  }
  for (int l = 0; l < LAWS; l++) {
    RngCentred(laws[l], stream, base, N, z);
    for (size_t i = 0; i < N; i++) RngCentred(laws[l], stream, base + i, 1, cut + i);
    assert_memory_equal(cut, z, sizeof(z));
  }
}

/* Every part of the key matters, and neighbours are uncorrelated: covariance within 4 standard errors 1/sqrt(n). */
enum { SAMPLE = 1 << 20 };
static double sample[SAMPLE], other[SAMPLE];

static double Covariance(const double *x, const double *y, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i] * y[i];
  return sum / (double)n;
}

static void StreamsAreIndependent(void **state) {
  (void)state;
  const double bound = 4.0 / sqrt((double)SAMPLE);
  const RngStream stream = {42, 5, 9, RNG_MLP_U};
  RngStream neighbour[] = {stream, stream, stream, stream, stream};
  neighbour[0].seed++;
  neighbour[1].seed += UINT64_C(1) << 32;
  neighbour[2].realization++;
  neighbour[3].step++;
  neighbour[4].purpose = RNG_MLP_BIAS_U;
  RngNormal(stream, 0, SAMPLE, sample);
  for (size_t s = 0; s < sizeof(neighbour) / sizeof(neighbour[0]); s++) {
    RngNormal(neighbour[s], 0, SAMPLE, other);
    CLOSE(Covariance(sample, other, SAMPLE), 0, bound);
    double squares = 0; /* (x^2-1)(y^2-1) has standard deviation 2 */
    for (size_t i = 0; i < SAMPLE; i++) squares += (sample[i] * sample[i] - 1) * (other[i] * other[i] - 1);
    CLOSE(squares / SAMPLE, 0, 2 * bound);
  }
  /* lags inside the stream: neighbours, cosine with its sine, next group */
  const size_t lags[] = {1, 2, 7, LANES, RNG_GROUP, 64, 4096};
  for (size_t l = 0; l < sizeof(lags) / sizeof(lags[0]); l++)
    CLOSE(Covariance(sample, sample + lags[l], SAMPLE - lags[l]), 0, 4.0 / sqrt((double)(SAMPLE - lags[l])));
}

/* Moments 1 to 6 of 2^22 normals: E z^p = (p-1)!! for even p, 0 for odd p; variance E z^2p - (E z^p)^2. */
static void Moments(void **state) {
  (void)state;
  const double moment[] = {1, 0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395};
  double sum[7] = {0};
  const int rounds = 4;
  const double n = (double)rounds * SAMPLE;
  for (int r = 0; r < rounds; r++) {
    const RngStream stream = {20260101, (uint32_t)r, 0, RNG_TEST};
    RngNormal(stream, 0, SAMPLE, sample);
    for (size_t i = 0; i < SAMPLE; i++)
      for (int p = 1; p <= 6; p++) sum[p] += pow(sample[i], p);
  }
  for (int p = 1; p <= 6; p++) CLOSE(sum[p] / n, moment[p], 4 * sqrt((moment[2 * p] - moment[p] * moment[p]) / n));
}

static int Ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov on 2^20 values: sqrt(n) D exceeds 2.2 with probability 1.3e-4 (2 exp(-2 x^2)). */
static double Smirnov(double (*distribution)(double)) {
  double worst = 0;
  qsort(sample, SAMPLE, sizeof(double), Ascending);
  for (size_t i = 0; i < SAMPLE; i++) {
    const double f = distribution(sample[i]);
    worst = fmax(worst, fmax(f - (double)i / SAMPLE, (double)(i + 1) / SAMPLE - f));
  }
  return worst * sqrt((double)SAMPLE);
}

static double UniformDistribution(double x) {
  return x;
}
static double FlatDistribution(double x) {
  return 0.5 + x / sqrt(12);
}
static double LaplaceDistribution(double x) {
  return x < 0 ? 0.5 * exp(M_SQRT2 * x) : 1 - 0.5 * exp(-M_SQRT2 * x);
}
static double NormalDistribution(double x) {
  return 0.5 * erfc(-x * M_SQRT1_2);
}

static void Distributions(void **state) {
  (void)state;
  const RngStream stream = {3, 1, 4, RNG_TEST};
  RngUniform(stream, 0, SAMPLE, sample);
  assert_true(Smirnov(UniformDistribution) < 2.2);
  assert_true(sample[0] > 0 && sample[SAMPLE - 1] < 1); /* sorted */
  RngNormal(stream, 0, SAMPLE, sample);
  assert_true(Smirnov(NormalDistribution) < 2.2);
  RngCentred(RNG_UNIFORM, stream, 0, SAMPLE, sample);
  assert_true(Smirnov(FlatDistribution) < 2.2);
  RngCentred(RNG_LAPLACE, stream, 0, SAMPLE, sample);
  assert_true(Smirnov(LaplaceDistribution) < 2.2);
}

/* The low bits are as random as the high ones: each of the 52 bits is 1 for half of 2^20 uniforms. */
static void UniformBits(void **state) {
  (void)state;
  int ones[52] = {0};
  RngUniform((RngStream){8, 0, 0, RNG_TEST}, 0, SAMPLE, sample);
  for (size_t i = 0; i < SAMPLE; i++) {
    const double k = sample[i] * 0x1p52 - 0.5;
    const uint64_t bits = (uint64_t)k;
    assert_true((double)bits == k && bits < UINT64_C(1) << 52); /* multiples of 2^-52 and a half, inside (0,1) */
    for (int b = 0; b < 52; b++) ones[b] += (int)(bits >> b & 1);
  }
  for (int b = 0; b < 52; b++) CLOSE(ones[b], SAMPLE / 2, 4 * 0.5 * sqrt((double)SAMPLE));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(KnownAnswer),   cmocka_unit_test(MatchesRandom123),      cmocka_unit_test(MatchesAtExtremes),
    cmocka_unit_test(Moments),       cmocka_unit_test(CuttingChangesNothing), cmocka_unit_test(StreamsAreIndependent),
    cmocka_unit_test(Distributions), cmocka_unit_test(UniformBits),
};
TEST_MAIN(tests)
