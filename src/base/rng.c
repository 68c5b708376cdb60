/* Counter-based random draws: Philox4x32-10 in SIMD lanes, Box-Muller with own log and sine.
 *
 * One Philox block is four 32-bit words, that is two 52-bit integers, two uniforms, one Box-Muller pair. Blocks are
 * computed BLOCKS at a time: lanes of vectors of 64-bit integers, a few vectors side by side because the ten rounds are
 * one chain of dependent operations. RNG_GROUP normals come from 8 consecutive blocks: first the 8 cosines, then the 8
 * sines.
 *
 * Every multiply-add is an explicit fma (or has an exact product, a power of two), so the bits of a draw do not depend
 * on compiler, optimisation or vector width. */
#include <chorale/rng.h>

#include <math.h>
#include <string.h>

#include <Random123/philox.h>

#define GROUPS       4                       /* groups computed together */
#define GROUP_BLOCKS (RNG_GROUP / 2)         /* blocks of one group */
#define BLOCKS       (GROUPS * GROUP_BLOCKS) /* blocks computed together */
#define WIDTH        4                       /* lanes of one vector */
#define VECTORS      (BLOCKS / WIDTH)

/* Vectors wider than the target's registers pass between inline functions only: no ABI is at stake. */
#pragma GCC diagnostic ignored "-Wpsabi"

/* One 32-bit Philox word per 64-bit lane, and two views of it. */
typedef uint64_t Word __attribute__((vector_size(8 * WIDTH)));
typedef uint32_t Half __attribute__((vector_size(8 * WIDTH)));
typedef double Real __attribute__((vector_size(8 * WIDTH)));

#define LOW_WORD     0xffffffffu
#define EXPONENT_52  UINT64_C(0x4330000000000000) /* the double 2^52 + k is this | k for integers k < 2^52 */
#define EXPONENT_ONE UINT64_C(0x3ff0000000000000) /* bits of 1.0; the double 1 + k / 2^52 is this | k */
#define SQRT_HALF    UINT64_C(0x3fe6a09e667f3bcd) /* bits of the double next to sqrt(1/2) */
#define MANTISSA     UINT64_C(0x000fffffffffffff)

static inline Word Splat(uint64_t x) {
  return (Word){0} + x;
}

/* High and low word of x * m, lane by lane: the heart of a Philox round. x has TAG_X in its upper half, the results
 * have TAG_HIGH and 0. */
#if defined(__FP_FAST_FMA) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* GCC has no way to say "multiply the low halves of 64-bit lanes" and spends three multiplications, so the high word
 * comes from one fma. With h and f the integer part and the fraction of x m / 2^32, and m odd,
 *     (2^52 + x) m / 2^32 + 3/2 2^52 - 2^20 m - 1/2 = 3/2 2^52 + h + f - 1/2,
 * which the fma rounds once, to the integer 3/2 2^52 + h: to the nearest if f > 0, and to the even one if f = 0, when x
 * = h = 0. The constant is exact, between 2^51 and 2^52 for both m. The tag above x makes it the bits of the double
 * 2^52 + x, and the sum's exponent is the tag of the result. */
#define TAG_X    EXPONENT_52
#define TAG_HIGH UINT64_C(0x4338000000000000)

static inline void Multiply(Word x, uint32_t m, Word *high, Word *low) {
  const double factor = m * 0x1p-32, shift = 0x1.8p52 - 0x1p20 * m - 0.5;
  const Half even = {m, 0, m, 0, m, 0, m, 0};
  Real sum = (Real)x;
  for (int i = 0; i < WIDTH; i++) sum[i] = fma(sum[i], factor, shift);
  *high = (Word)sum;
  *low = (Word)((Half)x * even);
}
#else
#define TAG_X    0
#define TAG_HIGH 0

static inline void Multiply(Word x, uint32_t m, Word *high, Word *low) {
  const Word product = (x & LOW_WORD) * m;
  *high = product >> 32;
  *low = product & LOW_WORD;
}
#endif

/* What the rounds of all blocks of a stream share. */
enum { ROUNDS = 10 };
typedef struct {
  Word mask[ROUNDS][2]; /* the round keys, and what takes the tag of a high word to that of the next factor */
  Word purpose, step, realization;
} Schedule;

static Schedule ScheduleOf(RngStream stream) {
  uint32_t key0 = (uint32_t)stream.seed, key1 = (uint32_t)(stream.seed >> 32);
  Schedule schedule = {.purpose = Splat((uint64_t)stream.purpose << 24),
                       .step = Splat(stream.step | TAG_X),
                       .realization = Splat(stream.realization)};
  for (int round = 0; round < ROUNDS; round++) {
    const uint64_t tag = round < ROUNDS - 1 ? TAG_HIGH ^ TAG_X : TAG_HIGH; /* none is left at the end */
    schedule.mask[round][0] = Splat(key0 | tag);
    schedule.mask[round][1] = Splat(key1 | tag);
    key0 += PHILOX_W32_0;
    key1 += PHILOX_W32_1;
  }
  return schedule;
}

/* Philox4x32-10 with the seed as key and the counter (block and purpose, step, realization): 56 + 8, 32, 32 bits. Gives
 * the doubles 1 + k / 2^52 of the two 52-bit integers k of BLOCKS consecutive blocks. */
static inline void Philox(const Schedule *schedule, uint64_t block, uint64_t k[2][BLOCKS]) {
  Word c0[VECTORS], c1[VECTORS], c2[VECTORS], c3[VECTORS];
  for (int v = 0; v < VECTORS; v++) {
    const Word index = Splat(block + (uint64_t)(WIDTH * v)) + (Word){0, 1, 2, 3};
    c0[v] = (index & LOW_WORD) | TAG_X;
    c1[v] = (index >> 32) | schedule->purpose;
    c2[v] = schedule->step;
    c3[v] = schedule->realization;
  }
#pragma GCC unroll 10
  for (int round = 0; round < ROUNDS; round++) {
    const Word *mask = schedule->mask[round];
    for (int v = 0; v < VECTORS; v++) {
      Word high0, low0, high1, low1;
      Multiply(c0[v], PHILOX_M4x32_0, &high0, &low0);
      Multiply(c2[v], PHILOX_M4x32_1, &high1, &low1);
      c0[v] = high1 ^ c1[v] ^ mask[0];
      c1[v] = low1;
      c2[v] = high0 ^ c3[v] ^ mask[1];
      c3[v] = low0;
    }
  }
  for (int v = 0; v < VECTORS; v++) {
    const Word first = c1[v] << 20 | c0[v] >> 12 | EXPONENT_ONE, second = c3[v] << 20 | c2[v] >> 12 | EXPONENT_ONE;
    memcpy(k[0] + WIDTH * v, &first, sizeof(first));
    memcpy(k[1] + WIDTH * v, &second, sizeof(second));
  }
}

static inline double FromBits(uint64_t bits) {
  const union {
    uint64_t bits;
    double real;
  } u = {.bits = bits};
  return u.real;
}

static inline uint64_t ToBits(double real) {
  const union {
    double real;
    uint64_t bits;
  } u = {.real = real};
  return u.bits;
}

/* (k + 1/2) / 2^52, exactly, from the bits of 1 + k / 2^52. */
static inline double Uniform(uint64_t bits) {
  return FromBits(bits) - (1.0 - 0x1p-53);
}

/* u = 2^exponent m in (0,1) with m in [sqrt(1/2), sqrt 2), and s = (m-1)/(m+1). */
static inline void Split(double u, double *exponent, double *s) {
  const uint64_t shifted = ToBits(u) - SQRT_HALF + EXPONENT_ONE;
  const double m = FromBits((shifted & MANTISSA) + SQRT_HALF);
  *exponent = FromBits(shifted >> 52 | EXPONENT_52) - (0x1p52 + 1023.0);
  *s = (m - 1.0) / (m + 1.0);
}

/* -2 log u, to 2 ulp also near 1, from log m = 2 atanh s, with a minimax polynomial of error 2^-59 for (2 atanh s - 2
 * s)/s^3. */
static inline double MinusTwoLog(double exponent, double s) {
  const double w = s * s, w2 = w * w;
  const double q01 = fma(0x1.9999999980d5ep-2, w, 0x1.555555555558fp-1);
  const double q23 = fma(0x1.c71c528d76895p-3, w, 0x1.249249413751cp-2);
  const double q45 = fma(0x1.39a3f997435d0p-3, w, 0x1.7466268f0bd39p-3);
  const double q = fma(fma(fma(w2, 0x1.2ef068a8386c9p-3, q45), w2, q23), w2, q01);
  return fma(exponent, -0x1.62e42fefa39efp+0, fma(-2.0 * s * w, q, -4.0 * s));
}

/* sin(2 pi v) for |v| <= 1/4, to 2 ulp: minimax polynomial of relative error 2^-61. */
static inline double SineTurn(double v) {
  const double w = v * v;
  const double w2 = w * w, w4 = w2 * w2;
  const double p01 = fma(-0x1.4abbce625be52p+5, w, 0x1.921fb54442d18p+2);
  const double p23 = fma(-0x1.32d2cce627542p+6, w, 0x1.466bc6775aa6ep+6);
  const double p45 = fma(-0x1.e3074ddd1cb96p+3, w, 0x1.50783485190b6p+5);
  const double p67 = fma(-0x1.6f797703e284dp-1, w, 0x1.e8f35e9d2300ap+1);
  const double p = fma(fma(w4, 0x1.9d1b8585e59b7p-4, fma(p67, w2, p45)), w4, fma(p23, w2, p01));
  return v * p;
}

/* GROUPS whole groups of normals from the given one on: cos and sin of 2 pi u2 times sqrt(-2 log u1). With t = u2 - 1/2
 * and a = |t| - 1/4, all exact, the reduction to a quarter turn needs no branch: cos(2 pi u2) = sin(2 pi a), sin(2 pi
 * u2) = -sign(t) sin(2 pi (1/4 - |a|)). In three loops: a processor looks only some hundred operations ahead, so many
 * short chains of dependent operations overlap where a few long ones would not. */
static void NormalGroups(const Schedule *schedule, uint64_t group, double *z) {
  uint64_t k[2][BLOCKS];
  double exponent[BLOCKS], s[BLOCKS];
  Philox(schedule, group * GROUP_BLOCKS, k);
#pragma omp simd
  for (int i = 0; i < BLOCKS; i++) Split(Uniform(k[0][i]), &exponent[i], &s[i]);
#pragma omp simd
  for (int i = 0; i < BLOCKS; i++) s[i] = MinusTwoLog(exponent[i], s[i]);
  for (int g = 0; g < GROUPS; g++) {
#pragma omp simd
    for (int i = 0; i < GROUP_BLOCKS; i++) {
      const double radius = sqrt(s[g * GROUP_BLOCKS + i]);
      const double t = Uniform(k[1][g * GROUP_BLOCKS + i]) - 0.5, a = fabs(t) - 0.25;
      z[g * RNG_GROUP + i] = radius * SineTurn(a);
      z[g * RNG_GROUP + GROUP_BLOCKS + i] = radius * SineTurn(copysign(0.25 - fabs(a), -t));
    }
  }
}

static void UniformGroups(const Schedule *schedule, uint64_t group, double *u) {
  uint64_t k[2][BLOCKS];
  Philox(schedule, group * GROUP_BLOCKS, k);
  for (int g = 0; g < GROUPS; g++) {
#pragma omp simd
    for (int i = 0; i < GROUP_BLOCKS; i++) {
      u[g * RNG_GROUP + i] = Uniform(k[0][g * GROUP_BLOCKS + i]);
      u[g * RNG_GROUP + GROUP_BLOCKS + i] = Uniform(k[1][g * GROUP_BLOCKS + i]);
    }
  }
}

/* Numbers first .. first+n-1 of the stream: whole groups straight into x, what is cut at the ends through a buffer. */
static inline void Fill(void (*groups)(const Schedule *, uint64_t, double *), RngStream stream, uint64_t first,
                        size_t n, double *x) {
  const size_t whole = GROUPS * RNG_GROUP;
  const Schedule schedule = ScheduleOf(stream);
  while (n > 0) {
    const uint64_t group = first / RNG_GROUP;
    const size_t skip = (size_t)(first % RNG_GROUP);
    size_t count = whole - skip;
    if (skip == 0 && n >= whole)
      groups(&schedule, group, x);
    else {
      double buffer[GROUPS * RNG_GROUP];
      if (count > n) count = n;
      groups(&schedule, group, buffer);
      memcpy(x, buffer + skip, count * sizeof(*x));
    }
    first += count;
    x += count;
    n -= count;
  }
}

void RngNormal(RngStream stream, uint64_t first, size_t n, double *z) {
  Fill(NormalGroups, stream, first, n, z);
}

void RngUniform(RngStream stream, uint64_t first, size_t n, double *u) {
  Fill(UniformGroups, stream, first, n, u);
}

static void RademacherGroups(const Schedule *schedule, uint64_t group, double *x) {
  UniformGroups(schedule, group, x);
#pragma omp simd
  for (int i = 0; i < GROUPS * RNG_GROUP; i++) x[i] = copysign(1, x[i] - 0.5);
}

static void FlatGroups(const Schedule *schedule, uint64_t group, double *x) {
  const double width = 0x1.bb67ae8584caap+1; /* sqrt(12) */
  UniformGroups(schedule, group, x);
#pragma omp simd
  for (int i = 0; i < GROUPS * RNG_GROUP; i++) x[i] = width * (x[i] - 0.5);
}

/* With v = u - 1/2 the quantile is -sign(v) log(1 - 2|v|)/sqrt(2); v and 1 - 2|v| are exact, the latter in (0,1). */
static void LaplaceGroups(const Schedule *schedule, uint64_t group, double *x) {
  const double scale = 0x1.6a09e667f3bcdp-2; /* sqrt(1/8) */
  double exponent[GROUPS * RNG_GROUP], s[GROUPS * RNG_GROUP];
  UniformGroups(schedule, group, x);
#pragma omp simd
  for (int i = 0; i < GROUPS * RNG_GROUP; i++) Split(1.0 - 2.0 * fabs(x[i] - 0.5), &exponent[i], &s[i]);
#pragma omp simd
  for (int i = 0; i < GROUPS * RNG_GROUP; i++) x[i] = copysign(scale * MinusTwoLog(exponent[i], s[i]), x[i] - 0.5);
}

void RngCentred(RngLaw law, RngStream stream, uint64_t first, size_t n, double *x) {
  switch (law) {
  case RNG_RADEMACHER:
    Fill(RademacherGroups, stream, first, n, x);
    break;
  case RNG_UNIFORM:
    Fill(FlatGroups, stream, first, n, x);
    break;
  case RNG_LAPLACE:
    Fill(LaplaceGroups, stream, first, n, x);
    break;
  default:
    RngNormal(stream, first, n, x);
  }
}
