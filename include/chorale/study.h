/* A study is one claim of the paper, run from a deck. Its table below says what it is made of and does; the driver
 * (src/study/study.c) says when: dry run, resume, realizations, frames, progress, checkpoints, partial and complete
 * results. */
#ifndef CHORALE_STUDY_H
#define CHORALE_STUDY_H

#include <chorale/checkpoint.h>
#include <chorale/deck.h>
#include <chorale/results.h>

typedef struct _p_Run *Run;
typedef struct _p_Study Study;
typedef const Study *(*StudyFinder)(const char *name);
typedef const OptionTable *(*StudyLister)(PetscInt i);

/* About how many seconds a step and a frame of one realization take, and of a frame the distances W2, which take longer
 * in later frames: `growth` times as long in the mean of all frames as at the start (0: not known). */
typedef struct {
  PetscReal step, frame, transport, growth;
} StudyGuess;

/* What runs, how large and how exact it is: phrases without an end, for a line each. */
enum { STUDY_PHRASE = 256 };
typedef struct {
  char model[STUDY_PHRASE], size[STUDY_PHRASE], accuracy[STUDY_PHRASE];
} StudyBrief;

/* Members that a study has no use for are NULL. state is its own, zero to begin with. */
struct _p_Study {
  const char *name, *summary; /* one line for chorale --help */
  const OptionTable *options; /* what it reads */
  ResultsForm form;           /* its study is name */
  size_t size;                /* of the state */
  PetscBool checkpoints;      /* it stops at one, and goes on from there */
  PetscBool quiet; /* a table that takes no time: no progress, and what would run is told by -dry_run alone */
  PetscBool thins; /* it may go on with fewer frames, all of them among those recorded */
  PetscBool grows; /* its numbers are observables of frames: complete, it may go on to a longer horizon */
  /* In place of this table: another one that the deck asks for. */
  PetscErrorCode (*select)(Run run, StudyFinder find, const Study **study);
  const Study *const *others; /* those of its name that select may choose, for -help; ends with NULL */
  /* Objects, and through the run: the ensemble, steps, frames, quantities. */
  PetscErrorCode (*create)(void *state, Run run);
  /* What a checkpoint keeps beside the numbers. */
  PetscErrorCode (*keep)(void *state, Checkpoint checkpoint);
  /* What runs, in three phrases. Pure. */
  PetscErrorCode (*brief)(void *state, StudyBrief *brief);
  /* All of it, how exact, at what cost, for -verbose and -dry_run; groups alike print once. */
  PetscErrorCode (*view)(void *state);
  /* Work of a step beside that of other cells of a sweep, in any unit; NULL: the same in all. Pure. */
  PetscErrorCode (*cost)(void *state, PetscReal *work);
  /* Does a step of this state and the same one of another cell's draw the same, so that one of them may do it for both
   * when they go side by side? From then on it does. NULL: never. */
  PetscErrorCode (*share)(void *state, void *other, PetscBool *shared);
  /* Where a step or a frame may take long: -dry_run believes it instead of timing them when that would take seconds. */
  PetscErrorCode (*guess)(void *state, StudyGuess *guess);
  /* Before the first realization: what takes time. Collective on all ranks; so are report and destroy. */
  PetscErrorCode (*prepare)(void *state);
  /* Realization r at its start. Then, unless l = 0, tokens and numbers are as a checkpoint left them after l steps. */
  PetscErrorCode (*start)(void *state, PetscInt r);
  PetscErrorCode (*resume)(void *state, PetscInt r, PetscInt l);
  /* Step l, from l to l + 1; *ended: nothing of the realization is to come, no frame either. */
  PetscErrorCode (*step)(void *state, PetscInt r, PetscInt l, PetscBool *ended);
  /* The numbers of frame f. */
  PetscErrorCode (*frame)(void *state, PetscInt r, PetscInt f, PetscReal values[]);
  /* What the realizations that are done say, none of them at first. */
  PetscErrorCode (*report)(void *state, const Samples *samples, Results results);
  PetscErrorCode (*destroy)(void *state);
};

/* Those of chorale (src/study/studies.c): NULL when there is no such study, or past the last. */
const Study *StudyFind(const char *name);
const Study *StudyGet(PetscInt i);
/* -help: its keys and what it measures, on stdout of rank 0. */
PetscErrorCode StudyHelp(const Study *study);
/* What the i-th study reads, for DeckUse. */
const OptionTable *StudyOptions(PetscInt i);

/* How many layers a run has and which time they take. */
typedef struct {
  PetscInt64 depth;   /* L */
  PetscReal horizon;  /* T */
  PetscReal adaptive; /* error per time of substeps; 0 for none */
} LayersOptions;
extern const OptionKey LayersKeys[];
/* layers_*. */
PetscErrorCode LayersOptionsRead(LayersOptions *options);
/* What the driver reads: dry_run, verbose. */
extern const OptionKey RunKeys[];

/* Runs it with the deck that is parsed; find and tables, those of the registry, are for studies that run others.
 * Collective on all ranks. */
PetscErrorCode StudyRun(const Study *study, StudyFinder find, StudyLister tables);

/* An ensemble whose shards share so many token blocks; options NULL: one realization that every rank computes whole. */
PetscErrorCode RunCreateEnsemble(Run run, const EnsembleOptions *options, PetscInt blocks, EnsembleLayout *layout);
/* The groups as they are at last, when work is shared out: after create. */
const EnsembleLayout *RunGetLayout(Run run);
/* So many steps in a realization, and their frames as output_every or output_log has them, until time `horizon`. */
PetscErrorCode RunSetFrames(Run run, PetscInt steps, PetscReal horizon, FramesRounding rounding);
/* So many steps without frames, or beyond those of the frames. */
PetscErrorCode RunSetSteps(Run run, PetscInt steps);
/* A frame after every step, see FramesCreateList; and as many steps. */
PetscErrorCode RunSetFrameList(Run run, PetscInt count, const PetscInt64 step[], const PetscReal time[]);
const Frames *RunGetFrames(Run run);
/* To declare quantities. */
Results RunGetResults(Run run);
/* The observables in their order, with the energy at beta. */
PetscErrorCode RunDeclareObservables(Run run, PetscReal beta);
/* Every frame of these tokens goes to a file, for the first output_trajectories realizations. */
PetscErrorCode RunSetTrajectories(Run run, Tokens tokens);
/* Checkpoints are possible only after multiples of so many steps. */
PetscErrorCode RunSetStride(Run run, PetscInt stride);
/* The keys because of which numbers depend on how many realizations there are, or those of a frame on the horizon: such
 * a run cannot be gone on from. Literals; NULL for none. */
PetscErrorCode RunFix(Run run, const char *realizations, const char *horizon);
/* The numbers of the realization in progress as a whole, NaN at its start. Pure. */
PetscReal *RunGetTail(Run run);
/* Memory of results on the rank that has most, and of a frame of trajectories or of so much that goes to a checkpoint,
 * which are not held at once. */
PetscErrorCode RunGetBytes(Run run, PetscReal checkpoint, PetscReal *bytes);

/* Numbers of all realizations that are not computed but read: into the rows of results (ResultsFrame, ResultsTail) and
 * what checkpoint keeps of the whole run. context is freed with PetscFree. A study that reads needs no objects but
 * those of its report. */
typedef PetscErrorCode (*RunReader)(void *context, Results results, Checkpoint checkpoint,
                                    const EnsembleLayout *layout);
PetscErrorCode RunSetReader(Run run, RunReader reader, void *context);
PetscBool RunReads(Run run);

#endif
