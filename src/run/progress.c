#include <chorale/progress.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH    28
#define BAR_LEAST    8
#define BAR_INTERVAL 0.1 /* seconds between updates of the bar */
#define LOG_INTERVAL 30  /* and between the lines in a log */

const OptionKey ProgressKeys[] = {
    REAL_KEY(ProgressOptions, interval, "progress", "auto", 0, 1e6, "s", .above = PETSC_TRUE, .whole = PETSC_TRUE,
             .words = OPTION_WORDS("auto", "off"),
             .help = "Progress on stderr: a bar on a terminal and a line every 30 s in a log; off; or seconds between "
                     "lines."),
    {.name = NULL}};

struct _p_Progress {
  char name[64], label[128]; /* label: name and note */
  PetscInt64 total, done;
  int width;        /* of the bar, which a note makes shorter */
  PetscBool active; /* this rank prints */
  PetscBool bar;    /* on a terminal: one line, drawn over and over */
  PetscBool shown;  /* something was printed */
  double interval, start, next;
};

/* Seconds as 4.2 s, 3:07 or 2:03:07. */
static const char *Duration(double seconds, char *text, size_t room) {
  const long s = (long)(seconds + 0.5);

  if (seconds < 60)
    snprintf(text, room, "%.1f s", seconds);
  else if (s < 3600)
    snprintf(text, room, "%ld:%02ld", s / 60, s % 60);
  else
    snprintf(text, room, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  return text;
}

/* Does what is written to stderr end on a terminal? mpirun stands between: it gives its processes a pipe and passes on
 * to its own stderr, so a parent called mpirun, mpiexec or orterun is asked in their place (Linux; elsewhere a log is
 * assumed). */
static PetscBool OnTerminal(void) {
  char path[64], name[64] = "";
  FILE *file;
  PetscBool yes = PETSC_FALSE;
  int fd;

  if (isatty(STDERR_FILENO)) return PETSC_TRUE;
  (void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)getppid());
  if ((file = fopen(path, "r"))) {
    if (!fgets(name, sizeof(name), file)) name[0] = '\0';
    (void)fclose(file);
  }
  if (strcmp(name, "mpirun\n") && strcmp(name, "mpiexec\n") && strcmp(name, "orterun\n")) return PETSC_FALSE;
  (void)snprintf(path, sizeof(path), "/proc/%ld/fd/2", (long)getppid());
  if ((fd = open(path, O_WRONLY | O_NOCTTY)) >= 0) {
    yes = isatty(fd) ? PETSC_TRUE : PETSC_FALSE;
    (void)close(fd);
  }
  return yes;
}

PetscErrorCode ProgressCreate(MPI_Comm comm, const ProgressOptions *options, const char *label, PetscInt64 total,
                              Progress *progress) {
  PetscMPIInt rank;
  Progress made;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&made));
  PetscCall(PetscStrncpy(made->name, label, sizeof(made->name)));
  PetscCall(ProgressSetStage(made, total, ""));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  made->active = rank == 0 && options->interval != PROGRESS_OFF ? PETSC_TRUE : PETSC_FALSE;
  made->interval = options->interval;
  if (options->interval < 0) {
    made->bar = OnTerminal();
    made->interval = made->bar ? BAR_INTERVAL : LOG_INTERVAL;
  }
  made->start = MPI_Wtime();
  made->next = made->start + made->interval;
  *progress = made;
  PetscFunctionReturn(0);
}

PetscErrorCode ProgressSetStage(Progress progress, PetscInt64 total, const char *note) {
  const size_t length = strlen(note);

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(progress->label, sizeof(progress->label), "%s%s%s", progress->name, length ? " " : "", note));
  progress->width = length + 1 < BAR_WIDTH - BAR_LEAST ? BAR_WIDTH - (int)length - (length ? 1 : 0) : BAR_LEAST;
  progress->total = PetscMax(total, 1);
  PetscFunctionReturn(0);
}

static void Print(const Progress progress, double elapsed) {
  const double share = (double)progress->done / (double)progress->total,
               rate = elapsed > 0 ? (double)progress->done / elapsed : 0;
  const int percent = (int)(100 * progress->done / progress->total);
  char left[32] = "?", bar[BAR_WIDTH + 1];

  if (progress->done) Duration(elapsed * (1 - share) / share, left, sizeof(left));
  if (progress->bar) {
    for (int i = 0; i < progress->width; i++)
      bar[i] = i < (int)(progress->width * progress->done / progress->total) ? '#' : '.';
    bar[progress->width] = '\0';
    fprintf(stderr, "\r\033[K%s [%s] %3d%%  %.4g/s  ETA %s", progress->label, bar, percent, rate, left);
  } else
    fprintf(stderr, "%s: %d%%, %" PetscInt64_FMT " of %" PetscInt64_FMT ", %.4g/s, ETA %s\n", progress->label, percent,
            progress->done, progress->total, rate, left);
  fflush(stderr);
}

PetscErrorCode ProgressUpdate(Progress progress, PetscInt64 done) {
  double now;

  PetscFunctionBeginUser;
  progress->done = PetscMin(done, progress->total);
  if (!progress->active) PetscFunctionReturn(0);
  now = MPI_Wtime();
  if (now < progress->next) PetscFunctionReturn(0);
  Print(progress, now - progress->start);
  progress->shown = PETSC_TRUE;
  progress->next = now + progress->interval;
  PetscFunctionReturn(0);
}

PetscErrorCode ProgressDestroy(Progress *progress) {
  const Progress old = *progress;
  char elapsed[32];

  PetscFunctionBeginUser;
  if (!old) PetscFunctionReturn(0);
  if (old->active && (old->bar || old->shown)) {
    Duration(MPI_Wtime() - old->start, elapsed, sizeof(elapsed));
    fprintf(stderr, "%s%s: %" PetscInt64_FMT " of %" PetscInt64_FMT " in %s\n", old->bar ? "\r\033[K" : "", old->label,
            old->done, old->total, elapsed);
    fflush(stderr);
  }
  PetscCall(PetscFree(*progress));
  PetscFunctionReturn(0);
}
