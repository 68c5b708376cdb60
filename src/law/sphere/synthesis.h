/* Functions on the sphere that are given by harmonic coefficients, evaluated at very many tokens.
 *
 * A synthesis costs a few operations per harmonic and token. On the circle and on the sphere in three dimensions, where
 * tokens outnumber what the functions can tell apart, a table of them is made first and interpolated: the cost per
 * token then depends little on the degree (table_circle.c, table_sphere.c). Interpolation is off by less than 2e-14
 * sum_k |c_k| max |Y_k|, see there, and rounding by eps or so times the degree, as in any synthesis.
 * Everywhere else this is HarmonicsSynthesize.
 *
 * Each rank makes the table for itself, and whether there is one follows from the functions and the number of tokens
 * over all ranks alone: values at a token depend on the token and the coefficients, not on the ranks. No MPI. */
#ifndef CHORALE_LAW_SPHERE_SYNTHESIS_H
#define CHORALE_LAW_SPHERE_SYNTHESIS_H

#include <chorale/harmonics.h>

typedef struct _p_Synthesis *Synthesis;

/* n functions of these harmonics, which stay the caller's and must live as long. */
PetscErrorCode SynthesisCreate(Harmonics harmonics, PetscInt n, Synthesis *synthesis);
PetscErrorCode SynthesisDestroy(Synthesis *synthesis);
/* coefficients[n][K], which must stay unchanged as long as they are evaluated, at `tokens` tokens over all ranks. A
 * table is made by the first evaluation. */
PetscErrorCode SynthesisSet(Synthesis synthesis, PetscInt64 tokens, const double *coefficients);
/* x[blocks][d][B] to out[blocks][n][B], blocks as in harmonics.h; B = HARMONICS_BLOCK where there are several. */
PetscErrorCode SynthesisEvaluate(Synthesis synthesis, PetscInt blocks, PetscInt B, const double *x, double *out);
/* Blocks that Evaluate likes to have at once. */
#define SYNTHESIS_BLOCKS 16

typedef struct {
  PetscInt64 from;        /* tokens from which on there is a table, or INT64_MAX */
  PetscReal plain, table; /* flops per token without and with it */
  PetscReal set, bytes;   /* flops to make it, its memory */
} SynthesisCost;
PetscErrorCode SynthesisGetCost(Synthesis synthesis, SynthesisCost *cost);
/* Per token, with the coefficients in hand. */
PetscErrorCode SynthesisGetFlops(Synthesis synthesis, PetscReal *flops);

#endif
