/* The end of a run whose ranks wait for one that is gone.
 *
 * MPI does not say that a node was lost, or a link: the other ranks wait for ever. A thread of every process looks once
 * a second; where its rank has waited for the others for too long, in one and the same call, it says so in one line and
 * ends the process with exit code 75, without MPI. What a rank computes is no wait, however long it takes. */
#ifndef CHORALE_BASE_PATIENCE_H
#define CHORALE_BASE_PATIENCE_H

enum { PATIENCE_EXIT = 75 /* EX_TEMPFAIL of sysexits.h: it may be tried again */ };

/* Begins to look. Call once, after MPI_Init; with one rank there is nobody to wait for. */
void PatienceStart(void);
/* Seconds that a rank waits; 0 for ever; below 0, as at first, by what the steps take: ranks of a group do the same at
 * the same time and wait 15 minutes or five steps for each other, whichever is more. Groups wait an hour or twenty
 * steps, and before a step was measured for ever. */
void PatienceSet(double seconds);
/* The longest step so far, of any group; how many times as long a step of another group may be. */
void PatienceLearn(double seconds);
void PatienceSpread(double factor);

/* Around a wait that is no call of MPI, or a wait for other groups: until the two come to the same place. Returns what
 * to leave with. Every MPI call that may wait is such a pair by itself. */
const char *PatienceEnter(const char *what);
void PatienceLeave(const char *outer);
/* In such a wait: others have shown that they are there. */
void PatienceTick(void);
/* What is waited for from now on are other groups, or not. Returns what it was before. */
int PatienceAcross(int other_groups);

#endif
