/* The hidden values of a few tokens, all units of the chunk, fill a buffer of the size of a first-level cache: they are
 * evaluated into it, activated there and used up. Every loop is a block of registers: VECTORS vectors that hold a group
 * of tokens, times a few units or components. Written in vector types that every machine has; their width is the
 * machine's. */
#include "noise/mlp_tile.h"

#include "base/lanes.h"

#define GROUP   8               /* tokens that lie side by side */
#define VECTORS (GROUP / LANES) /* vectors that hold a group */
#define WIDTH   (12 / VECTORS)  /* units or components whose sums are held: 12 vectors, for 16 registers */
#define STRIP   4               /* groups whose hidden values are held */
#define COORDS  64              /* coordinates multiplied at a time */

/* One number of each token of a group. */
typedef struct {
  Lanes v[VECTORS];
} Group;

/* Inlined into one function, the loops would compete for registers with what lives around them. */
#define NOINLINE static __attribute__((noinline))

INLINE Group Load(const double *p) {
  Group group;
  for (int v = 0; v < VECTORS; v++) group.v[v] = *(const Lanes *)(p + v * LANES);
  return group;
}

INLINE Group Splat(double a) {
  Group group;
  for (int v = 0; v < VECTORS; v++) group.v[v] = (Lanes){0} + a;
  return group;
}

/* CASE(w) for all w up to WIDTH. */
#if WIDTH > 6
#define CASES CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#elif WIDTH > 3
#define CASES CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#else
#define CASES CASE(1) CASE(2) CASE(3)
#endif

/* x[g][c] = scale times `count` components of the tokens. */
static void Pack(PetscInt groups, PetscInt count, PetscInt B, double scale, const double *X, Group *x) {
  for (PetscInt c = 0; c < count; c++) {
    for (PetscInt g = 0; g < groups; g++) {
      const Group e = Load(X + c * B + g * GROUP);
      for (int v = 0; v < VECTORS; v++) x[g * COORDS + c].v[v] = scale * e.v[v];
    }
  }
}

/* hidden[g][u] = sum_c U[c][u] x[g][c] for `width` units and `count` components; added to what is there, or to the
 * biases if these components are the first. */
INLINE void Products(int width, PetscBool first, PetscInt groups, PetscInt count, const Group *x, const double *U,
                     const double *bias, Group *hidden) {
  for (PetscInt g = 0; g < groups; g++, x += COORDS, hidden += MLP_CHUNK) {
    const double *weight = U;
    Group s[WIDTH];

    for (int k = 0; k < width; k++) s[k] = first ? Splat(bias[k]) : hidden[k];
    for (PetscInt c = 0; c < count; c++, weight += MLP_PITCH) {
      const Group e = x[c];
      for (int k = 0; k < width; k++) {
        for (int v = 0; v < VECTORS; v++) s[k].v[v] += e.v[v] * weight[k];
      }
    }
    for (int k = 0; k < width; k++) hidden[k] = s[k];
  }
}

/* All units in pieces as equal as they can be: `width` is a constant in every case. */
NOINLINE void AllProducts(const MlpUnits *units, PetscInt c, PetscInt groups, PetscInt count, const Group *x,
                          Group *hidden) {
  const PetscInt pieces = (units->count + WIDTH - 1) / WIDTH;

  for (PetscInt p = 0, u = 0; p < pieces; p++) {
    const PetscInt width = (units->count - u) / (pieces - p);
    const double *U = units->U + c * MLP_PITCH + u, *bias = units->bias_u + u;
    switch (width) {
#define CASE(w_)                                                                                                       \
  case w_:                                                                                                             \
    Products(w_, c == 0 ? PETSC_TRUE : PETSC_FALSE, groups, count, x, U, bias, hidden + u);                            \
    break;
      CASES
#undef CASE
    }
    u += width;
  }
}

/* G[c] += scale sum_u W[c][u] hidden[u] for one group of tokens, `width` components and `count` units. Meanwhile G and
 * the tokens of the next strip, `next`, come into the cache: their rows are too far apart for the processor to guess.
 */
INLINE void Accumulate(int width, PetscInt count, PetscInt B, double scale, const Group *hidden, const double *W,
                       double *G, const double *next) {
  Group s[WIDTH];

  for (int k = 0; k < width; k++) {
    __builtin_prefetch(G + k * B, 1);
    __builtin_prefetch(next + k * B);
    s[k] = Splat(0);
  }
  for (PetscInt u = 0; u < count; u++) {
    const Group e = hidden[u];
    for (int k = 0; k < width; k++) {
      for (int v = 0; v < VECTORS; v++) s[k].v[v] += e.v[v] * W[k * MLP_PITCH + u];
    }
  }
  for (int k = 0; k < width; k++) {
    for (int v = 0; v < VECTORS; v++) *(Lanes *)(G + k * B + v * LANES) += scale * s[k].v[v];
  }
}

NOINLINE void AccumulateAll(const MlpUnits *units, PetscInt d, PetscInt groups, PetscInt B, double scale,
                            const Group *hidden, double *G, const double *next) {
  const PetscInt pieces = (d + WIDTH - 1) / WIDTH;

  for (PetscInt p = 0, c = 0; p < pieces; p++) {
    const PetscInt width = (d - c) / (pieces - p);
    const double *W = units->W + c * MLP_PITCH;
    for (PetscInt g = 0; g < groups; g++) {
      double *sum = G + c * B + g * GROUP;
      switch (width) {
#define CASE(w_)                                                                                                       \
  case w_:                                                                                                             \
    Accumulate(w_, units->count, B, scale, hidden + g * MLP_CHUNK, W, sum, next + c * B + g * GROUP);                  \
    break;
        CASES
#undef CASE
      }
    }
    c += width;
  }
}

void MlpTile(const MlpUnits *units, const Activation *activation, PetscInt d, PetscInt B, double in, double out,
             const double *X, double *G) {
  Group x[STRIP * COORDS] __attribute__((aligned(64))), hidden[STRIP * MLP_CHUNK] __attribute__((aligned(64)));

  for (PetscInt t = 0; t < B; t += STRIP * GROUP) {
    const PetscInt groups = PetscMin(STRIP, (B - t) / GROUP);

    for (PetscInt c = 0; c < d; c += COORDS) {
      const PetscInt count = PetscMin(COORDS, d - c);
      Pack(groups, count, B, in, X + c * B + t, x);
      AllProducts(units, c, groups, count, x, hidden);
    }
    for (PetscInt g = 0; g < groups; g++) {
      double *values = (double *)(hidden + g * MLP_CHUNK);
      activation->apply(units->count * GROUP, values, values);
    }
    AccumulateAll(units, d, groups, B, out, hidden, G + t, t + STRIP * GROUP < B ? X + t + STRIP * GROUP : X + d * B);
  }
}
