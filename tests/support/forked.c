/* chorale_forked: runs of chorale on one rank, each a fork of one process in which MPI and PETSc have started already.
 * Starting them takes most of a small run. What follows is main() of chorale itself, from its deck to its exit code;
 * the tests of starts and ends of programs, and all runs with several ranks, start chorale.
 *
 * stdin is a socket of type SOCK_SEQPACKET. A message is HOOK, DIRECTORY and the words of the command line, each ended
 * by a zero byte, with the descriptors of stdout and stderr. The answer is the status of waitpid(), as 4 bytes;
 * NOT_HERE is the exit code of a run with options that PETSc reads when it starts. */
#include <petscsys.h>

#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "step.h"

enum { MESSAGE = 1 << 17, WORDS = 4096, NOT_HERE = 254, OWN_ARGUMENTS = 2 /* chorale's name and -skip_petscrc */ };

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

/* What was registered to be done at the end; MPI ends with the process that started it. */
PetscErrorCode __wrap_PetscFinalize(void) {
  return PetscRegisterFinalizeAll();
}

/* The next message and its two descriptors; its length, 0 at the end. */
static ssize_t Receive(char *text, int files[2]) {
  struct iovec part = {.iov_base = text, .iov_len = MESSAGE};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(2 * sizeof(int))];
  } control;
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
  ssize_t length = recvmsg(STDIN_FILENO, &message, 0);
  struct cmsghdr *found = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (!found || found->cmsg_len != CMSG_LEN(2 * sizeof(int))) return 0;
  memcpy(files, CMSG_DATA(found), 2 * sizeof(int));
  return length;
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

int __wrap_main(int argc, char **argv) {
  static char text[MESSAGE + 1];
  char *own[] = {argv[0], (char[]){"-skip_petscrc"}, NULL}, **words = own;
  int count = OWN_ARGUMENTS, files[2], status;
  ssize_t length;
  (void)argc;
  unsetenv("PETSC_OPTIONS");
  unsetenv("PETSC_OPTIONS_YAML");
  if (__real_PetscInitialize(&count, &words, NULL, NULL)) return 1;
  while ((length = Receive(text, files)) > 0) {
    pid_t run;
    text[length] = 0;
    run = fork();
    if (run == 0) _exit(Run(text, length, files));
    if (run < 0 || close(files[0]) || close(files[1]) || waitpid(run, &status, 0) < 0) return 1;
    if (write(STDIN_FILENO, &status, sizeof(status)) != sizeof(status)) break; /* the test gave up */
  }
  return __real_PetscFinalize() ? 1 : 0;
}
