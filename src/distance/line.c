#include "base/vmath.h"

#include "distance/line.h"

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

/* An atom of nu gone on periodically. */
typedef struct {
  PetscInt64 j, lap;
} Cursor;

/* The atom of nu with the quantiles just above s, s >= -2 LINE_ONE. */
static Cursor CursorAbove(const LinePair *pair, PetscInt64 s) {
  const PetscInt64 lap = pair->whole ? (s + 2 * LINE_ONE) / LINE_ONE - 2 : 0;
  return (Cursor){LineSeek(&pair->seen, 0, s - lap * LINE_ONE + 1), lap};
}

static inline void CursorNext(const LinePair *pair, Cursor *cursor) {
  if (++cursor->j < pair->seen.n || !pair->whole) return;
  cursor->j = 0;
  cursor->lap++;
}

static inline PetscInt64 CursorPlace(const LinePair *pair, Cursor cursor) {
  return pair->seen.atoms[cursor.j].place + cursor.lap * LINE_LAP;
}

static inline PetscInt64 CursorEnd(const LinePair *pair, Cursor cursor) {
  return pair->seen.atoms[cursor.j].mass + cursor.lap * LINE_ONE;
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

PetscErrorCode LineCost(LinePair *pair, PetscInt64 shift, PetscReal unit, PetscReal *square, PetscReal *chord) {
  const PetscReal bound = 16, mass_unit = 1 / (bound * (PetscReal)LINE_ONE);
  const Line *mu = &pair->mu;
  PetscInt64 s = mu->begin;
  Cursor cursor;
  Moves moves = {.chords = chord != NULL ? PETSC_TRUE : PETSC_FALSE};

  PetscFunctionBeginUser;
  PetscCall(LinePairSee(pair, shift));
  cursor = CursorAbove(pair, mu->begin + shift);
  for (PetscInt64 i = 0; i < mu->n; i++) {
    while (s < mu->atoms[i].mass) {
      const PetscInt64 edge = CursorEnd(pair, cursor) - shift, next = PetscMin(mu->atoms[i].mass, edge);

      if (moves.n == BATCH) MovesFlush(&moves);
      moves.mass[moves.n] = (PetscReal)(next - s) * mass_unit;
      moves.by[moves.n++] = (PetscReal)(mu->atoms[i].place - CursorPlace(pair, cursor)) * unit;
      s = next;
      if (s == edge) CursorNext(pair, &cursor);
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
static PetscErrorCode Slope(LinePair *pair, PetscInt64 shift, PetscBool chords, PetscReal *slope, PetscInt64 slack[2]) {
  const PetscReal unit = 1 / (PetscReal)LINE_LAP;
  const Line *mu = &pair->mu;
  const PetscInt64 end = LineEnd(mu);
  PetscInt64 i = 0, s;
  Sum sum = {{0, 0}};
  Cursor cursor;

  PetscFunctionBeginUser;
  PetscCall(LinePairSee(pair, shift));
  cursor = CursorAbove(pair, mu->begin + shift);
  slack[0] = slack[1] = 2 * LINE_ONE;
  while ((s = CursorEnd(pair, cursor) - shift) <= end) {
    const PetscInt64 y = CursorPlace(pair, cursor);

    i = LineSeek(mu, i, s);
    CursorNext(pair, &cursor);
    const PetscReal jump = (PetscReal)(CursorPlace(pair, cursor) - y) * unit;
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
static PetscErrorCode Bisect(LinePair *pair, PetscBool chords, PetscInt64 low, PetscInt64 high, PetscInt64 *shift) {
  PetscInt64 slack[2];

  PetscFunctionBeginUser;
  while (high - low > 1) {
    const PetscInt64 middle = low + (high - low) / 2;
    PetscReal slope;

    PetscCall(Slope(pair, middle, chords, &slope, slack));
    if (slope >= 0)
      high = PetscMax(middle - slack[0], low + 1);
    else
      low = PetscMin(middle + slack[1] - 1, high - 1);
  }
  *shift = high;
  PetscFunctionReturn(0);
}

/* Narrows low .. high, most often to a little around 0: a pair that sees a part of nu fetches few of them. Sums are of
 * monotone terms, so the sign of the derivative changes once and the shift found does not depend on the way. */
static PetscErrorCode Narrow(LinePair *pair, PetscInt64 *low, PetscInt64 *high) {
  PetscInt64 slack[2], step = (pair->high - pair->low) / 2;
  PetscReal slope;
  PetscBool above; /* the shift lies above the nearer of low and high */

  PetscFunctionBeginUser;
  PetscCall(Slope(pair, -step, PETSC_FALSE, &slope, slack));
  above = slope < 0 ? PETSC_TRUE : PETSC_FALSE;
  *(above ? low : high) = -step;
  for (step *= above ? 1 : 8; step < LINE_ONE; step *= 8) {
    const PetscInt64 end = above ? step : -step;

    PetscCall(Slope(pair, end, PETSC_FALSE, &slope, slack));
    *(slope < 0 ? low : high) = end;
    if ((slope < 0) != above) break;
  }
  PetscFunctionReturn(0);
}

/* The cost is convex in the shift (Delon, Salomon, Sobolevski 2010) and linear between integers. At LINE_ONE all of nu
 * lies ahead of mu and at -LINE_ONE behind. */
PetscErrorCode LineBestShift(LinePair *pair, PetscInt64 *shift) {
  PetscInt64 low = -LINE_ONE, high = LINE_ONE;

  PetscFunctionBeginUser;
  if (!pair->whole) PetscCall(Narrow(pair, &low, &high));
  PetscCall(Bisect(pair, PETSC_FALSE, low, high, shift));
  PetscFunctionReturn(0);
}

/* Steps away from *shift double until the derivative has the other sign. */
PetscErrorCode LineChordShift(LinePair *pair, PetscInt64 *shift, PetscBool *found) {
  const PetscInt64 begin = *shift;
  PetscInt64 ends[2] = {begin - 1, begin}, slack[2];
  PetscReal slopes[2];

  PetscFunctionBeginUser;
  for (int i = 0; i < 2; i++) PetscCall(Slope(pair, ends[i], PETSC_TRUE, &slopes[i], slack));
  *found = PETSC_TRUE;
  if (slopes[0] <= 0 && slopes[1] >= 0) PetscFunctionReturn(0);
  const PetscBool up = (PetscBool)(slopes[1] < 0);
  for (PetscInt64 step = 1; up ? slopes[1] < 0 : slopes[0] >= 0; step *= 2) {
    if (step > LINE_ONE / 4) *found = PETSC_FALSE;
    if (!*found) PetscFunctionReturn(0);
    ends[!up] = ends[up];
    ends[up] = begin + (up ? step : -step);
    PetscCall(Slope(pair, ends[up], PETSC_TRUE, &slopes[up], slack));
  }
  PetscCall(Bisect(pair, PETSC_TRUE, ends[0], ends[1], shift));
  PetscFunctionReturn(0);
}

PetscInt64 LineFirst(const LinePair *pair, PetscInt64 shift) {
  return CursorAbove(pair, shift).j;
}

/* What ranks tell each other: the first atom of their piece. */
typedef struct {
  PetscInt64 place, n;
  double reach; /* of an atom: its largest |D| */
} Border;

/* reach[n]: the largest displacement of each atom of mu, in units. */
static void Reaches(const LinePair *pair, PetscInt64 shift, PetscReal unit, double *reach) {
  const Line *mu = &pair->mu;
  Cursor cursor = CursorAbove(pair, mu->begin + shift);
  PetscInt64 s = mu->begin;

  for (PetscInt64 i = 0; i < mu->n; i++) {
    reach[i] = 0;
    while (s < mu->atoms[i].mass) {
      const PetscInt64 edge = CursorEnd(pair, cursor) - shift;

      reach[i] = PetscMax(reach[i], fabs((PetscReal)(mu->atoms[i].place - CursorPlace(pair, cursor)) * unit));
      s = PetscMin(mu->atoms[i].mass, edge);
      if (s == edge) CursorNext(pair, &cursor);
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

PetscErrorCode LineExtent(LinePair *pair, PetscInt64 shift, PetscReal unit, PetscReal *widest, PetscReal *turn) {
  const Line *mu = &pair->mu;
  Border next = {0, 0, 0};
  Sum sum = {{0, 0}};
  double *reach;

  PetscFunctionBeginUser;
  PetscCall(LinePairSee(pair, shift));
  PetscCall(PetscMalloc1(mu->n, &reach));
  Reaches(pair, shift, unit, reach);
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
