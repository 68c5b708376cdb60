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

/* Is the parent, /proc/PID, a launcher? */
static int IsLaunched(long parent) {
  static const char *const launchers[] = {"mpirun\n", "mpiexec\n", "orterun\n", "prterun\n", "orted\n", "prted\n"};
  char path[64], name[64] = "";
  int launched = 0;
  FILE *file;

  (void)snprintf(path, sizeof(path), "/proc/%ld/comm", parent);
  if (!(file = fopen(path, "r"))) return 0;
  if (!fgets(name, sizeof(name), file)) name[0] = '\0';
  (void)fclose(file);
  for (size_t i = 0; i < sizeof(launchers) / sizeof(*launchers); i++) launched |= !strcmp(name, launchers[i]);
  return launched;
}

/* mpirun stands between: it gives its processes a terminal of its own or a pipe, whatever it writes to itself. So it is
 * asked in their place. */
int TerminalWidth(int fd) {
  const long parent = (long)getppid();
  char path[64];
  int width, other;

  if (!IsLaunched(parent)) return Width(fd);
  (void)snprintf(path, sizeof(path), "/proc/%ld/fd/%d", parent, fd);
  if ((other = open(path, O_WRONLY | O_NOCTTY)) < 0) return 0;
  width = Width(other);
  (void)close(other);
  return width;
}
