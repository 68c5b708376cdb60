/* Recorded trajectories, read back frame by frame: the counterpart of trajectory.h. The file is one H5MD file, or a
 * results file whose links under /particles lead to the trajectories of its realizations; either may be that of a
 * running or killed job: frames count as far as `frames_valid` says, and a realization whose file does not exist yet
 * has none. Each rank reads its own blocks of tokens, so no rank ever holds a frame. */
#ifndef CHORALE_RECORDING_H
#define CHORALE_RECORDING_H

#include <chorale/tokens.h>

typedef struct _p_Recording *Recording;

typedef struct {
  PetscInt realizations; /* particle groups, in alphabetical order */
  PetscInt64 count;      /* N */
  PetscInt dim;          /* d */
  PetscInt frames;       /* of the realization that has most; the others have the first ones of them */
  const PetscInt64 *step;
  const PetscReal *time;
} RecordingInfo;

/* The file at path, which the deck's key names. Refuses (user input, naming the key) what is no HDF5 file, has no
 * positions [T][N][d] with steps and times, no complete frame, or realizations that differ in N, d or steps. Collective
 * on world.
 */
PetscErrorCode RecordingOpen(MPI_Comm world, const char *key, const char *path, Recording *recording);
PetscErrorCode RecordingDestroy(Recording *recording);
PetscErrorCode RecordingGetInfo(Recording recording, RecordingInfo *info);
/* Complete frames of realization r. */
PetscInt RecordingFrames(Recording recording, PetscInt r);
/* Resolves those of these keys that the user did not give to what the file was recorded with (DeckResolve); *found is
 * false when the file does not say. Collective on world. */
PetscErrorCode RecordingAdopt(Recording recording, PetscInt n, const char *const keys[], PetscBool *found);
/* Calls visit(key, value, context) for every key of study simulate's deck with which the file says that it was
 * recorded, in table order. Collective on world. */
PetscErrorCode RecordingVisit(Recording recording,
                              PetscErrorCode (*visit)(const char *key, const char *value, void *context),
                              void *context);

/* Frame f < RecordingFrames(r) of realization r into the tokens, a layout of the file's N and d, with the recorded
 * weights. Positions of norm 1 within 1e-12 are taken bit for bit, others (single precision) are normalised. *good
 * is false when they cannot be read, are not finite or do not lie on the sphere: RecordingCheck says why once all
 * groups call it. Collective on the tokens' communicator. */
PetscErrorCode RecordingRead(Recording recording, PetscInt r, PetscInt f, Tokens tokens, PetscBool *good);
/* Closes the file that RecordingRead left open; the next one opens it again. Collective on the group. */
PetscErrorCode RecordingClose(Recording recording);
/* Closes the file and raises what RecordingRead found on any rank, as a user input error of all. Collective on world.
 */
PetscErrorCode RecordingCheck(Recording recording);

#endif
