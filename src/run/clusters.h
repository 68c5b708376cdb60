/* Clusters of all tokens: connected components of the graph <x_i,x_j> > 0.99, that is |x_i - x_j|^2 < 0.02, for any
 * number of tokens in any dimension (NEIGHBOURS.md (16.5)). Private to run.
 *
 * Squares of distances are sums over the coordinates in their order, each term rounded and then added (no fused
 * operations, see CMakeLists.txt). So the rounded sum for the nearest points of two boxes is at most that of any two
 * tokens in them, that for the farthest points at least: what boxes decide is what tokens would have decided. */
#ifndef CHORALE_RUN_CLUSTERS_H
#define CHORALE_RUN_CLUSTERS_H

#include <chorale/tokens.h>

#define CLUSTERS_SQUARE 0.02 /* 2 (1 - 0.99) */
#define CLUSTERS_FEW    32   /* tokens of a box that is not cut for being large */

/* The smallest box about some of the tokens. Its ends stand apart. */
typedef struct {
  PetscInt part;       /* the first of its two parts, -1 when it has none */
  PetscInt cut;        /* the coordinate across which it is cut: */
  PetscReal middle;    /* at most that is in the first part */
  PetscReal width;     /* of its widest side; 0: all its tokens are one point, or it has none */
  PetscInt tokens;     /* of one without parts, over all ranks; 1 for a point */
  PetscBool connected; /* its diagonal is an edge */
  PetscBool dense;     /* it, or some box in it, is connected and has no parts */
  PetscBool many;      /* so with more than a few tokens */
} Box;

/* A tree of boxes, the same on every rank, whose leaves are connected or have few tokens, and a forest over boxes that
 * are connected. */
typedef struct {
  TokensLayout layout;
  const double *x;
  PetscInt *leaf; /* [owned * B]: the box without parts that each token is in */
  PetscInt boxes, room;
  Box *box;
  double *end;      /* [boxes][2][d]: lower ends, and minus the upper ones */
  PetscInt *parent; /* union-find: the root of a component has its smallest index */
} Boxes;

typedef enum { BOXES_APART, BOXES_OPEN, BOXES_NEAR } BoxesRelation;

/* Until every leaf is connected or has few tokens, and of two leaves that boxes cannot decide about, unless they are
 * joined by way of others, none has many. Collective. */
PetscErrorCode BoxesCreate(const TokensLayout *layout, const double *x, Boxes *boxes);
PetscErrorCode BoxesDestroy(Boxes *boxes);
/* No edge between them, an edge between any two tokens, or neither is certain. */
BoxesRelation BoxesCompare(const Boxes *boxes, PetscInt a, PetscInt b);
/* Both are connected, and in one component. */
PetscBool BoxesJoined(const Boxes *boxes, PetscInt a, PetscInt b);
/* Of two different boxes that are not both leaves, the one to go into: the wider one that has parts. */
PetscInt BoxesWider(const Boxes *boxes, PetscInt a, PetscInt b);

/* The number of components: looks at tokens of leaves that boxes could not decide about. Collective. */
PetscErrorCode ClustersCount(Boxes *boxes, PetscInt *clusters);

#endif
