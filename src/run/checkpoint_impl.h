/* Private to checkpoint*.c and its fuzzer. */
#ifndef CHORALE_RUN_CHECKPOINT_IMPL_H
#define CHORALE_RUN_CHECKPOINT_IMPL_H

#include <chorale/checkpoint.h>

#include "io/hdf.h"

#include "run/output.h"

#define CHECKPOINT_NAME   64
#define CHECKPOINT_FORMAT "4"

typedef struct {
  enum { CHECKPOINT_TOKENS, CHECKPOINT_RADIUS, CHECKPOINT_REALS, CHECKPOINT_ROWS, CHECKPOINT_SHARED } type;
  char name[CHECKPOINT_NAME];
  PetscInt cell; /* whose it is */
  Tokens tokens;
  PetscInt n;               /* numbers, or numbers per row */
  PetscInt frames, columns; /* what rows begin with: columns numbers of every frame, of these steps; 0 for none */
  const PetscInt64 *step;
  PetscReal *values;
} CheckpointEntry;

/* A cell of a sweep; another run has one. */
typedef struct {
  EnsembleLayout layout;
  PetscInt steps, first; /* of a realization; the number of its realization 0 */
  PetscInt held;         /* the group's realization whose state its objects have, -1 for none in progress */
} CheckpointCell;

/* What rank 0 tells all ranks. */
typedef enum { CHECKPOINT_GO, CHECKPOINT_WRITE, CHECKPOINT_STOP, CHECKPOINT_DONE } CheckpointEvent;

/* What ranks tell rank 0, and rank 0 those that have nothing left to do. */
typedef enum {
  CHECKPOINT_SAYS_SIGNAL = 1, /* the one that a rank caught */
  CHECKPOINT_SAYS_DUE,        /* so many writes are done, and the group wants another */
  CHECKPOINT_SAYS_FINISHED,   /* the group has no work left */
  CHECKPOINT_SAYS_IDLE,       /* the rank waits for the other groups */
  CHECKPOINT_SAYS_ALIVE       /* the longest step took so many seconds */
} CheckpointWord;

/* What stands at output_file. */
typedef enum {
  RESULTS_NONE,
  RESULTS_BROKEN,
  RESULTS_FOREIGN,
  RESULTS_PARTIAL,
  RESULTS_SHORTER, /* complete, but this run has more realizations or a longer horizon */
  RESULTS_COMPLETE
} ResultsState;

struct _p_Checkpoint {
  CheckpointOptions options;
  char reason[128];      /* why the run stops, on rank 0; empty when it goes on */
  EnsembleLayout layout; /* of all realizations of all cells; groups as they are in the whole */
  PetscMPIInt rank, size, shard, shards;
  CheckpointCell *cells;
  PetscInt cell_count, cell; /* cell: what is added is of this one */
  Output output;
  char file[PETSC_MAX_PATH_LEN], previous[PETSC_MAX_PATH_LEN], temporary[PETSC_MAX_PATH_LEN];
  char source[PETSC_MAX_PATH_LEN]; /* what to resume from, empty for a run from the start */
  CheckpointEntry *entries;
  PetscInt count, room;
  PetscInt64 *step;        /* [R] steps that each realization has done, as far as this group knows */
  PetscInt64 *source_step; /* [R] and had done in the source */
  ResultsState results;
  struct {
    PetscInt realizations, steps; /* steps: 0 where the horizon is the same */
  } earlier;                      /* what the complete results have from which this run goes on, 0 for none */
  char continued[512];            /* which these were, for /provenance */
  PetscBool loaded;               /* rows are read, or there are none to be read */
  PetscBool trusted;              /* file is whole: it may take the place of previous */
  PetscInt current;               /* the group's realization that was advanced last, -1 when it is at its end */
  PetscErrorCode (*before)(void *context), (*after)(void *context); /* a write */
  void *context;

  PetscInt64 since;                           /* steps of this group since the last checkpoint */
  int writes;                                 /* checkpoints so far */
  PetscBool due;                              /* on rank 0: a group has done enough steps */
  double start, written, looked, asked, last; /* times: of the run, last checkpoint, last look at the stop file, last
                                                 look for messages, last step */
  double longest, cost; /* seconds of the longest step (of this group, since the last write) and of the longest write */

  MPI_Comm events; /* a copy of the world for what follows */
  MPI_Request request;
  int heard; /* buffer of request */
  int event; /* CheckpointEvent: what is to be done after this step */
  PetscBool told;
  int signal;           /* on rank 0: that of another rank */
  char *idle;           /* [size] on rank 0: ranks that wait for other groups; NULL where there is one */
  double said;          /* when this rank said last that it is there */
  PetscInt64 looks;     /* of rank 0 at the clock, after each of its steps */
  double first;         /* the end of the first one */
  PetscMPIInt finished; /* groups, on rank 0 */
};

/* The cell of a realization, and whether this group has it to do. Pure. */
PETSC_INTERN CheckpointCell *CheckpointCellOf(Checkpoint checkpoint, PetscInt r);
PETSC_INTERN PetscBool CheckpointIsMine(Checkpoint checkpoint, PetscInt r);
/* /GROUP/NAME of an entry, in a sweep /GROUP/cell_00000/NAME. */
PETSC_INTERN PetscErrorCode CheckpointPath(Checkpoint checkpoint, const CheckpointEntry *entry, const char *group,
                                           size_t room, char *path);

/* To rank 0, by itself too. Not collective. */
PETSC_INTERN PetscErrorCode CheckpointSay(Checkpoint checkpoint, CheckpointWord word, int number);
/* A signal that this rank has caught, once; 0 for none. */
PETSC_INTERN PetscErrorCode CheckpointSaySignal(Checkpoint checkpoint, int signal);
/* On a group's first rank that works: that it does, now and then, where there are several groups. */
PETSC_INTERN PetscErrorCode CheckpointSayAlive(Checkpoint checkpoint);
/* What others have said, on rank 0, which tells those that wait now and then that it is there. */
PETSC_INTERN PetscErrorCode CheckpointHear(Checkpoint checkpoint);
/* This rank has no work left and waits until the other groups have none. */
PETSC_INTERN PetscErrorCode CheckpointBeginIdle(Checkpoint checkpoint);
PETSC_INTERN void CheckpointEndIdle(void);
/* The groups come together, each when its step is done. Collective on the world. */
PETSC_INTERN PetscErrorCode CheckpointMeet(Checkpoint checkpoint);

/* Says after the second step where a SIGTERM would lose work. now: MPI_Wtime. On rank 0. */
PETSC_INTERN void CheckpointTellGrace(Checkpoint checkpoint, double now);
/* Writes the file and puts it in place; the one before becomes previous. Collective on the world. */
PETSC_INTERN PetscErrorCode CheckpointFileWrite(Checkpoint checkpoint);
/* Finds the file to resume from (source, empty when there is none), checks it and reads step[]. Collective. */
PETSC_INTERN PetscErrorCode CheckpointFileFind(Checkpoint checkpoint);
/* The rows of the group's realizations that have begun, and what is shared. Collective on the group. */
PETSC_INTERN PetscErrorCode CheckpointFileReadRows(Checkpoint checkpoint);
/* Tokens and numbers of realization r. Collective on the group. */
PETSC_INTERN PetscErrorCode CheckpointFileReadState(Checkpoint checkpoint, PetscInt r);

/* The state of realization r, at its end, into a file of its own, on disk for good. Collective on the group. */
PETSC_INTERN PetscErrorCode CheckpointEndWrite(Checkpoint checkpoint, PetscInt r);
/* DIRECTORY/STEM/end_REALIZATION_STEPS.h5. */
PETSC_INTERN PetscErrorCode CheckpointEndPath(Checkpoint checkpoint, PetscInt r, PetscInt steps,
                                              char path[PETSC_MAX_PATH_LEN]);
/* Keys of a complete run that may grow. Pure. */
PETSC_INTERN PetscBool CheckpointMayGrow(const char *key);
/* What the open, complete results are to this run: all of it, or what it goes on from (earlier, RESULTS_SHORTER).
 * Refuses (user input) what it cannot go on from. Collective on the world. */
PETSC_INTERN PetscErrorCode CheckpointExtend(Checkpoint checkpoint, Hdf hdf);

/* The complete temporary file becomes the checkpoint, the checkpoint the one before. Collective on the world. */
PETSC_INTERN PetscErrorCode CheckpointSeal(Checkpoint checkpoint);
/* What is wrong with a file, empty for nothing; *exists is false when there is none. Collective on the world. */
PETSC_INTERN PetscErrorCode CheckpointVerify(Checkpoint checkpoint, const char *path, PetscBool *exists, char *reason,
                                             size_t room);
/* Is the open source a checkpoint of this run? Reads how far the realizations are. Collective on the world. */
PETSC_INTERN PetscErrorCode CheckpointReadHeader(Checkpoint checkpoint, Hdf hdf);
/* What stands at output_file; a file of another program or study is RESULTS_FOREIGN. Collective on the world. */
PETSC_INTERN PetscErrorCode CheckpointReadResults(Checkpoint checkpoint);
/* Refuses (user input) results that were made with another deck. Collective on the world. */
PETSC_INTERN PetscErrorCode CheckpointCompareResults(Checkpoint checkpoint);

#endif
