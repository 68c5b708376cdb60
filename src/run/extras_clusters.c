/* Clusters of all tokens on the circle or the sphere: connected components of the graph <x_i,x_j> > 0.99, that is
 * |x_i - x_j|^2 < 0.02, without pairs of tokens (NEIGHBOURS.md (16.5)).
 *
 * Tokens are sorted into the cells of a grid, whose diagonals are edges, so a cell is connected. A cell is known by the
 * smallest box about its tokens. Two boxes are joined when their farthest points make an edge, and not when their
 * nearest ones do not; in between, unless they are joined already by way of others, both are cut in half along every
 * coordinate, and the pairs of their parts are looked at. Boxes shrink to points, so this ends, and the answer is
 * exact.
 *
 * The ends of boxes are minima over the ranks: every rank has the same boxes, whatever their number, and decides alike.
 */
#include "run/extras.h"

#define SQUARE 0.02 /* 2 (1 - 0.99) */
#define GRID   32   /* cells along a coordinate: their diagonal is at most sqrt(3)/16 < sqrt(0.02) */
#define REACH  4    /* cells so many columns apart are at least 3/16 apart */
#define DIM    3

/* A box, at first of a cell: its lower ends and minus its upper ends, infinite when it is empty. */
typedef struct {
  double end[2][DIM];
} Box;

typedef struct {
  PetscInt a, b;
} Pair;

typedef struct {
  TokensLayout layout;
  const double *x;
  PetscInt parts;       /* of a box that is cut: 2^d */
  PetscInt *leaf;       /* [owned * B]: the box of each token */
  PetscInt boxes, room; /* those of the grid, then parts of boxes that were cut */
  Box *box;
  PetscInt *parent;           /* union-find */
  PetscInt *part;             /* the first part of a box that was cut, else -1 */
  PetscInt pairs, pairs_room; /* that are not decided */
  Pair *pair;
} Graph;

static PetscErrorCode Declare(PetscInt64 count, PetscInt dim, const ExtrasOptions *options, Quantity *quantity) {
  PetscFunctionBeginUser;
  (void)count;
  if (!options->clusters) PetscFunctionReturn(0);
  PetscCheck(dim <= DIM, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "output_clusters = true: tokens_dim must be at most %d; the observable clusters has the first 4096 tokens",
             DIM);
  quantity->name = "clusters_all";
  quantity->unit = "1";
  quantity->description = "connected components of the graph <x_i,x_j> > 0.99 on all tokens";
  PetscFunctionReturn(0);
}

/* ---- union-find: the root of a component is its smallest box ---- */

static PetscInt Root(Graph *graph, PetscInt i) {
  PetscInt *parent = graph->parent;
  while (parent[i] != i) i = parent[i] = parent[parent[i]];
  return i;
}

static void Join(Graph *graph, PetscInt a, PetscInt b) {
  const PetscInt i = Root(graph, a), j = Root(graph, b);
  graph->parent[PetscMax(i, j)] = PetscMin(i, j);
}

/* ---- boxes ---- */

static PetscBool IsEmpty(const Box *box) {
  return box->end[0][0] == PETSC_INFINITY ? PETSC_TRUE : PETSC_FALSE;
}

static PetscBool IsPoint(const Graph *graph, PetscInt i) {
  for (PetscInt c = 0; c < graph->layout.dim; c++)
    if (graph->box[i].end[0][c] != -graph->box[i].end[1][c]) return PETSC_FALSE;
  return PETSC_TRUE;
}

/* Appends n empty boxes. */
static PetscErrorCode AddBoxes(Graph *graph, PetscInt n) {
  PetscFunctionBeginUser;
  if (graph->boxes + n > graph->room) {
    graph->room = 2 * (graph->boxes + n);
    PetscCall(PetscRealloc((size_t)graph->room * sizeof(Box), &graph->box));
    PetscCall(PetscRealloc((size_t)graph->room * sizeof(PetscInt), &graph->parent));
    PetscCall(PetscRealloc((size_t)graph->room * sizeof(PetscInt), &graph->part));
  }
  for (PetscInt i = graph->boxes; i < graph->boxes + n; i++) {
    graph->parent[i] = i;
    graph->part[i] = -1;
    for (PetscInt k = 0; k < 2 * DIM; k++) graph->box[i].end[k / DIM][k % DIM] = PETSC_INFINITY;
  }
  graph->boxes += n;
  PetscFunctionReturn(0);
}

/* The cell of the grid that a token is in; for one in a box that was cut, the part: the lower half of every coordinate
 * has the lower end, the upper half the upper one. -1: it stays where it is. */
static PetscInt BoxOf(const Graph *graph, PetscInt leaf, const double *x) {
  const PetscInt d = graph->layout.dim, B = graph->layout.block;
  PetscInt at = 0;

  if (leaf >= 0 && graph->part[leaf] < 0) return -1;
  for (PetscInt c = 0; c < d; c++) {
    if (leaf < 0)
      at = at * GRID + (PetscInt)PetscClipInterval(floor((x[c * B] + 1) * (0.5 * GRID)), 0, GRID - 1);
    else
      at = 2 * at + (x[c * B] - graph->box[leaf].end[0][c] > -graph->box[leaf].end[1][c] - x[c * B]);
  }
  return leaf < 0 ? at : graph->part[leaf] + at;
}

/* Tokens into the boxes that were appended from `first` on, and these around their tokens, on all ranks. */
static PetscErrorCode Fill(Graph *graph, PetscInt first) {
  const TokensLayout *layout = &graph->layout;
  const PetscInt d = layout->dim, B = layout->block;
  PetscMPIInt n;

  PetscFunctionBeginUser;
  for (PetscInt b = 0; b < layout->owned; b++)
    for (PetscInt t = 0; t < TokensFilled(layout, b); t++) {
      const double *x = graph->x + b * d * B + t;
      const PetscInt to = BoxOf(graph, graph->leaf[b * B + t], x);
      if (to < 0) continue;
      Box *box = &graph->box[graph->leaf[b * B + t] = to];
      for (PetscInt c = 0; c < d; c++) {
        box->end[0][c] = PetscMin(box->end[0][c], x[c * B]);
        box->end[1][c] = PetscMin(box->end[1][c], -x[c * B]);
      }
    }
  PetscCall(PetscMPIIntCast((graph->boxes - first) * 2 * DIM, &n));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, graph->box + first, n, MPI_DOUBLE, MPI_MIN, layout->comm));
  PetscFunctionReturn(0);
}

/* ---- pairs of boxes ---- */

static PetscErrorCode AddPair(Graph *graph, PetscInt a, PetscInt b) {
  PetscFunctionBeginUser;
  if (graph->pairs == graph->pairs_room) {
    graph->pairs_room = 2 * graph->pairs_room + 1024;
    PetscCall(PetscRealloc((size_t)graph->pairs_room * sizeof(Pair), &graph->pair));
  }
  graph->pair[graph->pairs++] = (Pair){a, b};
  PetscFunctionReturn(0);
}

/* Joins two boxes, leaves them apart, or puts them off. */
static PetscErrorCode Decide(Graph *graph, PetscInt i, PetscInt j) {
  const Box *a = &graph->box[i], *b = &graph->box[j];
  double nearest = 0, farthest = 0;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < graph->layout.dim; c++) {
    const double up = b->end[0][c] + a->end[1][c], down = a->end[0][c] + b->end[1][c]; /* gaps, if positive */
    nearest += PetscSqr(PetscMax(0, PetscMax(up, down)));
    farthest += PetscSqr(PetscMin(up, down));
  }
  if (nearest >= SQUARE || Root(graph, i) == Root(graph, j)) PetscFunctionReturn(0);
  if (farthest < SQUARE)
    Join(graph, i, j);
  else
    PetscCall(AddPair(graph, i, j));
  PetscFunctionReturn(0);
}

/* Cells that are not empty, in their order, which is that of the first coordinate. */
static PetscErrorCode DecideGrid(Graph *graph) {
  PetscInt *cell, cells = 0, columns = graph->boxes / GRID;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(graph->boxes, &cell));
  for (PetscInt i = 0; i < graph->boxes; i++)
    if (!IsEmpty(&graph->box[i])) cell[cells++] = i;
  for (PetscInt i = 0; i < cells; i++)
    for (PetscInt j = i + 1; j < cells && cell[j] / columns - cell[i] / columns < REACH; j++)
      PetscCall(Decide(graph, cell[i], cell[j]));
  PetscCall(PetscFree(cell));
  PetscFunctionReturn(0);
}

/* Room for the parts of a box; of a point there are none. */
static PetscErrorCode Cut(Graph *graph, PetscInt i) {
  PetscFunctionBeginUser;
  if (graph->part[i] >= 0 || IsPoint(graph, i)) PetscFunctionReturn(0);
  graph->part[i] = graph->boxes;
  PetscCall(AddBoxes(graph, graph->parts));
  PetscFunctionReturn(0);
}

static PetscErrorCode DecideParts(Graph *graph, Pair pair) {
  const PetscInt a = graph->part[pair.a] < 0 ? pair.a : graph->part[pair.a];
  const PetscInt b = graph->part[pair.b] < 0 ? pair.b : graph->part[pair.b];
  const PetscInt as = a == pair.a ? 1 : graph->parts, bs = b == pair.b ? 1 : graph->parts;

  PetscFunctionBeginUser;
  for (PetscInt i = a; i < a + as; i++)
    for (PetscInt j = b; j < b + bs && !IsEmpty(&graph->box[i]); j++)
      if (!IsEmpty(&graph->box[j])) PetscCall(Decide(graph, i, j));
  PetscFunctionReturn(0);
}

/* One round: cuts the boxes of pairs that are not decided, and decides about their parts. */
static PetscErrorCode Refine(Graph *graph) {
  const PetscInt first = graph->boxes;
  PetscInt pairs = 0;
  Pair *open;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(graph->pairs, &open));
  for (PetscInt k = 0; k < graph->pairs; k++)
    if (Root(graph, graph->pair[k].a) != Root(graph, graph->pair[k].b)) open[pairs++] = graph->pair[k];
  for (PetscInt k = 0; k < pairs; k++) {
    PetscCall(Cut(graph, open[k].a));
    PetscCall(Cut(graph, open[k].b));
  }
  if (graph->boxes > first) PetscCall(Fill(graph, first));
  for (PetscInt i = 0; i < first; i++)
    for (PetscInt j = graph->part[i]; j >= first && j < graph->part[i] + graph->parts; j++) Join(graph, i, j);
  graph->pairs = 0;
  for (PetscInt k = 0; k < pairs; k++) PetscCall(DecideParts(graph, open[k]));
  PetscCall(PetscFree(open));
  PetscFunctionReturn(0);
}

static PetscErrorCode Count(Graph *graph, PetscInt *clusters) {
  PetscInt cells = 1;

  PetscFunctionBeginUser;
  for (PetscInt c = 0; c < graph->layout.dim; c++) cells *= GRID;
  PetscCall(AddBoxes(graph, cells));
  PetscCall(Fill(graph, 0));
  PetscCall(DecideGrid(graph));
  while (graph->pairs) PetscCall(Refine(graph));
  *clusters = 0;
  for (PetscInt i = 0; i < cells; i++) *clusters += graph->parent[i] == i && !IsEmpty(&graph->box[i]);
  PetscFunctionReturn(0);
}

static PetscErrorCode Evaluate(const Quantity *quantity, Tokens tokens, Attention attention, PetscReal values[]) {
  Graph graph = {0};
  Vec positions;
  PetscInt clusters = 0;

  PetscFunctionBeginUser;
  (void)quantity, (void)attention;
  PetscCall(TokensGetLayout(tokens, &graph.layout));
  PetscCall(TokensGetVec(tokens, &positions));
  graph.parts = 1 << graph.layout.dim;
  PetscCall(PetscMalloc1(graph.layout.owned * graph.layout.block, &graph.leaf));
  for (PetscInt i = 0; i < graph.layout.owned * graph.layout.block; i++) graph.leaf[i] = -1;
  PetscCall(VecGetArrayRead(positions, &graph.x));
  PetscCall(Count(&graph, &clusters));
  PetscCall(VecRestoreArrayRead(positions, &graph.x));
  PetscCall(PetscFree(graph.leaf));
  PetscCall(PetscFree(graph.box));
  PetscCall(PetscFree(graph.parent));
  PetscCall(PetscFree(graph.part));
  PetscCall(PetscFree(graph.pair));
  values[0] = (PetscReal)clusters;
  PetscFunctionReturn(0);
}

const Extra ExtraClusters = {.declare = Declare, .evaluate = Evaluate};
