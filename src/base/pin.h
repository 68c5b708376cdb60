/* What the environment must not decide. */
#ifndef CHORALE_BASE_PIN_H
#define CHORALE_BASE_PIN_H

/* Sets the variables by which libraries choose threads and instructions, which change the last bits of sums, and those
 * by which MPI opens files. Libraries read some of them before main: where one was otherwise the program starts itself
 * again, and this does not return. Call it first, before MPI; argv is that of main. */
void PinEnvironment(char **argv);

#endif
