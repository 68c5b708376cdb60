/* A sign that the program has come to run. */
#ifndef CHORALE_BASE_BEGUN_H
#define CHORALE_BASE_BEGUN_H

/* Makes the file that the variable CHORALE_BEGUN names, so that a job script can tell a run that failed from a launch
 * that never came so far. Call on one rank, after MPI_Init. */
void BegunTell(void);

#endif
