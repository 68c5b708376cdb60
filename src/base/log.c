#include "base/log.h"

#include <petscsys.h>

PetscErrorCode LogEvent(const char *name, PetscLogEvent *event) {
  static PetscClassId chorale; /* all events belong to one class */
  PetscFunctionBeginUser;
  if (!chorale) PetscCall(PetscClassIdRegister("chorale", &chorale));
  if (!*event) PetscCall(PetscLogEventRegister(name, chorale, event));
  PetscFunctionReturn(0);
}
