#include "noise/terms.h"

/* Appends one term; a key that the sum already holds only changes its factor, so that G - G costs nothing to keep. */
static PetscErrorCode Append(Field field, PetscReal scale, PetscInt realization, PetscInt step) {
  const NoiseType *type = field->noise->type;
  FieldTerms *terms = field->data;
  FieldTerm *term;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < terms->count; i++) {
    if (terms->list[i].realization != realization || terms->list[i].step != step) continue;
    terms->list[i].scale += scale;
    PetscFunctionReturn(0);
  }
  if (terms->count == terms->room) {
    terms->room = PetscMax(1, 2 * terms->room);
    PetscCall(PetscRealloc((size_t)terms->room * sizeof(FieldTerm), &terms->list));
  }
  term = &terms->list[terms->count];
  *term = (FieldTerm){.scale = scale, .realization = realization, .step = step};
  if (type->acquire) PetscCall(type->acquire(field->noise, realization, step, &term->draw));
  terms->count++;
  PetscFunctionReturn(0);
}

PetscErrorCode FieldTermsCreate(Field field) {
  FieldTerms *terms;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&terms));
  field->data = terms;
  PetscFunctionReturn(0);
}

PetscErrorCode FieldTermsDestroy(Field field) {
  FieldTerms *terms = field->data;

  PetscFunctionBeginUser;
  PetscCall(FieldTermsClear(field));
  PetscCall(PetscFree(terms->list));
  PetscCall(PetscFree(field->data));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldTermsClear(Field field) {
  const NoiseType *type = field->noise->type;
  FieldTerms *terms = field->data;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < terms->count && type->release; i++)
    PetscCall(type->release(field->noise, terms->list[i].draw));
  terms->count = 0;
  PetscFunctionReturn(0);
}

PetscErrorCode FieldTermsDraw(Field field, PetscInt realization, PetscInt step) {
  PetscFunctionBeginUser;
  PetscCall(FieldTermsClear(field));
  PetscCall(Append(field, 1, realization, step));
  PetscFunctionReturn(0);
}

PetscErrorCode FieldTermsAdd(Field y, PetscReal scale, Field x) {
  const FieldTerms *from = x->data;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < from->count; i++) {
    const FieldTerm term = from->list[i]; /* a copy: x may be y */
    PetscCall(Append(y, scale * term.scale, term.realization, term.step));
  }
  PetscFunctionReturn(0);
}
