/* One run at a time writes the files of a name. The lock is the system's: it ends with the process that holds it,
 * kill -9 included, and network file systems tell other hosts of it. What the file says is for the reader. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/output.h"
#include "run/signals.h"

#define MARK     "process " /* how the text of a lock begins */
#define PATIENCE 5.0        /* seconds that a run which was killed may take to be gone */
#define ROOM     (PETSC_MAX_PATH_LEN + 8)

static Output locked;   /* of this process, for an end that destroys no objects: bad input that is found late */
static char held[ROOM]; /* its file, for a signal that ends the process */

static void Name(Output output, char path[ROOM]) {
  (void)snprintf(path, ROOM, "%s.lock", output->trajectories);
}

/* Opens and locks the file: its descriptor, or -1 and errno. Whoever held it may have removed it just now: then the
 * file that was locked is no longer the one of that name, and its likes are opened again. */
static int TakeLock(const char *path) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  struct stat mine, named;
  int fd, error;

  for (;;) {
    if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0) return -1;
    if (fcntl(fd, F_SETLK, &lock)) {
      error = errno;
      (void)close(fd);
      errno = error;
      return -1;
    }
    if (!fstat(fd, &mine) && !stat(path, &named) && mine.st_ino == named.st_ino && mine.st_dev == named.st_dev)
      return fd;
    (void)close(fd);
  }
}

/* Who holds it, for those who are refused. */
static void Sign(int fd) {
  const char *job = getenv("SLURM_JOB_ID");
  char host[256] = "", text[512];

  (void)gethostname(host, sizeof(host) - 1);
  (void)snprintf(text, sizeof(text), MARK "%ld on host %s%s%s\n", (long)getpid(), host, job ? ", Slurm job " : "",
                 job ? job : "");
  if (ftruncate(fd, 0) || pwrite(fd, text, strlen(text), 0) < 0) return; /* a full disk: it is locked all the same */
}

static void ReadHolder(const char *path, size_t room, char *text) {
  FILE *file = fopen(path, "r");

  text[0] = '\0';
  if (!file) return;
  if (!fgets(text, (int)room, file)) text[0] = '\0';
  (void)fclose(file);
  text[strcspn(text, "\n")] = '\0';
}

/* Is something of this name there that is no lock? It is not to be written, nor removed. */
static PetscBool IsForeign(const char *path) {
  char start[sizeof(MARK)] = "";
  struct stat status;
  FILE *file;

  if (lstat(path, &status)) return PETSC_FALSE;
  if (!S_ISREG(status.st_mode)) return PETSC_TRUE;
  if (!status.st_size || !(file = fopen(path, "r"))) return PETSC_FALSE;
  if (!fgets(start, sizeof(start), file)) start[0] = '\0';
  (void)fclose(file);
  return strcmp(start, MARK) ? PETSC_TRUE : PETSC_FALSE;
}

/* Does another process hold it? For a run that is not to make one. */
static PetscBool IsHeld(const char *path) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  PetscBool taken = PETSC_FALSE;

  if (fd < 0) return PETSC_FALSE;
  if (!fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK) taken = PETSC_TRUE;
  (void)close(fd);
  return taken;
}

static void Refuse(const char *path, size_t room, char *reason) {
  char holder[256];

  ReadHolder(path, sizeof(holder), holder);
  (void)snprintf(reason, room, "another run is writing it%s%s", holder[0] ? ": " : "", holder);
}

/* On rank 0: why there is no lock, empty when it is held or this file system has none. */
static void Try(Output output, size_t room, char *reason) {
  char path[ROOM];
  const double start = MPI_Wtime();

  Name(output, path);
  while ((output->lock = TakeLock(path)) < 0 && (errno == EACCES || errno == EAGAIN)) {
    if (access(path, R_OK | W_OK)) break; /* EACCES of the file itself */
    if (MPI_Wtime() - start > PATIENCE) {
      Refuse(path, room, reason);
      return;
    }
    (void)usleep(100000);
  }
  if (output->lock >= 0)
    Sign(output->lock);
  else if (errno == EACCES || errno == EPERM || errno == EROFS || errno == ENOENT)
    (void)snprintf(reason, room, "%s cannot be locked: %s", path, strerror(errno));
  else
    fprintf(stderr, "chorale: warning: %s cannot be locked (%s): do not start a second run of this name\n", path,
            strerror(errno));
}

/* Of a study without checkpoints, which a signal ends: as it would without a lock, but for the file. */
void OutputLeave(int number) {
  if (held[0]) (void)unlink(held);
  (void)signal(number, SIG_DFL);
  (void)raise(number);
}

static PetscErrorCode UnlockLast(void) {
  PetscFunctionBeginUser;
  if (locked) OutputUnlock(locked);
  PetscFunctionReturn(0);
}

PetscErrorCode OutputLock(Output output, PetscBool stops, PetscBool dry) {
  char reason[PETSC_MAX_PATH_LEN + 512] = "", path[ROOM];

  PetscFunctionBeginUser;
  Name(output, path);
  if (!output->rank) {
    if (IsForeign(path))
      (void)snprintf(reason, sizeof(reason), "%s is no lock of a run; remove it", path);
    else if (!dry)
      Try(output, sizeof(reason), reason);
    else if (IsHeld(path))
      Refuse(path, sizeof(reason), reason);
  }
  if (output->lock >= 0) {
    locked = output;
    Name(output, held);
    if (!stops) PetscCall(SignalsCatch(OutputLeave));
    PetscCall(PetscRegisterFinalize(UnlockLast));
  }
  PetscCallMPI(MPI_Bcast(reason, sizeof(reason), MPI_CHAR, 0, output->comm));
  PetscCheck(!reason[0], output->comm, PETSC_ERR_USER_INPUT, "output_file = %s: %s", output->file, reason);
  PetscFunctionReturn(0);
}

void OutputUnlock(Output output) {
  char path[ROOM];

  if (output->lock < 0) return;
  Name(output, path);
  (void)unlink(path);
  (void)close(output->lock);
  output->lock = -1;
  if (locked == output) locked = NULL;
  held[0] = '\0';
}
