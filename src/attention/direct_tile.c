/* The matrix of kernel values is never stored: squares of 32 x 32 tokens are evaluated into a buffer that stays in the
 * first-level cache and used up there, once as it is and once transposed. Every loop is a block of registers: VECTORS
 * vectors of tokens times a few tokens or components of the other side. Written in vector types that every machine has;
 * their width is the machine's. */
#include "attention/direct_tile.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "base/lanes.h"

#define GROUP   8               /* tokens of a pack that lie side by side */
#define VECTORS (GROUP / LANES) /* vectors that hold a group */
#define SQUARE  32              /* tokens per side of the buffer */
#define WIDTH   (12 / VECTORS)  /* tokens or components whose sums are held: 12 vectors, for 16 registers */
#define CHUNK   64              /* coordinates multiplied at a time, so that both sides stay in the first-level cache */

typedef uint64_t Bits __attribute__((vector_size(8 * LANES), may_alias));
typedef double Quad __attribute__((vector_size(32), may_alias));

INLINE AlignedLanes Load(const double *p) {
  return *(const AlignedLanes *)p;
}

INLINE void Store(double *p, AlignedLanes v) {
  *(AlignedLanes *)p = v;
}

/* Where `condition` holds (all bits set) a, else b. */
INLINE AlignedLanes Select(Bits condition, AlignedLanes a, AlignedLanes b) {
  return (AlignedLanes)((condition & (Bits)a) | (~condition & (Bits)b));
}

#define SHIFTER 0x1.8p52 /* adding it rounds to an integer, found in the low bits */

/* 2^t for t <= 1, to 2 units in the last place. Below -900, where only `deep` arguments can be, 2^-900. Split into
 * integer and fraction in [-1/2,1/2], whose power is the Chebyshev fit of degree 11 (error 3.2e-18), in even and odd
 * powers apart: two short chains. Exact at 0, where a token meets itself. */
INLINE AlignedLanes Exp2(PetscBool deep, AlignedLanes t) {
  static const double even[] = {1.0,
                                0x1.ebfbdff82c5aep-3,
                                0x1.3b2ab6fb9f1a5p-7,
                                0x1.430913112c61bp-13,
                                0x1.62bfc2c86d700p-20,
                                0x1.e6228acd1c6e5p-28};
  static const double odd[] = {0x1.62e42fefa39efp-1,  0x1.c6b08d704a0c6p-5,  0x1.5d87fe78a3f9cp-10,
                               0x1.ffcbfc6da6ed1p-17, 0x1.b524ebd13a55fp-24, 0x1.e9ec1fcb69a7fp-32};
  const AlignedLanes low = (AlignedLanes){0} - 900.0;

  if (deep) t = Select((Bits)(t < low), low, t);
  const AlignedLanes n = t + SHIFTER, f = t - (n - SHIFTER), w = f * f;
  AlignedLanes p = w * even[5] + even[4], q = w * odd[5] + odd[4];
  for (int i = 3; i >= 0; i--) {
    p = p * w + even[i];
    q = q * w + odd[i];
  }
  /* The low 12 bits of SHIFTER are 0, so what is shifted into the exponent is the integer alone. */
  return (AlignedLanes)((Bits)(q * f + p) + ((Bits)n << 52));
}

/* CASE(w) for all w up to WIDTH. */
#if WIDTH > 6
#define CASES CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#elif WIDTH > 3
#define CASES CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#else
#define CASES CASE(1) CASE(2) CASE(3)
#endif

/* square[k][i] = sum_c q_i[c] x_{j+k}[c] for ni queries, `width` tokens from j on and `count` components c; added to
 * what is there unless these components are the first. */
INLINE void Products(int width, PetscInt n, PetscInt count, PetscBool first, PetscInt ni, const double *q,
                     const double *x, PetscInt j, double *square) {
  const double *key[WIDTH];

  for (int k = 0; k < width; k++) key[k] = x + (j + k) / GROUP * n * GROUP + (j + k) % GROUP;
  for (PetscInt i = 0; i < ni; i += GROUP, q += n * GROUP, square += GROUP) {
    AlignedLanes s[WIDTH][VECTORS];

    for (int k = 0; k < width; k++) {
      for (int v = 0; v < VECTORS; v++) s[k][v] = first ? (AlignedLanes){0} : Load(square + k * SQUARE + v * LANES);
    }
    for (PetscInt c = 0; c < count * GROUP; c += GROUP) {
      AlignedLanes u[VECTORS];
      for (int v = 0; v < VECTORS; v++) u[v] = Load(q + c + v * LANES);
      for (int k = 0; k < width; k++) {
        for (int v = 0; v < VECTORS; v++) s[k][v] += u[v] * key[k][c];
      }
    }
    for (int k = 0; k < width; k++) {
      for (int v = 0; v < VECTORS; v++) Store(square + k * SQUARE + v * LANES, s[k][v]);
    }
  }
}

/* square[j][i] = <q_i,x_j>; rows and columns counted in tokens. In pieces of keys as equal as they can be: `width` is a
 * constant in every case. */
static void AllProducts(TileShape shape, PetscInt ni, PetscInt nj, const double *q, const double *x, double *square) {
  const PetscInt n = shape.dim + 1, pieces = (nj + WIDTH - 1) / WIDTH;

  for (PetscInt c = 0; c < shape.dim; c += CHUNK, q += CHUNK * GROUP, x += CHUNK * GROUP) {
    const PetscInt count = PetscMin(CHUNK, shape.dim - c);
    for (PetscInt p = 0, j = 0; p < pieces; p++) {
      const PetscInt width = (nj - j) / (pieces - p);
      double *e = square + j * SQUARE;
      switch (width) {
#define CASE(w_)                                                                                                       \
  case w_:                                                                                                             \
    Products(w_, n, count, c == 0 ? PETSC_TRUE : PETSC_FALSE, ni, q, x, j, e);                                         \
    break;
        CASES
#undef CASE
      }
      j += width;
    }
  }
}

/* square[j][i] <- 2^{scale (square[j][i] - 1)}. */
INLINE void Powers(PetscBool deep, double scale, PetscInt ni, PetscInt nj, double *square) {
  for (PetscInt j = 0; j < nj; j++) {
    for (PetscInt i = 0; i < ni; i += LANES) {
      double *e = square + j * SQUARE + i;
      Store(e, Exp2(deep, Load(e) * scale - scale));
    }
  }
}

/* square[j][i] = 2^{scale (<x_i,x_j> - 1)}. */
static void Kernels(TileShape shape, double scale, PetscInt ni, PetscInt nj, const double *xi, const double *xj,
                    double *square) {
  AllProducts(shape, ni, nj, xi, xj, square);
  if (2.0 * scale < 899) /* cosines are at least -1, up to rounding */
    Powers(PETSC_FALSE, scale, ni, nj, square);
  else
    Powers(PETSC_TRUE, scale, ni, nj, square);
}

/* Turns the square over its diagonal by 4 x 4 pieces. */
INLINE void Transpose(PetscInt ni, PetscInt nj, const double *square, double *turned) {
  for (PetscInt i = 0; i < ni; i += 4) {
    for (PetscInt j = 0; j < nj; j += 4) {
      const double *e = square + j * SQUARE + i;
      double *t = turned + i * SQUARE + j;
      const Quad a = *(const Quad *)e, b = *(const Quad *)(e + SQUARE);
      const Quad c = *(const Quad *)(e + 2 * SQUARE), d = *(const Quad *)(e + 3 * SQUARE);
      const Quad p = __builtin_shufflevector(a, b, 0, 4, 2, 6), q = __builtin_shufflevector(a, b, 1, 5, 3, 7);
      const Quad r = __builtin_shufflevector(c, d, 0, 4, 2, 6), s = __builtin_shufflevector(c, d, 1, 5, 3, 7);

      *(Quad *)t = __builtin_shufflevector(p, r, 0, 1, 4, 5);
      *(Quad *)(t + SQUARE) = __builtin_shufflevector(q, s, 0, 1, 4, 5);
      *(Quad *)(t + 2 * SQUARE) = __builtin_shufflevector(p, r, 2, 3, 6, 7);
      *(Quad *)(t + 3 * SQUARE) = __builtin_shufflevector(q, s, 2, 3, 6, 7);
    }
  }
}

/* sum[c][i] += sum_k square[k][i] wx[c][k] for a group of i, `width` components and nk tokens k. */
INLINE void Accumulate(int width, PetscInt n, PetscInt nk, const double *square, const double *wx, double *sum) {
  AlignedLanes s[WIDTH][VECTORS];

  for (int c = 0; c < width; c++) {
    for (int v = 0; v < VECTORS; v++) s[c][v] = (AlignedLanes){0};
  }
  for (PetscInt g = 0; g < nk; g += GROUP, wx += n * GROUP) {
    for (int k = 0; k < GROUP; k++, square += SQUARE) {
      AlignedLanes e[VECTORS];
      for (int v = 0; v < VECTORS; v++) e[v] = Load(square + v * LANES);
      for (int c = 0; c < width; c++) {
        for (int v = 0; v < VECTORS; v++) s[c][v] += e[v] * wx[c * GROUP + k];
      }
    }
  }
  for (int c = 0; c < width; c++) {
    for (int v = 0; v < VECTORS; v++) {
      double *p = sum + c * GROUP + v * LANES;
      Store(p, Load(p) + s[c][v]);
    }
  }
}

/* All components of the sums of ni tokens, in pieces as equal as they can be: `width` is a constant in every case. */
static void AccumulateAll(TileShape shape, PetscInt ni, PetscInt nk, const double *square, const double *wx,
                          double *sum) {
  const PetscInt n = shape.dim + 1, pieces = (n + WIDTH - 1) / WIDTH;

  for (PetscInt p = 0, c = 0; p < pieces; p++) {
    const PetscInt width = (n - c) / (pieces - p);
    for (PetscInt i = 0; i < ni; i += GROUP) {
      const double *e = square + i, *w = wx + c * GROUP;
      double *s = sum + (i / GROUP * n + c) * GROUP;
      switch (width) {
#define CASE(w_)                                                                                                       \
  case w_:                                                                                                             \
    Accumulate(w_, n, nk, e, w, s);                                                                                    \
    break;
        CASES
#undef CASE
      }
    }
    c += width;
  }
}

/* Puts `value` where the key comes after the query. */
static void Mask(PetscInt count, double value, double *square) {
  for (PetscInt k = 1; k < count; k++) {
    for (PetscInt i = 0; i < k; i++) square[k * SQUARE + i] = value;
  }
}

/* Squares of the pairs of a and b; with a = b those above the diagonal, or those below if `causal`. */
typedef enum { PAIR, SELF, SELF_CAUSAL } Reach;

static void SumSquares(TileShape shape, double rate, TilePack a, TilePack b, double *sum_a, double *sum_b,
                       Reach reach) {
  const double scale = rate * M_LOG2E;
  const PetscInt n = shape.dim + 1;
  double square[SQUARE * SQUARE] __attribute__((aligned(64))), turned[SQUARE * SQUARE] __attribute__((aligned(64)));

  for (PetscInt i = 0; i < shape.block; i += SQUARE) {
    const PetscInt ni = PetscMin(SQUARE, shape.block - i);
    const PetscInt end = reach == SELF_CAUSAL ? i + 1 : shape.block;
    for (PetscInt j = reach == SELF ? i : 0; j < end; j += SQUARE) {
      const PetscInt nj = PetscMin(SQUARE, shape.block - j);

      Kernels(shape, scale, ni, nj, a.x + i * n, b.x + j * n, square);
      if (reach == SELF_CAUSAL && i == j) Mask(ni, 0, square);
      AccumulateAll(shape, ni, nj, square, b.wx + j * n, sum_a + i * n);
      if (sum_b && (reach == PAIR || i < j)) {
        Transpose(ni, nj, square, turned);
        AccumulateAll(shape, nj, ni, turned, a.wx + i * n, sum_b + j * n);
      }
    }
  }
}

void TileSumPair(TileShape shape, double rate, TilePack a, TilePack b, double *sum_a, double *sum_b) {
  SumSquares(shape, rate, a, b, sum_a, sum_b, PAIR);
}

void TileSumSelf(TileShape shape, double rate, TilePack a, PetscBool causal, double *sum) {
  SumSquares(shape, rate, a, a, sum, causal ? NULL : sum, causal ? SELF_CAUSAL : SELF);
}

double TileEnergy(TileShape shape, double rate, TilePack a, TilePack b) {
  const double scale = rate * M_LOG2E;
  const PetscInt n = shape.dim + 1;
  double square[SQUARE * SQUARE] __attribute__((aligned(64)));
  double total[GROUP] = {0}, sum = 0;

  for (PetscInt i = 0; i < shape.block; i += SQUARE) {
    const PetscInt ni = PetscMin(SQUARE, shape.block - i);
    for (PetscInt j = 0; j < shape.block; j += SQUARE) {
      const PetscInt nj = PetscMin(SQUARE, shape.block - j);

      Kernels(shape, scale, ni, nj, a.x + i * n, b.x + j * n, square);
      for (PetscInt g = 0; g < ni; g += GROUP) {
        const double *w = a.wx + ((i + g) / GROUP * n + shape.dim) * GROUP;
        double part[GROUP] = {0};

        for (PetscInt k = 0; k < nj; k++) {
          const double wk = b.wx[((j + k) / GROUP * n + shape.dim) * GROUP + k % GROUP];
          for (int l = 0; l < GROUP; l++) part[l] += wk * square[k * SQUARE + g + l];
        }
        for (int l = 0; l < GROUP; l++) total[l] += w[l] * part[l];
      }
    }
  }
  for (int l = 0; l < GROUP; l++) sum += total[l];
  return sum;
}

/* The new maxima of a group of queries over nk keys, and the sums so far scaled down to them. */
static void RaiseMaximum(PetscInt n, PetscInt nk, const double *square, double *maximum, double *sum) {
  AlignedLanes factor[VECTORS];

  for (int v = 0; v < VECTORS; v++) {
    const AlignedLanes old = Load(maximum + v * LANES);
    AlignedLanes top = old;

    for (PetscInt k = 0; k < nk; k++) {
      const AlignedLanes e = Load(square + k * SQUARE + v * LANES);
      top = Select((Bits)(e > top), e, top);
    }
    Store(maximum + v * LANES, top);
    factor[v] = Exp2(PETSC_TRUE, (old - top) * M_LOG2E);
  }
  for (PetscInt c = 0; c < n; c++) {
    for (int v = 0; v < VECTORS; v++) {
      double *p = sum + c * GROUP + v * LANES;
      Store(p, Load(p) * factor[v]);
    }
  }
}

void TileSumOnline(TileShape shape, const double *queries, const double *keys, const double *bias, PetscBool causal,
                   PetscInt width, const double *values, double *maximum, double *sum) {
  const PetscInt n = shape.dim + 1;
  const TileShape sums = {shape.block, width};
  double square[SQUARE * SQUARE] __attribute__((aligned(64)));

  for (PetscInt i = 0; i < shape.block; i += SQUARE) {
    const PetscInt ni = PetscMin(SQUARE, shape.block - i), end = causal ? i + 1 : shape.block;
    for (PetscInt j = 0; j < end; j += SQUARE) {
      const PetscInt nj = PetscMin(SQUARE, shape.block - j);

      AllProducts(shape, ni, nj, queries + i * n, keys + j * n, square);
      if (causal && i == j) Mask(ni, -DBL_MAX, square);
      for (PetscInt g = 0; g < ni; g += GROUP) {
        double *m = maximum + i + g;

        for (PetscInt k = 0; k < nj; k++) {
          for (int l = 0; l < GROUP; l++) square[k * SQUARE + g + l] += bias[j + k];
        }
        RaiseMaximum(width + 1, nj, square + g, m, sum + (i + g) * (width + 1));
        for (PetscInt k = 0; k < nj; k++) {
          for (int l = 0; l < GROUP; l += LANES) {
            double *e = square + k * SQUARE + g + l;
            Store(e, Exp2(PETSC_TRUE, (Load(e) - Load(m + l)) * M_LOG2E));
          }
        }
      }
      if (causal && i == j) Mask(ni, 0, square);
      AccumulateAll(sums, ni, nj, square, values + j * (width + 1), sum + i * (width + 1));
    }
  }
}

/* The logits of a square into maximum, S and T of a group of queries, which go down to a new maximum like e^{old - new}
 * S and e^{old - new} (T + (old - new) S). */
static void AddEntropy(PetscInt nk, PetscInt block, const double *square, double *maximum, double *sum) {
  for (int v = 0; v < VECTORS; v++) {
    double *m = maximum + v * LANES, *s = sum + v * LANES, *t = s + block;
    const AlignedLanes old = Load(m);
    AlignedLanes top = old;

    for (PetscInt k = 0; k < nk; k++) {
      const AlignedLanes l = Load(square + k * SQUARE + v * LANES);
      top = Select((Bits)(l > top), l, top);
    }
    const AlignedLanes down = Exp2(PETSC_TRUE, (old - top) * M_LOG2E);
    AlignedLanes S = Load(s) * down, T = Load(t) * down;
    T += Select((Bits)(S > 0.0), (old - top) * S, S);
    for (PetscInt k = 0; k < nk; k++) {
      const AlignedLanes raw = Load(square + k * SQUARE + v * LANES), l = raw - top, none = {0};
      const AlignedLanes e = Exp2(PETSC_TRUE, l * M_LOG2E);
      const Bits seen = (Bits)(raw > 0.5 * TILE_NEVER);
      S += Select(seen, e, none);
      T += Select(seen, e * l, none);
    }
    Store(m, top);
    Store(s, S);
    Store(t, T);
  }
}

void TileSumEntropy(TileShape shape, const double *queries, const double *keys, const double *bias, PetscBool causal,
                    double *maximum, double *sum) {
  const PetscInt n = shape.dim + 1;
  double square[SQUARE * SQUARE] __attribute__((aligned(64)));

  for (PetscInt i = 0; i < shape.block; i += SQUARE) {
    const PetscInt ni = PetscMin(SQUARE, shape.block - i), end = causal ? i + 1 : shape.block;
    for (PetscInt j = 0; j < end; j += SQUARE) {
      const PetscInt nj = PetscMin(SQUARE, shape.block - j);

      AllProducts(shape, ni, nj, queries + i * n, keys + j * n, square);
      for (PetscInt k = 0; k < nj; k++) {
        for (PetscInt l = 0; l < ni; l++) square[k * SQUARE + l] += bias[j + k];
      }
      if (causal && i == j) Mask(ni, -DBL_MAX, square);
      for (PetscInt g = 0; g < ni; g += GROUP) AddEntropy(nj, shape.block, square + g, maximum + i + g, sum + i + g);
    }
  }
}

void TileRound(size_t n, double *sum, PetscInt64 *fixed) {
  const uint64_t zero = 0x4338000000000000; /* the bits of SHIFTER */

  for (size_t i = 0; i < n; i += LANES) {
    /* In two halves, since machines round vectors to 52 bits only: high is a multiple of 2^-29, what is left times 2^61
     * below 2^32. */
    const AlignedLanes x = Load(sum + i), high = x * 0x1p29 + SHIFTER;
    const AlignedLanes low = (x * 0x1p29 - (high - SHIFTER)) * 0x1p32 + SHIFTER;
    const Bits whole = (((Bits)high - zero) << 32) + ((Bits)low - zero);

    *(Bits *)(fixed + i) += whole;
    Store(sum + i, (AlignedLanes){0});
  }
}
