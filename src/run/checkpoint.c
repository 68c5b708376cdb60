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

static PetscErrorCode ReadDeck(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("checkpoint_every", &checkpoint->every));
  PetscCall(DeckGetReal("checkpoint_interval", &checkpoint->interval));
  PetscCall(DeckGetReal("checkpoint_walltime", &checkpoint->wall));
  PetscCall(DeckGetString("checkpoint_stop_file", checkpoint->stop_file));
  PetscCall(OutputNames(checkpoint->layout.world, checkpoint->study, &checkpoint->output));
  PetscCall(
      PetscSNPrintf(checkpoint->file, sizeof(checkpoint->file), "%s/checkpoint.h5", checkpoint->output.trajectories));
  PetscCall(PetscSNPrintf(checkpoint->previous, sizeof(checkpoint->previous), "%s/checkpoint.prev.h5",
                          checkpoint->output.trajectories));
  PetscCall(PetscSNPrintf(checkpoint->temporary, sizeof(checkpoint->temporary), "%s/checkpoint.tmp.h5",
                          checkpoint->output.trajectories));
  PetscFunctionReturn(0);
}

/* The broadcast of the next event, which all ranks but 0 post ahead. */
static PetscErrorCode Listen(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (checkpoint->rank)
    PetscCallMPI(MPI_Ibcast(&checkpoint->heard, 1, MPI_INT, 0, checkpoint->events, &checkpoint->request));
  PetscFunctionReturn(0);
}

/* Results that cannot be read are written anew from a checkpoint. Without one they may be anything. */
static PetscErrorCode WarnOfBroken(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  PetscCheck(checkpoint->source[0], checkpoint->layout.world, PETSC_ERR_USER_INPUT,
             "output_file = %s: cannot be read, and there is no checkpoint to write it anew from; remove it",
             checkpoint->output.file);
  if (!checkpoint->rank)
    fprintf(stderr, "chorale: warning: %s cannot be read: it will be written anew\n", checkpoint->output.file);
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointCreate(const char *study, Ensemble ensemble, PetscInt steps, Checkpoint *checkpoint) {
  PetscBool resume;
  Checkpoint made;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&made));
  PetscCall(PetscStrncpy(made->study, study, sizeof(made->study)));
  PetscCall(EnsembleGetLayout(ensemble, &made->layout));
  PetscCallMPI(MPI_Comm_rank(made->layout.world, &made->rank));
  PetscCallMPI(MPI_Comm_size(made->layout.world, &made->size));
  PetscCallMPI(MPI_Comm_rank(made->layout.shards, &made->shard));
  PetscCallMPI(MPI_Comm_size(made->layout.shards, &made->shards));
  PetscCallMPI(MPI_Comm_dup(made->layout.world, &made->events));
  made->steps = steps;
  made->current = -1;
  made->request = MPI_REQUEST_NULL;
  PetscCall(PetscCalloc1(made->layout.realizations, &made->step));
  PetscCall(ReadDeck(made));
  PetscCall(DeckGetFlag("checkpoint_resume", &resume));
  if (resume) PetscCall(CheckpointFileIsComplete(made));
  if (resume && !made->complete) PetscCall(CheckpointFileFind(made));
  if (made->broken) PetscCall(WarnOfBroken(made));
  if (resume && !made->complete && !made->broken) PetscCall(CheckpointFileCheckResults(made));
  PetscCall(CheckpointCatchSignals());
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
  PetscCall(PetscFree(old->step));
  PetscCall(PetscFree(*checkpoint));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointView(Checkpoint checkpoint) {
  char every[64] = "", interval[64] = "", wall[64] = "";

  PetscFunctionBeginUser;
  if (checkpoint->every)
    PetscCall(PetscSNPrintf(every, sizeof(every), ", every %" PetscInt64_FMT " steps", checkpoint->every));
  if (checkpoint->interval > 0)
    PetscCall(PetscSNPrintf(interval, sizeof(interval), ", every %.6g s", (double)checkpoint->interval));
  if (checkpoint->wall > 0)
    PetscCall(PetscSNPrintf(wall, sizeof(wall), ", before %.6g s are over", (double)checkpoint->wall));
  PetscCall(PetscPrintf(checkpoint->layout.world, "checkpoint %s%s%s%s, on SIGUSR1 and SIGTERM%s%s\n", checkpoint->file,
                        every, interval, wall, checkpoint->stop_file[0] ? ", on the file " : "",
                        checkpoint->stop_file));
  if (checkpoint->source[0]) {
    PetscInt done = 0, begun = 0;
    for (PetscInt r = 0; r < checkpoint->layout.realizations; r++) {
      done += checkpoint->step[r] == checkpoint->steps;
      begun += checkpoint->step[r] > 0 && checkpoint->step[r] < checkpoint->steps;
    }
    PetscCall(PetscPrintf(checkpoint->layout.world,
                          "           goes on from %s: %" PetscInt_FMT " of %" PetscInt_FMT
                          " realizations done, %" PetscInt_FMT " begun\n",
                          checkpoint->source, done, checkpoint->layout.realizations, begun));
  }
  PetscFunctionReturn(0);
}

/* On rank 0: no checkpoint is left. */
static void RemoveFiles(Checkpoint checkpoint) {
  (void)unlink(checkpoint->file);
  (void)unlink(checkpoint->previous);
  (void)unlink(checkpoint->temporary);
}

PetscErrorCode CheckpointIsComplete(Checkpoint checkpoint, PetscBool *complete) {
  PetscBool dry;

  PetscFunctionBeginUser;
  *complete = checkpoint->complete;
  if (!*complete) PetscFunctionReturn(0);
  PetscCall(
      PetscPrintf(checkpoint->layout.world, "%s is complete: nothing is left to resume\n", checkpoint->output.file));
  PetscCall(DeckGetFlag("dry_run", &dry));
  if (!dry) PetscCall(CheckpointRemove(checkpoint)); /* of a run that was killed between its results and this */
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointSetFlush(Checkpoint checkpoint, PetscErrorCode (*flush)(void *context), void *context) {
  PetscFunctionBeginUser;
  checkpoint->flush = flush;
  checkpoint->flush_context = context;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointSetPublish(Checkpoint checkpoint, PetscErrorCode (*publish)(void *context), void *context) {
  PetscFunctionBeginUser;
  checkpoint->publish = publish;
  checkpoint->publish_context = context;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointKeepDone(Checkpoint checkpoint, PetscInt n, PetscReal all[], PetscInt *done) {
  const EnsembleLayout *e = &checkpoint->layout;
  int *finished; /* every group knows its own */

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(e->realizations, &finished));
  for (PetscInt r = 0; r < e->realizations; r++)
    finished[r] = r % e->groups == e->group && checkpoint->step[r] == checkpoint->steps;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, finished, (PetscMPIInt)e->realizations, MPI_INT, MPI_MAX, e->world));
  *done = 0;
  for (PetscInt r = 0; r < e->realizations; r++)
    if (finished[r]) PetscCall(PetscArraymove(all + (size_t)(*done)++ * (size_t)n, all + (size_t)r * (size_t)n, n));
  PetscCall(PetscFree(finished));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointResume(Checkpoint checkpoint, PetscInt r, PetscInt *step) {
  PetscFunctionBeginUser;
  *step = 0;
  if (!checkpoint->source[0]) {
    /* what an older run of this name left would be taken for this one's, were it killed before its first checkpoint */
    if (!checkpoint->rank && !checkpoint->loaded) RemoveFiles(checkpoint);
    checkpoint->loaded = PETSC_TRUE;
    PetscFunctionReturn(0);
  }
  if (!checkpoint->loaded) PetscCall(CheckpointFileReadRows(checkpoint));
  checkpoint->loaded = PETSC_TRUE;
  *step = (PetscInt)checkpoint->step[r];
  if (0 < *step && *step < checkpoint->steps) PetscCall(CheckpointFileReadState(checkpoint, r));
  PetscFunctionReturn(0);
}

/* On rank 0: a signal that another rank caught, groups that want a checkpoint, and those that have finished. */
static PetscErrorCode Hear(Checkpoint checkpoint) {
  int there = checkpoint->size > 1;

  PetscFunctionBeginUser;
  while (there) {
    MPI_Status status;
    int number;
    PetscCallMPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, checkpoint->events, &there, &status));
    if (!there) break;
    PetscCallMPI(
        MPI_Recv(&number, 1, MPI_INT, status.MPI_SOURCE, status.MPI_TAG, checkpoint->events, MPI_STATUS_IGNORE));
    if (status.MPI_TAG == TAG_SIGNAL)
      caught = number;
    else if (status.MPI_TAG == TAG_DUE)
      checkpoint->due = checkpoint->due || number == checkpoint->writes
                            ? PETSC_TRUE
                            : PETSC_FALSE; /* else there was one in between */
    else
      checkpoint->finished++;
  }
  PetscFunctionReturn(0);
}

/* On rank 0: does the run have to stop, and why? due: a checkpoint is to be written, beside which a look costs nothing.
 */
static PetscErrorCode MustStop(Checkpoint checkpoint, double now, PetscBool due, PetscBool *stop) {
  struct stat status;

  PetscFunctionBeginUser;
  *stop = PETSC_TRUE;
  if (caught) {
    PetscCall(PetscSNPrintf(checkpoint->reason, sizeof(checkpoint->reason), "signal %d", (int)caught));
    PetscFunctionReturn(0);
  }
  if (checkpoint->stop_file[0] && (due || now - checkpoint->looked > LOOK)) {
    checkpoint->looked = now;
    if (!stat(checkpoint->stop_file, &status)) {
      PetscCall(
          PetscSNPrintf(checkpoint->reason, sizeof(checkpoint->reason), "the stop file %.90s", checkpoint->stop_file));
      PetscFunctionReturn(0);
    }
  }
  if (checkpoint->wall > 0 &&
      now - checkpoint->start + MARGIN * (checkpoint->longest + checkpoint->cost) >= checkpoint->wall) {
    PetscCall(
        PetscSNPrintf(checkpoint->reason, sizeof(checkpoint->reason), "wall time of %.6g s", (double)checkpoint->wall));
    PetscFunctionReturn(0);
  }
  *stop = PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* On rank 0: what is to be done now, and the news of it to all ranks. */
static PetscErrorCode Decide(Checkpoint checkpoint, CheckpointEvent otherwise) {
  const double now = MPI_Wtime();
  PetscBool due, stop;

  PetscFunctionBeginUser;
  PetscCall(Hear(checkpoint));
  due = checkpoint->due || (checkpoint->interval > 0 && now - checkpoint->written >= checkpoint->interval) ||
                (checkpoint->wall > 0 && !checkpoint->writes)
            ? PETSC_TRUE
            : PETSC_FALSE;
  PetscCall(MustStop(checkpoint, now, due, &stop));
  checkpoint->event = CHECKPOINT_GO;
  if (otherwise == CHECKPOINT_DONE)
    checkpoint->event = CHECKPOINT_DONE; /* nothing is left to stop */
  else if (stop)
    checkpoint->event = CHECKPOINT_STOP;
  else if (due)
    checkpoint->event = CHECKPOINT_WRITE;
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
  if (caught && !checkpoint->told) {
    const int number = (int)caught;
    checkpoint->told = PETSC_TRUE;
    PetscCallMPI(MPI_Send(&number, 1, MPI_INT, 0, TAG_SIGNAL, checkpoint->events));
  }
  PetscCallMPI(MPI_Test(&checkpoint->request, &spoken, MPI_STATUS_IGNORE));
  checkpoint->event = spoken ? checkpoint->heard : CHECKPOINT_GO;
  PetscFunctionReturn(0);
}

static PetscErrorCode Write(Checkpoint checkpoint) {
  const double start = MPI_Wtime();
  double most[2];

  PetscFunctionBeginUser;
  if (checkpoint->flush) PetscCall(checkpoint->flush(checkpoint->flush_context));
  PetscCall(CheckpointFileWrite(checkpoint));
  if (checkpoint->publish) PetscCall(checkpoint->publish(checkpoint->publish_context));
  checkpoint->since = 0;
  checkpoint->due = PETSC_FALSE;
  checkpoint->writes++;
  checkpoint->written = checkpoint->last = MPI_Wtime();
  checkpoint->cost = PetscMax(checkpoint->cost, checkpoint->written - start);
  most[0] = checkpoint->longest;
  most[1] = caught;
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, most, 2, MPI_DOUBLE, MPI_MAX, checkpoint->layout.world));
  checkpoint->longest = most[0];
  if (!checkpoint->rank && !caught) caught = (sig_atomic_t)most[1]; /* the message that tells of it may be on its way */
  PetscFunctionReturn(0);
}

/* Does what all ranks have been told. */
static PetscErrorCode Act(Checkpoint checkpoint, PetscBool *stopped) {
  PetscFunctionBeginUser;
  *stopped = PETSC_FALSE;
  if (checkpoint->event == CHECKPOINT_GO) PetscFunctionReturn(0);
  if (checkpoint->event != CHECKPOINT_DONE) PetscCall(Write(checkpoint));
  if (checkpoint->event == CHECKPOINT_WRITE)
    PetscCall(Listen(checkpoint));
  else
    *stopped = checkpoint->event == CHECKPOINT_STOP ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionReturn(0);
}

/* Of a group's first shard: enough steps for a checkpoint. A group may be the only one that still has work. */
static PetscErrorCode SayDue(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (checkpoint->rank)
    PetscCallMPI(MPI_Send(&checkpoint->writes, 1, MPI_INT, 0, TAG_DUE, checkpoint->events));
  else
    checkpoint->due = PETSC_TRUE;
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped) {
  const PetscInt64 before = checkpoint->since;
  const double now = MPI_Wtime();

  PetscFunctionBeginUser;
  checkpoint->current = r;
  checkpoint->since += PetscMax(1, step - checkpoint->step[r]); /* less where lost trajectories made it begin again */
  checkpoint->step[r] = step;
  if (before < checkpoint->every && checkpoint->since >= checkpoint->every && !checkpoint->shard)
    PetscCall(SayDue(checkpoint));
  checkpoint->longest = PetscMax(checkpoint->longest, now - checkpoint->last);
  checkpoint->last = now;
  if (!checkpoint->rank)
    PetscCall(Decide(checkpoint, CHECKPOINT_GO));
  else if (!checkpoint->shard)
    PetscCall(Look(checkpoint));
  if (checkpoint->shards > 1) {
    int event = checkpoint->event;
    PetscCallMPI(MPI_Bcast(&event, 1, MPI_INT, 0, checkpoint->layout.shards));
    if (checkpoint->shard && event != CHECKPOINT_GO) PetscCallMPI(MPI_Wait(&checkpoint->request, MPI_STATUS_IGNORE));
    if (checkpoint->shard && caught && !checkpoint->told && (event == CHECKPOINT_GO || event == CHECKPOINT_WRITE)) {
      const int number = (int)caught; /* a shard that only listens may be the one that caught the signal */
      checkpoint->told = PETSC_TRUE;
      PetscCallMPI(MPI_Send(&number, 1, MPI_INT, 0, TAG_SIGNAL, checkpoint->events));
    }
    checkpoint->event = event;
  }
  if (step == checkpoint->steps) checkpoint->current = -1;
  PetscCall(Act(checkpoint, stopped));
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointFinish(Checkpoint checkpoint, PetscBool *stopped) {
  const struct timespec nap = {.tv_nsec = 1000 * IDLE_SLEEP};

  PetscFunctionBeginUser;
  *stopped = checkpoint->event == CHECKPOINT_STOP ? PETSC_TRUE : PETSC_FALSE;
  if (*stopped) PetscFunctionReturn(0);
  checkpoint->current = -1;
  if (checkpoint->rank && !checkpoint->shard) {
    const int nothing = 0;
    PetscCallMPI(MPI_Send(&nothing, 1, MPI_INT, 0, TAG_FINISHED, checkpoint->events));
  }
  if (!checkpoint->rank) checkpoint->finished++;
  do {
    if (!checkpoint->rank)
      PetscCall(
          Decide(checkpoint, checkpoint->finished == checkpoint->layout.groups ? CHECKPOINT_DONE : CHECKPOINT_GO));
    else
      PetscCall(Look(checkpoint));
    if (checkpoint->event == CHECKPOINT_GO) (void)nanosleep(&nap, NULL);
    PetscCall(Act(checkpoint, stopped));
  } while (checkpoint->event != CHECKPOINT_DONE && checkpoint->event != CHECKPOINT_STOP);
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointRemove(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  if (!checkpoint->rank) {
    RemoveFiles(checkpoint);
    (void)rmdir(checkpoint->output.trajectories); /* fails where trajectories are, as it should */
  }
  PetscFunctionReturn(0);
}

PetscErrorCode CheckpointStopped(Checkpoint checkpoint) {
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Bcast(checkpoint->reason, sizeof(checkpoint->reason), MPI_CHAR, 0, checkpoint->layout.world));
  SETERRQ(checkpoint->layout.world, CHORALE_ERR_STOPPED,
          "stopped (%s) after writing %s; -checkpoint_resume goes on from there", checkpoint->reason, checkpoint->file);
}
