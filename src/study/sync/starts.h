/* What starts.c, the study, and attractor.c, its numbers, share. */
#ifndef CHORALE_STUDY_SYNC_STARTS_H
#define CHORALE_STUDY_SYNC_STARTS_H

#include "law/stats/interval.h"
#include "study/sync/sync.h"

/* Numbers of a frame, and of a realization: the point stands behind the number of points. */
enum { STARTS_DIAMETER, STARTS_FOLDED, STARTS_COLUMNS };
enum { STARTS_POINTS, STARTS_ATTRACTOR };

/* Is a diameter, or one of axes, small enough? Pure. */
PetscBool StartsHaveMet(PetscReal diameter);
/* diameters[STARTS_COLUMNS] of the points rows[n][dim], which every rank has. Collective. */
PetscErrorCode StartsDiameters(MPI_Comm comm, PetscInt n, PetscInt dim, const double *rows, PetscReal diameters[]);
/* tail[1 + dim]: how many limit points they show, by their diameters, and the mean point, or the mean axis in the
 * direction of the first; NaN when they have not met. Pure. */
void StartsAttractor(PetscInt n, PetscInt dim, const double *rows, const PetscReal diameters[], PetscReal tail[]);

/* What limit points of R realizations, tail[1 + dim] each, `stride` apart, say of a uniform law, NEIGHBOURS.md (17.3):
 * deviations in standard deviations, NaN where too few have met, and first also where some are axes. Pure. */
typedef struct {
  PetscReal one, two; /* realizations with so many points */
  PetscReal first, second;
  SyncVerdict verdict;
} StartsUniform;
StartsUniform StartsTestUniform(PetscInt R, PetscInt dim, size_t stride, const PetscReal tail[]);

#endif
