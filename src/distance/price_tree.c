#include "distance/price_tree.h"

#include <math.h>

#define CHILDREN 8
#define WAITING  (PRICE_TREE_LEVELS * CHILDREN) /* most children that wait in a search */

/* Centre of the box around the points first .. end, in steps of CHILDREN, and the radius from it. */
static void Enclose(const Points *points, PetscInt first, PetscInt end, double *centre, double *radius) {
  *radius = 0;
  for (PetscInt c = 0; c < points->dim; c++) {
    double least = PETSC_MAX_REAL, most = -PETSC_MAX_REAL;

    for (PetscInt i = first; i < end; i++) {
      least = PetscMin(least, points->x[(size_t)i * points->dim + c]);
      most = PetscMax(most, points->x[(size_t)i * points->dim + c]);
    }
    centre[c * CHILDREN] = (least + most) / 2;
  }
  for (PetscInt i = first; i < end; i++) {
    double square = 0;

    for (PetscInt c = 0; c < points->dim; c++)
      square += PetscSqr(points->x[(size_t)i * points->dim + c] - centre[c * CHILDREN]);
    *radius = PetscMax(*radius, square);
  }
  *radius = sqrt(*radius) * (1 + 1e-14) + 1e-15; /* rounding never hides a point */
}

static inline double *Node(const PriceTree *tree, PetscInt node) {
  return tree->node + (size_t)(node - tree->leaves) * (tree->dim + 2) * CHILDREN;
}

static inline double *Least(const PriceTree *tree, PetscInt node) {
  return Node(tree, node) + (tree->dim + 1) * CHILDREN;
}

PetscErrorCode PriceTreeCreate(const Points *points, PriceTree *tree) {
  const PetscInt dim = points->dim;
  PetscInt below, nodes;

  PetscFunctionBeginUser;
  *tree = (PriceTree){.dim = dim, .n = points->n, .leaves = (points->n - 1) / POINTS_LEAF + 1};
  tree->first[0] = nodes = below = tree->leaves;
  do {
    below = (below - 1) / CHILDREN + 1;
    nodes += below;
    tree->first[++tree->levels] = nodes;
  } while (below > 1);
  PetscCall(PetscCalloc3((size_t)tree->leaves * dim * POINTS_LEAF, &tree->y, (size_t)tree->leaves * POINTS_LEAF,
                         &tree->price, (size_t)(nodes - tree->leaves) * (dim + 2) * CHILDREN, &tree->node));
  for (PetscInt i = 0; i < points->n; i++)
    for (PetscInt c = 0; c < dim; c++)
      tree->y[((size_t)(i / POINTS_LEAF) * dim + c) * POINTS_LEAF + i % POINTS_LEAF] = points->x[(size_t)i * dim + c];
  for (PetscInt i = points->n; i < tree->leaves * POINTS_LEAF; i++) tree->price[i] = PETSC_INFINITY;
  for (PetscInt level = 0, span = POINTS_LEAF; level < tree->levels; level++, span *= CHILDREN)
    for (PetscInt k = 0; k < (tree->first[level + 1] - tree->first[level]) * CHILDREN; k++) {
      double *node = Node(tree, tree->first[level] + k / CHILDREN) + k % CHILDREN;

      if ((PetscInt64)k * span < points->n)
        Enclose(points, k * span, (PetscInt)PetscMin((PetscInt64)(k + 1) * span, points->n), node,
                node + dim * CHILDREN);
      node[(dim + 1) * CHILDREN] = PETSC_INFINITY;
    }
  PriceTreeSetAll(tree, NULL);
  PetscFunctionReturn(0);
}

PetscErrorCode PriceTreeDestroy(PriceTree *tree) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree3(tree->y, tree->price, tree->node));
  PetscFunctionReturn(0);
}

static inline double LeastOf(PetscInt n, const double *price) {
  double least = price[0];

  for (PetscInt t = 1; t < n; t++) least = price[t] < least ? price[t] : least;
  return least;
}

/* Tells the nodes above a leaf of its least price, as far as that changes theirs. */
static void Tell(PriceTree *tree, PetscInt leaf) {
  double least = LeastOf(POINTS_LEAF, tree->price + (size_t)leaf * POINTS_LEAF);

  for (PetscInt level = 0, k = leaf; level < tree->levels; level++, k /= CHILDREN) {
    double *leasts = Least(tree, tree->first[level] + k / CHILDREN);

    if (leasts[k % CHILDREN] == least) return;
    leasts[k % CHILDREN] = least;
    least = LeastOf(CHILDREN, leasts);
  }
}

void PriceTreeSet(PriceTree *tree, PetscInt i, double price) {
  tree->price[i] = price;
  Tell(tree, i / POINTS_LEAF);
}

void PriceTreeSetAll(PriceTree *tree, const double *price) {
  for (PetscInt i = 0; price && i < tree->n; i++) tree->price[i] = price[i];
  for (PetscInt leaf = 0; leaf < tree->leaves; leaf++) Tell(tree, leaf);
}

double PriceTreeCost(const PriceTree *tree, PetscInt i, const double *x) {
  const double *y = tree->y + (size_t)(i / POINTS_LEAF) * tree->dim * POINTS_LEAF + i % POINTS_LEAF;
  double cost = 0;

  for (PetscInt c = 0; c < tree->dim; c++) cost += (x[c] - y[c * POINTS_LEAF]) * (x[c] - y[c * POINTS_LEAF]);
  return cost;
}

static void ScanLeaf(const PriceTree *tree, PetscInt leaf, const double *x, PetscInt k, PetscInt *points,
                     double *values) {
  const double *restrict price = tree->price + (size_t)leaf * POINTS_LEAF;
  const double *restrict y = tree->y + (size_t)leaf * tree->dim * POINTS_LEAF;
  double value[POINTS_LEAF];
  unsigned better = 0;

#pragma omp simd
  for (PetscInt t = 0; t < POINTS_LEAF; t++) value[t] = price[t];
  for (PetscInt c = 0; c < tree->dim; c++) {
    const double xc = x[c];
#pragma omp simd
    for (PetscInt t = 0; t < POINTS_LEAF; t++)
      value[t] += (xc - y[c * POINTS_LEAF + t]) * (xc - y[c * POINTS_LEAF + t]);
  }
  for (PetscInt t = 0; t < POINTS_LEAF; t++) better |= (unsigned)(value[t] < values[k - 1]) << t;
  for (; better; better &= better - 1) {
    const PetscInt t = (PetscInt)__builtin_ctz(better);
    PetscInt place = k - 1;

    if (!(value[t] < values[k - 1])) continue;
    for (; place > 0 && values[place - 1] > value[t]; place--) {
      values[place] = values[place - 1];
      points[place] = points[place - 1];
    }
    values[place] = value[t];
    points[place] = leaf * POINTS_LEAF + t;
  }
}

typedef struct {
  double bound;
  PetscInt node;
} Branch;

/* Adds the children of a node whose bounds are below `most`, the least one last. `child` is the first child. */
static PetscInt Open(const PriceTree *tree, PetscInt node, PetscInt child, const double *x, double most,
                     Branch *waiting) {
  const double *restrict centre = Node(tree, node), *restrict radius = centre + tree->dim * CHILDREN;
  const double *restrict least = radius + CHILDREN;
  double bound[CHILDREN] = {0};
  unsigned open = 0;
  PetscInt n = 0;

  for (PetscInt c = 0; c < tree->dim; c++) {
    const double xc = x[c];
#pragma omp simd
    for (PetscInt t = 0; t < CHILDREN; t++)
      bound[t] += (xc - centre[c * CHILDREN + t]) * (xc - centre[c * CHILDREN + t]);
  }
#pragma omp simd
  for (PetscInt t = 0; t < CHILDREN; t++) {
    const double gap = sqrt(bound[t]) - radius[t];
    bound[t] = least[t] + (gap > 0 ? gap * gap : 0);
  }
  for (PetscInt t = 0; t < CHILDREN; t++) open |= (unsigned)(bound[t] < most) << t;
  for (; open; open &= open - 1, n++) {
    const PetscInt t = (PetscInt)__builtin_ctz(open);
    PetscInt place = n;

    for (; place > 0 && waiting[place - 1].bound < bound[t]; place--) waiting[place] = waiting[place - 1];
    waiting[place] = (Branch){bound[t], child + t};
  }
  return n;
}

void PriceTreeFind(const PriceTree *tree, const double *x, PetscInt near, PetscInt k, PetscInt *points,
                   double *values) {
  const PetscInt done = near < 0 ? -1 : near / POINTS_LEAF, root = tree->first[tree->levels] - 1;
  Branch waiting[WAITING];
  PetscInt n = 0;

  for (PetscInt i = 0; i < k; i++) {
    values[i] = PETSC_INFINITY;
    points[i] = -1;
  }
  if (done >= 0) ScanLeaf(tree, done, x, k, points, values);
  waiting[n++] = (Branch){-PETSC_INFINITY, root};
  while (n > 0) {
    const Branch branch = waiting[--n];

    if (!(branch.bound < values[k - 1])) continue;
    if (branch.node < tree->leaves) {
      if (branch.node != done) ScanLeaf(tree, branch.node, x, k, points, values);
      continue;
    }
    PetscInt level = 0;
    while (branch.node >= tree->first[level + 1]) level++;
    const PetscInt below = level ? tree->first[level - 1] : 0;
    n += Open(tree, branch.node, below + (branch.node - tree->first[level]) * CHILDREN, x, values[k - 1], waiting + n);
  }
}
