#include <chorale/progress.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run/terminal.h"

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
  int columns;      /* of the terminal */
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
    made->columns = TerminalWidth(STDERR_FILENO);
    made->bar = made->columns ? PETSC_TRUE : PETSC_FALSE;
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

/* One line, drawn over and over, no longer than the terminal is wide: the bar gives way, and then what is behind it. */
static void PrintBar(const Progress progress, int percent, double rate, const char *left) {
  char bar[BAR_WIDTH + 4] = "", tail[96];
  const int most = progress->columns - 1;
  int width;

  (void)snprintf(tail, sizeof(tail), "%3d%%  %.4g/s  ETA %s", percent, rate, left);
  width = PetscMin(progress->width, most - (int)(strlen(progress->label) + strlen(tail) + strlen(" [] ")));
  if (width >= BAR_LEAST) {
    bar[0] = '[';
    for (int i = 0; i < width; i++) bar[1 + i] = i < (int)(width * progress->done / progress->total) ? '#' : '.';
    strcpy(bar + 1 + width, "] ");
  }
  width = most - (int)(strlen(progress->label) + 1 + strlen(bar));
  fprintf(stderr, "\r\033[K%.*s %s%.*s", most, progress->label, bar, PetscMax(0, width), tail);
}

static void Print(const Progress progress, double elapsed) {
  const double share = (double)progress->done / (double)progress->total,
               rate = elapsed > 0 ? (double)progress->done / elapsed : 0;
  const int percent = (int)(100 * progress->done / progress->total);
  char left[32] = "?";

  if (progress->done) Duration(elapsed * (1 - share) / share, left, sizeof(left));
  if (progress->bar)
    PrintBar(progress, percent, rate, left);
  else
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
