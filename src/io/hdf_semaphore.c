/* At every collective opening of a file Open MPI takes, for a moment, a semaphore of the whole machine that is named
 * after the file, to set shared file pointers, which nothing here uses. A process killed in that moment leaves it
 * taken, and every other run on the machine that opens a file of this name would wait for ever. So these semaphores are
 * no names of the machine but a process's own: the three functions stand before those of the C library. */
#include "io/hdf_impl.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* Of one opening. */
typedef struct Private {
  sem_t semaphore; /* first: its address is that of all */
  struct Private *next;
} Private;

static Private *all;

void HdfLinkSemaphores(void) {}

/* Open MPI leaves out the slash that POSIX wants. */
static int IsOfFiles(const char *name) {
  return !strncmp(name + (*name == '/'), "OMPIO_", strlen("OMPIO_"));
}

/* The C library's function of this name. A function's address in a pointer to data: POSIX demands that it fits. */
static void Find(const char *name, void *function) {
  void *found = dlsym(RTLD_NEXT, name);

  if (!found) abort(); /* no C library without it */
  memcpy(function, &found, sizeof(found));
}

sem_t *sem_open(const char *name, int flags, ...) {
  sem_t *(*next)(const char *, int, ...);
  unsigned value = 0;
  mode_t mode = 0;
  va_list rest;

  if (flags & O_CREAT) {
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    value = va_arg(rest, unsigned);
    va_end(rest);
  }
  if (IsOfFiles(name)) {
    Private *own = malloc(sizeof(*own));
    if (!own) return SEM_FAILED;
    if (sem_init(&own->semaphore, 0, value)) {
      free(own);
      return SEM_FAILED;
    }
    own->next = all;
    all = own;
    return &own->semaphore;
  }
  Find("sem_open", &next);
  return next(name, flags, mode, value);
}

int sem_close(sem_t *semaphore) {
  int (*next)(sem_t *);

  for (Private **link = &all; *link; link = &(*link)->next) {
    Private *own = *link;
    if (&own->semaphore != semaphore) continue;
    *link = own->next;
    (void)sem_destroy(semaphore);
    free(own);
    return 0;
  }
  Find("sem_close", &next);
  return next(semaphore);
}

int sem_unlink(const char *name) {
  int (*next)(const char *);

  if (IsOfFiles(name)) return 0;
  Find("sem_unlink", &next);
  return next(name);
}
