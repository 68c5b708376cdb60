#include "run/terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define USUAL 80

static int Width(int fd) {
  struct winsize size;

  if (!isatty(fd)) return 0;
  return !ioctl(fd, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : USUAL;
}

/* mpirun stands between: it gives its processes a pipe and passes on to its own file descriptor, so a parent called
 * mpirun, mpiexec, orterun or prterun (Open MPI 5) is asked in their place. */
int TerminalWidth(int fd) {
  static const char *const launchers[] = {"mpirun\n", "mpiexec\n", "orterun\n", "prterun\n"};
  char path[64], name[64] = "";
  int width = Width(fd), other, launched = 0;
  FILE *file;

  if (width) return width;
  (void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)getppid());
  if ((file = fopen(path, "r"))) {
    if (!fgets(name, sizeof(name), file)) name[0] = '\0';
    (void)fclose(file);
  }
  for (size_t i = 0; i < sizeof(launchers) / sizeof(*launchers); i++) launched |= !strcmp(name, launchers[i]);
  if (!launched) return 0;
  (void)snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)getppid(), fd);
  if ((other = open(path, O_WRONLY | O_NOCTTY)) < 0) return 0;
  width = Width(other);
  (void)close(other);
  return width;
}
