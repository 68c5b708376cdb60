/* W2^2 between certified bounds by auction, from coarse to fine (NUMERICS.md (9.14)). */
#include <math.h>

#include <chorale/distance.h>

#include "base/log.h"
#include "distance/impl.h"
#include "distance/market.h"

#define GROUP  4   /* points of a level that are one of the next */
#define LEVELS 16  /* GROUP^LEVELS is more than any number of tokens */
#define FEW    64  /* points of the coarsest level */
#define FACTOR 8   /* from one epsilon to the next */
#define ENOUGH 0.5 /* of tol: the last epsilon aims at that */
#define ACROSS 4   /* epsilon over spread at which a level has said what it can */
#define ENDS   64  /* epsilon over the rounding of costs at which doubles end */

typedef struct {
  Points side[2];   /* persons: the measure of more tokens; objects */
  PetscReal spread; /* mean square distance that the level does not see */
} Level;

/* What is known of W2^2 of one level. */
typedef struct {
  PetscReal shift; /* of the means, squared: part of it */
  PetscReal scale; /* of costs */
  PetscReal tol, epsilon, low, high;
} Bounds;

/* The square of the shift of the means adds to the cost of every plan: only the rest is left to the auction. */
static PetscErrorCode Centre(Points points[2], Bounds *bounds) {
  PetscReal *means, squares[2];
  const PetscInt dim = points[0].dim;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(2 * dim, &means));
  for (int s = 0; s < 2; s++) PetscCall(PointsCentre(&points[s], means + s * dim, &squares[s]));
  for (PetscInt c = 0; c < dim; c++) bounds->shift += PetscSqr(means[c] - means[dim + c]);
  bounds->scale = PetscSqr(sqrt(squares[0]) + sqrt(squares[1]));
  bounds->epsilon = bounds->scale / 4;
  PetscCall(PetscFree(means));
  PetscFunctionReturn(0);
}

static PetscErrorCode Coarsen(Level levels[LEVELS], PetscInt *n) {
  PetscFunctionBeginUser;
  for (*n = 1; *n < LEVELS && levels[*n - 1].side[0].n > FEW; ++*n) {
    PetscReal spreads[2];

    for (int s = 0; s < 2; s++)
      PetscCall(PointsCoarsen(&levels[*n - 1].side[s], GROUP, &levels[*n].side[s], &spreads[s]));
    levels[*n].spread = levels[*n - 1].spread + PetscMax(spreads[0], spreads[1]);
  }
  PetscFunctionReturn(0);
}

/* One line a process says that tol is out of reach. */
static PetscErrorCode TellEnd(MPI_Comm comm, const Bounds *bounds) {
  static PetscBool told = PETSC_FALSE;

  PetscFunctionBeginUser;
  if (told) PetscFunctionReturn(0);
  told = PETSC_TRUE;
  PetscCall(
      PetscPrintf(comm,
                  "note: W2^2 is between %.6g and %.6g; a smaller gap, which distance_tol = %.1e asks for, is below "
                  "the rounding of prices\n",
                  (double)(bounds->shift + bounds->low), (double)(bounds->shift + bounds->high), (double)bounds->tol));
  PetscFunctionReturn(0);
}

/* Phases at ever smaller epsilon: of the finest level until tol is reached, of others until their spread is. */
static PetscErrorCode Phases(Market *market, const Level *level, Bounds *bounds) {
  const PetscReal ends = ENDS * PETSC_MACHINE_EPSILON * bounds->scale;
  PetscReal dual;

  PetscFunctionBeginUser;
  bounds->low = 0;
  bounds->high = PETSC_INFINITY;
  for (;;) {
    PetscCall(MarketLower(market, bounds->epsilon));
    PetscCall(MarketAuction(market, bounds->scale, &bounds->epsilon));
    PetscCall(MarketValues(market, &dual));
    bounds->high = PetscMin(bounds->high, MarketCost(market, bounds->scale));
    bounds->low = PetscMin(PetscMax(bounds->low, dual), bounds->high);
    const PetscReal gap = bounds->high - bounds->low, allowed = bounds->tol * (bounds->shift + bounds->high);
    if (gap <= allowed) break;
    if (level->spread > 0 && bounds->epsilon <= ACROSS * level->spread) break;
    if (bounds->epsilon <= ends) {
      if (level->spread == 0) PetscCall(TellEnd(market->comm, bounds));
      break;
    }
    bounds->epsilon = PetscMax(bounds->epsilon * PetscMax(1.0 / FACTOR, ENOUGH * allowed / gap), ends);
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Solve(MPI_Comm comm, Points points[2], Bounds *bounds) {
  const int persons = points[0].n >= points[1].n ? 0 : 1;
  Level levels[LEVELS] = {0};
  Market market, coarse = {0};
  PetscInt n;

  PetscFunctionBeginUser;
  for (int s = 0; s < 2; s++) PetscCall(PointsSort(&points[s]));
  for (int s = 0; s < 2; s++) levels[0].side[s] = points[s ? 1 - persons : persons];
  PetscCall(Coarsen(levels, &n));
  for (PetscInt l = n - 1; l >= 0; l--) {
    PetscReal dual;

    PetscCall(MarketCreate(comm, &levels[l].side[0], &levels[l].side[1], &market));
    if (l == n - 1)
      PetscCall(MarketValues(&market, &dual));
    else
      PetscCall(MarketInherit(&market, &coarse));
    PetscCall(MarketDestroy(&coarse));
    PetscCall(Phases(&market, &levels[l], bounds));
    coarse = market;
  }
  PetscCall(MarketDestroy(&market));
  for (PetscInt l = 1; l < n; l++)
    for (int s = 0; s < 2; s++) PetscCall(PointsDestroy(&levels[l].side[s]));
  PetscFunctionReturn(0);
}

PetscErrorCode DistanceAuction(Tokens mu, Tokens nu, PetscReal tol, PetscReal *low, PetscReal *high) {
  static PetscLogEvent event;
  Bounds bounds = {.tol = tol};
  TokensLayout layout;
  Points points[2];

  PetscFunctionBeginUser;
  PetscCall(LogEvent("DistAuction", &event));
  PetscCall(PetscLogEventBegin(event, NULL, NULL, NULL, NULL));
  PetscCall(DistanceCheck(mu, nu));
  PetscCall(TokensGetLayout(mu, &layout));
  PetscCall(PointsCreate(mu, nu, points));
  PetscCall(Centre(points, &bounds));
  if (bounds.scale > 0) PetscCall(Solve(layout.comm, points, &bounds));
  *low = bounds.shift + bounds.low;
  *high = bounds.shift + bounds.high;
  for (int s = 0; s < 2; s++) PetscCall(PointsDestroy(&points[s]));
  PetscCall(PetscLogEventEnd(event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}
