/* One Gaussian field of covariance k(<x,y>) I_d that is made up as it is asked for: exact at every set of points and
 * consistent between them. Private to the folder. No MPI: every rank that asks for the same points in the same order
 * gets the same bits. */
#ifndef CHORALE_NOISE_GRAM_DRAW_H
#define CHORALE_NOISE_GRAM_DRAW_H

#include <chorale/kernel.h>
#include <chorale/rng.h>

typedef struct _p_GramDraw *GramDraw;

#define GRAM_TOKENS 2048 /* of one set */
/* Different ones that a draw remembers: the four stages of a Runge-Kutta step. */
#define GRAM_POINTS (4 * GRAM_TOKENS)

/* Nothing is known yet; normals come from the stream, dim for each point that brings something new. kernel stays the
 * caller's. */
PetscErrorCode GramDrawCreate(Kernel kernel, PetscInt dim, RngStream stream, GramDraw *draw);
PetscErrorCode GramDrawDestroy(GramDraw *draw);
/* g[n][d] += scale G at the unit vectors points[n][d], conditional on all values given before; a point seen before has
 * its old value, bit for bit. */
PetscErrorCode GramDrawAdd(GramDraw draw, PetscReal scale, PetscInt n, const double *points, double *g);

#endif
