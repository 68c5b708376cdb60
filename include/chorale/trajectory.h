/* Positions of one realization as an H5MD 1.1 file, collective over the shards of a group, chunked by token block; an
 * .xmf sidecar when d = 3 (ParaView). The number of valid frames is in the attribute `frames_valid` of
 * /particles/all/position; radii, of tokens that have them, are [frames][N][1] in /particles/all/radius; /parameters
 * has the deck of the run as attributes. */
#ifndef CHORALE_TRAJECTORY_H
#define CHORALE_TRAJECTORY_H

#include <chorale/tokens.h>

typedef struct _p_Trajectory *Trajectory;

/* path ends in .h5md; frames is the number of frames to come; single and deflate as output_precision, output_compress.
 * Collective. */
PetscErrorCode TrajectoryCreate(Tokens tokens, const char *path, PetscInt frames, PetscBool single, PetscInt deflate,
                                Trajectory *trajectory);
/* The file of a run that goes on after `done` of its frames, to append to. *trajectory is NULL when the file is
 * missing, damaged, or does not hold those frames. Collective. */
PetscErrorCode TrajectoryOpen(Tokens tokens, const char *path, PetscInt frames, PetscInt done, PetscBool single,
                              Trajectory *trajectory);
/* All frames so far are in the file and can be read even if the process is killed. Collective. */
PetscErrorCode TrajectoryFlush(Trajectory trajectory);
/* Times of the frames that it has, in place of those in the file. Not collective. */
PetscErrorCode TrajectorySetTimes(Trajectory trajectory, const PetscReal time[]);
/* Appends the tokens at (step, time). Collective. */
PetscErrorCode TrajectoryWrite(Trajectory trajectory, PetscInt step, PetscReal time, Tokens tokens);
PetscErrorCode TrajectoryDestroy(Trajectory *trajectory);

#endif
