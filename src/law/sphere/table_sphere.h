/* What making a table on the sphere and looking things up in it share. Private to the tables. */
#ifndef CHORALE_LAW_SPHERE_TABLE_SPHERE_H
#define CHORALE_LAW_SPHERE_TABLE_SPHERE_H

#include "law/sphere/synthesis.h"
#include "law/sphere/table.h"
#include "law/sphere/table_window.h"

#define TABLE_TILE   16 /* cells of a tile in each direction */
#define TABLE_SHIFTS 4  /* grid points of a register, at most */
#define TABLE_ROWS   16 /* rows of the grid that are made together */
#define TABLE_CHUNK  (SYNTHESIS_BLOCKS * HARMONICS_BLOCK)

/* A token at a table: where in its cell, in [-1,1] along theta and phi; the grid point at which its registers begin;
 * its number in the chunk. */
typedef struct {
  double s, t;
  uint32_t point, token;
} TableSpot;

struct TableSphere {
  const TableWindow *window;
  PetscInt n, degree;        /* functions */
  PetscInt functions;        /* two or four, with n of them in use */
  PetscInt M, rows, columns; /* cells around; grid with all stencils */
  double *theta;             /* [pairs (m,l)][rows]: g of the functions of theta; NULL until coefficients come */
  double *phi;               /* [2 degree + 2][M/4 + 1]: of 1, cos 2, .. cos 1, cos 3, .. 0, sin 2, .. sin 1, .. */
  double *orders;            /* [n][2 degree + 2][rows] */
  double *planes;            /* [4][TABLE_ROWS][M/4 + 1] */
  double *line;              /* [columns][functions]: a row in double precision */
  double *data;              /* [rows][columns][functions], */
  float *single;             /* in single precision there; else NULL */
  double *polynomials;       /* [terms][TABLE_HALF] */
  float *both;               /* [terms][2][TABLE_HALF]: in single precision, for rows and for columns */
  double *room;              /* where data and these were allocated */
  /* Values: on rings at (i + 1/2) pi/rings, i < rings, of `parts` blocks of B points; NULL until asked for. */
  PetscInt rings, parts, B;
  double *points;        /* [rings][parts][3][B] */
  double *modes;         /* [2 degree + 1][parts B]: from the values of a ring to coefficients of 1, cos 1, sin 1, .. */
  double *upright;       /* [2][rings][rows]: from even and odd functions of theta to g */
  double *ring;          /* [2 degree + 1][rings] of a function, and its values [parts B][rings] */
  PetscInt bins;         /* tiles times TABLE_SHIFTS */
  uint32_t *end;         /* [bins]: of their tokens in `spots` */
  uint32_t *key, *point; /* [TABLE_CHUNK]: bins of tokens, and their spots in parts */
  double *s, *t;         /* [TABLE_CHUNK] */
  TableSpot *spots;      /* [TABLE_CHUNK]: by bins */
};

/* Two functions at tokens, `count` of them in their order, of a table in single precision: table_single.c. */
PETSC_INTERN void TableSphereSingle(const struct TableSphere *table, PetscInt count, PetscInt B, double *out);

/* Points of the cell's row and column before it. */
static inline PetscInt TableBefore(const TableWindow *window) {
  return window->width / 2 - 1;
}

#endif
