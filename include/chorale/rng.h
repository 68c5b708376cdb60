/* Counter-based random draws.
 *
 * Every draw of chorale is a pure function of (seed, realization, step, purpose, index), computed by Philox4x32-10
 * (Random123, Salmon et al., SC'11). No state is kept, so any rank can make any draw in any order and gets the same
 * bits: the first half of the same-bits promise. Not collective, no communication, thread safe. */
#ifndef CHORALE_RNG_H
#define CHORALE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a draw is for: part of its key. Append only: the order is part of the meaning of a seed. */
typedef enum {
  RNG_START,         /* positions of tokens: normals, dim per token */
  RNG_START_RADIAL,  /* rejection sampling of the cosine to the mean direction (von Mises-Fisher) */
  RNG_START_CENTRES, /* directions of cluster centres */
  RNG_MLP_U,         /* hidden weights U of one layer */
  RNG_MLP_BIAS_U,    /* hidden biases b_U */
  RNG_MLP_W,         /* output weights W */
  RNG_MLP_BIAS_W,    /* output bias b_W */
  RNG_TEST,          /* unit tests and benchmarks */
  RNG_SPECTRAL,      /* Karhunen-Loeve coefficients: by degree, member, component */
  RNG_GRAM,          /* normals of gram noise: dim per factorized point */
  RNG_BOOTSTRAP,     /* unused: keeps the numbers of those below */
  RNG_TWIN,          /* directions in which twin tokens are displaced: dim per twin */
  RNG_SLICES,        /* directions of the sliced distance: d^2 normals per frame */
  RNG_VALUES,        /* random values V of noise_type values: d^2 per layer, row by row */
  RNG_HEADS,         /* random heads: Q, K, V of one after another, row by row */
  RNG_INDEPENDENT,   /* each token's own noise: dim per token */
  RNG_FRAME,         /* the frame of equiangular tokens: normals, dim per token */
  RNG_MIXTURE,       /* tokens that attention's Gaussians are made from, and where clusters split */
  RNG_PURPOSES
} RngPurpose;

typedef struct {
  uint64_t seed;        /* deck key ensemble_seed */
  uint32_t realization; /* 0 .. R-1 */
  uint32_t step;        /* layer 0 .. L-1, or 0 where there is none */
  RngPurpose purpose;
} RngStream;

/* Fills z[0..n) with the standard normals number first .. first+n-1 of the stream. Normal i depends on (stream, i)
 * alone, not on first or n: whole groups of RNG_GROUP are computed and cut. Fastest when first and n are multiples of
 * RNG_GROUP. Indices stay below 2^56. Box-Muller on 52-bit uniforms: tails to 8.4 standard deviations. */
#define RNG_GROUP 16
void RngNormal(RngStream stream, uint64_t first, size_t n, double *z);

/* Same for uniforms in the open interval (0,1), multiples of 2^-52 shifted by half of it. */
void RngUniform(RngStream stream, uint64_t first, size_t n, double *u);

/* Symmetric laws of mean 0 and variance 1 with light tails, each with its draws of the same kind: gaussian is
 * RngNormal; the others come from the uniforms u of RngUniform: rademacher, the sign of u - 1/2; uniform, sqrt(12) (u -
 * 1/2); laplace, of density e^{-sqrt(2)|x|}/sqrt(2), the quantile function at u, to 25.5 standard deviations. */
typedef enum { RNG_GAUSSIAN, RNG_RADEMACHER, RNG_UNIFORM, RNG_LAPLACE, RNG_LAWS } RngLaw;
void RngCentred(RngLaw law, RngStream stream, uint64_t first, size_t n, double *x);

#endif
