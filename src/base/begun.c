#include "base/begun.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void BegunTell(void) {
  const char *path = getenv("CHORALE_BEGUN");
  const int file = path && *path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;

  if (file >= 0) (void)close(file);
}
