/* Points with prices, in a balanced tree that finds those with the least |x - y|^2 + price by branch and bound: below a
 * node nothing is less than (|x - centre| - radius)^2 + least price. Bounds of the children of a node are one vector.
 */
#ifndef CHORALE_DISTANCE_PRICE_TREE_H
#define CHORALE_DISTANCE_PRICE_TREE_H

#include "distance/points.h"

#define PRICE_TREE_LEVELS 12

typedef struct {
  PetscInt dim, n, leaves;
  PetscInt levels;                       /* of nodes; the root is the last one */
  PetscInt first[PRICE_TREE_LEVELS + 1]; /* node of each level: counted after the leaves, level after level */
  double *y;                             /* [leaves][dim][POINTS_LEAF] */
  double *price;                         /* [leaves][POINTS_LEAF]: that of point i is number i */
  double *node;                          /* [nodes][dim + 2][children]: centres, radii, least prices of the children */
} PriceTree;

/* Of sorted points, prices 0. */
PetscErrorCode PriceTreeCreate(const Points *points, PriceTree *tree);
PetscErrorCode PriceTreeDestroy(PriceTree *tree);
/* A new price of point i; of all points. */
void PriceTreeSet(PriceTree *tree, PetscInt i, double price);
void PriceTreeSetAll(PriceTree *tree, const double *price);
/* |x - y_i|^2 */
double PriceTreeCost(const PriceTree *tree, PetscInt i, const double *x);
/* The k least values |x - y_i|^2 + price_i, ascending, and their points (infinite and -1 beyond the number of points).
 * Looks first around the point `near` unless it is -1. */
void PriceTreeFind(const PriceTree *tree, const double *x, PetscInt near, PetscInt k, PetscInt *points, double *values);

#endif
