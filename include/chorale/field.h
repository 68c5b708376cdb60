/* One frozen draw of the noise: a function G: S^{d-1} -> R^d, the same for all tokens. Made by NoiseCreateField, filled
 * by NoiseDraw. */
#ifndef CHORALE_FIELD_H
#define CHORALE_FIELD_H

#include <chorale/tokens.h>

typedef struct _p_Field *Field;

/* g_i = G(x_i) at the tokens; g is a Vec of the tokens' layout. Collective on the tokens' communicator: gram
 * gathers all tokens; mlp and spectral send nothing, since every rank draws the same numbers from keys. */
PetscErrorCode FieldEvaluate(Field field, Tokens tokens, Vec g);
/* The same in pieces, so that a scheme can move the first tokens before it asks for the next ones: *pieces tells
 * whether this noise can do so, and then EvaluatePiece gives G at x[blocks][d][B], in blocks of these tokens' size,
 * until the field changes or is evaluated elsewhere. Prepare is collective. */
PetscErrorCode FieldPrepare(Field field, Tokens tokens, PetscBool *pieces);
PetscErrorCode FieldEvaluatePiece(Field field, PetscInt blocks, PetscInt B, const double *x, double *g);
/* Highest degree of G as a sum of harmonics: -1 for 0, NOISE_DEGREE_NONE where it is no such sum. Where it is one,
 * EvaluateAt gives it at any x[blocks][d][B], blocks as in harmonics.h: few points, none of which costs less for the
 * others. Not collective. */
#define NOISE_DEGREE_NONE PETSC_MAX_INT
PetscErrorCode FieldGetDegree(Field field, PetscInt *degree);
PetscErrorCode FieldEvaluateAt(Field field, PetscInt blocks, PetscInt B, const double *x, double *g);
/* True when G is identically zero (noise none). */
PetscErrorCode FieldIsZero(Field field, PetscBool *zero);
/* y <- y + scale x, both made by the same noise: coarse increments are sums of fine ones, so that time levels share one
 * Brownian path. y may be an empty field (FieldZero). Not collective. */
PetscErrorCode FieldAdd(Field y, PetscReal scale, Field x);
/* The field 0, to add to. Not collective. */
PetscErrorCode FieldZero(Field field);
/* k(1) of the law: the variance of each component of one draw, as NoiseGetVariance; 0 for none. Not collective. */
PetscErrorCode FieldGetVariance(Field field, PetscReal *k1);
PetscErrorCode FieldDestroy(Field *field);

#endif
