/* When to write a checkpoint and when to stop. Groups advance at their own pace, so rank 0 decides and tells all ranks
 * by a broadcast that they have posted ahead and look for after every step: no rank waits for another until there is
 * something to write. Within a group the first shard looks and tells the others, so that all act at the same step. */
#include "run/checkpoint_impl.h"

#include <chorale/deck.h>
#include <chorale/error.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TAG_SIGNAL = 1, TAG_DUE, TAG_FINISHED };
#define LOOK       0.5  /* seconds between looks at the stop file */
#define IDLE_SLEEP 1000 /* microseconds between looks of a group without work */
/* The longest step and write so far, times this, must fit before the wall-time limit. So that there is a write to go
 * by, a run with a limit writes its first checkpoint after its first step. */
#define MARGIN 2.0

static volatile sig_atomic_t caught;

static void Catch(int number) {
  caught = number;
}

PetscErrorCode CheckpointCatchSignals(void) {
  struct sigaction action = {.sa_handler = Catch, .sa_flags = SA_RESTART};

  PetscFunctionBeginUser;
  sigemptyset(&action.sa_mask);
  PetscCheck(!sigaction(SIGUSR1, &action, NULL) && !sigaction(SIGTERM, &action, NULL), PETSC_COMM_SELF, PETSC_ERR_SYS,
             "cannot catch signals");
  PetscFunctionReturn(0);
}

static PetscErrorCode ReadDeck(Checkpoint c) {
  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("checkpoint_every", &c->every));
  PetscCall(DeckGetReal("checkpoint_interval", &c->interval));
  PetscCall(DeckGetReal("checkpoint_walltime", &c->wall));
  PetscCall(DeckGetString("checkpoint_stop_file", c->stop_file));
  PetscCall(OutputNames(c->layout.world, c->study, &c->output));
  PetscCall(PetscSNPrintf(c->file, sizeof(c->file), "%s/checkpoint.h5", c->output.trajectories));
  PetscCall(PetscSNPrintf(c->previous, sizeof(c->previous), "%s/checkpoint.prev.h5", c->output.trajectories));
  PetscCall(PetscSNPrintf(c->temporary, sizeof(c->temporary), "%s/checkpoint.tmp.h5", c->output.trajectories));
  PetscFunctionReturn(0);
}

/* The broadcast of the next event, which all ranks but 0 post ahead. */
static PetscErrorCode Listen(Checkpoint c) {
  PetscFunctionBeginUser;
  if (c->rank) PetscCallMPI(MPI_Ibcast(&c->heard, 1, MPI_INT, 0, c->events, &c->request));
  PetscFunctionReturn(0);
}

/* Results that cannot be read are written anew from a checkpoint. Without one they may be anything. */
static PetscErrorCode WarnOfBroken(Checkpoint c) {
  PetscFunctionBeginUser;
  PetscCheck(c->source[0], c->layout.world, PETSC_ERR_USER_INPUT,
             "output_file = %s: cannot be read, and there is no checkpoint to write it anew from; remove it",
             c->output.file);
  if (!c->rank) fprintf(stderr, "chorale: warning: %s cannot be read: it will be written anew\n", c->output.file);
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointCreate(const char *study, Ensemble ensemble, PetscInt steps, Checkpoint *checkpoint) {
  PetscBool resume;
  Checkpoint c;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&c));
  PetscCall(PetscStrncpy(c->study, study, sizeof(c->study)));
  PetscCall(EnsembleGetLayout(ensemble, &c->layout));
  PetscCallMPI(MPI_Comm_rank(c->layout.world, &c->rank));
  PetscCallMPI(MPI_Comm_size(c->layout.world, &c->size));
  PetscCallMPI(MPI_Comm_rank(c->layout.shards, &c->shard));
  PetscCallMPI(MPI_Comm_size(c->layout.shards, &c->shards));
  PetscCallMPI(MPI_Comm_dup(c->layout.world, &c->events));
  c->steps = steps;
  c->current = -1;
  c->request = MPI_REQUEST_NULL;
  PetscCall(PetscCalloc1(c->layout.realizations, &c->step));
  PetscCall(ReadDeck(c));
  PetscCall(DeckGetFlag("checkpoint_resume", &resume));
  if (resume) PetscCall(CheckpointFileIsComplete(c));
  if (resume && !c->complete) PetscCall(CheckpointFileFind(c));
  if (c->broken) PetscCall(WarnOfBroken(c));
  if (resume && !c->complete && !c->broken) PetscCall(CheckpointFileCheckResults(c));
  PetscCall(CheckpointCatchSignals());
  c->start = c->written = c->last = MPI_Wtime();
  c->looked = -PETSC_MAX_REAL; /* a stop file may be there already */
  PetscCall(Listen(c));
  *checkpoint = c;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointDestroy(Checkpoint *checkpoint) {
  Checkpoint c = *checkpoint;

  PetscFunctionBeginUser;
  if (!c) PetscFunctionReturn(0);
  if (c->size > 1 && c->event != CHECKPOINT_DONE && c->event != CHECKPOINT_STOP) {
    /* a run that ends before CheckpointFinish (-dry_run): the posted broadcast must be answered */
    if (!c->rank) {
      c->event = CHECKPOINT_DONE;
      PetscCallMPI(MPI_Ibcast(&c->event, 1, MPI_INT, 0, c->events, &c->request));
    }
    PetscCallMPI(MPI_Wait(&c->request, MPI_STATUS_IGNORE));
  }
  PetscCallMPI(MPI_Comm_free(&c->events));
  PetscCall(PetscFree(c->entries));
  PetscCall(PetscFree(c->step));
  PetscCall(PetscFree(*checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointView(Checkpoint c) {
  char every[64] = "", interval[64] = "", wall[64] = "";

  PetscFunctionBeginUser;
  if (c->every) PetscCall(PetscSNPrintf(every, sizeof(every), ", every %" PetscInt64_FMT " steps", c->every));
  if (c->interval > 0) PetscCall(PetscSNPrintf(interval, sizeof(interval), ", every %.6g s", (double)c->interval));
  if (c->wall > 0) PetscCall(PetscSNPrintf(wall, sizeof(wall), ", before %.6g s are over", (double)c->wall));
  PetscCall(PetscPrintf(c->layout.world, "checkpoint %s%s%s%s, on SIGUSR1 and SIGTERM%s%s\n", c->file, every, interval,
                        wall, c->stop_file[0] ? ", on the file " : "", c->stop_file));
  if (c->source[0]) {
    PetscInt done = 0, begun = 0;
    for (PetscInt r = 0; r < c->layout.realizations; r++) {
      done += c->step[r] == c->steps;
      begun += c->step[r] > 0 && c->step[r] < c->steps;
    }
    PetscCall(PetscPrintf(c->layout.world,
                          "           goes on from %s: %" PetscInt_FMT " of %" PetscInt_FMT
                          " realizations done, %" PetscInt_FMT " begun\n",
                          c->source, done, c->layout.realizations, begun));
  }
  PetscFunctionReturn(0);
}

/* On rank 0: no checkpoint is left. */
static void RemoveFiles(Checkpoint c) {
  (void)unlink(c->file);
  (void)unlink(c->previous);
  (void)unlink(c->temporary);
}

PetscErrorCode CheckpointIsComplete(Checkpoint c, PetscBool *complete) {
  PetscBool dry;

  PetscFunctionBeginUser;
  *complete = c->complete;
  if (!*complete) PetscFunctionReturn(0);
  PetscCall(PetscPrintf(c->layout.world, "%s is complete: nothing is left to resume\n", c->output.file));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (!dry) PetscCall(CheckpointRemove(c)); /* of a run that was killed between its results and this */
  PetscFunctionReturn(0);
}

static PetscErrorCode NewEntry(Checkpoint c, const char *name, CheckpointEntry **entry) {
  PetscFunctionBeginUser;
  PetscCheck(c->count < CHECKPOINT_ENTRIES, c->layout.world, PETSC_ERR_ARG_OUTOFRANGE,
             "too many parts of a checkpoint");
  if (c->count == c->room) {
    c->room = c->room ? 2 * c->room : 16;
    PetscCall(PetscRealloc((size_t)c->room * sizeof(*c->entries), &c->entries));
  }
  *entry = &c->entries[c->count++];
  PetscCall(PetscArrayzero(*entry, 1));
  PetscCall(PetscStrncpy((*entry)->name, name, CHECKPOINT_NAME));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddTokens(Checkpoint c, const char *name, Tokens tokens) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewEntry(c, name, &entry));
  entry->type = CHECKPOINT_TOKENS;
  entry->tokens = tokens;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddReals(Checkpoint c, const char *name, PetscInt n, PetscReal values[]) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewEntry(c, name, &entry));
  entry->type = CHECKPOINT_REALS;
  entry->n = n;
  entry->values = values;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddRows(Checkpoint c, const char *name, PetscInt n, PetscReal mine[]) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewEntry(c, name, &entry));
  entry->type = CHECKPOINT_ROWS;
  entry->n = n;
  entry->values = mine;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddFrames(Checkpoint c, const char *name, PetscInt frames, const PetscInt64 step[],
                                   PetscInt columns, PetscInt n, PetscReal mine[]) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(CheckpointAddRows(c, name, n, mine));
  entry = &c->entries[c->count - 1];
  entry->frames = frames;
  entry->columns = columns;
  entry->step = step;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointAddShared(Checkpoint c, const char *name, PetscInt n, PetscReal values[]) {
  CheckpointEntry *entry = NULL;

  PetscFunctionBeginUser;
  PetscCall(NewEntry(c, name, &entry));
  entry->type = CHECKPOINT_SHARED;
  entry->n = n;
  entry->values = values;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointGetShared(Checkpoint c, PetscInt i, const char **name, PetscInt *n, PetscReal **values) {
  PetscFunctionBeginUser;
  *name = NULL;
  for (PetscInt e = 0; e < c->count && !*name; e++) {
    if (c->entries[e].type != CHECKPOINT_SHARED || i--) continue;
    *name = c->entries[e].name;
    *n = c->entries[e].n;
    *values = c->entries[e].values;
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointSetFlush(Checkpoint c, PetscErrorCode (*flush)(void *context), void *context) {
  PetscFunctionBeginUser;
  c->flush = flush;
  c->flush_context = context;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointSetPublish(Checkpoint c, PetscErrorCode (*publish)(void *context), void *context) {
  PetscFunctionBeginUser;
  c->publish = publish;
  c->publish_context = context;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointKeepDone(Checkpoint c, PetscInt n, PetscReal all[], PetscInt *done) {
  const EnsembleLayout *e = &c->layout;
  int *finished; /* every group knows its own */

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(e->realizations, &finished));
  for (PetscInt r = 0; r < e->realizations; r++) finished[r] = r % e->groups == e->group && c->step[r] == c->steps;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, finished, (PetscMPIInt)e->realizations, MPI_INT, MPI_MAX, e->world));
  *done = 0;
  for (PetscInt r = 0; r < e->realizations; r++)
    if (finished[r]) PetscCall(PetscArraymove(all + (size_t)(*done)++ * (size_t)n, all + (size_t)r * (size_t)n, n));
  PetscCall(PetscFree(finished));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointResume(Checkpoint c, PetscInt r, PetscInt *step) {
  PetscFunctionBeginUser;
  *step = 0;
  if (!c->source[0]) {
    /* what an older run of this name left would be taken for this one's, were it killed before its first checkpoint */
    if (!c->rank && !c->loaded) RemoveFiles(c);
    c->loaded = PETSC_TRUE;
    PetscFunctionReturn(0);
  }
  if (!c->loaded) PetscCall(CheckpointFileReadRows(c));
  c->loaded = PETSC_TRUE;
  *step = (PetscInt)c->step[r];
  if (0 < *step && *step < c->steps) PetscCall(CheckpointFileReadState(c, r));
  PetscFunctionReturn(0);
}

/* On rank 0: a signal that another rank caught, groups that want a checkpoint, and those that have finished. */
static PetscErrorCode Hear(Checkpoint c) {
  int there = c->size > 1;

  PetscFunctionBeginUser;
  while (there) {
    MPI_Status status;
    int number;
    PetscCallMPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->events, &there, &status));
    if (!there) break;
    PetscCallMPI(MPI_Recv(&number, 1, MPI_INT, status.MPI_SOURCE, status.MPI_TAG, c->events, MPI_STATUS_IGNORE));
    if (status.MPI_TAG == TAG_SIGNAL)
      caught = number;
    else if (status.MPI_TAG == TAG_DUE)
      c->due = (PetscBool)(c->due || number == c->writes); /* else there was one in between */
    else
      c->finished++;
  }
  PetscFunctionReturn(0);
}

/* On rank 0: does the run have to stop, and why? due: a checkpoint is to be written, beside which a look costs nothing.
 */
static PetscErrorCode MustStop(Checkpoint c, double now, PetscBool due, PetscBool *stop) {
  struct stat status;

  PetscFunctionBeginUser;
  *stop = PETSC_TRUE;
  if (caught) {
    PetscCall(PetscSNPrintf(c->reason, sizeof(c->reason), "signal %d", (int)caught));
    PetscFunctionReturn(0);
  }
  if (c->stop_file[0] && (due || now - c->looked > LOOK)) {
    c->looked = now;
    if (!stat(c->stop_file, &status)) {
      PetscCall(PetscSNPrintf(c->reason, sizeof(c->reason), "the stop file %.90s", c->stop_file));
      PetscFunctionReturn(0);
    }
  }
  if (c->wall > 0 && now - c->start + MARGIN * (c->longest + c->cost) >= c->wall) {
    PetscCall(PetscSNPrintf(c->reason, sizeof(c->reason), "wall time of %.6g s", (double)c->wall));
    PetscFunctionReturn(0);
  }
  *stop = PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* On rank 0: what is to be done now, and the news of it to all ranks. */
static PetscErrorCode Decide(Checkpoint c, CheckpointEvent otherwise) {
  const double now = MPI_Wtime();
  PetscBool due, stop;

  PetscFunctionBeginUser;
  PetscCall(Hear(c));
  due = (PetscBool)(c->due || (c->interval > 0 && now - c->written >= c->interval) || (c->wall > 0 && !c->writes));
  PetscCall(MustStop(c, now, due, &stop));
  c->event = CHECKPOINT_GO;
  if (otherwise == CHECKPOINT_DONE)
    c->event = CHECKPOINT_DONE; /* nothing is left to stop */
  else if (stop)
    c->event = CHECKPOINT_STOP;
  else if (due)
    c->event = CHECKPOINT_WRITE;
  if (c->event != CHECKPOINT_GO && c->size > 1) {
    PetscCallMPI(MPI_Ibcast(&c->event, 1, MPI_INT, 0, c->events, &c->request));
    PetscCallMPI(MPI_Wait(&c->request, MPI_STATUS_IGNORE));
  }
  PetscFunctionReturn(0);
}

/* On other ranks: has rank 0 spoken? */
static PetscErrorCode Look(Checkpoint c) {
  int spoken;

  PetscFunctionBeginUser;
  if (caught && !c->told) {
    const int number = (int)caught;
    c->told = PETSC_TRUE;
    PetscCallMPI(MPI_Send(&number, 1, MPI_INT, 0, TAG_SIGNAL, c->events));
  }
  PetscCallMPI(MPI_Test(&c->request, &spoken, MPI_STATUS_IGNORE));
  c->event = spoken ? c->heard : CHECKPOINT_GO;
  PetscFunctionReturn(0);
}

static PetscErrorCode Write(Checkpoint c) {
  const double start = MPI_Wtime();
  double most[2];

  PetscFunctionBeginUser;
  if (c->flush) PetscCall(c->flush(c->flush_context));
  PetscCall(CheckpointFileWrite(c));
  if (c->publish) PetscCall(c->publish(c->publish_context));
  c->since = 0;
  c->due = PETSC_FALSE;
  c->writes++;
  c->written = c->last = MPI_Wtime();
  c->cost = PetscMax(c->cost, c->written - start);
  most[0] = c->longest;
  most[1] = caught;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_DOUBLE, MPI_MAX, c->layout.world));
  c->longest = most[0];
  if (!c->rank && !caught) caught = (sig_atomic_t)most[1]; /* the message that tells of it may be on its way */
  PetscFunctionReturn(0);
}

/* Does what all ranks have been told. */
static PetscErrorCode Act(Checkpoint c, PetscBool *stopped) {
  PetscFunctionBeginUser;
  *stopped = PETSC_FALSE;
  if (c->event == CHECKPOINT_GO) PetscFunctionReturn(0);
  if (c->event != CHECKPOINT_DONE) PetscCall(Write(c));
  if (c->event == CHECKPOINT_WRITE)
    PetscCall(Listen(c));
  else
    *stopped = (PetscBool)(c->event == CHECKPOINT_STOP);
  PetscFunctionReturn(0);
}

/* Of a group's first shard: enough steps for a checkpoint. A group may be the only one that still has work. */
static PetscErrorCode SayDue(Checkpoint c) {
  PetscFunctionBeginUser;
  if (c->rank)
    PetscCallMPI(MPI_Send(&c->writes, 1, MPI_INT, 0, TAG_DUE, c->events));
  else
    c->due = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointStep(Checkpoint c, PetscInt r, PetscInt step, PetscBool *stopped) {
  const PetscInt64 before = c->since;
  const double now = MPI_Wtime();

  PetscFunctionBeginUser;
  c->current = r;
  c->since += PetscMax(1, step - c->step[r]); /* less where lost trajectories made it begin again */
  c->step[r] = step;
  if (before < c->every && c->since >= c->every && !c->shard) PetscCall(SayDue(c));
  c->longest = PetscMax(c->longest, now - c->last);
  c->last = now;
  if (!c->rank)
    PetscCall(Decide(c, CHECKPOINT_GO));
  else if (!c->shard)
    PetscCall(Look(c));
  if (c->shards > 1) {
    int event = c->event;
    PetscCallMPI(MPI_Bcast(&event, 1, MPI_INT, 0, c->layout.shards));
    if (c->shard && event != CHECKPOINT_GO) PetscCallMPI(MPI_Wait(&c->request, MPI_STATUS_IGNORE));
    if (c->shard && caught && !c->told && (event == CHECKPOINT_GO || event == CHECKPOINT_WRITE)) {
      const int number = (int)caught; /* a shard that only listens may be the one that caught the signal */
      c->told = PETSC_TRUE;
      PetscCallMPI(MPI_Send(&number, 1, MPI_INT, 0, TAG_SIGNAL, c->events));
    }
    c->event = event;
  }
  if (step == c->steps) c->current = -1;
  PetscCall(Act(c, stopped));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFinish(Checkpoint c, PetscBool *stopped) {
  const struct timespec nap = {.tv_nsec = 1000 * IDLE_SLEEP};

  PetscFunctionBeginUser;
  *stopped = (PetscBool)(c->event == CHECKPOINT_STOP);
  if (*stopped) PetscFunctionReturn(0);
  c->current = -1;
  if (c->rank && !c->shard) {
    const int nothing = 0;
    PetscCallMPI(MPI_Send(&nothing, 1, MPI_INT, 0, TAG_FINISHED, c->events));
  }
  if (!c->rank) c->finished++;
  do {
    if (!c->rank)
      PetscCall(Decide(c, c->finished == c->layout.groups ? CHECKPOINT_DONE : CHECKPOINT_GO));
    else
      PetscCall(Look(c));
    if (c->event == CHECKPOINT_GO) (void)nanosleep(&nap, NULL);
    PetscCall(Act(c, stopped));
  } while (c->event != CHECKPOINT_DONE && c->event != CHECKPOINT_STOP);
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointRemove(Checkpoint c) {
  PetscFunctionBeginUser;
  if (!c->rank) {
    RemoveFiles(c);
    (void)rmdir(c->output.trajectories); /* fails where trajectories are, as it should */
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointStopped(Checkpoint c) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Bcast(c->reason, sizeof(c->reason), MPI_CHAR, 0, c->layout.world));
  SETERRQ(c->layout.world, CHORALE_ERR_STOPPED, "stopped (%s) after writing %s; -checkpoint_resume goes on from there",
          c->reason, c->file);
}
