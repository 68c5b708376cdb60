/* One line per failure instead of PETSc's traceback (see error.h for the policy). */
#include <chorale/error.h>

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/patience.h"

/* Exit codes are a fixed contract: scripts and batch systems tell bad input from a failed run by them. */
enum { EXIT_OK = 0, EXIT_RUNTIME = 1, EXIT_INPUT = 2, EXIT_STOPPED = 85 };

#define GRACE 3.0 /* seconds that ranks which met the same bad input may be apart */

static MPI_Comm meeting = MPI_COMM_NULL; /* the world, for ErrorMeet alone */
static char unspoken[1024];              /* bad input that this rank met and has left rank 0 to tell */

/* Values quoted in a message may hold anything: a line feed in a file name must not make two lines of one. */
static void OneLine(const char *message, char *line, size_t size) {
  size_t n = strlen(message);
  if (n >= size) n = size - 1;
  for (size_t i = 0; i < n; i++) line[i] = (unsigned char)message[i] < ' ' || message[i] == 127 ? '?' : message[i];
  line[n] = '\0';
}

static const char *BaseName(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* PETSc calls this where an error is raised (INITIAL) and again in every caller it passes through (REPEAT). */
static PetscErrorCode Handler(MPI_Comm comm, int line, const char *function, const char *file, PetscErrorCode code,
                              PetscErrorType type, const char *message, void *context) {
  char text[1024];
  PetscMPIInt rank = 0;
  PetscMPIInt place = 0;
  int mpi = 0;
  (void)context;
  if (type == PETSC_ERROR_REPEAT) return code;
  if (!MPI_Initialized(&mpi) && mpi) {
    MPI_Comm_rank(PETSC_COMM_WORLD, &rank);
    if (comm != MPI_COMM_NULL) MPI_Comm_rank(comm, &place);
  }
  if (!message || !*message || !strcmp(message, " ")) {
    const char *meaning = NULL;
    if (PetscErrorMessage(code, &meaning, NULL) || !meaning) meaning = "unknown error";
    message = meaning;
  }
  /* PETSc 3.18 reports a failed malloc with the caller's line number as its code and function as its message. */
  if (!strncmp(function, "PetscMalloc", strlen("PetscMalloc"))) code = PETSC_ERR_MEM;
  if (code == PETSC_ERR_MEM) message = "out of memory; -dry_run says how much a run needs";
  OneLine(message, text, sizeof(text));
  if (code == PETSC_ERR_USER_INPUT || code == CHORALE_ERR_STOPPED) { /* raised by all ranks alike: one of them speaks */
    if (rank == 0) {
      fprintf(stderr, "chorale: %s\n", text);
    } else if (code == PETSC_ERR_USER_INPUT) /* or not: see ErrorMeet */
      memcpy(unspoken, text, sizeof(unspoken));
    return code;
  }
  /* A failure that many ranks meet at once should still be one line: rank 0 speaks at once and main aborts the job; the
   * first rank of the communicator that failed (of a group, say) waits for that, and others longer: they are alive to
   * speak only if the failure was theirs. The launcher ends them by SIGTERM, which checkpoints may have taken over. */
  (void)signal(SIGTERM, SIG_DFL);
  if (rank > 0) (void)PetscSleep(place == 0 ? 1.0 : 2.0);
  fprintf(stderr, "chorale: error: %s (%s, %s:%d, rank %d)\n", text, function, BaseName(file), line, (int)rank);
  fflush(stderr);
  return code;
}

PetscErrorCode ErrorHandlerPush(void) {
  PetscBool abort, debugger;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_dup(PETSC_COMM_WORLD, &meeting));
  /* Who asks PETSc to stop in a debugger wants PETSc's handler. */
  PetscCall(PetscOptionsHasName(NULL, NULL, "-on_error_abort", &abort));
  PetscCall(PetscOptionsHasName(NULL, NULL, "-on_error_attach_debugger", &debugger));
  if (!abort && !debugger) {
    PetscCall(PetscPushErrorHandler(Handler, NULL));
    PetscCall(PetscRegisterFinalize(PetscPopErrorHandler)); /* as late as can be: it serves PetscFinalize too */
  }
  PetscFunctionReturn(0);
}

static void Speak(void) {
  fprintf(stderr, "chorale: %s\n", unspoken);
  fflush(stderr);
}

/* The failure of the only rank is said: MPI has nothing to add. */
static void Hush(void) {
  (void)fflush(stderr);
  (void)!freopen("/dev/null", "w", stderr);
}

PetscErrorCode ErrorMeet(PetscErrorCode code) {
  const struct timespec nap = {.tv_nsec = 1000000};
  const int end = ErrorExitCode(code);
  const double start = MPI_Wtime();
  MPI_Request request;
  PetscMPIInt rank, size, mine, first;
  double patience;
  int met = 0;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(meeting, &rank));
  PetscCallMPI(MPI_Comm_size(meeting, &size));
  if (end == EXIT_RUNTIME && size == 1) Hush();
  if (end == EXIT_RUNTIME) MPI_Abort(PETSC_COMM_WORLD, end);
  mine = end == EXIT_INPUT ? rank : INT_MAX;
  PetscCallMPI(MPI_Iallreduce(&mine, &first, 1, MPI_INT, MPI_MIN, meeting, &request));
  PetscCallMPI(MPI_Test(&request, &met, MPI_STATUS_IGNORE));
  /* A rank that is alone with its bad input ends all others. Rank 0, which has spoken, does so first; of other ranks
   * each waits a little longer than the one before, so that one of them speaks and the others are ended by then. The
   * launcher does that by SIGTERM, which checkpoints may have taken over. */
  patience = GRACE + (rank ? 1 + 0.25 * (rank % 16) : 0);
  if (end == EXIT_INPUT) (void)signal(SIGTERM, SIG_DFL);
  (void)PatienceEnter("the end of the run");
  while (!met) {
    (void)nanosleep(&nap, NULL);
    PetscCallMPI(MPI_Test(&request, &met, MPI_STATUS_IGNORE));
    if (met || end != EXIT_INPUT || MPI_Wtime() - start < patience) continue;
    if (rank) Speak();
    MPI_Abort(PETSC_COMM_WORLD, end);
  }
  PatienceLeave(NULL);
  if (first == rank && rank) Speak();
  PetscCallMPI(MPI_Comm_free(&meeting));
  PetscFunctionReturn(0);
}

int ErrorExitCode(PetscErrorCode code) {
  if (code == CHORALE_ERR_STOPPED) return EXIT_STOPPED;
  return !code ? EXIT_OK : code == PETSC_ERR_USER_INPUT ? EXIT_INPUT : EXIT_RUNTIME;
}
