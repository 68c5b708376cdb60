/* Checkpoints: what a run needs to go on after it was stopped or killed, on any number of ranks and groups, to the same
 * bits. One file for all realizations, OUTPUT STEM/checkpoint.h5; the one before stays as checkpoint.prev.h5.
 *
 * A study registers what a realization in progress consists of (tokens, numbers) and where results of realizations
 * stand (rows), and its loop becomes
 *
 *     while (EnsembleNext(ensemble, &r)) {
 *       PetscCall(CheckpointResume(checkpoint, r, &step));       // 0 at first, all steps when r is done
 *       if (step == 0) start realization r;
 *       for (; step < steps && !stopped; ) {
 *         one step;
 *         PetscCall(CheckpointStep(checkpoint, r, ++step, &stopped));
 *       }
 *       if (stopped) break;
 *     }
 *     PetscCall(CheckpointFinish(checkpoint, &stopped));          // stopped: return through CheckpointStopped
 *
 * Draws are functions of their keys, so random numbers have no state. Written every checkpoint_every steps (of the
 * group that is ahead), every checkpoint_interval seconds, and before stopping: at SIGUSR1, USR2, TERM, HUP, XCPU or
 * INT on any rank, when checkpoint_stop_file exists, and when the next step and write might not end before
 * checkpoint_walltime. The first rank hears of a signal that another caught, and looks for the file, a little later: at
 * the latest at the next checkpoint (the file: or after half a second). */
#ifndef CHORALE_CHECKPOINT_H
#define CHORALE_CHECKPOINT_H

#include <chorale/ensemble.h>
#include <chorale/output.h>
#include <chorale/tokens.h>

typedef struct {
  PetscInt64 every;         /* steps; 0 for none */
  PetscReal interval, wall; /* seconds; 0 for none */
  PetscReal patience;       /* seconds that ranks wait for each other, 0 for ever, below 0 by the steps */
  PetscBool resume, keep;
  char stop_file[PETSC_MAX_PATH_LEN];
  /* What the study says. Its numbers up to a time do not depend on what follows: a complete run may go on to a longer
   * horizon. The key because of which they depend on how many realizations there are, NULL for none, and because of
   * which they depend on the horizon. */
  PetscBool grows;
  const char *fixed_realizations, *fixed_horizon;
} CheckpointOptions;
extern const OptionKey CheckpointKeys[];

typedef struct _p_Checkpoint *Checkpoint;

/* Takes over SIGUSR1, USR2, TERM, HUP, XCPU and the first INT, but those that are ignored: a checkpoint object, should
 * it be made later, stops the run at its first step. Not collective. */
PetscErrorCode CheckpointCatchSignals(void);
/* Of the study of output, which stays the caller's; catches signals as above. With options.resume looks for a
 * checkpoint, falls back to the one before with a warning when it is damaged, and refuses (user input, naming the key)
 * a checkpoint or complete results of other physics; complete results with fewer realizations, or of a shorter horizon,
 * are gone on from. Results that cannot be read are written anew, with a warning, if there is a checkpoint. steps: of
 * one realization, or of the unit a study counts in. Collective on the world. */
PetscErrorCode CheckpointCreate(const CheckpointOptions *options, Output output, Ensemble ensemble, PetscInt steps,
                                Checkpoint *checkpoint);
/* The same of the n cells of a sweep, parts of `whole` with as many realizations each. Realization r of cell c of R
 * realizations each has the number cR + r in what follows. */
PetscErrorCode CheckpointCreateCells(const CheckpointOptions *options, Output output, Ensemble whole, PetscInt n,
                                     const Ensemble cells[], const PetscInt steps[], Checkpoint *checkpoint);
/* What is added from now on is of this cell, and CheckpointKeepDone means it. */
PetscErrorCode CheckpointSetCell(Checkpoint checkpoint, PetscInt cell);
PetscErrorCode CheckpointDestroy(Checkpoint *checkpoint);
/* With options.resume: were the results of this very deck complete already (a job that was submitted again)? Then says
 * so on stdout of rank 0; the run has nothing to do. Collective. */
PetscErrorCode CheckpointIsComplete(Checkpoint checkpoint, PetscBool *complete);
/* Refuses (user input) a longer horizon than that of complete results without where their realizations ended.
 * Collective. */
PetscErrorCode CheckpointCheckEnds(Checkpoint checkpoint);
/* The same for fewer realizations, where the run chose how many. */
PetscErrorCode CheckpointCheckCount(Checkpoint checkpoint, PetscInt realizations);
/* How many realizations of a cell this group has left, one in progress as the share that is. Not collective. */
PetscReal CheckpointLeft(Checkpoint checkpoint, PetscInt cell);
/* The complete results that this run went on from, in words; empty for none. Pure. */
const char *CheckpointContinued(Checkpoint checkpoint);
/* Does the key say where things go and when, not what is computed? A resumed run may change it. Pure. */
PetscBool CheckpointMayChange(const char *key);
/* Files and occasions on stdout of rank 0. Collective. */
PetscErrorCode CheckpointView(Checkpoint checkpoint);
/* The same in a phrase of at most `room` bytes, without its last line, which is printed apart. The first is pure. */
PetscErrorCode CheckpointBrief(Checkpoint checkpoint, size_t room, char text[]);
PetscErrorCode CheckpointViewOrigin(Checkpoint checkpoint);

/* What a realization in progress consists of: positions of tokens, with their radii if they have any (weights are those
 * of the start), and n numbers that are equal on all shards of the group. The objects stay the caller's. Names are
 * paths' last parts, unique. */
PetscErrorCode CheckpointAddTokens(Checkpoint checkpoint, const char *name, Tokens tokens);
PetscErrorCode CheckpointAddReals(Checkpoint checkpoint, const char *name, PetscInt n, PetscReal values[]);
/* Results mine[owned][n] of the group's realizations in the order of EnsembleNext, filled as realizations go on. Those
 * of the group's first shard count, and resuming fills them there. Rows begin with frames x columns, frame f being that
 * of step[f]: a resumed run may have fewer frames, all of them among those of the checkpoint. step stays the caller's;
 * frames may be 0. */
PetscErrorCode CheckpointAddRows(Checkpoint checkpoint, const char *name, PetscInt frames, const PetscInt64 step[],
                                 PetscInt columns, PetscInt n, PetscReal mine[]);
/* n numbers of the whole run that the first rank of realization 0 holds. */
PetscErrorCode CheckpointAddShared(Checkpoint checkpoint, const char *name, PetscInt n, PetscReal values[]);
/* The i-th numbers of the whole run that it keeps; name is NULL past the end. Pure. */
PetscErrorCode CheckpointGetShared(Checkpoint checkpoint, PetscInt i, const char **name, PetscInt *n,
                                   PetscReal **values);
/* Called before every write, for files that must be on disk as far as the checkpoint says, and after it, on all ranks:
 * partial results. */
PetscErrorCode CheckpointSetActions(Checkpoint checkpoint, PetscErrorCode (*before)(void *context),
                                    PetscErrorCode (*after)(void *context), void *context);
/* For partial results: of all[R][n] in the order of realizations (EnsembleGather) the rows of those that are done,
 * moved to the front in their order; *done: R, then how many are left. Collective on the world. */
PetscErrorCode CheckpointKeepDone(Checkpoint checkpoint, PetscInt n, PetscReal all[], PetscInt *done);

/* Where realization r stands: 0 to begin with (nothing is touched but, in a run that does not resume, older
 * checkpoints), else its state is in the registered objects and *step steps are done. Register everything before the
 * first call. Collective on the group. */
PetscErrorCode CheckpointResume(Checkpoint checkpoint, PetscInt r, PetscInt *step);
/* Realization r has done `step` steps; those of several cells may go on in turn, one of each. Writes a checkpoint if
 * one is due; *stopped: leave the loops, the run is to stop. Collective on the group; a checkpoint waits for the
 * current step of all groups. */
PetscErrorCode CheckpointStep(Checkpoint checkpoint, PetscInt r, PetscInt step, PetscBool *stopped);
/* This group has no work left: takes part in the checkpoints of the others until all are done (*stopped false) or the
 * run is to stop. Collective on the world. */
PetscErrorCode CheckpointFinish(Checkpoint checkpoint, PetscBool *stopped);
/* After a CheckpointFinish that did not stop the run: more realizations are to come, up to as many as the checkpoint
 * was made for. Collective on the world. */
PetscErrorCode CheckpointGoOn(Checkpoint checkpoint);
/* The results are complete: removes the checkpoints. Collective on the world. */
PetscErrorCode CheckpointRemove(Checkpoint checkpoint);
/* The error (exit code 85, one line that says why and how to go on) that a stopped study returns after it has cleaned
 * up. Collective on the world. */
PetscErrorCode CheckpointStopped(Checkpoint checkpoint);

#endif
