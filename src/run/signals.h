/* Private to run: the signals that end a process unless something is done about them. */
#ifndef CHORALE_RUN_SIGNALS_H
#define CHORALE_RUN_SIGNALS_H

#include <petscsys.h>

/* SIGTERM, USR1, USR2, HUP, XCPU and INT go to this function from now on, but those that are ignored, as nohup wants
 * it. After one INT the next one ends the process. Not collective. */
PETSC_INTERN PetscErrorCode SignalsCatch(void (*handler)(int number));

#endif
