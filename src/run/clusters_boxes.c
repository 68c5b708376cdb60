#include "run/clusters.h"
#include "run/forest.h"

#define GROW   9 /* so many times boxes are cut in half without a look at where tokens are: a pass over them each */
#define REFINE 3

typedef struct {
  PetscInt a, b;
} Pair;

typedef struct {
  PetscInt n, room;
  Pair *pair;
} List;

/* ---- boxes ---- */

static double *End(const Boxes *boxes, PetscInt i) {
  return boxes->end + (size_t)i * 2 * (size_t)boxes->layout.dim;
}

/* Appends n boxes. */
static PetscErrorCode AddBoxes(Boxes *boxes, PetscInt n) {
  const size_t each = 2 * (size_t)boxes->layout.dim * sizeof(double);

  PetscFunctionBeginUser;
  if (boxes->boxes + n > boxes->room) {
    boxes->room = 2 * (boxes->boxes + n);
    PetscCall(PetscRealloc((size_t)boxes->room * sizeof(Box), &boxes->box));
    PetscCall(PetscRealloc((size_t)boxes->room * sizeof(PetscInt), &boxes->parent));
    PetscCall(PetscRealloc((size_t)boxes->room * each, &boxes->end));
  }
  for (; n > 0; n--) {
    boxes->parent[boxes->boxes] = boxes->boxes;
    boxes->box[boxes->boxes++] = (Box){.part = -1};
  }
  PetscFunctionReturn(0);
}

/* The sums over the sides of squares: between the nearest points of two boxes, and between the farthest. */
static void Squares(PetscInt d, const double *a, const double *b, double *nearest, double *farthest) {
  *nearest = *farthest = 0;
  for (PetscInt c = 0; c < d; c++) {
    const double up = b[c] + a[d + c], down = a[c] + b[d + c]; /* gaps, if positive */
    *nearest += PetscSqr(PetscMax(0, PetscMax(up, down)));
    *farthest += PetscSqr(PetscMin(up, down));
  }
}

BoxesRelation BoxesCompare(const Boxes *boxes, PetscInt a, PetscInt b) {
  const PetscInt d = boxes->layout.dim;
  double nearest, farthest;

  Squares(d, boxes->end + (size_t)a * 2 * d, boxes->end + (size_t)b * 2 * d, &nearest, &farthest);
  return nearest >= CLUSTERS_SQUARE ? BOXES_APART : farthest < CLUSTERS_SQUARE ? BOXES_NEAR : BOXES_OPEN;
}

PetscBool BoxesJoined(const Boxes *boxes, PetscInt a, PetscInt b) {
  return boxes->box[a].connected && boxes->box[b].connected &&
                 ForestRoot(boxes->parent, a) == ForestRoot(boxes->parent, b)
             ? PETSC_TRUE
             : PETSC_FALSE;
}

PetscInt BoxesWider(const Boxes *boxes, PetscInt a, PetscInt b) {
  const Box *x = &boxes->box[a], *y = &boxes->box[b];
  return y->part < 0 || (x->part >= 0 && x->width >= y->width) ? a : b;
}

/* Of the widest side. */
static PetscReal Width(const Boxes *boxes, PetscInt i, PetscInt *side) {
  const PetscInt d = boxes->layout.dim;
  const double *end = End(boxes, i);
  PetscReal width = 0;

  *side = 0;
  for (PetscInt c = 0; c < d; c++) {
    if (-end[d + c] - end[c] <= width) continue;
    width = -end[d + c] - end[c];
    *side = c;
  }
  return width;
}

/* Cuts a box in two, and each part again as long as it is not certain to be connected (`all`: even then), at most so
 * many times. */
static PetscErrorCode Cut(Boxes *boxes, PetscInt i, PetscBool all, PetscInt times) {
  const PetscInt d = boxes->layout.dim, part = boxes->boxes;
  PetscInt side;

  PetscFunctionBeginUser;
  const PetscReal width = Width(boxes, i, &side);
  if (!times || !(width > 0) || (!all && BoxesCompare(boxes, i, i) == BOXES_NEAR)) PetscFunctionReturn(0);
  PetscReal middle = End(boxes, i)[side] + width / 2;
  if (middle >= -End(boxes, i)[d + side]) middle = End(boxes, i)[side]; /* both parts have tokens */
  PetscCall(AddBoxes(boxes, 2));
  boxes->box[i].part = part;
  boxes->box[i].cut = side;
  boxes->box[i].middle = middle;
  for (int k = 0; k < 2; k++) PetscCall(PetscArraycpy(End(boxes, part + k), End(boxes, i), 2 * d));
  End(boxes, part)[d + side] = -middle;
  End(boxes, part + 1)[side] = middle;
  PetscCall(Cut(boxes, part, all, times - 1));
  PetscCall(Cut(boxes, part + 1, all, times - 1));
  PetscFunctionReturn(0);
}

/* As often as leaves a few tokens in a part, were they spread evenly. */
static PetscErrorCode CutLeaf(Boxes *boxes, PetscInt i, PetscBool all, PetscInt most) {
  PetscInt times = 1;

  PetscFunctionBeginUser;
  if (boxes->box[i].part >= 0 || !boxes->box[i].many) PetscFunctionReturn(0);
  while (times < most && boxes->box[i].tokens >> (times + 1) >= CLUSTERS_FEW) times++;
  PetscCall(Cut(boxes, i, all, times));
  PetscFunctionReturn(0);
}

/* The tokens of a block go down to the leaves, a step of all of them at a time: each waits for memory, but not for the
 * others. */
static void Descend(const Boxes *boxes, PetscInt n, const double *x, PetscInt leaf[]) {
  const PetscInt B = boxes->layout.block;
  PetscInt steps;

  do {
    steps = 0;
    for (PetscInt t = 0; t < n; t++) {
      const Box *box = &boxes->box[leaf[t]];
      const PetscInt stays = box->part < 0, next = box->part + (x[box->cut * B + t] > box->middle);
      leaf[t] = stays ? leaf[t] : next;
      steps += !stays;
    }
  } while (steps);
}

/* This rank's tokens into the boxes that were appended from `first` on, and the leaves among these around them. */
static void Fill(Boxes *boxes, PetscInt first, PetscInt tokens[]) {
  const TokensLayout *layout = &boxes->layout;
  const PetscInt d = layout->dim, B = layout->block;

  for (PetscInt b = 0; b < layout->owned; b++) {
    const double *x = boxes->x + (size_t)b * d * B;
    PetscInt *leaf = boxes->leaf + b * B;
    const PetscInt n = TokensFilled(layout, b);
    Descend(boxes, n, x, leaf);
    for (PetscInt t = 0; t < n; t++) {
      if (leaf[t] < first) continue;
      double *end = End(boxes, leaf[t]);
      tokens[leaf[t] - first]++;
      for (PetscInt c = 0; c < d; c++) {
        end[c] = PetscMin(end[c], x[c * B + t]);
        end[d + c] = PetscMin(end[d + c], -x[c * B + t]);
      }
    }
  }
}

/* What is known of a leaf with its ends and tokens, and of a box when it is known of its parts. */
static void Finish(Boxes *boxes, PetscInt i) {
  const PetscInt d = boxes->layout.dim, part = boxes->box[i].part;
  double *end = End(boxes, i);
  Box *box = &boxes->box[i];
  PetscInt side;

  for (PetscInt c = 0; part >= 0 && c < 2 * d; c++) end[c] = PetscMin(End(boxes, part)[c], End(boxes, part + 1)[c]);
  box->width = Width(boxes, i, &side);
  box->connected = BoxesCompare(boxes, i, i) == BOXES_NEAR ? PETSC_TRUE : PETSC_FALSE;
  if (part >= 0) {
    box->dense = boxes->box[part].dense || boxes->box[part + 1].dense ? PETSC_TRUE : PETSC_FALSE;
    box->many = boxes->box[part].many || boxes->box[part + 1].many ? PETSC_TRUE : PETSC_FALSE;
  } else {
    if (box->tokens && !(box->width > 0)) box->tokens = 1;
    box->dense = box->connected;
    box->many = box->tokens > CLUSTERS_FEW ? PETSC_TRUE : PETSC_FALSE;
  }
}

/* Makes boxes of those that were appended from `first` on, on all ranks. */
static PetscErrorCode Settle(Boxes *boxes, PetscInt first) {
  const MPI_Comm comm = boxes->layout.comm;
  const PetscInt d = boxes->layout.dim, n = boxes->boxes - first;
  PetscInt *tokens;
  PetscMPIInt m;

  PetscFunctionBeginUser;
  PetscCall(PetscCalloc1(n, &tokens));
  for (PetscInt c = 0; c < n * 2 * d; c++) End(boxes, first)[c] = PETSC_INFINITY;
  Fill(boxes, first, tokens);
  PetscCall(PetscMPIIntCast(n * 2 * d, &m));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, End(boxes, first), m, MPI_DOUBLE, MPI_MIN, comm));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, tokens, n, MPIU_INT, MPI_SUM, comm));
  for (PetscInt i = boxes->boxes - 1; i >= first; i--) { /* parts come after the whole */
    boxes->box[i].tokens = tokens[i - first];
    Finish(boxes, i);
  }
  for (PetscInt i = 0; i < boxes->boxes; i++) {
    if (!boxes->box[i].connected || boxes->box[i].part < 0) continue;
    for (int k = 0; k < 2; k++) ForestJoin(boxes->parent, i, boxes->box[i].part + k);
  }
  PetscCall(PetscFree(tokens));
  PetscFunctionReturn(0);
}

/* The tree down to boxes that are connected or have few tokens. */
static PetscErrorCode Grow(Boxes *boxes) {
  const PetscInt d = boxes->layout.dim;
  PetscInt first = 0;

  PetscFunctionBeginUser;
  PetscCall(AddBoxes(boxes, 1));
  for (PetscInt c = 0; c < 2 * d; c++) boxes->end[c] = -1; /* the cube */
  boxes->box[0].tokens = (PetscInt)boxes->layout.count;
  boxes->box[0].many = boxes->layout.count > CLUSTERS_FEW ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(CutLeaf(boxes, 0, PETSC_FALSE, GROW));
  while (first < boxes->boxes) {
    const PetscInt end = boxes->boxes;
    PetscCall(Settle(boxes, first));
    for (PetscInt i = first; i < end; i++)
      if (!boxes->box[i].connected) PetscCall(CutLeaf(boxes, i, PETSC_FALSE, GROW));
    first = end;
  }
  for (PetscInt i = boxes->boxes - 1; i >= 0; i--) Finish(boxes, i); /* with parts that came later */
  PetscFunctionReturn(0);
}

/* ---- pairs of boxes ---- */

static PetscErrorCode AddPair(List *list, PetscInt a, PetscInt b) {
  PetscFunctionBeginUser;
  if (list->n == list->room) {
    list->room = 2 * list->room + 1024;
    PetscCall(PetscRealloc((size_t)list->room * sizeof(Pair), &list->pair));
  }
  list->pair[list->n++] = (Pair){a, b};
  PetscFunctionReturn(0);
}

/* Joins leaves in a and b that are connected and whose farthest points make an edge; with a list, puts pairs off that
 * are open, when one has many tokens. Those of few tokens are for ClustersCount. */
static PetscErrorCode Walk(Boxes *boxes, PetscInt a, PetscInt b, List *list) {
  const Box *x = &boxes->box[a], *y = &boxes->box[b];

  PetscFunctionBeginUser;
  if (!(x->dense && y->dense) && !(list && (x->many || y->many))) PetscFunctionReturn(0);
  if (BoxesJoined(boxes, a, b)) PetscFunctionReturn(0);
  if (a == b) {
    if (x->part < 0) PetscFunctionReturn(0);
    PetscCall(Walk(boxes, x->part, x->part, list));
    PetscCall(Walk(boxes, x->part + 1, x->part + 1, list));
    PetscCall(Walk(boxes, x->part, x->part + 1, list));
    PetscFunctionReturn(0);
  }
  const BoxesRelation relation = BoxesCompare(boxes, a, b);
  if (relation == BOXES_NEAR && x->connected && y->connected) ForestJoin(boxes->parent, a, b);
  if (relation == BOXES_APART || BoxesJoined(boxes, a, b)) PetscFunctionReturn(0);
  if (x->part < 0 && y->part < 0) {
    if (relation == BOXES_OPEN && list && (x->many || y->many)) PetscCall(AddPair(list, a, b));
    PetscFunctionReturn(0);
  }
  const PetscInt wide = BoxesWider(boxes, a, b), other = wide == a ? b : a;
  PetscCall(Walk(boxes, boxes->box[wide].part, other, list));
  PetscCall(Walk(boxes, boxes->box[wide].part + 1, other, list));
  PetscFunctionReturn(0);
}

/* One round: cuts the boxes of pairs that were put off, and decides about their parts. */
static PetscErrorCode Refine(Boxes *boxes, List *list) {
  const PetscInt first = boxes->boxes;
  List open = *list;

  PetscFunctionBeginUser;
  *list = (List){0};
  for (PetscInt k = 0; k < open.n; k++) {
    if (BoxesJoined(boxes, open.pair[k].a, open.pair[k].b)) continue;
    PetscCall(CutLeaf(boxes, open.pair[k].a, PETSC_TRUE, REFINE));
    PetscCall(CutLeaf(boxes, open.pair[k].b, PETSC_TRUE, REFINE));
  }
  if (boxes->boxes > first) PetscCall(Settle(boxes, first));
  for (PetscInt k = 0; k < open.n; k++) PetscCall(Walk(boxes, open.pair[k].a, open.pair[k].b, list));
  PetscCall(PetscFree(open.pair));
  PetscFunctionReturn(0);
}

PetscErrorCode BoxesCreate(const TokensLayout *layout, const double *x, Boxes *boxes) {
  List list = {0};

  PetscFunctionBeginUser;
  *boxes = (Boxes){.layout = *layout, .x = x};
  PetscCall(PetscMalloc1(layout->owned * layout->block, &boxes->leaf));
  for (PetscInt i = 0; i < layout->owned * layout->block; i++) boxes->leaf[i] = 0;
  PetscCall(Grow(boxes));
  PetscCall(Walk(boxes, 0, 0, NULL)); /* first what is near, so that fewer pairs are put off */
  if (boxes->box[0].many) PetscCall(Walk(boxes, 0, 0, &list));
  while (list.n) PetscCall(Refine(boxes, &list));
  PetscCall(PetscFree(list.pair));
  PetscFunctionReturn(0);
}

PetscErrorCode BoxesDestroy(Boxes *boxes) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(boxes->leaf));
  PetscCall(PetscFree(boxes->box));
  PetscCall(PetscFree(boxes->end));
  PetscCall(PetscFree(boxes->parent));
  PetscFunctionReturn(0);
}
