/* chorale_hooked: chorale with something happening in the middle of a run, which a test chooses in the environment:
 *
 *     CHORALE_HOOK="PLACE RANK ACTION[=ARGUMENT][; PLACE RANK ACTION ...]"
 *
 * PLACE       REALIZATION STEP   so many steps of the realization (-1: of any) are done, before a checkpoint is due
 *             setup 1            signals are caught, and nothing is made yet
 *             checkpoint N       the N-th checkpoint of this run is written
 *             put N, rename N    before the N-th dataset is written by rows, before the N-th file is renamed
 *             finish 1           this rank's group has no work left
 *             progress N         before progress is told of for the N-th time
 *             look -1            the watch of base/patience.h has slept for its second, of this rank
 * RANK        of the world; -1: every rank
 * ACTION      kill               ends by SIGKILL, without a word
 *             signal=NUMBER      gets this signal
 *             wait=FILE          makes FILE.RANK, which holds the process number, and goes on when FILE exists
 *             await=FILE         makes FILE.RANK, too, and goes on when it has got one of a run's signals
 *             touch=FILE         makes FILE
 *             patience=SECONDS   waits for other ranks no longer than that from now on
 *             gather=NUMBERS     all ranks gather so many numbers of each rank on every rank (RANK -1)
 *             clock=SECONDS      lets the run's clock go on by so much; with this action anywhere it stands still else
 *             hasten=FACTOR      with this action anywhere the run's clock goes so many times as fast from its start
 *             tell=FILE          adds what that clock shows, a line, to FILE
 *
 * Each happens once, or every time where STEP or N is -1. So what a test does in the middle of a run does not depend on
 * how fast the machine is. */
#include <chorale/checkpoint.h>
#include <chorale/progress.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/patience.h"
#include "io/hdf.h"
#include "run/checkpoint_impl.h"
#include "step.h"

enum { HOOKS = 16, ARGUMENT = 4096, POLL = 10000 /* microseconds between looks at FILE */ };
enum { PATIENCE = 3600 }; /* seconds until a test that never tells is given up */

typedef enum { SETUP, STEP, WRITTEN, PUT, RENAME, FINISH, PROGRESS, LOOK } Place;

typedef struct {
  Place place;
  int realization, number, rank; /* number: of steps, or the how manieth time */
  PetscBool done;
  char action[16], argument[ARGUMENT];
} Hook;

static Hook hooks[HOOKS];
static int count;
static PetscBool standing; /* the clock stands still but for hooks */
static double passed;      /* seconds, on that clock */
static double pace = 1;    /* of the clock that goes */
static volatile sig_atomic_t got;
static int self = -1; /* the rank, once it has come to a place */

PetscErrorCode __real_CheckpointCatchSignals(void);
PetscErrorCode __wrap_CheckpointCatchSignals(void);
PetscErrorCode __real_CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped);
PetscErrorCode __wrap_CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped);
PetscErrorCode __real_CheckpointFinish(Checkpoint checkpoint, PetscBool *stopped);
PetscErrorCode __wrap_CheckpointFinish(Checkpoint checkpoint, PetscBool *stopped);
PetscErrorCode __real_CheckpointFileWrite(Checkpoint checkpoint);
PetscErrorCode __wrap_CheckpointFileWrite(Checkpoint checkpoint);
PetscErrorCode __real_HdfWriteRows(Hdf hdf, const char *path, PetscInt64 N, PetscInt64 k, PetscInt64 first,
                                   PetscInt64 stride, PetscInt64 n, const double *rows);
PetscErrorCode __wrap_HdfWriteRows(Hdf hdf, const char *path, PetscInt64 N, PetscInt64 k, PetscInt64 first,
                                   PetscInt64 stride, PetscInt64 n, const double *rows);
PetscErrorCode __real_ProgressUpdate(Progress progress, PetscInt64 done);
PetscErrorCode __wrap_ProgressUpdate(Progress progress, PetscInt64 done);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
double __real_MPI_Wtime(void);
double __wrap_MPI_Wtime(void);

static void Fail(const char *what, const char *argument) {
  fprintf(stderr, "chorale_hooked: %s: %s\n", what, argument);
  _exit(3);
}

static void Parse(const char *text, Hook *hook) {
  static const char *const places[] = {"setup", "", "checkpoint", "put", "rename", "finish", "progress", "look"};
  char place[16];

  if (sscanf(text, "%15s %d %d %15[^= ]=%4095s", place, &hook->number, &hook->rank, hook->action, hook->argument) < 4)
    Fail("CHORALE_HOOK", text);
  for (int i = 0; i < (int)(sizeof(places) / sizeof(places[0])); i++) {
    hook->place = (Place)i;
    if (!strcmp(place, places[i])) return;
  }
  hook->place = STEP;
  if (sscanf(place, "%d", &hook->realization) != 1) Fail("no such place", text);
}

/* Before main: whoever asks for the time first must know whether the clock stands. */
__attribute__((constructor)) void StepParseHooks(void) {
  const char *given = getenv("CHORALE_HOOK");
  char *text = strdup(given ? given : ""), *rest = text, *part;

  while ((part = strsep(&rest, ";"))) {
    if (!part[strspn(part, " ")]) continue;
    if (count == HOOKS) Fail("too many hooks", given);
    Parse(part, &hooks[count]);
    const Hook *hook = &hooks[count++];
    if (!strcmp(hook->action, "clock")) standing = PETSC_TRUE;
    if (!strcmp(hook->action, "hasten")) pace = atof(hook->argument);
  }
  free(text);
}

static void Touch(const char *path, const char *text) {
  const int file = open(path, O_WRONLY | O_CREAT, 0666);
  const ssize_t length = (ssize_t)strlen(text);
  if (file < 0 || write(file, text, (size_t)length) != length || close(file)) Fail("cannot make", path);
}

static void Mark(const char *path, int rank) {
  char mine[ARGUMENT + 16], new[ARGUMENT + 32], text[16];

  (void)snprintf(mine, sizeof(mine), "%s.%d", path, rank);
  (void)snprintf(new, sizeof(new), "%s.new", mine);
  (void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
  Touch(new, text);
  if (__real_rename(new, mine)) Fail("cannot make", mine);
}

static void Wait(const char *path, int rank) {
  Mark(path, rank);
  for (long looks = 0; access(path, F_OK); looks++) {
    if (looks > 1000000L / POLL * PATIENCE) Fail("nobody made", path);
    (void)usleep(POLL);
  }
}

static void Got(int number) {
  got = number;
}

/* Whichever thread of this process gets the signal. What caught it before catches it again, afterwards. */
static void Await(const char *path, int rank) {
  enum { SIGNALS = 6 };
  const int numbers[SIGNALS] = {SIGUSR1, SIGTERM, SIGINT, SIGHUP, SIGXCPU, SIGUSR2};
  const struct sigaction mine = {.sa_handler = Got};
  struct sigaction before[SIGNALS];

  for (int i = 0; i < SIGNALS; i++) (void)sigaction(numbers[i], &mine, &before[i]);
  Mark(path, rank);
  for (long looks = 0; !got; looks++) {
    if (looks > 1000000L / POLL * PATIENCE) Fail("no signal", path);
    (void)usleep(POLL);
  }
  for (int i = 0; i < SIGNALS; i++) (void)sigaction(numbers[i], &before[i], NULL);
  (void)raise(got);
}

/* Kept until the next time, as a program would that works on them. */
static void Gather(int numbers) {
  static double *all;
  double *mine = calloc((size_t)numbers, sizeof(double));
  int size;

  MPI_Comm_size(PETSC_COMM_WORLD, &size);
  free(all);
  all = malloc((size_t)numbers * (size_t)size * sizeof(double));
  MPI_Allgather(mine, numbers, MPI_DOUBLE, all, numbers, MPI_DOUBLE, PETSC_COMM_WORLD);
  free(mine);
}

static void Tell(const char *path) {
  FILE *file = fopen(path, "a");
  if (!file || fprintf(file, "%.17g\n", __wrap_MPI_Wtime()) < 0 || fclose(file)) Fail("cannot write", path);
}

static void Act(const Hook *hook, int rank) {
  const char *action = hook->action, *argument = hook->argument;
  if (!strcmp(action, "kill"))
    (void)raise(SIGKILL);
  else if (!strcmp(action, "signal"))
    (void)raise(atoi(argument));
  else if (!strcmp(action, "wait"))
    Wait(argument, rank);
  else if (!strcmp(action, "await"))
    Await(argument, rank);
  else if (!strcmp(action, "touch"))
    Touch(argument, "");
  else if (!strcmp(action, "patience"))
    PatienceSet(atof(argument));
  else if (!strcmp(action, "gather"))
    Gather(atoi(argument));
  else if (!strcmp(action, "clock"))
    passed += atof(argument);
  else if (!strcmp(action, "tell"))
    Tell(argument);
  else if (strcmp(action, "hasten"))
    Fail("no such action", action);
}

/* The rank is at this place. */
static void Reach(Place place, int realization, int number) {
  int rank;

  if (!count) return;
  MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
  self = rank;
  for (int i = 0; i < count; i++) {
    Hook *hook = &hooks[i];
    if (hook->done || hook->place != place || (hook->number >= 0 && hook->number != number) ||
        (hook->rank >= 0 && hook->rank != rank) ||
        (place == STEP && hook->realization >= 0 && hook->realization != realization))
      continue;
    hook->done = (PetscBool)(hook->number >= 0);
    Act(hook, rank);
  }
}

PetscErrorCode __wrap_CheckpointCatchSignals(void) {
  static int times;
  PetscFunctionBeginUser;
  PetscCall(__real_CheckpointCatchSignals());
  Reach(SETUP, -1, ++times);
  PetscFunctionReturn(0);
}

PetscErrorCode __wrap_CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped) {
  PetscFunctionBeginUser;
  Reach(STEP, (int)r, (int)step);
  PetscCall(__real_CheckpointStep(checkpoint, r, step, stopped));
  PetscFunctionReturn(0);
}

PetscErrorCode __wrap_CheckpointFinish(Checkpoint checkpoint, PetscBool *stopped) {
  PetscFunctionBeginUser;
  Reach(FINISH, -1, 1);
  PetscCall(__real_CheckpointFinish(checkpoint, stopped));
  PetscFunctionReturn(0);
}

PetscErrorCode __wrap_CheckpointFileWrite(Checkpoint checkpoint) {
  static int times;
  PetscFunctionBeginUser;
  PetscCall(__real_CheckpointFileWrite(checkpoint));
  Reach(WRITTEN, -1, ++times);
  PetscFunctionReturn(0);
}

PetscErrorCode __wrap_HdfWriteRows(Hdf hdf, const char *path, PetscInt64 N, PetscInt64 k, PetscInt64 first,
                                   PetscInt64 stride, PetscInt64 n, const double *rows) {
  static int times;
  PetscFunctionBeginUser;
  Reach(PUT, -1, ++times);
  PetscCall(__real_HdfWriteRows(hdf, path, N, k, first, stride, n, rows));
  PetscFunctionReturn(0);
}

PetscErrorCode __wrap_ProgressUpdate(Progress progress, PetscInt64 done) {
  static int times;
  PetscFunctionBeginUser;
  Reach(PROGRESS, -1, ++times);
  PetscCall(__real_ProgressUpdate(progress, done));
  PetscFunctionReturn(0);
}

int __wrap_rename(const char *from, const char *to) {
  static int times;
  Reach(RENAME, -1, ++times);
  return __real_rename(from, to);
}

/* Only the watch sleeps for a second at a time. It has a thread of its own, which may ask MPI for nothing. */
int __wrap_nanosleep(const struct timespec *time, struct timespec *left) {
  const int code = __real_nanosleep(time, left);

  for (int i = 0; i < count && time->tv_sec; i++)
    if (hooks[i].place == LOOK && hooks[i].rank == self) Act(&hooks[i], self);
  return code;
}

double __wrap_MPI_Wtime(void) {
  return standing ? passed : pace * __real_MPI_Wtime();
}
