/* The circle: the best plan for the cost of angles squared joins quantiles, cut open at the best place.
 * J. Delon, J. Salomon, A. Sobolevski, "Fast transport optimization for Monge costs on the circle", SIAM J. Appl. Math.
 * 70 (2010). */
#include <math.h>

#include <chorale/distance.h>

#include "base/log.h"
#include "distance/circle.h"
#include "distance/impl.h"

static PetscErrorCode CircleLine(Tokens tokens, Line *line) {
  const PetscReal scale = (PetscReal)LINE_LAP / (2 * PETSC_PI);
  const double *x;
  TokensLayout layout;
  PetscInt64 n = 0, *places;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  PetscCall(TokensGetVec(tokens, &positions));
  PetscCall(PetscMalloc1((size_t)layout.owned * layout.block, &places));
  PetscCall(VecGetArrayRead(positions, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    const double *first = x + (size_t)b * 2 * layout.block, *second = first + layout.block;

    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const PetscInt64 place = llrint(scale * atan2(second[t], first[t])); /* -pi and pi are one place */
      places[n++] = place < 0 ? place + LINE_LAP : place;
    }
  }
  PetscCall(VecRestoreArrayRead(positions, &x));
  PetscCall(LineCreate(tokens, places, line));
  PetscCall(PetscFree(places));
  PetscFunctionReturn(0);
}

PetscErrorCode CircleLines(Tokens mu, Tokens nu, LinePair *pair, PetscInt64 *shift) {
  TokensLayout layout;
  Line a, b;

  PetscFunctionBeginUser;
  PetscCall(DistanceCheck(mu, nu));
  PetscCall(TokensGetLayout(mu, &layout));
  PetscCheck(layout.dim == 2, layout.comm, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt_FMT ": transport on the circle needs 2", layout.dim);
  PetscCall(CircleLine(mu, &a));
  PetscCall(CircleLine(nu, &b));
  PetscCall(LinePairCreate(&a, &b, pair));
  PetscCall(LineBestShift(pair, shift));
  PetscFunctionReturn(0);
}

PetscErrorCode DistanceCircle(Tokens mu, Tokens nu, PetscReal *geodesic, PetscReal *chordal) {
  static PetscLogEvent event;
  PetscInt64 shift;
  LinePair pair;

  PetscFunctionBeginUser;
  PetscCall(LogEvent("DistCircle", &event));
  PetscCall(PetscLogEventBegin(event, NULL, NULL, NULL, NULL));
  PetscCall(CircleLines(mu, nu, &pair, &shift));
  PetscCall(LineCost(&pair, shift, 2 * PETSC_PI / (PetscReal)LINE_LAP, geodesic, chordal));
  PetscCall(LinePairDestroy(&pair));
  PetscCall(PetscLogEventEnd(event, NULL, NULL, NULL, NULL));
  PetscFunctionReturn(0);
}
