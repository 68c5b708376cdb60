/* When to write a checkpoint and when to stop. Groups advance at their own pace, so rank 0 decides and tells all ranks
 * by a broadcast that they have posted ahead and look for after every step: no rank waits for another until there is
 * something to write. Within a group the first shard looks and tells the others along with a sum of the step, or after
 * it where there is none, so that all act at the end of the same step. */
#include "run/checkpoint_impl.h"

#include <chorale/error.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/patience.h"
#include "base/ride.h"
#include "run/signals.h"

const OptionKey CheckpointKeys[] = {
    INT_KEY(CheckpointOptions, every, "checkpoint_every", "0", 0, 1000000000000, "steps", .whole = PETSC_TRUE,
            .help = "Steps between checkpoints, counted in the group of ranks that is ahead; 0 for none by steps."),
    REAL_KEY(CheckpointOptions, interval, "checkpoint_interval", "600", 0, 1e9, "s", .whole = PETSC_TRUE,
             .help = "Seconds between checkpoints; 0 for none by time."),
    FLAG_KEY(CheckpointOptions, resume, "checkpoint_resume",
             .help = "Go on from the last checkpoint of output_file, from the beginning if there is none."),
    REAL_KEY(CheckpointOptions, wall, "checkpoint_walltime", "0", 0, 1e9, "s", .whole = PETSC_TRUE,
             .help = "Seconds after which the run is killed: it writes a checkpoint and stops in time (exit code 85); "
                     "0 for no limit."),
    REAL_KEY(CheckpointOptions, patience, "checkpoint_patience", "auto", 0, 1e9, "s", .whole = PETSC_TRUE,
             .words = OPTION_WORDS("auto"),
             .help = "Seconds that a rank waits for others in one place until it takes them for lost and ends the run "
                     "(exit code 75); 0 for ever; auto goes by the longest step, and is 15 minutes at least."),
    STRING_KEY(CheckpointOptions, stop_file, "checkpoint_stop_file", "", .shown = "(none)",
               .help = "The run writes a checkpoint and stops (exit code 85) when this file appears."),
    FLAG_KEY(CheckpointOptions, keep, "checkpoint_keep", .needs = {{"scheme_levels", "0"}},
             .help = "Keep the end of every realization beside the results, so that a complete run can go on to a "
                     "longer horizon: layers_depth and layers_horizon, with checkpoint_resume."),
    {.name = NULL}};

#define PATIENCE   2    /* seconds that a signal waits for a run to begin */
#define LOOK       0.5  /* seconds between looks at the stop file */
#define ASK        1e-4 /* seconds between looks for what ranks tell each other */
#define IDLE_SLEEP 1000 /* microseconds between looks of a group without work */
/* The longest step and write so far, times this, must fit before the wall-time limit. So that there is a write to go
 * by, a run with a limit writes its first checkpoint after its first step. */
#define MARGIN 2.0

static volatile sig_atomic_t caught, stepping;

/* A run that has not begun has nothing to keep: where it does not come to its first step soon, since a file that it
 * reads does not answer, say, the signal ends it. */
static void End(int number) {
  (void)number;
  OutputLeave((int)caught);
}

static void Catch(int number) {
  if (!caught && !stepping) (void)alarm(PATIENCE);
  caught = number;
}

/* From now on a signal waits for the end of a step, however long that takes. */
static void BeginSteps(void) {
  stepping = 1;
  (void)alarm(0);
}

PetscErrorCode CheckpointCatchSignals(void) {
  PetscFunctionBeginUser;
  if (!stepping) (void)signal(SIGALRM, End);
  PetscCall(SignalsCatch(Catch));
  PetscFunctionReturn(0);
}

/* The broadcast of the next event, which all ranks but 0 post ahead. */
static PetscErrorCode Listen(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (checkpoint->rank)
    PetscCallMPI(MPI_Ibcast(&checkpoint->heard, 1, MPI_INT, 0, checkpoint->events, &checkpoint->request));
  PetscFunctionReturn(0);
}

/* Complete results have less than this run: the checkpoint of a run that went on from them before, if there is one that
 * fits, or they themselves. Other checkpoints are of no use to it. */
static PetscErrorCode GoOn(Checkpoint checkpoint) {
  PetscErrorCode unfit;

  PetscFunctionBeginUser;
  PetscCall(PetscPushErrorHandler(PetscReturnErrorHandler, NULL));
  unfit = CheckpointFileFind(checkpoint);
  PetscCall(PetscPopErrorHandler());
  if (unfit) checkpoint->source[0] = '\0';
  for (PetscInt r = 0; r < checkpoint->layout.realizations && !checkpoint->source[0]; r++) {
    const CheckpointCell *cell = CheckpointCellOf(checkpoint, r);
    const PetscInt steps = checkpoint->earlier.steps ? checkpoint->earlier.steps : cell->steps;
    checkpoint->step[r] = r - cell->first < checkpoint->earlier.realizations ? steps : 0;
  }
  PetscFunctionReturn(0);
}

/* What is left of the run that is to go on. Complete results of all of it end it; others are written anew from a
 * checkpoint, and without one they must be of the same deck, unless they may be overwritten. */
static PetscErrorCode Resume(Checkpoint checkpoint) {
  const char *file = checkpoint->output->file;
  const PetscBool overwrite = checkpoint->output->options.overwrite;
  MPI_Comm world = checkpoint->layout.world;

  PetscFunctionBeginUser;
  PetscCall(CheckpointReadResults(checkpoint));
  if (checkpoint->results != RESULTS_COMPLETE) PetscCall(CheckpointFileFind(checkpoint));
  PetscCheck(checkpoint->results != RESULTS_BROKEN || checkpoint->source[0], world, PETSC_ERR_USER_INPUT,
             "output_file = %s: cannot be read, and there is no checkpoint to write it anew from; remove it", file);
  if (checkpoint->results == RESULTS_BROKEN && !checkpoint->rank)
    fprintf(stderr, "chorale: warning: %s cannot be read: it will be written anew\n", file);
  PetscCheck(checkpoint->results != RESULTS_FOREIGN || overwrite, world, PETSC_ERR_USER_INPUT,
             "output_file = %s: exists and holds no results of study %s; output_overwrite replaces it", file,
             checkpoint->output->study);
  if (checkpoint->results == RESULTS_COMPLETE ||
      (checkpoint->results == RESULTS_PARTIAL && !checkpoint->source[0] && !overwrite))
    PetscCall(CheckpointCompareResults(checkpoint));
  if (checkpoint->results == RESULTS_SHORTER) PetscCall(GoOn(checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointCreate(const CheckpointOptions *options, Output output, Ensemble ensemble, PetscInt steps,
                                Checkpoint *checkpoint) {
  PetscFunctionBeginUser;
  PetscCall(CheckpointCreateCells(options, output, ensemble, 1, &ensemble, &steps, checkpoint));
  PetscFunctionReturn(0);
}

static PetscErrorCode MakeCells(Checkpoint checkpoint, PetscInt n, const Ensemble cells[], const PetscInt steps[]) {
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(n, &checkpoint->cells));
  checkpoint->cell_count = n;
  for (PetscInt c = 0; c < n; c++) {
    CheckpointCell *cell = &checkpoint->cells[c];
    PetscCall(EnsembleGetLayout(cells[c], &cell->layout));
    cell->steps = steps[c];
    cell->first = c * cell->layout.realizations;
    cell->held = -1;
  }
  checkpoint->layout.realizations = n * checkpoint->cells[0].layout.realizations;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointCreateCells(const CheckpointOptions *options, Output output, Ensemble whole, PetscInt n,
                                     const Ensemble cells[], const PetscInt steps[], Checkpoint *checkpoint) {
  const char *folder = output->trajectories;
  Checkpoint made;

  PetscFunctionBeginUser;
  PetscCall(OutputCheckFolder(output));
  PetscCall(PetscNew(&made));
  made->options = *options;
  made->output = output;
  PetscCall(PetscSNPrintf(made->file, sizeof(made->file), "%s/checkpoint.h5", folder));
  PetscCall(PetscSNPrintf(made->previous, sizeof(made->previous), "%s/checkpoint.prev.h5", folder));
  PetscCall(PetscSNPrintf(made->temporary, sizeof(made->temporary), "%s/checkpoint.tmp.h5", folder));
  PetscCall(EnsembleGetLayout(whole, &made->layout));
  PetscCall(MakeCells(made, n, cells, steps));
  PetscCallMPI(MPI_Comm_rank(made->layout.world, &made->rank));
  PetscCallMPI(MPI_Comm_size(made->layout.world, &made->size));
  PetscCallMPI(MPI_Comm_rank(made->layout.shards, &made->shard));
  PetscCallMPI(MPI_Comm_size(made->layout.shards, &made->shards));
  PetscCallMPI(MPI_Comm_dup(made->layout.world, &made->events));
  made->current = -1;
  made->request = MPI_REQUEST_NULL;
  PetscCall(PetscCalloc2(made->layout.realizations, &made->step, made->layout.realizations, &made->source_step));
  if (options->resume) PetscCall(Resume(made));
  PetscCall(CheckpointCatchSignals());
  if (!made->rank && made->layout.groups > 1) PetscCall(PetscCalloc1(made->size, &made->idle));
  made->start = made->written = made->last = MPI_Wtime();
  made->looked = -PETSC_MAX_REAL; /* a stop file may be there already */
  PetscCall(Listen(made));
  *checkpoint = made;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointDestroy(Checkpoint *checkpoint) {
  Checkpoint old = *checkpoint;

  PetscFunctionBeginUser;
  if (!old) PetscFunctionReturn(0);
  if (old->size > 1 && old->event != CHECKPOINT_DONE && old->event != CHECKPOINT_STOP) {
    /* a run that ends before CheckpointFinish (-dry_run): the posted broadcast must be answered */
    if (!old->rank) {
      old->event = CHECKPOINT_DONE;
      PetscCallMPI(MPI_Ibcast(&old->event, 1, MPI_INT, 0, old->events, &old->request));
    }
    PetscCallMPI(MPI_Wait(&old->request, MPI_STATUS_IGNORE));
  }
  PetscCallMPI(MPI_Comm_free(&old->events));
  PetscCall(PetscFree(old->entries));
  PetscCall(PetscFree(old->cells));
  PetscCall(PetscFree2(old->step, old->source_step));
  PetscCall(PetscFree(old->idle));
  PetscCall(PetscFree(*checkpoint));
  PetscFunctionReturn(0);
}

/* On rank 0: no checkpoint is left. */
static void RemoveFiles(Checkpoint checkpoint) {
  (void)unlink(checkpoint->file);
  (void)unlink(checkpoint->previous);
  (void)unlink(checkpoint->temporary);
}

PetscErrorCode CheckpointIsComplete(Checkpoint checkpoint, PetscBool *complete) {
  PetscFunctionBeginUser;
  *complete = checkpoint->results == RESULTS_COMPLETE ? PETSC_TRUE : PETSC_FALSE;
  if (*complete)
    PetscCall(
        PetscPrintf(checkpoint->layout.world, "%s is complete: nothing is left to resume\n", checkpoint->output->file));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointSetActions(Checkpoint checkpoint, PetscErrorCode (*before)(void *context),
                                    PetscErrorCode (*after)(void *context), void *context) {
  PetscFunctionBeginUser;
  checkpoint->before = before;
  checkpoint->after = after;
  checkpoint->context = context;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointKeepDone(Checkpoint checkpoint, PetscInt n, PetscReal all[], PetscInt *done) {
  const CheckpointCell *cell = &checkpoint->cells[checkpoint->cell];
  const EnsembleLayout *e = &cell->layout;
  const PetscInt rows = *done;
  int *finished; /* every group knows its own */

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(e->realizations, &finished));
  for (PetscInt r = 0; r < e->realizations; r++)
    finished[r] = CheckpointIsMine(checkpoint, cell->first + r) && checkpoint->step[cell->first + r] == cell->steps;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, finished, (PetscMPIInt)e->realizations, MPI_INT, MPI_MAX, e->world));
  *done = 0;
  for (PetscInt r = 0; r < rows; r++)
    if (finished[r]) PetscCall(PetscArraymove(all + (size_t)(*done)++ * (size_t)n, all + (size_t)r * (size_t)n, n));
  PetscCall(PetscFree(finished));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointResume(Checkpoint checkpoint, PetscInt r, PetscInt *step) {
  PetscFunctionBeginUser;
  *step = 0;
  /* what an older run of this name left would be taken for this one's, were it killed before its first checkpoint */
  if (!checkpoint->source[0] && !checkpoint->rank && !checkpoint->loaded) RemoveFiles(checkpoint);
  if (checkpoint->source[0] && !checkpoint->loaded) PetscCall(CheckpointFileReadRows(checkpoint));
  checkpoint->loaded = PETSC_TRUE;
  BeginSteps();
  if (!checkpoint->source[0] && !checkpoint->earlier.realizations) PetscFunctionReturn(0);
  *step = (PetscInt)checkpoint->step[r];
  if (0 < *step && *step < CheckpointCellOf(checkpoint, r)->steps) PetscCall(CheckpointFileReadState(checkpoint, r));
  PetscFunctionReturn(0);
}

/* On rank 0: why the run has to stop, if it has. due: a checkpoint is to be written, beside which a look for the stop
 * file costs nothing. */
static PetscErrorCode FindReason(Checkpoint checkpoint, double now, PetscBool due) {
  const CheckpointOptions *options = &checkpoint->options;
  const double end = now - checkpoint->start + MARGIN * (checkpoint->longest + checkpoint->cost);
  const PetscBool looks = options->stop_file[0] && (due || now - checkpoint->looked > LOOK) ? PETSC_TRUE : PETSC_FALSE;
  struct stat status;

  PetscFunctionBeginUser;
  if (looks) checkpoint->looked = now;
  if (caught)
    PetscCall(PetscSNPrintf(checkpoint->reason, sizeof(checkpoint->reason), "signal %d", (int)caught));
  else if (looks && !stat(options->stop_file, &status))
    PetscCall(PetscSNPrintf(checkpoint->reason, sizeof(checkpoint->reason), "the stop file %.90s", options->stop_file));
  else if (options->wall > 0 && end >= options->wall)
    PetscCall(
        PetscSNPrintf(checkpoint->reason, sizeof(checkpoint->reason), "wall time of %.6g s", (double)options->wall));
  PetscFunctionReturn(0);
}

/* On rank 0: what is to be done now, and the news of it to all ranks. finished: nothing is left to stop. */
static PetscErrorCode Decide(Checkpoint checkpoint, PetscBool finished) {
  const CheckpointOptions *options = &checkpoint->options;
  const double now = MPI_Wtime();
  PetscBool due;

  PetscFunctionBeginUser;
  PetscCall(CheckpointHear(checkpoint));
  if (checkpoint->signal) caught = (sig_atomic_t)checkpoint->signal;
  due = checkpoint->due || (options->interval > 0 && now - checkpoint->written >= options->interval) ||
                (options->wall > 0 && !checkpoint->writes)
            ? PETSC_TRUE
            : PETSC_FALSE;
  PetscCall(FindReason(checkpoint, now, due));
  checkpoint->event = due ? CHECKPOINT_WRITE : CHECKPOINT_GO;
  if (checkpoint->reason[0]) checkpoint->event = CHECKPOINT_STOP;
  if (finished) checkpoint->event = CHECKPOINT_DONE;
  if (checkpoint->event != CHECKPOINT_GO && checkpoint->size > 1) {
    PetscCallMPI(MPI_Ibcast(&checkpoint->event, 1, MPI_INT, 0, checkpoint->events, &checkpoint->request));
    PetscCallMPI(MPI_Wait(&checkpoint->request, MPI_STATUS_IGNORE));
  }
  PetscFunctionReturn(0);
}

/* On other ranks: has rank 0 spoken? */
static PetscErrorCode Look(Checkpoint checkpoint) {
  int spoken;

  PetscFunctionBeginUser;
  PetscCall(CheckpointSaySignal(checkpoint, (int)caught));
  PetscCall(checkpoint->current < 0 ? CheckpointHear(checkpoint) : CheckpointSayAlive(checkpoint));
  PetscCallMPI(MPI_Test(&checkpoint->request, &spoken, MPI_STATUS_IGNORE));
  checkpoint->event = spoken ? checkpoint->heard : CHECKPOINT_GO;
  PetscFunctionReturn(0);
}

/* On a group's first rank: what is to be done after this step. Steps may be so short that it would take a good part of
 * them to look for messages after each. */
static PetscErrorCode Ask(void *context, PetscInt64 *word) {
  Checkpoint checkpoint = context;

  PetscFunctionBeginUser;
  checkpoint->event = CHECKPOINT_GO;
  if (caught || checkpoint->due || checkpoint->last - checkpoint->asked > ASK) {
    checkpoint->asked = checkpoint->last;
    PetscCall(checkpoint->rank ? Look(checkpoint) : Decide(checkpoint, PETSC_FALSE));
  }
  *word = checkpoint->event;
  PetscFunctionReturn(0);
}

static PetscErrorCode Write(Checkpoint checkpoint) {
  const double start = MPI_Wtime();
  double most[2];

  PetscFunctionBeginUser;
  if (checkpoint->before) PetscCall(checkpoint->before(checkpoint->context));
  PetscCall(CheckpointFileWrite(checkpoint));
  if (checkpoint->after) PetscCall(checkpoint->after(checkpoint->context));
  checkpoint->since = 0;
  checkpoint->due = PETSC_FALSE;
  checkpoint->writes++;
  checkpoint->written = checkpoint->last = MPI_Wtime();
  checkpoint->cost = PetscMax(checkpoint->cost, checkpoint->written - start);
  most[0] = checkpoint->longest;
  most[1] = caught;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_DOUBLE, MPI_MAX, checkpoint->layout.world));
  checkpoint->longest = most[0];
  PatienceLearn(PetscMax(checkpoint->longest, checkpoint->cost));
  if (!checkpoint->rank && !caught) caught = (sig_atomic_t)most[1]; /* the message that tells of it may be on its way */
  PetscFunctionReturn(0);
}

/* Does what all ranks have been told. */
static PetscErrorCode Act(Checkpoint checkpoint, PetscBool *stopped) {
  PetscFunctionBeginUser;
  *stopped = PETSC_FALSE;
  if (checkpoint->event == CHECKPOINT_GO) PetscFunctionReturn(0);
  if (checkpoint->event != CHECKPOINT_DONE) PetscCall(CheckpointMeet(checkpoint));
  if (checkpoint->event != CHECKPOINT_DONE) PetscCall(Write(checkpoint));
  if (checkpoint->event == CHECKPOINT_WRITE)
    PetscCall(Listen(checkpoint));
  else
    *stopped = checkpoint->event == CHECKPOINT_STOP ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* All shards of the group learn what is to be done. over: no further step of the realization will tell them. */
static PetscErrorCode Agree(Checkpoint checkpoint, PetscBool due, PetscBool over) {
  PetscInt64 word;
  const PetscBool came = RideEnd(&word),
                  known = came && (word != CHECKPOINT_GO || !(over || due)) ? PETSC_TRUE : PETSC_FALSE;

  PetscFunctionBeginUser;
  checkpoint->event = known ? (int)word : CHECKPOINT_GO;
  if (!known && !checkpoint->shard) PetscCall(Ask(checkpoint, &word));
  if (checkpoint->shards == 1) PetscFunctionReturn(0);
  if (!known) PetscCallMPI(MPI_Bcast(&checkpoint->event, 1, MPI_INT, 0, checkpoint->layout.shards));
  if (checkpoint->shard && checkpoint->event != CHECKPOINT_GO)
    PetscCallMPI(MPI_Wait(&checkpoint->request, MPI_STATUS_IGNORE));
  /* a shard that only listens may be the one that caught the signal */
  if (checkpoint->shard && (checkpoint->event == CHECKPOINT_GO || checkpoint->event == CHECKPOINT_WRITE))
    PetscCall(CheckpointSaySignal(checkpoint, (int)caught));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped) {
  CheckpointCell *const cell = CheckpointCellOf(checkpoint, r);
  const PetscBool over = step == cell->steps ? PETSC_TRUE : PETSC_FALSE;
  const PetscInt64 before = checkpoint->since, every = checkpoint->options.every;
  const double now = MPI_Wtime();

  PetscFunctionBeginUser;
  checkpoint->current = cell->held = r;
  checkpoint->since += PetscMax(1, step - checkpoint->step[r]); /* less where lost trajectories made it begin again */
  checkpoint->step[r] = step;
  const PetscBool due = before < every && checkpoint->since >= every ? PETSC_TRUE : PETSC_FALSE;
  /* a group may be the only one that still has work */
  if (due && !checkpoint->shard) PetscCall(CheckpointSay(checkpoint, CHECKPOINT_SAYS_DUE, checkpoint->writes));
  checkpoint->longest = PetscMax(checkpoint->longest, now - checkpoint->last);
  PatienceLearn(checkpoint->longest);
  checkpoint->last = now;
  if (!checkpoint->rank) CheckpointTellGrace(checkpoint, now);
  PetscCall(Agree(checkpoint, due, over));
  if (over && checkpoint->options.keep && checkpoint->options.grows) PetscCall(CheckpointEndWrite(checkpoint, r));
  if (over) checkpoint->current = cell->held = -1;
  PetscCall(Act(checkpoint, stopped));
  if (checkpoint->shards > 1 && !over && !*stopped) PetscCall(RideBook(checkpoint->layout.shards, Ask, checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFinish(Checkpoint checkpoint, PetscBool *stopped) {
  const struct timespec nap = {.tv_nsec = 1000 * IDLE_SLEEP};

  PetscFunctionBeginUser;
  *stopped = checkpoint->event == CHECKPOINT_STOP ? PETSC_TRUE : PETSC_FALSE;
  if (*stopped) PetscFunctionReturn(0);
  BeginSteps(); /* a group may have none */
  checkpoint->current = -1;
  PetscCall(CheckpointBeginIdle(checkpoint));
  do {
    if (!checkpoint->rank)
      PetscCall(Decide(checkpoint, checkpoint->finished == checkpoint->layout.groups ? PETSC_TRUE : PETSC_FALSE));
    else
      PetscCall(Look(checkpoint));
    if (checkpoint->event == CHECKPOINT_GO) (void)nanosleep(&nap, NULL);
    PetscCall(Act(checkpoint, stopped));
  } while (checkpoint->event != CHECKPOINT_DONE && checkpoint->event != CHECKPOINT_STOP);
  CheckpointEndIdle();
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointGoOn(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  checkpoint->event = CHECKPOINT_GO;
  checkpoint->finished = 0;
  if (checkpoint->idle) PetscCall(PetscArrayzero(checkpoint->idle, checkpoint->size));
  checkpoint->last = MPI_Wtime(); /* the wait for the other groups is no step */
  PetscCall(Listen(checkpoint));
  PetscFunctionReturn(0);
}

/* On rank 0: where realizations ended before, when they have gone on from there. */
static PetscErrorCode RemoveEnds(Checkpoint checkpoint) {
  char path[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  for (PetscInt r = 0; r < checkpoint->earlier.realizations && checkpoint->earlier.steps; r++) {
    PetscCall(CheckpointEndPath(checkpoint, r, checkpoint->earlier.steps, path));
    (void)unlink(path);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointRemove(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (!checkpoint->rank) {
    RemoveFiles(checkpoint);
    PetscCall(RemoveEnds(checkpoint));
    (void)rmdir(checkpoint->output->trajectories); /* fails where trajectories are, as it should */
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointStopped(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Bcast(checkpoint->reason, sizeof(checkpoint->reason), MPI_CHAR, 0, checkpoint->layout.world));
  SETERRQ(checkpoint->layout.world, CHORALE_ERR_STOPPED,
          "stopped (%s) after writing %s; -checkpoint_resume goes on from there", checkpoint->reason, checkpoint->file);
}
