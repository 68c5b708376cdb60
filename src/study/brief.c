#include "study/brief.h"

#include <stdio.h>
#include <unistd.h>

#include "base/plan.h"
#include "run/terminal.h"

enum { LABEL = 11, TEXT = 2 * PETSC_MAX_PATH_LEN };

static const char *Plural(PetscInt n) {
  return n == 1 ? "" : "s";
}

/* A line, or as many as a terminal needs. */
static void Line(const char *label, const char *text) {
  const int columns = TerminalWidth(STDOUT_FILENO);

  printf("%-*s", LABEL, label);
  if (columns > 2 * LABEL)
    DeckPrintWrapped(text, LABEL, columns - LABEL);
  else
    puts(text);
}

/* Tokens, realizations and the cells of a sweep, and who computes them. */
static PetscErrorCode Size(const Cells *cells, const StudyBrief *brief, char text[]) {
  const EnsembleLayout *layout = &cells->run[cells->order[0]]->layout;
  char part[STUDY_PHRASE];
  const char *key, *const *values;
  PetscBool numeric;
  PetscMPIInt ranks;
  PetscInt n;

  PetscFunctionBeginUser;
  text[0] = '\0';
  if (cells->count > 1) {
    PetscCall(PetscSNPrintf(text, TEXT, "%" PetscInt_FMT " cells of", cells->count));
    for (PetscInt i = 0; (key = DeckAxis(i, &n, &values, &numeric)); i++) {
      PetscCall(PetscSNPrintf(part, sizeof(part), "%s %s", i ? " x" : "", key));
      PetscCall(PetscStrlcat(text, part, TEXT));
    }
    PetscCall(PetscStrlcat(text, "; the largest has ", TEXT));
  }
  PetscCall(PlanRanks(&ranks));
  PetscCall(PetscStrlcat(text, brief->size, TEXT));
  if (*brief->size) PetscCall(PetscStrlcat(text, ", ", TEXT));
  PetscCall(PetscSNPrintf(part, sizeof(part), "%" PetscInt_FMT " realization%s; %d rank%s, %" PetscInt_FMT " group%s",
                          layout->realizations, Plural(layout->realizations), ranks, Plural(ranks), layout->groups,
                          Plural(layout->groups)));
  PetscCall(PetscStrlcat(text, part, TEXT));
  PetscFunctionReturn(0);
}

/* Steps, their time, frames. */
static PetscErrorCode Length(const Run run, char text[]) {
  const Frames *frames = &run->frames;
  const PetscInt most = (run->layout.realizations - 1) / run->layout.groups + 1;
  char part[128] = "";

  PetscFunctionBeginUser;
  if (frames->count && frames->time)
    PetscCall(PetscSNPrintf(part, sizeof(part), " up to t = %.6g, %" PetscInt_FMT " frame%s",
                            (double)frames->time[frames->count - 1], frames->count, Plural(frames->count)));
  PetscCall(PetscSNPrintf(text, TEXT, "%" PetscInt_FMT " step%s%s", run->steps, Plural(run->steps), part));
  if (most > 1) {
    PetscCall(PetscSNPrintf(part, sizeof(part), "; %s%" PetscInt_FMT " realizations per group",
                            run->layout.realizations % run->layout.groups ? "at most " : "", most));
    PetscCall(PetscStrlcat(text, part, TEXT));
  }
  PetscFunctionReturn(0);
}

/* The files. */
static PetscErrorCode Files(const Run run, char text[]) {
  const char *table = run->output->options.table;
  const PetscInt count = TrajectoriesCount(run->trajectories);
  char part[TEXT];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(text, TEXT, "%s", run->study->form.only_table ? "" : run->output->file));
  if (*table) {
    PetscCall(PetscSNPrintf(part, TEXT, "%stable %s", *text ? ", " : "", table));
    PetscCall(PetscStrlcat(text, part, TEXT));
  }
  if (count) {
    PetscCall(PetscSNPrintf(part, TEXT, ", %" PetscInt_FMT " %s in %s", count,
                            count == 1 ? "trajectory" : "trajectories", run->output->trajectories));
    PetscCall(PetscStrlcat(text, part, TEXT));
  }
  if (run->checkpoint) {
    PetscCall(CheckpointBrief(run->checkpoint, TEXT, part));
    PetscCall(PetscStrlcat(text, ", checkpoint ", TEXT));
    PetscCall(PetscStrlcat(text, part, TEXT));
  }
  PetscFunctionReturn(0);
}

PetscErrorCode BriefView(const Cells *cells) {
  const Run run = cells->run[cells->order[0]];
  char size[TEXT], length[TEXT], files[TEXT];
  StudyBrief brief = {.accuracy = ""};
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(run->layout.world, &rank));
  if (!rank) {
    PetscCall(DeckSelect(run->cell));
    if (run->study->brief) PetscCall(run->study->brief(run->state, &brief));
    PetscCall(DeckSelect(DECK_WHOLE));
    PetscCall(Size(cells, &brief, size));
    PetscCall(Length(run, length));
    PetscCall(Files(run, files));
    Line(run->study->name, *brief.model ? brief.model : run->study->summary);
    Line("size", size);
    if (*brief.accuracy) Line("accuracy", brief.accuracy);
    Line("length", length);
    Line("output", files);
  }
  PetscCall(TargetView(run->target));
  if (run->checkpoint) PetscCall(CheckpointViewOrigin(run->checkpoint));
  PetscFunctionReturn(0);
}
