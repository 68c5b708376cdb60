/* chorale_forked: runs of chorale, of which each rank is a fork of a process in which MPI and PETSc have started
 * already. Starting them takes most of a small run. What follows is main() of chorale itself, from its deck to its exit
 * code; the tests of starts and ends of programs start chorale.
 *
 * Each rank connects to the socket CHORALE_WORLD, of type SOCK_SEQPACKET, and tells its number when all have met. Then,
 * for each run:
 *   to all ranks     RUN HOOK DIRECTORY and the words of the command line, each ended by a zero byte, with the
 *                    descriptors of stdout and stderr
 *   of each          READY
 *   to all           GO, when all are ready
 *   to some          STOP, to kill the run
 *   of each          the status of waitpid() and whether PetscFinalize was reached; NOT_HERE is the exit code of a run
 *                    with options that PETSc reads when it starts
 * At the end RUN alone, READY, and the socket is closed. */
#include <petscsys.h>

#include <fcntl.h>
#include <hdf5.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step.h"

enum { MESSAGE = 1 << 17, WORDS = 4096, NOT_HERE = 254, OWN_ARGUMENTS = 2 /* chorale's name and -skip_petscrc */ };
enum { RUN = 'r', READY = 'a', GO = 'g', STOP = 's' };

/* What the ranks of a machine send each other goes through memory of each that all share, Open MPI's btl vader. A run
 * leaves there what the processes that go on have never seen, so before the next it gets back what it held when they
 * had met. */
typedef struct {
  char *place, *first; /* this rank's, and what it held */
  size_t length;
} Shared;

static int test = -1;    /* the socket */
static int reached = -1; /* in a run: tells that it has come to PetscFinalize */
static int size = 1;

int __real_main(int argc, char **argv); /* of src/main.c */
int __wrap_main(int argc, char **argv);
PetscErrorCode __real_PetscInitialize(int *argc, char ***argv, const char file[], const char help[]);
PetscErrorCode __wrap_PetscInitialize(int *argc, char ***argv, const char file[], const char help[]);
PetscErrorCode __wrap_PetscFinalize(void);
PetscErrorCode __real_PetscFinalize(void);

PetscErrorCode __wrap_PetscInitialize(int *argc, char ***argv, const char file[], const char help[]) {
  (void)argv;
  (void)file;
  (void)help;
  if (*argc > OWN_ARGUMENTS) _exit(NOT_HERE);
  return 0;
}

/* What was registered to be done at the end, and ranks meet; MPI ends with the process that started it. */
PetscErrorCode __wrap_PetscFinalize(void) {
  PetscFunctionBeginUser;
  PetscCall(PetscRegisterFinalizeAll());
  if (size > 1) PetscCallMPI(PMPI_Barrier(MPI_COMM_WORLD));
  if (write(reached, "", 1) != 1) return PETSC_ERR_SYS;
  PetscFunctionReturn(0);
}

/* The launcher ends the other ranks: here who asked for the run. */
int MPI_Abort(MPI_Comm comm, int code) {
  (void)comm;
  _exit(code);
}

/* Finds this rank's memory that others write into; 1 when there is none. */
static int SharedFind(int rank, Shared *shared) {
  char line[4096], name[64] = "";
  FILE *maps = fopen("/proc/self/maps", "r");

  (void)snprintf(name, sizeof(name), ".%d\n", rank);
  while (maps && !shared->place && fgets(line, sizeof(line), maps)) {
    unsigned long from, to;
    const size_t length = strlen(line), end = strlen(name);
    if (!strstr(line, " rw-s ") || !strstr(line, "/vader_segment.") || strcmp(line + length - end, name) ||
        sscanf(line, "%lx-%lx", &from, &to) != 2)
      continue;
    shared->place = (char *)from;
    shared->length = to - from;
    shared->first = malloc(shared->length);
  }
  if (maps) (void)fclose(maps);
  return !shared->first;
}

/* The first time nothing has happened yet. */
static void SharedRestore(Shared *shared) {
  static int times;

  if (size == 1) return;
  if (times++)
    memcpy(shared->place, shared->first, shared->length);
  else
    memcpy(shared->first, shared->place, shared->length);
}

/* The next message and its two descriptors, if it has them; its length, 0 at the end. */
static ssize_t Receive(char *text, int files[2]) {
  struct iovec part = {.iov_base = text, .iov_len = MESSAGE};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(2 * sizeof(int))];
  } control;
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
  ssize_t length = recvmsg(test, &message, 0);
  struct cmsghdr *found = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  files[0] = files[1] = -1;
  if (found && found->cmsg_len == CMSG_LEN(2 * sizeof(int))) memcpy(files, CMSG_DATA(found), 2 * sizeof(int));
  return length > 0 ? length : 0;
}

/* In the fork: the run. Returns its exit code. */
static int Run(char *text, ssize_t length, const int files[2]) {
  static char *words[WORDS + 1];
  int count = 0, nothing = open("/dev/null", O_RDONLY), code;
  char *hook = text, *directory = hook + strlen(hook) + 1;
  for (char *word = directory + strlen(directory) + 1; word < text + length && count < WORDS; word += strlen(word) + 1)
    words[count++] = word;
  if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(files[0], STDOUT_FILENO) < 0 ||
      dup2(files[1], STDERR_FILENO) < 0 || close(nothing) || close(files[0]) || close(files[1]) || chdir(directory) ||
      setenv("CHORALE_HOOK", hook, 1))
    return NOT_HERE;
  StepParseHooks();
  code = __real_main(count, words);
  if (H5close() < 0 || fflush(NULL)) return code ? code : 1;
  return code;
}

/* Until the run has ended, of which a pipe tells, or the test kills it, or has ended itself. Has the run come to
 * PetscFinalize? */
static int Watch(pid_t run, int pipe) {
  struct pollfd both[] = {{.fd = test, .events = POLLIN}, {.fd = pipe, .events = POLLIN}};
  char byte;
  int has = 0;

  for (;;) {
    if (poll(both, 2, -1) < 0) continue;
    if (both[0].revents) {
      (void)kill(run, SIGKILL);
      both[0].fd = -1;
    }
    if (both[1].revents && read(pipe, &byte, 1) != 1) return has;
    has |= both[1].revents;
  }
}

/* A run; returns 1 when it cannot be told of. */
static int Fork(char *text, ssize_t length, const int files[2]) {
  int pipes[2], answer[2] = {0};
  pid_t run;

  if (pipe(pipes)) return 1;
  if (!(run = fork())) {
    reached = pipes[1];
    if (close(pipes[0]) || close(test)) _exit(NOT_HERE);
    _exit(Run(text, length, files));
  }
  if (run < 0 || close(pipes[1]) || close(files[0]) || close(files[1])) return 1;
  answer[1] = Watch(run, pipes[0]);
  if (close(pipes[0]) || waitpid(run, &answer[0], 0) < 0) return 1;
  return send(test, answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer);
}

/* Runs until the test ends; 1 when it ended in the middle of one. */
static int Serve(Shared *shared) {
  static char text[MESSAGE + 1];
  const char ready = READY;
  char go;
  int files[2];
  ssize_t length;

  for (;;) {
    while ((length = Receive(text, files)) > 0 && text[0] == STOP) {
    } /* of a run that had ended */
    if (!length) return 1;
    text[length] = 0;
    SharedRestore(shared);
    if (send(test, &ready, 1, MSG_NOSIGNAL) != 1) return 1;
    if (recv(test, &go, 1, 0) != 1) return length > 1; /* after RUN alone this is the end */
    if (Fork(text + 1, length - 1, files)) return 1;
  }
}

/* What libraries would do in every run: load the parts of MPI that open files, and get to know each other rank. */
static int Prepare(const char *path) {
  char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];
  int *all = calloc(2 * (size_t)size, sizeof(*all));
  MPI_File file;

  if (!all) return 1;
  PMPI_Alltoall(all, 1, MPI_INT, all + size, 1, MPI_INT, MPI_COMM_WORLD);
  free(all);
  (void)snprintf(name, sizeof(name), "%s.file", path);
  return PMPI_File_open(MPI_COMM_WORLD, name, MPI_MODE_CREATE | MPI_MODE_RDWR | MPI_MODE_DELETE_ON_CLOSE, MPI_INFO_NULL,
                        &file) ||
         PMPI_File_close(&file) || H5open() < 0;
}

/* Connected to the test, when all ranks have met and nothing is under way between them any more. */
static int Meet(Shared *shared) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = getenv("CHORALE_WORLD");
  int rank;

  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  PMPI_Comm_size(MPI_COMM_WORLD, &size);
  if (!path || strlen(path) >= sizeof(address.sun_path)) return 1;
  strcpy(address.sun_path, path);
  if ((size > 1 && SharedFind(rank, shared)) || Prepare(path) || PMPI_Barrier(MPI_COMM_WORLD)) return 1;
  test = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  return test < 0 || connect(test, (struct sockaddr *)&address, sizeof(address)) ||
         send(test, &rank, sizeof(rank), MSG_NOSIGNAL) != sizeof(rank);
}

int __wrap_main(int argc, char **argv) {
  char *own[] = {argv[0], (char[]){"-skip_petscrc"}, NULL}, **words = own;
  int count = OWN_ARGUMENTS;
  Shared shared = {0};

  (void)argc;
  unsetenv("PETSC_OPTIONS");
  unsetenv("PETSC_OPTIONS_YAML");
  if (__real_PetscInitialize(&count, &words, NULL, NULL)) return 1;
  if (Meet(&shared) || Serve(&shared)) _exit(1);
  free(shared.first);
  return __real_PetscFinalize() ? 1 : 0;
}
