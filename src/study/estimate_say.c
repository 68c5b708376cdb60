/* How long a run would take, in words. */
#include <string.h>

#include "base/plan.h"
#include "law/stats/stopping.h"
#include "study/estimate_impl.h"

#define WRITE_RATE  5e8  /* bytes per second: what a disk of a node, or a rank of a parallel file system, takes */
#define WRITE_ARRAY 5e-5 /* seconds that a dataset takes, however small */
#define TEXT        1024 /* room for a line */

/* About 7 s, 1.8 min, 12 min, 3 h 20 min, 2 days 5 h. */
static void Duration(PetscReal seconds, char *text, size_t room) {
  const long long minutes = (long long)(seconds / 60 + 0.5), hours = (long long)(seconds / 3600 + 0.5);

  if (seconds < 1)
    (void)snprintf(text, room, "under a second");
  else if (seconds < 99.5)
    (void)snprintf(text, room, "about %.2g s", (double)seconds);
  else if (seconds < 599)
    (void)snprintf(text, room, "about %.2g min", (double)seconds / 60);
  else if (minutes < 60)
    (void)snprintf(text, room, "about %lld min", minutes);
  else if (hours < 48)
    (void)snprintf(text, room, "about %lld h %lld min", minutes / 60, minutes % 60);
  else
    (void)snprintf(text, room, "about %lld days %lld h", hours / 24, hours % 24);
}

/* kB, MB, GB or TB. */
static void Size(PetscReal bytes, char *text, size_t room) {
  static const char *const units[] = {"kB", "MB", "GB", "TB"};
  int u = 0;

  for (bytes /= 1000; bytes >= 999.5 && u < 3; u++) bytes /= 1000;
  (void)snprintf(text, room, "%.2g %s", (double)(bytes >= 99.5 ? (PetscReal)(long long)(bytes + 0.5) : bytes),
                 units[u]);
  if (bytes >= 99.5) (void)snprintf(text, room, "%.0f %s", (double)bytes, units[u]);
}

/* What takes at least a twentieth of the time, the most first. */
static PetscErrorCode Shares(const PetscReal kind[KINDS], PetscReal all, char text[TEXT]) {
  static const char *const names[KINDS] = {
      [ATTENTION] = "attention", [NOISE] = "noise",     [STEPS] = "other work of steps", [W2] = "W2",
      [FRAMES] = "frames",       [NETWORK] = "network", [FILES] = "writing files"};
  PetscBool said[KINDS] = {PETSC_FALSE};
  char part[64];

  PetscFunctionBeginUser;
  text[0] = '\0';
  for (int n = 0; n < KINDS; n++) {
    int most = -1;
    for (int k = 0; k < KINDS; k++)
      if (!said[k] && kind[k] >= 0.05 * all && kind[k] > 0 && (most < 0 || kind[k] > kind[most])) most = k;
    if (most < 0) break;
    said[most] = PETSC_TRUE;
    PetscCall(PetscSNPrintf(part, sizeof(part), "%s%s %.0f%%", text[0] ? ", " : ", of which ", names[most],
                            (double)(100 * kind[most] / all)));
    PetscCall(PetscStrlcat(text, part, TEXT));
  }
  PetscFunctionReturn(0);
}

PetscReal EstimateSeconds(const EstimateSum *sum) {
  return sum->start + sum->step + sum->frame;
}

/* What is not as it seems: how it was found, and that it may be less. */
static PetscErrorCode Remarks(const Cells *cells, const EstimateSum *sum, char text[TEXT]) {
  char part[TEXT];

  PetscFunctionBeginUser;
  text[0] = '\0';
  if (cells->count > 1)
    PetscCall(PetscSNPrintf(text, TEXT,
                            ";\n           %.0f of its cells timed, others told from the number of operations",
                            (double)sum->timed));
  if (sum->guessed > 0)
    PetscCall(PetscStrlcat(text, ";\n           too long to be timed, from the number of operations", TEXT));
  if (cells->run[0]->target) {
    PetscCall(
        PetscSNPrintf(part, TEXT, ";\n           ensemble_target may need fewer, at least %d in all", STOPPING_FIRST));
    PetscCall(PetscStrlcat(text, part, TEXT));
  }
  PetscFunctionReturn(0);
}

/* What a step asks of the network where its tokens are those of several ranks. */
static PetscErrorCode SayNetwork(Run run, const EstimateSum *sum) {
  const RunOptions *options = &run->options;
  const PetscReal calls = sum->traffic.calls / sum->steps;
  const PetscReal each = sum->kind[NETWORK] / sum->steps, step = sum->step / sum->steps;
  char size[64];
  PetscBool part;

  PetscFunctionBeginUser;
  PetscCall(PlanIsPart(run->layout.shards, &part));
  if (!(calls > 0)) PetscFunctionReturn(0);
  Size(sum->traffic.bytes / sum->steps, size, sizeof(size));
  PetscCall(PetscPrintf(run->layout.world, "network    a step takes %.3g collective call%s and %s of a rank",
                        (double)calls, calls == 1 ? "" : "s", size));
  if (part)
    PetscCall(PetscPrintf(
        run->layout.world,
        ", %.2g of its %.2g ms: efficiency %.0f%%\n           with dry_latency %.6g us and dry_bandwidth %.6g GB/s; "
        "steps alone are told, frames are not",
        1e3 * (double)each, 1e3 * (double)step, step > 0 ? 100 * (double)(1 - each / step) : 0.0,
        (double)options->latency, (double)options->bandwidth));
  PetscCall(PetscPrintf(run->layout.world, "\n"));
  PetscFunctionReturn(0);
}

PetscErrorCode EstimateSay(const Cells *cells, const EstimateFiles *files, const EstimateSum *sum) {
  const MPI_Comm world = cells->run[0]->layout.world;
  const PetscReal bytes = files->bytes, writing = bytes / WRITE_RATE + files->arrays * WRITE_ARRAY;
  const PetscReal seconds = EstimateSeconds(sum) + writing;
  const PetscReal n = sum->realizations, steps = sum->steps / n, frames = sum->frames / n;
  PetscReal kind[KINDS];
  char duration[64], size[64], shares[TEXT], remarks[TEXT];
  PetscMPIInt ranks;

  PetscFunctionBeginUser;
  PetscCall(PlanRanks(&ranks));
  PetscCall(PetscArraycpy(kind, sum->kind, KINDS));
  kind[FILES] = writing;
  kind[NOISE] += kind[DRAW]; /* one thing to a user */
  kind[DRAW] = 0;
  Duration(seconds, duration, sizeof(duration));
  Size(bytes, size, sizeof(size));
  PetscCall(Shares(kind, seconds, shares));
  PetscCall(Remarks(cells, sum, remarks));
  PetscCall(PetscPrintf(world, "time       %s%s on %d rank%s, %s of files%s\n", cells->run[0]->target ? "at most " : "",
                        duration, ranks, ranks == 1 ? "" : "s", size, shares));
  PetscCall(PetscPrintf(world,
                        "           %.4g realization%s one after the other, of %.6g steps and %.6g frames; start-up "
                        "aside%s\n",
                        (double)n, n == 1 ? "" : "s", (double)steps, (double)frames, remarks));
  PetscCall(SayNetwork(cells->run[0], sum));
  PetscCall(PetscPrintf(world,
                        "estimate   seconds=%.6g realizations=%.6g start=%.6g step=%.6g steps=%.6g frame=%.6g "
                        "frames=%.6g writing=%.6g bytes=%.0f calls=%.6g traffic=%.6g network=%.6g\n",
                        (double)seconds, (double)n, (double)(sum->start / n), (double)(sum->step / sum->steps),
                        (double)steps, (double)(sum->frames > 0 ? sum->frame / sum->frames : 0), (double)frames,
                        (double)writing, (double)bytes, (double)(sum->traffic.calls / sum->steps),
                        (double)(sum->traffic.bytes / sum->steps), (double)(sum->kind[NETWORK] / sum->steps)));
  PetscFunctionReturn(0);
}
