/* One frozen draw of the noise: a function G: S^{d-1} -> R^d, the same for all tokens. Made by NoiseCreateField, filled
 * by NoiseDraw. */
#ifndef CHORALE_FIELD_H
#define CHORALE_FIELD_H

#include <chorale/tokens.h>

typedef struct _p_Field *Field;

/* g_i = G(x_i) at the tokens; g is a Vec of the tokens' layout. Collective on the tokens' communicator (no
 * communication for mlp: every rank draws the same weights from keys). */
PetscErrorCode FieldEvaluate(Field field, Tokens tokens, Vec g);
/* True when G is identically zero (noise none). */
PetscErrorCode FieldIsZero(Field field, PetscBool *zero);
PetscErrorCode FieldDestroy(Field *field);

#endif
