/* W2^2 on the circle with chordal cost c = |x - y|^2 = 2 - 2 cos(x - y), exactly, or between certified bounds.
 *
 * Among the plans that join quantiles, T monotone, one is a candidate: where the cost of chords is stationary in the
 * shift, near the best one of angles squared. Then phi' (x) = 2 sin(x - T(x)) has a periodic solution phi, and with
 * y = T(x0), f(x) = c(x,y) - phi(x) has f'(x) = 2 sin(x - y) - 2 sin(x - T(x)). Let all displacements |x - T(x)| be at
 * most delta < pi/2. Right of x0 T(x) >= y, so f' >= 0 while x - y <= pi - delta, likewise to the left; beyond, f is
 * more than f(x0) if c(pi - delta) - c(delta) = 4 cos(delta) exceeds the range of phi, at most the integral of
 * sin |x - T(x)| over the circle. Then f >= f(x0) everywhere: phi and c - phi are dual potentials, the plan is optimal.
 *
 * Where that proves nothing, few tokens are solved by the network simplex method. Of many, both measures are moved onto
 * GROUPS equal masses, each at the centre of as many quantiles, at a cost W2(mu, mu')^2 = the spread within the groups
 * at most; the triangle inequality bounds W2(mu,nu) by W2(mu',nu'), which is exact. */
#include <math.h>

#include <chorale/distance.h>
#include <chorale/sum.h>

#include "base/log.h"
#include "distance/circle.h"
#include "distance/impl.h"
#include "distance/line.h"
#include "distance/simplex.h"

#define UNIT     (2 * PETSC_PI / (PetscReal)LINE_LAP)
#define MARGIN   1e-9 /* of the certificate */
#define ROUNDING 1e-11
#define GROUPS   1024

static PetscErrorCode IsOptimal(LinePair *pair, PetscInt64 shift, PetscBool *optimal) {
  PetscReal widest, turn;

  PetscFunctionBeginUser;
  PetscCall(LineExtent(pair, shift, UNIT, &widest, &turn));
  *optimal = (PetscBool)(widest < PETSC_PI / 2 && 4 * cos(widest) > turn + MARGIN);
  PetscFunctionReturn(0);
}

/* All atoms, the first of which is number `first`. */
static PetscErrorCode SideOfAtoms(const Line *line, PetscInt64 first, SimplexSide *side) {
  PetscFunctionBeginUser;
  PetscCall(SimplexSideCreate((PetscInt)line->n, side));
  for (PetscInt64 k = 0; k < line->n; k++) {
    const PetscInt64 i = (first + k) % line->n;
    side->x[k] = cos((PetscReal)line->atoms[i].place * UNIT);
    side->y[k] = sin((PetscReal)line->atoms[i].place * UNIT);
    side->mass[k] = line->atoms[i].mass - (i ? line->atoms[i - 1].mass : 0);
  }
  PetscFunctionReturn(0);
}

/* Rank 0 solves. */
static PetscErrorCode Solve(MPI_Comm comm, const SimplexSide *from, const SimplexSide *to, PetscReal *cost) {
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (rank == 0) PetscCall(SimplexSolve(from, to, cost));
  PetscCallMPI(MPI_Bcast(cost, 1, MPIU_REAL, 0, comm));
  PetscFunctionReturn(0);
}

static PetscErrorCode Exactly(LinePair *pair, PetscInt64 shift, PetscReal *w2sq) {
  SimplexSide from, to;

  PetscFunctionBeginUser;
  PetscCall(LineGather(&pair->mu));
  PetscCall(SideOfAtoms(&pair->seen, LineFirst(pair, shift), &from)); /* the fewer: the method scans their rows */
  PetscCall(SideOfAtoms(&pair->mu, 0, &to));
  PetscCall(Solve(pair->mu.comm, &from, &to, w2sq));
  PetscCall(SimplexSideDestroy(&from));
  PetscCall(SimplexSideDestroy(&to));
  PetscFunctionReturn(0);
}

/* The centres of the groups, and the mean square distance to them. whole: this rank has all atoms. */
static PetscErrorCode SideOfGroups(const Line *line, PetscBool whole, SimplexSide *side, PetscReal *spread) {
  const PetscInt64 size = LINE_ONE / GROUPS;
  const PetscReal scale = SumScale(1);
  PetscInt64 sums[GROUPS][2] = {{0}}, s = line->begin;

  PetscFunctionBeginUser;
  for (PetscInt64 i = 0; i < line->n; i++) {
    const PetscReal angle = (PetscReal)line->atoms[i].place * UNIT, x = cos(angle), y = sin(angle);

    while (s < line->atoms[i].mass) {
      const PetscInt64 g = s / size, end = PetscMin(line->atoms[i].mass, (g + 1) * size);
      const PetscReal mass = (PetscReal)(end - s) / (PetscReal)LINE_ONE;

      sums[g][0] += SumRound(mass * x, scale);
      sums[g][1] += SumRound(mass * y, scale);
      s = end;
    }
  }
  if (!whole) PetscCall(SumAllreduce(line->comm, 2 * GROUPS, sums[0]));
  PetscCall(SimplexSideCreate(GROUPS, side));
  *spread = 0;
  for (PetscInt g = 0; g < GROUPS; g++) {
    const PetscReal x = (PetscReal)sums[g][0] / scale, y = (PetscReal)sums[g][1] / scale, length = hypot(x, y);

    *spread += 2 * PetscMax(1.0 / GROUPS - length, 0);
    side->x[g] = length > 0 ? x / length : 1;
    side->y[g] = length > 0 ? y / length : 0;
    side->mass[g] = size;
  }
  PetscFunctionReturn(0);
}

/* Narrows *low .. *high. */
static PetscErrorCode Bounds(const LinePair *pair, PetscReal *low, PetscReal *high) {
  PetscReal spreads[2], w2sq;
  SimplexSide from, to;

  PetscFunctionBeginUser;
  PetscCall(SideOfGroups(&pair->mu, PETSC_FALSE, &from, &spreads[0]));
  PetscCall(SideOfGroups(pair->whole ? &pair->seen : &pair->nu, pair->whole, &to, &spreads[1]));
  PetscCall(Solve(pair->mu.comm, &from, &to, &w2sq));
  const PetscReal w = sqrt(w2sq), off = sqrt(spreads[0]) + sqrt(spreads[1]) + sqrt(ROUNDING);
  *low = PetscMax(*low, PetscSqr(PetscMax(w - off, 0)));
  *high = PetscMin(*high, PetscSqr(w + off));
  PetscCall(SimplexSideDestroy(&from));
  PetscCall(SimplexSideDestroy(&to));
  PetscFunctionReturn(0);
}

PetscErrorCode DistanceCircleTransport(Tokens mu, Tokens nu, PetscReal *low, PetscReal *high) {
  static PetscLogEvent event;
  PetscReal geodesic, angles;
  PetscInt64 best, shift;
  PetscBool optimal;
  LinePair pair;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("DistCircle", &event));
  PetscCall(PetscLogEventBegin(event, NULL, NULL, NULL, NULL));
  PetscCall(CircleLines(mu, nu, &pair, &best));
  PetscCall(LineCost(&pair, best, UNIT, &geodesic, high));
  shift = best;
  PetscCall(LineChordShift(&pair, &shift, &optimal));
  if (optimal && shift != best) PetscCall(LineCost(&pair, shift, UNIT, &angles, high));
  if (optimal) PetscCall(IsOptimal(&pair, shift, &optimal));
  *low = *high;
  if (!optimal && pair.mu.count * pair.nu.count <= DISTANCE_CIRCLE_PAIRS) {
    PetscCall(Exactly(&pair, best, high));
    *low = *high;
  } else if (!optimal) { /* a chord is at least 2/pi of its arc */
    *low = 4 / (PETSC_PI * PETSC_PI) * geodesic * (1 - ROUNDING);
    PetscCall(Bounds(&pair, low, high));
  }
  PetscCall(LinePairDestroy(&pair));
  PetscCall(PetscLogEventEnd(event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}
