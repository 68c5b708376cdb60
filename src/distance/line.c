#include "base/vmath.h"

#include "distance/line.h"
#include "distance/line_sort.h"

#include <chorale/sum.h>

#include <math.h>

/* A sum of doubles of any signs whose absolute values add up to less than 1: two words, multiples of 2^-60 and of
 * 2^-90, so exact in any order and good for terms that are tiny beside the bound. */
typedef struct {
  PetscInt64 words[2];
} Sum;

static inline void SumAdd(Sum *sum, PetscReal value) {
  const PetscReal scaled = value * 0x1p60;
  const PetscInt64 high = SumRound(scaled, 1);

  sum->words[0] += high;
  sum->words[1] += SumRound(scaled - (PetscReal)high, 0x1p30);
}

static PetscErrorCode SumReduce(MPI_Comm comm, Sum *sum, PetscReal *value) {
  PetscFunctionBeginUser;
  PetscCall(SumAllreduce(comm, 2, sum->words));
  *value = (PetscReal)sum->words[0] * 0x1p-60 + (PetscReal)sum->words[1] * 0x1p-90;
  PetscFunctionReturn(0);
}

/* The masses of this rank's sorted atoms added up, from all atoms before them. Rounded weights do not add up to exactly
 * LINE_ONE; the lack is spread in proportion, which leaves equal weights equal. */
static PetscErrorCode Accumulate(Line *line) {
  PetscInt64 mine = 0, before = 0, total;
  PetscReal lack;

  PetscFunctionBeginUser;
  for (PetscInt64 i = 0; i < line->n; i++) mine += line->atoms[i].mass;
  PetscCallMPI(MPI_Scan(&mine, &before, 1, MPIU_INT64, MPI_SUM, line->comm));
  before -= mine;
  PetscCallMPI(MPI_Allreduce(&mine, &total, 1, MPIU_INT64, MPI_SUM, line->comm));
  PetscCallMPI(MPI_Allreduce(&line->n, &line->count, 1, MPIU_INT64, MPI_SUM, line->comm));
  PetscCheck(total > 0, line->comm, PETSC_ERR_ARG_OUTOFRANGE, "tokens without weights");
  lack = (PetscReal)(LINE_ONE - total) / (PetscReal)total;
  line->begin = before + SumRound((PetscReal)before, lack);
  for (PetscInt64 i = 0; i < line->n; i++) {
    before += line->atoms[i].mass;
    line->atoms[i].mass = before + SumRound((PetscReal)before, lack);
  }
  PetscFunctionReturn(0);
}

PetscErrorCode LineCreate(Tokens tokens, const PetscInt64 *places, Line *line) {
  const double *weights;
  TokensLayout layout;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetWeights(tokens, &weights));
  *line = (Line){.comm = layout.comm};
  PetscCall(PetscMalloc1((size_t)layout.owned * layout.block, &line->atoms));
  for (PetscInt b = 0; b < layout.owned; b++) {
    const PetscInt filled = TokensFilled(&layout, b);

    for (PetscInt t = 0; t < filled; t++) {
      const PetscInt64 mass = SumRound(weights[b * layout.block + t], (PetscReal)LINE_ONE);
      if (mass > 0) line->atoms[line->n++] = (Atom){places[t], mass};
    }
    places += filled;
  }
  PetscCall(AtomsSort(line->comm, &line->n, &line->atoms));
  PetscCall(Accumulate(line));
  PetscFunctionReturn(0);
}

PetscErrorCode LineGather(Line *line) {
  PetscMPIInt size, mine, *counts, *starts;
  MPI_Datatype type;
  Atom *all;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(line->comm, &size));
  if (size == 1) PetscFunctionReturn(0);
  mine = (PetscMPIInt)line->n;
  PetscCall(PetscMalloc2(size, &counts, size + 1, &starts));
  PetscCallMPI(MPI_Allgather(&mine, 1, MPI_INT, counts, 1, MPI_INT, line->comm));
  starts[0] = 0;
  for (PetscMPIInt r = 0; r < size; r++) starts[r + 1] = starts[r] + counts[r];
  PetscCall(PetscMalloc1(line->count, &all));
  PetscCall(AtomsType(&type));
  PetscCallMPI(MPI_Allgatherv(line->atoms, mine, type, all, counts, starts, type, line->comm));
  PetscCallMPI(MPI_Type_free(&type));
  PetscCall(PetscFree2(counts, starts));
  PetscCall(PetscFree(line->atoms));
  line->atoms = all;
  line->n = line->count;
  line->begin = 0;
  PetscFunctionReturn(0);
}

PetscErrorCode LineMeet(Line *mu, Line *nu) {
  PetscFunctionBeginUser;
  if (mu->count < nu->count) {
    const Line more = *nu;
    *nu = *mu;
    *mu = more;
  }
  PetscCall(LineGather(nu));
  PetscFunctionReturn(0);
}

PetscErrorCode LineDestroy(Line *line) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(line->atoms));
  PetscFunctionReturn(0);
}

/* The first atom from i on whose quantiles reach s: the caller knows that there is one. Near i it takes few steps. */
static PetscInt64 Seek(const Line *line, PetscInt64 i, PetscInt64 s) {
  const Atom *atoms = line->atoms;
  PetscInt64 step = 1, high;

  if (atoms[i].mass >= s) return i;
  for (; i + step < line->n && atoms[i + step].mass < s; step *= 2) i += step;
  high = PetscMin(i + step, line->n - 1);
  while (high - i > 1) {
    const PetscInt64 middle = i + (high - i) / 2;
    if (atoms[middle].mass < s)
      i = middle;
    else
      high = middle;
  }
  return high;
}

/* An atom of nu gone on periodically. */
typedef struct {
  PetscInt64 j, lap;
} Cursor;

/* The atom of nu with the quantiles just above s, s >= -2 LINE_ONE. */
static Cursor CursorAbove(const Line *nu, PetscInt64 s) {
  const PetscInt64 lap = (s + 2 * LINE_ONE) / LINE_ONE - 2;
  return (Cursor){Seek(nu, 0, s - lap * LINE_ONE + 1), lap};
}

static inline void CursorNext(const Line *nu, Cursor *cursor) {
  if (++cursor->j < nu->n) return;
  cursor->j = 0;
  cursor->lap++;
}

static inline PetscInt64 CursorPlace(const Line *nu, Cursor cursor) {
  return nu->atoms[cursor.j].place + cursor.lap * LINE_LAP;
}

static inline PetscInt64 CursorEnd(const Line *nu, Cursor cursor) {
  return nu->atoms[cursor.j].mass + cursor.lap * LINE_ONE;
}

/* Masses that the plan moves and by how much, gathered so that sines come in vectors. */
#define BATCH 256
typedef struct {
  PetscInt n;
  double mass[BATCH], by[BATCH];
  PetscBool chords;
  Sum square, chord;
} Moves;

VMATH(Chord, 2 * vsin(0.5 * t))

static void MovesFlush(Moves *moves) {
  double *mass = moves->mass, *by = moves->by;

  for (PetscInt k = moves->n; k < BATCH; k++) mass[k] = by[k] = 0; /* a whole batch: the same bits for any n */
  moves->n = 0;
  for (PetscInt k = 0; k < BATCH; k++) SumAdd(&moves->square, mass[k] * by[k] * by[k]);
  if (!moves->chords) return;
  Chord(BATCH, by, by);
  for (PetscInt k = 0; k < BATCH; k++) SumAdd(&moves->chord, mass[k] * by[k] * by[k]);
}

PetscErrorCode LineCost(const Line *mu, const Line *nu, PetscInt64 shift, PetscReal unit, PetscReal *square,
                        PetscReal *chord) {
  const PetscReal bound = 16, mass_unit = 1 / (bound * (PetscReal)LINE_ONE);
  Cursor cursor = CursorAbove(nu, mu->begin + shift);
  PetscInt64 s = mu->begin;
  Moves moves = {.chords = chord != NULL ? PETSC_TRUE : PETSC_FALSE};

  PetscFunctionBeginUser;
  for (PetscInt64 i = 0; i < mu->n; i++) {
    while (s < mu->atoms[i].mass) {
      const PetscInt64 edge = CursorEnd(nu, cursor) - shift, next = PetscMin(mu->atoms[i].mass, edge);

      if (moves.n == BATCH) MovesFlush(&moves);
      moves.mass[moves.n] = (PetscReal)(next - s) * mass_unit;
      moves.by[moves.n++] = (PetscReal)(mu->atoms[i].place - CursorPlace(nu, cursor)) * unit;
      s = next;
      if (s == edge) CursorNext(nu, &cursor);
    }
  }
  MovesFlush(&moves);
  PetscCall(SumReduce(mu->comm, &moves.square, square));
  *square *= bound;
  if (chord) {
    PetscCall(SumReduce(mu->comm, &moves.chord, chord));
    *chord *= bound;
  }
  PetscFunctionReturn(0);
}

/* The right derivative of the cost by the shift, up to a positive factor. With the shift a the jump of nu after its
 * atom j, at the quantile t_j, meets the quantile s = t_j - a of mu, at x say. When a grows, mass at x goes to y_{j+1}
 * instead of y_j:
 *
 *     C'(a) = sum_j (x - y_{j+1})^2 - (x - y_j)^2 = sum_j (y_{j+1} - y_j) (y_j + y_{j+1} - 2 x).
 *
 * It stays the same while no jump of nu passes one of mu: for shifts from a - slack[0] to a + slack[1] - 1. Of chords
 * |D| = 2 sin(D/2) the difference is 4 sin((y_{j+1} - y_j)/2) sin((y_j + y_{j+1})/2 - x). */
static PetscErrorCode Slope(const Line *mu, const Line *nu, PetscInt64 shift, PetscBool chords, PetscReal *slope,
                            PetscInt64 slack[2]) {
  const PetscReal unit = 1 / (PetscReal)LINE_LAP;
  const PetscInt64 end = mu->n ? mu->atoms[mu->n - 1].mass : mu->begin;
  Cursor cursor = CursorAbove(nu, mu->begin + shift);
  PetscInt64 i = 0, s;
  Sum sum = {{0, 0}};

  PetscFunctionBeginUser;
  slack[0] = slack[1] = 2 * LINE_ONE;
  while ((s = CursorEnd(nu, cursor) - shift) <= end) {
    const PetscInt64 y = CursorPlace(nu, cursor);

    i = Seek(mu, i, s);
    CursorNext(nu, &cursor);
    const PetscReal jump = (PetscReal)(CursorPlace(nu, cursor) - y) * unit;
    const PetscReal twice = (PetscReal)(y - mu->atoms[i].place) * 2 * unit + jump;
    const PetscReal change = chords ? 4 * sin(PETSC_PI * jump) * sin(PETSC_PI * twice) : jump * twice;
    SumAdd(&sum, change * 0x1p-5); /* |twice| <= 7, 4 sin(pi jump) <= 13 jump, and the jumps add up to at most 1 + 1 */
    slack[0] = PetscMin(slack[0], mu->atoms[i].mass - s);
    slack[1] = PetscMin(slack[1], s - (i ? mu->atoms[i - 1].mass : mu->begin));
  }
  PetscCall(SumReduce(mu->comm, &sum, slope));
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, slack, 2, MPIU_INT64, MPI_MIN, mu->comm));
  PetscFunctionReturn(0);
}

/* The first shift above low whose right derivative is not negative: that of low is negative, that of high is not. */
static PetscErrorCode Bisect(const Line *mu, const Line *nu, PetscBool chords, PetscInt64 low, PetscInt64 high,
                             PetscInt64 *shift) {
  PetscInt64 slack[2];

  PetscFunctionBeginUser;
  while (high - low > 1) {
    const PetscInt64 middle = low + (high - low) / 2;
    PetscReal slope;

    PetscCall(Slope(mu, nu, middle, chords, &slope, slack));
    if (slope >= 0)
      high = PetscMax(middle - slack[0], low + 1);
    else
      low = PetscMin(middle + slack[1] - 1, high - 1);
  }
  *shift = high;
  PetscFunctionReturn(0);
}

/* The cost is convex in the shift (Delon, Salomon, Sobolevski 2010) and linear between integers. At LINE_ONE all of nu
 * lies ahead of mu and at -LINE_ONE behind. */
PetscErrorCode LineBestShift(const Line *mu, const Line *nu, PetscInt64 *shift) {
  PetscFunctionBeginUser;
  PetscCall(Bisect(mu, nu, PETSC_FALSE, -LINE_ONE, LINE_ONE, shift));
  PetscFunctionReturn(0);
}

/* Steps away from *shift double until the derivative has the other sign. */
PetscErrorCode LineChordShift(const Line *mu, const Line *nu, PetscInt64 *shift, PetscBool *found) {
  const PetscInt64 begin = *shift;
  PetscInt64 ends[2] = {begin - 1, begin}, slack[2];
  PetscReal slopes[2];

  PetscFunctionBeginUser;
  for (int i = 0; i < 2; i++) PetscCall(Slope(mu, nu, ends[i], PETSC_TRUE, &slopes[i], slack));
  *found = PETSC_TRUE;
  if (slopes[0] <= 0 && slopes[1] >= 0) PetscFunctionReturn(0);
  const PetscBool up = (PetscBool)(slopes[1] < 0);
  for (PetscInt64 step = 1; up ? slopes[1] < 0 : slopes[0] >= 0; step *= 2) {
    if (step > LINE_ONE / 4) *found = PETSC_FALSE;
    if (!*found) PetscFunctionReturn(0);
    ends[!up] = ends[up];
    ends[up] = begin + (up ? step : -step);
    PetscCall(Slope(mu, nu, ends[up], PETSC_TRUE, &slopes[up], slack));
  }
  PetscCall(Bisect(mu, nu, PETSC_TRUE, ends[0], ends[1], shift));
  PetscFunctionReturn(0);
}

PetscInt64 LineFirst(const Line *nu, PetscInt64 shift) {
  return CursorAbove(nu, shift).j;
}

/* What ranks tell each other: the first atom of their piece. */
typedef struct {
  PetscInt64 place, n;
  double reach; /* of an atom: its largest |D| */
} Border;

/* reach[n]: the largest displacement of each atom of mu, in units. */
static void Reaches(const Line *mu, const Line *nu, PetscInt64 shift, PetscReal unit, double *reach) {
  Cursor cursor = CursorAbove(nu, mu->begin + shift);
  PetscInt64 s = mu->begin;

  for (PetscInt64 i = 0; i < mu->n; i++) {
    reach[i] = 0;
    while (s < mu->atoms[i].mass) {
      const PetscInt64 edge = CursorEnd(nu, cursor) - shift;

      reach[i] = PetscMax(reach[i], fabs((PetscReal)(mu->atoms[i].place - CursorPlace(nu, cursor)) * unit));
      s = PetscMin(mu->atoms[i].mass, edge);
      if (s == edge) CursorNext(nu, &cursor);
    }
  }
}

/* The atom after the last of this rank's: of the next rank that has any, once around beyond the last rank. */
static PetscErrorCode Next(const Line *mu, const double *reach, Border *next) {
  const Border mine = {mu->n ? mu->atoms[0].place : 0, mu->n, mu->n ? reach[0] : 0};
  PetscMPIInt size, rank;
  Border *all;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_size(mu->comm, &size));
  PetscCallMPI(MPI_Comm_rank(mu->comm, &rank));
  PetscCall(PetscMalloc1(size, &all));
  PetscCallMPI(MPI_Allgather(&mine, sizeof(mine), MPI_BYTE, all, sizeof(mine), MPI_BYTE, mu->comm));
  for (PetscMPIInt r = 1; r <= size; r++) {
    *next = all[(rank + r) % size];
    if (rank + r >= size) next->place += LINE_LAP;
    if (next->n) break;
  }
  PetscCall(PetscFree(all));
  PetscFunctionReturn(0);
}

PetscErrorCode LineExtent(const Line *mu, const Line *nu, PetscInt64 shift, PetscReal unit, PetscReal *widest,
                          PetscReal *turn) {
  double *reach;
  Border next = {0, 0, 0};
  Sum sum = {{0, 0}};

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(mu->n, &reach));
  Reaches(mu, nu, shift, unit, reach);
  PetscCall(Next(mu, reach, &next));
  *widest = 0;
  for (PetscInt64 i = 0; i < mu->n; i++) {
    const PetscBool last = (PetscBool)(i + 1 == mu->n);
    const PetscInt64 place = last ? next.place : mu->atoms[i + 1].place;
    const PetscReal most = PetscMax(reach[i], last ? next.reach : reach[i + 1]);

    *widest = PetscMax(*widest, reach[i]);
    SumAdd(&sum, (PetscReal)(place - mu->atoms[i].place) / (PetscReal)LINE_LAP * sin(PetscMin(most, PETSC_PI / 2)) / 2);
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, widest, 1, MPIU_REAL, MPIU_MAX, mu->comm));
  PetscCall(SumReduce(mu->comm, &sum, turn));
  *turn = *widest < PETSC_PI / 2 ? *turn * 2 * unit * (PetscReal)LINE_LAP : PETSC_INFINITY;
  PetscCall(PetscFree(reach));
  PetscFunctionReturn(0);
}
