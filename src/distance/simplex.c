/* The network simplex method for transport (Ahuja, Magnanti, Orlin, Network Flows, 1993, chapter 11). Nodes are the
 * points of both sides; a basis is a spanning tree of n + m - 1 pairs that may carry mass. Potentials p with p_i + p_j
 * = c_ij on the tree prove the plan optimal when c_ij - p_i - p_j >= 0 for all pairs. The tree is kept strongly
 * feasible (Cunningham 1976): pairs of no mass point to the root, so ties, of which equal weights are full, make no
 * cycles. */
#include "distance/simplex.h"

#include <stdint.h>

#define TOLERANCE 1e-12 /* of reduced costs: potentials are sums along the tree, good to 1e-13 or so */
#define BLOCK     65536 /* pairs that are looked at for one step */
#define NONE      -1

typedef struct {
  const SimplexSide *from, *to;
  PetscInt n;                                        /* of from; nodes n .. are those of to */
  PetscInt *parent, *depth, *child, *after, *before; /* child: the first; after, before: of one parent */
  PetscInt64 *flow;                                  /* between a node and its parent */
  double *potential, *gain;
} Tree;

PetscErrorCode SimplexSideCreate(PetscInt n, SimplexSide *side) {
  PetscFunctionBeginUser;
  side->n = n;
  PetscCall(PetscMalloc3(n, &side->x, n, &side->y, n, &side->mass));
  PetscFunctionReturn(0);
}

PetscErrorCode SimplexSideDestroy(SimplexSide *side) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree3(side->x, side->y, side->mass));
  PetscFunctionReturn(0);
}

static double Cost(const Tree *t, PetscInt i, PetscInt j) {
  return 2 - 2 * (t->from->x[i] * t->to->x[j] + t->from->y[i] * t->to->y[j]);
}

/* Between node k and its parent. */
static double CostToParent(const Tree *t, PetscInt k) {
  return k < t->n ? Cost(t, k, t->parent[k] - t->n) : Cost(t, t->parent[k], k - t->n);
}

static void Attach(Tree *t, PetscInt k, PetscInt parent, PetscInt64 flow) {
  t->parent[k] = parent;
  t->flow[k] = flow;
  t->before[k] = NONE;
  t->after[k] = t->child[parent];
  if (t->after[k] != NONE) t->before[t->after[k]] = k;
  t->child[parent] = k;
}

static void Detach(Tree *t, PetscInt k) {
  if (t->before[k] == NONE)
    t->child[t->parent[k]] = t->after[k];
  else
    t->after[t->before[k]] = t->after[k];
  if (t->after[k] != NONE) t->before[t->after[k]] = t->before[k];
}

/* Depths and potentials of the subtree of k, from those of its parent. */
static void Refresh(Tree *t, PetscInt top) {
  PetscInt k = top;

  for (;;) {
    t->depth[k] = t->depth[t->parent[k]] + 1;
    t->potential[k] = CostToParent(t, k) - t->potential[t->parent[k]];
    if (t->child[k] != NONE) {
      k = t->child[k];
      continue;
    }
    while (k != top && t->after[k] == NONE) k = t->parent[k];
    if (k == top) return;
    k = t->after[k];
  }
}

/* Points in their order, the north-west corner; the root is the first of `from`. A new node of `from` hangs with no
 * mass where masses end together. */
static void Start(Tree *t) {
  PetscInt i = 0, j = 0, k = t->n, parent = 0;
  PetscInt64 left = t->from->mass[0], right = t->to->mass[0];

  t->parent[0] = NONE;
  t->depth[0] = 0;
  t->potential[0] = 0;
  for (;;) {
    const PetscInt64 flow = PetscMin(left, right);
    Attach(t, k, parent, flow);
    t->depth[k] = t->depth[parent] + 1;
    t->potential[k] = CostToParent(t, k) - t->potential[parent];
    left -= flow;
    right -= flow;
    if (left == 0 && i + 1 < t->n) {
      left = t->from->mass[++i];
      k = i;
      parent = t->n + j;
    } else if (j + 1 < t->to->n) {
      right = t->to->mass[++j];
      k = t->n + j;
      parent = i;
    } else
      return;
  }
}

/* Raises *most to the largest of p_i + p_j - c_ij over j, and sets *pair if it does. */
static void Price(Tree *t, PetscInt i, double *most, PetscInt pair[2]) {
  const double x = 2 * t->from->x[i], y = 2 * t->from->y[i], *restrict xs = t->to->x, *restrict ys = t->to->y;
  const double *restrict p = t->potential + t->n, rest = t->potential[i] - 2;
  double *restrict gain = t->gain, best = -2 * PETSC_MAX_REAL;
  const PetscInt m = t->to->n;

#pragma omp simd reduction(max : best)
  for (PetscInt j = 0; j < m; j++) {
    gain[j] = x * xs[j] + y * ys[j] + p[j];
    best = gain[j] > best ? gain[j] : best;
  }
  if (!(best + rest > *most)) return;
  *most = best + rest;
  pair[0] = i;
  for (pair[1] = 0; gain[pair[1]] != best;) pair[1]++;
}

/* The pair of the most negative reduced cost in the first block of rows from *row on that has any; false: none has. */
static PetscBool Enters(Tree *t, PetscInt *row, PetscInt pair[2]) {
  const PetscInt rows = PetscMax(1, PetscMin(t->n, BLOCK / t->to->n));
  double most = TOLERANCE;

  pair[0] = NONE;
  for (PetscInt seen = 0; seen < t->n && pair[0] == NONE; seen += rows)
    for (PetscInt k = 0; k < rows; k++, *row = (*row + 1) % t->n) Price(t, *row, &most, pair);
  return (PetscBool)(pair[0] != NONE);
}

/* Moves mass around the cycle that the pair (i, j) closes. The pair that leaves the tree, between the returned node and
 * its parent, is the last that blocks, on the way from the apex through i and j. *side tells on whose way it lies. */
static PetscInt Push(Tree *t, PetscInt i, PetscInt j, PetscInt *side, PetscInt64 *moved) {
  PetscInt a = i, b = j, leaving[2] = {NONE, NONE};
  PetscInt64 least[2] = {INT64_MAX, INT64_MAX};

  while (a != b) {
    if (t->depth[a] >= t->depth[b]) { /* a node of `from` gives less to its parent */
      if (a < t->n && t->flow[a] < least[0]) least[0] = t->flow[leaving[0] = a];
      a = t->parent[a];
    } else { /* one of `to` takes less from its parent */
      if (b >= t->n && t->flow[b] <= least[1]) least[1] = t->flow[leaving[1] = b];
      b = t->parent[b];
    }
  }
  *side = least[1] <= least[0];
  *moved = least[*side];
  for (PetscInt k = i; k != a; k = t->parent[k]) t->flow[k] += k < t->n ? -*moved : *moved;
  for (PetscInt k = j; k != a; k = t->parent[k]) t->flow[k] += k < t->n ? *moved : -*moved;
  return leaving[*side];
}

static void Pivot(Tree *t, PetscInt i, PetscInt j) {
  PetscInt side;
  PetscInt64 flow;
  const PetscInt last = Push(t, i, j, &side, &flow), top = side ? j : i;
  PetscInt k = top, parent = side ? i : j;

  for (;;) { /* from the pair that enters to the one that leaves, parents become children */
    const PetscInt next = t->parent[k];
    const PetscInt64 old = t->flow[k];
    Detach(t, k);
    Attach(t, k, parent, flow);
    if (k == last) break;
    parent = k;
    flow = old;
    k = next;
  }
  Refresh(t, top);
}

static PetscReal Total(const Tree *t) {
  PetscReal cost = 0, mass = 0;

  for (PetscInt k = 1; k < t->n + t->to->n; k++) {
    const PetscInt i = k < t->n ? k : t->parent[k], j = (k < t->n ? t->parent[k] : k) - t->n;
    cost += (PetscReal)t->flow[k] * (PetscSqr(t->from->x[i] - t->to->x[j]) + PetscSqr(t->from->y[i] - t->to->y[j]));
    mass += (PetscReal)t->flow[k];
  }
  return cost / mass;
}

PetscErrorCode SimplexSolve(const SimplexSide *from, const SimplexSide *to, PetscReal *cost) {
  const PetscInt nodes = from->n + to->n;
  PetscInt row = 0, pair[2] = {NONE, NONE};
  Tree t = {.from = from, .to = to, .n = from->n};

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc5(nodes, &t.parent, nodes, &t.depth, nodes, &t.child, nodes, &t.after, nodes, &t.before));
  PetscCall(PetscMalloc3(nodes, &t.flow, nodes, &t.potential, to->n, &t.gain));
  for (PetscInt k = 0; k < nodes; k++) t.child[k] = NONE;
  Start(&t);
  while (Enters(&t, &row, pair)) Pivot(&t, pair[0], t.n + pair[1]);
  *cost = Total(&t);
  PetscCall(PetscFree3(t.flow, t.potential, t.gain));
  PetscCall(PetscFree5(t.parent, t.depth, t.child, t.after, t.before));
  PetscFunctionReturn(0);
}
