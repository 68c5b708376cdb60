#include <string.h>

#include <chorale/deck.h>
#include <chorale/log.h>

#include "scheme/impl.h"

static const SchemeType *const types[] = {&SchemeTypeLayer};
static PetscLogEvent step_event;

PetscErrorCode SchemeCreate(Tokens tokens, Scheme *scheme) {
  char name[PETSC_MAX_PATH_LEN];
  TokensLayout layout;
  Scheme s;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("SchemeStep", &step_event));
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(DeckGetString("scheme_type", name));
  PetscCall(PetscNew(&s));
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
    if (!strcmp(name, types[i]->name)) s->type = types[i];
  PetscCheck(s->type, layout.comm, PETSC_ERR_USER_INPUT, "scheme_type = %s: must be layer", name);
  s->comm = layout.comm;
  PetscCall(TokensCreateVec(tokens, &s->work));
  *scheme = s;
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeDestroy(Scheme *scheme) {
  PetscFunctionBeginUser;
  if (!*scheme) PetscFunctionReturn(0);
  PetscCall(VecDestroy(&(*scheme)->work));
  PetscCall(PetscFree(*scheme));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeView(Scheme scheme) {
  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(scheme->comm, "scheme     %s, %s\n", scheme->type->name, scheme->type->description));
  PetscFunctionReturn(0);
}

PetscErrorCode SchemeStep(Scheme scheme, Attention attention, Field field, PetscReal dt, Tokens tokens) {
  PetscFunctionBeginUser;
  PetscCheck(dt > 0, scheme->comm, PETSC_ERR_ARG_OUTOFRANGE, "step of size %.6g: must be positive", (double)dt);
  PetscCall(PetscLogEventBegin(step_event, 0, 0, 0, 0));
  PetscCall(scheme->type->step(scheme, attention, field, dt, tokens));
  PetscCall(PetscLogEventEnd(step_event, 0, 0, 0, 0));
  PetscFunctionReturn(0);
}
