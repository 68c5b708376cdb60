/* chorale_hooked: chorale with something happening at a step of a run, which a test chooses in the environment:
 *
 *     CHORALE_HOOK="REALIZATION STEP RANK ACTION[=ARGUMENT]"
 *
 * When the rank of the world (-1: every rank) has done STEP steps of the realization (-1: of any), before the
 * checkpoint is asked for, it does the ACTION once: kill            ends by SIGKILL, without a word signal=NUMBER gets
 * this signal wait=FILE       makes FILE.RANK and goes on when FILE exists touch=FILE      makes FILE and goes on So
 * what a test does in the middle of a run does not depend on how fast the machine is. */
#include <chorale/checkpoint.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  POLL = 10000,
  PATIENCE = 1800
}; /* microseconds between looks at FILE; seconds until a test that never tells is given up */

PetscErrorCode __real_CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped);
PetscErrorCode __wrap_CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped);

static void Fail(const char *what, const char *argument) {
  fprintf(stderr, "chorale_hooked: %s: %s\n", what, argument);
  _exit(3);
}

static void Touch(const char *path) {
  const int file = open(path, O_WRONLY | O_CREAT, 0666);
  if (file < 0 || close(file)) Fail("cannot make", path);
}

static void Wait(const char *path, int rank) {
  char mine[PETSC_MAX_PATH_LEN];
  snprintf(mine, sizeof(mine), "%s.%d", path, rank);
  Touch(mine);
  for (long looks = 0; access(path, F_OK); looks++) {
    if (looks > 1000000L / POLL * PATIENCE) Fail("nobody made", path);
    usleep(POLL);
  }
}

static void Act(char *action, int rank) {
  char *argument = strchr(action, '=');
  if (argument) *argument++ = '\0';
  if (!strcmp(action, "kill")) {
    raise(SIGKILL);
  } else if (!argument) {
    Fail("no such action", action);
  } else if (!strcmp(action, "signal")) {
    raise(atoi(argument));
  } else if (!strcmp(action, "wait")) {
    Wait(argument, rank);
  } else if (!strcmp(action, "touch")) {
    Touch(argument);
  } else {
    Fail("no such action", action);
  }
}

PetscErrorCode __wrap_CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped) {
  const char *hook = getenv("CHORALE_HOOK");
  static int done;
  char action[PETSC_MAX_PATH_LEN];
  int realization, due, who;
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  if (hook && !done) {
    if (sscanf(hook, "%d %d %d %4000s", &realization, &due, &who, action) != 4) Fail("CHORALE_HOOK", hook);
    PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
    if ((realization < 0 || realization == r) && due == step && (who < 0 || who == rank)) {
      done = 1;
      Act(action, rank);
    }
  }
  PetscCall(__real_CheckpointStep(checkpoint, r, step, stopped));
  PetscFunctionReturn(0);
}
