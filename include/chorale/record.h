/* What a run leaves behind: observables of every frame of every realization, ensemble means, trajectories, the results
 * file. Reads output_*. Frames are step 0, every output_every steps, and step L. */
#ifndef CHORALE_RECORD_H
#define CHORALE_RECORD_H

#include <chorale/checkpoint.h>
#include <chorale/ensemble.h>
#include <chorale/observables.h>

typedef struct _p_Record *Record;

/* Refuses an existing output file without output_overwrite (user input), checks that its directory can be written.
 * study names the output file's default STUDY.h5. steps L, horizon T. Collective on all ranks of the ensemble. */
PetscErrorCode RecordCreate(const char *study, Ensemble ensemble, Tokens tokens, PetscInt steps, PetscReal horizon,
                            Record *record);
/* For frames that are given, by their steps and times, and for count quantities per frame beside the observables (their
 * `first` does not matter; strings stay the caller's). Collective on all ranks. */
PetscErrorCode RecordCreateFrames(const char *study, Ensemble ensemble, Tokens tokens, PetscInt frames,
                                  const PetscInt64 step[], const PetscReal time[], PetscInt count,
                                  const ObservableInfo quantity[], Record *record);
PetscErrorCode RecordDestroy(Record *record);
/* Attribute /study/<study>@key of the results file, at most 128 of them. Copied. All ranks pass the same. */
PetscErrorCode RecordText(Record record, const char *key, const char *value);
/* Frames, size of files, on stdout of rank 0 (-dry_run). Collective. */
PetscErrorCode RecordView(Record record);
/* Memory of the rank that has most. Not collective. */
PetscErrorCode RecordGetBytes(Record record, PetscReal *bytes);

/* Makes checkpoints carry the frames so far, and every checkpoint followed by the results so far. Call before the first
 * frame. Collective on all ranks. */
PetscErrorCode RecordSetCheckpoint(Record record, Checkpoint checkpoint);
/* Realization r goes on after *step steps: reopens its trajectory. *step becomes 0, with a warning, when that file is
 * lost or damaged: then the realization must begin again. Collective on the group. */
PetscErrorCode RecordResume(Record record, PetscInt r, Tokens tokens, PetscInt *step);
/* Is a frame due after this many steps? */
PetscBool RecordDue(Record record, PetscInt step);
/* Measures the tokens after `step` steps of realization r and, for the first output_trajectories realizations, writes
 * their positions. Collective on the group. */
PetscErrorCode RecordFrame(Record record, PetscInt r, PetscInt step, Tokens tokens, Attention attention);
/* The numbers of one frame of realization r: those of the observables, then those of the added quantities. Frames that
 * never get any have no share in means, and their numbers are NaN. Collective on the group. */
PetscErrorCode RecordValues(Record record, PetscInt r, PetscInt frame, const PetscReal values[]);
/* Writes the results file (temporary, fsync, rename), prints the study's table to stdout of rank 0 and writes
 * output_table. Collective on all ranks. */
PetscErrorCode RecordFinish(Record record);

#endif
