/* What ranks say to each other between checkpoints: that something is to be done, and that they are there. */
#include "run/checkpoint_impl.h"

#include "base/patience.h"

#define ALIVE 30.0 /* seconds between two signs of a rank */

/* On rank 0. */
static void Take(Checkpoint checkpoint, PetscMPIInt from, CheckpointWord word, int number) {
  PatienceTick();
  if (word == CHECKPOINT_SAYS_SIGNAL)
    checkpoint->signal = number;
  else if (word == CHECKPOINT_SAYS_FINISHED)
    checkpoint->finished++;
  else if (word == CHECKPOINT_SAYS_IDLE)
    checkpoint->idle[from] = 1;
  else if (word == CHECKPOINT_SAYS_ALIVE)
    PatienceLearn(number);
  else if (number == checkpoint->writes) /* else there was one in between */
    checkpoint->due = PETSC_TRUE;
}

PetscErrorCode CheckpointSay(Checkpoint checkpoint, CheckpointWord word, int number) {
  PetscFunctionBeginUser;
  if (checkpoint->rank)
    PetscCallMPI(MPI_Send(&number, 1, MPI_INT, 0, (int)word, checkpoint->events));
  else
    Take(checkpoint, 0, word, number);
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointSaySignal(Checkpoint checkpoint, int signal) {
  PetscFunctionBeginUser;
  if (!signal || checkpoint->told) PetscFunctionReturn(0);
  checkpoint->told = PETSC_TRUE;
  PetscCall(CheckpointSay(checkpoint, CHECKPOINT_SAYS_SIGNAL, signal));
  PetscFunctionReturn(0);
}

/* Is it time for a sign? */
static PetscBool IsSilent(Checkpoint checkpoint) {
  const double now = MPI_Wtime();

  if (checkpoint->layout.groups == 1 || now - checkpoint->said < ALIVE) return PETSC_FALSE;
  checkpoint->said = now;
  return PETSC_TRUE;
}

/* What a sign says: whole seconds of the longest step. */
static int Longest(Checkpoint checkpoint) {
  return (int)PetscMin(checkpoint->longest + 1, 1e9);
}

PetscErrorCode CheckpointSayAlive(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (!checkpoint->shard && IsSilent(checkpoint))
    PetscCall(CheckpointSay(checkpoint, CHECKPOINT_SAYS_ALIVE, Longest(checkpoint)));
  PetscFunctionReturn(0);
}

/* On other ranks than 0 that wait: is rank 0 there? */
static PetscErrorCode Listen(Checkpoint checkpoint) {
  int there = 1, number;

  PetscFunctionBeginUser;
  for (;;) {
    PetscCallMPI(MPI_Iprobe(0, CHECKPOINT_SAYS_ALIVE, checkpoint->events, &there, MPI_STATUS_IGNORE));
    if (!there) break;
    PetscCallMPI(MPI_Recv(&number, 1, MPI_INT, 0, CHECKPOINT_SAYS_ALIVE, checkpoint->events, MPI_STATUS_IGNORE));
    PatienceLearn(number);
    PatienceTick();
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointHear(Checkpoint checkpoint) {
  int there = checkpoint->size > 1, number = Longest(checkpoint);
  MPI_Status status;

  PetscFunctionBeginUser;
  if (checkpoint->rank) PetscFunctionReturn(Listen(checkpoint));
  const PetscMPIInt told = IsSilent(checkpoint) ? checkpoint->size : 0;
  for (PetscMPIInt r = 1; r < told; r++)
    if (checkpoint->idle[r]) PetscCallMPI(MPI_Send(&number, 1, MPI_INT, r, CHECKPOINT_SAYS_ALIVE, checkpoint->events));
  while (there) {
    PetscCallMPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, checkpoint->events, &there, &status));
    if (!there) break;
    PetscCallMPI(
        MPI_Recv(&number, 1, MPI_INT, status.MPI_SOURCE, status.MPI_TAG, checkpoint->events, MPI_STATUS_IGNORE));
    Take(checkpoint, status.MPI_SOURCE, (CheckpointWord)status.MPI_TAG, number);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointBeginIdle(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (!checkpoint->shard) PetscCall(CheckpointSay(checkpoint, CHECKPOINT_SAYS_FINISHED, 0));
  if (checkpoint->rank && checkpoint->layout.groups > 1) PetscCall(CheckpointSay(checkpoint, CHECKPOINT_SAYS_IDLE, 0));
  (void)PatienceEnter("the other groups");
  (void)PatienceAcross(checkpoint->layout.groups > 1);
  PetscFunctionReturn(0);
}

void CheckpointEndIdle(void) {
  (void)PatienceAcross(0);
  PatienceLeave(NULL);
}

PetscErrorCode CheckpointMeet(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (checkpoint->layout.groups == 1) PetscFunctionReturn(0);
  const int before = PatienceAcross(1);
  PetscCallMPI(MPI_Barrier(checkpoint->layout.world));
  (void)PatienceAcross(before);
  PetscFunctionReturn(0);
}
