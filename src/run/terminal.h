/* Private to run. */
#ifndef CHORALE_RUN_TERMINAL_H
#define CHORALE_RUN_TERMINAL_H

#include <petscsys.h>

/* Columns of the terminal on which what is written to this file descriptor ends, also by way of mpirun (Linux;
 * elsewhere a log is assumed); 80 of one that does not say, 0 where there is none. */
PETSC_INTERN int TerminalWidth(int fd);

#endif
