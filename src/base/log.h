/* Events for PETSc's -log_view: one per expensive operation, registered on first use. */
#ifndef CHORALE_BASE_LOG_H
#define CHORALE_BASE_LOG_H

#include <petsclog.h>

/* Registers `name` when *event is still 0 (a static PetscLogEvent starts so). Every rank must call alike. */
PetscErrorCode LogEvent(const char *name, PetscLogEvent *event);

#endif
