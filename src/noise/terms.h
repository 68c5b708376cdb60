/* Fields that are sums of keyed draws: G = sum_i scale_i G_{realization_i, step_i}. What mlp and gram keep in
 * field->data, since neither has numbers of its own to add up. */
#ifndef CHORALE_NOISE_TERMS_H
#define CHORALE_NOISE_TERMS_H

#include "noise/impl.h"

typedef struct {
  PetscReal scale;
  PetscInt realization, step;
  void *draw; /* what the type keeps for this key; see NoiseType's acquire and release */
} FieldTerm;

typedef struct {
  PetscInt count, room;
  FieldTerm *list;
} FieldTerms;

/* The operations of NoiseType and, but for evaluate, of FieldType. */
#define FIELD_TERMS                                                                                                    \
  .create = FieldTermsCreate, .destroy = FieldTermsDestroy, .clear = FieldTermsClear, .add = FieldTermsAdd
PetscErrorCode FieldTermsCreate(Field field);
PetscErrorCode FieldTermsDestroy(Field field);
PetscErrorCode FieldTermsDraw(Field field, PetscInt realization, PetscInt step);
PetscErrorCode FieldTermsClear(Field field);
PetscErrorCode FieldTermsAdd(Field y, PetscReal scale, Field x);

#endif
