/* What boxes leave open is decided by tokens. Leaves of few tokens are dealt out to the ranks in the order of the tree,
 * so that those of one rank are near each other, and each rank's tokens go round all ranks. Which edges a rank finds
 * depends on their number, but not the components of all edges. */
#include "run/clusters.h"
#include "run/forest.h"

/* Tokens of a leaf lie in groups of so many, component by component: x[c * wide + t], `wide` a multiple. */
#define WIDTH 8
#define FAR   4 /* a coordinate that is far from any on the sphere */

typedef struct {
  Boxes *boxes;
  PetscMPIInt rank, size, visitor; /* whose tokens are here */
  PetscInt leaves;                 /* boxes without parts, in the order of the tree */
  PetscInt *leaf, *first, *end;    /* of each leaf its box; of each box the leaves in it */
  PetscInt *token;                 /* [leaves + 1]: number of a leaf's first token; leaves of many tokens have none */
  PetscInt *group;                 /* [leaves + 1]: number of its first group of tokens */
  PetscInt *deal;                  /* [size + 1]: the first leaf of each rank */
  PetscInt *parent;                /* union-find over boxes, then tokens */
  PetscInt *some;                  /* [boxes]: one of these in a box, -1 when it is empty */
  PetscBool *whole;                /* [boxes]: all of a box is known to be in one component */
  double *mine, *theirs;
} Clusters;

/* ---- leaves ---- */

static PetscInt Few(const Box *box) {
  return box->many ? 0 : box->tokens;
}

static void Number(Clusters *clusters, PetscInt i) {
  const PetscInt part = clusters->boxes->box[i].part;

  clusters->first[i] = clusters->leaves;
  if (part < 0)
    clusters->leaf[clusters->leaves++] = i;
  else {
    Number(clusters, part);
    Number(clusters, part + 1);
  }
  clusters->end[i] = clusters->leaves;
}

static PetscInt Wide(const Clusters *clusters, PetscInt leaf) {
  return (clusters->group[leaf + 1] - clusters->group[leaf]) * WIDTH;
}

/* A group of tokens, in numbers. */
static size_t Group(const Clusters *clusters) {
  return (size_t)WIDTH * (size_t)clusters->boxes->layout.dim;
}

/* Numbers the leaves and their tokens, and deals them out. */
static PetscErrorCode Deal(Clusters *clusters) {
  const Boxes *boxes = clusters->boxes;
  PetscMPIInt rank = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc3(boxes->boxes, &clusters->leaf, boxes->boxes, &clusters->first, boxes->boxes, &clusters->end));
  Number(clusters, 0);
  const PetscInt n = clusters->leaves;
  PetscCall(PetscCalloc3(n + 1, &clusters->token, n + 1, &clusters->group, clusters->size + 1, &clusters->deal));
  for (PetscInt l = 0; l < n; l++) {
    const PetscInt few = Few(&boxes->box[clusters->leaf[l]]);
    clusters->token[l + 1] = clusters->token[l] + few;
    clusters->group[l + 1] = clusters->group[l] + (few + WIDTH - 1) / WIDTH;
  }
  for (PetscInt l = 0; l < n; l++)
    while ((PetscInt64)clusters->token[l] * clusters->size >= (PetscInt64)clusters->token[n] * (rank + 1) &&
           rank + 1 < clusters->size)
      clusters->deal[++rank] = l;
  while (rank < clusters->size) clusters->deal[++rank] = n;
  PetscFunctionReturn(0);
}

/* Tokens of a connected leaf are in its component from the first. */
static PetscErrorCode Plant(Clusters *clusters) {
  const Boxes *boxes = clusters->boxes;
  const PetscInt n = clusters->token[clusters->leaves];

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(boxes->boxes + n, &clusters->parent));
  PetscCall(PetscMalloc1(boxes->boxes, &clusters->some));
  PetscCall(PetscCalloc1(boxes->boxes, &clusters->whole));
  PetscCall(PetscArraycpy(clusters->parent, boxes->parent, boxes->boxes));
  for (PetscInt l = 0; l < clusters->leaves; l++)
    for (PetscInt t = clusters->token[l]; t < clusters->token[l + 1]; t++)
      clusters->parent[boxes->boxes + t] =
          boxes->box[clusters->leaf[l]].connected ? clusters->leaf[l] : boxes->boxes + t;
  PetscFunctionReturn(0);
}

/* The groups of tokens that a rank has. */
static PetscMPIInt Groups(const Clusters *clusters, PetscMPIInt rank) {
  return (PetscMPIInt)(clusters->group[clusters->deal[rank + 1]] - clusters->group[clusters->deal[rank]]);
}

/* Where a leaf lies among the tokens of the rank that has it. */
static size_t Place(const Clusters *clusters, PetscMPIInt rank, PetscInt leaf) {
  return Group(clusters) * (size_t)(clusters->group[leaf] - clusters->group[clusters->deal[rank]]);
}

/* ---- tokens to those who have their leaves ---- */

static PetscMPIInt OwnerOf(const Clusters *clusters, PetscInt leaf) {
  PetscMPIInt low = 0, high = clusters->size;

  while (high - low > 1) {
    const PetscMPIInt middle = (low + high) / 2;
    if (clusters->deal[middle] <= leaf)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* How many of this rank's tokens go to each rank; with room for them, their leaves and positions. Of a box that is one
 * point nothing has to be sent. */
static void Pack(const Clusters *clusters, PetscMPIInt *counts, const PetscMPIInt *starts, PetscInt *leaf, double *x) {
  const Boxes *boxes = clusters->boxes;
  const PetscInt d = boxes->layout.dim, B = boxes->layout.block;

  for (PetscMPIInt s = 0; s < clusters->size; s++) counts[s] = 0;
  for (PetscInt b = 0; b < boxes->layout.owned; b++)
    for (PetscInt t = 0; t < TokensFilled(&boxes->layout, b); t++) {
      const PetscInt box = boxes->leaf[b * B + t], to = clusters->first[box];
      if (boxes->box[box].many || !(boxes->box[box].width > 0)) continue;
      const PetscMPIInt owner = OwnerOf(clusters, to);
      if (leaf) {
        const PetscInt at = starts[owner] + counts[owner];
        leaf[at] = to;
        for (PetscInt c = 0; c < d; c++) x[(size_t)at * d + c] = boxes->x[((size_t)b * d + c) * B + t];
      }
      counts[owner]++;
    }
}

static PetscInt Starts(PetscMPIInt size, const PetscMPIInt counts[], PetscMPIInt starts[]) {
  starts[0] = 0;
  for (PetscMPIInt s = 1; s < size; s++) starts[s] = starts[s - 1] + counts[s - 1];
  return starts[size - 1] + counts[size - 1];
}

/* Lays out n tokens that have arrived, in any order, and points. */
static PetscErrorCode Unpack(Clusters *clusters, PetscInt n, const PetscInt *leaf, const double *x) {
  const Boxes *boxes = clusters->boxes;
  const PetscInt d = boxes->layout.dim, begin = clusters->deal[clusters->rank],
                 owned = clusters->deal[clusters->rank + 1] - begin;
  const size_t length = Group(clusters) * (size_t)Groups(clusters, clusters->rank);
  PetscInt *filled;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(length, &clusters->mine));
  for (size_t i = 0; i < length; i++) clusters->mine[i] = FAR;
  PetscCall(PetscCalloc1(owned, &filled));
  for (PetscInt i = 0; i < n; i++) {
    const PetscInt wide = Wide(clusters, leaf[i]);
    double *to = clusters->mine + Place(clusters, clusters->rank, leaf[i]) + filled[leaf[i] - begin]++;
    for (PetscInt c = 0; c < d; c++) to[c * wide] = x[(size_t)i * d + c];
  }
  PetscCall(PetscFree(filled));
  for (PetscInt l = begin; l < begin + owned; l++) {
    const PetscInt box = clusters->leaf[l], wide = Wide(clusters, l);
    if (boxes->box[box].width > 0 || !wide) continue;
    double *to = clusters->mine + Place(clusters, clusters->rank, l);
    for (PetscInt c = 0; c < d; c++) to[c * wide] = boxes->end[(size_t)box * 2 * d + c];
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Send(Clusters *clusters) {
  const MPI_Comm comm = clusters->boxes->layout.comm;
  const PetscInt d = clusters->boxes->layout.dim;
  PetscMPIInt *out, *in, *from, *to;
  PetscInt *leaf[2];
  double *x[2];
  MPI_Datatype row;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(clusters->size, &out, clusters->size, &in, clusters->size, &from, clusters->size, &to));
  Pack(clusters, out, NULL, NULL, NULL);
  PetscCallMPI(MPI_Alltoall(out, 1, MPI_INT, in, 1, MPI_INT, comm));
  const PetscInt sent = Starts(clusters->size, out, from), got = Starts(clusters->size, in, to);
  PetscCall(PetscMalloc4(sent, &leaf[0], got, &leaf[1], (size_t)sent * d, &x[0], (size_t)got * d, &x[1]));
  Pack(clusters, out, from, leaf[0], x[0]);
  PetscCallMPI(MPI_Type_contiguous((PetscMPIInt)d, MPI_DOUBLE, &row));
  PetscCallMPI(MPI_Type_commit(&row));
  PetscCallMPI(MPI_Alltoallv(leaf[0], out, from, MPIU_INT, leaf[1], in, to, MPIU_INT, comm));
  PetscCallMPI(MPI_Alltoallv(x[0], out, from, row, x[1], in, to, row, comm));
  PetscCallMPI(MPI_Type_free(&row));
  PetscCall(Unpack(clusters, got, leaf[1], x[1]));
  PetscCall(PetscFree4(leaf[0], leaf[1], x[0], x[1]));
  PetscCall(PetscFree4(out, in, from, to));
  PetscFunctionReturn(0);
}

/* ---- pairs of leaves ---- */

#define STEP 4 /* coordinates between looks at whether it is over */

static double Least(const double *sum) {
  double least = sum[0];

#pragma omp simd reduction(min : least)
  for (int l = 0; l < WIDTH; l++) least = PetscMin(least, sum[l]);
  return least;
}

/* sum[WIDTH] <- squares of distances of a token from a group of others; stops, false, once none can be an edge. */
static PetscBool Near(PetscInt d, const double *x, PetscInt wide, const double *group, PetscInt groups, double *sum) {
  for (int l = 0; l < WIDTH; l++) sum[l] = 0;
  for (PetscInt c = 0; c < d; c++) {
    const double at = x[c * wide];
#pragma omp simd
    for (int l = 0; l < WIDTH; l++) sum[l] += PetscSqr(at - group[c * groups + l]);
    if ((c + 1) % STEP == 0 && Least(sum) >= CLUSTERS_SQUARE) return PETSC_FALSE;
  }
  return Least(sum) < CLUSTERS_SQUARE ? PETSC_TRUE : PETSC_FALSE;
}

/* The same from a box, by its ends. */
static PetscBool NearBox(PetscInt d, const double *end, const double *group, PetscInt groups, double *sum) {
  for (int l = 0; l < WIDTH; l++) sum[l] = 0;
  for (PetscInt c = 0; c < d; c++) {
    const double low = end[c], high = -end[d + c];
#pragma omp simd
    for (int l = 0; l < WIDTH; l++) {
      const double x = group[c * groups + l], up = low - x, down = x - high, gap = PetscMax(up, down);
      sum[l] += PetscSqr(PetscMax(0.0, gap));
    }
    if ((c + 1) % STEP == 0 && Least(sum) >= CLUSTERS_SQUARE) return PETSC_FALSE;
  }
  return Least(sum) < CLUSTERS_SQUARE ? PETSC_TRUE : PETSC_FALSE;
}

static PetscBool Owns(const Clusters *clusters, PetscMPIInt rank, PetscInt leaf) {
  return leaf >= clusters->deal[rank] && leaf < clusters->deal[rank + 1] ? PETSC_TRUE : PETSC_FALSE;
}

/* The tokens of a leaf of this rank, or of the one that visits. */
static const double *At(const Clusters *clusters, PetscInt leaf) {
  const PetscBool mine = Owns(clusters, clusters->rank, leaf);
  const PetscMPIInt rank = mine ? clusters->rank : clusters->visitor;

  return (mine ? clusters->mine : clusters->theirs) + Place(clusters, rank, leaf);
}

/* Whether a box, as far as is known, is in one component: after its parts. */
static void Update(Clusters *clusters, PetscInt i) {
  const Box *box = &clusters->boxes->box[i];
  const PetscInt part = box->part, *some = clusters->some, leaf = clusters->first[i];
  const PetscInt first = clusters->boxes->boxes + clusters->token[leaf], n = Few(box);

  if (clusters->whole[i]) return;
  if (part >= 0) {
    clusters->some[i] = some[part] < 0 ? some[part + 1] : some[part];
    clusters->whole[i] =
        clusters->whole[part] && clusters->whole[part + 1] &&
                (some[part] < 0 || some[part + 1] < 0 ||
                 ForestRoot(clusters->parent, some[part]) == ForestRoot(clusters->parent, some[part + 1]))
            ? PETSC_TRUE
            : PETSC_FALSE;
    return;
  }
  clusters->some[i] = box->connected ? i : n ? first : -1;
  for (PetscInt t = 1; t < n && !box->connected; t++)
    if (ForestRoot(clusters->parent, first + t) != ForestRoot(clusters->parent, first)) return;
  clusters->whole[i] = PETSC_TRUE;
}

static void UpdateAll(Clusters *clusters) {
  for (PetscInt i = clusters->boxes->boxes - 1; i >= 0; i--) Update(clusters, i);
}

/* Nothing is to be found between two boxes. */
static PetscBool Joined(const Clusters *clusters, PetscInt a, PetscInt b) {
  const PetscInt i = clusters->some[a], j = clusters->some[b];

  return i < 0 || j < 0 ||
                 (clusters->whole[a] && clusters->whole[b] &&
                  ForestRoot(clusters->parent, i) == ForestRoot(clusters->parent, j))
             ? PETSC_TRUE
             : PETSC_FALSE;
}

/* The tokens of leaf a that may have edges into the box of b, and of b the groups into that of a. */
typedef struct {
  PetscInt tokens, groups, token[CLUSTERS_FEW + WIDTH], group[CLUSTERS_FEW / WIDTH + 1];
} Chosen;

static void Choose(const Clusters *clusters, PetscInt a, PetscInt b, Chosen *chosen) {
  const PetscInt d = clusters->boxes->layout.dim, wide = Wide(clusters, a), groups = Wide(clusters, b);
  const double *end = clusters->boxes->end, *x = At(clusters, a), *y = At(clusters, b);
  double square[WIDTH];

  chosen->tokens = chosen->groups = 0;
  for (PetscInt g = 0; g < wide; g += WIDTH) {
    if (!NearBox(d, end + (size_t)clusters->leaf[b] * 2 * d, x + g, wide, square)) continue;
    for (PetscInt l = 0; l < WIDTH; l++)
      if (square[l] < CLUSTERS_SQUARE) chosen->token[chosen->tokens++] = g + l;
  }
  for (PetscInt g = 0; g < groups && chosen->tokens; g += WIDTH)
    if (NearBox(d, end + (size_t)clusters->leaf[a] * 2 * d, y + g, groups, square)) chosen->group[chosen->groups++] = g;
}

static void JoinLeaves(Clusters *clusters, PetscInt a, PetscInt b) {
  const PetscInt boxes = clusters->boxes->boxes, d = clusters->boxes->layout.dim, wide = Wide(clusters, a),
                 groups = Wide(clusters, b);
  const PetscInt first = boxes + clusters->token[a], other = boxes + clusters->token[b];
  const double *x = At(clusters, a), *y = At(clusters, b);
  double square[WIDTH];
  Chosen chosen;

  Choose(clusters, a, b, &chosen);
  for (PetscInt i = 0; i < chosen.tokens; i++)
    for (PetscInt k = 0; k < chosen.groups; k++) {
      const PetscInt t = chosen.token[i], g = chosen.group[k];
      if (!Near(d, x + t, wide, y + g, groups, square)) continue;
      for (PetscInt l = 0; l < WIDTH; l++)
        if (square[l] < CLUSTERS_SQUARE) ForestJoin(clusters->parent, first + t, other + g + l);
      if (Joined(clusters, clusters->leaf[a], clusters->leaf[b])) return;
    }
}

/* All tokens of two leaves: of one with many the box stands for them. */
static void JoinAll(Clusters *clusters, PetscInt a, PetscInt b) {
  const PetscInt both[] = {a, b}, boxes = clusters->boxes->boxes, *token = clusters->token;
  PetscInt one = -1;

  for (int k = 0; k < 2; k++) {
    const PetscInt box = clusters->leaf[both[k]];
    const PetscBool many = clusters->boxes->box[box].many;
    const PetscInt first = many ? box : boxes + token[both[k]], end = many ? box + 1 : boxes + token[both[k] + 1];
    for (PetscInt i = first; i < end; i++) {
      if (one >= 0) ForestJoin(clusters->parent, one, i);
      one = i;
    }
  }
}

/* Of the two ranks that have these leaves one looks at them. */
static PetscBool IsMine(const Clusters *clusters, PetscInt a, PetscInt b) {
  return Owns(clusters, clusters->rank, (a + b) % 2 ? PetscMin(a, b) : PetscMax(a, b));
}

/* Whether a has leaves of one rank and b of another. */
static PetscBool Has(const Clusters *clusters, PetscMPIInt r, PetscInt a, PetscMPIInt s, PetscInt b) {
  const PetscInt *first = clusters->first, *end = clusters->end, *deal = clusters->deal;

  return first[a] < deal[r + 1] && end[a] > deal[r] && first[b] < deal[s + 1] && end[b] > deal[s] ? PETSC_TRUE
                                                                                                  : PETSC_FALSE;
}

/* Two leaves, of this rank and the visitor. */
static void Decide(Clusters *clusters, PetscInt i, PetscInt j, BoxesRelation relation) {
  const PetscInt a = clusters->first[i], b = clusters->first[j];

  if (!IsMine(clusters, a, b)) return;
  if (relation == BOXES_NEAR)
    JoinAll(clusters, a, b);
  else
    JoinLeaves(clusters, a, b);
  Update(clusters, i);
  Update(clusters, j);
}

/* All pairs of leaves in a and b, one of this rank and one of the visitor. */
static void Walk(Clusters *clusters, PetscInt a, PetscInt b) {
  const Boxes *boxes = clusters->boxes;
  const PetscMPIInt me = clusters->rank, visitor = clusters->visitor;
  const PetscInt part = boxes->box[a].part;

  if (!Has(clusters, me, a, visitor, b) && !Has(clusters, visitor, a, me, b)) return;
  if (Joined(clusters, a, b)) return;
  if (a == b && part >= 0) {
    Walk(clusters, part, part);
    Walk(clusters, part + 1, part + 1);
    Walk(clusters, part, part + 1);
    Update(clusters, a);
    return;
  }
  const BoxesRelation relation = BoxesCompare(boxes, a, b);
  if (relation == BOXES_APART) return;
  if (part < 0 && boxes->box[b].part < 0) {
    Decide(clusters, a, b, relation);
    return;
  }
  const PetscInt wide = BoxesWider(boxes, a, b), other = wide == a ? b : a;
  Walk(clusters, boxes->box[wide].part, other);
  Walk(clusters, boxes->box[wide].part + 1, other);
  Update(clusters, wide);
}

/* ---- all ranks together ---- */

static PetscErrorCode MergeForests(Clusters *clusters) {
  PetscFunctionBeginUser;
  if (clusters->size == 1) PetscFunctionReturn(0);
  PetscCall(ForestMerge(clusters->boxes->layout.comm, clusters->boxes->boxes + clusters->token[clusters->leaves],
                        clusters->parent));
  UpdateAll(clusters);
  PetscFunctionReturn(0);
}

/* Each rank in turn visits, first itself. */
static PetscErrorCode Visit(Clusters *clusters) {
  const PetscMPIInt size = clusters->size, rank = clusters->rank;
  PetscMPIInt most = 0;
  MPI_Datatype group;

  PetscFunctionBeginUser;
  for (PetscMPIInt s = 0; s < size; s++) most = PetscMax(most, Groups(clusters, s));
  PetscCall(PetscMalloc1(size > 1 ? (size_t)most * Group(clusters) : 0, &clusters->theirs));
  PetscCallMPI(MPI_Type_contiguous((PetscMPIInt)Group(clusters), MPI_DOUBLE, &group));
  PetscCallMPI(MPI_Type_commit(&group));
  for (PetscMPIInt k = 0; k < size; k++) {
    clusters->visitor = (rank + k) % size;
    if (k)
      PetscCallMPI(MPI_Sendrecv(clusters->mine, Groups(clusters, rank), group, (rank + size - k) % size, 0,
                                clusters->theirs, Groups(clusters, clusters->visitor), group, clusters->visitor, 0,
                                clusters->boxes->layout.comm, MPI_STATUS_IGNORE));
    Walk(clusters, 0, 0);
    if (k == 0 || k == size - 1) PetscCall(MergeForests(clusters)); /* what is one component need not be looked at */
  }
  PetscCallMPI(MPI_Type_free(&group));
  PetscFunctionReturn(0);
}

PetscErrorCode ClustersCount(Boxes *boxes, PetscInt *number) {
  Clusters clusters = {.boxes = boxes};

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(boxes->layout.comm, &clusters.rank));
  PetscCallMPI(MPI_Comm_size(boxes->layout.comm, &clusters.size));
  PetscCall(Deal(&clusters));
  PetscCall(Plant(&clusters));
  PetscCall(Send(&clusters));
  UpdateAll(&clusters);
  PetscCall(Visit(&clusters));
  const PetscInt n = boxes->boxes + clusters.token[clusters.leaves];
  *number = 0;
  for (PetscInt i = 0; i < n; i++) *number += clusters.parent[i] == i && (i >= boxes->boxes || boxes->box[i].connected);
  PetscCall(PetscFree(clusters.mine));
  PetscCall(PetscFree(clusters.theirs));
  PetscCall(PetscFree(clusters.parent));
  PetscCall(PetscFree(clusters.some));
  PetscCall(PetscFree(clusters.whole));
  PetscCall(PetscFree3(clusters.token, clusters.group, clusters.deal));
  PetscCall(PetscFree3(clusters.leaf, clusters.first, clusters.end));
  PetscFunctionReturn(0);
}
